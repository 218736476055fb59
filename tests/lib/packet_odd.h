/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What few frames have: VLAN tags, IPv6 extension headers, fragments, ICMP errors. Applied last: the modifiers of packet.h
 * expect IP right behind Ethernet, and the transport right behind IP.
 */
#ifndef SHUNT_TEST_PACKET_ODD_H
#define SHUNT_TEST_PACKET_ODD_H

#include "packet.h"

enum { VLAN_TAG_LEN = 4 };

/* Pushes an outermost tag: ETH_P_8021Q or ETH_P_8021AD, priority and VLAN id as they are on the wire. */
struct frame *vlan(struct frame *frame, uint16_t protocol, uint16_t control);

/* Inserts an IPv6 extension header of `units` * 8 bytes, first in the chain; bytes 2 and 3 are given, the rest is zero. */
struct frame *extension(struct frame *frame, uint8_t type, unsigned int units, uint8_t byte2, uint8_t byte3);

/* A fragment: len bytes from offset of what the packet carries behind its IP header. */
struct frame *piece(const struct frame *whole, uint32_t id, size_t offset, size_t len, bool more);

/* An ICMP or ICMPv6 error that quotes the first len bytes of the packet (without its Ethernet header). */
struct frame *icmp_error(const char *source, const char *destination, uint8_t type, uint8_t code, uint32_t rest,
			 const struct frame *quoted, size_t len);

/* Where the IP header begins, behind what tags there are. */
size_t ip_offset(const struct frame *frame);

#endif
