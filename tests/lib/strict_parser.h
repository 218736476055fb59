/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A second reading of the standards, pedantic and slow: what a frame is, and whether a careful host would refuse
 * it. It shares nothing with bpf/parse.h, so that a mistake must be made twice to stay unseen. Knows of no
 * services.
 *
 * Of checksums only that of the IPv4 header is judged: those of TCP, UDP and ICMP are between the ends.
 */
#ifndef SHUNT_TEST_STRICT_PARSER_H
#define SHUNT_TEST_STRICT_PARSER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum strict_kind {
	STRICT_FOREIGN, /* no IP, or not so much as a whole IP header: nothing more is known */
	STRICT_BROKEN, /* version, lengths or checksum of the IP header cannot be; addresses are known */
	STRICT_FLOW, /* TCP or UDP */
	STRICT_ICMP, /* of either version, in either family */
	STRICT_FRAGMENT, /* one of several */
	STRICT_OTHER, /* another protocol */
};

struct strict {
	enum strict_kind kind;
	const char *refused; /* why a careful host drops it; NULL: it does not */
	const char *suspicious; /* why it cannot be meant well although its form is right; NULL: no reason */
	bool ipv4;
	uint8_t source[16], destination[16]; /* IPv4 mapped into ::ffff:0:0/96 */
	size_t n_tags, l3, l4, ip_len; /* offsets from the start of the frame; length of the packet, bytes */
	unsigned int n_extensions; /* IPv6 extension headers read past */
	uint8_t protocol, icmp_type;
	bool has_ports; /* of a whole transport header */
	bool starts_flow;
	uint16_t source_port, destination_port; /* host order */
};

struct strict strict_parse(const uint8_t *frame, size_t len);

#endif
