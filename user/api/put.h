/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * JSON written straight into text, a member at a time, for the documents there are thousands of: values made and freed for each field
 * take ten times as long. Members stand in the order they are put in, on one line; names of members are plain words, put as they are.
 * Without memory the text is marked (`text->failed`), and what is put from then on is nothing.
 */
#ifndef SHUNT_API_PUT_H
#define SHUNT_API_PUT_H

#include <stdint.h>

#include "api/text.h"

/* `key` NULL: an item of an array, or the document itself. */
void put_open(struct text *text, const char *key, char bracket);     /* '{' or '[' */
void put_close(struct text *text, char bracket);                     /* '}' or ']' */
void put_null(struct text *text, const char *key);
void put_text(struct text *text, const char *key, const char *value); /* NULL: null; a byte that is not of UTF-8 becomes '?' */
void put_number(struct text *text, const char *key, uint64_t value);
void put_real(struct text *text, const char *key, double value);     /* six digits; what is no number is null */
void put_flag(struct text *text, const char *key, bool value);
void put_time(struct text *text, const char *key, int64_t wall_ms);  /* RFC 3339; 0: null */
void put_value(struct text *text, const char *key, json_t *take_value);

#endif
