/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A reader of the stream as a response of libmicrohttpd. */
#ifndef SHUNT_API_STREAM_RESPONSE_H
#define SHUNT_API_STREAM_RESPONSE_H

#include <microhttpd.h>

#include "api/stream.h"

/*
 * The connection is suspended while there is nothing to say; after resumed() its daemon is to be run, but not by that. since: as of
 * stream_join(). 0 | -EBUSY | -ENOMEM.
 */
int stream_response(struct stream *stream, uint64_t since, struct MHD_Connection *connection, void (*resumed)(void *userdata),
		    void *userdata, struct MHD_Response **ret_response);

#endif
