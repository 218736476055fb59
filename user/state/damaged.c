/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Names for what is set aside: never over something set aside before. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "state/damaged.h"

int damaged_name(const char *path, char **ret_name)
{
	for (unsigned int n = 1;; n++) {
		struct stat there;
		char *name;

		if (asprintf(&name, "%s.damaged-%u", path, n) < 0)
			return -ENOMEM;
		if (lstat(name, &there) < 0) {
			int error = errno;

			if (error == ENOENT)
				*ret_name = name;
			else
				free(name);
			return error == ENOENT ? 0 : -error;
		}
		free(name);
	}
}

int damaged_set_aside(const char *path, const char *what, const char *follows)
{
	_cleanup_(freep) char *aside = NULL;
	int r = damaged_name(path, &aside);

	if (r < 0)
		return r;
	if (rename(path, aside) < 0)
		return -errno;
	log_error("%s %s: damaged or of another version: set aside as %s, %s", what, path, aside, follows);
	return 0;
}
