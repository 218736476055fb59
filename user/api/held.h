/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Answers to commands, which wait until what was changed is on the disk, or cannot be brought there, but not for ever. Knows nothing of
 * requests, nor of what is saved.
 */
#ifndef SHUNT_API_HELD_H
#define SHUNT_API_HELD_H

#include <stdint.h>

#include <systemd/sd-event.h>

struct held;

/* One that waits; all zero but the first two. */
struct held_answer {
	void (*end)(void *userdata, const char *problem); /* from the loop; why it is not saved, or NULL */
	void *userdata;
	uint64_t number;           /* what it waits for: see api_saved() */
	uint64_t since_ms;
	struct held_answer *prev, *next;
};

int held_new(sd_event *event, struct held **ret_held); /* `event` is borrowed. 0 | -errno */
void held_add(struct held *held, struct held_answer *answer, uint64_t number);
void held_saved(struct held *held, uint64_t number, const char *path, int r); /* as api_saved() */
void held_cancel(struct held *held); /* nobody waits any more */
void held_free(struct held *held);   /* NULL too */

#endif
