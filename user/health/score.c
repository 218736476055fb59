/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The sliding window, the steps of the weight, and the line through the window that says where it leads. */
#include "health/score.h"

#define TREND_SIGNIFICANCE 3 /* the slope in standard errors: noise makes few such windows */

void score_clear(struct score *score)
{
	*score = (struct score){.quiet_until_ms = score->quiet_until_ms};
}

/* Of the i-th newest; those of the window are the first score_window(). */
static const struct score_sample *newest(const struct score *score, uint32_t i)
{
	return &score->samples[(score->next + SCORE_RESULTS_MAX - 1 - i) % SCORE_RESULTS_MAX];
}

static uint32_t window(const struct score *score, const struct score_policy *policy, uint64_t now_ms)
{
	uint32_t n = 0;

	while (n < score->n && n < policy->results && (uint32_t)now_ms - newest(score, n)->at_ms <= policy->window_ms)
		n++;
	return n;
}

static bool is_slow(const struct score_sample *sample, const struct score_policy *policy)
{
	return policy->slow_us && sample->latency_us > policy->slow_us;
}

struct score_figures score_figures(const struct score *score, const struct score_policy *policy, uint64_t now_ms)
{
	struct score_figures figures = {.results = window(score, policy, now_ms), .percent = 100};
	uint64_t sum_us = 0;

	for (uint32_t i = 0; i < figures.results; i++) {
		const struct score_sample *sample = newest(score, i);

		if (!sample->good)
			continue;
		figures.good++;
		figures.slow += is_slow(sample, policy);
		sum_us += sample->latency_us;
		figures.worst_us = sample->latency_us > figures.worst_us ? sample->latency_us : figures.worst_us;
	}
	if (figures.good)
		figures.mean_us = sum_us / figures.good;
	if (figures.results >= SCORE_RESULTS_MIN)
		figures.percent = (2 * figures.good - figures.slow) * 50 / figures.results;
	return figures;
}

/* ---- steps ---- */

/* Worse at once; better only when the level has held for a while, so that a wavering backend moves few slots. */
static void follow_percent(struct score *score, const struct score_policy *policy, uint32_t percent)
{
	uint8_t before = score->level;

	while (score->level < SCORE_LEVELS && percent < SCORE_LEVEL_BELOW(score->level + 1))
		score->level++;
	while (score->level > 0 && percent >= SCORE_LEVEL_ABOVE(score->level) && score->held >= policy->results)
		score->level--;
	score->held = score->level != before ? 0 : score->held < UINT8_MAX ? score->held + 1 : UINT8_MAX;
}

uint32_t score_weight_percent(const struct score *score, const struct score_policy *policy)
{
	return 100 - (100 - policy->least_percent) * score->level / SCORE_LEVELS;
}

/* ---- the trend ---- */

struct line {
	uint32_t n;
	double x[SCORE_RESULTS_MAX], y[SCORE_RESULTS_MAX]; /* x: seconds, 0 now, earlier ones negative */
};

/*
 * Least squares through the points (NIST/SEMATECH e-Handbook of Statistical Methods, 4.4.3.1; what Prometheus calls
 * predict_linear), and Student's t of the slope. True when it rises for certain; *ret_in_s: until it reaches `limit`.
 */
static bool rises_to(const struct line *line, double limit, double *ret_in_s, double *ret_per_s)
{
	double mean_x = 0, mean_y = 0, xx = 0, xy = 0, yy = 0, slope, rest, now;

	if (line->n < SCORE_RESULTS_MIN)
		return false;
	for (uint32_t i = 0; i < line->n; i++) {
		mean_x += line->x[i] / line->n;
		mean_y += line->y[i] / line->n;
	}
	for (uint32_t i = 0; i < line->n; i++) {
		xx += (line->x[i] - mean_x) * (line->x[i] - mean_x);
		xy += (line->x[i] - mean_x) * (line->y[i] - mean_y);
		yy += (line->y[i] - mean_y) * (line->y[i] - mean_y);
	}
	if (xx <= 0 || xy <= 0)
		return false;
	slope = xy / xx;
	rest = yy - slope * xy;
	/* Squared, t = slope / standard error asks for no root. */
	if (slope * slope * xx * (line->n - 2) < TREND_SIGNIFICANCE * TREND_SIGNIFICANCE * rest)
		return false;
	now = mean_y - slope * mean_x;
	*ret_in_s = now < limit ? (limit - now) / slope : 0;
	*ret_per_s = slope;
	return true;
}

static void add_point(struct line *line, const struct score_sample *sample, uint64_t now_ms, double y)
{
	line->x[line->n] = -(double)((uint32_t)now_ms - sample->at_ms) / 1000;
	line->y[line->n++] = y;
}

static bool follow(const struct line *line, double limit, enum score_trend trend, const struct score_policy *policy,
		   struct score_warning *ret_warning)
{
	double in_s, per_s;

	if (!rises_to(line, limit, &in_s, &per_s) || in_s * 1000 > policy->predict_ms)
		return false;
	*ret_warning = (struct score_warning){trend, (uint32_t)(in_s * 1000), per_s * 60};
	return true;
}

static struct score_warning trend_of(const struct score *score, const struct score_policy *policy, uint64_t now_ms)
{
	struct line latency = {.n = 0}, cost = {.n = 0};
	struct score_warning warning = {SCORE_TREND_NONE, 0, 0};
	uint32_t n = window(score, policy, now_ms);

	for (uint32_t i = 0; i < n; i++) {
		const struct score_sample *sample = newest(score, i);

		if (sample->good)
			add_point(&latency, sample, now_ms, sample->latency_us / 1000.0);
		add_point(&cost, sample, now_ms, sample->good ? (is_slow(sample, policy) ? 50 : 0) : 100);
	}
	if (!follow(&latency, policy->timeout_us / 1000.0, SCORE_TREND_LATENCY, policy, &warning))
		follow(&cost, 100 - SCORE_FAILURE_LINE, SCORE_TREND_FAILURES, policy, &warning);
	return warning;
}

/* A trend is told again when it has been away for as long as one can be seen, or foreseen. */
static struct score_warning warn(struct score *score, const struct score_policy *policy, uint64_t now_ms)
{
	struct score_warning warning = {SCORE_TREND_NONE, 0, 0};
	bool told = now_ms < score->quiet_until_ms;

	if (policy->predict_ms)
		warning = trend_of(score, policy, now_ms);
	if (warning.trend != SCORE_TREND_NONE)
		score->quiet_until_ms =
			now_ms + (policy->predict_ms > policy->window_ms ? policy->predict_ms : policy->window_ms);
	return told ? (struct score_warning){SCORE_TREND_NONE, 0, 0} : warning;
}

struct score_warning score_add(struct score *score, const struct score_policy *policy, bool good, uint32_t latency_us,
			       uint64_t now_ms)
{
	struct score_sample sample = {
		.at_ms = now_ms,
		.latency_us = latency_us < INT32_MAX ? latency_us : INT32_MAX,
		.good = good,
	};

	score->samples[score->next] = sample;
	score->next = (score->next + 1) % SCORE_RESULTS_MAX;
	score->n += score->n < SCORE_RESULTS_MAX;
	follow_percent(score, policy, score_figures(score, policy, now_ms).percent);
	return warn(score, policy, now_ms);
}
