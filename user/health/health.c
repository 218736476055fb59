/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Puts rise and fall, score, slow start and the breaker together. Knows nothing of operators or of groups. */
#include "health/health.h"

#include "health/slow_start.h"

static void enter(struct health *health, enum health_state state, uint64_t now_ms)
{
	health->state = state;
	health->streak = 0;
	health->since_ms = now_ms;
}

static void go_up(struct health *health, const struct health_policy *policy, uint64_t now_ms)
{
	enter(health, HEALTH_UP, now_ms);
	score_clear(&health->score);
	health->ramping = health->returning && policy->slow_start_ms > 0;
	health->ramp_since_ms = now_ms;
	health->returning = false;
}

static void go_down(struct health *health, uint64_t now_ms)
{
	enter(health, HEALTH_DOWN, now_ms);
	score_clear(&health->score);
	health->returning = true;
	health->ramping = false;
}

/* Rise and fall. True: up or down is new. */
static bool rise_or_fall(struct health *health, const struct health_policy *policy, bool good, uint64_t now_ms)
{
	uint32_t needed = good ? policy->healthy_threshold : policy->unhealthy_threshold;

	if (health->state != HEALTH_UNKNOWN && health_serves(health->state) == good) {
		health->streak = 0;
		return false;
	}
	health->streak++;
	if (health->state != HEALTH_UNKNOWN && health->streak < needed)
		return false;
	if (good)
		go_up(health, policy, now_ms);
	else
		go_down(health, now_ms);
	return true;
}

/* Up or degraded, as the score's level is. Streaks go on. */
static bool follow_score(struct health *health, uint64_t now_ms)
{
	enum health_state state = health->score.level ? HEALTH_DEGRADED : HEALTH_UP;

	if (state == health->state)
		return false;
	health->state = state;
	health->since_ms = now_ms;
	return true;
}

struct health_step health_next(struct health *health, const struct health_policy *policy, struct health_result result,
			       uint64_t now_ms)
{
	struct health_step step = {.changed = rise_or_fall(health, policy, result.good, now_ms)};

	if (health_serves(health->state)) {
		step.warning = score_add(&health->score, &policy->score, result.good, result.latency_us, now_ms);
		step.changed = follow_score(health, now_ms) || step.changed;
	}
	if (health->ramping && now_ms - health->ramp_since_ms >= policy->slow_start_ms)
		health->ramping = false;
	step.next_probe_ms = breaker_next(&health->breaker, &policy->breaker, health->state == HEALTH_DOWN, result.good,
					  result.random);
	return step;
}

void health_forget(struct health *health, bool returning, uint64_t now_ms)
{
	*health = (struct health){.state = HEALTH_UNKNOWN, .since_ms = now_ms, .returning = returning};
}

void health_return(struct health *health, const struct health_policy *policy, uint64_t now_ms)
{
	health->ramping = health_serves(health->state) && policy->slow_start_ms > 0;
	health->ramp_since_ms = now_ms;
}

uint32_t health_weight_percent(const struct health *health, const struct health_policy *policy, uint64_t now_ms)
{
	uint32_t percent = score_weight_percent(&health->score, &policy->score);

	if (health->ramping)
		percent = percent * slow_start_percent(now_ms - health->ramp_since_ms, policy->slow_start_ms) / 100;
	return percent ? percent : 1;
}

uint64_t health_wake_ms(const struct health *health, const struct health_policy *policy, uint64_t now_ms)
{
	uint64_t next = UINT64_MAX;

	if (health->ramping)
		next = slow_start_next_ms(now_ms - health->ramp_since_ms, policy->slow_start_ms);
	return next == UINT64_MAX ? 0 : health->ramp_since_ms + next;
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
