/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* From the command line to a row of the table of commands, and nothing else. */
#include <errno.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>

#include <shunt/names.h>

#include "base/cleanup.h"
#include "shunt/cli.h"
#include "version.h"

const char *argp_program_version = "shunt " SHUNT_VERSION;

/* What a parser fills: the command line's state and the command it is for; NULL before it is known. */
struct parse {
	struct cli *cli;
	const struct command *command;
	int next;                  /* argv index of the command's name */
};

/* ---- options of every command ---- */

static error_t parse_global(int key, char *argument, struct argp_state *state)
{
	struct parse *parse = state->input;

	switch (key) {
	case OPTION_SOCKET:
		parse->cli->socket_path = argument;
		return 0;
	case OPTION_URL:
		parse->cli->url = argument;
		return 0;
	case OPTION_TOKEN_FILE:
		parse->cli->token_file = argument;
		return 0;
	case OPTION_CA_FILE:
		parse->cli->ca_file = argument;
		return 0;
	case OPTION_JSON:
		parse->cli->json = true;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp global_argp = {global_options, parse_global, NULL, NULL, NULL, NULL, NULL};
static const struct argp_child global_child[] = {{&global_argp, 0, NULL, 0}, {}};

/* ---- shunt [OPTION…] COMMAND ---- */

static error_t parse_top(int key, char *argument, struct argp_state *state)
{
	struct parse *parse = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = state->input;
		return 0;
	case ARGP_KEY_ARG:
		parse->command = command_find(argument);
		parse->next = state->next - 1;
		state->next = state->argc; /* the rest is the command's */
		return 0;
	case ARGP_KEY_NO_ARGS:
		argp_usage(state);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static char *list_commands(int key, const char *text, void *userdata)
{
	char *list = NULL;
	size_t length;
	FILE *to;

	(void)userdata;
	if (key != ARGP_KEY_HELP_POST_DOC)
		return (char *)text;
	to = open_memstream(&list, &length);
	if (!to)
		return (char *)text;
	fputs("Commands:\n", to);
	for (const struct command *command = commands; command->name; command++) {
		int width = fprintf(to, "  %s %s", command->name, command->arguments);

		fprintf(to, "%*s%s\n", 35 - width, "", command->summary);
	}
	fputs("\nExit status:\n", to);
#define X(name, number, text) fputs("  " #number "  " text "\n", to);
	EXIT_STATUSES(X)
#undef X
	fputs("\n'shunt COMMAND --help' tells more of a command.", to);
	fclose(to);
	return list;
}

static int unknown_command(const char *name)
{
	const char *names[64], *nearest;
	size_t n = 0;

	for (const struct command *command = commands; command->name && n < 64; command++)
		names[n++] = command->name;
	nearest = nearest_name(name, names, n);
	if (nearest)
		return cli_fail(EXIT_USAGE, "no command \"%s\"; did you mean \"%s\"?", name, nearest);
	return cli_fail(EXIT_USAGE, "no command \"%s\"; 'shunt --help' lists them", name);
}

/* ---- shunt COMMAND [OPTION…] ARGUMENTS ---- */

static error_t parse_command(int key, char *argument, struct argp_state *state)
{
	struct parse *parse = state->input;
	const struct command *command = parse->command;
	struct cli *cli = parse->cli;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = state->input;
		return 0;
	case ARGP_KEY_ARG:
		if (state->arg_num >= command->max)
			argp_error(state, "one argument too many: %s", argument);
		cli->positional[cli->n_positional++] = argument;
		return 0;
	case ARGP_KEY_END:
		if (state->arg_num < command->min)
			argp_error(state, "it takes: %s", command->arguments);
		return 0;
	}
	for (const struct argp_option *option = command->options; option && option->name; option++)
		if (option->key == key) {
			cli->option[key] = argument ?: "";
			return 0;
		}
	return ARGP_ERR_UNKNOWN;
}

/* What argp would only call unrecognized. */
static int unknown_option(const struct command *command, const char *name)
{
	const struct argp_option *const tables[] = {command ? command->options : NULL, global_options, help_options};
	const char *names[64], *nearest;
	size_t n = 0;

	for (size_t i = 0; i < sizeof(tables) / sizeof(*tables); i++)
		for (const struct argp_option *option = tables[i]; option && option->name && n < 64; option++)
			names[n++] = option->name;
	nearest = nearest_name(name, names, n);
	if (nearest)
		return cli_fail(EXIT_USAGE, "no option \"--%s\"; did you mean \"--%s\"?", name, nearest);
	return cli_fail(EXIT_USAGE, "no option \"--%s\"; 'shunt %s%s--help' lists them", name, command ? command->name : "",
			command ? " " : "");
}

/* Before argp looks: long options that do not exist, in words up to the command's name or behind it. */
static int check_options(const struct command *command, char **words)
{
	for (; *words && strcmp(*words, "--") != 0; words++) {
		_cleanup_(freep) char *name = NULL;
		const struct argp_option *option;
		bool has_value = strchr(*words, '=');

		if (strncmp(*words, "--", 2) != 0 && !command && **words != '-')
			return EXIT_DONE; /* the command's name */
		if (strncmp(*words, "--", 2) != 0)
			continue;
		name = strndup(*words + 2, strcspn(*words + 2, "="));
		option = option_find(command, name ?: "", strlen(name ?: ""));
		if (!option)
			return unknown_option(command, name ?: "");
		if (option->arg && !(option->flags & OPTION_ARG_OPTIONAL) && !has_value && words[1])
			words++;
	}
	return EXIT_DONE;
}

/* Before the options what it does; below them more of it, and its examples. */
static char *describe(const struct command *command)
{
	char *text = NULL;
	size_t length;
	FILE *to = open_memstream(&text, &length);

	if (!to)
		return NULL;
	fprintf(to, "shunt %s: %s\v%s%s", command->name, command->summary, command->help ?: "",
		command->help && command->examples ? "\n\n" : "");
	for (const char *line = command->examples; line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL)
		fprintf(to, "  %.*s\n", (int)strcspn(line, "\n"), line);
	return fclose(to) == 0 ? text : NULL;
}

static void parse_rest(struct parse *parse, int argc, char **argv)
{
	_cleanup_(freep) char *name = NULL, *doc = NULL;
	const struct command *command = parse->command;
	struct argp argp = {command->options, parse_command, command->arguments, NULL, global_child, NULL, NULL};

	doc = describe(command);
	if (!doc || asprintf(&name, "shunt %s", command->name) < 0)
		exit(cli_fail(EXIT_REFUSED, "out of memory"));
	argp.doc = doc;
	argv[parse->next] = name;
	argp_parse(&argp, argc - parse->next, argv + parse->next, 0, NULL, parse);
}

/* ---- the connection ---- */

static int connect_client(struct cli *cli)
{
	_cleanup_(freep) char *token = NULL;
	int r = cli->token_file ? cli_token(cli->token_file, &token) : 0;

	if (r < 0)
		return cli_fail(EXIT_REFUSED, "cannot read %s: %s", cli->token_file, strerror(-r));
	r = client_open(&(struct client_options){cli->socket_path, cli->url, token, cli->ca_file}, &cli->client);
	if (r == -EINVAL)
		return cli_fail(EXIT_USAGE, "--url must begin with http:// or https://, not %s", cli->url);
	return r < 0 ? cli_fail(EXIT_REFUSED, "%s", strerror(-r)) : EXIT_DONE;
}

/* A full disk or a closed pipe is a failure, too. */
static int flush(int exit_status)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return exit_status;
	return exit_status == EXIT_DONE ? cli_fail(EXIT_REFUSED, "cannot write: %s", strerror(errno)) : exit_status;
}

int main(int argc, char **argv)
{
	static const struct argp top = {
		NULL, parse_top, "COMMAND [ARGUMENTS]",
		"Steers and shows the shunt load balancer.\v", global_child, list_commands, NULL,
	};
	struct cli cli = {.socket_path = SHUNT_SOCKET};
	struct parse parse = {.cli = &cli};
	int r = EXIT_DONE;

	setlocale(LC_CTYPE, "");
	if (argc > 2 && strcmp(argv[1], "complete") == 0 && strcmp(argv[2], "--") == 0)
		return complete(argc - 3, argv + 3);
	argp_err_exit_status = EXIT_USAGE;
	cli.style = style_of(stdout);
	r = check_options(NULL, argv + 1);
	if (r != EXIT_DONE)
		return r;
	argp_parse(&top, argc, argv, ARGP_IN_ORDER, NULL, &parse);
	if (!parse.command)
		return unknown_command(argv[parse.next]);
	r = check_options(parse.command, argv + parse.next + 1);
	if (r != EXIT_DONE)
		return r;
	parse_rest(&parse, argc, argv);
	if (!parse.command->offline)
		r = connect_client(&cli);
	if (r == EXIT_DONE)
		r = cli.option[OPTION_WATCH] && parse.command->run != command_top ? watch_run(&cli, parse.command->run) : parse.command->run(&cli);
	client_close(cli.client);
	return flush(r);
}
