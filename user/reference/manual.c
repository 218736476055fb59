/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* shunt(1), shuntd(8) and shunt-decap(8), for scdoc, from the tables that make --help of the programs. */
#include <argp.h>
#include <ctype.h>
#include <string.h>

#include <shunt/names.h>

#include "reference/reference.h"
#include "shunt-decap/options.h"
#include "shunt/cli.h"
#include "shuntd/options.h"

/* ---- what is marked ---- */

/* Words in capitals are for the reader to replace: "SRC:PORT" as "_SRC_:_PORT_". */
static void write_placeholders(FILE *to, const char *text)
{
	for (const char *at = text; *at; at++) {
		bool is_word = isupper((unsigned char)*at), was_word = at > text && isupper((unsigned char)at[-1]);

		if (is_word != was_word)
			fputc('_', to);
		if (strchr("[|", *at))
			fputc('\\', to); /* the start of a table, to scdoc */
		fputc(*at, to);
		if (is_word && !at[1])
			fputc('_', to);
	}
}

static void write_option(FILE *to, const struct argp_option *option, const char *indent)
{
	bool optional = option->flags & OPTION_ARG_OPTIONAL;

	fputs(indent, to);
	if (option->key > ' ' && option->key < OPTION_COUNT && isprint(option->key))
		fprintf(to, "*-%c*, ", option->key);
	fprintf(to, "*--%s*", option->name);
	if (option->arg) {
		fputs(optional ? "\\[=" : "=", to);
		write_placeholders(to, option->arg);
		fputs(optional ? "]" : "", to);
	}
	fprintf(to, "\n%s\t", indent);
	write_marked(to, option->doc);
	fputs("\n\n", to);
}

static void write_options(FILE *to, const struct argp_option *options, const char *indent)
{
	for (; options && options->name; options++)
		write_option(to, options, indent);
}

/* Whole command lines, as they are typed. */
static void write_examples(FILE *to, const char *examples)
{
	fprintf(to, "```\n%s\n```\n\n", examples);
}

static void write_head(FILE *to, const char *program, char section, const char *does, const char *arguments)
{
	fprintf(to, "%s(%c) \"\" \"shunt\"\n\n# NAME\n\n%s - %s\n\n# SYNOPSIS\n\n*%s* \\[_OPTION_...] ", program,
		section, program, does, program);
	write_placeholders(to, arguments);
	fputs("\n\n", to);
}

/* ---- shunt(1) ---- */

static void write_command(FILE *to, const struct command *command)
{
	fprintf(to, "*%s* ", command->name);
	write_placeholders(to, command->arguments);
	fprintf(to, "\n\t%c", toupper((unsigned char)*command->summary));
	write_marked(to, command->summary + 1);
	fputs(command->help ? ". " : ".", to);
	write_marked(to, command->help ?: "");
	fputs("\n\n", to);
	write_options(to, command->options, "\t");
}

static void write_exit_statuses(FILE *to)
{
#define X(name, number, text) fputs("*" #number "*\n\t" text "\n\n", to);
	EXIT_STATUSES(X)
#undef X
}

void write_shunt_manual(FILE *to)
{
	write_head(to, "shunt", '1', "steers and shows the shunt load balancer", "COMMAND [ARGUMENTS]");
	fputs("# DESCRIPTION\n\n"
	      "Asks *shuntd*(8), the controller, over its Unix socket, or over TCP where *--url* says so. What is "
	      "printed fits 80 columns where "
	      "the terminal has no more, and is coloured on terminals only. Durations are written 250ms, 5s, 10m or "
	      "2h.\n\n"
	      "bash, zsh and fish complete commands, options and the names of services, groups and backends, which "
	      "they ask of the controller "
	      "that *--socket* or *--url* names.\n\n"
	      "# OPTIONS\n\nThese go with every command.\n\n",
	      to);
	write_options(to, global_options, "");
	write_options(to, help_options, "");
	fputs("# COMMANDS\n\n", to);
	for (const struct command *command = commands; command->name; command++)
		write_command(to, command);
	fputs("# EXIT STATUS\n\n", to);
	write_exit_statuses(to);
	fputs("# ENVIRONMENT\n\n"
	      "*NO_COLOR*\n\tIf set and not empty: no colours. There are none either where the output is not a "
	      "terminal.\n\n"
	      "*COLUMNS*\n\tThe width where the output is not a terminal; 80 if it is not set.\n\n"
	      "# FILES\n\n"
	      "_" SHUNT_SOCKET "_\n\tWhere the controller listens.\n\n"
	      "_" SHUNT_CONFIG_FILE "_\n\tThe configuration, *shunt.yaml*(5).\n\n"
	      "# EXAMPLES\n\n",
	      to);
	for (const struct command *command = commands; command->name; command++)
		if (command->examples)
			write_examples(to, command->examples);
	fputs("# SEE ALSO\n\n*shuntd*(8), *shunt.yaml*(5), *shunt-decap*(8), *bpftool*(8)\n", to);
}

/* ---- shuntd(8) ---- */

void write_shuntd_manual(FILE *to)
{
	write_head(to, "shuntd", '8', "controller of the shunt load balancer", "");
	fputs("# DESCRIPTION\n\n", to);
	write_marked(to, shuntd_argp.doc);
	fputs("\n\nIt runs in the foreground, logs to standard error, one line an event with its level first, and "
	      "talks *sd_notify*(3) when systemd "
	      "started it. Several instances run side by side where their directories differ; missing ones are "
	      "made.\n\n"
	      "The data path needs no controller to forward. Stopping it leaves packets forwarded by its last "
	      "decisions (*on_exit: keep*), and the "
	      "next start adopts the pinned maps with their flows, drains and failovers; *on_exit: detach* or *shunt "
	      "detach* takes the data path "
	      "off the interfaces.\n\n# OPTIONS\n\n",
	      to);
	write_options(to, shuntd_argp.options, "");
	write_options(to, help_options, "");
	fputs("# SIGNALS\n\n"
	      "*SIGHUP*\n\tApplies the configuration again, all or nothing, as *shunt reload* does.\n\n"
	      "*SIGTERM*, *SIGINT*\n\tStop it.\n\n"
	      "# EXIT STATUS\n\n"
	      "*0*\n\tStopped by a signal.\n\n"
	      "*1*\n\tIt could not start or go on; the reason is on standard error.\n\n"
	      "*2*\n\tWrong usage.\n\n"
	      "# FILES\n\n"
	      "_" SHUNT_CONFIG_FILE "_\n\tThe configuration, *shunt.yaml*(5).\n\n"
	      "_" SHUNT_SOCKET "_\n\tThe API; *shunt*(1) asks it.\n\n"
	      "_" SHUNT_STATE_DIR
	      "_\n\tWhat operators decided, and the audit trail. A damaged file is set aside, never deleted.\n\n"
	      "_" SHUNT_BPF_DIR "_\n\tThe pinned maps and the program; *shunt maps* lists them.\n\n"
	      "# EXAMPLES\n\n",
	      to);
	write_examples(to, "shunt check " SHUNT_CONFIG_FILE " && shuntd -c " SHUNT_CONFIG_FILE "\n"
			   "shuntd -c b.yaml --run-dir /run/b --state-dir /var/lib/b --bpf-dir /sys/fs/bpf/b\n"
			   "systemctl reload shuntd");
	fputs("# SEE ALSO\n\n*shunt*(1), *shunt.yaml*(5), *shunt-decap*(8)\n", to);
}

/* ---- shunt-decap(8) ---- */

void write_decap_manual(FILE *to)
{
	write_head(to, "shunt-decap", '8', "takes tunnel headers off at a backend of shunt", decap_argp.args_doc);
	fputs("# DESCRIPTION\n\n", to);
	write_marked(to, decap_argp.doc);
	fputs("\n\n# COMMANDS\n\n", to);
	for (const struct decap_command *command = decap_commands; command->name; command++)
		fprintf(to, "*%s* _INTERFACE_\n\t%s\n\n", command->name, command->does);
	fputs("# OPTIONS\n\n", to);
	write_options(to, decap_argp.options, "");
	write_options(to, help_options, "");
	fputs("# EXIT STATUS\n\n"
	      "*0*\n\tDone.\n\n"
	      "*1*\n\tRefused or failed, with the reason on standard error.\n\n"
	      "*2*\n\tWrong usage.\n\n"
	      "# EXAMPLES\n\n",
	      to);
	write_examples(to, "shunt-decap --from 10.0.0.1 load eth0\n"
			   "shunt-decap status eth0");
	fputs("# SEE ALSO\n\n*shunt*(1), *shuntd*(8)\n", to);
}
