/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Turns are a timer's, which is due at once: among sources of one priority sd-event takes first who has waited longest, and a deferred one
 * has always waited longest.
 */
#include <errno.h>
#include <stdlib.h>

#include "api/survey.h"
#include "base/clock.h"

#define PIECE_NS 1000000
#define BEGINNINGS_MAX 4   /* then it is done in one piece, whatever happens meanwhile */

struct survey {
	const struct api_handlers *handlers;
	void *userdata;
	sd_event_source *turn;
	struct survey_job *first;
	struct snapshot snapshot;  /* of the first job */
	bool begun;
	unsigned beginnings;
};

static void forget_snapshot(struct survey *survey)
{
	if (survey->begun)
		survey->handlers->snapshot_free(survey->userdata, &survey->snapshot);
	survey->begun = false;
}

static void take_turn_soon(struct survey *survey)
{
	sd_event_source_set_time_relative(survey->turn, 0);
	sd_event_source_set_enabled(survey->turn, SD_EVENT_ONESHOT);
}

static int begin(struct survey *survey)
{
	int r = survey->handlers->snapshot_begin(survey->userdata, &survey->snapshot);

	if (r < 0)
		return r;
	survey->begun = true;
	survey->beginnings++;
	survey->first->begin(survey->first->userdata);
	return 0;
}

/* 1: it has all it wants, 0: there is more to do, or -errno. */
static int step(struct survey *survey)
{
	int r;

	if (!survey->begun)
		return begin(survey);
	r = survey->handlers->snapshot_go_on(survey->userdata, &survey->snapshot);
	if (r == -ESTALE) {
		forget_snapshot(survey);
		return 0;
	}
	return r < 0 ? r : survey->first->go_on(survey->first->userdata, &survey->snapshot);
}

/* The first is out. */
static struct survey_job *take_first(struct survey *survey)
{
	struct survey_job *job = survey->first;

	forget_snapshot(survey);
	survey->beginnings = 0;
	survey->first = job->next;
	job->waits = false;
	return job;
}

static int on_turn(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct survey *survey = userdata;
	uint64_t since = clock_monotonic_ns(), spent_ns;
	int r;

	(void)source, (void)usec;
	do {
		r = step(survey);
		spent_ns = clock_monotonic_ns() - since;
	} while (r == 0 && (spent_ns < PIECE_NS || survey->beginnings >= BEGINNINGS_MAX));
	survey->first->spent_ns += spent_ns;
	if (r != 0) {
		struct survey_job *job = take_first(survey);

		job->end(job->userdata, r < 0 ? r : 0);
	}
	if (survey->first)
		take_turn_soon(survey);
	return 0;
}

void survey_add(struct survey *survey, struct survey_job *job)
{
	struct survey_job **at = &survey->first;

	while (*at)
		at = &(*at)->next;
	*at = job;
	job->next = NULL;
	job->waits = true;
	job->spent_ns = 0;
	if (job == survey->first)
		take_turn_soon(survey);
}

void survey_remove(struct survey *survey, struct survey_job *job)
{
	struct survey_job **at = &survey->first;

	if (!job->waits)
		return;
	if (job == survey->first) {
		take_first(survey);
	} else {
		while (*at != job)
			at = &(*at)->next;
		*at = job->next;
		job->waits = false;
	}
	if (!survey->first)
		sd_event_source_set_enabled(survey->turn, SD_EVENT_OFF);
}

void survey_cancel(struct survey *survey)
{
	while (survey->first) {
		struct survey_job *job = take_first(survey);

		job->end(job->userdata, -ECANCELED);
	}
	sd_event_source_set_enabled(survey->turn, SD_EVENT_OFF);
}

int survey_new(sd_event *event, const struct api_handlers *handlers, void *userdata, struct survey **ret_survey)
{
	struct survey *survey = calloc(1, sizeof(*survey));
	int r;

	if (!survey)
		return -ENOMEM;
	survey->handlers = handlers;
	survey->userdata = userdata;
	r = sd_event_add_time_relative(event, &survey->turn, CLOCK_MONOTONIC, 0, 1, on_turn, survey);
	if (r >= 0)
		r = sd_event_source_set_enabled(survey->turn, SD_EVENT_OFF);
	if (r < 0) {
		survey_free(survey);
		return r;
	}
	*ret_survey = survey;
	return 0;
}

void survey_free(struct survey *survey)
{
	if (!survey)
		return;
	sd_event_source_disable_unref(survey->turn);
	free(survey);
}
