/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Only plain text is written here; what has to be escaped or judged is jansson's. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/put.h"
#include "base/clock.h"

/* A comma behind another value, and the name. */
static void begin(struct text *text, const char *key)
{
	char last = text->length ? text->bytes[text->length - 1] : '[';

	if (last != '{' && last != '[' && last != ':')
		text_put_bytes(text, ",", 1);
	if (!key)
		return;
	text_put_bytes(text, "\"", 1);
	text_put(text, key);
	text_put_bytes(text, "\":", 2);
}

void put_open(struct text *text, const char *key, char bracket)
{
	begin(text, key);
	text_put_bytes(text, &bracket, 1);
}

void put_close(struct text *text, char bracket)
{
	text_put_bytes(text, &bracket, 1);
}

void put_null(struct text *text, const char *key)
{
	begin(text, key);
	text_put_bytes(text, "null", 4);
}

void put_value(struct text *text, const char *key, json_t *take_value)
{
	begin(text, key);
	text_put_json(text, take_value);
}

void put_text(struct text *text, const char *key, const char *value)
{
	size_t length = 0;

	if (!value) {
		put_null(text, key);
		return;
	}
	while (value[length] >= ' ' && value[length] < 0x7f && value[length] != '"' && value[length] != '\\')
		length++;
	if (value[length]) {
		put_value(text, key, text_json(value));
		return;
	}
	begin(text, key);
	text_put_bytes(text, "\"", 1);
	text_put_bytes(text, value, length);
	text_put_bytes(text, "\"", 1);
}

void put_number(struct text *text, const char *key, uint64_t value)
{
	char digits[20];
	size_t at = sizeof(digits);

	do
		digits[--at] = (char)('0' + value % 10);
	while (value /= 10);
	begin(text, key);
	text_put_bytes(text, digits + at, sizeof(digits) - at);
}

void put_real(struct text *text, const char *key, double value)
{
	char digits[32] = "0.0";

	if (!isfinite(value)) {
		put_null(text, key);
		return;
	}
	if (value != 0)
		snprintf(digits, sizeof(digits), "%.6g", value);
	if (!strpbrk(digits, ".e"))
		strcat(digits, ".0");
	begin(text, key);
	text_put(text, digits);
}

void put_flag(struct text *text, const char *key, bool value)
{
	begin(text, key);
	text_put(text, value ? "true" : "false");
}

void put_time(struct text *text, const char *key, int64_t wall_ms)
{
	char buffer[CLOCK_TEXT_MAX];

	put_text(text, key, wall_ms > 0 ? clock_rfc3339(wall_ms, buffer) : NULL);
}
