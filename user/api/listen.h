/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The sockets that the API listens on: non-blocking, close-on-exec, listening. The caller closes them. */
#ifndef SHUNT_API_LISTEN_H
#define SHUNT_API_LISTEN_H

#include <stdbool.h>

/*
 * Mode 0660. A socket that nobody listens on any more is replaced; -EADDRINUSE when somebody does, -EEXIST when
 * something else has the path: that is never removed.
 */
int listen_unix(const char *path, int *ret_fd);
/* "address:port". *ret_is_loopback: only this host can connect. -EINVAL: not an address and port. */
int listen_tcp(const char *text, int *ret_fd, bool *ret_is_loopback);

#endif
