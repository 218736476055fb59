/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Which minutes a crontab line names, and which comes next. */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/cron.h"

#define NAME_LENGTH 3

struct cron_field {
	unsigned int min, max;
	const char *names;             /* of min, min + 1 …, three letters each; NULL: none */
};

static const struct cron_field minute_field = {0, 59, NULL}, hour_field = {0, 23, NULL}, day_field = {1, 31, NULL},
			       month_field = {1, 12, "JANFEBMARAPRMAYJUNJULAUGSEPOCTNOVDEC"},
			       weekday_field = {0, 7, "SUNMONTUEWEDTHUFRISAT"}; /* 7 is Sunday, too */

/* ---- reading ---- */

/* A number or a name; moves *text behind it. */
static int parse_value(const struct cron_field *field, const char **text, unsigned int *ret_value)
{
	unsigned long number;
	char *end;

	for (size_t i = 0; field->names && i * NAME_LENGTH < strlen(field->names); i++) {
		if (strncasecmp(*text, field->names + i * NAME_LENGTH, NAME_LENGTH) || isalpha((*text)[NAME_LENGTH]))
			continue;
		*ret_value = field->min + i;
		*text += NAME_LENGTH;
		return 0;
	}
	if (!isdigit((unsigned char)**text))
		return -EINVAL;
	number = strtoul(*text, &end, 10);
	if (end - *text > 2 || number < field->min || number > field->max)
		return -EINVAL;
	*ret_value = number;
	*text = end;
	return 0;
}

/* One of a list: VALUE, VALUE-VALUE, *, each but VALUE perhaps with /STEP. */
static int parse_range(const struct cron_field *field, const char **text, uint64_t *bits)
{
	unsigned int first = field->min, last = field->max, step = 1;
	bool is_range = true;

	if (**text == '*') {
		(*text)++;
	} else {
		if (parse_value(field, text, &first) < 0)
			return -EINVAL;
		last = first;
		is_range = **text == '-';
		if (is_range && ((*text)++, parse_value(field, text, &last) < 0 || last < first))
			return -EINVAL;
	}
	if (**text == '/') {
		char *end;

		step = is_range && isdigit((unsigned char)(*text)[1]) ? strtoul(*text + 1, &end, 10) : 0;
		if (step == 0 || step > field->max)
			return -EINVAL;
		*text = end;
	}
	for (unsigned int i = first; i <= last; i += step)
		*bits |= 1ULL << i;
	return 0;
}

/* A field and the blanks behind it. */
static int parse_field(const struct cron_field *field, const char **text, uint64_t *ret_bits)
{
	uint64_t bits = 0;
	int r = parse_range(field, text, &bits);

	while (r == 0 && **text == ',') {
		(*text)++;
		r = parse_range(field, text, &bits);
	}
	if (r < 0 || (**text && !isblank((unsigned char)**text)))
		return -EINVAL;
	*text += strspn(*text, " \t");
	*ret_bits = bits;
	return 0;
}

int cron_parse(const char *text, struct cron *ret_cron)
{
	const struct cron_field *const fields[] = {&minute_field, &hour_field, &day_field, &month_field, &weekday_field};
	uint64_t bits[5];
	bool every[5];

	text += strspn(text, " \t");
	for (int i = 0; i < 5; i++) {
		every[i] = text[0] == '*';
		if (parse_field(fields[i], &text, &bits[i]) < 0)
			return -EINVAL;
	}
	if (*text)
		return -EINVAL;
	*ret_cron = (struct cron){
		.minutes = bits[0],
		.hours = bits[1],
		.days = bits[2],
		.months = bits[3],
		.weekdays = (bits[4] | bits[4] >> 7) & 0x7f,
		.every_day = every[2],
		.every_weekday = every[4],
	};
	return 0;
}

/* ---- what comes next ---- */

static bool has(uint64_t bits, int bit)
{
	return bits >> bit & 1;
}

/* As cron's own: a field that is not * restricts; of the two days either is enough when both do. */
static bool day_matches(const struct cron *cron, const struct tm *at)
{
	bool day = has(cron->days, at->tm_mday), weekday = has(cron->weekdays, at->tm_wday);

	if (!has(cron->months, at->tm_mon + 1))
		return false;
	return cron->every_day || cron->every_weekday ? day && weekday : day || weekday;
}

/* The first minute of the day `at` that matches, not before that and after `after_s`; INT64_MAX: none. */
static int64_t first_of_day(const struct cron *cron, const struct tm *at, int64_t after_s)
{
	for (int minute = at->tm_hour * 60 + at->tm_min; minute < 24 * 60; minute++) {
		struct tm candidate = *at;
		time_t seconds;

		if (!has(cron->hours, minute / 60) || !has(cron->minutes, minute % 60))
			continue;
		candidate.tm_hour = minute / 60;
		candidate.tm_min = minute % 60;
		candidate.tm_sec = 0;
		candidate.tm_isdst = -1;
		seconds = mktime(&candidate);
		if (candidate.tm_hour == minute / 60 && candidate.tm_min == minute % 60 && /* else summer time skips it */
		    seconds > after_s)
			return seconds;
	}
	return INT64_MAX;
}

int64_t cron_next(const struct cron *cron, int64_t after_s)
{
	time_t from = after_s - after_s % 60 + 60;
	struct tm at;

	localtime_r(&from, &at);
	for (int day = 0; day < CRON_YEARS * 366; day++) {
		int64_t found = day_matches(cron, &at) ? first_of_day(cron, &at, after_s) : INT64_MAX;

		if (found != INT64_MAX)
			return found;
		at.tm_mday++;
		at.tm_hour = at.tm_min = at.tm_sec = 0;
		at.tm_isdst = -1;
		mktime(&at);
	}
	return INT64_MAX;
}
