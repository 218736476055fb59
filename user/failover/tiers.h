/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Internal to failover: how able the tiers of a group are, and which is the best. */
#ifndef SHUNT_FAILOVER_TIERS_H
#define SHUNT_FAILOVER_TIERS_H

#include "failover/failover.h"

enum ability { NOBODY_FIT, SOME_FIT, ENOUGH_FIT };

/* `in_use` needs min_healthy, every other tier return_healthy: whichever is in use stays so while it may. */
struct group {
	const struct failover_policy *policy;
	const struct failover_member *members;
	size_t n;
	const struct failover_choice *in_use;
};

/* Who serves by a choice: the members of a tier, or one of them. */
struct set {
	uint32_t tier;
	size_t member;                 /* FAILOVER_NO_MEMBER: all of the tier */
};

struct set set_of(const struct failover_choice *choice, const struct failover_member *members, size_t n);
bool set_has(struct set set, const struct failover_member *members, size_t i);
uint32_t set_fit(struct set set, const struct group *group);

size_t size_of_tier(const struct group *group, uint32_t tier);
uint32_t fit_of_tier(const struct group *group, uint32_t tier);
uint32_t primary_tier(const struct group *group);          /* FAILOVER_NO_TIER: there is no member */
enum ability ability_of(const struct group *group, uint32_t tier);
/* Of who serves now, overrides left out. */
enum ability ability_in_use(const struct group *group);
/* The most preferred of the most able tiers above `above` (FAILOVER_NO_TIER: of all) other than `except`. */
uint32_t best_tier(const struct group *group, uint32_t above, uint32_t except, enum ability *ret_ability);
/* With max_lag the member of a tier that would serve: the least lagging; else, or when none may, FAILOVER_NO_MEMBER. */
size_t choose_member(const struct group *group, uint32_t tier);

/* override.c: the moves, and what operators ask for (0 or -errno, see struct failover_step). */
void use_tier(struct failover *next, const struct group *group, uint32_t tier);
void forget_better(struct failover *failover);
void end_override(struct failover *failover);
uint32_t serving_tier(const struct failover *failover, const struct group *group);
int force(struct failover *next, const struct group *group, struct failover_input input, uint64_t now_ms);
int fail_back(struct failover *next, const struct group *group);
/* It ran out, or its member is not there or, when moving is automatic, not fit any more. */
bool override_ends(const struct failover *failover, const struct group *group, uint64_t now_ms);

/* rolling.c: makes steps of a move that failover_next has just decided, or goes on with one. Sets step->cause when it goes back. */
void roll(const struct failover *before, struct failover_step *step, const struct group *group, uint64_t now_ms);

#endif
