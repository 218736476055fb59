/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SHUNT_NUMBER_H
#define SHUNT_NUMBER_H

#include <stdint.h>

/* Decimal or 0x… without sign, blanks or rest. 0 | -EINVAL | -ERANGE outside min … max. */
int number_parse(const char *text, uint64_t min, uint64_t max, uint64_t *ret_number);

#endif
