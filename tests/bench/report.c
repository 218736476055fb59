/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The tables on stdout, and build/bench.json. */
#include <string.h>
#include <sys/utsname.h>

#include <jansson.h>

#include "bench.h"

enum { NAME_WIDTH = 30 };

static bool has_row(const struct bench *b, enum contender_id id)
{
	bool any = false;

	for (int column = 0; column < COLUMNS; column++)
		any = any || is_measured(b, id, column);
	return any;
}

static bool has_column(const struct bench *b, enum column column)
{
	return is_measured(b, C_EMPTY, column);
}

static void print_head(const struct bench *b)
{
	printf("ns a packet on one core, and multiples of empty (x); flows at random\n"
	       "medians of %d rounds of %u packets, contenders taking turns\n\n%-*s", b->rounds, b->packets,
	       NAME_WIDTH + 2, "");
	for (int column = 0; column < COLUMNS; column++)
		if (has_column(b, column))
			printf("%13s", column_names[column]);
	printf("\n");
}

static int decimals(double value)
{
	return value < 100;
}

static void print_cell(const struct bench *b, enum contender_id id, enum column column)
{
	double ns = median_ns(b, id, column), ratio = times_empty(b, id, column);

	printf("%6.*f %5.*fx", decimals(ns), ns, decimals(ratio), ratio);
}

static void print_row(const struct bench *b, enum contender_id id)
{
	printf("  %-*s", NAME_WIDTH, b->list[id].name);
	for (int column = 0; column < COLUMNS; column++) {
		if (is_measured(b, id, column))
			print_cell(b, id, column);
		else if (has_column(b, column))
			printf("%13s", "-");
	}
	printf("\n");
}

void print_table(const struct bench *b)
{
	const char *section = "";

	print_head(b);
	for (int id = 0; id < CONTENDERS; id++) {
		if (!has_row(b, id))
			continue;
		if (strcmp(b->list[id].section, section) != 0)
			printf("%s\n", b->list[id].section);
		section = b->list[id].section;
		print_row(b, id);
	}
	fflush(stdout);
}

static const char *verdict_of(const struct result *result)
{
	if (result->limit > 0 && result->value > result->limit)
		return "FAR OFF";
	return result->value <= result->target ? "holds" : "misses";
}

void print_results(const struct results *results)
{
	printf("\n%-60s%9s%9s\n", "target", "measured", "at most");
	for (size_t i = 0; i < results->n; i++) {
		const struct result *result = &results->list[i];

		if (result->target < 0)
			printf("  %-58s%9.2f%9s %s\n", result->text, result->value, "", result->unit);
		else
			printf("  %-58s%9.2f%9.2f %-8s%s\n", result->text, result->value, result->target, result->unit,
			       verdict_of(result));
	}
	fflush(stdout);
}

static json_t *rows_of(const struct bench *b)
{
	json_t *rows = json_array();

	for (int id = 0; id < CONTENDERS; id++)
		for (int column = 0; column < COLUMNS; column++)
			if (is_measured(b, id, column))
				json_array_append_new(rows, json_pack("{s:s, s:s, s:i, s:f, s:f}", "section", b->list[id].section,
								      "name", b->list[id].name, "flows", (int)column_flows[column],
								      "ns", median_ns(b, id, column), "times_empty",
								      times_empty(b, id, column)));
	return rows;
}

static json_t *targets_of(const struct results *results)
{
	json_t *list = json_array();

	for (size_t i = 0; i < results->n; i++) {
		const struct result *result = &results->list[i];
		json_t *one = json_pack("{s:s, s:s, s:f}", "name", result->text, "unit", result->unit, "measured", result->value);

		if (result->target >= 0) {
			json_object_set_new(one, "at_most", json_real(result->target));
			json_object_set_new(one, "holds", json_boolean(result->value <= result->target));
		}
		json_array_append_new(list, one);
	}
	return list;
}

void write_json(const struct bench *b, const struct results *results)
{
	struct utsname kernel;
	json_t *all;
	char path[512];

	uname(&kernel);
	all = json_pack("{s:s, s:i, s:i, s:o, s:o}", "kernel", kernel.release, "rounds", b->rounds, "packets", (int)b->packets,
			"rows", rows_of(b), "targets", targets_of(results));
	if (json_dump_file(all, build_path("bench.json", path), JSON_INDENT(2) | JSON_REAL_PRECISION(5)) == 0)
		printf("\nalso in %s\n", path);
	json_decref(all);
}
