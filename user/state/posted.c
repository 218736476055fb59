/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The groups as a file and back. What they mean, and whether they are right, is the configuration's to say. */
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "state/damaged.h"
#include "state/posted.h"

#define POSTED_BYTES_MAX (64 * 1024 * 1024)

bool posted_is_list(const json_t *groups)
{
	const json_t *group;
	size_t i;

	if (!json_is_array(groups))
		return false;
	json_array_foreach((json_t *)groups, i, group)
		if (!json_is_string(json_object_get(group, "name")))
			return false;
	return true;
}

int posted_load(const char *state_dir, json_t **ret_groups)
{
	_cleanup_(freep) char *path = path_join(state_dir, POSTED_FILE), *text = NULL;
	json_t *groups = NULL;
	size_t length;
	int r = path ? file_read(path, POSTED_BYTES_MAX, &text, &length) : -ENOMEM;

	if (r == 0) {
		groups = json_loadb(text, length, JSON_REJECT_DUPLICATES, NULL);
		if (!posted_is_list(groups))
			r = -EBADMSG;
	}
	if (r == -EBADMSG || r == -EFBIG) {
		json_decref(groups);
		groups = NULL;
		r = damaged_set_aside(path, "groups", "those that the API was given are not known any more");
	}
	if (r < 0 && r != -ENOENT)
		return r;
	*ret_groups = groups ? groups : json_array();
	return *ret_groups ? 0 : -ENOMEM;
}

int posted_save(const char *state_dir, const json_t *groups, struct saver *saver)
{
	_cleanup_(freep) char *path = path_join(state_dir, POSTED_FILE);

	return path ? saver_write(saver, path, json_dumps(groups, JSON_INDENT(1)), 0640) : -ENOMEM;
}
