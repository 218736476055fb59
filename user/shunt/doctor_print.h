/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SHUNT_CLI_DOCTOR_PRINT_H
#define SHUNT_CLI_DOCTOR_PRINT_H

#include <jansson.h>
#include <stdio.h>

#include "doctor/doctor.h"
#include "shunt/text.h"

/* A line each, what mends it below, and how many there are of each level. */
void doctor_print(const struct doctor_report *report, const struct style *style, FILE *to);
/* {"result": worst level, "lines": [{"level", "subject", "text", "remedy"}]}; a new reference. */
json_t *doctor_json(const struct doctor_report *report);

#endif
