/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Room is doubled, so that putting costs the same however long the text is. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/text.h"
#include "base/cleanup.h"

#define FLAGS (JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(6))

static bool reserve(struct text *text, size_t more)
{
	size_t room = (text->length + more + 1) * 2;
	char *grown;

	if (text->failed)
		return false;
	if (text->length + more + 1 <= text->room)
		return true;
	grown = realloc(text->bytes, room);
	if (!grown) {
		text->failed = true;
		return false;
	}
	text->bytes = grown;
	text->room = room;
	return true;
}

bool text_put_bytes(struct text *text, const char *bytes, size_t length)
{
	if (!reserve(text, length))
		return false;
	memcpy(text->bytes + text->length, bytes, length);
	text->length += length;
	text->bytes[text->length] = '\0';
	return true;
}

bool text_put(struct text *text, const char *words)
{
	return text_put_bytes(text, words, strlen(words));
}

bool text_format(struct text *text, const char *format, ...)
{
	va_list arguments, again;
	int length;
	bool done;

	va_start(arguments, format);
	va_copy(again, arguments);
	length = vsnprintf(NULL, 0, format, arguments);
	done = length >= 0 && reserve(text, (size_t)length);
	if (done) {
		vsnprintf(text->bytes + text->length, (size_t)length + 1, format, again);
		text->length += (size_t)length;
	}
	va_end(again);
	va_end(arguments);
	return done;
}

static int append(const char *bytes, size_t length, void *userdata)
{
	return text_put_bytes(userdata, bytes, length) ? 0 : -1;
}

bool text_put_json(struct text *text, json_t *take_value)
{
	bool done = take_value && json_dump_callback(take_value, append, text, FLAGS) == 0;

	text->failed = text->failed || !done;
	json_decref(take_value);
	return done;
}

json_t *text_json(const char *text)
{
	_cleanup_(freep) char *copy = NULL;
	json_t *json;

	if (!text)
		return json_null();
	json = json_string(text);
	if (json || !(copy = strdup(text)))
		return json;
	for (char *c = copy; *c; c++)
		if (*c & 0x80)
			*c = '?';
	return json_string(copy);
}
