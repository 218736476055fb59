/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * backup, restore: of a controller that runs through its API, of one that does not by its files. A restore writes the
 * configuration itself, since the controller may be forbidden to, and takes that back when the controller refuses.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <shunt/names.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "config/config.h"
#include "shunt/cli.h"
#include "state/backup.h"

#define NOT_INCLUDED "files that the configuration names (tokens, keys, certificates, scripts), and the audit trail"
#define CONFIG_BYTES_MAX (256 * 1024 * 1024)

/* What there is now, and where. */
struct present {
	bool runs;                   /* a controller answered */
	json_t *answer;              /* its; the paths are borrowed from it */
	const char *config_path, *state_dir;
	struct backup backup;
};

static void present_done(struct present *present)
{
	backup_free(&present->backup);
	json_decref(present->answer);
}

/* Says what is in `error` (a sentence, or lines about a configuration), and frees it. */
static int fail_with(char *error, int r)
{
	if (error && strchr(error, '\n'))
		fputs(error, stderr);
	else
		cli_fail(EXIT_REFUSED, "%s", error ?: strerror(-r));
	free(error);
	return EXIT_REFUSED;
}

static int look(struct cli *cli, struct present *present)
{
	char *error = NULL;
	long status = 0;
	bool nobody;
	int r = cli_ask_if_there(cli, "POST", "/api/v1/backup", NULL, &status, &present->answer, &nobody);

	if (r != EXIT_DONE)
		return r;
	if (!nobody && (status != 200 || !present->answer))
		return cli_refused(cli, status, present->answer);
	present->runs = !nobody;
	if (nobody) {
		present->config_path = cli->option[OPTION_CONFIG] ?: SHUNT_CONFIG_FILE;
		present->state_dir = cli->option[OPTION_STATE_DIR] ?: SHUNT_STATE_DIR;
		r = backup_of_files(present->config_path, present->state_dir, &present->backup, &error);
	} else {
		present->config_path = get_text(present->answer, "configuration_file");
		present->state_dir = get_text(present->answer, "state_dir");
		r = backup_read(json_object_get(present->answer, "backup"), "the running configuration", &present->backup, &error);
	}
	return r < 0 ? fail_with(error, r) : EXIT_DONE;
}

/* ---- backup ---- */

static size_t count_denied(const struct backup *backup)
{
	size_t i, n = 0;
	json_t *change;

	json_array_foreach(backup->denied, i, change)
		n += json_array_size(json_object_get(change, "add"));
	return n;
}

/* Goes to stderr when the document went to stdout. */
static void tell_backup(const struct cli *cli, const struct present *present, const char *file, size_t bytes, FILE *to)
{
	const struct backup *backup = &present->backup;
	size_t n_denied = count_denied(backup);
	json_t *told;

	if (cli->json) {
		told = json_pack("{s:s, s:I, s:b, s:I, s:I, s:I, s:I, s:s}", "file", file, "bytes", (json_int_t)bytes, "controller",
				 present->runs, "backends", (json_int_t)backup->state.n_backends, "groups",
				 (json_int_t)backup->state.n_groups, "posted_groups", (json_int_t)json_array_size(backup->groups),
				 "denied", (json_int_t)n_denied, "not_included", NOT_INCLUDED);
		cli_print_json(told);
		json_decref(told);
		return;
	}
	fprintf(to, "%s: %zu bytes: configuration, state of %zu group%s and of %zu backend%s that %s not as configured, %zu posted group%s, "
		"%zu denied prefix%s\n", file, bytes, backup->state.n_groups, plural(backup->state.n_groups), backup->state.n_backends,
		plural(backup->state.n_backends), backup->state.n_backends == 1 ? "is" : "are", json_array_size(backup->groups),
		plural(json_array_size(backup->groups)), n_denied, n_denied == 1 ? "" : "es");
	fputs("not in it: " NOT_INCLUDED "\n", to);
	if (!present->runs)
		fprintf(to, "no controller answers at %s: this is what stands in %s and %s\n", cli->socket_path, present->config_path,
			present->state_dir);
}

/* Readable by its owner alone: a configuration may have passwords in its URLs. */
static int write_backup(struct cli *cli, const struct present *present, const char *file)
{
	_cleanup_(json_decrefp) json_t *document = backup_json(&present->backup);
	_cleanup_(freep) char *text = document ? json_dumps(document, JSON_INDENT(1)) : NULL;
	bool to_stdout = strcmp(file, "-") == 0;
	int r = 0;

	if (!text)
		return cli_fail(EXIT_REFUSED, "out of memory");
	if (to_stdout)
		puts(text);
	else
		r = file_write_atomically(file, text, strlen(text), 0600);
	if (r < 0)
		return cli_fail(EXIT_REFUSED, "cannot write %s: %s", file, strerror(-r));
	if (!to_stdout || !cli->json)
		tell_backup(cli, present, to_stdout ? "backup" : file, strlen(text), to_stdout ? stderr : stdout);
	return EXIT_DONE;
}

int command_backup(struct cli *cli)
{
	struct present present = {};
	int r = look(cli, &present);

	if (r == EXIT_DONE && !present.backup.configuration)
		r = cli_fail(EXIT_REFUSED, "nothing to back up: no controller answers at %s, and there is no %s (--config FILE)",
			     cli->socket_path, present.config_path);
	if (r == EXIT_DONE)
		r = write_backup(cli, &present, cli->positional[0]);
	present_done(&present);
	return r;
}

/* ---- restore ---- */

/* Files that the API needs and no backup has. */
static void warn_of_missing(const struct backup *backup)
{
	struct config_messages messages = {0};
	struct config *config = NULL;

	if (config_parse(backup->configuration, strlen(backup->configuration), &config, &messages) == 0) {
		const char *const files[] = {config->api.token_file, config->api.read_token_file, config->api.certificate_file,
					     config->api.key_file};

		for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++)
			if (files[i] && access(files[i], F_OK) < 0)
				fprintf(stderr, "shunt: the configuration names %s, which is not here and in no backup: put it there\n", files[i]);
	}
	config_messages_clear(&messages);
	config_free(config);
}

static int ask_to_restore(struct cli *cli)
{
	_cleanup_(json_decrefp) json_t *body = json_pack("{s:b}", "force", cli->option[OPTION_FORCE] != NULL);
	json_t *answer = NULL;
	long status = 0;
	int r = cli_ask(cli, "POST", "/api/v1/restore", body, &status, &answer);

	if (r == EXIT_DONE && status != 200)
		r = cli_refused(cli, status, answer);
	json_decref(answer);
	return r;
}

/* The document where the controller looks for it, while it is asked. */
static int hand_over(struct cli *cli, const struct present *present, const struct backup *then)
{
	_cleanup_(json_decrefp) json_t *document = backup_json(then);
	_cleanup_(freep) char *text = document ? json_dumps(document, JSON_COMPACT) : NULL;
	_cleanup_(freep) char *path = path_join(present->state_dir, BACKUP_RESTORE_FILE);
	int r = text && path ? file_write_atomically(path, text, strlen(text), 0600) : -ENOMEM;

	if (r < 0)
		return cli_fail(EXIT_REFUSED, "cannot write %s: %s: nothing was changed", path ?: present->state_dir, strerror(-r));
	r = ask_to_restore(cli);
	unlink(path);
	return r;
}

static int restore_running(struct cli *cli, const struct present *present, const struct backup *then)
{
	_cleanup_(freep) char *before = NULL;
	size_t length;
	int r;

	if (cli->url)
		return cli_fail(EXIT_REFUSED, "a restore writes %s: run it on that host, without --url", present->config_path);
	r = file_read(present->config_path, CONFIG_BYTES_MAX, &before, &length);
	if (r == 0)
		r = backup_write_configuration(then->configuration, present->config_path);
	if (r < 0)
		return cli_fail(EXIT_REFUSED, "cannot write %s: %s: nothing was changed", present->config_path, strerror(-r));
	r = hand_over(cli, present, then);
	if (r != EXIT_DONE && backup_write_configuration(before, present->config_path) < 0)
		cli_fail(EXIT_REFUSED, "%s stays that of the backup: it cannot be written", present->config_path);
	return r;
}

static int restore_files(const struct present *present, const struct backup *then)
{
	char *error = NULL;
	int r = backup_to_files(then, &present->backup, present->config_path, present->state_dir, &error);

	return r < 0 ? fail_with(error, r) : EXIT_DONE;
}

static void tell_restore(const struct cli *cli, const struct present *present, const struct backup *then, const json_t *changes)
{
	bool dry = cli->option[OPTION_DRY_RUN];
	size_t i, n = json_array_size(changes);
	json_t *line, *told;

	if (cli->json) {
		told = json_pack("{s:b, s:b, s:s, s:s, s:O}", "dry_run", dry, "controller", present->runs, "configuration_file",
				 present->config_path, "state_dir", present->state_dir, "changed", changes);
		cli_print_json(told);
		json_decref(told);
		return;
	}
	printf("backup %s: %zu change%s\n", then->about, n, plural(n));
	json_array_foreach(changes, i, line)
		printf("  %s\n", json_string_value(line) ?: "");
	if (dry)
		puts("dry run: nothing was changed");
	else if (present->runs)
		puts("restored");
	else
		printf("no controller answers at %s: written to %s and %s; shuntd takes it up when it starts\n", cli->socket_path,
		       present->config_path, present->state_dir);
}

int command_restore(struct cli *cli)
{
	struct present present = {};
	struct backup then = {};
	json_t *changes = NULL;
	char *error = NULL;
	int r = backup_load(cli->positional[0], &then, &error);

	r = r < 0 ? fail_with(error, r) : look(cli, &present);
	if (r == EXIT_DONE) {
		changes = backup_changes(&present.backup, &then);
		warn_of_missing(&then);
		if (!cli->option[OPTION_DRY_RUN])
			r = present.runs ? restore_running(cli, &present, &then) : restore_files(&present, &then);
	}
	if (r == EXIT_DONE)
		tell_restore(cli, &present, &then, changes);
	json_decref(changes);
	backup_free(&then);
	present_done(&present);
	return r;
}
