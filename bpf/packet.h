/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What is known of the packet so far, the verdict of a stage, and the one way to drop. */
#ifndef SHUNT_BPF_PACKET_H
#define SHUNT_BPF_PACKET_H

#include <stdbool.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <bpf/bpf_endian.h>

#include "maps.h"

#define stage static __always_inline
#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

/* A stage returns SHUNT_NEXT for "go on with the next one", or the XDP action that ends the packet's way. */
enum verdict { SHUNT_NEXT = 0 };

#define VLAN_TAGS_MAX 2

/* Of IPv4's flags and fragment offset (RFC 791 section 3.1). */
#define IPV4_DONT_FRAGMENT 0x4000
#define IPV4_MORE_FRAGMENTS 0x2000
#define IPV4_FRAGMENT_OFFSET 0x1fff

struct vlan_tag {
	__be16 protocol, control;        /* TPID and TCI: priority and VLAN id */
};

/* What few packets have. In memory of its own, so that the others do not carry it through registers from stage to stage. */
struct unusual {
	struct vlan_tag tag[VLAN_TAGS_MAX];
	__u16 fragment_offset;           /* bytes; 0: the first */
	union {                          /* what is no fragment may be an error, and the other way round */
		__u16 fragment_len;      /* bytes */
		__u16 quoted_l4_offset;  /* of an ICMP error: where the transport header is of the packet that it quotes */
	};
	union {                          /* a later fragment: by the id it is found where the first one went */
		__be32 fragment_id;
		__u32 remembered_backend;
	};
};

struct packet {
	struct xdp_md *ctx;
	bool dry;                        /* explain: find out, change nothing; constant at compile time */
	bool traced;                     /* constant, too: somebody watches */
	bool unknown;                    /* explain: as if nobody had pinned the flow */

	/* parse */
	void *start, *end;               /* of the frame, as received */
	struct shunt_addr source, destination;
	__u32 ports;                     /* of source and destination, as they stand in the packet: join_ports() */
	/* What is smaller than a register is masked again wherever it is used; of some the verifier would tell the ways apart else. */
	__u32 ip_len;                    /* length of the IP packet as its header says, bytes */
	__u16 l4_offset;                 /* from the start of the frame */
	__u32 frame_len;                 /* as received, bytes */
	__u16 family;                    /* ETH_P_IP | ETH_P_IPV6, host order */
	__u8 protocol;
	__u8 traffic_class;              /* TOS or traffic class */
	/* One word, hence one register, and so that join_ways() has only this one to see to. */
	union {
		struct {
			__u32 fault : 8;         /* enum shunt_drop_reason: what is wrong, judged by admit() */
			__u32 icmp_type : 8;
			__u32 tags : 2;          /* how many of unusual->tag the frame has */
			__u32 is_fragment : 1;   /* and not the whole of its datagram */
			__u32 is_remembered : 1; /* a later fragment whose first one is known */
			__u32 is_icmp_error : 1; /* addresses, ports and protocol are those of the client's flow it is about */
			__u32 no_ports : 1;      /* they are not known: neither TCP nor UDP, or truncated */
			__u32 starts_flow : 1;   /* TCP SYN without ACK, Initial packet of QUIC */
			__u32 tcp_flags : 8;     /* as its header has them, TCP_FIN and so on; 0: not TCP */
		};
		__u32 facts;
	};
	struct unusual *unusual;

	/* service, slot, backend */
	const struct shunt_service *service;
	__u64 salt;                      /* of the service's flows, shunt_service_salt() */
	__u32 likely_group;              /* the service's, as its bucket says: a guess */
	__u32 named_backend;             /* by the server id in a connection id of QUIC; 0: none */
	__u64 hash;                      /* of the flow */
	__u32 slot_index;
	struct shunt_slot slot;
	__u32 backend_id;
	struct shunt_backend *backend;
	__u32 choice;                    /* enum shunt_choice */
	__u32 reason;                    /* enum shunt_drop_reason */
	__u32 link;
};

static __always_inline int drop(struct packet *p, enum shunt_drop_reason reason)
{
	__u32 key = reason;
	struct shunt_drop_stats *stats;

	p->reason = reason;
	if (!p->dry && (stats = bpf_map_lookup_elem(&drop_stats, &key)))
		stats->packets++;
	return XDP_DROP;
}

static __always_inline void *frame_start(const struct packet *p)
{
	return (void *)(long)p->ctx->data;
}

static __always_inline void *frame_end(const struct packet *p)
{
	return (void *)(long)p->ctx->data_end;
}

/* Both ports in a register, which they stay in from the packet to the hash; one alone is needed less often. */
union ports {
	struct {
		__be16 source, destination;
	};
	__u32 word;
};

stage __u32 join_ports(__be16 source, __be16 destination)
{
	const union ports ports = {{source, destination}};

	return ports.word;
}

stage __be16 source_port(const struct packet *p)
{
	const union ports ports = {.word = p->ports};

	return ports.source;
}

stage __be16 destination_port(const struct packet *p)
{
	const union ports ports = {.word = p->ports};

	return ports.destination;
}

/* Where the IP header is, from the start of the frame. */
stage __u32 l3_offset(const struct packet *p)
{
	return ETH_HLEN + p->tags * sizeof(struct vlan_tag);
}

/* 1 when it is, else 0, without a branch. */
stage __u32 is_zero(__u32 number)
{
	__u64 less_one = (__u64)number - 1;

	barrier_var(less_one);
	return less_one >> 63;
}

/*
 * `number`, which in all likelihood is the one foreseen. By the branch the processor goes on with that one, while the number that
 * says it for certain is still on its way from memory.
 */
#define foresee(foreseen, number) \
	({ \
		__typeof__((number) + 0) certain = (number), expected = (foreseen), same = expected; \
		barrier_var(same); /* or the compiler knows them equal and takes the one that comes late */ \
		likely(same == certain) ? expected : certain; \
	})

/* One branch for all that few packets have. */
stage bool is_unusual(const struct packet *p)
{
	const struct packet any = {.fault = 0xff, .icmp_type = 0xff, .is_fragment = 1, .no_ports = 1};

	return unlikely(p->facts & any.facts);
}

/* The same number, of which the verifier no longer knows anything: one that it does not know is put in and taken out again. */
stage __u32 forget(const struct packet *p, __u32 number)
{
	__u32 any = p->frame_len;

	number ^= any;
	barrier_var(number);
	return number ^ any;
}

/*
 * What was found so far is the same to the verifier on whichever way it was found. It follows every way through the program
 * with what it knows on that way; where the facts differ it goes through all the rest again, and ways multiply from stage to
 * stage. Where it forgets them ways that meet become one.
 */
stage void join_ways(struct packet *p)
{
	p->facts = forget(p, p->facts);
}

#endif
