/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Any bytes as a configuration: told what is wrong with at least one line of it, or understood, equal to itself,
 * and freed.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "config/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds, const char *what)
{
	if (holds)
		return;
	fprintf(stderr, "%s\n", what);
	abort();
}

static void compare_with_itself(const struct config *config)
{
	struct config_changes changes = {0};

	must(config_diff(config, config, &changes) == 0, "config_diff fails");
	must(changes.n == 0, "a configuration differs from itself");
	config_changes_clear(&changes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct config_messages messages = {0};
	struct config *config = NULL;
	int r = config_parse((const char *)data, size, &config, &messages);
	size_t errors = 0;

	for (size_t i = 0; i < messages.n; i++) {
		errors += messages.list[i].is_error;
		must(messages.list[i].line >= 1 && messages.list[i].column >= 1 && messages.list[i].text[0],
		     "a message without its place or text");
	}
	must((r == 0) == (config != NULL), "success without a configuration, or a configuration without success");
	must(r == 0 ? errors == 0 : errors > 0, "refused without an error, or accepted with one");
	if (config)
		compare_with_itself(config);
	config_free(config);
	config_messages_clear(&messages);
	return 0;
}
