/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the oracle knows of nat: whose answer a frame may be, and what translation may change. Checksums are judged by
 * their sums alone: whatever was wrong on the way in must be wrong by as much on the way out (RFC 1624), and what was
 * right must be right.
 */
#ifndef SHUNT_TEST_ORACLE_NAT_H
#define SHUNT_TEST_ORACLE_NAT_H

#include "fixture.h"
#include "strict_parser.h"

/* What an ICMP error quotes. */
struct quote {
	bool is_flow; /* of TCP or UDP, and both ports are there */
	size_t l3, l4; /* from the start of the frame */
	uint8_t protocol;
	uint8_t source[16], destination[16];
	uint16_t source_port, destination_port; /* host order */
};
struct quote quote_of(const struct frame *frame, const struct strict *parsed);

/* Whether it may be a nat backend's answer, or an error about what one was sent. */
bool nat_may_answer(const struct fixture *f, const struct frame *frame, const struct strict *parsed);

/*
 * Why `out` is not `in` as nat changes it, towards a backend or (`answer`) on the way back; NULL: it is. Not `routed`: the
 * kernel has yet to.
 */
const char *nat_objects(const struct fixture *f, const struct frame *in, const struct strict *was, const struct frame *out,
			bool answer, bool routed);

#endif
