/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The table of drop reasons (headers/shunt/reasons.h) by number and by label. */
#ifndef SHUNT_DROP_REASON_H
#define SHUNT_DROP_REASON_H

#include <stdint.h>

#include <shunt/reasons.h>

const char *drop_reason_label(uint32_t reason);  /* as in the API and metrics: "malformed"; NULL: there is none of this number */
const char *drop_reason_text(uint32_t reason);   /* for people; NULL likewise */
uint32_t drop_reason_find(const char *label);    /* SHUNT_DROP_REASON_COUNT: none has this label */

#endif
