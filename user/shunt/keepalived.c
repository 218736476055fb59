/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Reads keepalived.conf(5) as words, lines and blocks. Knows no word of it. */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "shunt/keepalived.h"

#define FILE_MAX (16 << 20)
#define DEPTH_MAX 16

struct reader {
	const char *at;
	int line, depth;
};

/* The next word of the line, allocated; NULL at its end, or before a brace. Comments begin with ! or #. */
static char *next_word(struct reader *reader)
{
	const char *begin;
	char *word;

	while (*reader->at == ' ' || *reader->at == '\t' || *reader->at == '\r')
		reader->at++;
	if (*reader->at == '!' || *reader->at == '#')
		reader->at += strcspn(reader->at, "\n");
	if (!*reader->at || strchr("\n{}", *reader->at))
		return NULL;
	if (*reader->at == '"') {
		begin = ++reader->at;
		reader->at += strcspn(begin, "\"\n");
		word = strndup(begin, (size_t)(reader->at - begin));
		reader->at += *reader->at == '"';
		return word;
	}
	begin = reader->at;
	reader->at += strcspn(begin, " \t\r\n{}");
	return strndup(begin, (size_t)(reader->at - begin));
}

/* A brace that opens a block may stand on a line of its own. */
static bool opens_block(struct reader *reader)
{
	struct reader ahead = *reader;

	while (isspace((unsigned char)*ahead.at) || *ahead.at == '!' || *ahead.at == '#') {
		if (*ahead.at == '!' || *ahead.at == '#')
			ahead.at += strcspn(ahead.at, "\n");
		else
			ahead.line += *ahead.at++ == '\n';
	}
	if (*ahead.at != '{')
		return false;
	ahead.at++;
	*reader = ahead;
	return true;
}

static json_t *read_block(struct reader *reader)
{
	json_t *block = json_array();

	if (++reader->depth > DEPTH_MAX)
		reader->at = "";
	while (*reader->at && *reader->at != '}') {
		json_t *words = json_array(), *statement;
		int line = reader->line;
		char *word;

		while ((word = next_word(reader))) {
			json_array_append_new(words, json_string(word) ?: json_string("?")); /* not UTF-8 */
			free(word);
		}
		if (!json_array_size(words)) {
			json_decref(words);
			reader->line += *reader->at == '\n';
			reader->at += *reader->at == '\n' || *reader->at == '{';
			continue;
		}
		statement = json_pack("{s:i, s:o}", "line", line, "words", words);
		if (opens_block(reader))
			json_object_set_new(statement, "body", read_block(reader));
		json_array_append_new(block, statement);
	}
	reader->at += *reader->at == '}';
	reader->depth--;
	return block;
}

int keepalived_read(const char *path, json_t **ret_block)
{
	_cleanup_(freep) char *text = NULL;
	struct reader reader = {.line = 1};
	size_t length;
	int r = file_read(path, FILE_MAX, &text, &length);

	if (r < 0)
		return r;
	reader.at = text;
	*ret_block = read_block(&reader);
	return 0;
}

const char *keepalived_word(const json_t *statement, size_t i)
{
	return json_string_value(json_array_get(json_object_get(statement, "words"), i)) ?: "";
}

const json_t *keepalived_find(const json_t *block, const char *names)
{
	json_t *statement;
	size_t i;

	json_array_foreach((json_t *)block, i, statement) {
		const char *word = keepalived_word(statement, 0), *found = strstr(names, word);
		size_t length = strlen(word);

		for (; length && found; found = strstr(found + 1, word))
			if ((found == names || found[-1] == '|') && (found[length] == '|' || !found[length]))
				return statement;
	}
	return NULL;
}

const char *keepalived_value(const json_t *block, const char *names)
{
	return keepalived_word(keepalived_find(block, names), 1);
}
