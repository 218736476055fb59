/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Durations as the operator writes them: 250ms, 5s, 10m, 2h; a bare number is refused. */
#ifndef SHUNT_DURATION_H
#define SHUNT_DURATION_H

#include <stdint.h>

#define DURATION_TEXT_MAX 24

int duration_parse(const char *text, uint64_t *ret_ms);                     /* 0 | -EINVAL | -ERANGE (over 365 days) */
const char *duration_format(uint64_t ms, char buffer[DURATION_TEXT_MAX]);   /* exact and shortest: 90000 → "90s"; returns buffer */

#endif
