/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A look at everything, in pieces: what the loop does meanwhile, and what is configured meanwhile. */
#include "api_fixture.h"

#include "api/large.h"
#include "api/survey.h"

#define STEPS 400

static int slow_begin(void *userdata, struct snapshot *ret_snapshot)
{
	(void)userdata;
	*ret_snapshot = (struct snapshot){.missing = STEPS};
	return 0;
}

/* A third of a millisecond. */
static int slow_go_on(void *userdata, struct snapshot *snapshot)
{
	uint64_t until = clock_processor_ns() + 333333;

	(void)userdata;
	while (clock_processor_ns() < until)
		;
	snapshot->missing -= snapshot->missing > 0;
	return 0;
}

static void slow_free(void *userdata, struct snapshot *snapshot)
{
	(void)userdata, (void)snapshot;
}

static const struct api_handlers slow_handlers = {
	.snapshot_begin = slow_begin, .snapshot_go_on = slow_go_on, .snapshot_free = slow_free,
};

/* What became of one look. */
struct looker {
	struct survey_job job;
	int beginnings, result;
	bool ended;
	int place;                 /* among those that ended: 1 is the first */
};

static int n_ended;

static void on_begin(void *userdata)
{
	struct looker *looker = userdata;

	looker->beginnings++;
}

static bool on_go_on(void *userdata, const struct snapshot *snapshot)
{
	(void)userdata;
	return !snapshot->missing;
}

static void on_end(void *userdata, int r)
{
	struct looker *looker = userdata;

	looker->result = r;
	looker->ended = true;
	looker->place = ++n_ended;
}

static void look(struct survey *survey, struct looker *looker)
{
	*looker = (struct looker){.job = {.begin = on_begin, .go_on = on_go_on, .end = on_end, .userdata = looker}};
	survey_add(survey, &looker->job);
}

static int ticks;

static int on_tick(sd_event_source *source, uint64_t usec, void *userdata)
{
	(void)usec, (void)userdata;
	ticks++;
	return sd_event_source_set_time_relative(source, 1000);
}

static int on_deferred(sd_event_source *source, void *userdata)
{
	(void)source;
	*(bool *)userdata = true;
	return 0;
}

struct world {
	sd_event *event;
	struct survey *survey;
};

static struct world world_of(const struct api_handlers *handlers, void *userdata)
{
	struct world world;

	n_ended = 0;
	assert_true(sd_event_new(&world.event) >= 0);
	assert_int_equal(survey_new(world.event, handlers, userdata, &world.survey), 0);
	return world;
}

static void world_end(struct world *world)
{
	survey_free(world->survey);
	sd_event_unref(world->event);
}

static void the_loop_goes_round_while_somebody_looks(void **state)
{
	struct world world = world_of(&slow_handlers, NULL);
	struct looker looker = {};
	sd_event_source *tick;
	int turns = 0;

	(void)state;
	assert_true(sd_event_add_time_relative(world.event, &tick, CLOCK_MONOTONIC, 0, 1, on_tick, NULL) >= 0);
	assert_true(sd_event_source_set_enabled(tick, SD_EVENT_ON) >= 0);
	look(world.survey, &looker);
	for (ticks = 0; !looker.ended; turns++)
		assert_true(sd_event_run(world.event, UINT64_MAX) >= 0);
	/* 133 ms of work: a turn of the look is as long as four steps at most, and between two of them a tick that is due has its turn. */
	assert_true(turns - ticks >= STEPS / 4 - 1);
	assert_true(ticks >= STEPS / 8);
	assert_true(looker.job.spent_ns >= STEPS * 333333ULL);
	sd_event_source_disable_unref(tick);
	world_end(&world);
}

static void looks_are_taken_in_the_order_asked_for(void **state)
{
	struct fixture fixture = {};
	struct world world = world_of(&fixture_handlers, &fixture);
	struct looker lookers[4] = {};

	(void)state;
	fixture_fill(&fixture.snapshot);
	for (size_t i = 0; i < 4; i++)
		look(world.survey, &lookers[i]);
	survey_remove(world.survey, &lookers[2].job);
	survey_remove(world.survey, &lookers[2].job); /* once more does nothing */
	while (!lookers[3].ended)
		assert_true(sd_event_run(world.event, UINT64_MAX) >= 0);
	assert_int_equal(lookers[0].place, 1);
	assert_int_equal(lookers[1].place, 2);
	assert_int_equal(lookers[3].place, 3);
	assert_false(lookers[2].ended);
	assert_int_equal(fixture.snapshots_alive, 0);
	world_end(&world);
}

static void what_is_configured_anew_is_looked_at_anew(void **state)
{
	struct fixture fixture = {.stale_looks = 2};
	struct world world = world_of(&fixture_handlers, &fixture);
	struct looker looker = {};

	(void)state;
	fixture_fill(&fixture.snapshot);
	look(world.survey, &looker);
	while (!looker.ended)
		assert_true(sd_event_run(world.event, UINT64_MAX) >= 0);
	assert_int_equal(looker.result, 0);
	assert_int_equal(looker.beginnings, 3);
	assert_int_equal(fixture.snapshots_alive, 0);
	world_end(&world);
}

static void who_is_cancelled_is_told(void **state)
{
	struct fixture fixture = {};
	struct world world = world_of(&fixture_handlers, &fixture);
	struct looker lookers[2] = {};
	bool deferred = false;

	(void)state;
	fixture_fill(&fixture.snapshot);
	assert_true(sd_event_add_defer(world.event, NULL, on_deferred, &deferred) >= 0);
	look(world.survey, &lookers[0]);
	look(world.survey, &lookers[1]);
	survey_cancel(world.survey);
	assert_int_equal(lookers[0].result, -ECANCELED);
	assert_int_equal(lookers[1].result, -ECANCELED);
	while (!deferred)
		assert_true(sd_event_run(world.event, UINT64_MAX) >= 0);
	assert_int_equal(lookers[0].beginnings, 0);
	world_end(&world);
}

/* In pieces or at once, a document is the same. */
static void documents_are_the_same_in_pieces(void **state)
{
	const struct large_form *forms[] = {&large_status, &large_services, &large_groups, &large_backends, &large_health, &large_metrics};
	struct snapshot snapshot;

	(void)state;
	fixture_fill(&snapshot);
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		size_t all = snapshot.n_services + snapshot.n_groups + snapshot.n_backends;
		char *whole = large_text(forms[i], &snapshot);
		struct large large = {.form = forms[i]};

		for (snapshot.missing = all; !large_go_on(&large, &snapshot);)
			snapshot.missing -= snapshot.missing > 0;
		assert_string_equal(large.text.bytes, whole);
		free(large.text.bytes);
		free(whole);
		snapshot.missing = 0;
	}
	snapshot.n_services = snapshot.n_groups = snapshot.n_backends = 0;
	for (size_t i = 1; i < 4; i++) {
		char *empty = large_text(forms[i], &snapshot);

		assert_string_equal(empty, "[]");
		free(empty);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_loop_goes_round_while_somebody_looks),
		cmocka_unit_test(looks_are_taken_in_the_order_asked_for),
		cmocka_unit_test(what_is_configured_anew_is_looked_at_anew),
		cmocka_unit_test(who_is_cancelled_is_told),
		cmocka_unit_test(documents_are_the_same_in_pieces),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
