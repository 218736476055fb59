/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The queue of a hook: how long it waits between attempts, when it gives up, and that what comes meanwhile disturbs nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "hooks/hooks.h"

#include "state_folder.h"

#define DEADLINE_MS 20000
#define SLACK_MS 500 /* of a machine that has other things to do */

struct world {
	sd_event *event;
	struct children *children;
	struct hooks *hooks;
	unsigned int n_told;
	char told[256]; /* the last sentence */
};

static void on_told(void *userdata, enum hook_kind kind, const char *text)
{
	struct world *world = userdata;

	assert_int_equal(kind, HOOK_EXEC);
	world->n_told++;
	snprintf(world->told, sizeof(world->told), "%s", text);
}

/* One hook: this script, whose $1 is a file of the test's. */
static void open_world(struct world *world, const char *script, struct config_hooks config)
{
	char file[512], *command[] = {"/bin/sh", "-c", (char *)script, "hook", file, NULL};

	*world = (struct world){.n_told = 0};
	snprintf(file, sizeof(file), "%s/log", folder);
	config.exec = command;
	config.on = UINT32_MAX;
	assert_true(sd_event_new(&world->event) >= 0);
	assert_int_equal(children_open(world->event, &world->children), 0);
	assert_int_equal(hooks_open(world->event, world->children, on_told, world, &world->hooks), 0);
	assert_int_equal(hooks_configure(world->hooks, &config, NULL), 0);
}

static void close_world(struct world *world)
{
	hooks_close(world->hooks);
	children_close(world->children);
	sd_event_unref(world->event);
}

static void run_until(struct world *world, bool (*holds)(const struct world *world))
{
	uint64_t deadline_ms = clock_monotonic_ms() + DEADLINE_MS;

	while (!holds(world)) {
		assert_true(clock_monotonic_ms() < deadline_ms);
		assert_true(sd_event_run(world->event, 10000) >= 0);
	}
}

static bool has_told(const struct world *world)
{
	return world->n_told > 0;
}
static bool has_begun(const struct world *world)
{
	return hooks_figures(world->hooks, HOOK_EXEC).attempts > 0;
}
static bool is_idle(const struct world *world)
{
	return hooks_figures(world->hooks, HOOK_EXEC).waiting == 0;
}

static void tell_of(struct world *world, uint64_t id)
{
	hooks_send(world->hooks, id, "failover", "failover of group g", json_object());
}

/* Milliseconds that the script wrote, one a line. Returns how many. */
static size_t read_times(double *times, size_t max)
{
	char path[512];
	FILE *file;
	size_t n = 0;

	snprintf(path, sizeof(path), "%s/log", folder);
	file = fopen(path, "re");
	assert_non_null(file);
	while (n < max && fscanf(file, "%lf", &times[n]) == 1)
		times[n++] /= 1e6;
	fclose(file);
	return n;
}

static void attempts_come_after_ever_longer_random_waits_and_have_an_end(void **state)
{
	static const double most_ms[] = {80, 160, 200,
					 200}; /* 80, doubled each time, at most 200; at least half of it */
	struct world world;
	double times[8];

	(void)state;
	open_world(
		&world, "date +%s%N >>\"$1\"; exit 3",
		(struct config_hooks){
			.max_attempts = 5, .timeout_ms = 10000, .backoff_ms = 80, .max_backoff_ms = 200, .queue = 10});
	tell_of(&world, 7);
	run_until(&world, has_told);
	assert_non_null(strstr(world.told, "failover of group g (event 7): given up after 5 attempts"));
	assert_non_null(strstr(world.told, "exit status 3"));
	assert_int_equal(read_times(times, 8), 5);
	for (int i = 0; i < 4; i++) {
		double waited_ms = times[i + 1] - times[i];

		print_message("  attempt %d came after %.0f ms (%.0f to %.0f)\n", i + 2, waited_ms, most_ms[i] / 2,
			      most_ms[i]);
		assert_true(waited_ms >= most_ms[i] / 2 - 1 && waited_ms <= most_ms[i] + SLACK_MS);
	}
	close_world(&world);
}

static void what_comes_meanwhile_breaks_no_attempt_off(void **state)
{
	struct world world;

	(void)state;
	open_world(&world, "sleep 0.3",
		   (struct config_hooks){
			   .max_attempts = 3, .timeout_ms = 10000, .backoff_ms = 10, .max_backoff_ms = 10, .queue = 1});
	tell_of(&world, 1);
	run_until(&world, has_begun);
	tell_of(&world, 2); /* for which a queue of one has no place */
	run_until(&world, is_idle);
	assert_int_equal(hooks_figures(world.hooks, HOOK_EXEC).attempts, 1);
	assert_int_equal(hooks_figures(world.hooks, HOOK_EXEC).delivered, 1);
	assert_int_equal(hooks_figures(world.hooks, HOOK_EXEC).dropped, 1);
	close_world(&world);
}

static void documents_go_one_after_the_other_in_their_order(void **state)
{
	struct world world;
	double ids[8];

	(void)state;
	open_world(
		&world, "echo ${SHUNT_EVENT_ID}000000 >>\"$1\"; [ $SHUNT_EVENT_ID -ne 2 ] || [ $SHUNT_ATTEMPT -eq 2 ]",
		(struct config_hooks){
			.max_attempts = 3, .timeout_ms = 10000, .backoff_ms = 10, .max_backoff_ms = 10, .queue = 10});
	for (uint64_t id = 1; id <= 3; id++)
		tell_of(&world, id);
	run_until(&world, is_idle);
	assert_int_equal(read_times(ids, 8), 4);
	assert_true(ids[0] == 1 && ids[1] == 2 && ids[2] == 2 &&
		    ids[3] == 3); /* nobody overtakes one that is tried again */
	assert_int_equal(hooks_figures(world.hooks, HOOK_EXEC).delivered, 3);
	close_world(&world);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, make_folder, remove_folder)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(attempts_come_after_ever_longer_random_waits_and_have_an_end),
		TEST(what_comes_meanwhile_breaks_no_attempt_off),
		TEST(documents_go_one_after_the_other_in_their_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
