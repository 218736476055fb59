/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Decides what is a YAML document that may be loaded at all, and says so in the operator's words. Knows no key. */
#include <string.h>

#include "config/document.h"

#define NESTING_MAX 32
#define ANCHORS_MAX 1000

struct input {
	const char *text;
	size_t length;
	struct report *report;
};

static struct place place_of(yaml_mark_t mark)
{
	return (struct place){.line = mark.line + 1, .column = mark.column + 1};
}

/* Errors of encoding come with an offset in bytes only. */
static struct place place_at(const struct input *input, size_t offset)
{
	struct place place = {1, 1};

	for (size_t i = 0; i < offset && i < input->length; i++) {
		if (input->text[i] == '\n')
			place = (struct place){place.line + 1, 1};
		else if ((input->text[i] & 0xc0) != 0x80)
			place.column++;
	}
	return place;
}

/* Is there a tab in the white space that line `line` (from 0) begins with? */
static bool has_tab(const struct input *input, size_t line)
{
	const char *at = input->text, *end = input->text + input->length;

	for (; line && at < end; at++)
		line -= *at == '\n';
	while (at < end && *at == ' ')
		at++;
	return at < end && *at == '\t';
}

static void report_problem(const struct input *input, const yaml_parser_t *parser)
{
	const char *context = parser->context ? parser->context : "";

	switch (parser->error) {
	case YAML_MEMORY_ERROR:
		input->report->out_of_memory = true;
		break;
	case YAML_READER_ERROR:
		report_error(input->report, place_at(input, parser->problem_offset), "not a text in UTF-8: %s",
			     parser->problem);
		break;
	case YAML_SCANNER_ERROR:
		if (has_tab(input, parser->problem_mark.line)) {
			report_error(input->report, place_of(parser->problem_mark),
				     "YAML does not indent with tabs: use spaces");
			break;
		}
		/* fall through */
	default:
		report_error(input->report, place_of(parser->problem_mark), "not valid YAML: %s%s%s", context,
			     *context ? ", " : "", parser->problem);
	}
}

static const yaml_char_t *anchor_of(const yaml_event_t *event)
{
	if (event->type == YAML_SCALAR_EVENT)
		return event->data.scalar.anchor;
	if (event->type == YAML_SEQUENCE_START_EVENT)
		return event->data.sequence_start.anchor;
	return event->type == YAML_MAPPING_START_EVENT ? event->data.mapping_start.anchor : NULL;
}

/*
 * libyaml 0.2.5 needs quadratic time for deep nesting and for many anchors (15 s for 100 KB of '['), so the events are
 * counted before a document is made of them. Leaves syntax errors to the loading.
 */
static bool is_harmless(const struct input *input, yaml_parser_t *parser)
{
	size_t depth = 0, n_anchors = 0;
	bool more = true;

	while (more) {
		struct place place;
		yaml_event_t event;

		if (!yaml_parser_parse(parser, &event))
			return true;
		place = place_of(event.start_mark);
		depth += event.type == YAML_SEQUENCE_START_EVENT || event.type == YAML_MAPPING_START_EVENT;
		depth -= event.type == YAML_SEQUENCE_END_EVENT || event.type == YAML_MAPPING_END_EVENT;
		n_anchors += anchor_of(&event) != NULL;
		more = event.type != YAML_STREAM_END_EVENT;
		yaml_event_delete(&event);
		if (depth > NESTING_MAX)
			report_error(input->report, place, "nested more than %d deep: no configuration is",
				     NESTING_MAX);
		else if (n_anchors > ANCHORS_MAX)
			report_error(input->report, place, "more than %d anchors: write the values out", ANCHORS_MAX);
		else
			continue;
		return false;
	}
	return true;
}

static bool open_parser(const struct input *input, yaml_parser_t *parser)
{
	if (!yaml_parser_initialize(parser)) {
		input->report->out_of_memory = true;
		return false;
	}
	yaml_parser_set_input_string(parser, (const unsigned char *)input->text, input->length);
	return true;
}

/* Nothing but the end of the stream may follow the first document. */
static bool is_last(const struct input *input, yaml_parser_t *parser)
{
	yaml_document_t document;
	yaml_node_t *root;

	if (!yaml_parser_load(parser, &document)) {
		report_problem(input, parser);
		return false;
	}
	root = yaml_document_get_root_node(&document);
	if (root)
		report_error(input->report, place_of(document.start_mark),
			     "a second YAML document: keep the whole configuration in one");
	yaml_document_delete(&document);
	return !root;
}

static bool load(const struct input *input, yaml_parser_t *parser, yaml_document_t *ret_document)
{
	if (!yaml_parser_load(parser, ret_document)) {
		report_problem(input, parser);
		return false;
	}
	if (!yaml_document_get_root_node(ret_document))
		report_error(input->report, (struct place){1, 1}, "the file is empty: give at least interfaces");
	else if (is_last(input, parser))
		return true;
	yaml_document_delete(ret_document);
	return false;
}

bool document_load(const char *text, size_t length, yaml_document_t *ret_document, struct report *report)
{
	struct input input = {.text = length ? text : "", .length = length, .report = report};
	yaml_parser_t parser;
	bool good;

	if (!open_parser(&input, &parser))
		return false;
	good = is_harmless(&input, &parser);
	yaml_parser_delete(&parser);
	if (!good || !open_parser(&input, &parser))
		return false;
	good = load(&input, &parser, ret_document);
	yaml_parser_delete(&parser);
	return good;
}
