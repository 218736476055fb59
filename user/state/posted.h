/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Groups that the API was given, kept in STATE_DIR/groups.json: an array of objects, as they were posted. */
#ifndef SHUNT_POSTED_STATE_H
#define SHUNT_POSTED_STATE_H

#include <jansson.h>
#include <stdbool.h>

#include "loop/saver.h"

#define POSTED_FILE "groups.json"

/*
 * A missing file gives none. A damaged one is set aside as groups.json.damaged-N, with an error in the log, and gives none.
 * *ret_groups is a new reference. 0 | -errno.
 */
int posted_load(const char *state_dir, json_t **ret_groups);
bool posted_is_list(const json_t *groups); /* of objects that have a name each */
int posted_save(const char *state_dir, const json_t *groups, struct saver *saver); /* as state_save() */

#endif
