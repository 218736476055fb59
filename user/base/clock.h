/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SHUNT_CLOCK_H
#define SHUNT_CLOCK_H

#include <stdint.h>

#define CLOCK_TEXT_MAX 40

uint64_t clock_monotonic_ms(void);
uint64_t clock_monotonic_ns(void);
uint64_t clock_processor_ns(void);                                       /* that this thread has used */
int64_t clock_wall_ms(void);                                              /* Unix milliseconds */
const char *clock_rfc3339(int64_t wall_ms, char buffer[CLOCK_TEXT_MAX]);  /* "2026-01-31T12:00:00.123Z"; returns buffer */
int clock_parse_rfc3339(const char *text, int64_t *ret_wall_ms);            /* with Z or an offset; 0 | -EINVAL */

#endif
