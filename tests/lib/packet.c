/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Builds and changes frames; see packet.h. Printing and saving them is in packet_print.c. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <arpa/inet.h>
#include <linux/if_ether.h>

#include "packet.h"
#include "net/address.h"

enum { IPV4_LEN = 20, IPV6_LEN = 40, TCP_LEN = 20, UDP_LEN = 8, ICMP_LEN = 8, GUE_LEN = 4, DEFAULT_TTL = 57 };
enum { GUE_PORT = 6080 };

const uint8_t router_mac[MAC_LEN] = {2, 0, 0, 0, 0, 1};
const uint8_t balancer_mac[MAC_LEN] = {2, 0, 0, 0, 0, 2};

/* ---- the pool ---- */

struct pooled {
	struct pooled *next;
	struct frame frame;
};

static struct pooled *pool;

static struct frame *frame_new(void)
{
	struct pooled *pooled = calloc(1, sizeof(*pooled));

	assert(pooled);
	pooled->next = pool;
	pool = pooled;
	return &pooled->frame;
}

void frames_free(void)
{
	while (pool) {
		struct pooled *next = pool->next;

		free(pool);
		pool = next;
	}
}

struct frame *copy(const struct frame *from)
{
	struct frame *frame = frame_new();

	*frame = *from;
	return frame;
}

/* ---- bytes ---- */

static void put16(uint8_t *at, uint32_t value)
{
	at[0] = value >> 8;
	at[1] = value;
}

static uint16_t get16(const uint8_t *at)
{
	return at[0] << 8 | at[1];
}

static void append(struct frame *frame, const void *data, size_t len)
{
	assert(frame->len + len <= FRAME_MAX);
	if (len)
		memcpy(frame->byte + frame->len, data, len);
	frame->len += len;
}

/* Makes room for len bytes at offset. */
static void insert(struct frame *frame, size_t offset, size_t len)
{
	assert(frame->len + len <= FRAME_MAX && offset <= frame->len);
	memmove(frame->byte + offset + len, frame->byte + offset, frame->len - offset);
	memset(frame->byte + offset, 0, len);
	frame->len += len;
}

/* ---- checksums (RFC 1071) ---- */

static uint32_t sum(uint32_t start, const uint8_t *at, size_t len)
{
	for (size_t i = 0; i < len; i++)
		start += i % 2 ? at[i] : at[i] << 8;
	return start;
}

static uint16_t fold(uint32_t sum32)
{
	while (sum32 >> 16)
		sum32 = (sum32 & 0xffff) + (sum32 >> 16);
	return ~sum32;
}

/* The IP packet at `at`: where its transport begins, its protocol, and the sum of its pseudo header. */
struct inside {
	uint8_t *l4;
	size_t len;
	uint8_t protocol;
	bool is_fragment;
	uint32_t pseudo;
};

static struct inside look_inside(uint8_t *at)
{
	struct inside in = {0};
	size_t header = at[0] >> 4 == 4 ? (at[0] & 15) * 4U : IPV6_LEN;

	in.l4 = at + header;
	if (at[0] >> 4 == 4) {
		in.len = get16(at + 2) - header;
		in.protocol = at[9];
		in.is_fragment = get16(at + 6) & 0x3fff;
		in.pseudo = sum(0, at + 12, 8);
	} else {
		in.len = get16(at + 4);
		in.protocol = at[6];
		in.is_fragment = at[6] == IPPROTO_FRAGMENT;
		in.pseudo = sum(0, at + 8, 32);
	}
	in.pseudo += in.protocol + in.len;
	if (in.protocol == IPPROTO_ICMP)
		in.pseudo = 0;
	return in;
}

/* Where in its transport header a protocol has its checksum; 0: it has none. */
static size_t checksum_offset(uint8_t protocol)
{
	switch (protocol) {
	case IPPROTO_TCP:
		return 16;
	case IPPROTO_UDP:
		return 6;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		return 2;
	default:
		return 0;
	}
}

/* len: of the header. */
static void seal_ipv4_header(uint8_t *at, size_t len)
{
	put16(at + 10, 0);
	put16(at + 10, fold(sum(0, at, len)));
}

/* Lengths and checksums of the outermost packet, as `ip_len` bytes are in it. */
static struct frame *seal(struct frame *frame, size_t ip_len)
{
	uint8_t *at = frame->byte + ETHERNET_LEN;
	struct inside in;
	size_t offset;

	if (at[0] >> 4 == 4) {
		put16(at + 2, ip_len);
		seal_ipv4_header(at, (at[0] & 15) * 4U);
	} else {
		put16(at + 4, ip_len - IPV6_LEN);
	}
	in = look_inside(at);
	offset = checksum_offset(in.protocol);
	if (!offset || in.is_fragment)
		return frame;
	if (in.protocol == IPPROTO_UDP)
		put16(in.l4 + 4, in.len);
	put16(in.l4 + offset, 0);
	put16(in.l4 + offset, fold(sum(in.pseudo, in.l4, in.len)));
	return frame;
}

/* The packet is now the whole frame. */
static struct frame *seal_whole(struct frame *frame)
{
	return seal(frame, frame->len - ETHERNET_LEN);
}

static size_t ip_len(const uint8_t *at)
{
	return at[0] >> 4 == 4 ? get16(at + 2) : get16(at + 4) + IPV6_LEN;
}

/* The packet is as long as it was. */
static struct frame *seal_again(struct frame *frame)
{
	return seal(frame, ip_len(frame->byte + ETHERNET_LEN));
}

static bool ip_checksums_right(uint8_t *at)
{
	struct inside in = look_inside(at);

	if (at[0] >> 4 == 4 && fold(sum(0, at, (at[0] & 15) * 4U)) != 0)
		return false;
	if (in.protocol == IPPROTO_IPIP || in.protocol == IPPROTO_IPV6)
		return ip_checksums_right(in.l4);
	if (in.protocol == IPPROTO_UDP && get16(in.l4 + 2) == GUE_PORT && get16(in.l4 + 6) == 0)
		return ip_checksums_right(in.l4 + UDP_LEN + GUE_LEN);
	if (in.protocol == IPPROTO_UDP && !in.is_fragment) { /* what is behind the datagram is not its own (RFC 768) */
		in.pseudo = in.pseudo - in.len + get16(in.l4 + 4);
		in.len = get16(in.l4 + 4);
	}
	return !checksum_offset(in.protocol) || in.is_fragment || fold(sum(in.pseudo, in.l4, in.len)) == 0;
}

bool checksums_right(const struct frame *frame)
{
	struct frame of = *frame;

	return ip_checksums_right(of.byte + ETHERNET_LEN);
}

/* ---- frames ---- */

struct frame *ethernet(uint16_t type, size_t len)
{
	struct frame *frame = frame_new();

	macs(frame, balancer_mac, router_mac);
	put16(frame->byte + 12, type);
	frame->len = ETHERNET_LEN + len;
	return frame;
}

static void write_ip(uint8_t *at, const struct shunt_addr *source, const struct shunt_addr *destination,
		     uint8_t protocol)
{
	if (address_is_ipv4(source)) {
		at[0] = 0x45;
		at[8] = DEFAULT_TTL;
		at[9] = protocol;
		memcpy(at + 12, source->byte + 12, 4);
		memcpy(at + 16, destination->byte + 12, 4);
	} else {
		at[0] = 0x60;
		at[6] = protocol;
		at[7] = DEFAULT_TTL;
		memcpy(at + 8, source->byte, 16);
		memcpy(at + 24, destination->byte, 16);
	}
}

static struct frame *ip_between(const struct shunt_addr *source, const struct shunt_addr *destination, uint8_t protocol,
				const void *data, size_t len)
{
	bool ipv4 = address_is_ipv4(source);
	struct frame *frame = ethernet(ipv4 ? ETH_P_IP : ETH_P_IPV6, ipv4 ? IPV4_LEN : IPV6_LEN);

	assert(address_is_ipv4(destination) == ipv4);
	write_ip(frame->byte + ETHERNET_LEN, source, destination, protocol);
	if (ipv4)
		put16(frame->byte + ETHERNET_LEN + 4, 0xbeef); /* an id, so that it is seen where it is lost */
	append(frame, data, len);
	return seal_whole(frame);
}

struct frame *ip(const char *source, const char *destination, uint8_t protocol, const void *data, size_t len)
{
	struct shunt_addr from, to;
	int r = address_parse(source, &from) | address_parse(destination, &to);

	assert(r == 0);
	return ip_between(&from, &to, protocol, data, len);
}

static struct frame *with_ports(const char *source, const char *destination, uint8_t protocol, uint8_t *header,
				size_t len)
{
	struct shunt_addr from, to;
	uint16_t from_port, to_port;
	int r = address_port_parse(source, &from, &from_port) | address_port_parse(destination, &to, &to_port);

	assert(r == 0);
	put16(header, from_port);
	put16(header + 2, to_port);
	return ip_between(&from, &to, protocol, header, len);
}

struct frame *tcp(const char *source, const char *destination, unsigned int flags)
{
	uint8_t header[TCP_LEN] = {[4] = 1, 2, 3, 4, 5, 6, 7, 8, TCP_LEN / 4 << 4, flags, 0xfa, 0xf0};

	return with_ports(source, destination, IPPROTO_TCP, header, sizeof(header));
}

struct frame *udp(const char *source, const char *destination)
{
	uint8_t header[UDP_LEN] = {0};

	return with_ports(source, destination, IPPROTO_UDP, header, sizeof(header));
}

struct frame *icmp(const char *source, const char *destination, uint8_t type, uint8_t code)
{
	uint8_t header[ICMP_LEN] = {type, code, 0, 0, 0x12, 0x34, 0, 7};

	return ip(source, destination, strchr(source, ':') ? IPPROTO_ICMPV6 : IPPROTO_ICMP, header, sizeof(header));
}

struct frame *echo(const char *source, const char *destination, bool request)
{
	bool ipv6 = strchr(source, ':');

	return payload(icmp(source, destination, ipv6 ? (request ? 128 : 129) : (request ? 8 : 0), 0), 16);
}

struct frame *told_too_big(const struct frame *packet, uint32_t mtu)
{
	const uint8_t *at = packet->byte + ETHERNET_LEN;
	bool ipv4 = at[0] >> 4 == 4;
	uint8_t message[ICMP_LEN + 1232] = {ipv4 ? 3 : 2, ipv4 ? 4 : 0, [4] = mtu >> 24, mtu >> 16, mtu >> 8, mtu};
	size_t quoted = ipv4 ? 548 : 1232;
	struct shunt_addr from, to;
	struct frame *frame;

	if (ipv4) {
		address_from_ipv4(at + 12, &to);
		address_from_ipv4(at + 16, &from);
	} else {
		address_from_ipv6(at + 8, &to);
		address_from_ipv6(at + 24, &from);
	}
	memcpy(message + ICMP_LEN, at, quoted);
	frame = ip_between(&from, &to, ipv4 ? IPPROTO_ICMP : IPPROTO_ICMPV6, message, ICMP_LEN + quoted);
	macs(frame, packet->byte + MAC_LEN, packet->byte);
	if (ipv4) {
		put16(frame->byte + ETHERNET_LEN + 4, 0);
		traffic_class(dont_fragment(frame), 0xc0);
	}
	return ttl(frame, 64);
}

/* ---- modifiers ---- */

struct frame *payload(struct frame *frame, size_t len)
{
	for (size_t i = 0; i < len; i++)
		append(frame, &(uint8_t){i}, 1);
	return seal_whole(frame);
}

struct frame *options(struct frame *frame, size_t len)
{
	uint8_t *at = frame->byte + ETHERNET_LEN;

	assert(at[0] >> 4 == 4 && len % 4 == 0);
	insert(frame, ETHERNET_LEN + IPV4_LEN, len);
	memset(at + IPV4_LEN, 1, len);
	at[0] += len / 4;
	return seal_whole(frame);
}

struct frame *traffic_class(struct frame *frame, uint8_t value)
{
	uint8_t *at = frame->byte + ETHERNET_LEN;

	if (at[0] >> 4 == 4) {
		at[1] = value;
	} else {
		at[0] = 0x60 | value >> 4;
		at[1] = (value & 15) << 4 | (at[1] & 15);
	}
	return seal_again(frame);
}

struct frame *ttl(struct frame *frame, uint8_t value)
{
	uint8_t *at = frame->byte + ETHERNET_LEN;

	at[at[0] >> 4 == 4 ? 8 : 7] = value;
	return seal_again(frame);
}

struct frame *fragment(struct frame *frame, uint16_t offset, bool more)
{
	put16(frame->byte + ETHERNET_LEN + 6, offset / 8 | (more ? 0x2000 : 0));
	return seal_again(frame);
}

struct frame *fragment6(struct frame *frame, uint16_t offset, bool more)
{
	uint8_t *at = frame->byte + ETHERNET_LEN;

	insert(frame, ETHERNET_LEN + IPV6_LEN, 8);
	at[IPV6_LEN] = at[6];
	at[6] = IPPROTO_FRAGMENT;
	put16(at + IPV6_LEN + 2, offset | more);
	return seal_whole(frame);
}

struct frame *dont_fragment(struct frame *frame)
{
	if (frame->byte[ETHERNET_LEN] >> 4 == 4)
		frame->byte[ETHERNET_LEN + 6] |= 0x40;
	return seal_again(frame);
}

struct frame *tcp_options(struct frame *frame, const void *option, size_t len)
{
	struct inside in = look_inside(frame->byte + ETHERNET_LEN);
	size_t header = (in.l4[12] >> 4) * 4U;

	assert(in.protocol == IPPROTO_TCP && len % 4 == 0);
	insert(frame, in.l4 + header - frame->byte, len);
	memcpy(in.l4 + header, option, len);
	in.l4[12] = (header + len) / 4 << 4;
	return seal_whole(frame);
}

struct frame *padded(struct frame *frame, size_t len)
{
	assert(len <= FRAME_MAX && frame->len <= len);
	frame->len = len;
	return frame;
}

struct frame *cut(struct frame *frame, size_t len)
{
	assert(len <= frame->len);
	memset(frame->byte + len, 0, frame->len - len);
	frame->len = len;
	return frame;
}

struct frame *poke(struct frame *frame, size_t offset, size_t n_bytes, uint32_t value)
{
	for (size_t i = 0; i < n_bytes; i++)
		frame->byte[offset + i] = value >> 8 * (n_bytes - 1 - i);
	return frame;
}

struct frame *mend_ip(struct frame *frame, size_t offset)
{
	uint8_t *at = frame->byte + offset;
	size_t header = (at[0] & 15) * 4U;

	if (frame->len >= offset + IPV4_LEN && get16(at - 2) == ETH_P_IP)
		seal_ipv4_header(at, offset + header <= frame->len ? header : frame->len - offset);
	return frame;
}

struct frame *poke_ip(struct frame *frame, size_t offset, size_t n_bytes, uint32_t value)
{
	return mend_ip(poke(frame, offset, n_bytes, value), ETHERNET_LEN);
}

struct frame *flow_label(struct frame *frame, uint32_t label)
{
	uint8_t *at = frame->byte + ETHERNET_LEN;

	at[1] = (at[1] & 0xf0) | label >> 16;
	put16(at + 2, label);
	return frame;
}

struct frame *macs(struct frame *frame, const uint8_t destination[MAC_LEN], const uint8_t source[MAC_LEN])
{
	memcpy(frame->byte, destination, MAC_LEN);
	memcpy(frame->byte + MAC_LEN, source, MAC_LEN);
	return frame;
}

struct frame *tunnel(struct frame *frame, const struct shunt_addr *source, const struct shunt_addr *destination)
{
	uint8_t *at = frame->byte + ETHERNET_LEN;
	bool inner_ipv4 = at[0] >> 4 == 4, outer_ipv4 = address_is_ipv4(destination);
	uint8_t class = inner_ipv4 ? at[1] : (at[0] & 15) << 4 | at[1] >> 4;
	size_t len = ip_len(at), outer_len = outer_ipv4 ? IPV4_LEN : IPV6_LEN;

	insert(frame, ETHERNET_LEN, outer_len);
	put16(frame->byte + 12, outer_ipv4 ? ETH_P_IP : ETH_P_IPV6);
	write_ip(at, source, destination, inner_ipv4 ? IPPROTO_IPIP : IPPROTO_IPV6);
	at[outer_ipv4 ? 8 : 7] = 64;
	if (outer_ipv4) {
		at[1] = class;
		at[6] = 0x40;
	} else {
		at[0] |= class >> 4;
		at[1] = class << 4;
	}
	return seal(frame, len + outer_len);
}

struct frame *gue(struct frame *frame, const struct shunt_addr *source, const struct shunt_addr *destination,
		  uint16_t source_port, uint16_t destination_port)
{
	uint8_t *at = frame->byte + ETHERNET_LEN, *udp_header;
	size_t len = ip_len(at), outer_len;
	uint8_t protocol;

	tunnel(frame, source, destination);
	outer_len = address_is_ipv4(destination) ? IPV4_LEN : IPV6_LEN;
	protocol = at[address_is_ipv4(destination) ? 9 : 6];
	at[address_is_ipv4(destination) ? 9 : 6] = IPPROTO_UDP;
	insert(frame, ETHERNET_LEN + outer_len, UDP_LEN + GUE_LEN);
	seal(frame, outer_len + UDP_LEN + GUE_LEN + len);
	udp_header = at + outer_len;
	put16(udp_header, source_port);
	put16(udp_header + 2, destination_port);
	put16(udp_header + 6, 0);
	udp_header[UDP_LEN + 1] = protocol;
	return frame;
}
