/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the commands of the CLI share: how they are described, what they are given, how they ask the controller. */
#ifndef SHUNT_CLI_H
#define SHUNT_CLI_H

#include <argp.h>
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "api/client.h"
#include "shunt/exit_status.h"
#include "shunt/text.h"

#define CLI_POSITIONAL_MAX 3

/* Keys of options for argp: not printable; the few short ones are a command's own (struct command). */
enum option_key {
	OPTION_SOCKET = 1,
	OPTION_URL,
	OPTION_TOKEN_FILE,
	OPTION_CA_FILE,
	OPTION_JSON,
	OPTION_TIMEOUT,
	OPTION_WAIT,
	OPTION_TO,
	OPTION_FOR,
	OPTION_FOLLOW,
	OPTION_SINCE,
	OPTION_FORCE,
	OPTION_DRY_RUN,
	OPTION_BPF_DIR,
	OPTION_STATE_DIR,
	OPTION_SERVICE,
	OPTION_FILE,
	OPTION_BACKEND,
	OPTION_CLIENT,
	OPTION_REASON,
	OPTION_WATCH,
	OPTION_WRITE = 'w',
	OPTION_COUNT_OF = 'c',
	OPTION_CONFIG = 'c',       /* the short ones; what they mean is the command's */
	OPTION_COUNT = 128
};

struct cli {
	struct client *client;     /* NULL for commands that need no controller */
	const char *socket_path, *url, *token_file, *ca_file;
	bool json;                 /* print the API's own document */
	struct style style;        /* of stdout */
	const char *positional[CLI_POSITIONAL_MAX];
	size_t n_positional;
	const char *option[OPTION_COUNT]; /* the argument, "" for a flag, NULL: not given */
};

/* One row makes parser, help, manual page and completion. Words such as BACKEND say what is completed (complete.c). */
struct command {
	const char *name;
	const char *arguments;     /* "GROUP [BACKEND]", "" for none */
	size_t min, max;           /* positional arguments */
	const char *summary;       /* one line of the list of commands */
	const char *help;          /* more, of `shunt COMMAND --help`; or NULL */
	const char *examples; /* whole command lines, one a line; or NULL */
	const struct argp_option *options; /* or NULL */
	bool offline;              /* needs no controller */
	int (*run)(struct cli *cli); /* returns the exit status */
};

extern const struct command commands[]; /* ends with a name of NULL */
extern const struct argp_option global_options[];
extern const struct argp_option help_options[]; /* argp's own */

const struct command *command_find(const char *name); /* NULL: there is none */
/* The option of that name, as getopt_long(3) understands it, of the command (NULL: none) or of all; or NULL. */
const struct argp_option *option_find(const struct command *command, const char *name, size_t length);

/* complete.c: `words` are typed after "shunt", the last may be begun. A line a candidate, what it is behind a tab. */
int complete(int n_words, char **words);
/* watch.c: runs it again and again, as often as --watch says. */
int watch_run(struct cli *cli, int (*run)(struct cli *cli));

/* ---- asking (ask.c); all return an exit status, the reason was said on stderr ---- */

/* "/api/v1/<kind>[/<name>[/<action>]]"; for an unknown name, names like it are suggested. Takes the body. */
int cli_call(struct cli *cli, const char *method, const char *kind, const char *name, const char *action,
	     json_t *take_body, json_t **ret_document);
int cli_get(struct cli *cli, const char *kind, const char *name, json_t **ret_document);
/* Prints what the controller answers, for --json, while it comes: one that breaks off has its beginning printed. */
int cli_show_json(struct cli *cli, const char *kind, const char *name);
/* The same for any path; *ret_status is the HTTP status. Only EXIT_DONE and EXIT_UNREACHABLE. */
int cli_ask(struct cli *cli, const char *method, const char *path, const json_t *body, long *ret_status,
	    json_t **ret_document);
/* The same, unless nobody listens on the Unix socket: *ret_nobody then, and nothing was said. */
int cli_ask_if_there(struct cli *cli, const char *method, const char *path, const json_t *body, long *ret_status,
		     json_t **ret_document, bool *ret_nobody);
/* Says why the controller refused; returns EXIT_REFUSED. */
int cli_refused(struct cli *cli, long status, const json_t *document);
/* Suggests a name of `kind` like `name` on stderr, unless one is exactly it. */
void cli_suggest(struct cli *cli, const char *kind, const char *name);
int cli_token(const char *file, char **ret_token); /* of --token-file: its first word, allocated; 0 | -errno */
int cli_fail(int exit_status, const char *format, ...) __attribute__((format(printf, 2, 3)));
int cli_print_json(const json_t *document);
extern bool cli_json_lines; /* documents of a line each, for those who read one after another */

/* dry_run.c: asks what a command would move, and prints it. Takes the body. */
int cli_dry_run(struct cli *cli, const char *kind, const char *name, const char *action, json_t *take_body);

/* The nearest of `names` that is near enough to be meant, or NULL. */
const char *nearest_name(const char *name, const char *const *names, size_t n);

/* ---- reading documents: "" and 0 where a field is absent or of another type ---- */

const char *get_text(const json_t *object, const char *key);
int64_t get_number(const json_t *object, const char *key);
double get_real(const json_t *object, const char *key);
bool get_flag(const json_t *object, const char *key);
int64_t get_time(const json_t *object, const char *key); /* RFC 3339 → Unix ms, 0: null */
/* All fields, a line each. */
void print_object(const json_t *object, const struct style *style);

/* ---- the commands, a file a family ---- */

int command_check(struct cli *cli);
int command_convert(struct cli *cli);
int command_reload(struct cli *cli);
int command_detach(struct cli *cli);
int command_maps(struct cli *cli);
int command_status(struct cli *cli);
int command_services(struct cli *cli);
int command_groups(struct cli *cli);
int command_backends(struct cli *cli);
int command_stats(struct cli *cli);
int command_top(struct cli *cli);
int command_drain(struct cli *cli);
int command_maint(struct cli *cli);
int command_ready(struct cli *cli);
int command_weight(struct cli *cli);
int command_failover(struct cli *cli);
int command_failback(struct cli *cli);
int command_explain(struct cli *cli);
int command_deny(struct cli *cli);
int command_events(struct cli *cli);
int command_doctor(struct cli *cli);
int command_trace(struct cli *cli);
int command_flows(struct cli *cli);
int command_backup(struct cli *cli);
int command_restore(struct cli *cli);

#endif
