/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* top: keys and time. What to list is top_rows.c's, how it looks top_draw.c's; whatever ends it, the terminal is as it was. */
#include <curses.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/duration.h"
#include "shunt/top.h"

#define INTERVAL_DEFAULT_MS 1000
#define INTERVAL_MIN_MS 100
#define INTERVAL_MAX_MS 60000
#define EVENTS_KEPT 200
#define FILTER_MAX 40
#define MESSAGE_MS 5000        /* how long what came of a command is told */
#define KEY_ESCAPE 27

/* A command that waits for its y. */
struct command_asked {
	const char *kind, *action; /* of the API; NULL: nothing is asked */
	char name[64], to[64];
};

struct top {
	struct cli *cli;
	struct top_model model;
	struct top_rows rows;
	struct top_screen screen;
	struct command_asked asked;
	enum top_kind chosen_kind; /* the chosen row by what it is, not by where */
	char chosen[64];
	char filter[FILTER_MAX + 1], question[256], message[256], problem[128];
	uint64_t fetched_ms, next_ms, told_ms, event_id;
	bool ended;
};

static volatile sig_atomic_t interrupted;

static void interrupt(int signal)
{
	(void)signal;
	interrupted = 1;
}

/* ---- what there is ---- */

static json_t *fetch(struct top *top, const char *path)
{
	json_t *document = NULL;
	long status = 0;

	if (client_call(top->cli->client, "GET", path, NULL, &status, &document) < 0) {
		snprintf(top->problem, sizeof(top->problem), "%s", client_reason(top->cli->client));
		return NULL;
	}
	if (status == 200 && document)
		return document;
	snprintf(top->problem, sizeof(top->problem), "%s", *get_text(document, "error") ? get_text(document, "error") : "no answer of shuntd");
	json_decref(document);
	return NULL;
}

static void fetch_events(struct top *top)
{
	size_t n = 1;

	while (n) {
		_cleanup_(freep) char *path = NULL;
		json_t *page = asprintf(&path, "/api/v1/events?since=%" PRIu64, top->event_id) < 0 ? NULL : fetch(top, path);

		n = json_array_size(page);
		if (n)
			top->event_id = (uint64_t)get_number(json_array_get(page, n - 1), "id");
		json_array_extend(top->model.events, page);
		json_decref(page);
	}
	while (json_array_size(top->model.events) > EVENTS_KEPT)
		json_array_remove(top->model.events, 0);
}

static void look(struct top *top)
{
	uint64_t now_ms = clock_monotonic_ms();
	json_t *now = fetch(top, "/api/v1/status");

	top->next_ms = now_ms + top->screen.every_ms;
	if (!now)
		return;
	*top->problem = '\0';
	json_decref(top->model.before);
	top->model.before = top->model.now;
	top->model.now = now;
	top->model.seconds = (double)(now_ms - top->fetched_ms) / 1000;
	top->model.now_ms = clock_wall_ms();
	top->fetched_ms = now_ms;
	fetch_events(top);
}

/* ---- the chosen row ---- */

static struct top_row *chosen(const struct top *top)
{
	return top->screen.selected < top->rows.n ? &top->rows.list[top->screen.selected] : NULL;
}

static void remember(struct top *top)
{
	const struct top_row *row = chosen(top);

	if (!row)
		return;
	top->chosen_kind = row->kind;
	snprintf(top->chosen, sizeof(top->chosen), "%s", row->name);
}

/* By `by` rows, over headings. */
static void move_by(struct top *top, long by)
{
	long n = (long)top->rows.n, at = (long)top->screen.selected + by, step = by < 0 ? -1 : 1;

	at = at < 0 ? 0 : at >= n ? n - 1 : at;
	while (at >= 0 && at < n && top->rows.list[at].kind == TOP_HEADING)
		at += step;
	if (at < 0 || at >= n) { /* only a heading that way: the first row */
		for (at = 0; at < n && top->rows.list[at].kind == TOP_HEADING; at++)
			;
		if (by > 0)
			at = (long)top->screen.selected;
	}
	top->screen.selected = n && at < n ? (size_t)at : 0;
	remember(top);
}

/* The list again; the chosen row stays the chosen one wherever it is now. */
static void rebuild(struct top *top)
{
	size_t found = SIZE_MAX;

	free(top->rows.list);
	top_rows_make(&top->model, &top->rows);
	for (size_t i = 0; i < top->rows.n && *top->chosen; i++)
		if (top->rows.list[i].kind == top->chosen_kind && strcmp(top->rows.list[i].name, top->chosen) == 0)
			found = i;
	if (found != SIZE_MAX)
		top->screen.selected = found;
	else
		move_by(top, 0);
}

/* ---- commands ---- */

static void tell(struct top *top, bool bad, const char *format, ...) __attribute__((format(printf, 3, 4)));
static void tell(struct top *top, bool bad, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(top->message, sizeof(top->message), format, arguments);
	va_end(arguments);
	top->screen.message_is_bad = bad;
	top->told_ms = clock_monotonic_ms();
}

/* The one group that has the backend; NULL with how many there are. */
static const json_t *group_of(const struct top *top, const char *backend, size_t *ret_n)
{
	const json_t *found = NULL;
	json_t *group, *member;
	size_t i, j;

	*ret_n = 0;
	json_array_foreach(json_object_get(top->model.now, "groups"), i, group)
		json_array_foreach(json_object_get(group, "backends"), j, member)
			if (strcmp(get_text(member, "name"), backend) == 0) {
				found = group;
				++*ret_n;
			}
	return *ret_n == 1 ? found : NULL;
}

static void ask(struct top *top, const char *kind, const char *action, const char *name, const char *to, const char *what)
{
	top->asked = (struct command_asked){.kind = kind, .action = action};
	snprintf(top->asked.name, sizeof(top->asked.name), "%s", name);
	snprintf(top->asked.to, sizeof(top->asked.to), "%s", to);
	snprintf(top->question, sizeof(top->question), " %s %s%s%s: %s? y does it, any other key does not ", action, name,
		 *to ? " to " : "", to, what);
}

static void ask_failover(struct top *top, const struct top_row *row)
{
	const json_t *group;
	size_t n;

	if (row->kind == TOP_GROUP) {
		ask(top, "groups", "failover", row->name, "", "onto the next best, until failback");
		return;
	}
	group = group_of(top, row->name, &n);
	if (group)
		ask(top, "groups", "failover", get_text(group, "name"), row->name, "until failback");
	else
		tell(top, true, "%s is in %zu groups: choose the group", row->name, n);
}

static void command_key(struct top *top, int key)
{
	static const struct {
		int key;
		enum top_kind kind;
		const char *action, *what;
	} keys[] = {
		{'d', TOP_BACKEND, "drain", "no new flows, established ones stay"},
		{'m', TOP_BACKEND, "maint", "out at once, its flows move"},
		{'y', TOP_BACKEND, "ready", "takes back drain and maint"},
		{'b', TOP_GROUP, "failback", "to its primary, now"},
	};
	const struct top_row *row = chosen(top);

	if (key == 'f' && row && (row->kind == TOP_GROUP || row->kind == TOP_BACKEND)) {
		ask_failover(top, row);
		return;
	}
	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++)
		if (keys[i].key == key && row && row->kind == keys[i].kind)
			ask(top, keys[i].kind == TOP_GROUP ? "groups" : "backends", keys[i].action, row->name, "", keys[i].what);
		else if (keys[i].key == key)
			tell(top, true, "%s is for a %s: choose one", keys[i].action, keys[i].kind == TOP_GROUP ? "group" : "backend");
	if (key == 'f')
		tell(top, true, "failover is for a group, or a backend of one: choose one");
}

static void confirm(struct top *top, int key)
{
	const struct command_asked asked = top->asked;
	_cleanup_(freep) char *path = NULL;
	json_t *body = NULL, *answer = NULL;
	long status = 0;

	top->asked.kind = NULL;
	*top->question = '\0';
	if (key != 'y' && key != 'Y') {
		tell(top, false, "nothing was done");
		return;
	}
	if (*asked.to)
		body = json_pack("{s:s}", "to", asked.to);
	path = client_path(top->cli->client, asked.kind, asked.name, asked.action);
	if (!path || client_call(top->cli->client, "POST", path, body, &status, &answer) < 0)
		tell(top, true, "%s %s: not done: %s", asked.action, asked.name, client_reason(top->cli->client));
	else if (status != 200)
		tell(top, true, "%s %s: refused: %s", asked.action, asked.name, get_text(answer, "error"));
	else
		tell(top, false, "%s %s: done", asked.action, asked.name);
	json_decref(body);
	json_decref(answer);
	look(top);
	rebuild(top);
}

/* ---- keys ---- */

static void filter_key(struct top *top, int key)
{
	size_t length = strlen(top->filter);

	if (key == '\n' || key == '\r' || key == KEY_ENTER || key == KEY_ESCAPE)
		top->screen.typing_filter = false;
	if (key == KEY_ESCAPE)
		*top->filter = '\0';
	else if ((key == KEY_BACKSPACE || key == 127 || key == '\b') && length)
		top->filter[length - 1] = '\0';
	else if (key > ' ' && key < 127 && length < FILTER_MAX) {
		top->filter[length] = (char)key;
		top->filter[length + 1] = '\0';
	}
	rebuild(top);
}

static void set_view(struct top *top, unsigned view)
{
	top->model.view = view % TOP_VIEWS;
	top->screen.first = top->screen.selected = 0;
	rebuild(top);
}

static void set_interval(struct top *top, uint64_t ms)
{
	top->screen.every_ms = ms < INTERVAL_MIN_MS ? INTERVAL_MIN_MS : ms > INTERVAL_MAX_MS ? INTERVAL_MAX_MS : ms;
	top->next_ms = clock_monotonic_ms() + top->screen.every_ms;
}

/* Keys that move; false: it is none of them. */
static bool move_key(struct top *top, int key)
{
	long page = (long)top_draw_page(&top->screen), all = (long)top->rows.n;
	const struct {
		int key, same;
		long by;
	} keys[] = {
		{KEY_DOWN, 'j', 1},   {KEY_UP, 'k', -1},     {KEY_NPAGE, KEY_NPAGE, page},
		{KEY_PPAGE, KEY_PPAGE, -page}, {KEY_HOME, 'g', -all}, {KEY_END, 'G', all},
	};

	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++)
		if (key == keys[i].key || key == keys[i].same) {
			move_by(top, keys[i].by);
			return true;
		}
	return false;
}

static void plain_key(struct top *top, int key)
{
	if (move_key(top, key))
		return;
	switch (key) {
	case 'q':
		top->ended = true;
		break;
	case '?':
	case 'h':
		top->screen.help = !top->screen.help;
		break;
	case 'p':
	case ' ':
		top->screen.paused = !top->screen.paused;
		break;
	case '\t':
		set_view(top, top->model.view + 1);
		break;
	case KEY_BTAB:
		set_view(top, top->model.view + TOP_VIEWS - 1);
		break;
	case '1' ... '6':
		set_view(top, (unsigned)(key - '1'));
		break;
	case 's':
		top->model.sort = (top->model.sort + 1) % TOP_SORTS;
		rebuild(top);
		break;
	case 'r':
		top->model.reversed = !top->model.reversed;
		rebuild(top);
		break;
	case '/':
		top->screen.typing_filter = true;
		break;
	case KEY_ESCAPE:
		*top->filter = '\0';
		top->screen.help = false;
		rebuild(top);
		break;
	case '+':
		set_interval(top, top->screen.every_ms / 2);
		break;
	case '-':
		set_interval(top, top->screen.every_ms * 2);
		break;
	default:
		command_key(top, key);
	}
}

static void key_pressed(struct top *top, int key)
{
	if (key == KEY_RESIZE)
		return;
	if (top->asked.kind)
		confirm(top, key);
	else if (top->screen.typing_filter)
		filter_key(top, key);
	else
		plain_key(top, key);
}

/* ---- the loop ---- */

static void step(struct top *top)
{
	uint64_t now_ms = clock_monotonic_ms();
	int key;

	if (!top->screen.paused && now_ms >= top->next_ms) {
		look(top);
		rebuild(top);
		now_ms = clock_monotonic_ms();
	}
	if (*top->message && now_ms >= top->told_ms + MESSAGE_MS)
		*top->message = '\0';
	top_draw(&top->screen);
	timeout(top->screen.paused || now_ms + INTERVAL_MAX_MS < top->next_ms ? INTERVAL_DEFAULT_MS :
		now_ms < top->next_ms ? (int)(top->next_ms - now_ms) : 0);
	key = getch();
	if (key != ERR)
		key_pressed(top, key);
}

static void run(struct top *top)
{
	const struct sigaction action = {.sa_handler = interrupt}; /* without SA_RESTART: ends the wait for a key */

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGHUP, &action, NULL);
	move_by(top, 0);
	while (!top->ended && !interrupted)
		step(top);
	top_draw_close();
}

/* Without a terminal: the documents, one a line, as `stats --watch` has them. */
static int without_terminal(struct cli *cli)
{
	if (!cli->json)
		return cli_fail(EXIT_USAGE, "top needs a terminal; 'shunt stats' prints the counters, 'shunt --json top' goes on doing so");
	if (!cli->option[OPTION_WATCH])
		cli->option[OPTION_WATCH] = "";
	return watch_run(cli, command_stats);
}

int command_top(struct cli *cli)
{
	struct top top = {.cli = cli, .screen.every_ms = INTERVAL_DEFAULT_MS};
	const char *every = cli->option[OPTION_WATCH];
	json_t *status;
	int r;

	if (every && (duration_parse(every, &top.screen.every_ms) < 0 || top.screen.every_ms < INTERVAL_MIN_MS))
		return cli_fail(EXIT_USAGE, "--interval takes a duration from 100ms, such as 500ms or 5s, not \"%s\"", every);
	if (cli->json || !isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
		return without_terminal(cli);
	r = cli_get(cli, "status", NULL, &status); /* what is wrong is told before the screen is taken */
	if (r != EXIT_DONE)
		return r;
	json_decref(status);
	top.model = (struct top_model){.filter = top.filter, .style = &cli->style};
	top.screen = (struct top_screen){.model = &top.model, .rows = &top.rows, .question = top.question, .message = top.message,
					 .problem = top.problem, .every_ms = top.screen.every_ms};
	if (top_draw_open(cli->style.colour) < 0)
		return cli_fail(EXIT_REFUSED, "the terminal \"%s\" is not known here: set TERM, to xterm for example", getenv("TERM") ?: "");
	top.model.events = json_array();
	look(&top);
	rebuild(&top);
	run(&top);
	free(top.rows.list);
	json_decref(top.model.before);
	json_decref(top.model.now);
	json_decref(top.model.events);
	return EXIT_DONE;
}
