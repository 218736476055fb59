/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Internal to config: how the stages tell the operator what is wrong, and where. */
#ifndef SHUNT_CONFIG_REPORT_H
#define SHUNT_CONFIG_REPORT_H

#include <stdbool.h>
#include <stddef.h>

#include "config/config.h"

#define QUOTE_MAX 72 /* two quotes, 64 bytes, "…" and the NUL */

struct place {
	int line, column;            /* from 1; line 0: the file as a whole, or (of a value) not given */
};

/* Lines from here on are of what the API was given: there is no file to look in. */
#define POSTED_LINE (1 << 24)

struct report {
	struct config_messages *messages;
	size_t n_errors;
	bool out_of_memory;
};

void report_error(struct report *report, struct place place, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void report_note(struct report *report, struct place place, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* 0, -EINVAL after an error, -ENOMEM when something could not even be told. Sorts the messages by line. */
int report_finish(struct report *report);

/* The operator's own text in quotes, harmless on a terminal, shortened; NULL: `without a name`. Returns `buffer`. */
const char *quote(const char *text, char buffer[QUOTE_MAX]);

#endif
