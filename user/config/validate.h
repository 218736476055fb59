/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Internal to config: what the files of the validation share. */
#ifndef SHUNT_CONFIG_VALIDATE_H
#define SHUNT_CONFIG_VALIDATE_H

#include "config/draft.h"
#include "config/keymap.h"

/*
 * Index i of a list of the draft and of the configuration is the same thing. Where the draft is wrong the configuration
 * is half-built, which does no harm: nobody ever sees it.
 */
struct validation {
	const struct draft *draft;
	struct config *config;
	struct report *report;
	struct keymap backends, groups; /* names → indexes */
	uint32_t *last_group;        /* of each backend, 1 + the last group seen with it as a member; 0: none */
};

/* The calls below build one part of the configuration each; validate_groups wants backends, validate_services both. */
void validate_groups(struct validation *validation);
void validate_services(struct validation *validation);
void validate_via_services(struct validation *validation); /* wants services */
void validate_dns(struct validation *validation);     /* wants groups */
void validate_hooks(struct validation *validation);
void validate_windows(struct validation *validation); /* wants backends and groups */

/* validate_clients.c: of one service; `who` begins the messages. */
void build_clients(struct validation *validation, const char *who, const struct draft_service *draft,
		   struct config_service *service);

/* validate_quic.c: of one service, and that backends have the server ids that services read. */
void build_quic(struct validation *validation, const char *who, const struct draft_service *draft,
		struct config_service *service);
void validate_server_ids(struct validation *validation);

/* validate_failover.c: when a group moves, and how. `who` begins the messages. */
void validate_failover(struct report *report, const char *who, const struct draft_group *draft, struct config_group *group);

/* validate_protection.c: of one service, and of all. `who` begins the messages. */
void build_prefixes(struct report *report, const struct items *draft, struct config_prefixes *ret_prefixes);
void build_limits(struct report *report, const char *who, const struct draft_service *draft, struct config_service *service);
void validate_protection(struct validation *validation);
void validate_nat(struct validation *validation);

/* A group's health check: its own keys over the defaults over the built-in ones. */
struct draft_check check_defaults(const struct draft *draft);
struct draft_check check_merge(const struct draft_check *own, const struct draft_check *fallback);
/* `who` begins the messages; `own` holds what they may blame. */
void check_validate(struct report *report, const char *who, const struct draft_check *own,
		    const struct draft_check *merged);
void check_build(struct report *report, const struct draft_check *merged, struct config_check *ret_check);

/* health.c: what follows from its results; into a check that is built. */
void health_build(struct report *report, const char *who, const struct draft_check *own, const struct draft_check *defaults,
		  struct config_check *check);

void passive_build(struct report *report, const char *who, const struct draft_passive *draft, struct config_passive *passive);

/* calloc of a list of the configuration; NULL and *ret_n == 0 without memory. */
void *new_list(struct report *report, size_t n, size_t element_bytes, size_t *ret_n);
char *copy_text(struct report *report, const char *text); /* NULL of NULL */
/* Enters the names of a list of drafts, whose `name` is `name_offset` into each; reports the second of a name. */
void index_names(struct report *report, const char *noun, const struct items *items, size_t item_bytes,
		 size_t name_offset, struct keymap *names);
size_t find_name(const struct keymap *names, const struct item *name);

static inline uint64_t number_or(const struct item *item, uint64_t otherwise)
{
	return item->ok ? item->number : otherwise;
}

#endif
