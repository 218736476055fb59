/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The two clocks: monotonic to measure, wall to tell people and files. The deciding libraries are given the time. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"

uint64_t clock_processor_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

uint64_t clock_monotonic_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

uint64_t clock_monotonic_ms(void)
{
	return clock_monotonic_ns() / 1000000;
}

int64_t clock_wall_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

const char *clock_rfc3339(int64_t wall_ms, char buffer[CLOCK_TEXT_MAX])
{
	time_t seconds = wall_ms / 1000 - (wall_ms % 1000 < 0);
	unsigned int ms = (wall_ms % 1000 + 1000) % 1000;
	struct tm utc = {0};
	size_t length;

	gmtime_r(&seconds, &utc);
	length = strftime(buffer, CLOCK_TEXT_MAX, "%Y-%m-%dT%H:%M:%S", &utc);
	snprintf(buffer + length, CLOCK_TEXT_MAX - length, ".%03uZ", ms);
	return buffer;
}

int clock_parse_rfc3339(const char *text, int64_t *ret_wall_ms)
{
	int hours = 0, minutes = 0, length = 0;
	int64_t ms = 0, offset = 0, unit = 100;
	struct tm tm = {};
	const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);

	if (!rest)
		return -EINVAL;
	if (*rest == '.')
		for (rest++; *rest >= '0' && *rest <= '9'; rest++, unit /= 10)
			ms += (*rest - '0') * unit;
	if (*rest == '+' || *rest == '-') {
		if (sscanf(rest + 1, "%2d:%2d%n", &hours, &minutes, &length) != 2 || length != 5 || rest[6])
			return -EINVAL;
		offset = (hours * 60 + minutes) * (*rest == '-' ? -60 : 60);
	} else if (strcmp(rest, "Z") != 0) {
		return -EINVAL;
	}
	*ret_wall_ms = ((int64_t)timegm(&tm) - offset) * 1000 + ms;
	return 0;
}
