/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What is laid out while it comes reads as jansson would have laid it out, wherever it is cut. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/cleanup.h"
#include "shunt/indent.h"

static const char document[] =
	"{\"name\":\"a \\\"b\\\" \\\\\",\"list\":[1,-2.5,true,null,\"{[,:]}\",[],{},[[]],[{}]],\"nothing\":{},"
	"\"deep\":{\"\":[{\"x\":[{\"y\":\"\\u001F\\\\\\\"\"}]}]},\"last\":0}";

/* In a piece of `first` bytes and pieces of `rest`. Allocated. */
static char *laid_out(const char *text, size_t first, size_t rest)
{
	_cleanup_(freep) struct indent *indent = calloc(1, sizeof(*indent));
	size_t length = strlen(text), size, piece;
	char *printed = NULL;

	assert_non_null(indent);
	indent->to = open_memstream(&printed, &size);
	assert_non_null(indent->to);
	for (size_t at = 0; at < length; at += piece) {
		piece = at == 0 ? first : rest;
		if (piece > length - at)
			piece = length - at;
		indent_put(indent, text + at, piece);
	}
	indent_end(indent);
	fclose(indent->to);
	return printed;
}

static char *by_jansson(const char *text)
{
	json_t *value = json_loads(text, 0, NULL);
	char *dumped = json_dumps(value, JSON_INDENT(2)), *printed = NULL;

	assert_non_null(dumped);
	assert_true(asprintf(&printed, "%s\n", dumped) > 0);
	free(dumped);
	json_decref(value);
	return printed;
}

static void reads_as_ever_wherever_it_is_cut(void **state)
{
	_cleanup_(freep) char *expected = by_jansson(document);

	(void)state;
	for (size_t rest = 1; rest <= sizeof(document); rest++)
		for (size_t first = 1; first <= rest; first++) {
			_cleanup_(freep) char *printed = laid_out(document, first, rest);

			assert_string_equal(printed, expected);
		}
}

/* Longer than what is kept before it is printed, in one piece and in many. */
static void a_long_text_is_whole(void **state)
{
	size_t length = 3 * sizeof(((struct indent *)NULL)->bytes);
	_cleanup_(freep) char *text = malloc(length + 1), *list = NULL, *expected = NULL;

	(void)state;
	assert_non_null(text);
	memset(text, 'x', length);
	text[length] = '\0';
	assert_true(asprintf(&list, "[\"%s\",\"%s\",%d]", text, text + 5, 17) > 0);
	expected = by_jansson(list);
	for (size_t piece = 1000; piece < 4 * length; piece *= 3) {
		_cleanup_(freep) char *printed = laid_out(list, piece, piece);

		assert_string_equal(printed, expected);
	}
}

/* Brackets that are never closed, and those that nobody opened, cost no more than their room. */
static void nonsense_is_printed_too(void **state)
{
	char open[100000], close[100000];
	_cleanup_(freep) char *opened = NULL, *closed = NULL;

	(void)state;
	memset(open, '[', sizeof(open) - 1);
	memset(close, '}', sizeof(close) - 1);
	open[sizeof(open) - 1] = close[sizeof(close) - 1] = '\0';
	opened = laid_out(open, 7, 7);
	closed = laid_out(close, sizeof(close), 1);
	assert_true(strlen(opened) < sizeof(open) * 70);
	assert_true(strlen(closed) == 2 * (sizeof(close) - 1) + 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_as_ever_wherever_it_is_cut),
		cmocka_unit_test(a_long_text_is_whole),
		cmocka_unit_test(nonsense_is_printed_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
