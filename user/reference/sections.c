/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Walks the tables of the configuration: which mappings there are, and what a field takes in words. */
#include <inttypes.h>
#include <string.h>

#include "base/duration.h"
#include "reference/reference.h"

const struct section *section_of(const struct section *sections, size_t n, const struct schema *schema)
{
	for (size_t i = 0; i < n; i++)
		if (sections[i].schema == schema)
			return &sections[i];
	return NULL;
}

static void find_below(struct section *sections, size_t *n, size_t of) // NOLINT(misc-no-recursion): as deep as the tables
{
	for (const struct field *field = sections[of].schema->fields; field->key; field++) {
		struct section *known = (struct section *)section_of(sections, *n, field->schema);
		char path[PATH_MAX_BYTES];

		if (!field->schema || !field->schema->about || *n == SECTIONS_MAX)
			continue;
		snprintf(path, sizeof(path), "%.120s%s%s", sections[of].path, of ? " › " : "", field->key);
		if (!known)
			sections[*n] = (struct section){.schema = field->schema};
		strcpy(known ? known->also : sections[*n].path, path);
		if (!known)
			find_below(sections, n, (*n)++);
	}
}

size_t sections_find(struct section sections[SECTIONS_MAX])
{
	size_t n = 1;

	sections[0] = (struct section){.schema = &config_schema};
	find_below(sections, &n, 0);
	return n;
}

static bool describes(const struct schema *schema, const struct field *field)
{
	for (const struct field *known = schema->fields; known->key; known++)
		if (strcmp(known->key, field->key) == 0 && strcmp(known->meaning, field->meaning) == 0)
			return true;
	return false;
}

const struct section *section_before(const struct section *sections, const struct section *section)
{
	for (const struct section *other = sections; other < section; other++) {
		bool all = true;

		for (const struct field *field = section->schema->fields; field->key; field++)
			all = all && describes(other->schema, field);
		if (all)
			return other;
	}
	return NULL;
}

static size_t add_words(char *buffer, size_t size, const struct word *words)
{
	size_t length = 0;

	for (const struct word *word = words; word->text && length < size; word++)
		length += snprintf(buffer + length, size - length, "%s`%s`", length ? ", " : "", word->text);
	return length;
}

/* One value of the field, or an element of it. */
static const char *value_text(const struct field *field, char buffer[TYPE_MAX])
{
	char min[DURATION_TEXT_MAX], max[DURATION_TEXT_MAX];
	size_t length;

	switch (field->kind) {
	case FIELD_NAME:
		snprintf(buffer, TYPE_MAX, "name");
		break;
	case FIELD_NUMBER:
		snprintf(buffer, TYPE_MAX, "number, %" PRIu64 " to %" PRIu64, field->min, field->max);
		break;
	case FIELD_POWER_OF_TWO:
		snprintf(buffer, TYPE_MAX, "power of two, %" PRIu64 " to %" PRIu64, field->min, field->max);
		break;
	case FIELD_DURATION:
		snprintf(buffer, TYPE_MAX, "duration, %s to %s", duration_format(field->min, min), duration_format(field->max, max));
		break;
	case FIELD_PERCENT:
		snprintf(buffer, TYPE_MAX, "percentage, %" PRIu64 "%% to %" PRIu64 "%%", field->min, field->max);
		break;
	case FIELD_NUMBER_OR_PERCENT:
		snprintf(buffer, TYPE_MAX, "number, %" PRIu64 " to %" PRIu64 ", or percentage", field->min, field->max);
		break;
	case FIELD_WORD:
		add_words(buffer, TYPE_MAX, field->words);
		break;
	case FIELD_WORD_OR_NUMBER:
		length = add_words(buffer, TYPE_MAX, field->words);
		snprintf(buffer + length, TYPE_MAX - length, " or number, %" PRIu64 " to %" PRIu64, field->min, field->max);
		break;
	default:
		field_expectation(field, buffer);
	}
	return buffer;
}

const char *type_text(const struct field *field, char buffer[TYPE_MAX])
{
	char element[TYPE_MAX];

	if (field->kind == FIELD_MAPPING)
		snprintf(buffer, TYPE_MAX, "%s", field->schema->bare_name ? "mapping, or its first key's value alone" : "mapping");
	else if (field->kind == FIELD_LIST && field->schema->about)
		snprintf(buffer, TYPE_MAX, "list of mappings%s", field->schema->bare_name ? " or names" : "");
	else if (field->kind == FIELD_LIST)
		snprintf(buffer, TYPE_MAX, "list; each: %.500s", value_text(field->schema->fields, element));
	else
		value_text(field, buffer);
	return buffer;
}

const char *default_text(const struct field *field, char buffer[TYPE_MAX])
{
	snprintf(buffer, TYPE_MAX, field->standard ? "`%s`" : "%s",
		 field->standard ?: field->required ? "must be given" : field->otherwise);
	return buffer;
}
