/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What cannot be: sources that nobody has, and TCP flags that nobody sets. A few compares, before any state is touched. */
#ifndef SHUNT_BPF_SANITY_H
#define SHUNT_BPF_SANITY_H

#include <shunt/hash.h>

#include "packet.h"

/* Bytes of the TCP header: <linux/tcp.h> has them as bit fields, each of which is a load of its own. */
enum { TCP_LENGTH_AT = 12, TCP_FLAGS_AT = 13 };
enum { TCP_FIN = 1, TCP_SYN = 2, TCP_RST = 4, TCP_PSH = 8, TCP_ACK = 16, TCP_URG = 32 };

#define WITH_OR_WITHOUT_PSH(flags) (1ULL << (flags) | 1ULL << ((flags) | TCP_PSH))

/* A bit for each of the 64 combinations that RFC 9293 gives a meaning to; ECE and CWR do not matter. */
#define TCP_FLAGS_POSSIBLE                                                                                             \
	(WITH_OR_WITHOUT_PSH(TCP_SYN) | WITH_OR_WITHOUT_PSH(TCP_SYN | TCP_URG) |                                       \
	 WITH_OR_WITHOUT_PSH(TCP_SYN | TCP_ACK) | WITH_OR_WITHOUT_PSH(TCP_RST) |                                       \
	 WITH_OR_WITHOUT_PSH(TCP_RST | TCP_ACK) | WITH_OR_WITHOUT_PSH(TCP_RST | TCP_ACK | TCP_URG) |                   \
	 WITH_OR_WITHOUT_PSH(TCP_ACK) | WITH_OR_WITHOUT_PSH(TCP_ACK | TCP_URG) |                                       \
	 WITH_OR_WITHOUT_PSH(TCP_FIN | TCP_ACK) | WITH_OR_WITHOUT_PSH(TCP_FIN | TCP_ACK | TCP_URG))

stage bool tcp_flags_are_possible(__u8 flags)
{
	return TCP_FLAGS_POSSIBLE >> (flags & 63) & 1;
}

/*
 * RFC 1812 section 5.3.7: 0/8, 127/8, multicast, class E and broadcast. IPv6: multicast, and ::/64, in which are :: and ::1
 * (RFC 4291 section 2.5), mapped addresses and nothing else.
 */
stage bool source_is_martian(const struct packet *p)
{
	__u32 first;

	if (p->family != ETH_P_IP)
		return (bpf_ntohl(shunt_addr_word(&p->source, 0)) >> 24) == 0xff || !shunt_addr_half(&p->source, 0);
	first = bpf_ntohl(shunt_addr_word(&p->source, 3)) >> 24;
	return first - 1 >= 223 || first == 127;
}

stage bool source_is_destination(const struct packet *p)
{
	return shunt_addr_half(&p->source, 1) == shunt_addr_half(&p->destination, 1) &&
	       shunt_addr_half(&p->source, 0) == shunt_addr_half(&p->destination, 0);
}

#endif
