/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Documents about everything there is, put into words as it becomes known: no tree of values is made of thousands of objects. */
#ifndef SHUNT_API_LARGE_H
#define SHUNT_API_LARGE_H

#include "api/api.h"
#include "api/text.h"

struct large;

/* What a document is about. */
struct large_form {
	bool (*go_on)(struct large *large, const struct snapshot *snapshot);
	const char *content_type;
	unsigned kinds;            /* bits: which lists it has */
};

extern const struct large_form large_status, large_services, large_groups, large_backends, large_health, large_metrics;

/* One that is being made; all zero but its form. */
struct large {
	const struct large_form *form;
	struct text text;
	unsigned status;           /* of HTTP; 0: 200 */
	size_t kind, at;           /* the list it is in, and the next object of it; of metrics, the next one */
	bool is_open;              /* the list */
};

/* Puts what is known by now, and was not put yet. Whether it is complete, or failed (large->text). */
bool large_go_on(struct large *large, const struct snapshot *snapshot);
/* The whole, of a snapshot that misses nothing: allocated, NULL without memory. */
char *large_text(const struct large_form *form, const struct snapshot *snapshot);

#endif
