/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a balancer can see of QUIC (RFC 8999): whether a datagram begins with an Initial packet, which starts a connection,
 * and, where backends put their own number into the connection ids that they give out, whose connection it is, so that it
 * stays there when the client's address changes (plain ids, as the unencrypted form of draft-ietf-quic-load-balancers-21).
 *
 * The id counts in packets that have a connection id which a server chose: those with a short header, and Handshake packets.
 * A client chooses that of its first Initial and of 0-RTT packets by chance (RFC 9000 section 7.2): they go by their
 * address and port. Of versions other than 1 and 2 the types are not known (RFC 8999 section 5.1): likewise.
 */
#ifndef SHUNT_BPF_QUIC_H
#define SHUNT_BPF_QUIC_H

#include "extensions.h"
#include "packet.h"

#define QUIC_LONG_HEADER 0x80
#define QUIC_TYPE 0x30
#define QUIC_VERSION_1 0x00000001 /* RFC 9000 section 15 */
#define QUIC_VERSION_2 0x6b3343cf /* RFC 9369 section 3.1 */
enum { QUIC_V1_INITIAL = 0x00, QUIC_V1_HANDSHAKE = 0x20, QUIC_V2_INITIAL = 0x10, QUIC_V2_HANDSHAKE = 0x30 };

#define QUIC_STARTS_FLOW (1 << 30) /* in the result of read_quic(), beside the id of a backend */

/* Type, version, and the length of the destination connection id, which follows (RFC 8999 section 5.1). */
struct quic_long_header {
	__u8 first;
	__u8 version[4];
	__u8 id_len;
};

/* Of each the other half of the bytes is cleared. */
stage void clear_behind(struct shunt_server_id *id, __u32 len)
{
	for (__u32 i = 0; i < SHUNT_SERVER_ID_MAX; i++)
		if (i >= len)
			id->byte[i] = 0;
}

/* The backend of the server id at `offset` of the frame, 0: nobody has it. */
static __always_inline __u32 backend_of_server_id(struct xdp_md *ctx, __u32 offset, __u32 end, __u32 service, __u32 len)
{
	struct shunt_server_id key = {.service = service, .len = len};
	const void *at = (void *)(long)ctx->data + (offset & FRAME_OFFSET_MAX);
	const __u32 *backend;

	/* As many bytes are there in any packet: behind the id come at least packet number and a tag of 16 (RFC 9001 5.4.2). */
	if (offset + SHUNT_SERVER_ID_MAX > end || at + SHUNT_SERVER_ID_MAX > (void *)(long)ctx->data_end)
		return 0;
	__builtin_memcpy(key.byte, at, SHUNT_SERVER_ID_MAX);
	clear_behind(&key, len);
	backend = bpf_map_lookup_elem(&server_ids, &key);
	return backend ? *backend : 0;
}

/*
 * What the datagram between start and end of the frame says: QUIC_STARTS_FLOW, or the backend that its connection id names,
 * or 0. `id`: where the server id is in the connection id, offset << 8 | length, length 0: nowhere. Global for the
 * verifier's sake.
 */
__noinline int read_quic(struct xdp_md *ctx, __u32 start, __u32 end, __u32 service, __u32 id)
{
	const struct quic_long_header *header = (void *)(long)ctx->data + (start & FRAME_OFFSET_MAX);
	__u32 version, type, id_end = (id >> 8 & 0xff) + (id & 0xff), id_at = start + 1;

	if ((void *)(header + 1) > (void *)(long)ctx->data_end || start + sizeof(*header) > end)
		return 0;
	if (header->first & QUIC_LONG_HEADER) {
		version = (__u32)header->version[0] << 24 | header->version[1] << 16 | header->version[2] << 8 |
			  header->version[3];
		type = header->first & QUIC_TYPE;
		if ((version == QUIC_VERSION_1 && type == QUIC_V1_INITIAL) ||
		    (version == QUIC_VERSION_2 && type == QUIC_V2_INITIAL))
			return QUIC_STARTS_FLOW;
		if ((version != QUIC_VERSION_1 || type != QUIC_V1_HANDSHAKE) &&
		    (version != QUIC_VERSION_2 || type != QUIC_V2_HANDSHAKE))
			return 0;
		if (header->id_len < id_end)
			return 0;
		id_at = start + sizeof(*header);
	}
	return id & 0xff ? backend_of_server_id(ctx, id_at + (id >> 8 & 0xff), end, service, id & 0xff) : 0;
}

/* Of a whole datagram or the first fragment of one. */
stage int follow_connection(struct packet *p)
{
	const struct shunt_service *service = p->service;
	__u32 start = p->l4_offset + sizeof(struct udphdr);
	int found;

	if (!feature(QUIC) || !(service->flags & SHUNT_SERVICE_QUIC) || p->is_icmp_error ||
	    p->is_remembered)
		return SHUNT_NEXT;
	found = read_quic(p->ctx, start, l3_offset(p) + p->ip_len, service->id,
			  (__u32)service->server_id_offset << 8 | service->server_id_len);
	p->starts_flow = is_zero(found ^ QUIC_STARTS_FLOW);
	p->named_backend = found & ((__u32)p->starts_flow - 1);
	join_ways(p);
	return SHUNT_NEXT;
}

#endif
