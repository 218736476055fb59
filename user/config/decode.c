/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * YAML document → draft, led by the tables of schema.c: decides what is a known key and a well-formed value, and says
 * where it is not. Knows no key by name, except that a thing's "name" is what messages call it by.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "config/schema.h"

#define CONTEXT_MAX 256
#define KEY_LENGTH_MAX 32
#define VALUES_MAX 1000000 /* aliases can make a small file stand for any number of values */

/* What encloses a value, for messages: group "web" › health_check. */
struct context {
	const struct context *outer;
	const char *noun, *name; /* each may be NULL */
};

struct decoder {
	yaml_document_t *document;
	int line;                    /* of the document's first one, less 1 */
	struct report *report;
	size_t n_values;
};

static void decode_mapping(struct decoder *decoder, const struct context *context, const struct schema *schema,
			   yaml_node_t *node, void *to);

static struct place place_of(const struct decoder *decoder, const yaml_node_t *node)
{
	return (struct place){.line = decoder->line + node->start_mark.line + 1, .column = node->start_mark.column + 1};
}

/* `group "web": health_check: `, empty at the top. Returns `buffer`. */
static const char *context_text(const struct context *context, char buffer[CONTEXT_MAX])
{
	char outer[CONTEXT_MAX], name[QUOTE_MAX];

	if (!context || !context->noun)
		return strcpy(buffer, "");
	context_text(context->outer, outer);
	snprintf(buffer, CONTEXT_MAX, "%.150s%s%s%s: ", outer, context->noun, context->name ? " " : "",
		 context->name ? quote(context->name, name) : "");
	return buffer;
}

/* The text of a scalar, NULL of anything else and of what has a NUL within. */
static const char *text_of(const yaml_node_t *node)
{
	const char *text = (const char *)node->data.scalar.value;

	return node->type == YAML_SCALAR_NODE && strlen(text) == node->data.scalar.length ? text : NULL;
}

static bool is_plain(const yaml_node_t *node)
{
	return node->type == YAML_SCALAR_NODE && node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
}

/* null of YAML 1.2 section 10.2.1.1, which is also what a forgotten value reads as. */
static bool is_null(const yaml_node_t *node)
{
	static const char *const nulls[] = {"", "~", "null", "Null", "NULL"};
	const char *text = is_plain(node) ? text_of(node) : NULL;

	for (size_t i = 0; text && i < sizeof(nulls) / sizeof(nulls[0]); i++)
		if (!strcmp(text, nulls[i]))
			return true;
	return false;
}

static bool has_foreign_tag(const yaml_node_t *node)
{
	static const char *const tags[] = {[YAML_SCALAR_NODE] = YAML_STR_TAG,
					   [YAML_SEQUENCE_NODE] = YAML_SEQ_TAG,
					   [YAML_MAPPING_NODE] = YAML_MAP_TAG};

	return node->tag && strcmp((const char *)node->tag, tags[node->type]);
}

static const char *describe(const yaml_node_t *node, char buffer[QUOTE_MAX])
{
	if (node->type == YAML_SEQUENCE_NODE)
		return "a list";
	if (node->type == YAML_MAPPING_NODE)
		return "a mapping";
	return text_of(node) ? quote(text_of(node), buffer) : "a text with NUL bytes";
}

/* What is wrong with any value, whatever the field: too many of them, nothing there, a tag. */
static bool is_value(struct decoder *decoder, const struct context *context, const char *key, const yaml_node_t *node)
{
	char before[CONTEXT_MAX], tag[QUOTE_MAX];

	if (decoder->n_values++ >= VALUES_MAX) {
		if (decoder->n_values == VALUES_MAX + 1)
			report_error(decoder->report, place_of(decoder, node), "more than %d values: use fewer aliases",
				     VALUES_MAX);
		return false;
	}
	if (has_foreign_tag(node))
		report_error(decoder->report, place_of(decoder, node), "%s%s: tags such as %s have no meaning here: remove it",
			     context_text(context, before), key, quote((const char *)node->tag, tag));
	else if (is_null(node))
		report_error(decoder->report, place_of(decoder, node), "%s%s has no value: give one or remove the key",
			     context_text(context, before), key);
	else
		return true;
	return false;
}

static void refuse(struct decoder *decoder, const struct context *context, const struct field *field,
		   const yaml_node_t *node)
{
	char before[CONTEXT_MAX], expectation[EXPECTATION_MAX], value[QUOTE_MAX];

	report_error(decoder->report, place_of(decoder, node), "%s%s must be %s, not %s", context_text(context, before),
		     field->key, field_expectation(field, expectation),
		     field->kind == FIELD_URL ? "what stands here" : describe(node, value)); /* it may be a secret */
}

static void decode_item(struct decoder *decoder, const struct context *context, const struct field *field,
			yaml_node_t *node, struct item *item)
{
	bool is_number = field->kind == FIELD_NUMBER || field->kind == FIELD_POWER_OF_TWO;
	uint64_t standard = item->number;
	char before[CONTEXT_MAX], value[QUOTE_MAX];
	int r;

	item->at = place_of(decoder, node);
	item->text = text_of(node);
	if (item->text && is_number && !is_plain(node)) {
		report_error(decoder->report, item->at, "%s%s must be a number, not the text %s: remove the quotes",
			     context_text(context, before), field->key, quote(item->text, value));
		return;
	}
	r = item->text ? scalar_parse(field, item) : -EINVAL;
	if (r < 0) {
		item->number = standard;
		refuse(decoder, context, field, node);
	}
	item->ok = r == 0;
}

/* An element is a mapping, or its name alone where the schema says so. */
static void decode_element(struct decoder *decoder, const struct context *context, const struct field *field,
			   yaml_node_t *node, void *to)
{
	const struct schema *schema = field->schema;
	char before[CONTEXT_MAX], keys[EXPECTATION_MAX], value[QUOTE_MAX];
	struct context inner = {.outer = context, .noun = schema->noun};

	schema_start(schema, to);
	*(struct place *)to = place_of(decoder, node);
	if (!is_value(decoder, context, schema->noun, node))
		return;
	if (node->type == YAML_MAPPING_NODE)
		decode_mapping(decoder, &inner, schema, node, to);
	else if (schema->bare_name)
		decode_item(decoder, &inner, schema->fields, node, (void *)((char *)to + schema->fields->offset));
	else
		report_error(
			decoder->report, place_of(decoder, node), "%s%s must be a list of mappings with the keys %s; not of %s",
			context_text(context, before), field->key, schema_keys(schema, keys), describe(node, value));
}

static void decode_list(struct decoder *decoder, const struct context *context, const struct field *field,
			yaml_node_t *node, struct items *items)
{
	size_t n = node->data.sequence.items.top - node->data.sequence.items.start;
	char before[CONTEXT_MAX];

	items->at = place_of(decoder, node);
	if (node->type != YAML_SEQUENCE_NODE) {
		refuse(decoder, context, field, node);
		return;
	}
	if (n < field->min || n > field->max) {
		report_error(decoder->report, items->at,
			     n ? "%s%s has %zu elements: at most %" PRIu64 " are possible"
			       : "%s%s has %zu elements: give one",
			     context_text(context, before), field->key, n, field->max);
		return;
	}
	items->list = calloc(n ? n : 1, field->schema->size);
	if (!items->list) {
		decoder->report->out_of_memory = true;
		return;
	}
	items->n = n;
	items->ok = true;
	for (size_t i = 0; i < n; i++)
		decode_element(decoder, context, field,
			       yaml_document_get_node(decoder->document, node->data.sequence.items.start[i]),
			       (char *)items->list + i * field->schema->size);
}

static void decode_value(struct decoder *decoder, const struct context *context, const struct field *field,
			 yaml_node_t *node, void *to)
{
	struct context inner = {.outer = context, .noun = field->key};

	if (field->kind < FIELD_KINDS_OF_ITEM)
		decode_item(decoder, context, field, node, to);
	else if (field->kind == FIELD_LIST)
		decode_list(decoder, context, field, node, to);
	else if (node->type == YAML_MAPPING_NODE)
		decode_mapping(decoder, &inner, field->schema, node, to);
	else if (node->type == YAML_SCALAR_NODE && field->schema->bare_name) {
		*(struct place *)to = place_of(decoder, node);
		decode_item(decoder, &inner, field->schema->fields, node,
			    (void *)((char *)to + field->schema->fields->offset));
	} else
		refuse(decoder, context, field, node);
}

/* Edit distance (Levenshtein), of texts up to KEY_LENGTH_MAX; longer ones are far from everything. */
static size_t distance(const char *a, const char *b)
{
	size_t row[KEY_LENGTH_MAX + 1], n = strlen(b);

	if (strlen(a) > KEY_LENGTH_MAX || n > KEY_LENGTH_MAX)
		return SIZE_MAX;
	for (size_t j = 0; j <= n; j++)
		row[j] = j;
	for (size_t i = 1; a[i - 1]; i++) {
		size_t diagonal = row[0];

		row[0] = i;
		for (size_t j = 1; j <= n; j++) {
			size_t replaced = diagonal + (a[i - 1] != b[j - 1]);
			size_t shifted = (row[j] < row[j - 1] ? row[j] : row[j - 1]) + 1;

			diagonal = row[j];
			row[j] = replaced < shifted ? replaced : shifted;
		}
	}
	return row[n];
}

static void report_unknown_key(struct decoder *decoder, const struct context *context, const struct schema *schema,
			       const yaml_node_t *key)
{
	char before[CONTEXT_MAX], value[QUOTE_MAX], keys[EXPECTATION_MAX];
	const char *text = text_of(key), *nearest = NULL;
	size_t least = 3; /* two slips of the finger, and never as many as the key has letters */

	if (!text || !strcmp(text, "<<")) {
		report_error(decoder->report, place_of(decoder, key),
			     text ? "%smerge keys (%s) are not supported: write the keys out, or alias whole values"
				  : "%sa key must be a word, not %s",
			     context_text(context, before), text ? text : describe(key, value));
		return;
	}
	for (const struct field *field = schema->fields; field->key; field++) {
		size_t steps = distance(text, field->key);

		if (steps < least && steps < strlen(field->key)) {
			least = steps;
			nearest = field->key;
		}
	}
	if (nearest)
		report_error(decoder->report, place_of(decoder, key), "%sunknown key %s: did you mean %s?",
			     context_text(context, before), describe(key, value), nearest);
	else
		report_error(decoder->report, place_of(decoder, key), "%sunknown key %s: the keys are %s",
			     context_text(context, before), describe(key, value), schema_keys(schema, keys));
}

static const struct field *find_field(const struct schema *schema, const yaml_node_t *key)
{
	const char *text = text_of(key);

	for (const struct field *field = schema->fields; text && field->key; field++)
		if (!strcmp(field->key, text))
			return field;
	return NULL;
}

/* One "key: value". `lines` remembers where each field was given first, by its index in the schema. */
static void decode_pair(struct decoder *decoder, const struct context *context, const struct schema *schema,
			const yaml_node_pair_t *pair, int *lines, void *to)
{
	yaml_node_t *key = yaml_document_get_node(decoder->document, pair->key);
	yaml_node_t *value = yaml_document_get_node(decoder->document, pair->value);
	const struct field *field = find_field(schema, key);
	char before[CONTEXT_MAX];

	if (!field) {
		report_unknown_key(decoder, context, schema, key);
		return;
	}
	if (lines[field - schema->fields]) {
		report_error(decoder->report, place_of(decoder, key), "%s%s is already given in line %d: remove one of them",
			     context_text(context, before), field->key, lines[field - schema->fields]);
		return;
	}
	lines[field - schema->fields] = place_of(decoder, key).line;
	if (is_value(decoder, context, field->key, value))
		decode_value(decoder, context, field, value, (char *)to + field->offset);
}

static const char *find_name(struct decoder *decoder, const yaml_node_t *mapping)
{
	const yaml_node_pair_t *pair = mapping->data.mapping.pairs.start;

	for (; pair < mapping->data.mapping.pairs.top; pair++) {
		const char *key = text_of(yaml_document_get_node(decoder->document, pair->key));

		if (key && !strcmp(key, "name"))
			return text_of(yaml_document_get_node(decoder->document, pair->value));
	}
	return NULL;
}

static void decode_mapping(struct decoder *decoder, const struct context *context, const struct schema *schema,
			   yaml_node_t *node, void *to)
{
	struct context named = {.outer = context->outer, .noun = context->noun, .name = find_name(decoder, node)};
	const yaml_node_pair_t *pair = node->data.mapping.pairs.start;
	char before[CONTEXT_MAX], expectation[EXPECTATION_MAX];
	int lines[FIELDS_MAX] = {};

	*(struct place *)to = place_of(decoder, node);
	for (; pair < node->data.mapping.pairs.top; pair++)
		decode_pair(decoder, &named, schema, pair, lines, to);
	for (const struct field *field = schema->fields; field->key; field++)
		if (field->required && !lines[field - schema->fields])
			report_error(decoder->report, place_of(decoder, node), "%s%s is missing: give %s",
				     context_text(&named, before), field->key, field_expectation(field, expectation));
}

void config_decode(yaml_document_t *document, struct draft *draft, struct report *report)
{
	struct decoder decoder = {.document = document, .report = report};
	yaml_node_t *root = yaml_document_get_root_node(document);
	struct context top = {};
	char value[QUOTE_MAX];

	schema_start(&config_schema, draft);
	if (root->type == YAML_MAPPING_NODE)
		decode_mapping(&decoder, &top, &config_schema, root, draft);
	else
		report_error(report, place_of(&decoder, root),
			     "the file must be a mapping that begins with a key such as \"interfaces:\", not %s",
			     describe(root, value));
}

void config_decode_group(yaml_document_t *document, struct draft_group *group, struct report *report)
{
	struct decoder decoder = {.document = document, .line = POSTED_LINE, .report = report};
	const struct context named = {.noun = group_schema.noun};
	yaml_node_t *root = yaml_document_get_root_node(document);
	char value[QUOTE_MAX];

	schema_start(&group_schema, group);
	if (root->type == YAML_MAPPING_NODE)
		decode_mapping(&decoder, &named, &group_schema, root, group);
	else
		report_error(report, place_of(&decoder, root), "a group must be a mapping, not %s", describe(root, value));
}

static void release_check(struct draft_check *check)
{
	struct items *const lists[] = {&check->all, &check->any};

	for (size_t l = 0; l < 2; l++) {
		struct draft_check *parts = lists[l]->list;

		for (size_t i = 0; i < lists[l]->n; i++)
			free(parts[i].command.list);
		free(parts);
	}
	free(check->command.list);
}

void draft_release_group(struct draft_group *group)
{
	free(group->members.list);
	release_check(&group->check);
}

void draft_release(struct draft *draft)
{
	struct draft_service *services = draft->services.list;
	struct draft_group *groups = draft->groups.list;

	for (size_t i = 0; i < draft->groups.n; i++)
		draft_release_group(&groups[i]);
	for (size_t i = 0; i < draft->n_posted; i++)
		yaml_document_delete(&draft->posted[i]);
	free(draft->posted);
	release_check(&draft->defaults.check);
	for (size_t i = 0; i < draft->services.n; i++) {
		free(services[i].deny.list);
		free(services[i].allow.list);
		free(services[i].clients.list);
	}
	free(draft->deny.list);
	free(draft->allow.list);
	free(draft->interfaces.list);
	free(draft->services.list);
	free(draft->groups.list);
	free(draft->backends.list);
	free(draft->maintenance.list);
	free(draft->dns.list);
	free(draft->name_servers.list);
	free(draft->hooks.exec.list);
	free(draft->hooks.on.list);
	for (size_t i = 0; i < draft->n_names; i++)
		free(draft->names[i]);
	free(draft->names);
	*draft = (struct draft){};
}
