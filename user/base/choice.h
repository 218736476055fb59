/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Why a packet went where it went (enum shunt_choice), in the words of trace and of its --reason. */
#ifndef SHUNT_CHOICE_H
#define SHUNT_CHOICE_H

#include <stdint.h>

#include <shunt/abi.h>

const char *choice_label(uint32_t choice);  /* "settled"; NULL: there is none of this number */
const char *choice_text(uint32_t choice);   /* for people; NULL likewise */
uint32_t choice_find(const char *label);    /* SHUNT_CHOICE_NONE: none has this label */

#endif
