/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Files that are written and put onto the disk beside the loop: a disk may take seconds for it, which checks cannot wait. One thread
 * does one thing after the other, in the order in which they were asked for. It touches files and nothing else.
 */
#ifndef SHUNT_SAVER_H
#define SHUNT_SAVER_H

#include <stdint.h>
#include <sys/types.h>

#include <systemd/sd-event.h>

struct saver;

/* From the loop, of each that is done, in order: 0, or -errno. */
typedef void (*saver_callback)(void *userdata, const char *path, int r);

/* Without signals, which are the loop's. `event` is borrowed. 0 | -errno. */
int saver_open(sd_event *event, saver_callback callback, void *userdata, struct saver **ret_saver);
void saver_close(struct saver *saver); /* once all that was asked for is done, and told of. NULL is fine */

/*
 * As file_write_atomically(). In the place of what still waits to be written to this path, which is not written any more. Takes the text;
 * NULL: there was no memory for it. Without a saver it is done at once. 0 | -errno.
 */
int saver_write(struct saver *saver, const char *path, char *take_text, mode_t mode);
/* Onto the disk with what was written to the file by now; `fd` may be closed then. Without a saver likewise. 0 | -errno. */
int saver_sync(struct saver *saver, const char *path, int fd);

/* All that was asked for until now is done when saver_done() has come to this number. */
uint64_t saver_asked(const struct saver *saver);
uint64_t saver_done(const struct saver *saver); /* what the callback was told of, this time included */

#endif
