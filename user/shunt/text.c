/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Decides where lines break and what a number looks like. */
#include <errno.h>
#include <inttypes.h>
#include <langinfo.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/number.h"
#include "shunt/text.h"

#define LAST_COLUMN_MIN 24     /* narrower than this, the last column goes below its row */

static const char *const escapes[] = {
	[PLAIN] = "", [BOLD] = "\033[1m", [DIM] = "\033[2m", [RED] = "\033[1;31m", [YELLOW] = "\033[33m",
	[GREEN] = "\033[32m",
};

static const struct {
	const char *utf8, *ascii;
} signs[] = {
	[SIGN_UP] = {"✓", "+"},  [SIGN_DOWN] = {"✗", "x"},    [SIGN_PARTLY] = {"~", "~"},
	[SIGN_OUT] = {"–", "-"}, [SIGN_UNKNOWN] = {"?", "?"}, [SIGN_BRANCH] = {"└", "`-"},
	[SIGN_DOT] = {"·", "-"}, [SIGN_ARROW] = {"→", "->"},
};

struct style style_of(FILE *to)
{
	const char *no_color = getenv("NO_COLOR"), *columns = getenv("COLUMNS");
	struct style style = {.width = 80};
	struct winsize size;
	uint64_t number;

	style.terminal = isatty(fileno(to));
	style.colour = style.terminal && !(no_color && *no_color);
	style.utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
	if (columns && number_parse(columns, 1, 1000, &number) == 0)
		style.width = (int)number;
	if (style.terminal && ioctl(fileno(to), TIOCGWINSZ, &size) == 0 && size.ws_col)
		style.width = size.ws_col;
	if (style.width < 40)
		style.width = 40;
	return style;
}

const char *sign_text(const struct style *style, enum sign sign)
{
	return style->utf8 ? signs[sign].utf8 : signs[sign].ascii;
}

/* One a code point: enough for the names that a configuration accepts and the signs used here. */
int text_columns(const char *text)
{
	int columns = 0;

	for (; *text; text++)
		columns += (*text & 0xc0) != 0x80;
	return columns;
}

/* What servers say must not steer the terminal. */
static void tame(char *text)
{
	for (; *text; text++)
		if (((unsigned char)*text < ' ' && *text != NO_BREAK) || *text == 0x7f)
			*text = '?';
}

static void put_coloured(FILE *to, const struct style *style, enum colour colour, const char *text, size_t length)
{
	bool coloured = style->colour && colour != PLAIN && length;

	fprintf(to, "%s%.*s%s", coloured ? escapes[colour] : "", (int)length, text, coloured ? "\033[0m" : "");
}

static void put_word(struct paragraph *paragraph, enum colour colour, const char *word, size_t length)
{
	_cleanup_(freep) char *copy = strndup(word, length);
	int columns = text_columns(copy ?: "");

	for (char *c = copy; c && (c = strchr(c, NO_BREAK));)
		*c = ' ';
	if (paragraph->space && paragraph->column > paragraph->indent &&
	    paragraph->column + 1 + columns > paragraph->style->width) {
		fprintf(paragraph->to, "\n%*s", paragraph->indent, "");
		paragraph->column = paragraph->indent;
	} else if (paragraph->space) {
		fputc(' ', paragraph->to);
		paragraph->column++;
	}
	put_coloured(paragraph->to, paragraph->style, colour, copy ?: "", copy ? length : 0);
	paragraph->column += columns;
	paragraph->space = false;
}

void paragraph_put(struct paragraph *paragraph, enum colour colour, const char *format, ...)
{
	_cleanup_(freep) char *text = NULL;
	va_list arguments;

	va_start(arguments, format);
	if (vasprintf(&text, format, arguments) < 0)
		text = NULL;
	va_end(arguments);
	if (!text)
		return;
	tame(text);
	for (const char *c = text; *c;) {
		size_t length = strcspn(c, " ");

		if (length)
			put_word(paragraph, colour, c, length);
		else
			paragraph->space = true;
		c += length ?: 1;
	}
}

void paragraph_end(struct paragraph *paragraph)
{
	fputc('\n', paragraph->to);
}

/* ---- tables ---- */

void table_put(struct table *table, enum colour colour, const char *format, ...)
{
	struct cell *grown;
	va_list arguments;
	char *text;

	va_start(arguments, format);
	if (vasprintf(&text, format, arguments) < 0)
		text = NULL;
	va_end(arguments);
	grown = realloc(table->cells, (table->n_cells + 1) * sizeof(*grown));
	if (!grown || !text)
		abort(); /* a CLI without memory */
	tame(text);
	table->cells = grown;
	table->cells[table->n_cells++] = (struct cell){colour, text};
}

/* Wraps; with hardly any room left it goes below the row. */
static void print_last_cell(const struct table *table, const struct cell *cell, int width, int column, int pending,
			    const struct style *style, FILE *to)
{
	bool fits = column + text_columns(cell->text) <= style->width;
	bool cramped = !fits && style->width - column < LAST_COLUMN_MIN;
	struct paragraph paragraph = {to, style, column, column, false};

	if (cramped) {
		fputc('\n', to);
		pending = paragraph.column = paragraph.indent = table->indent + 4;
	}
	if (table->right[table->n_columns - 1])
		pending += width - text_columns(cell->text);
	fprintf(to, "%*s", pending, "");
	paragraph_put(&paragraph, cell->colour, "%s", cell->text);
}

static void print_row(const struct table *table, const struct cell *row, const int *widths, const struct style *style,
		      FILE *to)
{
	size_t last = table->n_columns - 1;
	int column = table->indent, pending = table->indent;

	for (size_t i = 0; i < last; i++) {
		int padding = widths[i] - text_columns(row[i].text);

		if (!widths[i])
			continue;
		/* by the widths, not by what is in this row: the same columns of all rows, and of the header, go below */
		if (style->terminal && column > table->indent && column + widths[i] > style->width) {
			fputc('\n', to);
			pending = column = table->indent + 4;
		}
		if (table->right[i])
			pending += padding;
		if (*row[i].text) {
			fprintf(to, "%*s", pending, "");
			put_coloured(to, style, row[i].colour, row[i].text, strlen(row[i].text));
			pending = 0;
		}
		/* blanks are due only when something follows: no blanks at the end of a line */
		pending += (table->right[i] ? 0 : padding) + 2;
		column += widths[i] + 2;
	}
	if (*row[last].text)
		print_last_cell(table, &row[last], widths[last], column, pending, style, to);
	fputc('\n', to);
}

void table_print(struct table *table, const struct style *style, FILE *to)
{
	int widths[TABLE_COLUMNS_MAX] = {};
	struct cell header[TABLE_COLUMNS_MAX];

	if (table->n_columns == 0)
		return;
	for (size_t i = 0; i < table->n_columns && table->header[0]; i++) {
		header[i] = (struct cell){DIM, (char *)table->header[i]};
		widths[i] = text_columns(table->header[i]);
	}
	for (size_t i = 0; i < table->n_cells; i++) {
		int columns = text_columns(table->cells[i].text);

		if (columns > widths[i % table->n_columns])
			widths[i % table->n_columns] = columns;
	}
	if (table->header[0])
		print_row(table, header, widths, style, to);
	for (size_t i = 0; i + table->n_columns <= table->n_cells; i += table->n_columns)
		print_row(table, &table->cells[i], widths, style, to);
	for (size_t i = 0; i < table->n_cells; i++)
		free(table->cells[i].text);
	free(table->cells);
	table->cells = NULL;
	table->n_cells = 0;
}

/* ---- numbers and times ---- */

static const char *scaled(uint64_t number, const char *unit, char buffer[HUMAN_TEXT_MAX])
{
	static const char prefixes[] = "kMGTPE";
	double value = (double)number;
	size_t i = 0;

	if (number < 1000) {
		snprintf(buffer, HUMAN_TEXT_MAX, "%" PRIu64 "%s%s", number, *unit ? " " : "", unit);
		return buffer;
	}
	for (value /= 1000; value >= 999.5 && prefixes[i + 1]; i++)
		value /= 1000;
	snprintf(buffer, HUMAN_TEXT_MAX, "%.*f %c%s", value < 9.95, value, prefixes[i], unit);
	return buffer;
}

const char *human_count(uint64_t count, char buffer[HUMAN_TEXT_MAX])
{
	return scaled(count, "", buffer);
}

const char *human_bytes(uint64_t bytes, char buffer[HUMAN_TEXT_MAX])
{
	return scaled(bytes, "B", buffer);
}

const char *human_age(int64_t ms, char buffer[HUMAN_TEXT_MAX])
{
	static const struct {
		int64_t seconds;
		char unit;
	} units[] = {{86400, 'd'}, {3600, 'h'}, {60, 'm'}, {1, 's'}};
	int64_t seconds = ms > 0 ? ms / 1000 : 0;
	size_t i = 0;

	while (units[i].seconds > 1 && seconds < units[i].seconds)
		i++;
	snprintf(buffer, HUMAN_TEXT_MAX, "%" PRId64 "%c", seconds / units[i].seconds, units[i].unit);
	return buffer;
}

const char *plural(uint64_t n)
{
	return n == 1 ? "" : "s";
}
