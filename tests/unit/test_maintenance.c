/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Recurring times and maintenance windows: what is accepted, and when it is. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/clock.h"
#include "maintenance/window.h"

#define N(array) (sizeof(array) / sizeof((array)[0]))
#define MINUTE_MS (60 * 1000LL)
#define HOUR_MS (60 * MINUTE_MS)
#define BERLIN "CET-1CEST,M3.5.0,M10.5.0/3" /* no time zone database is needed */

static int64_t at(const char *text)
{
	int64_t ms;

	assert_int_equal(clock_parse_rfc3339(text, &ms), 0);
	return ms;
}

static void zone(const char *name)
{
	setenv("TZ", name, 1);
	tzset();
}

static int in_utc(void **state)
{
	(void)state;
	zone("UTC");
	return 0;
}

static void the_next_time_is_what_cron_would_run_at(void **state)
{
	static const struct {
		const char *zone, *cron, *after, *next; /* next NULL: never */
	} rows[] = {
		{"UTC", "0 2 * * SUN", "2026-11-27T00:00:00Z", "2026-11-29T02:00:00Z"}, /* a Friday */
		{"UTC", "0 2 * * SUN", "2026-11-29T01:59:59Z", "2026-11-29T02:00:00Z"},
		{"UTC", "0 2 * * SUN", "2026-11-29T02:00:00Z", "2026-12-06T02:00:00Z"}, /* strictly after */
		{"UTC", "0 2 * * 7", "2026-11-27T00:00:00Z", "2026-11-29T02:00:00Z"},
		{"UTC", "* * * * *", "2026-11-27T00:00:30Z", "2026-11-27T00:01:00Z"},
		{"UTC", "*/15 * * * *", "2026-11-27T00:46:00Z", "2026-11-27T01:00:00Z"},
		{"UTC", "5-20/5 8,20 * * *", "2026-11-27T08:20:00Z", "2026-11-27T20:05:00Z"},
		{"UTC", "59 23 31 12 *", "2026-12-31T23:59:00Z", "2027-12-31T23:59:00Z"},
		{"UTC", "0 0 29 feb *", "2028-02-29T00:00:00Z", "2032-02-29T00:00:00Z"},
		{"UTC", "0 0 31 feb *", "2026-01-01T00:00:00Z", NULL},
		{"UTC", "0 0 1 * mon", "2026-11-28T00:00:00Z", "2026-11-30T00:00:00Z"}, /* either day is enough */
		{"UTC", "0 0 1 * mon", "2026-11-30T00:00:00Z", "2026-12-01T00:00:00Z"},
		{"UTC", "0 12 * * Mon-Fri", "2026-11-27T12:00:00Z", "2026-11-30T12:00:00Z"},
		/* Clocks go forward on 28 March 2027 at 02:00, back on 31 October at 03:00. */
		{BERLIN, "30 2 * * *", "2027-03-27T12:00:00+01:00", "2027-03-29T02:30:00+02:00"},
		{BERLIN, "0 4 * * *", "2027-03-27T12:00:00+01:00", "2027-03-28T04:00:00+02:00"},
		{BERLIN, "0 4 * * *", "2027-10-30T12:00:00+02:00", "2027-10-31T04:00:00+01:00"},
	};

	(void)state;
	for (size_t i = 0; i < N(rows); i++) {
		struct cron cron;
		char text[CLOCK_TEXT_MAX];
		int64_t next;

		zone(rows[i].zone);
		assert_int_equal(cron_parse(rows[i].cron, &cron), 0);
		next = cron_next(&cron, at(rows[i].after) / 1000);
		if (!rows[i].next && next != INT64_MAX)
			fail_msg("\"%s\" after %s: %s", rows[i].cron, rows[i].after, clock_rfc3339(next * 1000, text));
		if (rows[i].next && next * 1000 != at(rows[i].next))
			fail_msg("\"%s\" after %s: %s, not %s", rows[i].cron, rows[i].after,
				 clock_rfc3339(next * 1000, text), rows[i].next);
	}
	zone("UTC");
}

/* In autumn an hour comes twice; what is due every minute of it is neither missed nor without end. */
static void the_hour_that_comes_twice_has_an_end(void **state)
{
	struct cron cron;
	int64_t now;

	(void)state;
	zone(BERLIN);
	assert_int_equal(cron_parse("* * * * *", &cron), 0);
	now = at("2027-10-31T01:30:00+02:00") / 1000;
	for (int i = 0; i < 240 && now < at("2027-10-31T04:00:00+01:00") / 1000; i++) {
		int64_t next = cron_next(&cron, now);

		assert_true(next > now);
		now = next;
	}
	assert_true(now >= at("2027-10-31T04:00:00+01:00") / 1000);
	zone("UTC");
}

static void what_is_no_crontab_line_is_refused(void **state)
{
	static const char *const texts[] = {
		"", "* * * *", "* * * * * *", "60 * * * *", "* 24 * * *", "* * 0 * *", "* * 32 * *", "* * * 13 *",
		"* * * * 8", "*/0 * * * *", "5/2 * * * *", "5-1 * * * *", "1, * * * *", "a * * * *", "* * * SUN *", "* * * * SUND",
		"-1 * * * *", "1- * * * *", "*5 * * * *", "001 * * * *", "@daily",
	};
	struct cron cron;

	(void)state;
	for (size_t i = 0; i < N(texts); i++)
		if (cron_parse(texts[i], &cron) != -EINVAL)
			fail_msg("accepted: \"%s\"", texts[i]);
}

static struct window weekly(uint64_t drain_ms)
{
	struct window window = {.recurs = true, .duration_ms = HOUR_MS, .drain_ms = drain_ms};

	assert_int_equal(cron_parse("0 2 * * SUN", &window.cron), 0);
	return window;
}

static void expect_step(const struct window *window, const char *now, enum window_phase phase, const char *opens,
			const char *until)
{
	struct window_step step = window_at(window, at(now));

	assert_int_equal(step.phase, phase);
	assert_int_equal(step.opens_ms, opens ? at(opens) : INT64_MAX);
	assert_int_equal(step.until_ms, until ? at(until) : INT64_MAX);
	if (opens)
		assert_int_equal(step.closes_ms, step.opens_ms + (int64_t)window->duration_ms);
}

static void a_window_drains_opens_and_closes_every_week(void **state)
{
	const char *const sunday = "2026-11-29T02:00:00Z", *const next = "2026-12-06T02:00:00Z";
	struct window window = weekly(10 * MINUTE_MS);

	(void)state;
	expect_step(&window, "2026-11-28T12:00:00Z", WINDOW_CLOSED, sunday, "2026-11-29T01:50:00Z");
	expect_step(&window, "2026-11-29T01:49:59.999Z", WINDOW_CLOSED, sunday, "2026-11-29T01:50:00Z");
	expect_step(&window, "2026-11-29T01:50:00Z", WINDOW_DRAINING, sunday, sunday);
	expect_step(&window, "2026-11-29T02:00:00Z", WINDOW_OPEN, sunday, "2026-11-29T03:00:00Z");
	expect_step(&window, "2026-11-29T02:59:59.999Z", WINDOW_OPEN, sunday, "2026-11-29T03:00:00Z");
	expect_step(&window, "2026-11-29T03:00:00Z", WINDOW_CLOSED, next, "2026-12-06T01:50:00Z");
}

static void without_a_drain_it_opens_at_once(void **state)
{
	struct window window = weekly(0);

	(void)state;
	expect_step(&window, "2026-11-29T01:59:59.999Z", WINDOW_CLOSED, "2026-11-29T02:00:00Z", "2026-11-29T02:00:00Z");
	expect_step(&window, "2026-11-29T02:00:00Z", WINDOW_OPEN, "2026-11-29T02:00:00Z", "2026-11-29T03:00:00Z");
}

static void a_window_of_one_time_is_over_for_good(void **state)
{
	struct window window = {.start_ms = at("2026-11-29T02:00:00+01:00"), .duration_ms = HOUR_MS, .drain_ms = HOUR_MS};

	(void)state;
	expect_step(&window, "2026-01-01T00:00:00Z", WINDOW_CLOSED, "2026-11-29T01:00:00Z", "2026-11-29T00:00:00Z");
	expect_step(&window, "2026-11-29T00:30:00Z", WINDOW_DRAINING, "2026-11-29T01:00:00Z", "2026-11-29T01:00:00Z");
	expect_step(&window, "2026-11-29T01:30:00Z", WINDOW_OPEN, "2026-11-29T01:00:00Z", "2026-11-29T02:00:00Z");
	expect_step(&window, "2026-11-29T02:00:00Z", WINDOW_CLOSED, NULL, NULL);
}

/* A restart and a clock set back or forward find the phase that the clock says, whatever it was before. */
static void only_the_clock_counts(void **state)
{
	struct window window = weekly(10 * MINUTE_MS);
	int64_t start = at("2026-11-20T00:00:00Z");

	(void)state;
	for (int i = 0; i < 20000; i++) {
		int64_t now = start + (int64_t)(random() % (21 * 24 * 60)) * MINUTE_MS;
		struct window_step step = window_at(&window, now);

		assert_true(step.until_ms > now);
		assert_int_equal(window_at(&window, step.until_ms - 1).phase, step.phase);
		assert_int_not_equal(window_at(&window, step.until_ms).phase, step.phase);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_next_time_is_what_cron_would_run_at),
		cmocka_unit_test(the_hour_that_comes_twice_has_an_end),
		cmocka_unit_test(what_is_no_crontab_line_is_refused),
		cmocka_unit_test(a_window_drains_opens_and_closes_every_week),
		cmocka_unit_test(without_a_drain_it_opens_at_once),
		cmocka_unit_test(a_window_of_one_time_is_over_for_good),
		cmocka_unit_test(only_the_clock_counts),
	};

	return cmocka_run_group_tests(tests, in_utc, NULL);
}
