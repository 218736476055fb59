/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* build/bench.svg: cost against the number of flows. One file without anything from elsewhere, legible on white and on black. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"

enum { WIDTH = 800, HEIGHT = 440, LEFT = 64, RIGHT = 224, TOP = 56, BOTTOM = 56 };

static const struct line {
	enum contender_id of;
	const char *label, *colour;
} lines[] = {
	{C_CONVENTIONAL_4IN4, "conventional (LRU hash)", "#d1495b"},
	{C_ALWAYS, "tracking: always", "#c98a1b"},
	{C_MOVING_4IN4, "moving", "#3a86c8"},
	{C_IPIP_4IN4, "settled", "#2a9d5c"},
};

/* Number of flows, as a power of two, and nanoseconds to places in the picture. */
static double x_of(double log2_flows)
{
	return LEFT + (WIDTH - LEFT - RIGHT) * log2_flows / log2(column_flows[FLOWS_4M]);
}

static double y_of(double ns, double most_ns)
{
	return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * ns / most_ns;
}

static double highest(const struct bench *b)
{
	double most = 1;

	for (size_t i = 0; i < N(lines); i++)
		for (int column = 0; column <= FLOWS_4M; column++)
			if (is_measured(b, lines[i].of, column))
				most = fmax(most, median_ns(b, lines[i].of, column));
	return most;
}

/* The distance of the lines across: 1, 2 or 5 times a power of ten, so that there are four to ten of them. */
static double step_for(double most)
{
	double power = pow(10, floor(log10(most / 4)));
	double leading = most / 4 / power;

	return power * (leading >= 5 ? 5 : leading >= 2 ? 2 : 1);
}

static void write_head(FILE *file)
{
	fprintf(file,
		"<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" height=\"%d\" role=\"img\" "
		"font-family=\"system-ui, sans-serif\" font-size=\"13\">\n"
		"<title>Cost of a packet against the number of flows</title>\n"
		"<style>\n"
		"  .paper { fill: #fff } text { fill: #222 } .grid { stroke: #ddd } .axis { stroke: #888 }\n"
		"  @media (prefers-color-scheme: dark) {\n"
		"    .paper { fill: #16181d } text { fill: #ddd } .grid { stroke: #333 } .axis { stroke: #888 }\n"
		"  }\n"
		"</style>\n"
		"<rect class=\"paper\" width=\"100%%\" height=\"100%%\"/>\n"
		"<text x=\"%d\" y=\"26\" font-size=\"16\">Cost of a packet against the number of flows</text>\n"
		"<text x=\"%d\" y=\"44\">ns on one core, ipip over IPv4, flows at random, medians</text>\n",
		WIDTH, HEIGHT, WIDTH, HEIGHT, LEFT, LEFT);
}

static void write_grid(FILE *file, double most)
{
	double step = step_for(most);

	for (double ns = 0; ns <= most; ns += step)
		fprintf(file,
			"<line class=\"grid\" x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\"/>"
			"<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%g</text>\n",
			LEFT, WIDTH - RIGHT, y_of(ns, most), y_of(ns, most), LEFT - 8, y_of(ns, most) + 4, ns);
	for (int column = 0; column <= FLOWS_4M; column++)
		fprintf(file, "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%s</text>\n", x_of(log2(column_flows[column])),
			HEIGHT - BOTTOM + 20, column == FLOWS_1 ? "1" : column_names[column]);
	fprintf(file,
		"<line class=\"axis\" x1=\"%d\" x2=\"%d\" y1=\"%d\" y2=\"%d\"/>\n"
		"<text x=\"%d\" y=\"%d\" text-anchor=\"middle\">flows (logarithmic)</text>\n",
		LEFT, WIDTH - RIGHT, HEIGHT - BOTTOM, HEIGHT - BOTTOM, (LEFT + WIDTH - RIGHT) / 2, HEIGHT - 14);
}

struct end {
	const struct line *line;
	double x, ns;
};

static int dearest_first(const void *a, const void *b)
{
	double difference = ((const struct end *)b)->ns - ((const struct end *)a)->ns;

	return (difference > 0) - (difference < 0);
}

/* Where the lines end. */
static void find_ends(const struct bench *b, struct end ends[N(lines)])
{
	for (size_t i = 0; i < N(lines); i++) {
		ends[i] = (struct end){.line = &lines[i]};
		for (int column = 0; column <= FLOWS_4M; column++)
			if (is_measured(b, lines[i].of, column)) {
				ends[i].x = x_of(log2(column_flows[column]));
				ends[i].ns = median_ns(b, lines[i].of, column);
			}
	}
	qsort(ends, N(lines), sizeof(*ends), dearest_first);
}

/* A dot for each measurement. */
static void write_line(FILE *file, const struct bench *b, const struct line *line, double most)
{
	fprintf(file, "<polyline fill=\"none\" stroke-width=\"2.5\" stroke=\"%s\" points=\"", line->colour);
	for (int column = 0; column <= FLOWS_4M; column++)
		if (is_measured(b, line->of, column))
			fprintf(file, "%.1f,%.1f ", x_of(log2(column_flows[column])),
				y_of(median_ns(b, line->of, column), most));
	fprintf(file, "\"/>\n");
	for (int column = 0; column <= FLOWS_4M; column++)
		if (is_measured(b, line->of, column))
			fprintf(file, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"4\" fill=\"%s\"><title>%s, %s: %.1f ns</title></circle>\n",
				x_of(log2(column_flows[column])), y_of(median_ns(b, line->of, column), most), line->colour,
				line->label, column_names[column], median_ns(b, line->of, column));
}

/* Names at the right ends, a line of text apart at least. */
static void write_labels(FILE *file, const struct bench *b, double most)
{
	const double apart = 16;
	struct end ends[N(lines)];
	double y = 0;

	find_ends(b, ends);
	for (size_t i = 0; i < N(lines); i++) {
		y = fmax(y_of(ends[i].ns, most) + 4, y + apart);
		fprintf(file, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"4\" fill=\"%s\"/><text x=\"%.1f\" y=\"%.1f\">%s: %.0f</text>\n",
			ends[i].x + 16, y - 4, ends[i].line->colour, ends[i].x + 26, y, ends[i].line->label, ends[i].ns);
	}
}

void write_plot(const struct bench *b)
{
	double most = highest(b);
	char path[512];
	FILE *file = fopen(build_path("bench.svg", path), "we");

	if (!file) {
		printf("%s: %s\n", path, strerror(errno));
		return;
	}
	write_head(file);
	write_grid(file, most);
	for (size_t i = 0; i < N(lines); i++)
		write_line(file, b, &lines[i], most);
	write_labels(file, b, most);
	fprintf(file, "</svg>\n");
	if (fclose(file) == 0)
		printf("the picture: %s\n", path);
}
