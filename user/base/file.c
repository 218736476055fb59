/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Whole files: read into memory, written so that a crash leaves the old or the new. Knows nothing of their contents. */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/file.h"

#define FIRST_READ_BYTES 4096

int file_read(const char *path, size_t max_bytes, char **ret_text, size_t *ret_length)
{
	_cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
	_cleanup_(freep) char *text = NULL;
	size_t room = 0, length = 0;
	ssize_t got;

	if (fd < 0)
		return -errno;
	do {
		if (length == room) {
			char *more;

			room = room ? 2 * room : FIRST_READ_BYTES;
			more = realloc(text, room + 1);
			if (!more)
				return -ENOMEM;
			text = more;
		}
		got = read(fd, text + length, room - length);
		if (got < 0 && errno != EINTR)
			return -errno;
		length += got > 0 ? got : 0;
		if (length > max_bytes)
			return -EFBIG;
	} while (got != 0);
	text[length] = '\0';
	*ret_text = text;
	if (ret_length)
		*ret_length = length;
	text = NULL;
	return 0;
}

int file_append(int fd, const void *from, size_t length)
{
	const char *data = from;

	while (length) {
		ssize_t done = write(fd, data, length);

		if (done < 0 && errno != EINTR)
			return -errno;
		if (done > 0) {
			data += done;
			length -= done;
		}
	}
	return 0;
}

static int write_new(const char *path, const void *data, size_t length, mode_t mode)
{
	_cleanup_(closep) int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	int r;

	if (fd < 0)
		return -errno;
	r = file_append(fd, data, length);
	if (r < 0)
		return r;
	return fchmod(fd, mode) < 0 || fsync(fd) < 0 ? -errno : 0;
}

static int sync_folder_of(const char *path)
{
	_cleanup_(freep) char *copy = strdup(path);
	_cleanup_(closep) int fd = -1;

	if (!copy)
		return -ENOMEM;
	fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 || fsync(fd) < 0 ? -errno : 0;
}

int file_write_atomically(const char *path, const void *data, size_t length, mode_t mode)
{
	_cleanup_(freep) char *new = NULL;
	int r;

	if (asprintf(&new, "%s.new", path) < 0) {
		new = NULL;
		return -ENOMEM;
	}
	/* One fixed name, so that what a crash leaves behind is cleared here instead of piling up. */
	if (unlink(new) < 0 && errno != ENOENT)
		return -errno;
	r = write_new(new, data, length, mode);
	if (r == 0 && rename(new, path) < 0)
		r = -errno;
	if (r < 0) {
		unlink(new);
		return r;
	}
	return sync_folder_of(path);
}

static int make_directory(const char *path, mode_t mode)
{
	struct stat there;

	if (mkdir(path, mode) == 0)
		return 0;
	if (errno != EEXIST)
		return -errno;
	if (stat(path, &there) < 0)
		return -errno;
	return S_ISDIR(there.st_mode) ? 0 : -ENOTDIR;
}

/* `mode` is that of the last one; parents that are missing too get the usual 0755. */
int file_make_directories(const char *path, mode_t mode)
{
	_cleanup_(freep) char *copy = strdup(path);
	int r;

	if (!copy)
		return -ENOMEM;
	if (!*copy)
		return -ENOENT;
	for (char *slash = strchr(copy + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		if (slash[1] == '\0' || slash[1] == '/')
			continue;
		*slash = '\0';
		r = make_directory(copy, 0755);
		*slash = '/';
		if (r < 0)
			return r;
	}
	return make_directory(copy, mode);
}

char *path_join(const char *directory, const char *name)
{
	size_t length = strlen(directory);
	char *path;

	if (asprintf(&path, "%s%s%s", directory, length && directory[length - 1] == '/' ? "" : "/", name) < 0)
		return NULL;
	return path;
}
