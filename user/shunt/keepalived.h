/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* keepalived.conf(5) as a tree: a block is an array of statements {"line", "words": […], "body": block or absent}. */
#ifndef SHUNT_CLI_KEEPALIVED_H
#define SHUNT_CLI_KEEPALIVED_H

#include <jansson.h>
#include <stdbool.h>

int keepalived_read(const char *path, json_t **ret_block); /* 0 | -errno; the block is the caller's */
const char *keepalived_word(const json_t *statement, size_t i); /* "": there is none */
/* The first statement whose first word is one of "name|other name"; NULL: there is none. */
const json_t *keepalived_find(const json_t *block, const char *names);
const char *keepalived_value(const json_t *block, const char *names); /* its second word */

#endif
