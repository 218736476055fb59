/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A look at all services, groups and backends in pieces of about a millisecond, between which the controller's loop goes round: with
 * thousands of them, checks are not to wait for who asks. Each object is as it was at a moment during the look, and all are of one
 * configuration: when that changes on the way, the look begins anew. One look at a time, in the order in which they were asked for.
 */
#ifndef SHUNT_API_SURVEY_H
#define SHUNT_API_SURVEY_H

#include "api/api.h"

struct survey;

/* Somebody's look; all zero but the three functions and their userdata. */
struct survey_job {
	void (*begin)(void *userdata); /* also when it begins anew */
	/* After each piece, with what is known by now; once nothing is missing, again and again until it returns true. */
	bool (*go_on)(void *userdata, const struct snapshot *snapshot);
	void (*end)(void *userdata, int r); /* 0, or -errno: it came to nothing. The job is out of the survey */
	void *userdata;
	struct survey_job *next;
	bool waits;                /* it is in the survey */
	uint64_t spent_ns;         /* on it, without what the loop did in between */
};

/* `event` is borrowed. 0 | -errno. */
int survey_new(sd_event *event, const struct api_handlers *handlers, void *userdata, struct survey **ret_survey);
void survey_add(struct survey *survey, struct survey_job *job);
void survey_remove(struct survey *survey, struct survey_job *job); /* without end(); also one that is not there */
/* Ends all with -ECANCELED. */
void survey_cancel(struct survey *survey);
void survey_free(struct survey *survey); /* NULL too; nobody waits any more */

#endif
