/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The parts of `shunt status`, which all read one document of GET /api/v1/status. */
#ifndef SHUNT_CLI_STATUS_H
#define SHUNT_CLI_STATUS_H

#include "shunt/cli.h"

struct status {
	json_t *document;
	json_t *backends;          /* name → backend, borrowed objects in an object of our own */
	const struct style *style;
	int64_t now_ms;
};

/* What is wrong, worst first, a sentence each. */
struct problems {
	struct problem {
		enum colour colour;
		char *text;
	} *list;
	size_t n;
};

void status_problems(const struct status *status, struct problems *ret_problems); /* status_problems.c */
void problems_clear(struct problems *problems);
/* A group's line and a row for each of its backends (status_group.c). */
void status_print_group(const struct status *status, const json_t *group);
const char *holder_of(const json_t *group); /* that holds it where it is, in words */
size_t status_members_out(const json_t *group); /* how many of its backends can take no new flows */
const char *status_age(const struct status *status, int64_t since_ms, char buffer[HUMAN_TEXT_MAX]);

#endif
