/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Where tables are made, and what is made only once. Many groups often have the same members: the base table of theirs is
 * one, and when a backend of a thousand groups fails, the targets and words of the first group are those of the next as well.
 * To know that without reading 65,536 words of each, the content of a published table has a number, which equal ones share.
 */
#include <stdlib.h>
#include <string.h>

#include "shuntd/controller.h"

struct tables *tables_new(uint32_t size)
{
	struct tables *tables = must(calloc(1, sizeof(*tables)));

	tables->size = size;
	tables->targets = must(calloc(size, sizeof(*tables->targets)));
	tables->more_targets = must(calloc(size, sizeof(*tables->more_targets)));
	tables->words = must(calloc(size, sizeof(*tables->words)));
	tables->last = must(calloc(size, sizeof(*tables->last)));
	tables->busy = must(calloc(size, sizeof(*tables->busy)));
	return tables;
}

void tables_free(struct tables *tables)
{
	if (!tables)
		return;
	free(tables->targets);
	free(tables->more_targets);
	free(tables->words);
	free(tables->last);
	free(tables->busy);
	free(tables);
}

/* ---- base tables ---- */

struct base *base_find(struct tables *tables, uint64_t key)
{
	struct base *base;

	HASH_FIND(hh, tables->bases, &key, sizeof(key), base);
	if (base)
		base->users++;
	return base;
}

struct base *base_new(struct tables *tables, uint64_t key)
{
	struct base *base = calloc(1, sizeof(*base) + tables->size * sizeof(base->ids[0]));

	if (!base)
		return NULL;
	base->key = key;
	base->users = 1;
	base->of = tables;
	HASH_ADD(hh, tables->bases, key, sizeof(base->key), base);
	return base;
}

void base_release(struct base *base)
{
	if (!base || --base->users > 0)
		return;
	/* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): every base is in this hash */
	HASH_DELETE(hh, base->of->bases, base);
	free(base);
}

/* ---- targets ---- */

void tables_aim(struct tables *tables, const struct base *base, const struct backend_set *set)
{
	if (tables->aim.base_key == base->key && memcmp(&tables->aim.set, set, sizeof(*set)) == 0)
		return;
	slots_targets(base->ids, tables->size, set, tables->targets);
	tables_aimed(tables);
	tables->aim.base_key = base->key;
	tables->aim.set = *set;
}

void tables_aimed(struct tables *tables)
{
	tables->aim.base_key = 0;
	tables->aim.number++;
}

/* ---- words ---- */

/* The number of what is in `words`: that of the last ones when they are the same. */
static void number_words(struct tables *tables)
{
	struct shunt_slot *words = tables->words;

	if (memcmp(words, tables->last, tables->size * sizeof(*words)) != 0)
		tables->content++;
	tables->words = tables->last;
	tables->last = words;
}

static bool is_made(const struct tables *tables, uint64_t content, const struct backend_set *alive)
{
	return content && tables->made.from == content && tables->made.aim == tables->aim.number &&
	       memcmp(&tables->made.alive, alive, sizeof(*alive)) == 0;
}

struct table tables_next(struct tables *tables, const struct shunt_slot *now, uint64_t content, const struct backend_set *alive)
{
	if (!is_made(tables, content, alive)) {
		struct slots_change change = slots_next(now, tables->targets, tables->size, alive, tables->words);

		number_words(tables);
		tables->made.changed = change.changed;
		tables->made.moving = change.moving;
		tables->made.from = content;
		tables->made.aim = tables->aim.number;
		tables->made.alive = *alive;
	}
	return (struct table){tables->last, tables->content, tables->made.changed, tables->made.moving};
}

struct table tables_take(struct tables *tables, bool changed)
{
	number_words(tables);
	tables->made.from = 0;
	return (struct table){tables->last, tables->content, .changed = changed};
}
