/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The denied prefixes over restarts and crashes, in STATE_DIR/denied.jsonl: a first line with the version, then a line for
 * each change, on the disk before it is acknowledged (denied_file_sync). So that one prefix more costs a line, however many there are.
 * A line that a crash cut off was never acknowledged: it is left out. Any other that is not ours: the file is set aside.
 */
#ifndef SHUNT_DENIED_FILE_H
#define SHUNT_DENIED_FILE_H

#include <jansson.h>

#include "loop/saver.h"
#include "state/denied.h"

#define DENIED_FILE "denied.jsonl"
#define DENIED_VERSION 1

struct denied_file;

/*
 * Reads what is there into the empty `list`, without what has ended meanwhile by the wall clock. *ret_damaged: it could not
 * be used and was set aside. 0 | -errno.
 */
int denied_file_open(const char *state_dir, int64_t wall_ms, uint64_t monotonic_ms, struct denied_list *list,
		     struct denied_file **ret_file, bool *ret_damaged);
/* The same without opening it, or setting anything aside: -EBADMSG where that could not be used. */
int denied_file_read(const char *state_dir, int64_t wall_ms, uint64_t monotonic_ms, struct denied_list *list);
void denied_file_close(struct denied_file *file);

/* Entries of one call have one service, since and until: those of the first. 0, or -errno and the file is as it was. */
int denied_file_add(struct denied_file *file, const struct denied *more, size_t n);
int denied_file_remove(struct denied_file *file, const struct denied *which, size_t n);
/* Has what was added and removed put onto the disk. 0 | -errno. */
int denied_file_sync(struct denied_file *file, struct saver *saver);
int denied_file_replace(struct denied_file *file, const struct denied_list *list); /* it has this alone. 0 | -errno: the old goes on */

/* Lines as of the file, as an array: NULL without memory; 0, -ENOMEM or -EBADMSG. What has ended is left out. */
json_t *denied_json(const struct denied_list *list);
int denied_read(const json_t *changes, int64_t wall_ms, uint64_t monotonic_ms, struct denied_list *list);
/* Writes the list anew when the file has become much longer than that takes. 0 | -errno: the old one goes on. */
int denied_file_tidy(struct denied_file *file, const struct denied_list *list);

#endif
