/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* uthash behind three verbs, so that its macros and its memory failures stay in one file. */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#define HASH_NONFATAL_OOM 1
#define uthash_nonfatal_oom(entry) ((void)(entry), failed = true)
#include <uthash.h>

#include "config/keymap.h"

struct keymap_entry {
	const void *key;
	size_t value;
	UT_hash_handle hh;
};

size_t keymap_get(const struct keymap *map, const void *key, size_t key_bytes)
{
	struct keymap_entry *entry;

	HASH_FIND(hh, map->head, key, key_bytes, entry);
	return entry ? entry->value : KEYMAP_NONE;
}

size_t keymap_put(struct keymap *map, const void *key, size_t key_bytes, size_t value, int *error)
{
	size_t found = keymap_get(map, key, key_bytes);
	struct keymap_entry *entry;
	bool failed = false;

	if (found != KEYMAP_NONE)
		return found;
	entry = malloc(sizeof(*entry));
	if (!entry) {
		*error = -ENOMEM;
		return KEYMAP_NONE;
	}
	*entry = (struct keymap_entry){.key = key, .value = value};
	HASH_ADD_KEYPTR(hh, map->head, entry->key, key_bytes, entry);
	if (failed) {
		free(entry);
		*error = -ENOMEM;
	}
	return KEYMAP_NONE;
}

void keymap_clear(struct keymap *map)
{
	struct keymap_entry *entry, *next;

	HASH_ITER(hh, map->head, entry, next)
	{
		HASH_DEL(map->head, entry);
		free(entry);
	}
}
