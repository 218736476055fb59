/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* How long until a backend that is down is asked again. */
#include "health/breaker.h"

#define DOUBLINGS_MAX 31

static uint64_t ceiling_ms(const struct breaker_policy *policy, uint32_t failures)
{
	uint32_t doublings = failures < DOUBLINGS_MAX ? failures : DOUBLINGS_MAX;
	uint64_t ceiling = (uint64_t)policy->interval_ms << doublings;

	return ceiling < policy->max_interval_ms ? ceiling : policy->max_interval_ms;
}

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
	return policy->interval_ms +
	       (uint32_t)((ceiling_ms(policy, breaker->failures) - policy->interval_ms + 1) * random >> 32);
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
