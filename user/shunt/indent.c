/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Lays a document of the API out for people without making values of it: it may be of 10,000 backends. What it says is not its business. */
#include <string.h>

#include "shunt/cli.h"

static void new_line(size_t depth, FILE *to)
{
	putc_unlocked('\n', to);
	while (depth--)
		fwrite_unlocked("  ", 1, 2, to);
}

/* The string that begins at `at`, quotes included, or what there is of it. */
static size_t string_length(const char *at, const char *end)
{
	const char *c = at + 1;

	while (c < end && *c != '"')
		c += *c == '\\' ? 2 : 1;
	return c < end ? (size_t)(c - at) + 1 : (size_t)(end - at);
}

/* The length of what is copied as it is: a string, or up to the next sign that lays out. */
static size_t plain_length(const char *at, const char *end)
{
	const char *c = at;

	if (*at == '"')
		return string_length(at, end);
	while (c < end && !strchr("{}[],:\"", *c))
		c++;
	return (size_t)(c - at);
}

void print_indented(const char *document, size_t length, FILE *to)
{
	const char *at = document, *end = document + length;
	size_t depth = 0;

	while (at < end) {
		size_t plain = plain_length(at, end);
		bool opens = *at == '{' || *at == '[', closes = *at == '}' || *at == ']';
		bool is_empty = opens && at + 1 < end && (at[1] == '}' || at[1] == ']');

		if (plain) {
			fwrite_unlocked(at, 1, plain, to);
			at += plain;
			continue;
		}
		depth -= closes && depth;
		if (closes)
			new_line(depth, to);
		fwrite_unlocked(at, 1, is_empty ? 2 : 1, to);
		at += is_empty ? 2 : 1;
		depth += opens && !is_empty;
		if (at[-1] == ',' || (opens && !is_empty))
			new_line(depth, to);
		else if (at[-1] == ':')
			putc_unlocked(' ', to);
	}
}
