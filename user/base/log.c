/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* How a log line looks and which are shown. Knows nothing of what is logged. */
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"

#define LOG_LINE_MAX 2048

static const char *const level_text[] = {
	[LOG_LEVEL_ERROR] = "error",
	[LOG_LEVEL_WARN] = "warn",
	[LOG_LEVEL_INFO] = "info",
	[LOG_LEVEL_DEBUG] = "debug",
};

static const char *const level_colour[] = {
	[LOG_LEVEL_ERROR] = "\033[1;31m",
	[LOG_LEVEL_WARN] = "\033[33m",
	[LOG_LEVEL_INFO] = "",
	[LOG_LEVEL_DEBUG] = "\033[2m",
};

static enum log_level shown_up_to = LOG_LEVEL_INFO;

void log_set_level(enum log_level level)
{
	shown_up_to = level;
}

int log_level_parse(const char *text, enum log_level *ret_level)
{
	for (size_t i = 0; i < sizeof(level_text) / sizeof(level_text[0]); i++)
		if (strcmp(text, level_text[i]) == 0) {
			*ret_level = i;
			return 0;
		}
	return -EINVAL;
}

/* What a peer says may stand in a line: no control character may break it in two or steer the terminal. */
static void one_line(char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			*text = ' ';
}

void log_write(enum log_level level, const char *format, ...)
{
	char message[LOG_LINE_MAX], line[LOG_LINE_MAX + 32];
	int saved_errno = errno;
	bool colour;
	va_list args;
	int length;

	if (level > shown_up_to)
		return;
	va_start(args, format);
	vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	one_line(message);
	colour = isatty(STDERR_FILENO) && *level_colour[level];
	length = snprintf(line, sizeof(line), "%s%s:%s %s\n", colour ? level_colour[level] : "", level_text[level],
			  colour ? "\033[0m" : "", message);
	/* One write a line, so that lines of several writers do not mix; when stderr is gone there is nobody to tell. */
	if (write(STDERR_FILENO, line, length) < 0) {
	}
	errno = saved_errno;
}
