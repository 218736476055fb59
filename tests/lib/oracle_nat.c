/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <string.h>
#include <arpa/inet.h>

#include "oracle_nat.h"

enum { TCP_CHECKSUM = 16, UDP_CHECKSUM = 6, IPV4_CHECKSUM = 10, ICMP_CHECKSUM = 2, ICMP_HEADER_LEN = 8 };
enum { EXTENSIONS_MOST = 16 };

static unsigned int read16(const uint8_t *at)
{
	return (unsigned int)at[0] * 256 + at[1];
}

/* ---- what an error quotes ---- */

static bool is_error(const struct strict *s)
{
	if (s->kind != STRICT_ICMP || s->protocol != (s->ipv4 ? IPPROTO_ICMP : IPPROTO_ICMPV6))
		return false;
	return s->ipv4 ? s->icmp_type == 3 || s->icmp_type == 11 || s->icmp_type == 12 : s->icmp_type >= 1 && s->icmp_type <= 4;
}

/* Past what may stand between; 0: the transport is not there, or of a later fragment. */
static size_t quoted_transport(const uint8_t *frame, size_t at, size_t end, uint8_t *protocol)
{
	for (int i = 0; i < EXTENSIONS_MOST; i++) {
		bool fragment = *protocol == IPPROTO_FRAGMENT;

		if (!fragment && *protocol != IPPROTO_HOPOPTS && *protocol != IPPROTO_ROUTING && *protocol != IPPROTO_DSTOPTS)
			return at;
		if (at + 8 > end || (fragment && read16(frame + at + 2) & 0xfff8))
			return 0;
		*protocol = frame[at];
		at += fragment ? 8 : 8 + (size_t)frame[at + 1] * 8;
	}
	return 0;
}

struct quote quote_of(const struct frame *frame, const struct strict *s)
{
	struct quote quote = {.l3 = s->l4 + ICMP_HEADER_LEN};
	size_t end = s->l3 + s->ip_len, header = s->ipv4 ? 20 : 40;
	const uint8_t *ip = frame->byte + quote.l3;

	if (!is_error(s) || quote.l3 + header > end || ip[0] / 16 != (s->ipv4 ? 4 : 6))
		return quote;
	if (s->ipv4) {
		quote.source[10] = quote.source[11] = quote.destination[10] = quote.destination[11] = 0xff;
		memcpy(quote.source + 12, ip + 12, 4);
		memcpy(quote.destination + 12, ip + 16, 4);
		quote.protocol = ip[9];
		quote.l4 = read16(ip + 6) % 0x2000 ? 0 : quote.l3 + (size_t)(ip[0] % 16) * 4;
	} else {
		memcpy(quote.source, ip + 8, 16);
		memcpy(quote.destination, ip + 24, 16);
		quote.protocol = ip[6];
		quote.l4 = quoted_transport(frame->byte, quote.l3 + 40, end, &quote.protocol);
	}
	quote.is_flow = quote.l4 && quote.l4 + 8 <= end && (quote.protocol == IPPROTO_TCP || quote.protocol == IPPROTO_UDP);
	if (quote.is_flow) {
		quote.source_port = read16(frame->byte + quote.l4);
		quote.destination_port = read16(frame->byte + quote.l4 + 2);
	}
	return quote;
}

/* ---- whose it is ---- */

/* An end of a flow; of a later fragment the port is not known. */
struct end {
	const uint8_t *address;
	uint8_t protocol;
	uint16_t port;
	bool any_port;
};

static bool is_backend(const struct shunt_answer *answer, const struct end *end)
{
	if (memcmp(answer->key.address.byte, end->address, 16) != 0)
		return false;
	return end->any_port || (answer->key.protocol == end->protocol && (!answer->key.port || ntohs(answer->key.port) == end->port));
}

static bool is_service(const struct shunt_answer *answer, const struct end *end)
{
	if (memcmp(answer->address.byte, end->address, 16) != 0)
		return false;
	return end->any_port || (answer->key.protocol == end->protocol && (!answer->port || ntohs(answer->port) == end->port));
}

/* Whom the frame is from (`source`) or for; of an error whom the quoted packet was for, or from. */
static struct end end_of(const struct strict *s, const struct quote *quote, bool source)
{
	if (quote->is_flow)
		return source ? (struct end){quote->destination, quote->protocol, quote->destination_port, false}
			      : (struct end){quote->source, quote->protocol, quote->source_port, false};
	return source ? (struct end){s->source, s->protocol, s->source_port, !s->has_ports}
		      : (struct end){s->destination, s->protocol, s->destination_port, !s->has_ports};
}

bool nat_may_answer(const struct fixture *f, const struct frame *frame, const struct strict *s)
{
	struct quote quote = quote_of(frame, s);
	struct end from = end_of(s, &quote, true);

	if (s->kind == STRICT_ICMP && !quote.is_flow)
		return false;
	for (size_t i = 0; i < f->n_answers; i++)
		if (is_backend(&f->answers[i], &from))
			return true;
	return false;
}

/* ---- sums of 16-bit words; equal modulo 0xffff is equal in ones' complement (RFC 1071) ---- */

static uint32_t sum_of(const struct frame *frame, size_t from, size_t to)
{
	uint32_t sum = 0;

	for (size_t i = from; i < to; i++)
		sum += (i - from) % 2 ? frame->byte[i] : frame->byte[i] * 256U;
	return sum % 0xffff;
}

static size_t addresses_at(const struct strict *s, size_t l3)
{
	return l3 + (s->ipv4 ? 12 : 8);
}

static uint32_t sum_of_addresses(const struct frame *frame, const struct strict *s, size_t l3)
{
	size_t at = addresses_at(s, l3);

	return sum_of(frame, at, at + (s->ipv4 ? 8 : 32));
}

/* The transport's checksum, 0: it is not there, or says that there is none. */
static size_t checksum_at(const struct frame *frame, uint8_t protocol, size_t l4, size_t end)
{
	size_t at = l4 + (protocol == IPPROTO_TCP ? TCP_CHECKSUM : UDP_CHECKSUM);

	if (at + 2 > end || (protocol == IPPROTO_UDP && read16(frame->byte + at) == 0))
		return 0;
	return at;
}

/* ---- what may change ---- */

struct change {
	const struct fixture *f;
	const struct frame *in, *out;
	const struct strict *was;
	struct quote quote; /* of in */
	size_t address, port, quoted_address, quoted_port; /* places of what changes; 0: nothing of the kind */
	size_t allowed[16], n_allowed; /* places of two bytes each that may differ, these and checksums */
};

static void allow(struct change *c, size_t at)
{
	if (at)
		c->allowed[c->n_allowed++] = at;
}

static void find_places(struct change *c, bool answer)
{
	const struct strict *s = c->was;
	size_t len = s->ipv4 ? 4 : 16, end = s->l3 + s->ip_len;

	c->address = addresses_at(s, s->l3) + (answer ? 0 : len);
	if (s->ipv4)
		allow(c, s->l3 + IPV4_CHECKSUM);
	if (c->quote.is_flow) {
		c->quoted_address = addresses_at(s, c->quote.l3) + (answer ? len : 0);
		c->quoted_port = c->quote.l4 + (answer ? 2 : 0);
		allow(c, s->l4 + ICMP_CHECKSUM);
		if (s->ipv4)
			allow(c, c->quote.l3 + IPV4_CHECKSUM);
		allow(c, checksum_at(c->in, c->quote.protocol, c->quote.l4, end));
	} else if (s->has_ports) {
		c->port = s->l4 + (answer ? 0 : 2);
		allow(c, checksum_at(c->in, s->protocol, s->l4, end));
	}
	allow(c, c->port);
	allow(c, c->quoted_port);
}

static bool may_differ(const struct change *c, size_t at)
{
	size_t len = c->was->ipv4 ? 4 : 16;

	if (at < 12 || at == c->was->l3 + (c->was->ipv4 ? 8 : 7) || (at >= c->address && at < c->address + len) ||
	    (c->quoted_address && at >= c->quoted_address && at < c->quoted_address + len))
		return true;
	for (size_t i = 0; i < c->n_allowed; i++)
		if (at == c->allowed[i] || at == c->allowed[i] + 1)
			return true;
	return false;
}

static bool same_otherwise(const struct change *c)
{
	for (size_t i = 0; i < c->in->len; i++)
		if (c->in->byte[i] != c->out->byte[i] && !may_differ(c, i))
			return false;
	return true;
}

/* Who it was from or for, and who it is now, are the two ends of one answer. */
static bool ends_belong_together(const struct change *c, bool answer)
{
	struct strict is = strict_parse(c->out->byte, c->out->len);
	struct quote quote = quote_of(c->out, &is);
	struct end was = end_of(c->was, &c->quote, answer), now = end_of(&is, &quote, answer);

	for (size_t i = 0; i < c->f->n_answers; i++) {
		const struct shunt_answer *one = &c->f->answers[i];

		if (answer ? is_backend(one, &was) && is_service(one, &now) : is_service(one, &was) && is_backend(one, &now))
			return one->key.port || was.any_port || was.port == now.port; /* every port: it stays */
	}
	return false;
}

static bool transport_sums_agree(const struct change *c, size_t l3, size_t l4, size_t end, uint8_t protocol)
{
	if (!checksum_at(c->in, protocol, l4, end))
		return true;
	return (sum_of_addresses(c->in, c->was, l3) + sum_of(c->in, l4, end)) % 0xffff ==
	       (sum_of_addresses(c->out, c->was, l3) + sum_of(c->out, l4, end)) % 0xffff;
}

static const char *objects_to_sums(const struct change *c)
{
	const struct strict *s = c->was;
	size_t end = s->l3 + s->ip_len, header = (size_t)(c->in->byte[s->l3] % 16) * 4;

	if (s->ipv4 && sum_of(c->in, s->l3, s->l3 + header) != sum_of(c->out, s->l3, s->l3 + header))
		return "the checksum of the IP header is not as right or wrong as it was";
	if (c->quote.is_flow) {
		uint32_t pseudo_in = s->ipv4 ? 0 : sum_of_addresses(c->in, s, s->l3);
		uint32_t pseudo_out = s->ipv4 ? 0 : sum_of_addresses(c->out, s, s->l3);

		if ((pseudo_in + sum_of(c->in, s->l4, end)) % 0xffff != (pseudo_out + sum_of(c->out, s->l4, end)) % 0xffff)
			return "the checksum of the error is not as right or wrong as it was";
		if (s->ipv4 && sum_of(c->in, c->quote.l3, c->quote.l4) != sum_of(c->out, c->quote.l3, c->quote.l4))
			return "the checksum of the quoted header is not as right or wrong as it was";
		return transport_sums_agree(c, c->quote.l3, c->quote.l4, end, c->quote.protocol)
			       ? NULL : "the quoted transport's checksum is not as right or wrong as it was";
	}
	if (!s->has_ports || transport_sums_agree(c, s->l3, s->l4, end, s->protocol))
		return NULL;
	return "the transport's checksum is not as right or wrong as it was";
}

const char *nat_objects(const struct fixture *f, const struct frame *in, const struct strict *was, const struct frame *out,
			bool answer, bool routed)
{
	struct change c = {.f = f, .in = in, .out = out, .was = was, .quote = quote_of(in, was)};
	size_t ttl = was->l3 + (was->ipv4 ? 8 : 7);

	if (out->len != in->len)
		return "its length changed";
	find_places(&c, answer);
	if (out->byte[ttl] + routed != in->byte[ttl])
		return "its TTL is not one less, or, of what the kernel has to route, not the same";
	if (!same_otherwise(&c))
		return "more was changed than addresses, ports and checksums";
	if (!ends_belong_together(&c, answer))
		return "it was given to nobody who belongs to whom it was for";
	return objects_to_sums(&c);
}
