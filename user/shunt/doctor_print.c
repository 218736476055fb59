/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* How doctor's report reads, for people and for programs. */
#include "shunt/doctor_print.h"

void doctor_print(const struct doctor_report *report, const struct style *style, FILE *to)
{
	static const enum colour colours[] = {GREEN, YELLOW, RED};
	struct table table = {.n_columns = 3};
	size_t n[3] = {0};

	for (size_t i = 0; i < report->n; i++) {
		const struct doctor_line *line = &report->lines[i];

		n[line->level]++;
		table_put(&table, colours[line->level], "%s", doctor_level_text(line->level));
		table_put(&table, BOLD, "%s", line->subject);
		table_put(&table, PLAIN, "%s", line->text);
		if (!line->remedy)
			continue;
		table_put(&table, PLAIN, "%s", "");
		table_put(&table, PLAIN, "%s", "");
		table_put(&table, PLAIN, "%s %s", sign_text(style, SIGN_ARROW), line->remedy);
	}
	table_print(&table, style, to);
	fprintf(to, "\n%zu ok, %zu warn, %zu fail\n", n[DOCTOR_OK], n[DOCTOR_WARN], n[DOCTOR_FAIL]);
}

json_t *doctor_json(const struct doctor_report *report)
{
	json_t *lines = json_array();

	for (size_t i = 0; i < report->n; i++)
		json_array_append_new(lines, json_pack("{s:s, s:s, s:s, s:s?}", "level",
						       doctor_level_text(report->lines[i].level), "subject",
						       report->lines[i].subject, "text", report->lines[i].text, "remedy",
						       report->lines[i].remedy));
	return json_pack("{s:s, s:o}", "result", doctor_level_text(doctor_worst(report)), "lines", lines);
}
