/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Network address translation in place: one address and port of a packet become others, every checksum over them is
 * updated rather than computed anew (RFC 1624), and the TTL is decremented, since here the balancer is a router (RFC 1812
 * section 5.3.1, RFC 8200 section 3). Towards the backend the destination changes, in its answers the source. An ICMP error
 * quotes a packet that went the other way: there the opposite address changes as well (RFC 5508 section 4).
 */
#ifndef SHUNT_BPF_NAT_H
#define SHUNT_BPF_NAT_H

#include <shunt/hash.h>

#include "checksum.h"
#include "extensions.h"
#include "icmp_error.h"

#define TTL_LAST 1 /* a router has none to pass on of it */

/* What translate() must know of the packet and of the change; one register each, for stages have no stack to spare. */
union nat_place {
	struct {
		__u16 l3, l4, quoted_l4, end;    /* offsets in the frame; end: of the packet */
	};
	__u64 word;
};

enum nat_flags {
	NAT_IPV4 = 1 << 0,
	NAT_SOURCE = 1 << 1,             /* the source is to change, else the destination */
	NAT_PORTS = 1 << 2,              /* TCP or UDP begins at l4 */
	NAT_ERROR = 1 << 3,              /* an ICMP error begins at l4, which quotes TCP or UDP at quoted_l4 */
	NAT_DRY = 1 << 4,                /* nobody is told, nothing is counted (explain) */
	NAT_KEEP_TTL = 1 << 5,           /* the kernel will route it, and decrement */
};

union nat_change {
	struct {
		__be16 port;
		__u8 protocol;           /* of the flow: TCP or UDP */
		__u8 flags;              /* enum nat_flags */
		__u32 pad;
	};
	__u64 word;
};

/*
 * All sums are those of RFC 1624 equation 3, not folded: ~old + new of every word that changed, added to ~checksum. Words of
 * 32 bits will do, and so will their order in memory (RFC 1071 section 2).
 */
stage void checksum_add_change(__sum16 *check, __u64 change)
{
	*check = checksum_fold((__u16)~*check + change);
}

stage __u64 put_word(__be32 *at, __be32 new)
{
	__u64 change = (__u64)(__u32)~*at + new;

	*at = new;
	return change;
}

stage __u64 put_port(__be16 *at, __be16 new)
{
	__u64 change = (__u64)(__u16)~*at + new;

	*at = new;
	return change;
}

/* Zero says that there is no checksum, and stays (RFC 768; RFC 6935 for IPv6); what comes to zero is written as its other form. */
stage __u64 put_transport_checksum(__sum16 *check, __u64 change, __u8 protocol)
{
	__sum16 old = *check, new;

	if (protocol == IPPROTO_UDP && !old)
		return 0;
	new = checksum_fold((__u16)~old + change);
	if (protocol == IPPROTO_UDP && !new)
		new = 0xffff;
	*check = new;
	return (__u64)(__u16)~old + new;
}

stage __u32 transport_checksum_offset(__u8 protocol)
{
	return protocol == IPPROTO_TCP ? __builtin_offsetof(struct tcphdr, check) : __builtin_offsetof(struct udphdr, check);
}

/*
 * A place that depends on what is known at run time: the verifier wants it compared with the packet's end itself, not what it
 * was computed from. NULL: it is not all there.
 */
stage void *place_at(void *from, __u32 offset, __u32 len, void *data_end)
{
	void *at = from + offset;

	barrier_var(at);
	return at + len > data_end ? NULL : at;
}

/* Where the address is that changes, in an IP header. */
stage void *address_in(void *header, void *data_end, bool ipv4, bool source)
{
	if (ipv4)
		return place_at(header, source ? __builtin_offsetof(struct iphdr, saddr) : __builtin_offsetof(struct iphdr, daddr),
				sizeof(struct in_addr), data_end);
	return place_at(header, source ? __builtin_offsetof(struct ipv6hdr, saddr) : __builtin_offsetof(struct ipv6hdr, daddr),
			sizeof(struct in6_addr), data_end);
}

/*
 * Puts an address in another's place in an IP header, adding what checksums change by; false: there is no room for it. Each
 * family is compared with the packet's end on its own way: Linux 6.1 forgets which one it was on a way that is shared.
 */
stage bool replace_address(void *header, void *data_end, const struct shunt_addr *new, bool ipv4, bool source, __u64 *change)
{
	__be32 word[4], *at;

	__builtin_memcpy(word, new, sizeof(word));
	if (ipv4) {
		at = address_in(header, data_end, true, source);
		if (!at)
			return false;
		*change += put_word(at, word[3]);
		return true;
	}
	at = address_in(header, data_end, false, source);
	if (!at)
		return false;
	for (int i = 0; i < 4; i++)
		*change += put_word(at + i, word[i]);
	return true;
}

/* The header in front: address, TTL and, of IPv4, its checksum. Returns what checksums over the address change by. */
stage __u64 translate_header(void *header, void *data_end, const struct shunt_addr *address, __u8 flags)
{
	bool ipv4 = flags & NAT_IPV4;
	struct ipv6hdr *ipv6 = header;
	struct iphdr *ip = header;
	__u16 *ttl_word = (__u16 *)&ip->ttl, before;
	__u8 hops = !(flags & NAT_KEEP_TTL);
	__u64 change = 0;

	if (!replace_address(header, data_end, address, ipv4, flags & NAT_SOURCE, &change))
		return 0; /* never: the header is there */
	if (!ipv4) {
		ipv6->hop_limit -= hops;
		return change;
	}
	before = *ttl_word;
	ip->ttl -= hops;
	checksum_add_change(&ip->check, change + (__u16)~before + *ttl_word);
	return change;
}

/* `addresses`: what the pseudo header changes by. */
stage bool translate_ports(void *l4, void *data_end, union nat_change change, __u64 addresses)
{
	__be16 *port = place_at(l4, change.flags & NAT_SOURCE ? 0 : sizeof(*port), sizeof(*port), data_end);
	__sum16 *check = place_at(l4, transport_checksum_offset(change.protocol), sizeof(*check), data_end);

	if (!port || !check)
		return false;
	addresses += put_port(port, change.port);
	put_transport_checksum(check, addresses, change.protocol);
	return true;
}

/* The quoted transport header, of which only the first 8 bytes need be there. Returns what the ICMP checksum changes by. */
stage __u64 translate_quoted_ports(void *l4, void *data_end, union nat_change change, __u64 addresses, bool has_checksum)
{
	__be16 *port = place_at(l4, change.flags & NAT_SOURCE ? sizeof(*port) : 0, sizeof(*port), data_end);
	__sum16 *check = place_at(l4, transport_checksum_offset(change.protocol), sizeof(*check), data_end);
	__u64 ports;

	if (!port)
		return 0; /* never: read_quoted() has seen it */
	ports = put_port(port, change.port);
	if (has_checksum && check)
		return ports + put_transport_checksum(check, addresses + ports, change.protocol);
	return ports;
}

/* An ICMP error: what it quotes, and its own checksum. `addresses`: what the pseudo header of ICMPv6 changes by. */
stage bool translate_error(void *data, void *data_end, const struct shunt_addr *address, union nat_place place,
			   union nat_change change, __u64 addresses)
{
	bool ipv4 = change.flags & NAT_IPV4;
	__sum16 *check = data + (place.l4 & FRAME_OFFSET_MAX) + sizeof(__u16);
	void *quoted = data + (place.l4 & FRAME_OFFSET_MAX) + ICMP_ERROR_HEADER_LEN;
	struct iphdr *ip = quoted;
	__u64 sum = ipv4 ? 0 : addresses, inner = 0;
	__sum16 before;

	if ((void *)(ip + 1) > data_end ||
	    !replace_address(quoted, data_end, address, ipv4, !(change.flags & NAT_SOURCE), &inner))
		return false;
	sum += inner;
	if (ipv4) {
		before = ip->check;
		checksum_add_change(&ip->check, inner);
		sum += (__u64)(__u16)~before + ip->check;
	}
	sum += translate_quoted_ports(data + (place.quoted_l4 & FRAME_OFFSET_MAX), data_end, change, inner,
				      place.quoted_l4 + transport_checksum_offset(change.protocol) + sizeof(*check) <= place.end);
	checksum_add_change(check, sum);
	return true;
}

/*
 * Returns why the packet cannot go on (enum shunt_drop_reason), having changed nothing when its TTL ends here. `address` is
 * the new one; of the ports only one is. A function of its own to the verifier, which looks at it once.
 */
__noinline int translate(struct xdp_md *ctx, const struct shunt_addr *address, __u64 place_word, __u64 change_word)
{
	void *data = (void *)(long)ctx->data, *data_end = (void *)(long)ctx->data_end, *header;
	union nat_change change = {.word = change_word};
	union nat_place place = {.word = place_word};
	bool ipv4 = change.flags & NAT_IPV4, whole = true;
	__u64 addresses;

	if (!feature(NAT) || !address)
		return SHUNT_DROP_INTERNAL;
	header = data + (place.l3 & FRAME_OFFSET_MAX);
	if (header + (ipv4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr)) > data_end)
		return SHUNT_DROP_INTERNAL;
	if ((ipv4 ? ((struct iphdr *)header)->ttl : ((struct ipv6hdr *)header)->hop_limit) <= TTL_LAST)
		return SHUNT_DROP_TTL_ENDED;
	addresses = translate_header(header, data_end, address, change.flags);
	if (change.flags & NAT_ERROR)
		whole = translate_error(data, data_end, address, place, change, addresses);
	else if (change.flags & NAT_PORTS)
		whole = translate_ports(data + (place.l4 & FRAME_OFFSET_MAX), data_end, change, addresses);
	return whole ? SHUNT_DROP_NONE : SHUNT_DROP_INTERNAL;
}

stage union nat_place nat_place_of(const struct packet *p)
{
	return (union nat_place){
		.l3 = l3_offset(p),
		.l4 = p->l4_offset,
		.quoted_l4 = p->unusual->quoted_l4_offset,
		.end = l3_offset(p) + p->ip_len,
	};
}

/* Later fragments have no ports: of them only the address changes. */
stage union nat_change nat_change_of(const struct packet *p, __be16 port)
{
	bool later = p->is_fragment && p->unusual->fragment_offset;

	return (union nat_change){
		.port = port,
		.protocol = p->protocol,
		.flags = (p->family == ETH_P_IP ? NAT_IPV4 : 0) | (p->is_icmp_error ? NAT_ERROR : later ? 0 : NAT_PORTS) |
			 (p->dry ? NAT_DRY : 0),
	};
}

#endif
