/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Counts results. Knows nothing of how they were obtained, of operators or of groups. */
#include "health/health.h"

struct health_step health_next(struct health health, bool good, const struct health_policy *policy, uint64_t now_ms)
{
	enum health_state result = good ? HEALTH_UP : HEALTH_DOWN;
	uint32_t needed = good ? policy->healthy_threshold : policy->unhealthy_threshold;
	struct health_step step = {.next = health};

	if (health.state == result) {
		step.next.streak = 0;
		return step;
	}
	step.next.streak++;
	if (health.state != HEALTH_UNKNOWN && step.next.streak < needed)
		return step;
	step.next = (struct health){.state = result, .since_ms = now_ms};
	step.changed = true;
	return step;
}

const char *health_state_text(enum health_state state)
{
	static const char *const text[] = {
		[HEALTH_UNKNOWN] = "unknown",
		[HEALTH_UP] = "up",
		[HEALTH_DOWN] = "down",
		[HEALTH_DEGRADED] = "degraded",
	};

	return text[state];
}
