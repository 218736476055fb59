/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A request's JSON body, decoded by a table. Strict: what is not in the table is an error that names the key. */
#ifndef SHUNT_API_BODY_H
#define SHUNT_API_BODY_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

enum body_type {
	BODY_TEXT,      /* const char **, borrowed from the document; not empty */
	BODY_DURATION,  /* uint64_t *, ms, above 0 */
	BODY_NUMBER,    /* uint32_t * */
	BODY_BOOLEAN,   /* bool * */
	BODY_TEXTS,     /* json_t **, borrowed from the document: an array of texts, not empty */
};

struct body_field {
	const char *key;
	enum body_type type;
	bool required;
	const char *meaning; /* for the API's description */
};

/*
 * An empty body means {}. 0 with *ret_document to be released by json_decref after use of the texts; -EINVAL with the
 * reason in *ret_error (allocated). `fields` ends with a key of NULL; `ret_values` has a place for each of them, left alone
 * when its key is absent.
 */
int body_decode(const char *body, size_t length, const struct body_field *fields, void *const *ret_values, json_t **ret_document,
		char **ret_error);

#endif
