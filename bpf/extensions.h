/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * IPv6 extension headers (RFC 8200 section 4), read past within a bound: hop-by-hop and destination options, a routing header
 * that is done with, one fragment header. What they mean is for the backend. Beyond the bound (RFC 8504 section 5.3 lets a
 * host have one) the packet has no ports that we know of.
 */
#ifndef SHUNT_BPF_EXTENSIONS_H
#define SHUNT_BPF_EXTENSIONS_H

#include "packet.h"

#define EXTENSIONS_MAX 6
#define EXTENSIONS_MAX_BYTES 256
#define EXTENSION_UNIT 8 /* lengths are counted in these, without the first one */
#define FRAME_OFFSET_MAX 0x7fff /* so that the verifier knows it small */

#define FRAGMENT_OFFSET 0xfff8 /* in bytes */
#define FRAGMENT_MORE 1

/* Where the chain begins and of what kind its first header is; afterwards where it ends and what follows. */
struct extensions {
	__u32 offset; /* from the start of the frame */
	__u32 end; /* of the packet */
	__be32 fragment_id;
	__u32 fragment_start; /* what is behind the fragment header */
	__u16 fragment; /* FRAGMENT_OFFSET | FRAGMENT_MORE */
	__u8 protocol;
	bool is_fragment;
};

struct extension_header {
	__u8 next, units;
	__u8 type, segments_left; /* of a routing header */
	__be32 rest;
};

struct fragment_header {
	__u8 next, reserved;
	__be16 fragment;
	__be32 id;
};

stage bool is_extension(__u8 protocol)
{
	const __u64 known =
		1ULL << IPPROTO_HOPOPTS | 1ULL << IPPROTO_ROUTING | 1ULL << IPPROTO_FRAGMENT | 1ULL << IPPROTO_DSTOPTS;

	return protocol < 64 && known >> protocol & 1;
}

/* One header, the nth: what is wrong with it (enum shunt_drop_reason), and how long it is. */
stage int read_extension(struct extensions *chain, const struct extension_header *header, int n, __u32 *ret_len)
{
	const struct fragment_header *fragment = (const void *)header;

	*ret_len = (header->units + 1) * EXTENSION_UNIT;
	switch (chain->protocol) {
	case IPPROTO_HOPOPTS:
		return n == 0 ? SHUNT_DROP_NONE : SHUNT_DROP_MALFORMED; /* nowhere but first: RFC 8200 section 4.1 */
	case IPPROTO_ROUTING:
		return header->segments_left ? SHUNT_DROP_EXT_HEADERS : SHUNT_DROP_NONE;
	case IPPROTO_FRAGMENT:
		if (chain->is_fragment)
			return SHUNT_DROP_EXT_HEADERS;
		*ret_len = sizeof(*fragment);
		chain->is_fragment = true;
		chain->fragment = bpf_ntohs(fragment->fragment);
		chain->fragment_id = fragment->id;
		return SHUNT_DROP_NONE;
	default:
		return SHUNT_DROP_NONE;
	}
}

/* Global, so that the verifier judges the loop once. Returns what is wrong with the chain (enum shunt_drop_reason). */
__noinline int walk_extensions(struct xdp_md *ctx, struct extensions *chain)
{
	void *data = (void *)(long)ctx->data, *data_end = (void *)(long)ctx->data_end;
	__u32 first, offset, len;
	int fault;

	if (!chain)
		return SHUNT_DROP_INTERNAL;
	first = offset = chain->offset & FRAME_OFFSET_MAX;
	for (int n = 0; n <= EXTENSIONS_MAX; n++) {
		const struct extension_header *header = data + offset;

		if (!is_extension(chain->protocol))
			break;
		if (n == EXTENSIONS_MAX || offset - first >= EXTENSIONS_MAX_BYTES)
			return SHUNT_DROP_EXT_HEADERS;
		if (offset + sizeof(*header) > chain->end || (void *)(header + 1) > data_end)
			return SHUNT_DROP_MALFORMED;
		fault = read_extension(chain, header, n, &len);
		if (fault)
			return fault;
		offset += len;
		if (offset > chain->end)
			return SHUNT_DROP_MALFORMED;
		chain->offset = offset;
		if (chain->protocol == IPPROTO_FRAGMENT)
			chain->fragment_start = offset;
		if (chain->protocol == IPPROTO_FRAGMENT && chain->fragment & FRAGMENT_OFFSET) {
			chain->protocol = header->next;
			break; /* what follows is the middle of something */
		}
		chain->protocol = header->next;
	}
	return SHUNT_DROP_NONE;
}

#endif
