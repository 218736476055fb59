/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* One line an event on stderr, level first: "warn: group web: …". Libraries return errors; only shuntd and the probes log. */
#ifndef SHUNT_LOG_H
#define SHUNT_LOG_H

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

void log_set_level(enum log_level level);
int log_level_parse(const char *text, enum log_level *ret_level); /* "error" | "warn" | "info" | "debug", else -EINVAL */
void log_write(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...) log_write(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warn(...) log_write(LOG_LEVEL_WARN, __VA_ARGS__)
#define log_info(...) log_write(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_write(LOG_LEVEL_DEBUG, __VA_ARGS__)

#endif
