/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SHUNT_WORD_H
#define SHUNT_WORD_H

#include <stdbool.h>
#include <string.h>

/* "backend b2" begins with the word "backend", "backends" does not. */
static inline bool begins_with_word(const char *text, const char *word)
{
	size_t length = strlen(word);

	return strncmp(text, word, length) == 0 && (text[length] == ' ' || text[length] == '\0');
}

#endif
