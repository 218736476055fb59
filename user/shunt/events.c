/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* events: the audit trail, a line an event. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/duration.h"
#include "base/number.h"
#include "base/word.h"
#include "shunt/cli.h"

#define POLL_MS 500

/* "2026-01-31T12:00:00.123Z" → without the fraction. */
static void print_event(const struct cli *cli, const json_t *event)
{
	const char *time = get_text(event, "time"), *object = get_text(event, "object");
	const char *kind = get_text(event, "kind");
	struct paragraph paragraph = {stdout, &cli->style, 0, 4, false};

	paragraph_put(&paragraph, DIM, "%.19sZ", *time ? time : "                   ");
	paragraph_put(&paragraph, DIM, " #%" PRId64, get_number(event, "id"));
	if (begins_with_word(object, kind)) /* "backend b2", whose kind is "backend" */
		paragraph_put(&paragraph, BOLD, "  %s:", object);
	else
		paragraph_put(&paragraph, BOLD, "  %s%s%s:", kind, *object ? " " : "", object);
	paragraph_put(&paragraph, PLAIN, " %s", get_text(event, "text"));
	paragraph_put(&paragraph, DIM, " (%s)", get_text(event, "actor"));
	paragraph_end(&paragraph);
}

/* What --since says: *ret_id, or *ret_from, a time. */
static int since(const char *text, uint64_t *ret_id, int64_t *ret_from)
{
	uint64_t ago_ms;

	if (number_parse(text, 0, INT64_MAX, ret_id) == 0)
		return EXIT_DONE;
	*ret_id = 0;
	if (duration_parse(text, &ago_ms) == 0) {
		*ret_from = clock_wall_ms() - (int64_t)ago_ms;
		return EXIT_DONE;
	}
	if (clock_parse_rfc3339(text, ret_from) == 0)
		return EXIT_DONE;
	return cli_fail(EXIT_USAGE, "--since takes the id of an event, a duration such as 10m, or a time such as "
			"2026-01-31T12:00:00Z, not \"%s\"", text);
}

/* One page of events after *id, which moves on; *ret_n: how many came. */
static int next_page(struct cli *cli, uint64_t *id, int64_t from, json_t *all, size_t *ret_n)
{
	_cleanup_(freep) char *path = NULL;
	json_t *page = NULL, *event;
	long status;
	size_t i;
	int r;

	if (asprintf(&path, "/api/v1/events?since=%" PRIu64, *id) < 0)
		return cli_fail(EXIT_REFUSED, "out of memory");
	r = cli_ask(cli, "GET", path, NULL, &status, &page);
	if (r == EXIT_DONE && (status != 200 || !json_is_array(page)))
		r = cli_refused(cli, status, page);
	*ret_n = 0;
	if (r == EXIT_DONE) {
		*ret_n = json_array_size(page);
		json_array_foreach(page, i, event) {
			*id = (uint64_t)get_number(event, "id");
			if (get_time(event, "time") < from)
				continue;
			if (all)
				json_array_append(all, event);
			else
				print_event(cli, event);
		}
	}
	json_decref(page);
	return r;
}

/* As JSON: one array, or with --follow one document a line, for it never ends. */
static int follow(struct cli *cli, uint64_t id, int64_t from)
{
	const struct timespec pause = {0, POLL_MS * 1000000L};
	size_t n, i;
	int r;

	for (;;) {
		json_t *page = cli->json ? json_array() : NULL, *event;

		r = next_page(cli, &id, from, page, &n);
		json_array_foreach(page, i, event) {
			json_dumpf(event, stdout, JSON_COMPACT);
			putchar('\n');
		}
		json_decref(page);
		if (r != EXIT_DONE || fflush(stdout) != 0)
			return r;
		if (!n)
			nanosleep(&pause, NULL);
	}
}

int command_events(struct cli *cli)
{
	json_t *all;
	uint64_t id = 0;
	int64_t from = 0;
	size_t n;
	int r = cli->option[OPTION_SINCE] ? since(cli->option[OPTION_SINCE], &id, &from) : EXIT_DONE;

	if (r != EXIT_DONE)
		return r;
	if (cli->option[OPTION_FOLLOW])
		return follow(cli, id, from);
	all = cli->json ? json_array() : NULL;
	do
		r = next_page(cli, &id, from, all, &n);
	while (r == EXIT_DONE && n);
	if (r == EXIT_DONE && all)
		cli_print_json(all);
	json_decref(all);
	return r;
}
