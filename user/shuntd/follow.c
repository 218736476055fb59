/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * How groups follow what became of a backend: in which order, and without holding up the loop.
 *
 * A backend that fails is left by one store to its element; the packet path then tries the next slots, and where nobody alive is
 * found there, the group's reserve (reserve.c), which is chosen before the store. Where nobody could take over, tables come first,
 * and others for as long as a slice lasts. Then the store; then the other tables, in slices between which checks and the API have
 * their turn. A table of 65,536 slots takes half a millisecond, and a thousand groups may have the backend.
 *
 * Between slices a group that has not followed yet is `stale`: its table is that of before, whoever decides for it (a timer, an
 * operator) decides by what is known then, and a backend does not return before all have followed that it was gone: what
 * packets found by probing meanwhile is only looked up in slots that say so (DESIGN, "Track only what moved").
 */
#include "base/clock.h"
#include "shuntd/controller.h"

/* The longest that the store waits for groups that need their tables first: the others' packets go to the dead one meanwhile. */
#define PATIENCE_NS (50 * 1000000ULL)
/* When many fail together (a switch, a rack), those that come within this time of the last round are followed together. */
#define PACE_MS 20

/* ---- who is to follow ---- */

/*
 * Packets go on finding somebody without the group's next table: by probing, or its reserve. A group that may panic uses the backend
 * again once it has decided: there must be no moment between.
 */
static bool needs_table_first(struct controller *c, const struct group *group)
{
	return group->config->panic_percent > 0 || !group_has_reserve(c, group);
}

static void begin_round(struct controller *c, const struct endpoint *endpoint)
{
	struct round *round = &c->round;

	if (!round->begun_ns)
		*round = (struct round){.timer = round->timer, .ended_ms = round->ended_ms, .begun_ns = clock_monotonic_ns(),
					.number = round->number + 1};
	if (!endpoint || endpoint == round->endpoint)
		return;
	if (round->endpoint)
		round->others++;
	else
		snprintf(round->object, sizeof(round->object), "backend %s", endpoint->backend->name);
	round->endpoint = round->endpoint ? round->endpoint : endpoint;
}

void group_mark(struct controller *c, struct group *group)
{
	begin_round(c, NULL);
	if (group->stale == GROUP_FOLLOWS)
		group->stale = GROUP_STALE;
}

void groups_mark(struct controller *c, const struct endpoint *endpoint, bool members_only)
{
	begin_round(c, endpoint);
	for (size_t i = 0; i < c->n_groups; i++) {
		struct group *group = c->groups[i];

		if (members_only ? !group_has(group, endpoint) : !backend_set_has(&group->known, endpoint->id))
			continue;
		if (endpoint->leaving && needs_table_first(c, group))
			group->stale = GROUP_STALE_FIRST;
		group_mark(c, group);
	}
}

void groups_mark_configured(struct controller *c)
{
	begin_round(c, NULL);
	for (size_t i = 0; i < c->config->n_groups; i++)
		if (c->configured[i])
			c->configured[i]->stale = GROUP_STALE_FIRST;
}

/* ---- a slice ---- */

static uint64_t least_of(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t most_of(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static bool is_late(uint64_t deadline_ns)
{
	return clock_monotonic_ns() >= deadline_ns;
}

/* Who serves where nobody of its own does decides first. */
static void catch_up(struct controller *c, struct group *group)
{
	group->stale = GROUP_FOLLOWS;
	if (group->fallback && group->fallback->stale != GROUP_FOLLOWS)
		catch_up(c, group->fallback);
	group_decide_untold(c, group, (struct failover_input){.event = FAILOVER_EVENT_CHECK});
	if (!group->decision.switched)
		return;
	c->round.switched += group->switched_in != c->round.number;
	group->switched_in = c->round.number;
	c->round.last_ns = clock_monotonic_ns();
}

/* One that has not started has no table that knows of it; it waits for the first check of each member, of this one, too. */
static bool missed_that_it_left(const struct group *group, const struct endpoint *endpoint)
{
	return group->started && group->stale != GROUP_FOLLOWS && backend_set_has(&group->known, endpoint->id);
}

void groups_catch_up(struct controller *c, const struct endpoint *endpoint)
{
	for (size_t i = 0; i < c->n_groups; i++)
		if (missed_that_it_left(c->groups[i], endpoint))
			catch_up(c, c->groups[i]);
}

/* False: the time was over before all of those had decided. A decision may make others stale, also of those before it. */
static bool decide_some(struct controller *c, enum group_stale least, uint64_t deadline_ns)
{
	bool again = true;

	while (again) {
		again = false;
		for (size_t i = 0; i < c->n_groups; i++) {
			if (c->groups[i]->stale < least)
				continue;
			if (is_late(deadline_ns))
				return false;
			catch_up(c, c->groups[i]);
			again = true;
		}
	}
	return true;
}

static bool tell_some(struct controller *c, uint64_t deadline_ns)
{
	for (size_t i = 0; i < c->n_groups; i++) {
		if (!c->groups[i]->decision.made)
			continue;
		if (is_late(deadline_ns))
			return false;
		group_tell(c, c->groups[i]);
	}
	return true;
}

static void leave(struct controller *c)
{
	for (size_t i = 0; c->n_leaving > 0 && i < c->n_endpoints; i++) {
		struct endpoint *endpoint = c->endpoints[i];

		if (endpoint->leaving && !c->detached)
			datapath_backend_alive(c->datapath, endpoint->id, endpoint->alive);
		endpoint->leaving = false;
	}
	if (c->n_leaving > 0)
		c->round.left_after_ns = most_of(c->round.left_after_ns, clock_monotonic_ns() - c->leaving_since_ns);
	c->n_leaving = 0;
}

/* Decides, and leaves who is to be left. True: all groups have followed. */
static bool decide_slice(struct controller *c, uint64_t deadline_ns)
{
	uint64_t begun_ns = clock_monotonic_ns(), processor_ns = clock_processor_ns(), took_ns;
	uint64_t patience_ns = c->n_leaving > 0 ? c->leaving_since_ns + PATIENCE_NS : UINT64_MAX;
	bool first = decide_some(c, GROUP_STALE_FIRST, least_of(deadline_ns, patience_ns));
	bool all = first && decide_some(c, GROUP_STALE, least_of(deadline_ns, begun_ns + SLICE_NS));

	if (first || is_late(patience_ns))
		leave(c);
	all = all || decide_some(c, GROUP_STALE, deadline_ns);
	took_ns = clock_processor_ns() - processor_ns;
	c->round.processor_ns += took_ns;
	c->round.longest_ns = most_of(c->round.longest_ns, took_ns);
	return all;
}

/* ---- a round ---- */

static double since_ms(const struct round *round, uint64_t at_ns)
{
	return at_ns > round->begun_ns ? (double)(at_ns - round->begun_ns) / 1e6 : 0;
}

static void end_round(struct controller *c)
{
	struct round *round = &c->round;
	char left[64] = "", others[64] = "";

	if (round->left_after_ns)
		snprintf(left, sizeof(left), "; packets had left it after %.1f ms", (double)round->left_after_ns / 1e6);
	if (round->others)
		snprintf(others, sizeof(others), "; %zu other changes of backends came meanwhile", round->others);
	if (round->switched > 1 && *round->object && (round->left_after_ns || !round->others))
		events_add(c->events, "switched", round->object, "controller",
			   "%zu groups, the last one %.1f ms after the decision (%.1f ms of processor time, at most %.1f ms at a time)%s%s",
			   round->switched, since_ms(round, round->last_ns), (double)round->processor_ns / 1e6,
			   (double)round->longest_ns / 1e6, left, others);
	round->begun_ns = 0;
	round->ended_ms = clock_monotonic_ms();
}

static bool somebody_is_stale(const struct controller *c, enum group_stale least)
{
	for (size_t i = 0; i < c->n_groups; i++)
		if (c->groups[i]->stale >= least)
			return true;
	return false;
}

/* Whether it is time to go on: at once where a table is to come first, else at the pace. */
static bool is_due(const struct controller *c)
{
	return clock_monotonic_ms() >= c->round.ended_ms + PACE_MS || somebody_is_stale(c, GROUP_STALE_FIRST);
}

static void go_on(struct controller *c, uint64_t deadline_ns)
{
	while (c->round.begun_ns && decide_slice(c, deadline_ns) && tell_some(c, deadline_ns))
		if (!somebody_is_stale(c, GROUP_STALE)) /* what was told may have made some so */
			end_round(c);
}

void groups_finish(struct controller *c)
{
	go_on(c, UINT64_MAX);
}

static int timed(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct controller *c = userdata;

	(void)source;
	(void)usec;
	groups_go_on(c, groups_slice());
	return 0;
}

/* Where packets still go to a backend that failed, or would find nobody, no check comes before. */
static bool is_urgent(const struct controller *c)
{
	return c->n_leaving > 0 || somebody_is_stale(c, GROUP_STALE_FIRST);
}

static int arm(struct controller *c, uint64_t at_ms)
{
	struct round *round = &c->round;
	int r;

	if (!round->timer) {
		r = sd_event_add_time(c->event, &round->timer, CLOCK_MONOTONIC, at_ms * 1000, 1, timed, c);
	} else {
		r = sd_event_source_set_time(round->timer, at_ms * 1000);
		r = r < 0 ? r : sd_event_source_set_enabled(round->timer, SD_EVENT_ONESHOT);
	}
	return r < 0 ? r : sd_event_source_set_priority(round->timer, is_urgent(c) ? SD_EVENT_PRIORITY_NORMAL : SLICE_PRIORITY);
}

uint64_t groups_slice(void)
{
	return clock_monotonic_ns() + SLICE_NS;
}

void groups_go_on(struct controller *c, uint64_t slice_ns)
{
	if (c->round.begun_ns && is_due(c))
		go_on(c, slice_ns);
	if (c->round.begun_ns && arm(c, c->round.ended_ms + PACE_MS) < 0)
		groups_finish(c);
}

uint64_t groups_begin(struct controller *c, const struct endpoint *endpoint, bool members_only)
{
	uint64_t slice_ns = groups_slice();

	groups_mark(c, endpoint, members_only);
	if (is_due(c))
		decide_slice(c, slice_ns);
	else
		leave(c);
	return slice_ns;
}

void groups_follow_paced(struct controller *c, const struct endpoint *endpoint, bool members_only)
{
	groups_go_on(c, groups_begin(c, endpoint, members_only));
}

void groups_follow(struct controller *c, const struct endpoint *endpoint, bool members_only)
{
	groups_mark(c, endpoint, members_only);
	groups_finish(c);
}
