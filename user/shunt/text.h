/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* How text reaches a terminal: colours, columns, wrapping, tables, and numbers for people. Knows nothing of shunt. */
#ifndef SHUNT_CLI_TEXT_H
#define SHUNT_CLI_TEXT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum colour { PLAIN, BOLD, DIM, RED, YELLOW, GREEN };

enum sign { SIGN_UP, SIGN_DOWN, SIGN_PARTLY, SIGN_OUT, SIGN_UNKNOWN, SIGN_BRANCH, SIGN_DOT, SIGN_ARROW };

struct style {
	bool colour;               /* a terminal, and NO_COLOR is not set (no-color.org) */
	bool utf8;                 /* the locale's character set */
	int width;                 /* columns: of the terminal, else COLUMNS, else 80 */
	bool terminal;             /* rows that are wider go on in another line; grep and awk want them whole */
};

struct style style_of(FILE *to);
const char *sign_text(const struct style *style, enum sign sign);
int text_columns(const char *text);

#define NO_BREAK '\x01'         /* a blank where text does not wrap */

/* Running text that breaks between words; continued lines start at `indent`. */
struct paragraph {
	FILE *to;
	const struct style *style;
	int column, indent;        /* column: where the next word would go */
	bool space;                /* a blank is due before it */
};

/* Appends words; blanks in `text` are where it may break, a leading one too. Control characters become '?'. */
void paragraph_put(struct paragraph *paragraph, enum colour colour, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void paragraph_end(struct paragraph *paragraph);

#define TABLE_COLUMNS_MAX 12

struct table {
	size_t n_columns;
	const char *header[TABLE_COLUMNS_MAX]; /* all NULL: no header */
	bool right[TABLE_COLUMNS_MAX];         /* numbers stand to the right */
	int indent;
	struct cell {
		enum colour colour;
		char *text;
	} *cells;
	size_t n_cells;
};

/* Appends a cell, row by row. */
void table_put(struct table *table, enum colour colour, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* Prints and empties it. The last column wraps; without a header it goes below its row when room is short. */
void table_print(struct table *table, const struct style *style, FILE *to);

#define HUMAN_TEXT_MAX 32

const char *human_count(uint64_t count, char buffer[HUMAN_TEXT_MAX]);  /* 999, 1.2 k, 3.4 M */
const char *human_bytes(uint64_t bytes, char buffer[HUMAN_TEXT_MAX]);  /* 999 B, 1.2 kB, 3.4 MB */
const char *human_age(int64_t ms, char buffer[HUMAN_TEXT_MAX]);        /* 5s, 12m, 3h, 2d: one unit, rounded down */
const char *plural(uint64_t n);                                        /* "" for 1, else "s" */

#endif
