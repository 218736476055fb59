/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The two clocks: monotonic to measure, wall to tell people and files. The deciding libraries are given the time. */
#include <stdio.h>
#include <time.h>

#include "base/clock.h"

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
