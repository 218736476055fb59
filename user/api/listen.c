/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Decides whether a path or address is ours to listen on. Must not know what is served there. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "api/listen.h"
#include "base/cleanup.h"
#include "net/address.h"

#define BACKLOG 64

/* 0: the path is free now. */
static int clear_stale(const char *path, const struct sockaddr_un *name)
{
	_cleanup_(closep) int fd = -1;
	struct stat status;

	if (lstat(path, &status) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(status.st_mode))
		return -EEXIST;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)name, sizeof(*name)) == 0 || errno == EAGAIN)
		return -EADDRINUSE;
	if (errno != ECONNREFUSED)
		return -errno;
	return unlink(path) < 0 ? -errno : 0;
}

int listen_unix(const char *path, int *ret_fd)
{
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	int fd, r;

	if (strlen(path) >= sizeof(name.sun_path))
		return -ENAMETOOLONG;
	memcpy(name.sun_path, path, strlen(path) + 1);
	r = clear_stale(path, &name);
	if (r < 0)
		return r;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	/* Nobody can connect before listen(), so the mode is right for the first one who does. */
	if (bind(fd, (struct sockaddr *)&name, sizeof(name)) < 0 || chmod(path, 0660) < 0 || listen(fd, BACKLOG) < 0) {
		r = -errno;
		close(fd);
		return r;
	}
	*ret_fd = fd;
	return 0;
}

static bool is_loopback(const struct shunt_addr *address)
{
	static const struct shunt_addr one = {.byte = {[15] = 1}};

	return address_is_ipv4(address) ? address->byte[12] == 127 : address_equal(address, &one);
}

int listen_tcp(const char *text, int *ret_fd, bool *ret_is_loopback)
{
	struct sockaddr_storage name;
	struct shunt_addr address;
	socklen_t length;
	int fd, r, on = 1;
	uint16_t port;

	if (address_port_parse(text, &address, &port) < 0)
		return -EINVAL;
	length = address_to_sockaddr(&address, port, &name);
	fd = socket(name.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
	    bind(fd, (struct sockaddr *)&name, length) < 0 || listen(fd, BACKLOG) < 0) {
		r = -errno;
		close(fd);
		return r;
	}
	*ret_fd = fd;
	*ret_is_loopback = is_loopback(&address);
	return 0;
}
