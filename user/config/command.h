/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Internal to config: a program and its arguments, allocated texts up to a NULL; NULL is none. */
#ifndef SHUNT_CONFIG_COMMAND_H
#define SHUNT_CONFIG_COMMAND_H

#include "config/draft.h"

char **command_build(struct report *report, const struct items *draft); /* of struct draft_word; NULL of none */
char **command_copy(char *const *from);                                 /* NULL without memory */
bool command_equal(char *const *a, char *const *b);
void command_free(char **command);

#endif
