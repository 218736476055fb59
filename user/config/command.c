/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A program and its arguments as a value. */
#include <stdlib.h>
#include <string.h>

#include "config/command.h"
#include "config/validate.h"

static size_t count_words(char *const *command)
{
	size_t n = 0;

	while (command && command[n])
		n++;
	return n;
}

char **command_build(struct report *report, const struct items *draft)
{
	const struct draft_word *words = draft->list;
	char **command = draft->n ? calloc(draft->n + 1, sizeof(*command)) : NULL;

	if (draft->n && !command)
		report->out_of_memory = true;
	for (size_t i = 0; command && i < draft->n; i++)
		command[i] = copy_text(report, words[i].word.text ? words[i].word.text : "");
	return command;
}

char **command_copy(char *const *from)
{
	size_t n = count_words(from);
	char **to = calloc(n + 1, sizeof(*to));

	for (size_t i = 0; to && i < n; i++) {
		to[i] = strdup(from[i]);
		if (!to[i]) {
			command_free(to);
			return NULL;
		}
	}
	return to;
}

bool command_equal(char *const *a, char *const *b)
{
	size_t n = count_words(a);

	if (n != count_words(b))
		return false;
	for (size_t i = 0; i < n; i++)
		if (strcmp(a[i], b[i]))
			return false;
	return true;
}

void command_free(char **command)
{
	for (size_t i = 0; command && command[i]; i++)
		free(command[i]);
	free(command);
}
