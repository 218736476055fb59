/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The prefixes that an operator denied while shuntd runs, beside those of the configuration. A pure list: no I/O, no clock.
 * Wall times are Unix milliseconds and what is kept and shown; what ends an entry is the monotonic clock, so that a clock
 * that is set ends none early or late.
 */
#ifndef SHUNT_DENIED_H
#define SHUNT_DENIED_H

#include "config/config.h"

#define DENIED_NEVER UINT64_MAX

struct denied {
	struct config_prefix prefix;
	const char *service;         /* name, "" for all services; borrowed from denied_service() */
	int64_t since, until;        /* wall; until 0: until taken back */
	uint64_t due_ms;             /* monotonic, when it ends; DENIED_NEVER */
};

/* Zero is an empty list. */
struct denied_list {
	struct denied *list;         /* sorted by denied_order(), each prefix and service once */
	size_t n;
	char **services;             /* names that entries borrow */
	size_t n_services;
};

int denied_order(const void *a, const void *b);  /* by prefix, then service; for qsort and bsearch */
/* The list's own copy of a service's name; it holds until denied_clear(). NULL: no memory. */
const char *denied_service(struct denied_list *list, const char *name);
/*
 * Adds what is in `more` (any order, doubles allowed: the last counts; sorted by this), in place of what is there for the
 * same prefix and service: *ret_changed of them. 0, or -ENOMEM and nothing has changed.
 */
int denied_add(struct denied_list *list, struct denied *more, size_t n, size_t *ret_changed);
/* Removes entries with the prefixes and services of `which` (sorted by this); returns how many there were. */
size_t denied_remove(struct denied_list *list, struct denied *which, size_t n);
/* Removes what is due; copies up to `max` of it to `ret_expired`. Returns how many there were. */
size_t denied_expire(struct denied_list *list, uint64_t now_ms, struct denied *ret_expired, size_t max);
uint64_t denied_next_due(const struct denied_list *list); /* monotonic ms, DENIED_NEVER: nothing ends */
const struct denied *denied_find(const struct denied_list *list, const struct config_prefix *prefix, const char *service);
bool denied_of_service(const struct denied_list *list, const char *service); /* whether it has any */
void denied_clear(struct denied_list *list);

#endif
