/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* From the results of an endpoint's checks to its state, its part of the weight, and what is told of both. */
#include <inttypes.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/duration.h"
#include "net/address.h"
#include "shuntd/controller.h"

_Static_assert(SCORE_RESULTS_MIN == CONFIG_SCORE_RESULTS_MIN && SCORE_RESULTS_MAX == CONFIG_SCORE_RESULTS_MAX,
	       "what is configured is what is kept");

struct health_policy endpoint_policy(const struct endpoint *endpoint)
{
	const struct config_check *check = &endpoint->check;
	uint64_t window_ms = check->health.score_window_ms;

	if (!window_ms)
		window_ms = (uint64_t)check->health.score_results * check->interval_ms * 2;
	return (struct health_policy){
		.healthy_threshold = check->healthy_threshold,
		.unhealthy_threshold = check->unhealthy_threshold,
		.slow_start_ms = check->health.slow_start_ms,
		.breaker = {check->interval_ms, check->health.max_interval_ms},
		.score = {
			.results = check->health.score_results,
			.window_ms = window_ms < UINT32_MAX ? window_ms : UINT32_MAX,
			.slow_us = check->health.slow_ms * 1000,
			.timeout_us = check->timeout_ms * 1000,
			.least_percent = check->health.degraded_percent,
			.predict_ms = check->health.predict_ms,
		},
	};
}

/* ---- telling ---- */

static void announce_state(struct controller *c, const struct endpoint *endpoint, enum health_state before)
{
	const struct health_policy policy = endpoint_policy(endpoint);
	struct score_figures score = score_figures(&endpoint->health.score, &policy.score, clock_monotonic_ms());
	const char *type = config_check_type_text(endpoint->check.type), *was = health_state_text(before);
	char object[128], address[ADDRESS_TEXT_MAX];

	snprintf(object, sizeof(object), "backend %s", endpoint->backend->name);
	address_port_format(&endpoint->backend->address, endpoint->probe_port, address);
	if (endpoint->health.state == HEALTH_DOWN)
		events_add(c->events, "backend", object, "checks", "down, was %s: %u bad in a row: %s check of %s: %s (%.1f ms)", was,
			   before == HEALTH_UNKNOWN ? 1 : endpoint->check.unhealthy_threshold, type, address, endpoint->last,
			   endpoint->latency_us / 1000.0);
	else if (endpoint->health.state == HEALTH_DEGRADED || before == HEALTH_DEGRADED)
		events_add(c->events, "backend", object, "checks",
			   "%s, was %s: score %u of 100: of the last %u results %u bad, %u slow, mean %.1f ms: weight %u of %u",
			   health_state_text(endpoint->health.state), was, score.percent, score.results,
			   score.results - score.good, score.slow, score.mean_us / 1000.0, endpoint_weight(endpoint),
			   endpoint->backend->weight);
	else
		events_add(c->events, "backend", object, "checks", "up, was %s: %s check of %s: %s (%.1f ms)", was, type, address,
			   endpoint->last, endpoint->latency_us / 1000.0);
}

static void tell_state(struct controller *c, const struct endpoint *endpoint, enum health_state before)
{
	announce_state(c, endpoint, before);
	hooks_tell_backend(c, endpoint, before);
}

static void announce_weight(struct controller *c, const struct endpoint *endpoint, uint32_t before)
{
	char object[128];

	snprintf(object, sizeof(object), "backend %s", endpoint->backend->name);
	events_add(c->events, "weight", object, "checks", "%u %% -> %u %% of its weight of %u: %s", before,
		   endpoint->health_percent, endpoint->backend->weight,
		   endpoint->health.ramping ? "slow start" : health_state_text(endpoint->health.state));
}

static void announce_warning(struct controller *c, const struct endpoint *endpoint, const struct score_warning *warning)
{
	char object[128], in[DURATION_TEXT_MAX], timeout[DURATION_TEXT_MAX];

	if (warning->trend == SCORE_TREND_NONE)
		return;
	snprintf(object, sizeof(object), "backend %s", endpoint->backend->name);
	duration_format(warning->in_ms / 1000 * 1000, in);
	if (warning->trend == SCORE_TREND_LATENCY)
		events_add(c->events, "warning", object, "checks",
			   "its checks take %.1f ms more every minute: in %s they will exceed the timeout of %s", warning->per_minute,
			   in, duration_format(endpoint->check.timeout_ms, timeout));
	else
		events_add(c->events, "warning", object, "checks",
			   "its score falls by %.1f a minute: in %s it will be below %u of 100", warning->per_minute, in,
			   SCORE_FAILURE_LINE);
}

/* ---- doing ---- */

static int ramp(sd_event_source *source, uint64_t usec, void *userdata);

static void set_timer(struct controller *c, struct endpoint *endpoint, uint64_t wake_ms)
{
	if (!endpoint->health_timer) {
		if (!wake_ms || sd_event_add_time(c->event, &endpoint->health_timer, CLOCK_MONOTONIC, wake_ms * 1000, 1000, ramp,
						  &endpoint->context) < 0)
			return;
	}
	if (wake_ms)
		sd_event_source_set_time(endpoint->health_timer, wake_ms * 1000);
	sd_event_source_set_enabled(endpoint->health_timer, wake_ms ? SD_EVENT_ONESHOT : SD_EVENT_OFF);
}

/* The percentage as it is by now. True: it has changed. */
static bool weigh(struct controller *c, struct endpoint *endpoint)
{
	const struct health_policy policy = endpoint_policy(endpoint);
	uint64_t now_ms = clock_monotonic_ms();
	uint32_t before = endpoint->health_percent;

	endpoint->health_percent = health_weight_percent(&endpoint->health, &policy, now_ms);
	set_timer(c, endpoint, health_wake_ms(&endpoint->health, &policy, now_ms));
	return endpoint->health_percent != before;
}

static int ramp(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct endpoint_context *context = userdata;
	struct endpoint *endpoint = context->endpoint;
	uint32_t before = endpoint->health_percent;

	(void)source;
	(void)usec;
	if (!weigh(context->controller, endpoint))
		return 0;
	announce_weight(context->controller, endpoint, before);
	groups_follow_paced(context->controller, endpoint, false);
	return 0;
}

void endpoint_return(struct controller *c, struct endpoint *endpoint)
{
	const struct health_policy policy = endpoint_policy(endpoint);

	health_return(&endpoint->health, &policy, clock_monotonic_ms());
	weigh(c, endpoint);
}

static void take_result(struct endpoint *endpoint, const struct probe_result *result)
{
	endpoint->latency_us = result->latency_us;
	endpoint->reason = result->reason;
	endpoint->doubtful = !result->good;
	endpoint->checked_ms = clock_monotonic_ms();
	snprintf(endpoint->last, sizeof(endpoint->last), "%s", result->text);
}

static void follow_result(struct controller *c, struct endpoint *endpoint, const struct probe_result *result)
{
	const struct health_policy policy = endpoint_policy(endpoint);
	enum health_state before = endpoint->health.state;
	struct health_result outcome = {result->good, result->latency_us, arc4random()};
	struct health_step step = health_next(&endpoint->health, &policy, outcome, clock_monotonic_ms());
	uint32_t percent_before = endpoint->health_percent;
	bool weighed = weigh(c, endpoint), refreshed;
	uint64_t slice_ns = 0;

	take_result(endpoint, result);
	probe_hurry(endpoint->probe, endpoint->health.streak > 0);
	if (step.next_probe_ms && endpoint->probe)
		probe_next_in(endpoint->probe, step.next_probe_ms);
	announce_warning(c, endpoint, &step.warning);
	if (!step.changed && !weighed) {
		groups_recheck(c, endpoint);
		return;
	}
	if (step.changed) {
		endpoint->health_since = clock_wall_ms();
		snprintf(endpoint->why, sizeof(endpoint->why), "%s", result->text);
	}
	refreshed = endpoint_refresh(c, endpoint);
	if (refreshed || weighed)
		slice_ns = groups_begin(c, endpoint, false); /* traffic first, words after */
	else if (before == HEALTH_UNKNOWN)
		slice_ns = groups_begin(c, endpoint, true); /* one that is unknown no more is what groups may have waited for */
	if (step.changed)
		tell_state(c, endpoint, before);
	else
		announce_weight(c, endpoint, percent_before);
	groups_go_on(c, slice_ns);
}

void endpoint_probed(void *userdata, const struct probe_result *result)
{
	struct endpoint_context *context = userdata;

	/* First what it says of itself: who is up again must not take over by a lag, or take flows by a weight, of before. */
	agent_said(context->controller, context->endpoint, result);
	follow_result(context->controller, context->endpoint, result);
}

void endpoint_forget_health(struct endpoint *endpoint, bool returning)
{
	health_forget(&endpoint->health, returning, clock_monotonic_ms());
	endpoint->health_since = clock_wall_ms();
	endpoint->health_percent = 100;
	if (endpoint->health_timer)
		sd_event_source_set_enabled(endpoint->health_timer, SD_EVENT_OFF);
}
