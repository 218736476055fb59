/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* How long until a backend that is down is asked again. */
#include "base/backoff.h"
#include "health/breaker.h"

uint32_t breaker_next(struct breaker *breaker, const struct breaker_policy *policy, bool down, bool good, uint32_t random)
{
	if (!down || policy->max_interval_ms <= policy->interval_ms) {
		*breaker = (struct breaker){BREAKER_CLOSED, 0};
		return 0;
	}
	if (good) {
		breaker->state = BREAKER_HALF_OPEN;
		return 0;
	}
	breaker->state = BREAKER_OPEN;
	breaker->failures += breaker->failures < UINT32_MAX;
	return backoff_between(policy->interval_ms,
			       backoff_ceiling(policy->interval_ms, breaker->failures, policy->max_interval_ms), random);
}

const char *breaker_state_text(enum breaker_state state)
{
	static const char *const text[] = {
		[BREAKER_CLOSED] = "closed",
		[BREAKER_OPEN] = "open",
		[BREAKER_HALF_OPEN] = "half-open",
	};

	return text[state];
}
