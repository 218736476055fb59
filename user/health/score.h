/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * How well a backend that is up serves: the last results of its checks as one figure, in steps that a weight can follow,
 * and whether they get worse so fast that it will soon fail. Pure.
 *
 * Score: a good result counts 1, a good one slower than slow_us one half, a bad one 0; their mean in percent, over the last
 * `results` results that are not older than window_ms. Fewer than SCORE_RESULTS_MIN say nothing.
 */
#ifndef SHUNT_SCORE_H
#define SHUNT_SCORE_H

#include <stdbool.h>
#include <stdint.h>

#define SCORE_RESULTS_MIN 10
#define SCORE_RESULTS_MAX 64
#define SCORE_LEVELS 4          /* steps of the weight below the full one */
#define SCORE_LEVEL_BELOW(level) (90U - 10U * (level))  /* level n is entered below this score … */
#define SCORE_LEVEL_ABOVE(level) (100U - 10U * (level)) /* … and left for the next better one from this on,
						            when it has held for as many results as count */
#define SCORE_FAILURE_LINE SCORE_LEVEL_BELOW(SCORE_LEVELS)

struct score_policy {
	uint32_t results;       /* SCORE_RESULTS_MIN … SCORE_RESULTS_MAX */
	uint32_t window_ms;
	uint32_t slow_us;       /* 0: none is slow */
	uint32_t timeout_us;    /* an answer that takes as long counts as bad */
	uint32_t least_percent; /* of the weight, at the last level; 100: the weight stays */
	uint32_t predict_ms;    /* how far ahead a trend is followed; 0: not at all */
};

struct score_sample {
	uint32_t at_ms;         /* low half of the monotonic clock */
	uint32_t latency_us : 31;
	uint32_t good : 1;
};

struct score {
	struct score_sample samples[SCORE_RESULTS_MAX]; /* a ring */
	uint8_t next, n;
	uint8_t level;          /* 0: the full weight … SCORE_LEVELS: least_percent of it */
	uint8_t held;           /* results since the level changed */
	uint64_t quiet_until_ms; /* a trend that goes on is told once */
};

struct score_figures {
	uint32_t results, good, slow; /* slow: of the good ones */
	uint32_t percent;       /* the score; 100 with fewer than SCORE_RESULTS_MIN results */
	uint32_t mean_us, worst_us; /* latency of the good ones */
};

/* What a trend leads to, and when. */
enum score_trend { SCORE_TREND_NONE, SCORE_TREND_LATENCY, SCORE_TREND_FAILURES };
struct score_warning {
	enum score_trend trend; /* latency: will reach the timeout; failures: will reach SCORE_FAILURE_LINE */
	uint32_t in_ms;
	double per_minute;      /* latency: milliseconds more; failures: percent of the score less */
};

void score_clear(struct score *score);
/* Takes a result; the level follows. Returns the warning it gives rise to, once for each trend. */
struct score_warning score_add(struct score *score, const struct score_policy *policy, bool good, uint32_t latency_us,
			       uint64_t now_ms);
struct score_figures score_figures(const struct score *score, const struct score_policy *policy, uint64_t now_ms);
/* What a level leaves of the weight, in percent. */
uint32_t score_weight_percent(const struct score *score, const struct score_policy *policy);

#endif
