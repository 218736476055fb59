/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* trace: packets with what was decided of each, a line a packet, or into a file for Wireshark. */
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/choice.h"
#include "base/cleanup.h"
#include "base/drop_reason.h"
#include "base/number.h"
#include "shunt/cli.h"
#include "shunt/pcapng.h"

#define POLL_MS 100

struct trace {
	struct cli *cli;
	char *watcher;
	struct pcapng *file;       /* NULL: lines */
	uint64_t count, shown, lost;
};

static volatile sig_atomic_t interrupted;

static void interrupt(int signal)
{
	(void)signal;
	interrupted = 1;
}

/* "2026-01-31T12:00:00.123456Z" → "12:00:00.123456" */
static void print_line(const struct cli *cli, const json_t *packet)
{
	const char *time = get_text(packet, "time"), *verdict = get_text(packet, "verdict");
	const char *backend = get_text(packet, "backend");
	bool dropped = strcmp(verdict, "dropped") == 0;
	struct style style = cli->style;
	struct paragraph line = {stdout, &style, 0, 0, false};

	if (!style.terminal)
		style.width = INT_MAX; /* a line a packet, for grep and awk */
	paragraph_put(&line, DIM, "%.15s", strlen(time) > 26 ? time + 11 : time);
	line.indent = line.column + 1; /* what does not fit goes on below the flow */
	paragraph_put(&line, PLAIN, " %s %s > %s", get_text(packet, "protocol"), get_text(packet, "source"),
		      get_text(packet, "destination"));
	paragraph_put(&line, dropped ? RED : GREEN, " %s", verdict);
	paragraph_put(&line, dropped ? RED : PLAIN, " %s", get_text(packet, "reason"));
	if (*get_text(packet, "slot_state"))
		paragraph_put(&line, DIM, " slot%c%" PRId64 "%c%s", NO_BREAK, get_number(packet, "slot"), NO_BREAK,
			      get_text(packet, "slot_state"));
	if (*backend)
		paragraph_put(&line, BOLD, " %s", backend);
	if (*backend && !dropped)
		paragraph_put(&line, PLAIN, " %s", get_text(packet, "mode"));
	paragraph_end(&line);
}

static int show(struct trace *trace, const json_t *packet)
{
	trace->shown++;
	if (trace->file)
		return pcapng_put(trace->file, packet) < 0 ? cli_fail(EXIT_REFUSED, "cannot write the file") : EXIT_DONE;
	if (trace->cli->json) {
		json_dumpf(packet, stdout, JSON_COMPACT);
		putchar('\n');
	} else {
		print_line(trace->cli, packet);
	}
	return EXIT_DONE;
}

/* What came since the last time. *ret_any: there was something. */
static int fetch(struct trace *trace, bool *ret_any)
{
	json_t *answer = NULL, *packet, *packets;
	int r = cli_get(trace->cli, "trace", trace->watcher, &answer);
	size_t i;

	if (r != EXIT_DONE)
		return r;
	packets = json_object_get(answer, "packets");
	*ret_any = json_array_size(packets) > 0;
	trace->lost += (uint64_t)get_number(answer, "lost");
	json_array_foreach(packets, i, packet)
		if (r == EXIT_DONE && (!trace->count || trace->shown < trace->count))
			r = show(trace, packet);
	json_decref(answer);
	return fflush(stdout) == 0 ? r : EXIT_REFUSED;
}

static int watch(struct trace *trace)
{
	const struct timespec pause = {0, POLL_MS * 1000000L};
	const struct sigaction action = {.sa_handler = interrupt}; /* without SA_RESTART: ends the pause */
	bool any;
	int r = EXIT_DONE;

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	while (!interrupted && r == EXIT_DONE && (!trace->count || trace->shown < trace->count)) {
		r = fetch(trace, &any);
		if (r == EXIT_DONE && !any)
			nanosleep(&pause, NULL);
	}
	return r;
}

/* A reason that there is not; like it: of drops and of choices. */
static void suggest_reason(const char *reason)
{
	const char *names[SHUNT_DROP_REASON_COUNT + 32], *nearest;
	size_t n = 0;

	for (uint32_t i = SHUNT_DROP_NONE + 1; i < SHUNT_DROP_REASON_COUNT; i++)
		names[n++] = drop_reason_label(i);
	for (uint32_t i = SHUNT_CHOICE_NONE + 1; choice_label(i) && n < sizeof(names) / sizeof(*names); i++)
		names[n++] = choice_label(i);
	nearest = nearest_name(reason, names, n);
	if (nearest && strcmp(nearest, reason) != 0)
		cli_fail(EXIT_REFUSED, "did you mean \"%s\"?", nearest);
}

static int begin(struct trace *trace)
{
	struct cli *cli = trace->cli;
	const char *const filters[][2] = {
		{"service", cli->option[OPTION_SERVICE]},
		{"backend", cli->option[OPTION_BACKEND]},
		{"client", cli->option[OPTION_CLIENT]},
		{"reason", cli->option[OPTION_REASON]},
	};
	json_t *body = json_pack("{s:b}", "bytes", cli->option[OPTION_WRITE] != NULL), *answer = NULL;
	long status = 0;
	int r;

	for (size_t i = 0; i < sizeof(filters) / sizeof(*filters); i++)
		if (filters[i][1])
			json_object_set_new(body, filters[i][0], json_string(filters[i][1]));
	r = cli_ask(cli, "POST", "/api/v1/trace", body, &status, &answer);
	json_decref(body);
	if (r == EXIT_DONE && status != 200) {
		r = cli_refused(cli, status, answer);
		if (status == 404 && cli->option[OPTION_SERVICE])
			cli_suggest(cli, "services", cli->option[OPTION_SERVICE]);
		if (status == 404 && cli->option[OPTION_BACKEND])
			cli_suggest(cli, "backends", cli->option[OPTION_BACKEND]);
		if (status == 400 && cli->option[OPTION_REASON])
			suggest_reason(cli->option[OPTION_REASON]);
	} else if (r == EXIT_DONE) {
		trace->watcher = strdup(get_text(answer, "watcher"));
	}
	json_decref(answer);
	return r;
}

static void end(struct trace *trace)
{
	json_t *answer = NULL;
	long status;
	char *path = client_path(trace->cli->client, "trace", trace->watcher, NULL);

	if (path && client_call(trace->cli->client, "DELETE", path, NULL, &status, &answer) == 0)
		json_decref(answer);
	free(path);
	if (trace->lost)
		fprintf(stderr, "shunt: %" PRIu64 " packet%s more, not shown: over the rate\n", trace->lost,
			plural(trace->lost));
}

int command_trace(struct cli *cli)
{
	struct trace trace = {.cli = cli};
	int r = EXIT_DONE;

	if (cli->option[OPTION_COUNT_OF] && number_parse(cli->option[OPTION_COUNT_OF], 1, INT64_MAX, &trace.count) < 0)
		return cli_fail(EXIT_USAGE, "-c takes a whole number from 1, not \"%s\"", cli->option[OPTION_COUNT_OF]);
	r = begin(&trace);
	/* Only now: a file that is there stays when the controller refuses. */
	if (r == EXIT_DONE && cli->option[OPTION_WRITE]) {
		trace.file = pcapng_open(cli->option[OPTION_WRITE]);
		if (!trace.file)
			r = cli_fail(EXIT_REFUSED, "cannot write %s: %m", cli->option[OPTION_WRITE]);
	}
	if (r == EXIT_DONE)
		r = watch(&trace);
	if (trace.watcher)
		end(&trace);
	if (trace.file && pcapng_close(trace.file) < 0 && r == EXIT_DONE)
		r = cli_fail(EXIT_REFUSED, "cannot write %s: %m", cli->option[OPTION_WRITE]);
	if (r == EXIT_DONE && cli->option[OPTION_WRITE])
		fprintf(stderr, "shunt: %" PRIu64 " packet%s, as %s came and as %s left, in %s\n", trace.shown,
			plural(trace.shown), trace.shown == 1 ? "it" : "they", trace.shown == 1 ? "it" : "they",
			cli->option[OPTION_WRITE]);
	free(trace.watcher);
	return r;
}
