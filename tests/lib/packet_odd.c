/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <assert.h>
#include <string.h>
#include <linux/if_ether.h>
#include <netinet/in.h>

#include "packet_odd.h"

static void put16(uint8_t *at, uint32_t value)
{
	at[0] = value >> 8;
	at[1] = value;
}

static void insert(struct frame *frame, size_t offset, const void *data, size_t len)
{
	assert(frame->len + len <= FRAME_MAX && offset <= frame->len);
	memmove(frame->byte + offset + len, frame->byte + offset, frame->len - offset);
	memcpy(frame->byte + offset, data, len);
	frame->len += len;
}

struct frame *vlan(struct frame *frame, uint16_t protocol, uint16_t control)
{
	uint8_t tag[VLAN_TAG_LEN];

	put16(tag, protocol);
	put16(tag + 2, control);
	insert(frame, ETHERNET_LEN - 2, tag, sizeof(tag));
	return frame;
}

size_t ip_offset(const struct frame *frame)
{
	size_t at = ETHERNET_LEN - 2;

	while ((frame->byte[at] << 8 | frame->byte[at + 1]) == ETH_P_8021Q ||
	       (frame->byte[at] << 8 | frame->byte[at + 1]) == ETH_P_8021AD)
		at += VLAN_TAG_LEN;
	return at + 2;
}

/* ---- IPv6 extension headers ---- */

enum { IPV6_LEN = 40 };

static uint16_t get16(const uint8_t *at)
{
	return at[0] << 8 | at[1];
}

struct frame *extension(struct frame *frame, uint8_t type, unsigned int units, uint8_t byte2, uint8_t byte3)
{
	uint8_t header[2048] = {0}, *at = frame->byte + ETHERNET_LEN;

	assert(at[0] >> 4 == 6 && units >= 1 && units * 8 <= sizeof(header));
	header[0] = at[6];
	header[1] = units - 1;
	header[2] = byte2;
	header[3] = byte3;
	at[6] = type;
	put16(at + 4, get16(at + 4) + units * 8);
	insert(frame, ETHERNET_LEN + IPV6_LEN, header, (size_t)units * 8);
	return frame;
}

/* ---- fragments ---- */

static void seal_ipv4(uint8_t *at, size_t len)
{
	uint32_t sum = 0;

	put16(at + 2, len);
	put16(at + 10, 0);
	for (int i = 0; i < (at[0] & 15) * 4; i += 2)
		sum += get16(at + i);
	sum = (sum & 0xffff) + (sum >> 16);
	put16(at + 10, ~(sum + (sum >> 16)));
}

struct frame *piece(const struct frame *whole, uint32_t id, size_t offset, size_t len, bool more)
{
	struct frame *frame = copy(whole);
	uint8_t *at = frame->byte + ETHERNET_LEN;
	bool ipv4 = at[0] >> 4 == 4;
	size_t header = ipv4 ? (at[0] & 15) * 4U : IPV6_LEN;

	assert(ETHERNET_LEN + header + offset + len <= whole->len && offset % 8 == 0);
	memcpy(at + header, whole->byte + ETHERNET_LEN + header + offset, len);
	frame->len = ETHERNET_LEN + header + len;
	if (ipv4) {
		put16(at + 4, id);
		put16(at + 6, offset / 8 | (more ? 0x2000 : 0));
		seal_ipv4(at, header + len);
		return frame;
	}
	put16(at + 4, len);
	extension(frame, IPPROTO_FRAGMENT, 1, offset >> 8, (offset & 0xff) | more);
	put16(at + IPV6_LEN + 4, id >> 16);
	put16(at + IPV6_LEN + 6, id);
	return frame;
}

/* ---- ICMP errors ---- */

struct frame *icmp_error(const char *source, const char *destination, uint8_t type, uint8_t code, uint32_t rest,
			 const struct frame *quoted, size_t len)
{
	uint8_t message[FRAME_MAX] = {type, code, 0, 0, rest >> 24, rest >> 16, rest >> 8, rest};

	assert(ETHERNET_LEN + len <= quoted->len);
	memcpy(message + 8, quoted->byte + ETHERNET_LEN, len);
	return ip(source, destination, strchr(source, ':') ? IPPROTO_ICMPV6 : IPPROTO_ICMP, message, 8 + len);
}
