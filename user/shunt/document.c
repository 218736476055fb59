/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Reads fields of the API's documents, and prints any of them field by field. Must not know which document it is. */
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "shunt/cli.h"

const char *get_text(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key)) ?: "";
}

int64_t get_number(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

double get_real(const json_t *object, const char *key)
{
	return json_number_value(json_object_get(object, key));
}

bool get_flag(const json_t *object, const char *key)
{
	return json_is_true(json_object_get(object, key));
}

int64_t get_time(const json_t *object, const char *key)
{
	int64_t wall_ms = 0;

	return clock_parse_rfc3339(get_text(object, key), &wall_ms) < 0 ? 0 : wall_ms;
}

/* What says something: an empty value, or a port of 0, stands for "none". */
static bool is_set(const char *key, const json_t *value)
{
	if (json_is_null(value) || (json_is_string(value) && !*json_string_value(value)))
		return false;
	if (strcmp(key, "port") == 0 && json_is_integer(value))
		return json_integer_value(value) != 0;
	return !(json_is_array(value) && !json_array_size(value)) && !(json_is_object(value) && !json_object_size(value)) &&
	       !json_is_false(value);
}

static void print_value(FILE *to, const json_t *value)
{
	_cleanup_(freep) char *text = NULL;
	const char *separator = "";
	const char *key;
	json_t *item;
	size_t i;

	if (json_is_string(value)) {
		fputs(json_string_value(value), to);
	} else if (json_is_null(value)) {
		fputs("-", to);
	} else if (json_is_boolean(value)) {
		fputs(json_is_true(value) ? "yes" : "no", to);
	} else if (json_is_array(value)) {
		json_array_foreach((json_t *)value, i, item) {
			fputs(separator, to);
			print_value(to, item);
			separator = ", ";
		}
	} else if (json_is_object(value)) {
		json_object_foreach((json_t *)value, key, item) {
			if (!is_set(key, item) || (json_is_real(item) && json_real_value(item) == 0))
				continue;
			fprintf(to, "%s%s ", separator, key);
			print_value(to, item);
			separator = ", ";
		}
	} else {
		text = json_dumps(value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(6));
		fputs(text ?: "", to);
	}
}

static void put_row(struct table *table, const char *key, const json_t *value)
{
	_cleanup_(freep) char *text = NULL;
	size_t length;
	FILE *to = open_memstream(&text, &length);

	if (!to)
		return;
	print_value(to, value);
	fclose(to);
	table_put(table, DIM, "%s", key);
	table_put(table, PLAIN, "%s", text ?: "");
}

/* Only what is set. Objects in an array have a line each. */
void print_object(const json_t *object, const struct style *style)
{
	struct table table = {.n_columns = 2};
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)object, key, value) {
		if (!is_set(key, value))
			continue;
		if (!json_is_object(json_array_get(value, 0)))
			put_row(&table, key, value);
		for (size_t i = 0; json_is_object(json_array_get(value, i)); i++)
			put_row(&table, i ? "" : key, json_array_get(value, i));
	}
	table_print(&table, style, stdout);
}
