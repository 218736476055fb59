/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The words for what failover decides. */
#include "failover/failover.h"

const char *failover_state_text(enum failover_state state)
{
	static const char *const text[] = {
		[FAILOVER_NORMAL] = "normal",
		[FAILOVER_FAILED_OVER] = "failed-over",
		[FAILOVER_FAILING_BACK] = "failing-back",
		[FAILOVER_DEGRADED] = "degraded",
		[FAILOVER_DOWN] = "down",
	};

	return text[state];
}

const char *failover_cause_text(enum failover_cause cause)
{
	static const char *const text[] = {
		[FAILOVER_CAUSE_NONE] = "nothing changed",
		[FAILOVER_CAUSE_START] = "first decision",
		[FAILOVER_CAUSE_UNFIT] = "the tier in use cannot serve any more",
		[FAILOVER_CAUSE_FAILBACK] = "a better tier has been healthy long enough",
		[FAILOVER_CAUSE_OPERATOR] = "by an operator",
		[FAILOVER_CAUSE_WINDOW] = "by a maintenance window",
		[FAILOVER_CAUSE_EXPIRED] = "the override ran out or its backend is not fit any more",
		[FAILOVER_CAUSE_ROLLED_BACK] = "rolled back: the health of the target fell on the way",
	};

	return text[cause];
}

const char *failover_held_text(enum failover_held held)
{
	static const char *const text[] = {
		[FAILOVER_NOT_HELD] = "nothing holds it",
		[FAILOVER_HELD_MANUAL] = "failover is manual",
		[FAILOVER_HELD_SEMI] = "failover is semi-automatic: never back by itself",
		[FAILOVER_HELD_DOWN] = "hold_down since the last failover",
	};

	return text[held];
}
