/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SHUNT_INDENT_H
#define SHUNT_INDENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* A compact JSON document on its way to `to`, in lines of two blanks a level. All else is zero at first. */
struct indent {
	FILE *to;
	size_t depth;
	bool is_open; /* the last sign was a bracket that opened */
	bool in_string, escaped;
	size_t length;
	char bytes[65536]; /* a call of stdio for each sign would cost more than the rest */
};

void indent_put(struct indent *indent, const char *bytes, size_t length); /* the next piece, however it is cut */
void indent_end(struct indent *indent); /* a last newline; all is with stdio then */

#endif
