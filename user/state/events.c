/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The audit trail: a ring in memory before an append-only file. Knows nothing of what its events mean. */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "api/text.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/word.h"
#include "state/damaged.h"
#include "state/events.h"

#define READ_BYTES_MAX (4 * EVENTS_FILE_BYTES_MAX)

struct events {
	char *path;
	int fd; /* -1: cannot be written any more */
	size_t file_bytes;
	int64_t file_since; /* time of its first event, Unix milliseconds; 0: it has none */
	bool unsynced;
	uint64_t last_id;
	size_t first, count; /* of the ring */
	struct event ring[EVENTS_KEPT];
};

/* ---- the ring: one allocation holds the strings of an event, `kind` is its start ---- */

static void forget_oldest(struct events *events)
{
	free((char *)events->ring[events->first].kind);
	events->first = (events->first + 1) % EVENTS_KEPT;
	events->count--;
}

static int remember(struct events *events, const struct event *event)
{
	const char *const texts[] = {event->kind, event->object, event->actor, event->text};
	size_t offsets[4], length = 0;
	struct event *kept;
	char *block;

	for (int i = 0; i < 4; i++) {
		offsets[i] = length;
		length += strlen(texts[i]) + 1;
	}
	block = malloc(length);
	if (!block)
		return -ENOMEM;
	for (int i = 0; i < 4; i++)
		strcpy(block + offsets[i], texts[i]);
	if (events->count == EVENTS_KEPT)
		forget_oldest(events);
	kept = &events->ring[(events->first + events->count++) % EVENTS_KEPT];
	*kept = (struct event){event->id,          event->time,        block + offsets[0],
			       block + offsets[1], block + offsets[2], block + offsets[3]};
	return 0;
}

/* ---- reading what is there ---- */

/* Only as write_event() wrote it. */
static int time_parse(const char *text, int64_t *ret_ms)
{
	char again[CLOCK_TEXT_MAX];

	if (clock_parse_rfc3339(text, ret_ms) < 0)
		return -EINVAL;
	return strcmp(clock_rfc3339(*ret_ms, again), text) ? -EINVAL : 0;
}

static int read_line(struct events *events, const char *line, size_t length)
{
	_cleanup_(json_decrefp) json_t *json = json_loadb(line, length, JSON_REJECT_DUPLICATES, NULL);
	struct event event = {0};
	const char *time_text;
	json_int_t id;
	int r;

	if (json_unpack(json, "{s:I, s:s, s:s, s:s, s:s, s:s}", "id", &id, "time", &time_text, "kind", &event.kind,
			"object", &event.object, "actor", &event.actor, "text", &event.text) < 0 ||
	    id <= 0 || (uint64_t)id <= events->last_id || time_parse(time_text, &event.time) < 0)
		return -EBADMSG;
	event.id = id;
	r = remember(events, &event);
	if (r == 0)
		events->last_id = event.id;
	return r;
}

/* Reads lines until the first that cannot be trusted; returns where that begins, or the length when there is none. */
static size_t read_lines(struct events *events, const char *text, size_t length)
{
	size_t at = 0;

	while (at < length) {
		const char *end = memchr(text + at, '\n', length - at);

		if (!end || read_line(events, text + at, end - text - at) < 0)
			break;
		at = end - text + 1;
	}
	return at;
}

static int set_tail_aside(const char *path, const char *tail, size_t length, size_t offset)
{
	_cleanup_(freep) char *aside = NULL;
	int r = damaged_name(path, &aside);

	if (r == 0)
		r = file_write_atomically(aside, tail, length, 0640);
	if (r == 0 && truncate(path, offset) < 0)
		r = -errno;
	if (r == 0)
		log_error("events %s: damaged from byte %zu on: %zu bytes set aside as %s", path, offset, length,
			  aside);
	return r;
}

/* The file before the last rotation: it tells where ids go on when the present one is empty. */
static int read_previous(struct events *events)
{
	_cleanup_(freep) char *path = NULL, *text = NULL;
	size_t length;
	int r;

	if (asprintf(&path, "%s.1", events->path) < 0) {
		path = NULL;
		return -ENOMEM;
	}
	r = file_read(path, READ_BYTES_MAX, &text, &length);
	if (r == -ENOENT)
		return 0;
	if (r == 0 && read_lines(events, text, length) == length)
		return 0;
	log_error("events %s: damaged, left as it is: %s", path, r ? strerror(-r) : "not all of it can be read");
	return r == -ENOMEM ? r : 0;
}

static int read_present(struct events *events)
{
	_cleanup_(freep) char *text = NULL;
	size_t length, good, known;
	int r = file_read(events->path, READ_BYTES_MAX, &text, &length);

	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return r;
	known = events->count;
	good = read_lines(events, text, length);
	events->file_bytes = good;
	if (events->count > known)
		events->file_since = events->ring[(events->first + known) % EVENTS_KEPT].time;
	return good == length ? 0 : set_tail_aside(events->path, text + good, length - good, good);
}

static int open_file(struct events *events)
{
	events->fd = open(events->path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
	return events->fd < 0 ? -errno : 0;
}

int events_open(const char *state_dir, struct events **ret_events)
{
	struct events *events = calloc(1, sizeof(*events));
	int r;

	if (!events)
		return -ENOMEM;
	events->fd = -1;
	events->path = path_join(state_dir, EVENTS_FILE);
	r = events->path ? read_previous(events) : -ENOMEM;
	if (r == 0)
		r = read_present(events);
	if (r == 0)
		r = open_file(events);
	if (r < 0) {
		events_close(events);
		return r;
	}
	*ret_events = events;
	return 0;
}

void events_close(struct events *events)
{
	if (!events)
		return;
	events_sync(events, NULL);
	while (events->count)
		forget_oldest(events);
	if (events->fd >= 0)
		close(events->fd);
	free(events->path);
	free(events);
}

/* ---- writing ---- */

int events_sync(struct events *events, struct saver *saver)
{
	int r = !events->unsynced || events->fd < 0 ? 0 : saver_sync(saver, events->path, events->fd);

	events->unsynced = events->unsynced && r < 0;
	return r;
}

void events_unsynced(struct events *events)
{
	events->unsynced = true;
}

/* events.jsonl.3 becomes .4, … , events.jsonl becomes .1. */
static int rotate(struct events *events)
{
	int r = 0;

	for (int n = EVENTS_FILES_KEPT - 1; r == 0 && n >= 0; n--) {
		_cleanup_(freep) char *from = NULL, *to = NULL;

		if ((n ? asprintf(&from, "%s.%d", events->path, n) : asprintf(&from, "%s", events->path)) < 0 ||
		    asprintf(&to, "%s.%d", events->path, n + 1) < 0)
			return -ENOMEM;
		if (rename(from, to) < 0 && errno != ENOENT)
			r = -errno;
	}
	if (r < 0)
		return r;
	close(events->fd);
	events->file_bytes = 0;
	events->file_since = 0;
	return open_file(events);
}

static bool is_due_for_rotation(const struct events *events, size_t length, int64_t now_ms)
{
	return events->file_bytes && (events->file_bytes + length > EVENTS_FILE_BYTES_MAX ||
				      (events->file_since && now_ms - events->file_since > EVENTS_FILE_AGE_MAX_MS));
}

static int append(struct events *events, const char *line, size_t length, int64_t now_ms)
{
	ssize_t done;
	int r = 0;

	if (events->fd < 0)
		return -EIO;
	if (is_due_for_rotation(events, length, now_ms))
		r = rotate(events);
	if (events->fd < 0)
		return r;
	done = write(events->fd, line, length);
	if (done == (ssize_t)length) {
		events->file_bytes += length;
		events->file_since = events->file_since ? events->file_since : now_ms;
		events->unsynced = true;
		return r;
	}
	r = done < 0 ? -errno : -ENOSPC;
	/* Half a line would spoil the next one: take it back, or write no more. */
	if (done > 0 && ftruncate(events->fd, events->file_bytes) < 0) {
		close(events->fd);
		events->fd = -1;
	}
	return r;
}

static int write_event(struct events *events, const struct event *event)
{
	_cleanup_(json_decrefp) json_t *json = NULL;
	_cleanup_(freep) char *text = NULL, *line = NULL;
	char time_text[CLOCK_TEXT_MAX];
	int length;

	json = json_pack("{s:I, s:s, s:o, s:o, s:o, s:o}", "id", (json_int_t)event->id, "time",
			 clock_rfc3339(event->time, time_text), "kind", text_json(event->kind), "object",
			 text_json(event->object), "actor", text_json(event->actor), "text", text_json(event->text));
	text = json ? json_dumps(json, JSON_COMPACT) : NULL;
	if (!text)
		return -ENOMEM;
	length = asprintf(&line, "%s\n", text);
	if (length < 0) {
		line = NULL;
		return -ENOMEM;
	}
	return append(events, line, length, event->time);
}

int events_add(struct events *events, const char *kind, const char *object, const char *actor, const char *format, ...)
{
	struct event event = {events->last_id + 1, clock_wall_ms(), kind, object, actor, NULL};
	_cleanup_(freep) char *text = NULL;
	int written, kept;
	va_list args;

	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		text = NULL;
	va_end(args);
	if (!text)
		return -ENOMEM;
	event.text = text;
	if (begins_with_word(object, kind)) /* "backend b2", whose kind is "backend" */
		log_info("%s: %s (by %s)", object, text, actor);
	else
		log_info("%s: %s: %s (by %s)", object, kind, text, actor);
	written = write_event(events, &event);
	kept = remember(events, &event);
	events->last_id = event.id;
	return written < 0 ? written : kept;
}

size_t events_since(const struct events *events, uint64_t since, struct event *ret_events, size_t max)
{
	size_t n = 0, low = 0, high = events->count;

	while (low < high) { /* ids grow */
		size_t middle = low + (high - low) / 2;

		if (events->ring[(events->first + middle) % EVENTS_KEPT].id > since)
			high = middle;
		else
			low = middle + 1;
	}
	for (; low < events->count && n < max; low++)
		ret_events[n++] = events->ring[(events->first + low) % EVENTS_KEPT];
	return n;
}

int events_last(const struct events *events, struct event *ret_event)
{
	if (!events->count)
		return -ENOENT;
	*ret_event = events->ring[(events->first + events->count - 1) % EVENTS_KEPT];
	return 0;
}

uint64_t events_last_id(const struct events *events)
{
	return events->last_id;
}
