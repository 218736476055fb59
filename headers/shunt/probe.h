/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Between the prober, which marks its sockets, and bpf/probe.bpf.c, which sends what is so marked as traffic goes: marks,
 * keys and values. The maps live and die with the controller; nobody else uses them.
 */
#ifndef SHUNT_PROBE_MARK_H
#define SHUNT_PROBE_MARK_H

#include "abi.h"

#define SHUNT_PROBE_EGRESS "probe_egress"
#define SHUNT_PROBE_INGRESS "probe_ingress"

/*
 * A mark (SO_MARK) is a tag that tells this controller's probes from all other packets, the backend's id, which of its paths,
 * and what kind of probe it is: 12, 15, 3 and 2 bits.
 */
#define SHUNT_PROBE_TAG_SHIFT 20
#define SHUNT_PROBE_PATHS 8          /* of one backend: addresses of services that it is probed by */
#define SHUNT_PROBE_KEY_SHIFT 2      /* what is left of the kind, backend and path, is the key of probe_paths */
#define SHUNT_PROBE_KEY_MASK 0x3ffff
#define SHUNT_PROBE_KIND_MASK 3
#define SHUNT_MAX_PROBE_PATHS (SHUNT_MAX_BACKENDS * SHUNT_PROBE_PATHS)
#define SHUNT_MAX_PROBE_FLOWS 32768

enum shunt_probe_kind {
	SHUNT_PROBE_SERVICE,         /* to the service's address */
	SHUNT_PROBE_PADDED,          /* the same, as large as can be */
	SHUNT_PROBE_TUNNEL,          /* to the backend's own address, by the way of a SHUNT_PROBE_SERVICE */
};

struct shunt_probe_path {
	struct shunt_service service; /* as published; of its key the address, how it forwards, what the flow hash needs */
	struct shunt_addr peer;      /* where the prober's socket is connected to, of the service's family */
	__u32 backend;               /* id */
	__u16 largest;               /* bytes of the largest packet that traffic can have here, 0: not known, nothing is padded */
	__u16 pad;
};

/* Of an answer to a probe. */
struct shunt_probe_flow {
	struct shunt_addr service, local;
	__be16 service_port, local_port;
	__u32 protocol;
};

static inline __attribute__((always_inline)) __u32 shunt_probe_key(__u32 backend, __u32 path)
{
	return backend * SHUNT_PROBE_PATHS + path;
}

static inline __attribute__((always_inline)) __u32 shunt_probe_mark(__u32 tag, __u32 key, enum shunt_probe_kind kind)
{
	return tag << SHUNT_PROBE_TAG_SHIFT | key << SHUNT_PROBE_KEY_SHIFT | kind;
}

_Static_assert(SHUNT_MAX_PROBE_PATHS == SHUNT_PROBE_KEY_MASK + 1, "a key has room in a mark");
_Static_assert(sizeof(struct shunt_probe_path) == 88, "no hidden padding");
_Static_assert(sizeof(struct shunt_probe_flow) == 40, "a key has no hidden padding");

#endif
