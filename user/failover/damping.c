/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The arithmetic of RFC 2439. Whether something flapped is the caller's to say. */
#include <math.h>

#include "failover/damping.h"

static double decayed(const struct damping *damping, const struct damping_policy *policy, uint64_t now_ms)
{
	double half_lives = now_ms > damping->at_ms ? (double)(now_ms - damping->at_ms) / policy->half_life_ms : 0;

	return damping->penalty * exp2(-half_lives);
}

/* What decays to `reuse` within max_suppress_ms (RFC 2439 section 4.2, "the ceiling"). */
static double ceiling(const struct damping_policy *policy)
{
	return policy->reuse * exp2((double)policy->max_suppress_ms / policy->half_life_ms);
}

struct damping damping_next(struct damping damping, const struct damping_policy *policy, uint64_t now_ms)
{
	if (!policy->half_life_ms)
		return (struct damping){0};
	damping.penalty = decayed(&damping, policy, now_ms);
	damping.at_ms = now_ms;
	/* A thousandth: who wakes at damping_reuse_ms finds it due, whatever the rounding. */
	if (damping.suppressed && damping.penalty <= policy->reuse * 1.001)
		damping.suppressed = false;
	return damping;
}

struct damping damping_flap(struct damping damping, const struct damping_policy *policy, uint64_t now_ms)
{
	damping = damping_next(damping, policy, now_ms);
	if (!policy->half_life_ms)
		return damping;
	damping.penalty = fmin(damping.penalty + DAMPING_PENALTY, ceiling(policy));
	damping.suppressed = damping.suppressed || damping.penalty >= policy->suppress;
	return damping;
}

uint64_t damping_reuse_ms(struct damping damping, const struct damping_policy *policy)
{
	if (!damping.suppressed || !policy->half_life_ms)
		return 0;
	if (damping.penalty <= policy->reuse)
		return damping.at_ms;
	return damping.at_ms + (uint64_t)ceil(policy->half_life_ms * log2(damping.penalty / policy->reuse));
}

void damping_apply(struct failover_member *members, const bool *suppressed, size_t n)
{
	bool somebody = false;

	for (size_t i = 0; i < n; i++)
		somebody = somebody || (members[i].fit && !suppressed[i]);
	for (size_t i = 0; somebody && i < n; i++)
		members[i].fit = members[i].fit && !suppressed[i];
}
