/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* `shunt top` on the terminal, by ncursesw: where things stand and how they look. Decides nothing. */
#include <curses.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "shunt/top.h"

#define HEAD_ROWS 3
#define EVENT_ROWS_MAX 5       /* with their title */
#define NAME_COLUMNS_MIN 14
#define STATE_COLUMNS 18
#define COUNT_COLUMNS 8
#define ROWS_FOR_EVENTS 16     /* a lower terminal shows no events */

static bool has_colour;
static SCREEN *terminal;

int top_draw_open(bool colour)
{
	terminal = newterm(NULL, stdout, stdin);
	if (!terminal)
		return -ENOTTY;
	set_term(terminal);
	set_escdelay(50);
	cbreak();
	noecho();
	keypad(stdscr, TRUE);
	curs_set(0);
	has_colour = colour && has_colors();
	if (has_colour) {
		start_color();
		use_default_colors();
		init_pair(RED, COLOR_RED, -1);
		init_pair(YELLOW, COLOR_YELLOW, -1);
		init_pair(GREEN, COLOR_GREEN, -1);
	}
	return 0;
}

void top_draw_close(void)
{
	endwin();
	delscreen(terminal);
}

static attr_t look(enum colour colour)
{
	switch (colour) {
	case BOLD:
		return A_BOLD;
	case DIM:
		return A_DIM;
	case RED:
		return (has_colour ? (attr_t)COLOR_PAIR(RED) : 0) | A_BOLD;
	case YELLOW:
		return has_colour ? (attr_t)COLOR_PAIR(YELLOW) : A_BOLD;
	case GREEN:
		return has_colour ? (attr_t)COLOR_PAIR(GREEN) : 0;
	default:
		return 0;
	}
}

/* Bytes of the first `columns` characters. What servers say must not steer the terminal: ncurses shows it as ^X. */
static int bytes_of(const char *text, int columns)
{
	int bytes = 0;

	while (text[bytes] && (columns > 0 || (text[bytes] & 0xc0) == 0x80))
		columns -= (text[bytes++ + 1] & 0xc0) != 0x80;
	return bytes;
}

/* In a field of that width, cut when it is longer; columns < 0: right-aligned. */
static void put(int y, int x, int columns, attr_t attributes, const char *text)
{
	int width = columns < 0 ? -columns : columns, length = text_columns(text), room = COLS - x;

	width = width < room ? width : room;
	if (width <= 0)
		return;
	attron(attributes);
	if (length > width && columns > 0 && width > 1)
		mvprintw(y, x, "%.*s~", bytes_of(text, width - 1), text);
	else
		mvprintw(y, columns < 0 && length < width ? x + width - length : x, "%.*s", bytes_of(text, width), text);
	attroff(attributes);
}

/* Of names that are too long, the end says which one it is: they are cut in the middle. */
static void put_name(int y, int columns, attr_t attributes, const char *name)
{
	int length = text_columns(name), tail = columns / 2;
	char shorter[256];

	if (length <= columns || columns < 3) {
		put(y, 0, columns, attributes, name);
		return;
	}
	snprintf(shorter, sizeof(shorter), "%.*s~%s", bytes_of(name, columns - tail - 1), name, name + bytes_of(name, length - tail));
	put(y, 0, columns, attributes, shorter);
}

/* ---- the head ---- */

static void draw_head(const struct top_screen *screen, const struct top_totals *totals)
{
	const json_t *now = screen->model->now, *table = json_object_get(now, "flow_table");
	const char *dot = sign_text(screen->model->style, SIGN_DOT);
	const json_t *interface = json_array_get(json_object_get(now, "interfaces"), 0);
	char a[HUMAN_TEXT_MAX], b[HUMAN_TEXT_MAX], c[HUMAN_TEXT_MAX], d[HUMAN_TEXT_MAX], line[256];

	snprintf(line, sizeof(line), "shunt %s on %s %s %s %s %s up %s", get_text(now, "version"), get_text(now, "node"), dot,
		 get_text(interface, "name"), get_text(interface, "mode"), dot,
		 human_age(screen->model->now_ms - get_time(now, "started"), a));
	put(0, 0, COLS, A_BOLD, line);
	if (*screen->problem)
		snprintf(line, sizeof(line), " not reached: %.40s ", screen->problem);
	else if (screen->paused)
		snprintf(line, sizeof(line), " PAUSED ");
	else
		snprintf(line, sizeof(line), "every %.3g s", (double)screen->every_ms / 1000);
	put(0, COLS - text_columns(line), -text_columns(line),
	    *screen->problem ? look(RED) | A_REVERSE : screen->paused ? A_REVERSE : look(DIM), line);
	snprintf(line, sizeof(line), "%s packets/s %s %s/s %s %s new flows/s %s %s of %s flows remembered",
		 human_count(totals->packets, a), dot, human_bytes(totals->bytes, b), dot, human_count(totals->new_flows, c), dot,
		 human_count((uint64_t)get_number(table, "entries"), d),
		 human_count((uint64_t)get_number(table, "capacity"), (char[HUMAN_TEXT_MAX]){}));
	put(1, 0, COLS, 0, line);
}

static void draw_trouble(const struct top_screen *screen, const struct top_totals *totals)
{
	const char *dot = sign_text(screen->model->style, SIGN_DOT);
	char a[HUMAN_TEXT_MAX], line[160];
	int x;

	snprintf(line, sizeof(line), "%" PRId64 " slots moving, %" PRId64 " resolving", totals->moving, totals->resolving);
	put(2, 0, COLS, totals->moving ? look(YELLOW) : 0, line);
	x = text_columns(line) + 1;
	put(2, x, 1, 0, dot);
	if (totals->drops)
		snprintf(line, sizeof(line), "%s drops/s, mostly %s", human_count(totals->drops, a), totals->worst_drop);
	else
		snprintf(line, sizeof(line), "no drops");
	put(2, x + 2, COLS, totals->drops ? look(YELLOW) : 0, line);
}

/* ---- the list ---- */

static int events_height(const struct top_screen *screen)
{
	return LINES < ROWS_FOR_EVENTS || screen->model->view == TOP_EVENTS ? 0 : EVENT_ROWS_MAX;
}

size_t top_draw_page(const struct top_screen *screen)
{
	int rows = LINES - HEAD_ROWS - 2 - events_height(screen);

	return rows > 0 ? (size_t)rows : 1;
}

static void draw_row(int y, const struct top_row *row, bool selected)
{
	attr_t all = selected ? A_REVERSE : row->kind == TOP_HEADING ? look(DIM) | A_UNDERLINE : 0;
	int spare = COLS - 80, name = NAME_COLUMNS_MIN + (spare > 0 ? (spare > 24 ? 12 : spare / 2) : 0), x = name + 2;

	if (all)
		mvhline(y, 0, ' ' | (chtype)all, COLS);
	if (row->kind == TOP_EVENT) {
		put(y, 0, 8, all | look(DIM), row->name);
		put(y, 10, COLS - 10, all, row->note);
		return;
	}
	if (!*row->counts[1]) { /* of drops: two numbers, and room for the reason */
		put(y, 0, 18, all | (row->kind == TOP_HEADING ? 0 : A_BOLD), row->name);
		put(y, 18, -COUNT_COLUMNS, all, row->state);
		put(y, 18 + COUNT_COLUMNS, -COUNT_COLUMNS, all | (selected ? 0 : look(row->colour)), row->counts[0]);
		put(y, 20 + 2 * COUNT_COLUMNS, COLS, all, row->note);
		return;
	}
	put_name(y, name, all | (row->kind == TOP_HEADING ? 0 : A_BOLD), row->name);
	put(y, x, STATE_COLUMNS, all | (selected ? 0 : look(row->colour)), row->state);
	x += STATE_COLUMNS;
	for (size_t i = 0; i < 3; i++, x += COUNT_COLUMNS)
		put(y, x, -COUNT_COLUMNS, all, row->counts[i]);
	put(y, x + 2, COLS - x - 2, all, row->note);
}

/* The heading of a section goes with its first row; the chosen row is always in sight. */
static void draw_list(struct top_screen *screen)
{
	size_t page = top_draw_page(screen), n = screen->rows->n;

	if (screen->selected >= screen->first + page)
		screen->first = screen->selected - page + 1;
	if (screen->selected < screen->first)
		screen->first = screen->selected;
	if (screen->first == 1)
		screen->first = 0;
	if (screen->first + page > n)
		screen->first = n > page ? n - page : 0;
	for (size_t i = 0; i < page && screen->first + i < n; i++) {
		const struct top_row *row = &screen->rows->list[screen->first + i];

		draw_row(HEAD_ROWS + 1 + (int)i, row, screen->first + i == screen->selected && row->kind != TOP_HEADING);
	}
}

static void draw_title(const struct top_screen *screen)
{
	const struct top_model *model = screen->model;
	size_t shown = 0;
	char line[160];
	int x = 0;

	for (enum top_view view = 0; view < TOP_VIEWS; view++) {
		snprintf(line, sizeof(line), " %d %s ", (int)view + 1, top_view_text(view));
		put(HEAD_ROWS, x, text_columns(line), view == model->view ? A_REVERSE | A_BOLD : look(DIM), line);
		x += text_columns(line);
	}
	for (size_t i = 0; i < screen->rows->n; i++)
		shown += screen->rows->list[i].kind != TOP_HEADING;
	if (screen->typing_filter || *model->filter)
		snprintf(line, sizeof(line), "/%s%s %zu", model->filter, screen->typing_filter ? "_" : "", shown);
	else
		snprintf(line, sizeof(line), "%s%s", top_sort_text(model->sort), model->reversed ? ", reversed" : "");
	put(HEAD_ROWS, COLS - text_columns(line), -text_columns(line), screen->typing_filter || *model->filter ? A_BOLD : look(DIM), line);
}

/* ---- below it ---- */

static void draw_events(const struct top_screen *screen)
{
	struct top_model model = *screen->model;
	int height = events_height(screen), y = LINES - 1 - height;
	struct top_rows rows;

	if (!height)
		return;
	model.view = TOP_EVENTS;
	model.filter = "";
	top_rows_make(&model, &rows);
	mvhline(y, 0, ' ' | (chtype)(look(DIM) | A_UNDERLINE), COLS);
	put(y, 0, COLS, look(DIM) | A_UNDERLINE, "LAST EVENTS (UTC)");
	for (int i = 0; i + 1 < height && (size_t)i < rows.n; i++)
		draw_row(y + 1 + i, &rows.list[i], false);
	free(rows.list);
}

static void draw_foot(const struct top_screen *screen)
{
	if (*screen->question)
		put(LINES - 1, 0, COLS, look(YELLOW) | A_REVERSE, screen->question);
	else if (screen->typing_filter)
		put(LINES - 1, 0, COLS, look(DIM), "what to look for; Enter keeps it, Esc shows all again");
	else if (*screen->message)
		put(LINES - 1, 0, COLS, look(screen->message_is_bad ? RED : GREEN), screen->message);
	else
		put(LINES - 1, 0, COLS, look(DIM), "q quit  ? help  Tab view  s sort  / filter  p pause  d drain  f failover");
}

static void draw_help(void)
{
	static const char *const lines[] = {
		"  1 … 6, Tab       what is listed",
		"  arrows, PgUp …   choose a line",
		"  s, r             sort by the next column; the other way round",
		"  /                only what has this text; Esc: all again",
		"  p, blank         pause, go on",
		"  + -              more and less often",
		"",
		"  d  drain         the chosen backend gets no new flows, keeps its own",
		"  m  maint         the chosen backend is out at once",
		"  y  ready         takes back drain and maint",
		"  f  failover      of the chosen group to the next best backend;",
		"                   on a backend: of its group onto this one",
		"  b  failback      of the chosen group to its primary",
		"                   each is asked again before it is done",
		"  q                ends",
	};

	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++)
		put(HEAD_ROWS + 2 + (int)i, 0, COLS, 0, lines[i]);
}

void top_draw(struct top_screen *screen)
{
	struct top_totals totals;

	erase();
	top_totals_make(screen->model, &totals);
	draw_head(screen, &totals);
	draw_trouble(screen, &totals);
	draw_title(screen);
	if (screen->help) {
		draw_help();
	} else {
		draw_list(screen);
		draw_events(screen);
	}
	draw_foot(screen);
	refresh();
}
