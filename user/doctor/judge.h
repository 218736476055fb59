/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the judges share: adding a line to the report. */
#ifndef SHUNT_DOCTOR_JUDGE_H
#define SHUNT_DOCTOR_JUDGE_H

#include "doctor/doctor.h"

/* The remedy is allocated text or NULL; both are taken. Without memory the line is missing. */
void doctor_add(struct doctor_report *report, enum doctor_level level, const char *subject, char *take_text,
		char *take_remedy);
/* asprintf(), NULL without memory. */
char *doctor_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

void judge_host(const struct doctor_facts *facts, struct doctor_report *report);
void judge_link(const struct doctor_facts *facts, const struct doctor_link *link, struct doctor_report *report);
void judge_backends(const struct doctor_facts *facts, struct doctor_report *report);

#endif
