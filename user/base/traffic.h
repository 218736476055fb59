/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What passed of a service or of a backend, all CPUs together. */
#ifndef SHUNT_BASE_TRAFFIC_H
#define SHUNT_BASE_TRAFFIC_H

#include <stdint.h>

struct traffic {
	uint64_t packets, bytes;               /* towards backends; whole frames, as received */
	uint64_t new_flows;                    /* TCP SYNs; of services only */
	uint64_t answer_packets, answer_bytes; /* the way back, which only nat's passes here */
};

#endif
