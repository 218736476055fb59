/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Server-sent events (WHATWG HTML 9.2): the audit trail as it grows, and what changes of services, groups and backends. One look at the
 * controller serves all readers. What is to be sent is held once for all of them, and only so much of it: a reader that is further behind
 * is cut off. Knows nothing of connections.
 */
#ifndef SHUNT_API_STREAM_H
#define SHUNT_API_STREAM_H

#include <sys/types.h>

#include "api/survey.h"

#define STREAM_READERS_MAX 32
#define STREAM_BYTES_MAX (8 << 20) /* of messages that not everybody has read */

struct stream;
struct stream_reader;

/* `event` and `survey` are borrowed. 0 | -errno. */
int stream_new(sd_event *event, const struct api_handlers *handlers, void *userdata, struct survey *survey, struct stream **ret_stream);
/* All readers have left. */
void stream_free(struct stream *stream);

/*
 * A reader who gets the events of the trail behind id `since` first, or with UINT64_MAX only what comes. wake() is called when there is
 * something to read again after stream_read() returned 0. -EBUSY: STREAM_READERS_MAX read already.
 */
int stream_join(struct stream *stream, uint64_t since, void (*wake)(void *userdata), void *userdata,
		struct stream_reader **ret_reader);
void stream_leave(struct stream_reader *reader);
/* How many bytes it put into `buffer`; 0: nothing now; -EPIPE: the reader is too far behind, or the stream has ended; -ENOMEM. */
ssize_t stream_read(struct stream_reader *reader, char *buffer, size_t size);
/* Wakes everybody to be told that it is over. */
void stream_end(struct stream *stream);

#endif
