/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* One balancer for the packet tables: every forwarding mode, both families; and what is checked of each case. */
#ifndef SHUNT_TEST_WORLD_H
#define SHUNT_TEST_WORLD_H

#include <linux/bpf.h>
#include <netinet/in.h>

#include "fixture.h"

#define CLIENT "198.51.100.7:4000"
#define CLIENT6 "[2001:db8:c::7]:4000"
#define CLIENT_HOST "198.51.100.7"
#define CLIENT6_HOST "2001:db8:c::7"
#define VIP_HOST "192.0.2.10"
#define VIP6_HOST "2001:db8::10"

/* The services on both addresses; the same ports for TCP and UDP. */
enum port {
	PORT_L2,
	PORT_IPIP_TO_V4,
	PORT_IPIP_TO_V6,
	PORT_REDIRECT,
	PORT_IPIP_REDIRECT,
	PORT_EMPTY,
	PORT_NO_NEXT_HOP,
	PORT_NO_GROUP,
	PORT_GUE_TO_V4,
	PORT_GUE_TO_V6,
	PORT_COUNT
};
#define VIP(port) VIP_HOST ":" port
#define VIP6(port) "[" VIP6_HOST "]:" port
#define L2 "80"
#define TO_V4 "81"
#define TO_V6 "82"
#define OTHER_LINK "83"
#define TO_V4_OTHER_LINK "84"
#define EMPTY "85"
#define NO_NEXT_HOP "86"
#define NO_GROUP "87"
#define GUE_TO_V4 "88"
#define GUE_TO_V6 "89"
#define UNUSED "99"

struct world {
	struct fixture f;
	uint32_t v4, v6, v4_out, v6_out, no_next_hop; /* backends */
	uint32_t tcp[2][PORT_COUNT], udp[2][PORT_COUNT]; /* services, by family (0: IPv4) and port */
};

int world_setup(void **state);
int world_setup_with(void **state, uint32_t features); /* more of enum shunt_features than fixture_defaults has */
int world_teardown(void **state);

struct packet_case {
	const char *sentence;
	struct frame *in;
	int verdict;
	enum shunt_drop_reason reason; /* of XDP_DROP, and of an answer that is counted as one */
	struct frame *out; /* NULL: unchanged */
	const struct frame *flow; /* a plain frame of the flow when `in` does not show it; NULL: it does */
	bool answered; /* sent back, not forwarded: no service and no backend counts it, but as an answer of nat's */
};

struct packet_case passes(const char *sentence, struct frame *in);
struct packet_case drops(const char *sentence, struct frame *in, enum shunt_drop_reason reason);
struct packet_case answers(const char *sentence, struct frame *in, struct frame *out);
/* Answered by "packet too big" with this MTU. */
struct packet_case answers_too_big(const char *sentence, struct frame *in, uint32_t mtu);
/* The verdict follows from the link of the backend. */
struct packet_case forwards(const struct world *w, const char *sentence, struct frame *in, uint32_t service,
			    uint32_t backend);

/* A frame that does not show its flow itself: `flow` is a plain frame of it. */
struct packet_case forwards_as(const struct world *w, const char *sentence, struct frame *in, const struct frame *flow,
			       uint32_t service, uint32_t backend);

/* Runs every case: verdict, whole frame, counters. Fails the test once all were run; each failure leaves a pcap. */
void check_cases(struct world *w, const struct packet_case *cases, size_t n);

#endif
