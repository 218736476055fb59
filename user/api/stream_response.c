/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Suspends and resumes; what is read, and who is too slow, is the stream's to say. */
#include <errno.h>
#include <stdlib.h>

#include "api/stream_response.h"

#define BLOCK_BYTES (32 << 10)

struct follower {
	struct MHD_Connection *connection;
	struct stream_reader *reader;
	void (*resumed)(void *userdata);
	void *userdata;
};

static void wake(void *userdata)
{
	struct follower *follower = userdata;

	MHD_resume_connection(follower->connection);
	follower->resumed(follower->userdata);
}

static ssize_t read_more(void *userdata, uint64_t position, char *buffer, size_t size)
{
	struct follower *follower = userdata;
	ssize_t n = stream_read(follower->reader, buffer, size);

	(void)position;
	if (n < 0)
		return n == -EPIPE ? MHD_CONTENT_READER_END_OF_STREAM : MHD_CONTENT_READER_END_WITH_ERROR;
	if (!n)
		MHD_suspend_connection(follower->connection);
	return n;
}

static void leave(void *userdata)
{
	struct follower *follower = userdata;

	stream_leave(follower->reader);
	free(follower);
}

int stream_response(struct stream *stream, uint64_t since, struct MHD_Connection *connection, void (*resumed)(void *userdata),
		    void *userdata, struct MHD_Response **ret_response)
{
	struct follower *follower = calloc(1, sizeof(*follower));
	struct MHD_Response *response;
	int r;

	if (!follower)
		return -ENOMEM;
	follower->connection = connection;
	follower->resumed = resumed;
	follower->userdata = userdata;
	r = stream_join(stream, since, wake, follower, &follower->reader);
	if (r < 0) {
		free(follower);
		return r;
	}
	response = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK_BYTES, read_more, follower, leave);
	if (!response) {
		leave(follower);
		return -ENOMEM;
	}
	*ret_response = response;
	return 0;
}
