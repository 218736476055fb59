/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Text that grows as documents are put into it. All zero is an empty one; `bytes` is the owner's to free. */
#ifndef SHUNT_API_TEXT_H
#define SHUNT_API_TEXT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

struct text {
	char *bytes;               /* NUL-terminated; NULL while nothing was put */
	size_t length, room;
	bool failed;               /* something was not put: no memory, or a value that is none */
};

/* false: no memory, here or before; what was put before stands. */
bool text_put(struct text *text, const char *words);
bool text_put_bytes(struct text *text, const char *bytes, size_t length);
bool text_format(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
bool text_put_json(struct text *text, json_t *take_value); /* compact, on one line; NULL: false */

/*
 * As a value: NULL becomes null. Text of others (a server's status line, say) may not be UTF-8, which JSON cannot hold: its
 * bytes beyond ASCII become '?'. A new reference, NULL without memory.
 */
json_t *text_json(const char *text);

#endif
