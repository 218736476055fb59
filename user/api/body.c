/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Decides whether a request's body says what its route can understand; must not know what the values are for. */
#include <errno.h>
#include <jansson.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "api/body.h"
#include "base/duration.h"

static const char *const expected[] = {
	[BODY_TEXT] = "a text that is not empty",
	[BODY_DURATION] = "a duration such as \"30s\" or \"5m\"",
	[BODY_NUMBER] = "a whole number from 0 to 4294967295",
	[BODY_BOOLEAN] = "true or false",
	[BODY_TEXTS] = "a list of texts that is not empty",
};

static bool are_texts(const json_t *json)
{
	json_t *text;
	size_t i;

	json_array_foreach((json_t *)json, i, text)
		if (!json_is_string(text))
			return false;
	return json_array_size(json) > 0;
}

static bool decode_value(enum body_type type, const json_t *json, void *ret_value)
{
	uint64_t duration_ms;

	switch (type) {
	case BODY_TEXT:
		if (!json_is_string(json) || !json_string_length(json))
			return false;
		*(const char **)ret_value = json_string_value(json);
		return true;
	case BODY_DURATION:
		if (!json_is_string(json) || duration_parse(json_string_value(json), &duration_ms) < 0 || !duration_ms)
			return false;
		*(uint64_t *)ret_value = duration_ms;
		return true;
	case BODY_NUMBER:
		if (!json_is_integer(json) || json_integer_value(json) < 0 || json_integer_value(json) > UINT32_MAX)
			return false;
		*(uint32_t *)ret_value = (uint32_t)json_integer_value(json);
		return true;
	case BODY_BOOLEAN:
		if (!json_is_boolean(json))
			return false;
		*(bool *)ret_value = json_boolean_value(json);
		return true;
	case BODY_TEXTS:
		if (!are_texts(json))
			return false;
		*(json_t **)ret_value = (json_t *)json;
		return true;
	}
	return false;
}

static int refuse(char **ret_error, const char *format, const char *key, const char *rest)
{
	if (asprintf(ret_error, format, key, rest) < 0)
		*ret_error = NULL;
	return -EINVAL;
}

static int decode_object(json_t *document, const struct body_field *fields, void *const *ret_values, char **ret_error)
{
	const struct body_field *field;
	const char *key;
	json_t *value;

	json_object_foreach(document, key, value) {
		for (field = fields; field->key; field++)
			if (strcmp(field->key, key) == 0)
				break;
		if (!field->key)
			return refuse(ret_error, "unknown key \"%s\"%s", key, "");
		if (!decode_value(field->type, value, ret_values[field - fields]))
			return refuse(ret_error, "\"%s\" must be %s", key, expected[field->type]);
	}
	for (field = fields; field->key; field++)
		if (field->required && !json_object_get(document, field->key))
			return refuse(ret_error, "\"%s\" is missing: it must be %s", field->key, expected[field->type]);
	return 0;
}

int body_decode(const char *body, size_t length, const struct body_field *fields, void *const *ret_values, json_t **ret_document,
		char **ret_error)
{
	json_error_t error = {.text = "out of memory"};
	json_t *document;
	char where[64];
	int r;

	document = length ? json_loadb(body, length, JSON_REJECT_DUPLICATES, &error) : json_object();
	if (!document) {
		snprintf(where, sizeof(where), "line %d, column %d", error.line, error.column);
		return refuse(ret_error, "the body is not JSON: %s: %s", where, error.text);
	}
	r = json_is_object(document) ? decode_object(document, fields, ret_values, ret_error)
				     : refuse(ret_error, "the body must be a JSON object%s%s", "", "");
	if (r < 0) {
		json_decref(document);
		return r;
	}
	*ret_document = document;
	return 0;
}
