/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What is told about a file: gathered, sorted by line, printed. Knows nothing of what a configuration means. */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "config/report.h"

#define ERRORS_MAX 1000 /* nobody reads more; a file of garbage has millions */
#define QUOTED_BYTES 64

static void append(struct report *report, struct place place, bool is_error, char *text)
{
	struct config_messages *messages = report->messages;
	struct config_message *list = messages->list;
	size_t n = messages->n;

	/* The capacity is the next power of two, so no field has to hold it. */
	if (text && (n & (n - 1)) == 0)
		list = realloc(list, (n ? 2 * n : 1) * sizeof(*list));
	if (!text || !list) {
		free(text);
		report->out_of_memory = true;
		return;
	}
	list[n] =
		(struct config_message){.line = place.line, .column = place.column, .is_error = is_error, .text = text};
	messages->list = list;
	messages->n++;
}

static void append_format(struct report *report, struct place place, bool is_error, const char *format, va_list args)
{
	char *text;

	if (vasprintf(&text, format, args) < 0)
		text = NULL;
	append(report, place, is_error, text);
}

void report_error(struct report *report, struct place place, const char *format, ...)
{
	va_list args;

	if (report->n_errors++ >= ERRORS_MAX)
		return;
	va_start(args, format);
	append_format(report, place, true, format, args);
	va_end(args);
}

void report_note(struct report *report, struct place place, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	append_format(report, place, false, format, args);
	va_end(args);
}

static int compare_place(const void *left, const void *right)
{
	const struct config_message *a = left, *b = right;

	if (a->line != b->line)
		return a->line < b->line ? -1 : 1;
	if (a->column != b->column)
		return a->column < b->column ? -1 : 1;
	return strcmp(a->text, b->text);
}

int report_finish(struct report *report)
{
	struct config_messages *messages = report->messages;

	for (size_t i = 0; i < messages->n; i++)
		if (messages->list[i].line >= POSTED_LINE)
			messages->list[i].line = messages->list[i].column = 0;
	if (messages->n)
		qsort(messages->list, messages->n, sizeof(*messages->list), compare_place);
	if (report->n_errors > ERRORS_MAX) {
		struct config_message last = messages->list[messages->n - 1];
		struct place place = {last.line, last.column};

		append(report, place, true, strdup("too many errors: the others are not shown"));
	}
	if (report->out_of_memory)
		return -ENOMEM;
	return report->n_errors ? -EINVAL : 0;
}

const char *quote(const char *text, char buffer[QUOTE_MAX])
{
	size_t length = text ? strlen(text) : 0, shown = length;
	char *to = buffer;

	if (!text)
		return strcpy(buffer, "without a name");
	if (shown > QUOTED_BYTES)
		for (shown = QUOTED_BYTES; (text[shown] & 0xc0) == 0x80; shown--)
			; /* not within a UTF-8 character */
	*to++ = '"';
	for (size_t i = 0; i < shown; i++)
		*to++ = (unsigned char)text[i] < ' ' || text[i] == 0x7f ? '?' : text[i];
	strcpy(to, shown < length ? "…\"" : "\"");
	return buffer;
}

void config_messages_print(const struct config_messages *messages, const char *path, FILE *to)
{
	for (size_t i = 0; i < messages->n; i++) {
		const struct config_message *message = &messages->list[i];
		const char *note = message->is_error ? "" : "note: ";

		if (message->line)
			fprintf(to, "%s:%d:%d: %s%s\n", path, message->line, message->column, note, message->text);
		else
			fprintf(to, "%s: %s%s\n", path, note, message->text);
	}
}

void config_messages_clear(struct config_messages *messages)
{
	for (size_t i = 0; i < messages->n; i++)
		free(messages->list[i].text);
	free(messages->list);
	*messages = (struct config_messages){};
}
