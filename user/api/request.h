/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Callbacks of libmicrohttpd, as its manual has them; `userdata` is the struct listener. */
#ifndef SHUNT_API_REQUEST_H
#define SHUNT_API_REQUEST_H

#include <microhttpd.h>

/* Called as a request's head, the parts of its body and its end come; the last call answers. */
enum MHD_Result request_take(void *userdata, struct MHD_Connection *connection, const char *url, const char *method, const char *version,
			     const char *data, size_t *data_length, void **request_state);
void request_end(void *userdata, struct MHD_Connection *connection, void **request_state, enum MHD_RequestTerminationCode code);
/* A client came or went: what patience.h keeps of it. */
void request_connection(void *userdata, struct MHD_Connection *connection, void **context, enum MHD_ConnectionNotificationCode code);
/* Of a path and its query; takes no userdata. */
size_t request_unescape(void *userdata, struct MHD_Connection *connection, char *text);

#endif
