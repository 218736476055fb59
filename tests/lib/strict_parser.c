/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* See strict_parser.h. Reads byte by byte, big endian, and asks before each byte whether it is there. */
#include <string.h>

#include "strict_parser.h"

enum { PROTOCOL_ICMP = 1, PROTOCOL_TCP = 6, PROTOCOL_UDP = 17, PROTOCOL_ICMPV6 = 58 };
enum { HOP_BY_HOP = 0, ROUTING = 43, FRAGMENT = 44, DESTINATION_OPTIONS = 60 }; /* RFC 8200 section 4 */
enum { DATAGRAM_MOST = 65535 };

static unsigned int read8(const uint8_t *at)
{
	return at[0];
}

static unsigned int read16(const uint8_t *at)
{
	return (unsigned int)at[0] * 256 + at[1];
}

static void refuse(struct strict *s, const char *why)
{
	if (!s->refused)
		s->refused = why;
}

/* ---- transport ---- */

/* The flag combinations that RFC 9293 gives a meaning to. */
static bool flags_make_sense(unsigned int flags)
{
	bool fin = flags & 1, syn = flags & 2, rst = flags & 4, ack = flags & 16, urg = flags & 32;

	if (syn)
		return !fin && !rst && !(ack && urg);
	if (rst)
		return !fin && (ack || !urg);
	return ack;
}

static void read_tcp(struct strict *s, const uint8_t *tcp, size_t len)
{
	unsigned int flags;

	if (len < 20) {
		refuse(s, "a TCP header has 20 bytes (RFC 9293 3.1)");
		return;
	}
	if (read8(tcp + 12) / 16 < 5 || read8(tcp + 12) / 16 * 4 > len) {
		refuse(s, "the TCP data offset contradicts the length (RFC 9293 3.1)");
		return;
	}
	flags = read8(tcp + 13);
	s->has_ports = true;
	s->starts_flow = (flags & 0x12) == 0x02;
	if (!flags_make_sense(flags))
		s->suspicious = "TCP flags that nobody sets (RFC 9293)";
}

static void read_udp(struct strict *s, const uint8_t *udp, size_t len, bool whole)
{
	if (len < 8) {
		refuse(s, "a UDP header has 8 bytes (RFC 768)");
		return;
	}
	if (read16(udp + 4) < 8 || (whole && read16(udp + 4) > len)) {
		refuse(s, "the UDP length contradicts the packet (RFC 768)");
		return;
	}
	s->has_ports = true;
}

/* `whole`: not the first of several fragments. */
static void read_transport(struct strict *s, const uint8_t *frame, bool whole)
{
	size_t len = s->l3 + s->ip_len - s->l4;
	const uint8_t *at = frame + s->l4;

	if (s->protocol == PROTOCOL_TCP)
		read_tcp(s, at, len);
	else if (s->protocol == PROTOCOL_UDP)
		read_udp(s, at, len, whole);
	else if (s->protocol == PROTOCOL_ICMP || s->protocol == PROTOCOL_ICMPV6) {
		if (len < 8)
			refuse(s, "an ICMP message has 8 bytes (RFC 792, RFC 4443 2.1)");
		else
			s->icmp_type = at[0];
	}
	if (s->has_ports) {
		s->source_port = read16(at);
		s->destination_port = read16(at + 2);
	}
}

static enum strict_kind kind_of(uint8_t protocol)
{
	if (protocol == PROTOCOL_TCP || protocol == PROTOCOL_UDP)
		return STRICT_FLOW;
	return protocol == PROTOCOL_ICMP || protocol == PROTOCOL_ICMPV6 ? STRICT_ICMP : STRICT_OTHER;
}

/* offset and len in bytes; RFC 791 3.2, RFC 8200 4.5. */
static void read_fragment(struct strict *s, const uint8_t *frame, size_t offset, size_t len, bool more)
{
	s->kind = STRICT_FRAGMENT;
	if (len == 0)
		refuse(s, "a fragment without data");
	if (more && len % 8)
		refuse(s, "a fragment, not the last, whose length is no multiple of 8");
	if (offset + len > DATAGRAM_MOST)
		refuse(s, "a fragment that ends beyond the largest packet");
	if (offset == 0)
		read_transport(s, frame, false);
	else if (s->protocol == PROTOCOL_TCP && offset < 16)
		refuse(s, "a fragment that overlaps the TCP header (RFC 1858, RFC 3128)");
}

/* ---- network ---- */

static bool adds_up(const uint8_t *header, size_t len)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < len; i += 2)
		sum += read16(header + i);
	while (sum > 0xffff)
		sum = (sum >> 16) + sum % 0x10000;
	return sum == 0xffff;
}

static void read_ipv4(struct strict *s, const uint8_t *frame, size_t len)
{
	const uint8_t *ip = frame + s->l3;
	size_t header, fragment;

	if (len < 20)
		return;
	s->kind = STRICT_BROKEN;
	s->ipv4 = true;
	s->source[10] = s->source[11] = s->destination[10] = s->destination[11] = 0xff;
	memcpy(s->source + 12, ip + 12, 4);
	memcpy(s->destination + 12, ip + 16, 4);
	header = (size_t)(ip[0] % 16) * 4;
	s->ip_len = read16(ip + 2);
	s->l4 = s->l3 + header;
	s->protocol = ip[9];
	if (ip[0] / 16 != 4)
		refuse(s, "the version is not 4 (RFC 791 3.1)");
	else if (header < 20)
		refuse(s, "an IPv4 header has 20 bytes (RFC 791 3.1)");
	else if (s->ip_len < header)
		refuse(s, "the total length does not hold the header (RFC 791 3.1)");
	else if (s->ip_len > len)
		refuse(s, "the total length is beyond the frame (RFC 1812 5.2.2)");
	else if (!adds_up(ip, header))
		refuse(s, "the header checksum is wrong (RFC 1122 3.2.1.2, RFC 1812 5.2.2)");
	if (s->refused)
		return;
	if (ip[8] == 0)
		refuse(s, "TTL 0 (RFC 1122 3.2.1.7)");
	fragment = read16(ip + 6);
	s->kind = kind_of(s->protocol);
	if (fragment % 0x4000)
		read_fragment(s, frame, fragment % 0x2000 * 8, s->ip_len - header, fragment & 0x2000);
	else
		read_transport(s, frame, true);
	if (ip[12] == 0 || ip[12] == 127 || ip[12] >= 224)
		s->suspicious = "a martian source (RFC 1812 5.3.7)";
}

/* Past the extension headers up to the transport or a fragment, end: of the packet. */
static void read_extensions(struct strict *s, const uint8_t *frame, size_t end)
{
	for (;; s->n_extensions++) {
		const uint8_t *at = frame + s->l4;

		if (s->protocol != HOP_BY_HOP && s->protocol != ROUTING && s->protocol != FRAGMENT &&
		    s->protocol != DESTINATION_OPTIONS)
			break;
		if (s->protocol == HOP_BY_HOP && s->n_extensions)
			refuse(s, "hop-by-hop options that are not first (RFC 8200 4.1)");
		if (s->l4 + 8 > end || (s->protocol != FRAGMENT && s->l4 + 8 + (size_t)at[1] * 8 > end)) {
			refuse(s, "an extension header that is not all there (RFC 8200 4)");
			return;
		}
		if (s->protocol == ROUTING && at[3])
			s->suspicious = "a route that is not at its end (RFC 8200 4.4)";
		if (s->protocol == FRAGMENT && read16(at + 2) & 0xfff9) { /* else atomic: RFC 6946 */
			s->protocol = at[0];
			s->l4 += 8;
			s->n_extensions++;
			read_fragment(s, frame, read16(at + 2) & 0xfff8, end - s->l4, at[3] & 1);
			return;
		}
		s->l4 += s->protocol == FRAGMENT ? 8 : 8 + (size_t)at[1] * 8;
		s->protocol = at[0];
	}
	s->kind = kind_of(s->protocol);
	read_transport(s, frame, true);
}

static void read_ipv6(struct strict *s, const uint8_t *frame, size_t len)
{
	static const uint8_t zero[16], mapped[12] = {[10] = 0xff, 0xff};
	const uint8_t *ip = frame + s->l3;

	if (len < 40 || memcmp(ip + 24, mapped, sizeof(mapped)) == 0)
		return; /* mapped addresses are not on the wire (RFC 4291 2.5.5.2, RFC 4038 4.2): nobody's */
	s->kind = STRICT_BROKEN;
	memcpy(s->source, ip + 8, 16);
	memcpy(s->destination, ip + 24, 16);
	s->ip_len = 40 + read16(ip + 4);
	s->l4 = s->l3 + 40;
	s->protocol = ip[6];
	if (ip[0] / 16 != 6)
		refuse(s, "the version is not 6 (RFC 8200 3)");
	else if (s->ip_len > len)
		refuse(s, "the payload length is beyond the frame (RFC 8200 3)");
	if (s->refused)
		return;
	if (ip[7] == 0)
		refuse(s, "hop limit 0 (RFC 8200 3)");
	s->kind = STRICT_OTHER;
	read_extensions(s, frame, s->l3 + s->ip_len);
	if (s->source[0] == 0xff || memcmp(s->source, zero, 8) == 0)
		s->suspicious = "a source that nobody has (RFC 4291 2.5, 2.7)";
}

struct strict strict_parse(const uint8_t *frame, size_t len)
{
	struct strict s = {.kind = STRICT_FOREIGN, .l3 = 14};
	unsigned int type;

	if (len < 14)
		return s;
	type = read16(frame + 12);
	while (s.n_tags < 2 && (type == 0x8100 || type == 0x88a8)) { /* IEEE 802.1Q */
		if (len < s.l3 + 4)
			return s;
		type = read16(frame + s.l3 + 2);
		s.l3 += 4;
		s.n_tags++;
	}
	if (type == 0x0800)
		read_ipv4(&s, frame, len - s.l3);
	else if (type == 0x86dd)
		read_ipv6(&s, frame, len - s.l3);
	if (s.kind != STRICT_FOREIGN && frame[0] & 1)
		refuse(&s, "a packet for one host in a frame for many (RFC 1122 3.3.6, RFC 1812 5.3.4)");
	if (s.kind != STRICT_FOREIGN && !s.refused && memcmp(s.source, s.destination, 16) == 0)
		s.suspicious = "the destination's own address as the source";
	return s;
}

