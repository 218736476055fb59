/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Who of a group takes new flows: tiers, failover, failback, overrides. Takes state, policy, members, an event and the
 * time; returns the next state and what moved. Pure: no I/O, no clock, no log, no globals.
 *
 * A tier is the members of one priority. It can serve while at least min_healthy of its members are fit (fit: up, ready,
 * weight above 0); when no tier has as many, the most preferred tier with any fit member serves. active-active is the case
 * of one tier.
 */
#ifndef SHUNT_FAILOVER_H
#define SHUNT_FAILOVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FAILOVER_NO_TIER UINT32_MAX
#define FAILOVER_NO_MEMBER SIZE_MAX

struct failover_policy {
	bool failover_automatic;       /* false: an unfit tier stays in use until the operator says otherwise */
	bool failback_automatic;       /* false: a recovered better tier stays standby until failback */
	uint32_t failback_delay_ms;    /* a better tier must serve unbroken for so long before an automatic failback */
	uint32_t min_healthy;
};

struct failover_member {
	uint32_t tier;                 /* lower is preferred */
	bool fit;
};

enum failover_state {
	FAILOVER_NORMAL,               /* the best configured tier serves, all members are fit */
	FAILOVER_FAILED_OVER,          /* another tier, or a forced member, serves */
	FAILOVER_FAILING_BACK,         /* the same, and the failback delay of a better tier is running */
	FAILOVER_DEGRADED,             /* the best tier serves, but some member of the group is not fit */
	FAILOVER_DOWN,                 /* nobody fit serves */
};

struct failover {
	uint32_t tier;                 /* in use, and again when an override ends; FAILOVER_NO_TIER before the first decision */
	size_t forced;                 /* member that an operator forced, else FAILOVER_NO_MEMBER */
	uint32_t forced_tier;          /* tier that an operator forced by naming no member, else FAILOVER_NO_TIER */
	uint64_t forced_until_ms;      /* 0: until failback */
	uint32_t better_tier;          /* a better tier that can serve, waiting for failback; FAILOVER_NO_TIER: none can */
	uint64_t better_since_ms;      /* since when it could serve unbroken */
	enum failover_state state;
};

enum failover_event {
	FAILOVER_EVENT_CHECK,          /* members or time changed: decide again */
	FAILOVER_EVENT_FORCE,          /* operator: failover to `member`, or FAILOVER_NO_MEMBER for the next best */
	FAILOVER_EVENT_FAILBACK,       /* operator: return to the best tier now, if it can serve */
};

struct failover_input {
	enum failover_event event;
	size_t member;                 /* of FORCE */
	uint64_t until_ms;             /* of FORCE: 0 until failback */
};

enum failover_cause {
	FAILOVER_CAUSE_NONE,           /* nothing changed */
	FAILOVER_CAUSE_START,          /* first decision */
	FAILOVER_CAUSE_UNFIT,          /* the tier in use could not serve any more */
	FAILOVER_CAUSE_FAILBACK,       /* automatic, after the delay */
	FAILOVER_CAUSE_OPERATOR,       /* forced, or failback by an operator */
	FAILOVER_CAUSE_EXPIRED,        /* an override ran out or its member is not fit any more */
};

struct failover_step {
	struct failover next;
	enum failover_cause cause;     /* why the active set changed or an override began or ended */
	bool is_failover;              /* the change counts as a failover: away from, not back to, the better one */
	uint64_t wake_ms;              /* decide again at this time at the latest; 0: no need */
	int refused;                   /* -errno of an operator's event that was not done: -EINVAL unknown member,
	                                  -EHOSTDOWN the member (or tier) is not fit, -EALREADY already so */
};

struct failover_step failover_next(const struct failover *failover, const struct failover_policy *policy,
				   const struct failover_member *members, size_t n, struct failover_input input,
				   uint64_t now_ms);

/* Whether member i takes new flows while fit, in this state: it or its tier is forced, or it is of the tier in use and no
 * override holds. */
bool failover_is_active(const struct failover *failover, const struct failover_member *members, size_t i);
bool failover_is_forced(const struct failover *failover);    /* an override of an operator holds */

void failover_init(struct failover *failover);
const char *failover_state_text(enum failover_state state);  /* the contract's words: "normal", "failed-over", … */
const char *failover_cause_text(enum failover_cause cause);

#endif
