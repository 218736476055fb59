/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* flows: how many live pinned flows there are, how long they have been silent, and in which slots they are. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "shunt/cli.h"

#define BAR_COLUMNS 40
#define LABEL_MAX 24

/* "< 5 s", "< 5 m"; of the last one: "longer" */
static const char *idle_label(const json_t *bucket, char label[LABEL_MAX])
{
	int64_t below_s = get_number(bucket, "below_s");

	if (!json_is_integer(json_object_get(bucket, "below_s")))
		snprintf(label, LABEL_MAX, "longer");
	else if (below_s % 60 == 0)
		snprintf(label, LABEL_MAX, "< %" PRId64 " m", below_s / 60);
	else
		snprintf(label, LABEL_MAX, "< %" PRId64 " s", below_s);
	return label;
}

static int64_t idle_of(const json_t *backend, size_t i)
{
	return get_number(json_array_get(json_object_get(backend, "idle"), i), "flows");
}

/* All backends of the document together, a bar a bucket. */
static void print_histogram(const struct cli *cli, const json_t *backends)
{
	const json_t *buckets = json_object_get(json_array_get(backends, 0), "idle");
	struct table table = {.n_columns = 3, .right = {true, true, false}, .header = {"SILENT FOR", "FLOWS", ""}};
	int64_t most = 1, sums[16] = {0};
	size_t n = json_array_size(buckets), b;
	json_t *backend;

	for (size_t i = 0; i < n && i < 16; i++) {
		json_array_foreach(backends, b, backend)
			sums[i] += idle_of(backend, i);
		most = sums[i] > most ? sums[i] : most;
	}
	for (size_t i = 0; i < n && i < 16; i++) {
		char label[LABEL_MAX], bar[BAR_COLUMNS * 3 + 1] = "";
		int columns = (int)((sums[i] * BAR_COLUMNS + most - 1) / most);

		for (int column = 0; column < columns; column++)
			strcat(bar, cli->style.utf8 ? "▇" : "#");
		table_put(&table, DIM, "%s", idle_label(json_array_get(buckets, i), label));
		table_put(&table, PLAIN, "%" PRId64, sums[i]);
		table_put(&table, GREEN, "%s", bar);
	}
	table_print(&table, &cli->style, stdout);
}

static void print_backends(const struct cli *cli, const json_t *backends)
{
	struct table table = {
		.n_columns = 6,
		.right = {false, true, true, true, true, true},
		.header = {"BACKEND", "FLOWS", "ONE PACKET", "SETTLED", "MOVING", "RESOLVING"},
	};
	json_t *backend;
	size_t i;

	json_array_foreach(backends, i, backend) {
		const json_t *slots = json_object_get(backend, "slots");

		table_put(&table, BOLD, "%s", get_text(backend, "name"));
		table_put(&table, PLAIN, "%" PRId64, get_number(backend, "flows"));
		table_put(&table, PLAIN, "%" PRId64, get_number(backend, "one_packet"));
		table_put(&table, PLAIN, "%" PRId64, get_number(slots, "settled"));
		table_put(&table, PLAIN, "%" PRId64, get_number(slots, "moving"));
		table_put(&table, PLAIN, "%" PRId64, get_number(slots, "resolving"));
	}
	table_print(&table, &cli->style, stdout);
}

int command_flows(struct cli *cli)
{
	const char *name = cli->option[OPTION_BACKEND];
	_cleanup_(freep) char *escaped = name ? client_escape(cli->client, name) : NULL, *path = NULL;
	json_t *answer = NULL;
	const json_t *backends;
	long status;
	int r;

	if (asprintf(&path, "/api/v1/flows%s%s", name ? "?backend=" : "", escaped ?: "") < 0)
		return cli_fail(EXIT_REFUSED, "out of memory");
	r = cli_ask(cli, "GET", path, NULL, &status, &answer);
	if (r != EXIT_DONE)
		return r;
	backends = json_object_get(answer, "backends");
	if (status != 200) {
		r = cli_refused(cli, status, answer);
		if (status == 404 && name)
			cli_suggest(cli, "backends", name);
	} else if (cli->json) {
		cli_print_json(answer);
	} else {
		printf("%" PRId64 " live pinned flow%s, room for %" PRId64 "; flows of settled slots need no pin\n\n",
		       get_number(answer, "flows"), plural((uint64_t)get_number(answer, "flows")), get_number(answer, "capacity"));
		print_histogram(cli, backends);
		putchar('\n');
		print_backends(cli, backends);
	}
	json_decref(answer);
	return r;
}
