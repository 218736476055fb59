/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What server.c (listeners in the loop) and request.c (what comes in through them) both know; for nobody else. */
#ifndef SHUNT_API_SERVER_H
#define SHUNT_API_SERVER_H

#include <microhttpd.h>
#include <sys/stat.h>

#include "api/api.h"
#include "api/held.h"
#include "api/patience.h"
#include "api/stream.h"
#include "api/survey.h"
#include "api/tls.h"

struct listener {
	struct api *api;
	struct MHD_Daemon *daemon;   /* NULL: not used */
	sd_event_source *io, *timer, *limit;
	struct patience *clients;
	bool is_tcp;
};

struct api {
	sd_event *event;
	struct listener unix_listener, tcp_listener;
	struct survey *survey;
	struct held *held;
	struct stream *stream;
	char *socket_path;           /* NULL until it is ours */
	dev_t socket_device;
	ino_t socket_inode;
	char *token_file;            /* NULL: TCP is for this host, without a token */
	char *read_token_file;       /* NULL: none */
	struct tls *tls;             /* NULL: TCP is without */
	const struct api_handlers *handlers;
	void *userdata;
};

#endif
