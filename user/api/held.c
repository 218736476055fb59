/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A list in the order in which they came, which is that of their numbers, and a timer for the first one. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "api/held.h"
#include "base/clock.h"

#define PATIENCE_MS 5000

struct held {
	sd_event_source *timer;
	struct held_answer *first;
};

static void wake_for_first(struct held *held)
{
	if (held->first)
		sd_event_source_set_time(held->timer, (held->first->since_ms + PATIENCE_MS) * 1000);
	sd_event_source_set_enabled(held->timer, held->first ? SD_EVENT_ONESHOT : SD_EVENT_OFF);
}

static void release_first(struct held *held, const char *problem)
{
	struct held_answer *answer = held->first;

	DL_DELETE(held->first, answer);
	answer->end(answer->userdata, problem);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct held *held = userdata;
	char problem[128];

	(void)source, (void)usec;
	snprintf(problem, sizeof(problem), "done, but not saved yet: the disk has not taken it for %d s: a crash now would forget it",
		 PATIENCE_MS / 1000);
	while (held->first && held->first->since_ms + PATIENCE_MS <= clock_monotonic_ms())
		release_first(held, problem);
	wake_for_first(held);
	return 0;
}

int held_new(sd_event *event, struct held **ret_held)
{
	struct held *held = calloc(1, sizeof(*held));
	int r;

	if (!held)
		return -ENOMEM;
	r = sd_event_add_time(event, &held->timer, CLOCK_MONOTONIC, 0, 1000, on_timer, held);
	if (r >= 0)
		r = sd_event_source_set_enabled(held->timer, SD_EVENT_OFF);
	if (r < 0) {
		held_free(held);
		return r;
	}
	*ret_held = held;
	return 0;
}

void held_add(struct held *held, struct held_answer *answer, uint64_t number)
{
	answer->number = number;
	answer->since_ms = clock_monotonic_ms();
	DL_APPEND(held->first, answer);
	wake_for_first(held);
}

void held_saved(struct held *held, uint64_t number, const char *path, int r)
{
	char problem[512];

	snprintf(problem, sizeof(problem), "done, but not saved: after a crash it is forgotten: %s: %s", path, strerror(-r));
	while (held->first && (r < 0 || held->first->number <= number))
		release_first(held, r < 0 ? problem : NULL);
	wake_for_first(held);
}

void held_cancel(struct held *held)
{
	while (held->first)
		release_first(held, "done, but shuntd ends before it has seen that it is saved");
	wake_for_first(held);
}

void held_free(struct held *held)
{
	if (!held)
		return;
	sd_event_source_disable_unref(held->timer);
	free(held);
}
