/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The audit trail: what happened, why, and by whom. Each event is one JSON line of STATE_DIR/events.jsonl, written before
 * events_add returns (it survives kill -9; power loss, after events_sync); ids grow by one each, also across restarts. A damaged tail is set aside, never trusted nor deleted.
 */
#ifndef SHUNT_EVENTS_H
#define SHUNT_EVENTS_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "api/snapshot.h"
#include "loop/saver.h"

#define EVENTS_FILE "events.jsonl"
#define EVENTS_KEPT 10000                       /* in memory */
#define EVENTS_FILE_BYTES_MAX (8 * 1024 * 1024) /* beyond it the file becomes events.jsonl.1 … */
#define EVENTS_FILE_AGE_MAX_MS (30LL * 24 * 3600 * 1000) /* … as it does when its first event is older … */
#define EVENTS_FILES_KEPT 4                     /* … up to events.jsonl.4 */

struct events;

/* Reads the trail that is there, so that ids go on. 0 | -errno. */
int events_open(const char *state_dir, struct events **ret_events);
void events_close(struct events *events);

/*
 * Writes one event and logs it at info. kind: one of event_kinds.h; object, actor: see struct event. When the file cannot be written the event
 * is still kept in memory and logged, and -errno is returned.
 */
int events_add(struct events *events, const char *kind, const char *object, const char *actor, const char *format, ...)
	__attribute__((format(printf, 5, 6)));

/* Has what was written put onto the disk; events_add leaves that to the kernel. Cheap when nothing is new. 0 | -errno. */
int events_sync(struct events *events, struct saver *saver);
void events_unsynced(struct events *events); /* something may be new */

/*
 * Copies up to `max` events with an id above `since`, oldest first; returns how many. Strings are borrowed until the next
 * events_add.
 */
size_t events_since(const struct events *events, uint64_t since, struct event *ret_events, size_t max);

int events_last(const struct events *events, struct event *ret_event); /* 0, or -ENOENT; strings as above */
uint64_t events_last_id(const struct events *events); /* 0: none yet */

#endif
