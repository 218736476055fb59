/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * When groups follow a backend's health. One that fails alone is followed at once. When many fail together (a switch, a
 * rack), each costs one store, by which no packet goes to it any more, but not each a table: those that come within PACE_MS of
 * the last time are followed together. A table of 65,536 slots takes some milliseconds; a thousand of them, one after the
 * other, would hold up the checks that are to say who is left.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"
#include "shuntd/controller.h"

#define PACE_MS 20

/* Whether the group is to follow one of the endpoints. */
static bool is_concerned(const struct group *group, struct endpoint *const *marked, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (marked[i]->follow == FOLLOW_KNOWN ? backend_set_has(&group->known, marked[i]->id) :
							group_has(group, marked[i]))
			return true;
	return false;
}

/* Notes which groups are concerned, and takes the marks off: what is marked while groups decide waits for the next time. */
static int take_marks(struct controller *c)
{
	struct endpoint **marked = calloc(c->n_endpoints + 1, sizeof(struct endpoint *));
	size_t n = 0;

	if (!marked)
		return -ENOMEM;
	for (size_t i = 0; i < c->n_endpoints; i++)
		if (c->endpoints[i]->follow != FOLLOW_NONE)
			marked[n++] = c->endpoints[i];
	for (size_t i = 0; i < c->n_groups; i++)
		c->groups[i]->stale = is_concerned(c->groups[i], marked, n);
	for (size_t i = 0; i < n; i++)
		marked[i]->follow = FOLLOW_NONE;
	free(marked);
	return 0;
}

static int follow_marked(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct controller *c = userdata;
	bool every = take_marks(c) < 0; /* without memory to tell which */

	(void)source;
	(void)usec;
	for (size_t i = 0; i < c->n_groups; i++)
		if (every || c->groups[i]->stale)
			group_update(c, c->groups[i]);
	c->followed_ms = clock_monotonic_ms();
	return 0;
}

static int arm(struct controller *c)
{
	uint64_t at_us = (c->followed_ms + PACE_MS) * 1000;
	int r;

	if (!c->follow)
		return sd_event_add_time(c->event, &c->follow, CLOCK_MONOTONIC, at_us, 1000, follow_marked, c);
	r = sd_event_source_set_time(c->follow, at_us);
	return r < 0 ? r : sd_event_source_set_enabled(c->follow, SD_EVENT_ONESHOT);
}

void groups_follow_paced(struct controller *c, struct endpoint *endpoint, bool members_only)
{
	if (clock_monotonic_ms() >= c->followed_ms + PACE_MS) {
		groups_follow(c, endpoint, members_only);
		c->followed_ms = clock_monotonic_ms();
		return;
	}
	if (endpoint->follow != FOLLOW_KNOWN)
		endpoint->follow = members_only ? FOLLOW_MEMBERS : FOLLOW_KNOWN;
	if (arm(c) < 0)
		follow_marked(NULL, 0, c);
}
