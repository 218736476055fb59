/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The parts of `shunt top`: what there is to show (top_rows.c), how it is drawn (top_draw.c), keys and time (top.c). */
#ifndef SHUNT_CLI_TOP_H
#define SHUNT_CLI_TOP_H

#include "shunt/cli.h"

enum top_view { TOP_ALL, TOP_SERVICES, TOP_GROUPS, TOP_BACKENDS, TOP_DROPS, TOP_EVENTS, TOP_VIEWS };
enum top_sort { TOP_BY_ORDER, TOP_BY_NAME, TOP_BY_PACKETS, TOP_BY_BYTES, TOP_BY_TROUBLE, TOP_SORTS };
enum top_kind { TOP_HEADING, TOP_SERVICE, TOP_GROUP, TOP_BACKEND, TOP_DROP, TOP_EVENT };

/* A line of the list. Of an event only `name` and `note` are set. */
struct top_row {
	enum top_kind kind;
	enum colour colour;        /* of `state` */
	unsigned trouble;          /* the more, the worse */
	size_t order;              /* as the controller tells them */
	uint64_t packets, bytes;   /* a second */
	char name[64], state[48], counts[3][HUMAN_TEXT_MAX], note[256];
};

struct top_rows {
	struct top_row *list;
	size_t n;
};

/* Two looks at GET /api/v1/status, and what the list is to be. */
struct top_model {
	json_t *before, *now;      /* before NULL: the first look, no rates yet */
	json_t *events;            /* the last ones, oldest first */
	double seconds;            /* between the looks */
	int64_t now_ms;            /* wall time of the last one: ages stand still while nobody looks */
	enum top_view view;
	enum top_sort sort;
	bool reversed;
	const char *filter;        /* "": all */
	const struct style *style;
};

struct top_totals {
	uint64_t packets, bytes, new_flows, drops; /* a second */
	int64_t moving, resolving;                 /* slots */
	char worst_drop[64];                       /* the reason with most of them, "" for none */
};

const char *top_view_text(enum top_view view);
const char *top_sort_text(enum top_sort sort);
/* ---- top_rows.c: no terminal, no controller ---- */
void top_rows_make(const struct top_model *model, struct top_rows *ret_rows); /* allocated: free(ret_rows->list) */
void top_totals_make(const struct top_model *model, struct top_totals *ret_totals);

/* What the operator has done so far. */
struct top_screen {
	const struct top_model *model;
	const struct top_rows *rows;
	size_t selected, first;    /* rows: the chosen one, the first in sight */
	bool paused, typing_filter, help;
	const char *question, *message, *problem; /* "" for none; problem: why the controller is not reached */
	bool message_is_bad;
	uint64_t every_ms;
};

/* ---- top_draw.c ---- */
int top_draw_open(bool colour);  /* 0, or -ENOTTY where the terminal is not known */
void top_draw_close(void);       /* the terminal is as it was */
void top_draw(struct top_screen *screen); /* moves `first` so that the chosen row is in sight */
size_t top_draw_page(const struct top_screen *screen); /* rows in sight */

#endif
