/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Internal to api: commands that are only asked what they would do. */
#ifndef SHUNT_API_DRY_RUN_H
#define SHUNT_API_DRY_RUN_H

#include "api/call.h"

/* Sets *asked if the query says so, leaves it alone if not; 0, or -EINVAL after an error was answered. */
int dry_run_asked(struct call *call, bool *asked);
void dry_run_answer(struct call *call, enum api_foresee_kind kind, const char *backend, bool force);

#endif
