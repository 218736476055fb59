/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Lays a document of the API out for people while it comes, without making values of it: it may be of 10,000 backends. What it says is not
 * its business. What lies between two signs of JSON is copied whole.
 */
#include <string.h>

#include "shunt/indent.h"

#define DEPTH_MAX 32 /* what is deeper stands no further to the right */
#define STEP_MAX                                                                                                       \
	(2 * (2 + 2 * DEPTH_MAX)) /* bytes that one sign makes at most: with a line before it, and one behind */

static const bool is_sign[256] = {
	['{'] = true, ['}'] = true, ['['] = true, [']'] = true, [','] = true, [':'] = true, ['"'] = true};

static void flush(struct indent *indent)
{
	fwrite(indent->bytes, 1, indent->length, indent->to);
	indent->length = 0;
}

static void make_room(struct indent *indent, size_t bytes)
{
	if (indent->length + bytes > sizeof(indent->bytes))
		flush(indent);
}

static void put(struct indent *indent, const char *bytes, size_t length)
{
	make_room(indent, length);
	if (length > sizeof(indent->bytes)) {
		fwrite(bytes, 1, length, indent->to);
		return;
	}
	memcpy(indent->bytes + indent->length, bytes, length);
	indent->length += length;
}

static void put_sign(struct indent *indent, char c)
{
	indent->bytes[indent->length++] = c;
}

static void new_line(struct indent *indent)
{
	size_t blanks = 2 * (indent->depth < DEPTH_MAX ? indent->depth : DEPTH_MAX);

	put_sign(indent, '\n');
	memset(indent->bytes + indent->length, ' ', blanks);
	indent->length += blanks;
}

/* The first of what a bracket holds stands on a line of its own; of an empty one nothing does. */
static void open_bracket(struct indent *indent)
{
	if (indent->is_open)
		new_line(indent);
	indent->is_open = false;
}

static void close_bracket(struct indent *indent)
{
	indent->depth -= indent->depth > 0;
	if (!indent->is_open)
		new_line(indent);
	indent->is_open = false;
}

/* One that is not within a string. */
static void lay_out(struct indent *indent, char c)
{
	make_room(indent, STEP_MAX);
	if (c == '}' || c == ']')
		close_bracket(indent);
	else
		open_bracket(indent);
	put_sign(indent, c);
	if (c == '{' || c == '[') {
		indent->depth++;
		indent->is_open = true;
	} else if (c == ',') {
		new_line(indent);
	} else if (c == ':') {
		put_sign(indent, ' ');
	}
	indent->in_string = c == '"';
}

/* Up to the string's end, or the end of the piece. */
static const char *go_on_in_string(struct indent *indent, const char *at, const char *end)
{
	const char *from = at;

	for (; at < end && indent->in_string; at++) {
		indent->in_string = *at != '"' || indent->escaped;
		indent->escaped = *at == '\\' && !indent->escaped;
	}
	put(indent, from, at - from);
	return at;
}

/* Numbers and words. */
static const char *go_on_between(struct indent *indent, const char *at, const char *end)
{
	const char *from = at;

	while (at < end && !is_sign[(unsigned char)*at])
		at++;
	if (at > from) {
		make_room(indent, STEP_MAX);
		open_bracket(indent);
		put(indent, from, at - from);
	}
	if (at < end)
		lay_out(indent, *at++);
	return at;
}

void indent_put(struct indent *indent, const char *bytes, size_t length)
{
	const char *end = bytes + length;

	while (bytes < end)
		bytes = indent->in_string ? go_on_in_string(indent, bytes, end) : go_on_between(indent, bytes, end);
}

void indent_end(struct indent *indent)
{
	put(indent, "\n", 1);
	flush(indent);
}
