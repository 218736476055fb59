/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Who of a group takes new flows: tiers, failover, failback, overrides. Takes state, policy, members, an event and the
 * time; returns the next state and what moved. Pure: no I/O, no clock, no log, no globals.
 *
 * A tier is the members of one priority. It is able while at least min_healthy of its members are fit (fit: up, ready,
 * weight above 0); when no tier has as many, the most preferred tier with any fit member serves. active-active is the case
 * of one tier. How flows are shared out between tiers (spill-over, steps of rolling): failover_plan.
 */
#ifndef SHUNT_FAILOVER_H
#define SHUNT_FAILOVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FAILOVER_NO_TIER UINT32_MAX
#define FAILOVER_NO_MEMBER SIZE_MAX
#define FAILOVER_LAG_UNKNOWN UINT32_MAX

enum failover_mode {
	FAILOVER_AUTOMATIC,
	FAILOVER_SEMI_AUTOMATIC,       /* to a less preferred tier by itself, never back: that is proposed */
	FAILOVER_MANUAL,               /* never by itself: every move is proposed */
};

/* So many members, or a percentage of a tier's. */
struct failover_least {
	uint32_t count;
	uint32_t percent;              /* 0: count says it */
};

struct failover_policy {
	enum failover_mode mode;
	bool failback_automatic;       /* false: a recovered better tier stays standby until failback; only of mode AUTOMATIC */
	uint32_t failback_delay_ms;    /* a better tier must serve unbroken for so long before an automatic failback */
	uint32_t hold_down_ms;         /* after a failover by itself, for so long no other move by itself */
	struct failover_least min_healthy;    /* of the tier in use; never less than one */
	struct failover_least return_healthy; /* of another tier before it is used (hysteresis); zero: as min_healthy */
	uint32_t overprovision_percent; /* spill-over, Envoy's factor; 0: none */
	uint32_t step_percent, step_interval_ms; /* rolling: a move shifts so much of the flows each interval; 0: at once */
	uint32_t max_lag_ms;           /* 0: not asked for. Else one member serves at a time, and one that lags more never takes over */
};

struct failover_member {
	uint32_t tier;                 /* lower is preferred */
	bool fit;
	bool doubtful;                 /* the last check was bad, though not enough of them to call it down */
	uint64_t checked_ms;           /* when the last check's result came; UINT64_MAX: it is never checked */
	uint32_t lag_ms;               /* as an agent told; FAILOVER_LAG_UNKNOWN: nobody did */
};

enum failover_state {
	FAILOVER_NORMAL,               /* the best configured tier serves, all members are fit */
	FAILOVER_FAILED_OVER,          /* another tier, or a forced member, serves */
	FAILOVER_FAILING_BACK,         /* the same, and the failback delay of a better tier is running */
	FAILOVER_DEGRADED,             /* the best tier serves, but some member of the group is not fit */
	FAILOVER_DOWN,                 /* nobody fit serves */
};

/* Who serves: the tier, or the one member of it that max_lag chose, unless an override lies over it. */
struct failover_choice {
	uint32_t tier;                 /* in use, and again when an override ends; FAILOVER_NO_TIER before the first decision */
	size_t chosen;                 /* with max_lag: the member of the tier that serves, else FAILOVER_NO_MEMBER */
	size_t forced;                 /* member that an operator forced, else FAILOVER_NO_MEMBER */
	uint32_t forced_tier;          /* tier that an operator forced by naming no member, else FAILOVER_NO_TIER */
	uint64_t forced_until_ms;      /* 0: until failback */
};

enum failover_held {
	FAILOVER_NOT_HELD,
	FAILOVER_HELD_MANUAL,          /* the policy is manual, */
	FAILOVER_HELD_SEMI,            /* … or semi-automatic and the move leads back */
	FAILOVER_HELD_DOWN,            /* hold_down since the last failover is running: the move comes at held_until_ms */
};

struct failover {
	struct failover_choice now;
	uint32_t better_tier;          /* a better tier that can serve, waiting for failback; FAILOVER_NO_TIER: none can */
	uint64_t better_since_ms;      /* since when it could serve unbroken */
	bool rechecking;               /* its delay is over: its members' next checks decide */
	uint32_t proposed_tier;        /* a more able tier that is not moved to by itself, else FAILOVER_NO_TIER … */
	enum failover_held held;       /* … and what holds it */
	uint64_t held_until_ms;        /* no move by itself before this; 0: none is held */
	struct failover_choice from;   /* rolling, while shifted_percent < 100: who has the rest of the flows */
	uint32_t shifted_percent;
	uint32_t target_fit;           /* fit members of the target when the shift began */
	uint64_t step_ms;              /* when the next step is due */
	enum failover_state state;
};

enum failover_event {
	FAILOVER_EVENT_CHECK,          /* members or time changed: decide again */
	FAILOVER_EVENT_FORCE,          /* operator: failover to `member`, or FAILOVER_NO_MEMBER for what is proposed, else the next best */
	FAILOVER_EVENT_FAILBACK,       /* operator: return to the best tier now, if it can serve */
};

struct failover_input {
	enum failover_event event;
	size_t member;                 /* of FORCE */
	uint64_t until_ms;             /* of FORCE: 0 until failback */
	uint64_t damped_until_ms;      /* the group flaps: no automatic failback before this; 0: it does not */
	bool scheduled;                /* of FORCE: a maintenance window's word, not an operator's */
};

enum failover_cause {
	FAILOVER_CAUSE_NONE,           /* nothing changed */
	FAILOVER_CAUSE_START,          /* first decision */
	FAILOVER_CAUSE_UNFIT,          /* the tier in use could not serve any more */
	FAILOVER_CAUSE_FAILBACK,       /* automatic, after the delay */
	FAILOVER_CAUSE_OPERATOR,       /* forced, confirmed, or failback by an operator */
	FAILOVER_CAUSE_WINDOW,         /* forced by a maintenance window */
	FAILOVER_CAUSE_EXPIRED,        /* an override ran out or its member is not fit any more */
	FAILOVER_CAUSE_ROLLED_BACK,    /* rolling: the target's health fell on the way */
};

struct failover_step {
	struct failover next;
	enum failover_cause cause;     /* why the active set changed or an override began or ended */
	bool is_failover;              /* the change counts as a failover: away from, not back to, the better one */
	bool recheck_failed;           /* a check at the end of failback_delay was bad: the delay starts again */
	uint64_t wake_ms;              /* decide again at this time at the latest; 0: no need */
	int refused;                   /* -errno of an operator's event that was not done: -EINVAL unknown member,
	                                  -EHOSTDOWN the member (or tier) is not fit, -EALREADY already so */
};

struct failover_step failover_next(const struct failover *failover, const struct failover_policy *policy,
				   const struct failover_member *members, size_t n, struct failover_input input,
				   uint64_t now_ms);

/* Whether member i takes new flows while fit, in this state: it or its tier is forced, or it is of the tier in use and no
 * override holds. What spills over, or is still where a rolling move began, is failover_plan's to say. */
bool failover_is_active(const struct failover *failover, const struct failover_member *members, size_t i);
bool failover_is_forced(const struct failover *failover);    /* an override of an operator holds */

/* ---- plan.c: how new flows are shared out ---- */

#define FAILOVER_PARTS_MAX 8
#define FAILOVER_WHOLE 10000

/* A share of the flows, for the members of a tier or for one member. */
struct failover_part {
	uint32_t tier;
	size_t member;                 /* FAILOVER_NO_MEMBER: all of the tier */
	uint32_t share;                /* of FAILOVER_WHOLE; above 0 */
};

/* Returns how many parts, at least one once a tier is in use; the shares add up to FAILOVER_WHOLE. */
size_t failover_plan(const struct failover *failover, const struct failover_policy *policy,
		     const struct failover_member *members, size_t n, struct failover_part ret_parts[FAILOVER_PARTS_MAX]);
bool failover_part_has(const struct failover_part *part, const struct failover_member *members, size_t i);

/*
 * Panic (Envoy's panic threshold): of the members that are in service (whatever their health), fewer than `percent` are
 * fit, so that those left would have to carry what they cannot. 0 of 0 is no panic.
 */
static inline bool failover_panics(size_t in_service, size_t fit, uint32_t percent)
{
	return in_service && (uint64_t)fit * 100 < (uint64_t)in_service * percent;
}

void failover_init(struct failover *failover);
const char *failover_state_text(enum failover_state state);  /* the contract's words: "normal", "failed-over", … */
const char *failover_cause_text(enum failover_cause cause);
const char *failover_held_text(enum failover_held held);

#endif
