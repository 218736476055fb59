/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The services and backends of the packet tables, and the judge of a case; see world.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "packet_odd.h"
#include "world.h"

static void add_services(struct world *w, enum port port, const char *number, uint32_t group4, uint32_t group6,
			 enum shunt_forward forward)
{
	char vip[32], vip6[64];

	snprintf(vip, sizeof(vip), "%s:%s", VIP_HOST, number);
	snprintf(vip6, sizeof(vip6), "[%s]:%s", VIP6_HOST, number);
	w->tcp[0][port] = fixture_service(&w->f, IPPROTO_TCP, vip, group4, forward, 0);
	w->udp[0][port] = fixture_service(&w->f, IPPROTO_UDP, vip, group4, forward, 0);
	w->tcp[1][port] = fixture_service(&w->f, IPPROTO_TCP, vip6, group6, forward, 0);
	w->udp[1][port] = fixture_service(&w->f, IPPROTO_UDP, vip6, group6, forward, 0);
}

/* A group whose every slot has this backend. */
static uint32_t group_of(struct world *w, uint32_t backend)
{
	uint32_t group = fixture_group(&w->f, 100 + backend);

	fixture_slots(&w->f, group, settled(backend));
	return group;
}

int world_setup(void **state)
{
	return world_setup_with(state, 0);
}

int world_setup_with(void **state, uint32_t features)
{
	struct datapath_options options = fixture_defaults;
	struct world *w = calloc(1, sizeof(*w));
	uint32_t v4, v6, empty, unknown;

	if (!w)
		return -1;
	options.features |= features;
	fixture_open(&w->f, &options);
	w->v4 = fixture_backend(&w->f, "10.0.1.11", LINK_IN);
	w->v6 = fixture_backend(&w->f, "fd00::1:12", LINK_IN);
	w->v4_out = fixture_backend(&w->f, "10.0.1.13", LINK_OUT);
	w->v6_out = fixture_backend(&w->f, "fd00::1:14", LINK_OUT);
	w->no_next_hop = fixture_backend(&w->f, "10.0.1.15", LINK_UNKNOWN);
	v4 = group_of(w, w->v4);
	v6 = group_of(w, w->v6);
	empty = group_of(w, 0);
	unknown = group_of(w, w->no_next_hop);
	add_services(w, PORT_L2, L2, v4, v6, SHUNT_FORWARD_L2);
	add_services(w, PORT_IPIP_TO_V4, TO_V4, v4, v4, SHUNT_FORWARD_IPIP);
	add_services(w, PORT_IPIP_TO_V6, TO_V6, v6, v6, SHUNT_FORWARD_IPIP);
	add_services(w, PORT_REDIRECT, OTHER_LINK, group_of(w, w->v4_out), group_of(w, w->v6_out), SHUNT_FORWARD_L2);
	add_services(w, PORT_IPIP_REDIRECT, TO_V4_OTHER_LINK, group_of(w, w->v4_out), group_of(w, w->v4_out),
		     SHUNT_FORWARD_IPIP);
	add_services(w, PORT_EMPTY, EMPTY, empty, empty, SHUNT_FORWARD_IPIP);
	add_services(w, PORT_NO_NEXT_HOP, NO_NEXT_HOP, unknown, unknown, SHUNT_FORWARD_L2);
	add_services(w, PORT_GUE_TO_V4, GUE_TO_V4, v4, v4, SHUNT_FORWARD_GUE);
	add_services(w, PORT_GUE_TO_V6, GUE_TO_V6, v6, v6, SHUNT_FORWARD_GUE);
	add_services(w, PORT_NO_GROUP, NO_GROUP, SHUNT_MAX_GROUPS, SHUNT_MAX_GROUPS, SHUNT_FORWARD_L2);
	*state = w;
	return 0;
}

int world_teardown(void **state)
{
	struct world *w = *state;

	fixture_close(&w->f);
	free(w);
	return 0;
}

/* ---- cases ---- */

struct packet_case passes(const char *sentence, struct frame *in)
{
	return (struct packet_case){.sentence = sentence, .in = in, .verdict = XDP_PASS};
}

struct packet_case drops(const char *sentence, struct frame *in, enum shunt_drop_reason reason)
{
	return (struct packet_case){.sentence = sentence, .in = in, .verdict = XDP_DROP, .reason = reason};
}

struct packet_case answers(const char *sentence, struct frame *in, struct frame *out)
{
	return (struct packet_case){.sentence = sentence, .in = in, .verdict = XDP_TX, .out = out, .answered = true};
}

struct packet_case answers_too_big(const char *sentence, struct frame *in, uint32_t mtu)
{
	struct packet_case c = answers(sentence, in, told_too_big(in, mtu));

	c.reason = SHUNT_DROP_TOO_BIG_ANSWERED;
	return c;
}

struct packet_case forwards(const struct world *w, const char *sentence, struct frame *in, uint32_t service,
			    uint32_t backend)
{
	return forwards_as(w, sentence, in, in, service, backend);
}

struct packet_case forwards_as(const struct world *w, const char *sentence, struct frame *in, const struct frame *flow,
			       uint32_t service, uint32_t backend)
{
	struct frame *out = sent_as(&w->f, in, flow, service, backend);
	bool other_link = memcmp(out->byte + MAC_LEN, link_mac[LINK_OUT], MAC_LEN) == 0;

	return (struct packet_case){
		.sentence = sentence,
		.in = in,
		.flow = flow,
		.verdict = other_link ? XDP_REDIRECT : XDP_TX,
		.out = out,
	};
}

/* ---- the judge ---- */

/* RFC 9000 section 17.2.2, RFC 9369 section 3.2. */
static bool is_quic_initial(const uint8_t *data)
{
	static const uint8_t version_1[] = {0, 0, 0, 1}, version_2[] = {0x6b, 0x33, 0x43, 0xcf};

	return ((data[0] & 0xb0) == 0x80 && memcmp(data + 1, version_1, 4) == 0) ||
	       ((data[0] & 0xb0) == 0x90 && memcmp(data + 1, version_2, 4) == 0);
}

/* In all worlds it is the services on port 443 that may be QUIC, and nothing else that looks like it is sent there. */
static bool starts_flow(const struct frame *in)
{
	const uint8_t *at = in->byte + ip_offset(in);
	bool ipv4 = at[0] >> 4 == 4;
	const uint8_t *l4 = at + (ipv4 ? (at[0] & 15) * 4 : 40);

	if (at[ipv4 ? 9 : 6] == IPPROTO_UDP)
		return l4[2] << 8 == (443 & 0xff00) && l4[3] == (443 & 0xff) && is_quic_initial(l4 + 8);
	return at[ipv4 ? 9 : 6] == IPPROTO_TCP && (l4[13] & (SYN | ACK)) == SYN;
}

/* Of nat: what a backend sent goes on, rather than that the balancer answers itself. */
static bool goes_on(const struct fixture *f, const struct packet_case *c)
{
	bool by_kernel = c->reason == SHUNT_DROP_NO_NEIGHBOUR;

	return f->n_answers && (by_kernel || (c->answered && !c->reason)) && c->out && c->out->len == c->in->len;
}

/* What the counters should be after the case, when they were `before`. */
static struct counters expected_counters(const struct fixture *f, struct counters before, const struct packet_case *c)
{
	if (c->verdict == XDP_DROP || c->reason)
		before.drops[c->reason]++;
	if ((c->verdict == XDP_TX || c->verdict == XDP_REDIRECT) && !c->answered) {
		before.service.packets++;
		before.service.bytes += c->in->len;
		before.service.new_flows += starts_flow(c->flow ? c->flow : c->in);
		before.backend.packets++;
		before.backend.bytes += c->in->len;
	}
	if (goes_on(f, c)) {
		before.service.answer_packets++;
		before.service.answer_bytes += c->in->len;
		before.backend.answer_packets++;
		before.backend.answer_bytes += c->in->len;
	}
	return before;
}

static void print_counters(const char *what, const struct counters *c)
{
	printf("  %-8s service %lu packets %lu bytes %lu new flows %lu answers, backend %lu packets %lu bytes %lu answers, drops",
	       what, c->service.packets, c->service.bytes, c->service.new_flows, c->service.answer_packets, c->backend.packets,
	       c->backend.bytes, c->backend.answer_packets);
	for (int i = 0; i < SHUNT_DROP_REASON_COUNT; i++)
		printf(" %llu", (unsigned long long)c->drops[i]);
	printf("\n");
}

static bool case_holds(struct world *w, const struct packet_case *c)
{
	struct counters before = fixture_counters(&w->f), expected = expected_counters(&w->f, before, c), after;
	const struct frame *out = c->out ? c->out : c->in;
	struct outcome outcome = fixture_run(&w->f, c->in);
	bool counted, holds;

	after = fixture_counters(&w->f);
	counted = memcmp(&expected, &after, sizeof(after)) == 0;
	holds = outcome.verdict == c->verdict && frames_equal(out, outcome.frame) && counted;
	if (holds)
		return true;
	printf("\n%s\n  %s, expected %s\n", c->sentence, verdict_text(outcome.verdict), verdict_text(c->verdict));
	if (!frames_equal(out, outcome.frame))
		frames_print_difference(out, outcome.frame);
	if (!counted) {
		print_counters("expected", &expected);
		print_counters("counted", &after);
	}
	frames_write_pcap(c->sentence, (const struct frame *const[]){c->in, out, outcome.frame}, 3);
	return false;
}

void check_cases(struct world *w, const struct packet_case *cases, size_t n)
{
	size_t failed = 0;

	for (size_t i = 0; i < n; i++)
		failed += !case_holds(w, &cases[i]);
	if (failed)
		fail_msg("%zu of %zu cases", failed, n);
	if (n > 1)
		print_message("  %zu cases\n", n);
}
