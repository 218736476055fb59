/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SHUNT_FILE_H
#define SHUNT_FILE_H

#include <stddef.h>
#include <sys/types.h>

int file_read(const char *path, size_t max_bytes, char **ret_text, size_t *ret_length); /* NUL-terminated; -EFBIG over max */
/* Old or new, never half, also after power loss: temporary file, fsync, rename, fsync of the folder. */
int file_write_atomically(const char *path, const void *data, size_t length, mode_t mode);
int file_append(int fd, const void *data, size_t length); /* 0, or -errno and perhaps a part is written */
int file_make_directories(const char *path, mode_t mode);                               /* like mkdir -p; existing is fine */
char *path_join(const char *directory, const char *name);                               /* allocated, NULL without memory */

#endif
