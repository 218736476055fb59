/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Names for what is set aside: never over something set aside before. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

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
