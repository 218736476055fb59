/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Traced packets as a file that Wireshark reads: draft-ietf-opsawg-pcapng. */
#ifndef SHUNT_CLI_PCAPNG_H
#define SHUNT_CLI_PCAPNG_H

#include <jansson.h>

struct pcapng;

struct pcapng *pcapng_open(const char *path); /* NULL with errno; "-" is stdout */
/* A packet of the API's: as it came and, if it was sent on, as it left, with the verdict as a comment. 0 | -errno */
int pcapng_put(struct pcapng *file, const json_t *packet);
int pcapng_close(struct pcapng *file); /* 0 | -errno: not all was written */

#endif
