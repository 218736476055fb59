/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Recurring times as crontab(5) writes them: "minute hour day-of-month month day-of-week", with lists, ranges, steps and
 * the names JAN … DEC and SUN … SAT. As there, a time is in the host's time zone, and where both days are restricted
 * either of them is enough. A minute that the start of summer time skips has none that day.
 */
#ifndef SHUNT_CRON_H
#define SHUNT_CRON_H

#include <stdbool.h>
#include <stdint.h>

struct cron {
	uint64_t minutes;              /* bit 0 … 59 */
	uint32_t hours;                /* bit 0 … 23 */
	uint32_t days;                 /* bit 1 … 31 */
	uint32_t months;               /* bit 1 … 12 */
	uint32_t weekdays;             /* bit 0 … 6, Sunday first */
	bool every_day, every_weekday; /* written as * */
};

int cron_parse(const char *text, struct cron *ret_cron); /* 0 | -EINVAL */

/* The first time after `after_s` (Unix seconds); INT64_MAX when there is none within CRON_YEARS (31 February). */
#define CRON_YEARS 8 /* the longest way from one 29 February to the next */
int64_t cron_next(const struct cron *cron, int64_t after_s);

#endif
