/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Internal to config: names (or other bytes) → indexes. Keys are borrowed and must outlive the map. */
#ifndef SHUNT_CONFIG_KEYMAP_H
#define SHUNT_CONFIG_KEYMAP_H

#include <stddef.h>

#define KEYMAP_NONE ((size_t)-1)

struct keymap {
	struct keymap_entry *head;
};

/* The value the key already had (it stays), else KEYMAP_NONE and the key now has `value`. -ENOMEM in *error. */
size_t keymap_put(struct keymap *map, const void *key, size_t key_bytes, size_t value, int *error);
size_t keymap_get(const struct keymap *map, const void *key, size_t key_bytes); /* KEYMAP_NONE: not there */
void keymap_clear(struct keymap *map);

#endif
