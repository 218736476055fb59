/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The keys of a health check that say what follows from its results: score, slow start, back-off. */
#include "base/duration.h"
#include "config/validate.h"


/* A group's own key, else that of the defaults. */
static const struct item *pick(const struct item *own, const struct item *fallback)
{
	return own->ok ? own : fallback;
}

/* Told of who wrote it: what the defaults say wrongly is told for each group that it is wrong for, at its place there. */
static void refuse_contradictions(struct report *report, const char *who, const struct config_check *check,
				  const struct item *slow, const struct item *most, const struct item *window)
{
	const struct config_health *health = &check->health;
	char mine[DURATION_TEXT_MAX], other[DURATION_TEXT_MAX], least[DURATION_TEXT_MAX];

	if (slow->ok && health->slow_ms >= check->timeout_ms)
		report_error(report, slow->at,
			     "%shealth_check: slow_threshold %s is not below timeout %s: no answer is ever slow: lower it", who,
			     duration_format(health->slow_ms, mine), duration_format(check->timeout_ms, other));
	if (most->ok && health->max_interval_ms < check->interval_ms)
		report_error(report, most->at,
			     "%shealth_check: max_interval %s is below interval %s: raise it, or remove it", who,
			     duration_format(health->max_interval_ms, mine), duration_format(check->interval_ms, other));
	if (window->ok && (uint64_t)health->score_window_ms < (uint64_t)check->interval_ms * CONFIG_SCORE_RESULTS_MIN)
		report_error(report, window->at,
			     "%shealth_check: score: window %s holds fewer than %d results of a check every %s: give at least %s",
			     who, duration_format(health->score_window_ms, mine), CONFIG_SCORE_RESULTS_MIN,
			     duration_format(check->interval_ms, other),
			     duration_format((uint64_t)check->interval_ms * CONFIG_SCORE_RESULTS_MIN, least));
}

void health_build(struct report *report, const char *who, const struct draft_check *own, const struct draft_check *defaults,
		  struct config_check *check)
{
	const struct draft_health *mine = &own->health, *other = &defaults->health;
	const struct item *slow = pick(&mine->slow_threshold, &other->slow_threshold);
	const struct item *most = pick(&mine->max_interval, &other->max_interval);
	const struct item *window = pick(&mine->score.window, &other->score.window);

	check->health = (struct config_health){
		.slow_ms = slow->number,
		.degraded_percent = pick(&mine->degraded_weight, &other->degraded_weight)->number,
		.predict_ms = pick(&mine->predict, &other->predict)->number,
		.slow_start_ms = pick(&mine->slow_start, &other->slow_start)->number,
		.max_interval_ms = most->number,
		.score_results = pick(&mine->score.results, &other->score.results)->number,
		.score_window_ms = window->number,
	};
	refuse_contradictions(report, who, check, slow, most, window);
}

void passive_build(struct report *report, const char *who, const struct draft_passive *draft, struct config_passive *passive)
{
	char base[DURATION_TEXT_MAX], most[DURATION_TEXT_MAX];
	const struct item *blamed = draft->max_time.ok ? &draft->max_time : &draft->base_time;

	*passive = (struct config_passive){
		.enabled = draft->at.line && draft->enabled.number,
		.interval_ms = draft->interval.number,
		.min_packets = draft->min_packets.number,
		.base_time_ms = draft->base_time.number,
		.max_time_ms = draft->max_time.number,
		.max_ejected_percent = draft->max_ejected.number,
	};
	if (passive->max_time_ms < passive->base_time_ms)
		report_error(report, blamed->at, "%spassive: max_time %s is below base_time %s: raise it, or lower base_time", who,
			     duration_format(passive->max_time_ms, most), duration_format(passive->base_time_ms, base));
}
