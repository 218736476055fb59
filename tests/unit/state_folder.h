/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A state directory for a test, and quiet: what the libraries under test log thousands of times is not shown. */
#ifndef SHUNT_TEST_STATE_FOLDER_H
#define SHUNT_TEST_STATE_FOLDER_H

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"

static char folder[64];
static int kept_stderr;

static int make_folder(void **state)
{
	int null = open("/dev/null", O_WRONLY);

	(void)state;
	kept_stderr = dup(STDERR_FILENO);
	dup2(null, STDERR_FILENO);
	close(null);
	strcpy(folder, "/tmp/shunt-test-state-XXXXXX");
	return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
	char command[128];

	(void)state;
	dup2(kept_stderr, STDERR_FILENO);
	close(kept_stderr);
	snprintf(command, sizeof(command), "rm -rf '%s'", folder);
	return system(command);
}

static inline bool exists(const char *name)
{
	_cleanup_(freep) char *path = path_join(folder, name);

	return access(path, F_OK) == 0;
}

#endif
