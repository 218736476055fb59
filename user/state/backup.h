/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * All that an operator decided, as one JSON document: the configuration's text, the kept state, groups that the API was given,
 * prefixes denied by command. Not in it: files that the configuration names (tokens, keys, certificates, scripts), the audit
 * trail, and what is found out again (health, next hops, addresses of names). Checked whole before anything of it is used.
 */
#ifndef SHUNT_BACKUP_H
#define SHUNT_BACKUP_H

#include <jansson.h>

#include "state/state.h"

#define BACKUP_VERSION 1
#define BACKUP_RESTORE_FILE "restore.json" /* in the state directory: what a running controller is to restore */

/* Zero is an empty one: nothing is configured, nothing was decided. */
struct backup {
	char *configuration;         /* its text; NULL: there is none */
	struct state state;
	json_t *groups;              /* posted.h's array; NULL: none */
	json_t *denied;              /* denied_json()'s array; NULL: none */
	char *about;                 /* "taken 2026-01-02T03:04:05.678Z on HOST by shunt VERSION"; NULL of what was not read from a file */
};

json_t *backup_json(const struct backup *backup);   /* a new reference, NULL without memory */
/* 0; -ENOMEM; -EBADMSG with *ret_error saying what is wrong, configuration errors as FILE:LINE:COLUMN of `name`. Allocated. */
int backup_read(const json_t *document, const char *name, struct backup *ret_backup, char **ret_error);
int backup_load(const char *path, struct backup *ret_backup, char **ret_error); /* the same; or -errno of the file */
void backup_free(struct backup *backup);            /* the contents; leaves an empty one */

/*
 * What stands in the files of a controller that does not run: a missing file is an empty part. -EBADMSG names the one that
 * cannot be used; nothing is set aside.
 */
int backup_of_files(const char *config_path, const char *state_dir, struct backup *ret_backup, char **ret_error);
/* Writes those files, folders too. On failure they are as `before` again: 0 | -errno with *ret_error. */
int backup_to_files(const struct backup *backup, const struct backup *before, const char *config_path, const char *state_dir,
		    char **ret_error);
/* The configuration alone: its file keeps its mode, and stays where a link leads. 0 | -errno. */
int backup_write_configuration(const char *text, const char *config_path);

/* What would change on the way from `now` to `then`, a line each: an array of texts. NULL without memory. */
json_t *backup_changes(const struct backup *now, const struct backup *then);

#endif
