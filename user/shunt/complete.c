/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What may stand where the cursor is, for the shells' completion (contrib/completion): commands and options from the one
 * table, names from the running controller. Says nothing where it knows nothing; never an error in the middle of a line.
 */
#include <ctype.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <shunt/names.h>
#include <shunt/reasons.h>

#include "base/cleanup.h"
#include "base/choice.h"
#include "base/drop_reason.h"
#include "shunt/cli.h"

#define PATIENCE_S 2 /* a controller that hangs must not hang the shell */

/* A line of command as far as it is typed. */
struct line {
	struct client *client;
	const struct command *command;
	const char *positional[CLI_POSITIONAL_MAX];
	size_t n_positional;
	const char *socket_path, *url, *token_file, *ca_file;
	bool options_ended;        /* by -- */
};

static void offer(const char *begun, const char *before, const char *word, const char *what)
{
	if (strncmp(word, begun, strlen(begun)) == 0)
		printf("%s%s\t%s\n", before, word, what);
}

/* ---- names, of the controller ---- */

/* Shells pass words as they are typed. */
static char *expand_home(const char *path)
{
	const char *home = getenv("HOME");
	char *expanded;

	if (!path || strncmp(path, "~/", 2) != 0 || !home)
		return path ? strdup(path) : NULL;
	return asprintf(&expanded, "%s%s", home, path + 1) < 0 ? NULL : expanded;
}

static bool reach(struct line *line)
{
	_cleanup_(freep) char *token_file = expand_home(line->token_file), *ca_file = expand_home(line->ca_file), *token = NULL;

	if (line->client)
		return true;
	if (token_file && cli_token(token_file, &token) < 0)
		return false;
	return client_open(&(struct client_options){line->socket_path, line->url, token, ca_file}, &line->client) == 0;
}

static json_t *ask(struct line *line, const char *kind, const char *name)
{
	_cleanup_(freep) char *path = NULL;
	json_t *answer = NULL;
	long status = 0;

	if (!reach(line))
		return NULL;
	path = client_path(line->client, kind, name, NULL);
	if (!path || client_call(line->client, "GET", path, NULL, &status, &answer) < 0 || status != 200) {
		json_decref(answer);
		return NULL;
	}
	return answer;
}

/* What tells one from another: of a backend its health, of a group its state, of a service where it is. */
static const char *what_is(const json_t *object)
{
	static const char *const keys[] = {"health", "state", "address", "role"};

	if (*get_text(object, "admin") && strcmp(get_text(object, "admin"), "ready") != 0)
		return get_text(object, "admin");
	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++)
		if (*get_text(object, keys[i]))
			return get_text(object, keys[i]);
	return "";
}

static void offer_names(const json_t *list, const char *begun, const char *before)
{
	json_t *object;
	size_t i;

	json_array_foreach((json_t *)list, i, object)
		offer(begun, before, get_text(object, "name"), what_is(object));
}

static void offer_kind(struct line *line, const char *kind, const char *begun, const char *before)
{
	json_t *list = ask(line, kind, NULL);

	offer_names(list, begun, before);
	json_decref(list);
}

static void offer_services(struct line *line, const char *begun, const char *before)
{
	offer_kind(line, "services", begun, before);
}

static void offer_groups(struct line *line, const char *begun, const char *before)
{
	offer_kind(line, "groups", begun, before);
}

/* Behind a group's name, its members alone. */
static void offer_backends(struct line *line, const char *begun, const char *before)
{
	const bool of_group = line->command && line->n_positional && strcmp(line->command->arguments, "GROUP") == 0;
	json_t *group = of_group ? ask(line, "groups", line->positional[0]) : NULL;

	if (group)
		offer_names(json_object_get(group, "backends"), begun, before);
	else
		offer_kind(line, "backends", begun, before);
	json_decref(group);
}

/* ---- words that are ours ---- */

static void offer_files(struct line *line, const char *begun, const char *before)
{
	(void)line;
	(void)begun;
	(void)before;
	puts(":files"); /* the shell knows them */
}

static void offer_reasons(struct line *line, const char *begun, const char *before)
{
	(void)line;
	for (uint32_t i = SHUNT_DROP_NONE + 1; i < SHUNT_DROP_REASON_COUNT; i++)
		offer(begun, before, drop_reason_label(i), drop_reason_text(i));
	for (uint32_t i = SHUNT_CHOICE_NONE + 1; choice_label(i); i++)
		if (drop_reason_find(choice_label(i)) == SHUNT_DROP_REASON_COUNT) /* "rejected" is both */
			offer(begun, before, choice_label(i), choice_text(i));
}

static void offer_protocols(struct line *line, const char *begun, const char *before)
{
	(void)line;
	offer(begun, before, "tcp", "");
	offer(begun, before, "udp", "");
}

static void offer_alternatives(const char *words, const char *begun, const char *before)
{
	_cleanup_(freep) char *copy = strdup(words);
	char *rest = NULL;

	for (char *word = strtok_r(copy, "|", &rest); word; word = strtok_r(NULL, "|", &rest))
		offer(begun, before, word, "");
}

/* `is`: what help calls it. */
static void offer_argument(struct line *line, const char *is, const char *begun, const char *before)
{
	static const struct {
		const char *is;
		void (*offer)(struct line *line, const char *begun, const char *before);
	} kinds[] = {
		{"SERVICE", offer_services}, {"GROUP", offer_groups},   {"BACKEND", offer_backends},
		{"FILE", offer_files},       {"PATH", offer_files},     {"DIR", offer_files},
		{"REASON", offer_reasons},   {"PROTO", offer_protocols},
	};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		if (strcmp(kinds[i].is, is) == 0)
			kinds[i].offer(line, begun, before);
	if (strchr(is, '|') || islower(*is)) /* the word itself */
		offer_alternatives(is, begun, before);
}

/* ---- where the cursor is ---- */

static void offer_options(const struct argp_option *options, const char *begun)
{
	for (; options && options->name; options++) {
		bool takes = options->arg && !(options->flags & OPTION_ARG_OPTIONAL);

		if (strncmp(options->name, begun, strlen(begun)) == 0)
			printf("--%s%s\t%s\n", options->name, takes ? "=" : "", options->doc);
	}
}

static void offer_positional(struct line *line, const char *begun)
{
	_cleanup_(freep) char *arguments = strdup(line->command->arguments);
	size_t i = 0;
	char *rest = NULL;

	for (char *is = strtok_r(arguments, " []", &rest); is; is = strtok_r(NULL, " []", &rest))
		if (i++ == line->n_positional)
			offer_argument(line, is, begun, "");
}

static void offer_at(struct line *line, const char *begun)
{
	if (*begun == '-' && !line->options_ended) {
		const char *name = begun + strspn(begun, "-"), *value = strchr(name, '=');
		const struct argp_option *option = value ? option_find(line->command, name, (size_t)(value - name)) : NULL;
		_cleanup_(freep) char *before = value ? strndup(begun, (size_t)(value + 1 - begun)) : NULL;

		if (option && option->arg && before) {
			offer_argument(line, option->arg, value + 1, before);
		} else if (!value) {
			offer_options(line->command ? line->command->options : NULL, name);
			offer_options(global_options, name);
		}
	} else if (line->command) {
		offer_positional(line, begun);
	} else {
		for (const struct command *command = commands; command->name; command++)
			offer(begun, "", command->name, command->summary);
	}
}

static const struct argp_option *option_of(const struct line *line, const char *word)
{
	if (line->options_ended || word[0] != '-' || !word[1])
		return NULL;
	if (word[1] == '-')
		return option_find(line->command, word + 2, strcspn(word + 2, "="));
	for (const struct argp_option *option = line->command ? line->command->options : NULL; option && option->name; option++)
		if (option->key == word[1] && !word[2])
			return option;
	return NULL;
}

static void take_option(struct line *line, const struct argp_option *option, const char *value)
{
	if (option->key == OPTION_SOCKET)
		line->socket_path = value;
	else if (option->key == OPTION_URL)
		line->url = value;
	else if (option->key == OPTION_TOKEN_FILE)
		line->token_file = value;
	else if (option->key == OPTION_CA_FILE)
		line->ca_file = value;
}

/* Quietly: a shell says of who was killed by a signal that it was. */
static void give_up(int signal)
{
	(void)signal;
	_exit(EXIT_DONE);
}

static void take_word(struct line *line, const char *word)
{
	if (strcmp(word, "--") == 0)
		line->options_ended = true;
	else if (*word == '-' && !line->options_ended)
		return; /* a flag */
	else if (!line->command)
		line->command = command_find(word);
	else if (line->n_positional < CLI_POSITIONAL_MAX)
		line->positional[line->n_positional++] = word;
}

int complete(int n_words, char **words)
{
	struct line line = {.socket_path = SHUNT_SOCKET};
	const struct argp_option *pending = NULL; /* its value is the next word */

	signal(SIGALRM, give_up);
	alarm(PATIENCE_S);
	for (int i = 0; i < n_words - 1; i++) {
		const struct argp_option *option = pending ? NULL : option_of(&line, words[i]);
		const char *value = strchr(words[i], '=');

		if (pending)
			take_option(&line, pending, words[i]);
		else if (option && value)
			take_option(&line, option, value + 1);
		else if (!option)
			take_word(&line, words[i]);
		pending = option && option->arg && !value && !(option->flags & OPTION_ARG_OPTIONAL) ? option : NULL;
	}
	if (n_words > 0 && pending)
		offer_argument(&line, pending->arg, words[n_words - 1], "");
	else if (n_words > 0)
		offer_at(&line, words[n_words - 1]);
	client_close(line.client);
	return EXIT_DONE;
}
