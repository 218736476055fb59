/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <arpa/inet.h>

#include <cmocka.h>

#include "net/address.h"
#include "oracle.h"
#include "oracle_nat.h"
#include "strict_parser.h"

enum { ICMP_ECHO = 8, ICMPV6_ECHO = 128 };
enum { SURELY_FITS = 1400 }; /* bytes of an IP packet that fit every tunnel at an MTU of 1500 */

/* ---- services ---- */

static bool is_ours(const struct oracle *o, const struct strict *s)
{
	for (size_t i = 0; i < o->fixture->n_services; i++)
		if (memcmp(o->fixture->services[i].key.address.byte, s->destination, 16) == 0)
			return true;
	return false;
}

/* What the service does that takes the flow; 0: there is none. */
static unsigned int service_fate(const struct oracle *o, const struct strict *s)
{
	unsigned int any_port = 0;

	for (size_t i = 0; i < o->fixture->n_services; i++) {
		const struct shunt_service_key *key = &o->fixture->services[i].key;

		if (key->protocol != s->protocol || memcmp(key->address.byte, s->destination, 16) != 0)
			continue;
		if (ntohs(key->port) == s->destination_port)
			return o->fates[i];
		if (key->port == 0)
			any_port = o->fates[i];
	}
	return any_port;
}

/* Backends have MAC addresses of their own (backend_mac()): so what goes to one is told from an answer. */
static bool goes_to_a_backend(const struct frame *frame)
{
	static const uint8_t backends[] = {2, 0, 0, 1};

	return memcmp(frame->byte, backends, sizeof(backends)) == 0;
}

static unsigned int fate_of(int verdict, const struct frame *out)
{
	switch (verdict) {
	case XDP_PASS:
		return MAY_PASS;
	case XDP_DROP:
		return MAY_DROP;
	case XDP_TX:
	case XDP_REDIRECT:
		return goes_to_a_backend(out) ? MAY_FORWARD : MAY_ANSWER;
	default:
		return 0; /* XDP_ABORTED, or none at all */
	}
}

struct oracle oracle_of(struct fixture *f)
{
	struct oracle o = {.fixture = f, .fates = calloc(f->n_services, sizeof(*o.fates))};

	assert_non_null(o.fates);
	for (size_t i = 0; i < f->n_services; i++) {
		const struct shunt_service_key *key = &f->services[i].key;
		char address[ADDRESS_TEXT_MAX], to[ADDRESS_TEXT_MAX + 16];
		bool ipv4 = address_is_ipv4(&key->address), is_tcp = key->protocol == IPPROTO_TCP;
		const char *client = ipv4 ? "198.51.100.99:999" : "[2001:db8:c::99]:999";
		struct outcome outcome;

		address_format(&key->address, address);
		snprintf(to, sizeof(to), ipv4 ? "%s:%u" : "[%s]:%u", address, key->port ? ntohs(key->port) : 1U);
		outcome = fixture_run(f, is_tcp ? tcp(client, to, ACK) : udp(client, to));
		o.fates[i] = fate_of(outcome.verdict, outcome.frame);
		assert_int_not_equal(o.fates[i], 0);
		if (o.fates[i] == MAY_ANSWER)
			o.fates[i] |= MAY_DROP; /* not every packet has an answer, and not for ever */
	}
	return o;
}

void oracle_free(struct oracle *oracle)
{
	free(oracle->fates);
	*oracle = (struct oracle){0};
}

/* ---- what is allowed ---- */

static unsigned int allowed_icmp(const struct strict *s)
{
	bool right_family = s->protocol == (s->ipv4 ? IPPROTO_ICMP : IPPROTO_ICMPV6);
	bool is_error = right_family && (s->ipv4 ? s->icmp_type == 3 || s->icmp_type == 11 || s->icmp_type == 12
						 : s->icmp_type >= 1 && s->icmp_type <= 4);

	if (s->refused || (s->suspicious && !is_error))
		return MAY_DROP;
	if (right_family && s->icmp_type == (s->ipv4 ? ICMP_ECHO : ICMPV6_ECHO))
		return MAY_ANSWER;
	if (is_error)
		return MAY_PASS | MAY_DROP | (s->suspicious ? 0 : MAY_FORWARD); /* by what it quotes (RFC 7690) */
	return MAY_PASS;
}

/* Where there is nat, a service's packets pass a router, and what comes from its backends is the service's answer. */
static bool translates(const struct oracle *o)
{
	return o->fixture->n_answers > 0;
}

static bool ends_at_a_router(const struct frame *in, const struct strict *s)
{
	return in->byte[s->l3 + (s->ipv4 ? 8 : 7)] == 1;
}

static unsigned int allowed_flow(const struct oracle *o, const struct frame *in, const struct strict *s)
{
	unsigned int fate;

	if (!s->has_ports)
		return MAY_DROP;
	fate = service_fate(o, s);
	if (!fate)
		return MAY_PASS;
	if (s->refused || s->suspicious)
		return MAY_DROP;
	if (translates(o) && ends_at_a_router(in, s))
		return MAY_DROP | MAY_ANSWER; /* RFC 1812 5.3.1 */
	if (s->ip_len > SURELY_FITS)
		fate |= MAY_DROP | MAY_ANSWER;
	if (fate & MAY_FORWARD && goes_to_a_backend(in))
		fate |= MAY_PASS; /* another balancer has sent it there */
	return fate;
}

/* What is for no service: where it may be an answer it may go on, unless a careful host refuses it. */
static unsigned int allowed_otherwise(const struct oracle *o, const struct frame *in, const struct strict *s)
{
	if (!translates(o) || s->kind == STRICT_BROKEN || !nat_may_answer(o->fixture, in, s))
		return MAY_PASS;
	return MAY_PASS | MAY_DROP | (s->refused || s->suspicious ? 0 : MAY_ANSWER);
}

static unsigned int allowed(const struct oracle *o, const struct frame *in, const struct strict *s)
{
	if (s->kind == STRICT_FOREIGN)
		return MAY_PASS;
	if (!is_ours(o, s))
		return allowed_otherwise(o, in, s);
	if (s->kind == STRICT_BROKEN)
		return MAY_DROP;
	/* How much of these is read is a matter of policy; to forward what is wrong is not. */
	if (s->kind == STRICT_FRAGMENT || s->n_extensions)
		return MAY_PASS | MAY_DROP | (s->refused || s->suspicious ? 0 : MAY_FORWARD | MAY_ANSWER);
	if (s->kind == STRICT_FLOW)
		return allowed_flow(o, in, s);
	if (s->kind == STRICT_ICMP)
		return allowed_icmp(s);
	return s->refused || s->suspicious ? MAY_PASS | MAY_DROP : MAY_PASS;
}

/* ---- what leaves ---- */

/*
 * Towards a backend: right in itself, with the tags it had, and behind whatever was put in front the packet as it
 * came.
 */
static const char *objects_to_forwarded(const struct frame *in, const struct strict *was, const struct frame *out)
{
	struct strict is = strict_parse(out->byte, out->len);
	size_t rest = in->len - was->l3, grown = out->len - in->len;

	if (is.kind == STRICT_FOREIGN || is.kind == STRICT_BROKEN)
		return "what was forwarded is no IP packet";
	if (is.n_tags != was->n_tags || memcmp(in->byte + 12, out->byte + 12, 4 * is.n_tags) != 0)
		return "the tags did not stay as they were";
	if (out->len < in->len || memcmp(out->byte + out->len - rest, in->byte + was->l3, rest) != 0)
		return "the packet was changed";
	if (!grown)
		return NULL;
	if (is.refused || is.suspicious)
		return "the outer header is one that a careful host refuses";
	if (is.ip_len != was->ip_len + grown)
		return "the outer length is not that of the packet and its headers";
	return NULL;
}

static const char *objects_to_answer(const struct strict *was, const struct frame *out)
{
	struct strict is = strict_parse(out->byte, out->len);

	if (is.kind == STRICT_FOREIGN || is.refused)
		return "the answer is one that a careful host refuses";
	if (is.n_tags != was->n_tags || memcmp(is.destination, was->source, 16) != 0)
		return "the answer does not go back to where the packet came from";
	return NULL;
}

/* An answer that goes to whom it was for, and not one of our own to who sent it. */
static bool goes_on(const struct oracle *o, const struct strict *was, const struct frame *out)
{
	struct strict is = strict_parse(out->byte, out->len);

	return translates(o) && !is_ours(o, was) && memcmp(is.destination, was->destination, 16) == 0;
}

const char *oracle_objects(const struct oracle *o, const struct frame *in, int verdict, const struct frame *out)
{
	struct strict s = strict_parse(in->byte, in->len);
	unsigned int fate = fate_of(verdict, out), may = allowed(o, in, &s);

	if (!(fate & may)) {
		if ((fate == MAY_FORWARD || fate == MAY_ANSWER) && s.refused)
			return s.refused;
		return may == MAY_PASS ? "it is nobody's: it should pass" : "a wrong verdict";
	}
	if ((fate == MAY_PASS || fate == MAY_DROP) && frames_equal(in, out))
		return NULL;
	if (fate == MAY_PASS && may & MAY_ANSWER && goes_on(o, &s, out)) /* for the kernel to forward */
		return nat_objects(o->fixture, in, &s, out, true, false);
	if (fate == MAY_PASS || fate == MAY_DROP)
		return "it was changed";
	if (fate == MAY_FORWARD)
		return translates(o) ? nat_objects(o->fixture, in, &s, out, false, true) : objects_to_forwarded(in, &s, out);
	return goes_on(o, &s, out) ? nat_objects(o->fixture, in, &s, out, true, true) : objects_to_answer(&s, out);
}
