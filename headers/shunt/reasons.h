/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Why the data path drops a packet. One line here makes the enum, the counter in `drop_stats`, the label of
 * shunt_drops_total and the text in `shunt stats` and `shunt explain`. Add at the end: the number is the key of the counter.
 */
#ifndef SHUNT_REASONS_H
#define SHUNT_REASONS_H

/* X(enum suffix, metric label, text for people) */
#define SHUNT_DROP_REASONS(X) \
	X(NONE, "none", "not dropped") \
	X(MALFORMED, "malformed", "a header is truncated or its lengths contradict each other") \
	X(TTL_ZERO, "ttl_zero", "TTL or hop limit is zero") \
	X(FRAGMENT, "fragment", "a fragment too short for its ports, one that overlaps the first (RFC 1858, RFC 5722), or of ICMP") \
	X(NO_BACKEND, "no_backend", "no fit backend in the service's group") \
	X(NO_NEXT_HOP, "no_next_hop", "no route or no neighbour for the backend") \
	X(TOO_BIG, "too_big", "with the outer header the packet would exceed the MTU towards the backend") \
	X(NO_HEADROOM, "no_headroom", "the driver leaves no room for the outer header") \
	X(INTERNAL, "internal", "an invariant of the tables does not hold") \
	X(REJECTED, "rejected", "no fit backend: answered with a TCP reset or ICMP port unreachable") \
	X(REJECT_LIMIT, "reject_limit", "no fit backend, and no answer: more than the rate of answers allows") \
	X(EXT_HEADERS, "ext_headers", "more IPv6 extension headers than are read, or a route that is not at its end") \
	X(MARTIAN, "martian", "a source address that nobody has (RFC 1812 section 5.3.7)") \
	X(LAND, "land", "the service's own address as the source") \
	X(TCP_FLAGS, "tcp_flags", "TCP flags that contradict each other") \
	X(FRAGMENT_UNKNOWN, "fragment_unknown", "a later fragment whose first one was not seen") \
	X(ICMP_ERROR, "icmp_error", "an ICMP error that quotes no packet of the service") \
	X(DENIED, "denied", "the client is on a deny list") \
	X(NOT_ALLOWED, "not_allowed", "there is a list of who is allowed, and the client is not on it") \
	X(SERVICE_LIMIT, "service_limit", "more new flows than the service's limit") \
	X(CLIENT_LIMIT, "client_limit", "more new flows of one client than the service's limit") \
	X(TOO_BIG_ANSWERED, "too_big_answered", "too big for the MTU towards the backend, and the client was told by ICMP") \
	X(TOO_BIG_LIMITED, "too_big_limited", "too big for the MTU towards the backend, and over the rate of ICMP answers") \
	X(TTL_ENDED, "ttl_ended", "TTL or hop limit ends here, as at a router (nat), and no answer is due or over the rate") \
	X(TTL_ENDED_ANSWERED, "ttl_ended_answered", "TTL or hop limit ends here, as at a router (nat), and the sender was told by ICMP") \
	X(NO_NEIGHBOUR, "no_neighbour", "not dropped: the kernel forwards this answer of a nat backend, as its next hop is not resolved") \
	X(IP_CHECKSUM, "ip_checksum", "the checksum of the IPv4 header is wrong") \
	X(LINK_GROUP, "link_group", "a broadcast or multicast frame with a packet for one host (RFC 1122 section 3.3.6)")

enum shunt_drop_reason {
#define X(name, label, text) SHUNT_DROP_##name,
	SHUNT_DROP_REASONS(X)
#undef X
	SHUNT_DROP_REASON_COUNT /* at most SHUNT_MAX_DROP_REASONS */
};

#endif
