/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The flow table, and asking the loaded program what it would do. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>

#include <bpf/bpf.h>

#include "base/clock.h"
#include "datapath/internal.h"
#include "net/checksum.h"

/* ---- flows ---- */

uint64_t datapath_flow_capacity(const struct datapath *d)
{
	return (uint64_t)d->cfg.flow_lines * SHUNT_FLOWS_PER_LINE;
}

/* A packet may refresh the entry meanwhile: then the swap fails and the entry stays. */
static void free_entry(struct shunt_flow *at, struct shunt_flow seen)
{
	shunt_flow_swap(at, seen, (struct shunt_flow){0});
}

uint64_t datapath_scan_flows(struct datapath *d, uint32_t timeout_ms,
			     void (*live)(void *userdata, struct shunt_flow flow), void *userdata)
{
	uint16_t now = shunt_coarse_time(clock_monotonic_ns());
	uint32_t limit = flow_age_limit(timeout_ms);
	struct shunt_flow *at = d->flows->flow, *end = at + datapath_flow_capacity(d);
	uint64_t count = 0;

	for (; at < end; at++) {
		struct shunt_flow flow;

		if (!at->fingerprint)
			continue;
		flow = shunt_flow_load(at);
		if (!flow.fingerprint)
			continue;
		/* An entry written since `now` was read looks as old as can be. */
		if (shunt_flow_age(flow, now) > limit && shunt_flow_age(flow, now) < SHUNT_COARSE_TIME_MASK - 8) {
			free_entry(at, flow);
			continue;
		}
		count++;
		live(userdata, flow);
	}
	return count;
}

void datapath_set_crowded(struct datapath *d, uint32_t classes)
{
	__atomic_store_n(&d->direct->crowded, classes, __ATOMIC_RELAXED);
}

void datapath_forget_flows(struct datapath *d, uint32_t backend)
{
	struct shunt_flow *at = d->flows->flow, *end = at + datapath_flow_capacity(d);

	for (; at < end; at++) {
		struct shunt_flow flow = shunt_flow_load(at);

		if (flow.fingerprint && flow.backend == backend)
			free_entry(at, flow);
	}
}

/* ---- explain ---- */

#define EXPLAIN_FRAME_MAX 128

static size_t write_transport(uint8_t *at, const struct datapath_flow *flow)
{
	if (flow->protocol == IPPROTO_TCP) {
		struct tcphdr tcp = {
			.source = htons(flow->source_port), .dest = htons(flow->destination_port), .doff = 5};

		tcp.syn = flow->starts;
		tcp.ack = !flow->starts;
		memcpy(at, &tcp, sizeof(tcp));
		return sizeof(tcp);
	}
	/* Of QUIC, the beginning of what starts a connection: an Initial packet of version 1 (RFC 9000 section 17.2.2). */
	const uint8_t initial[] = {0xc0, 0, 0, 0, 1, 8};
	size_t len = sizeof(struct udphdr) + (flow->starts ? sizeof(initial) : 0);
	struct udphdr udp = {htons(flow->source_port), htons(flow->destination_port), htons(len), 0};

	memcpy(at, &udp, sizeof(udp));
	memcpy(at + sizeof(udp), initial, len - sizeof(udp));
	return len;
}

static size_t write_frame(uint8_t frame[EXPLAIN_FRAME_MAX], const struct datapath_flow *flow)
{
	bool ipv4 = shunt_addr_is_ipv4(&flow->destination);
	struct ethhdr eth = {.h_proto = htons(ipv4 ? ETH_P_IP : ETH_P_IPV6)};
	size_t ip_len = ipv4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr);
	size_t l4_len = write_transport(frame + sizeof(eth) + ip_len, flow);

	memcpy(frame, &eth, sizeof(eth));
	if (ipv4) {
		struct iphdr ip = {.version = 4, .ihl = 5, .ttl = 64, .protocol = flow->protocol};

		ip.tot_len = htons(ip_len + l4_len);
		memcpy(&ip.saddr, flow->source.byte + 12, 4);
		memcpy(&ip.daddr, flow->destination.byte + 12, 4);
		ip.check = internet_checksum(&ip, sizeof(ip));
		memcpy(frame + sizeof(eth), &ip, sizeof(ip));
	} else {
		struct ipv6hdr ip = {
			.version = 6, .nexthdr = flow->protocol, .hop_limit = 64, .payload_len = htons(l4_len)};

		memcpy(&ip.saddr, flow->source.byte, 16);
		memcpy(&ip.daddr, flow->destination.byte, 16);
		memcpy(frame + sizeof(eth), &ip, sizeof(ip));
	}
	return sizeof(eth) + ip_len + l4_len;
}

int datapath_explain(struct datapath *d, const struct datapath_flow *flow, struct shunt_explanation *ret_explanation)
{
	uint8_t frame[EXPLAIN_FRAME_MAX] = {0}, out[EXPLAIN_FRAME_MAX * 2];
	struct shunt_explanation asked = {.unknown = flow->unknown};
	int map = bpf_map__fd(d->skeleton->maps.explanation), r;
	uint32_t first = 0;
	LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = frame, .data_out = out, .data_size_out = sizeof(out),
		    .repeat = 1);

	run.data_size_in = write_frame(frame, flow);
	r = bpf_map_update_elem(map, &first, &asked, BPF_ANY);
	if (r < 0)
		return datapath_fail(r, "the program cannot be asked: %s", strerror(-r));
	r = bpf_prog_test_run_opts(bpf_program__fd(d->skeleton->progs.xdp_explain), &run);
	if (r < 0)
		return datapath_fail(r, "the kernel does not run the program: %s", strerror(-r));
	r = bpf_map_lookup_elem(map, &first, ret_explanation);
	return r < 0 ? datapath_fail(r, "the answer cannot be read: %s", strerror(-r)) : 0;
}
