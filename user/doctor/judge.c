/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The report: who judges in which order, and what a line is. No I/O. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "doctor/judge.h"

char *doctor_say(const char *format, ...)
{
	va_list arguments;
	char *text;

	va_start(arguments, format);
	if (vasprintf(&text, format, arguments) < 0)
		text = NULL;
	va_end(arguments);
	return text;
}

void doctor_add(struct doctor_report *report, enum doctor_level level, const char *subject, char *take_text,
		char *take_remedy)
{
	struct doctor_line *grown = realloc(report->lines, (report->n + 1) * sizeof(*grown));

	if (grown)
		report->lines = grown;
	if (!grown || !take_text) {
		free(take_text);
		free(take_remedy);
		return;
	}
	grown[report->n] = (struct doctor_line){.level = level, .text = take_text, .remedy = take_remedy};
	snprintf(grown[report->n].subject, sizeof(grown[report->n].subject), "%s", subject);
	report->n++;
}

static void judge_config(const struct doctor_facts *facts, struct doctor_report *report)
{
	if (!facts->config_path)
		doctor_add(report, DOCTOR_WARN, "configuration",
			   doctor_say("there is none yet, so interfaces and backends are not looked at"),
			   doctor_say("shunt doctor -c FILE"));
	else if (!facts->config_read)
		doctor_add(report, DOCTOR_FAIL, "configuration",
			   doctor_say("%s has %zu error%s", facts->config_path, facts->config_errors,
				      facts->config_errors == 1 ? "" : "s"),
			   doctor_say("shunt check %s", facts->config_path));
	else
		doctor_add(report, DOCTOR_OK, "configuration", doctor_say("%s", facts->config_path), NULL);
}

void doctor_judge(const struct doctor_facts *facts, struct doctor_report *ret_report)
{
	*ret_report = (struct doctor_report){0};
	judge_config(facts, ret_report);
	judge_host(facts, ret_report);
	for (size_t i = 0; i < facts->n_links; i++)
		judge_link(facts, &facts->links[i], ret_report);
	judge_backends(facts, ret_report);
}

void doctor_report_clear(struct doctor_report *report)
{
	for (size_t i = 0; i < report->n; i++) {
		free(report->lines[i].text);
		free(report->lines[i].remedy);
	}
	free(report->lines);
	*report = (struct doctor_report){0};
}

enum doctor_level doctor_worst(const struct doctor_report *report)
{
	enum doctor_level worst = DOCTOR_OK;

	for (size_t i = 0; i < report->n; i++)
		worst = report->lines[i].level > worst ? report->lines[i].level : worst;
	return worst;
}

const char *doctor_level_text(enum doctor_level level)
{
	static const char *const text[] = {"ok", "warn", "fail"};

	return text[level];
}
