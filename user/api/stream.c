/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Messages are in a queue of chunks, each with a number that grows; a reader is a number and an offset. After each turn of the controller's
 * loop the trail is asked for what is new, which is then sent at once; the rest is looked at once a second, sooner after an event, and
 * less often when there is so much that a look takes long.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "api/changes.h"
#include "api/stream.h"
#include "base/clock.h"

#define PERIOD_MS 1000
#define AFTER_EVENT_MS 250    /* between two looks when something happened */
#define COST_SHARE 20         /* a look of so long is followed by so many times that without one */
#define SILENCE_MS 10000      /* then a comment is sent, which finds readers that are gone */
#define EVENTS_AT_ONCE 64
#define CHUNKS_MAX 1024

struct chunk {
	char *bytes;
	size_t length;
};

struct stream_reader {
	struct stream *stream;
	struct stream_reader *next;
	void (*wake)(void *userdata);
	void *userdata;
	bool waits;
	uint64_t since, until;     /* events of the trail to be read before the queue: behind `since`, up to `until` */
	struct text backlog;       /* of them, what is rendered; the greeting before */
	size_t backlog_at;
	uint64_t chunk;            /* number of the one to go on with */
	size_t offset;
};

struct stream {
	const struct api_handlers *handlers;
	void *userdata;
	sd_event_source *after_turn, *timer;
	struct stream_reader *readers;
	size_t n_readers;
	struct chunk queue[CHUNKS_MAX]; /* by number, modulo */
	uint64_t first, end;       /* numbers of the oldest chunk and of the next one */
	size_t bytes;
	uint64_t last_event;       /* id */
	struct changes changes;
	struct survey *survey;
	struct survey_job look;
	struct text found;         /* by the look */
	uint64_t period_ms;        /* that the look is followed by */
	uint64_t looked_ms, looked_for_ms, said_ms; /* when, how long it took; when something was sent */
	bool ended;
};

/* ---- the queue ---- */

static void forget_oldest(struct stream *stream)
{
	struct chunk *oldest = &stream->queue[stream->first++ % CHUNKS_MAX];

	stream->bytes -= oldest->length;
	free(oldest->bytes);
	*oldest = (struct chunk){0};
}

static void wake_all(struct stream *stream)
{
	for (struct stream_reader *reader = stream->readers; reader; reader = reader->next)
		if (reader->waits) {
			reader->waits = false;
			reader->wake(reader->userdata);
		}
}

/* Takes the text. What everybody has read is forgotten by being the oldest: nobody is counted. */
static void send_all(struct stream *stream, struct text *take_text)
{
	if (!take_text->length) {
		free(take_text->bytes);
		return;
	}
	while (stream->first < stream->end &&
	       (stream->end - stream->first == CHUNKS_MAX || stream->bytes + take_text->length > STREAM_BYTES_MAX))
		forget_oldest(stream);
	stream->queue[stream->end++ % CHUNKS_MAX] = (struct chunk){take_text->bytes, take_text->length};
	stream->bytes += take_text->length;
	stream->said_ms = clock_monotonic_ms();
	wake_all(stream);
}

/* ---- what there is to say ---- */

static bool put_event(struct text *text, const struct event *event)
{
	return text_format(text, "event: event\nid: %llu\ndata: ", (unsigned long long)event->id) &&
	       text_put_json(text, api_event_json(event)) && text_put(text, "\n\n");
}

/* Puts the events behind `since`, up to `until`; returns the id of the last one, `since` when there is none, 0 without memory. */
static uint64_t put_events(const struct stream *stream, struct text *text, uint64_t since, uint64_t until)
{
	struct event events[EVENTS_AT_ONCE];
	size_t n = stream->handlers->events(stream->userdata, since, events, EVENTS_AT_ONCE);

	for (size_t i = 0; i < n && events[i].id <= until; i++) {
		if (!put_event(text, &events[i]))
			return 0;
		since = events[i].id;
	}
	return since;
}

/* So that the next look is `period_ms` after the last one ended, or later when that one was dear; one that goes on is followed by it. */
static void look_after(struct stream *stream, uint64_t period_ms)
{
	uint64_t now = clock_monotonic_ms(), dear = COST_SHARE * stream->looked_for_ms, due;

	stream->period_ms = period_ms;
	if (stream->look.waits)
		return;
	due = stream->looked_ms + (period_ms > dear ? period_ms : dear);
	sd_event_source_set_time_relative(stream->timer, due > now ? (due - now) * 1000 : 0);
	sd_event_source_set_enabled(stream->timer, SD_EVENT_ONESHOT);
}

/* ---- a look ---- */

static void begin_look(void *userdata)
{
	struct stream *stream = userdata;

	stream->found.length = 0;
}

static bool go_on_looking(void *userdata, const struct snapshot *snapshot)
{
	struct stream *stream = userdata;

	if (snapshot->missing)
		return false;
	if (!changes_look(&stream->changes, snapshot, clock_wall_ms(), &stream->found)) {
		stream->found.length = 0; /* half a message */
		text_put(&stream->found, "event: reset\ndata: {}\n\n");
	}
	return true;
}

static void end_look(void *userdata, int r)
{
	struct stream *stream = userdata;

	(void)r; /* without one, there is nothing to tell */
	stream->looked_ms = clock_monotonic_ms();
	stream->looked_for_ms = stream->look.spent_ns / 1000000;
	send_all(stream, &stream->found);
	stream->found = (struct text){0};
	if (stream->looked_ms - stream->said_ms >= SILENCE_MS && text_put(&stream->found, ":\n\n"))
		send_all(stream, &stream->found);
	stream->found = (struct text){0};
	look_after(stream, stream->period_ms);
}

static void look(struct stream *stream, uint64_t period_ms)
{
	stream->period_ms = period_ms;
	survey_add(stream->survey, &stream->look);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
	(void)source, (void)usec;
	look(userdata, PERIOD_MS);
	return 0;
}

static int on_turn(sd_event_source *source, void *userdata)
{
	struct stream *stream = userdata;
	struct text text = {0};
	uint64_t before, last = stream->last_event;

	(void)source;
	do {
		before = last;
		last = put_events(stream, &text, before, UINT64_MAX);
	} while (last > before);
	if (!text.length)
		return 0;
	stream->last_event = last ? last : before;
	send_all(stream, &text);
	look_after(stream, AFTER_EVENT_MS);
	return 0;
}

/* ---- readers ---- */

static void sleep_if_alone(struct stream *stream)
{
	if (stream->readers)
		return;
	survey_remove(stream->survey, &stream->look);
	free(stream->found.bytes);
	stream->found = (struct text){0};
	sd_event_source_set_enabled(stream->timer, SD_EVENT_OFF);
	sd_event_source_set_enabled(stream->after_turn, SD_EVENT_OFF);
	changes_clear(&stream->changes);
	while (stream->first < stream->end)
		forget_oldest(stream);
}

/*
 * The first reader wakes the stream: the trail is followed from its end, and what comes is compared with how things are now, which is
 * seen before anything that the reader asks for when it knows that the stream is open.
 */
static void begin(struct stream *stream)
{
	struct event events[EVENTS_AT_ONCE];
	size_t n;

	while ((n = stream->handlers->events(stream->userdata, stream->last_event, events, EVENTS_AT_ONCE)) > 0)
		stream->last_event = events[n - 1].id;
	look(stream, PERIOD_MS);
	sd_event_source_set_enabled(stream->after_turn, SD_EVENT_ON);
}

int stream_join(struct stream *stream, uint64_t since, void (*wake)(void *userdata), void *userdata,
		struct stream_reader **ret_reader)
{
	struct stream_reader *reader;

	if (stream->n_readers == STREAM_READERS_MAX)
		return -EBUSY;
	reader = calloc(1, sizeof(*reader));
	if (!reader)
		return -ENOMEM;
	if (!stream->readers)
		begin(stream);
	*reader = (struct stream_reader){
		.stream = stream, .next = stream->readers, .wake = wake, .userdata = userdata,
		.since = since < stream->last_event ? since : stream->last_event, .until = stream->last_event, .chunk = stream->end,
	};
	if (!text_format(&reader->backlog, "retry: 2000\nevent: open\ndata: {\"last_event\":%llu}\n\n",
			 (unsigned long long)reader->until)) {
		free(reader);
		sleep_if_alone(stream);
		return -ENOMEM;
	}
	stream->readers = reader;
	stream->n_readers++;
	*ret_reader = reader;
	return 0;
}

void stream_leave(struct stream_reader *reader)
{
	struct stream *stream = reader->stream;
	struct stream_reader **at = &stream->readers;

	while (*at != reader)
		at = &(*at)->next;
	*at = reader->next;
	stream->n_readers--;
	free(reader->backlog.bytes);
	free(reader);
	sleep_if_alone(stream);
}

static size_t take(const char *from, size_t length, size_t *at, char *buffer, size_t size)
{
	size_t n = length - *at < size ? length - *at : size;

	memcpy(buffer, from + *at, n);
	*at += n;
	return n;
}

/* The next events of the trail into the emptied backlog. */
static int go_on(struct stream_reader *reader)
{
	uint64_t last;

	reader->backlog.length = reader->backlog_at = 0;
	last = put_events(reader->stream, &reader->backlog, reader->since, reader->until);
	if (!last && reader->since)
		return -ENOMEM;
	if (last == reader->since) /* there are none: the trail has forgotten them */
		last = reader->until;
	reader->since = last;
	return 0;
}

static size_t read_queue(struct stream_reader *reader, char *buffer, size_t size)
{
	const struct stream *stream = reader->stream;
	size_t n = 0;

	while (n < size && reader->chunk < stream->end) {
		const struct chunk *chunk = &stream->queue[reader->chunk % CHUNKS_MAX];

		n += take(chunk->bytes, chunk->length, &reader->offset, buffer + n, size - n);
		if (reader->offset == chunk->length) {
			reader->chunk++;
			reader->offset = 0;
		}
	}
	return n;
}

ssize_t stream_read(struct stream_reader *reader, char *buffer, size_t size)
{
	size_t n;

	if (reader->stream->ended || reader->chunk < reader->stream->first)
		return -EPIPE;
	if (reader->backlog_at == reader->backlog.length && reader->since < reader->until && go_on(reader) < 0)
		return -ENOMEM;
	n = take(reader->backlog.bytes, reader->backlog.length, &reader->backlog_at, buffer, size);
	if (!n)
		n = read_queue(reader, buffer, size);
	reader->waits = !n;
	return (ssize_t)n;
}

/* ---- the stream ---- */

int stream_new(sd_event *event, const struct api_handlers *handlers, void *userdata, struct survey *survey, struct stream **ret_stream)
{
	struct stream *stream = calloc(1, sizeof(*stream));
	int r;

	if (!stream)
		return -ENOMEM;
	stream->handlers = handlers;
	stream->userdata = userdata;
	stream->survey = survey;
	stream->look = (struct survey_job){.begin = begin_look, .go_on = go_on_looking, .end = end_look, .userdata = stream};
	r = sd_event_add_post(event, &stream->after_turn, on_turn, stream);
	if (r >= 0)
		r = sd_event_add_time_relative(event, &stream->timer, CLOCK_MONOTONIC, 0, 10000, on_timer, stream);
	if (r < 0) {
		stream_free(stream);
		return r;
	}
	sleep_if_alone(stream);
	*ret_stream = stream;
	return 0;
}

void stream_end(struct stream *stream)
{
	stream->ended = true;
	wake_all(stream);
}

void stream_free(struct stream *stream)
{
	if (!stream)
		return;
	sd_event_source_disable_unref(stream->after_turn);
	sd_event_source_disable_unref(stream->timer);
	changes_clear(&stream->changes);
	while (stream->first < stream->end)
		forget_oldest(stream);
	free(stream);
}
