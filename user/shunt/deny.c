/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* deny add, del, list: prefixes that services do not serve. Long lists go in several requests, each whole or not at all. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/duration.h"
#include "config/config.h"
#include "net/address.h"
#include "shunt/cli.h"

#define REQUEST_PREFIXES 10000 /* as many as the controller takes at once */
#define PROBLEM_MAX 512

/* ---- the prefixes that are meant ---- */

/* A list of the field's: one a line, what follows # or ; is a comment, what follows the prefix is not for us. */
static int read_line(char *line, json_t *prefixes, const char *file, size_t number)
{
	struct config_prefix prefix;
	char problem[PROBLEM_MAX], *word, *rest;

	line[strcspn(line, "#;")] = '\0';
	word = strtok_r(line, " \t\r\n", &rest);
	if (!word)
		return EXIT_DONE;
	if (config_prefix_parse(word, &prefix) < 0)
		return cli_fail(EXIT_REFUSED, "%s:%zu: %s; nothing was changed", file, number,
				config_prefix_problem(word, problem, sizeof(problem)));
	return json_array_append_new(prefixes, json_string(word)) < 0 ? cli_fail(EXIT_REFUSED, "out of memory") : EXIT_DONE;
}

static int read_lines(FILE *from, const char *file, json_t *prefixes)
{
	_cleanup_(freep) char *line = NULL;
	size_t room = 0, number = 0;
	int r = EXIT_DONE;

	while (r == EXIT_DONE && getline(&line, &room, from) >= 0)
		r = read_line(line, prefixes, file, ++number);
	if (r == EXIT_DONE && ferror(from))
		return cli_fail(EXIT_REFUSED, "%s: %s", file, strerror(errno));
	return r;
}

static int read_file(const char *file, json_t *prefixes)
{
	_cleanup_(fclosep) FILE *from = NULL;
	int r;

	if (strcmp(file, "-") == 0)
		r = read_lines(stdin, "stdin", prefixes);
	else if ((from = fopen(file, "re")))
		r = read_lines(from, file, prefixes);
	else
		return cli_fail(EXIT_REFUSED, "%s: %s", file, strerror(errno));
	if (r == EXIT_DONE && !json_array_size(prefixes))
		return cli_fail(EXIT_REFUSED, "%s has no prefix", file);
	return r;
}

/* Those of the command line or of the file. */
static int read_prefixes(struct cli *cli, json_t *prefixes)
{
	const char *text = cli->positional[1], *file = cli->option[OPTION_FILE];
	struct config_prefix prefix;
	char problem[PROBLEM_MAX];

	if (!text == !file)
		return cli_fail(EXIT_USAGE, "deny %s takes a PREFIX or --file FILE", cli->positional[0]);
	if (file)
		return read_file(file, prefixes);
	if (config_prefix_parse(text, &prefix) < 0)
		return cli_fail(EXIT_USAGE, "%s", config_prefix_problem(text, problem, sizeof(problem)));
	json_array_append_new(prefixes, json_string(text));
	return EXIT_DONE;
}

/* ---- add and del ---- */

static json_t *request_of(const struct cli *cli, const json_t *prefixes, size_t first)
{
	json_t *some = json_array(), *body;

	for (size_t i = first; i < json_array_size(prefixes) && i < first + REQUEST_PREFIXES; i++)
		json_array_append(some, json_array_get(prefixes, i));
	body = json_pack("{s:o}", "prefixes", some);
	if (cli->option[OPTION_FOR])
		json_object_set_new(body, "for", json_string(cli->option[OPTION_FOR]));
	if (cli->option[OPTION_SERVICE])
		json_object_set_new(body, "service", json_string(cli->option[OPTION_SERVICE]));
	return body;
}

static void sum(json_t *to, const json_t *from, const char *key)
{
	json_object_set_new(to, key, json_integer(get_number(to, key) + get_number(from, key)));
}

/* Asks as often as it takes; *ret_answer is what all the answers come to. */
static int ask_all(struct cli *cli, const char *method, const json_t *prefixes, const char *const counts[2],
		   json_t **ret_answer)
{
	json_t *whole = NULL, *answer;
	int r = EXIT_DONE;

	for (size_t i = 0; r == EXIT_DONE && i < json_array_size(prefixes); i += REQUEST_PREFIXES) {
		r = cli_call(cli, method, "deny", NULL, NULL, request_of(cli, prefixes, i), &answer);
		if (r != EXIT_DONE && i)
			cli_fail(r, "the first %zu of %zu prefixes are done", i, json_array_size(prefixes));
		if (r == EXIT_REFUSED && cli->option[OPTION_SERVICE])
			cli_suggest(cli, "services", cli->option[OPTION_SERVICE]);
		if (r != EXIT_DONE)
			break;
		if (!whole) {
			whole = answer;
			continue;
		}
		sum(whole, answer, counts[0]);
		sum(whole, answer, counts[1]);
		json_array_extend(json_object_get(whole, "warnings"), json_object_get(answer, "warnings"));
		json_decref(answer);
	}
	if (r == EXIT_DONE)
		*ret_answer = whole;
	else
		json_decref(whole);
	return r;
}

static void print_warnings(const json_t *answer)
{
	json_t *text;
	size_t i;

	json_array_foreach(json_object_get(answer, "warnings"), i, text)
		fprintf(stderr, "warning: %s\n", json_string_value(text) ?: "");
}

static void print_added(const struct cli *cli, const json_t *answer)
{
	int64_t n = get_number(answer, "added") + get_number(answer, "changed"), changed = get_number(answer, "changed");
	const char *until = get_text(answer, "until");

	if (cli->positional[1])
		printf("%s: denied", cli->positional[1]);
	else
		printf("%" PRId64 " prefix%s: denied", n, n == 1 ? "" : "es");
	if (cli->option[OPTION_SERVICE])
		printf(" by service %s", cli->option[OPTION_SERVICE]);
	printf("%s%s", *until ? " until " : " until taken back", until);
	if (changed)
		printf(", %s%s", cli->positional[1] ? "as it was but for the time" : "", cli->positional[1] ? "" : "of them ");
	if (changed && !cli->positional[1])
		printf("%" PRId64 " were already", changed);
	putchar('\n');
}

static void print_removed(const struct cli *cli, const json_t *answer)
{
	int64_t missing = get_number(answer, "missing"), n = get_number(answer, "removed");

	if (cli->positional[1])
		printf("%s: denied no more", cli->positional[1]);
	else
		printf("%" PRId64 " prefix%s: denied no more", n, n == 1 ? "" : "es");
	if (missing)
		printf(", %" PRId64 " were not", missing);
	putchar('\n');
}

static int change(struct cli *cli, const char *method, const char *const counts[2],
		  void (*print)(const struct cli *, const json_t *))
{
	json_t *prefixes = json_array(), *answer = NULL;
	int r = read_prefixes(cli, prefixes);

	if (r == EXIT_DONE)
		r = ask_all(cli, method, prefixes, counts, &answer);
	if (r == EXIT_DONE && cli->json)
		cli_print_json(answer);
	else if (r == EXIT_DONE)
		print(cli, answer);
	if (r == EXIT_DONE)
		print_warnings(answer);
	json_decref(prefixes);
	json_decref(answer);
	return r;
}

/* ---- list ---- */

/* Adds a parameter to the path's query, unless the value is NULL or empty. */
static int add_parameter(struct cli *cli, char **path, const char *key, const char *value)
{
	_cleanup_(freep) char *escaped = value && *value ? client_escape(cli->client, value) : NULL, *before = *path;

	if (!escaped) {
		before = NULL;
		return value && *value ? -ENOMEM : 0;
	}
	*path = NULL;
	return asprintf(path, "%s%c%s=%s", before, strchr(before, '?') ? '&' : '?', key, escaped) < 0 ? -ENOMEM : 0;
}

/* The next page into `all`; *ret_n: how many it has. */
static int next_page(struct cli *cli, json_t *all, size_t *ret_n)
{
	_cleanup_(freep) char *path = strdup("/api/v1/deny");
	const json_t *last = json_array_get(all, json_array_size(all) - 1);
	json_t *page = NULL;
	long status;
	int r;

	if (!path || add_parameter(cli, &path, "after", get_text(last, "prefix")) < 0 ||
	    add_parameter(cli, &path, "prefix", cli->positional[1]) < 0 ||
	    add_parameter(cli, &path, "service", cli->option[OPTION_SERVICE]) < 0)
		return cli_fail(EXIT_REFUSED, "out of memory");
	r = cli_ask(cli, "GET", path, NULL, &status, &page);
	if (r == EXIT_DONE && (status != 200 || !json_is_array(page)))
		r = cli_refused(cli, status, page);
	*ret_n = r == EXIT_DONE ? json_array_size(page) : 0;
	if (r == EXIT_DONE)
		json_array_extend(all, page);
	json_decref(page);
	return r;
}

static void put_until(struct table *table, const json_t *entry)
{
	int64_t until = get_time(entry, "until");
	char left[HUMAN_TEXT_MAX];

	if (!get_flag(entry, "in_force"))
		table_put(table, YELLOW, "the service is not configured");
	else if (strcmp(get_text(entry, "from"), "file") == 0)
		table_put(table, PLAIN, "a reload without it");
	else if (until)
		table_put(table, PLAIN, "%s, in %s", get_text(entry, "until"), human_age(until - clock_wall_ms(), left));
	else
		table_put(table, PLAIN, "shunt deny del");
}

static void print_list(const struct cli *cli, const json_t *all)
{
	struct table table = {
		.n_columns = 5,
		.header = {"PREFIX", "SERVICE", "FROM", "DROPPED", "UNTIL"},
		.right = {false, false, false, true, false},
	};
	char packets[HUMAN_TEXT_MAX];
	json_t *entry;
	size_t i;

	json_array_foreach((json_t *)all, i, entry) {
		const char *service = get_text(entry, "service");

		table_put(&table, BOLD, "%s", get_text(entry, "prefix"));
		table_put(&table, PLAIN, "%s", *service ? service : "all");
		table_put(&table, PLAIN, "%s", get_text(entry, "from"));
		table_put(&table, PLAIN, "%s", human_count((uint64_t)get_number(entry, "packets"), packets));
		put_until(&table, entry);
	}
	if (i)
		table_print(&table, &cli->style, stdout);
	else if (cli->positional[1])
		printf("no denied prefix overlaps %s\n", cli->positional[1]);
	else
		puts("no prefix is denied");
}

static int list(struct cli *cli)
{
	struct config_prefix prefix;
	char problem[PROBLEM_MAX];
	json_t *all;
	size_t n;
	int r;

	if (cli->positional[1] && config_prefix_parse(cli->positional[1], &prefix) < 0)
		return cli_fail(EXIT_USAGE, "%s", config_prefix_problem(cli->positional[1], problem, sizeof(problem)));
	all = json_array();
	do
		r = next_page(cli, all, &n);
	while (r == EXIT_DONE && n);
	if (r == EXIT_DONE && cli->json)
		cli_print_json(all);
	else if (r == EXIT_DONE)
		print_list(cli, all);
	json_decref(all);
	return r;
}

int command_deny(struct cli *cli)
{
	static const char *const added[] = {"added", "changed"}, *const removed[] = {"removed", "missing"};
	const char *verb = cli->positional[0];
	uint64_t for_ms;

	if (cli->option[OPTION_FOR] && (duration_parse(cli->option[OPTION_FOR], &for_ms) < 0 || !for_ms))
		return cli_fail(EXIT_USAGE, "--for takes a duration such as 30s, 5m or 2h, not \"%s\"", cli->option[OPTION_FOR]);
	if (cli->option[OPTION_FOR] && strcmp(verb, "add") != 0)
		return cli_fail(EXIT_USAGE, "--for is for deny add");
	if (strcmp(verb, "add") == 0)
		return change(cli, "POST", added, print_added);
	if (strcmp(verb, "del") == 0)
		return change(cli, "DELETE", removed, print_removed);
	if (strcmp(verb, "list") == 0 && !cli->option[OPTION_FILE])
		return list(cli);
	return cli_fail(EXIT_USAGE, "deny takes add, del or list%s%s", strcmp(verb, "list") ? ", not " : " (without --file)",
			strcmp(verb, "list") ? verb : "");
}
