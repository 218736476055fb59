/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The document and its parts, to and from files. Decides whether it can be trusted; knows nothing of what runs. */
#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"
#include "config/config.h"
#include "state/backup.h"
#include "state/denied_file.h"
#include "state/posted.h"
#include "version.h"

#define BACKUP_BYTES_MAX (256 * 1024 * 1024)

__attribute__((format(printf, 3, 4))) static int refuse(char **ret_error, int error, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	if (vasprintf(ret_error, format, arguments) < 0)
		*ret_error = NULL;
	va_end(arguments);
	return error;
}

void backup_free(struct backup *backup)
{
	free(backup->configuration);
	free(backup->about);
	state_free(&backup->state);
	json_decref(backup->groups);
	json_decref(backup->denied);
	*backup = (struct backup){};
}

json_t *backup_json(const struct backup *backup)
{
	char host[HOST_NAME_MAX + 1] = "", taken[CLOCK_TEXT_MAX];

	gethostname(host, sizeof(host) - 1);
	return json_pack("{s:i, s:s, s:s, s:s, s:s, s:o, s:o, s:o}", "shunt_backup", BACKUP_VERSION, "version", SHUNT_VERSION,
			 "host", host, "taken", clock_rfc3339(clock_wall_ms(), taken), "configuration",
			 backup->configuration ?: "", "state", state_json(&backup->state), "groups",
			 backup->groups ? json_incref(backup->groups) : json_array(), "denied",
			 backup->denied ? json_incref(backup->denied) : json_array());
}

/* ---- reading ---- */

/* Whether the configuration holds, with the groups that were posted beside it. */
static int check_configuration(const struct backup *backup, const char *name, char **ret_error)
{
	size_t n = json_array_size(backup->groups), size;
	_cleanup_(freep) const char **groups = calloc(n + 1, sizeof(*groups));
	struct config_messages messages = {0};
	struct config *config = NULL;
	FILE *to;
	int r = -ENOMEM;

	for (size_t i = 0; groups && i < n; i++)
		groups[i] = json_dumps(json_array_get(backup->groups, i), JSON_COMPACT);
	if (groups)
		r = config_parse_with(backup->configuration, strlen(backup->configuration),
				      &(struct config_besides){.groups = groups, .n_groups = n}, &config, &messages);
	if (r < 0 && (to = open_memstream(ret_error, &size))) {
		config_messages_print(&messages, name, to);
		fclose(to);
	}
	for (size_t i = 0; groups && i < n; i++)
		free((char *)groups[i]);
	config_messages_clear(&messages);
	config_free(config);
	return r == -EINVAL ? -EBADMSG : r;
}

static int check_denied(const json_t *denied)
{
	struct denied_list list = {};
	int r = denied_read(denied, clock_wall_ms(), clock_monotonic_ms(), &list);

	denied_clear(&list);
	return r;
}

static int take_parts(const json_t *document, const char *name, struct backup *backup, char **ret_error)
{
	const char *version, *host, *taken, *configuration;
	json_t *state, *groups, *denied;
	json_error_t error;
	int r;

	if (json_unpack_ex((json_t *)document, &error, JSON_STRICT, "{s:i, s:s, s:s, s:s, s:s, s:o, s:o, s:o}", "shunt_backup", &r,
			   "version", &version, "host", &host, "taken", &taken, "configuration", &configuration, "state", &state,
			   "groups", &groups, "denied", &denied) < 0)
		return refuse(ret_error, -EBADMSG, "%s: not whole: %s", name, error.text);
	if (!posted_is_list(groups))
		return refuse(ret_error, -EBADMSG, "%s: \"groups\" is not what shunt wrote", name);
	r = state_read(state, &backup->state);
	if (r < 0)
		return refuse(ret_error, r, "%s: \"state\" is not what shunt wrote", name);
	r = check_denied(denied);
	if (r < 0)
		return refuse(ret_error, r, "%s: \"denied\" is not what shunt wrote", name);
	backup->configuration = strdup(configuration);
	backup->groups = json_incref(groups);
	backup->denied = json_incref(denied);
	if (!backup->configuration || asprintf(&backup->about, "taken %s on %s by shunt %s", taken, host, version) < 0)
		return -ENOMEM;
	return check_configuration(backup, name, ret_error);
}

int backup_read(const json_t *document, const char *name, struct backup *ret_backup, char **ret_error)
{
	const json_t *version = json_object_get(document, "shunt_backup");
	struct backup backup = {};
	int r;

	if (!json_is_integer(version))
		return refuse(ret_error, -EBADMSG, "%s: no backup of shunt", name);
	if (json_integer_value(version) != BACKUP_VERSION)
		return refuse(ret_error, -EBADMSG, "%s: a backup of version %lld, by shunt %s: this one reads version %d", name,
			      (long long)json_integer_value(version),
			      json_string_value(json_object_get(document, "version")) ?: "?", BACKUP_VERSION);
	r = take_parts(document, name, &backup, ret_error);
	if (r < 0)
		backup_free(&backup);
	else
		*ret_backup = backup;
	return r;
}

int backup_load(const char *path, struct backup *ret_backup, char **ret_error)
{
	_cleanup_(freep) char *text = NULL;
	json_error_t error;
	json_t *document;
	size_t length;
	int r = file_read(path, BACKUP_BYTES_MAX, &text, &length);

	if (r < 0)
		return refuse(ret_error, r, "cannot read %s: %s", path, strerror(-r));
	document = json_loadb(text, length, JSON_REJECT_DUPLICATES, &error);
	if (document)
		r = backup_read(document, path, ret_backup, ret_error);
	else
		r = refuse(ret_error, -EBADMSG, "%s:%d:%d: no whole JSON document, so no backup, or a part of one: %s", path, error.line,
			   error.column, error.text);
	json_decref(document);
	return r;
}

/* ---- the files of a controller that does not run ---- */

/* *ret_json stays NULL where there is no file. */
static int read_json(const char *state_dir, const char *file, json_t **ret_json)
{
	_cleanup_(freep) char *path = path_join(state_dir, file), *text = NULL;
	size_t length;
	int r = path ? file_read(path, BACKUP_BYTES_MAX, &text, &length) : -ENOMEM;

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	*ret_json = json_loadb(text, length, JSON_REJECT_DUPLICATES, NULL);
	return *ret_json ? 0 : -EBADMSG;
}

static int read_state_files(const char *state_dir, struct backup *backup, const char **ret_file)
{
	struct denied_list denied = {};
	json_t *state = NULL;
	int r = read_json(state_dir, *ret_file = STATE_FILE, &state);

	if (r == 0 && state)
		r = state_read(state, &backup->state);
	json_decref(state);
	if (r == 0) {
		r = read_json(state_dir, *ret_file = POSTED_FILE, &backup->groups);
		if (r == 0 && backup->groups && !posted_is_list(backup->groups))
			r = -EBADMSG;
	}
	if (r == 0)
		r = denied_file_read(state_dir, clock_wall_ms(), clock_monotonic_ms(), &denied);
	else
		return r;
	*ret_file = DENIED_FILE;
	if (r == 0 && !(backup->denied = denied_json(&denied)))
		r = -ENOMEM;
	denied_clear(&denied);
	return r;
}

int backup_of_files(const char *config_path, const char *state_dir, struct backup *ret_backup, char **ret_error)
{
	struct backup backup = {};
	const char *file = NULL;
	size_t length;
	int r = file_read(config_path, BACKUP_BYTES_MAX, &backup.configuration, &length);

	if (r < 0 && r != -ENOENT)
		return refuse(ret_error, r, "cannot read %s: %s", config_path, strerror(-r));
	r = read_state_files(state_dir, &backup, &file);
	if (r < 0) {
		backup_free(&backup);
		return refuse(ret_error, r, "%s/%s: %s", state_dir, file, r == -EBADMSG ? "damaged or of another version" : strerror(-r));
	}
	*ret_backup = backup;
	return 0;
}

int backup_write_configuration(const char *text, const char *config_path)
{
	_cleanup_(freep) char *real = realpath(config_path, NULL);
	struct stat there;
	mode_t mode = stat(config_path, &there) == 0 ? there.st_mode & 07777 : 0640;

	return file_write_atomically(real ?: config_path, text, strlen(text), mode);
}

static int write_denied(const json_t *changes, const char *state_dir)
{
	struct denied_list there = {}, list = {};
	struct denied_file *file = NULL;
	bool damaged;
	int r = denied_file_open(state_dir, clock_wall_ms(), clock_monotonic_ms(), &there, &file, &damaged);

	if (r == 0 && changes)
		r = denied_read(changes, clock_wall_ms(), clock_monotonic_ms(), &list);
	if (r == 0)
		r = denied_file_replace(file, &list);
	denied_file_close(file);
	denied_clear(&there);
	denied_clear(&list);
	return r;
}

static int write_files(const struct backup *backup, const char *config_path, const char *state_dir, const char **ret_file)
{
	_cleanup_(freep) char *copy = strdup(config_path);
	_cleanup_(json_decrefp) json_t *none = json_array();
	int r = copy ? file_make_directories(dirname(copy), 0755) : -ENOMEM;

	*ret_file = config_path;
	if (r == 0 && backup->configuration)
		r = backup_write_configuration(backup->configuration, config_path);
	if (r < 0)
		return r;
	*ret_file = state_dir;
	r = file_make_directories(state_dir, 0750);
	if (r == 0)
		r = state_save(state_dir, &backup->state, NULL);
	if (r == 0)
		r = posted_save(state_dir, backup->groups ?: none, NULL);
	return r == 0 ? write_denied(backup->denied, state_dir) : r;
}

int backup_to_files(const struct backup *backup, const struct backup *before, const char *config_path, const char *state_dir,
		    char **ret_error)
{
	const char *file, *other;
	int r = write_files(backup, config_path, state_dir, &file);

	if (r == 0)
		return 0;
	if (write_files(before, config_path, state_dir, &other) < 0 && other != file) /* else: no further than before */
		return refuse(ret_error, r, "cannot write %s: %s, and %s is half restored", file, strerror(-r), other);
	return refuse(ret_error, r, "cannot write %s: %s: nothing was changed", file, strerror(-r));
}
