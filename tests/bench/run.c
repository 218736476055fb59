/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Runs the contenders. They take turns within a round, so that noise meets all alike. Every packet must have been
 * forwarded: the counters must say so.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <arpa/inet.h>
#include <linux/bpf.h>

#include <bpf/bpf.h>
#include <cmocka.h>

#include "bench.h"
#include "outer.h"

#define CLIENT "198.0.0.0:4000"
#define CLIENT6 "[2001:db8:c::]:4000"

/* ---- one measurement ---- */

static uint64_t cpu_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return now.tv_sec * 1000000000ULL + now.tv_nsec;
}

/* The balancer whose flow table has room for so many flows. */
static struct fixture *balancer_of(struct bench *b, const struct contender *c, enum column column)
{
	return &b->balancers[c->pins && c->program == SHUNT && column == FLOWS_4M ? ROOMY : c->in];
}

static struct frame *packet_of(const struct contender *c)
{
	const char *to = c->to ? c->to : service_address(c->service);

	return tcp(c->from ? c->from : *to == '[' ? CLIENT6 : CLIENT, to, c->syn ? SYN : ACK);
}

static int program_of(struct bench *b, const struct contender *c, struct fixture *f)
{
	if (c->program == SHUNT)
		return fixture_program(f);
	if (c->program == CONVENTIONAL)
		return object_program(b->conventional, "xdp_shunt");
	return object_program(b->outer, c->program == EMPTY ? "bench_empty" : "bench_swap");
}

/* Of bytes as they stand in memory, an even number. */
static uint32_t sum_of_pairs(const uint8_t *at, size_t bytes)
{
	uint32_t sum = 0;
	uint16_t pair;

	for (size_t i = 0; i < bytes; i += sizeof(pair)) {
		memcpy(&pair, at + i, sizeof(pair));
		sum += pair;
	}
	return sum;
}

static struct bench_run run_of(const struct contender *c, const struct frame *packet)
{
	const uint8_t *ip = packet->byte + ETHERNET_LEN;
	struct bench_run run = {
		.ipv6 = *ip >> 4 == 6,
		.frame_len = packet->len,
		.destination_mask = (c->n_services ?: c->n_destinations ?: 1) - 1,
		.outer_len = c->fate == FORWARDED ? service_outer_len(c->service) : 0,
	};
	uint32_t source, destination;

	memcpy(run.ethernet, packet->byte, 12);
	memcpy(&run.ttl_word, ip + (run.ipv6 ? 4 : 8), run.ipv6 ? 4 : 2);
	run.rest_sum = run.ipv6 ? 0 : sum_of_pairs(ip, 10);
	memcpy(&run.ports, ip + (run.ipv6 ? 40 : 20), 4);
	memcpy(&source, ip + 12, 4);
	memcpy(&destination, ip + 16, 4);
	run.source = ntohl(source);
	run.destination = ntohl(destination);
	memcpy(run.source6, ip + 8, 16);
	memcpy(run.destination6, ip + 24, 16);
	return run;
}

struct measurement {
	struct bench *b;
	struct contender *contender;
	struct fixture *balancer;
	int program;
	struct frame *packet;
	struct bench_run run;
};

static void set_run(const struct measurement *m, const struct bench_run *run)
{
	int r = bpf_map_update_elem(object_map(m->b->outer, ".bss"), &(uint32_t){0}, run, BPF_ANY);

	if (r < 0)
		die("what to run", r);
	r = bpf_map_update_elem(object_map(m->b->outer, "target"), &(uint32_t){0}, &m->program, BPF_ANY);
	if (r < 0)
		die("tail call", r);
}

/* Thread time of so many packets, ns; the last must have the verdict that all should have. */
static double run_packets(const struct measurement *m, uint32_t n)
{
	static const int verdicts[] = {
		[FORWARDED] = XDP_TX, [SENT] = XDP_TX, [PASSED] = XDP_PASS, [DROPPED] = XDP_DROP};
	const struct contender *c = m->contender;
	struct xdp_md context = {.data_end = m->packet->len, .ingress_ifindex = m->balancer->ifindex[LINK_IN]};
	LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = m->packet->byte, .data_size_in = m->packet->len,
		    .ctx_in = &context, .ctx_size_in = sizeof(context), .repeat = n);
	uint64_t start = cpu_ns();
	int r = bpf_prog_test_run_opts(c->directly ? m->program : object_program(m->b->outer, "bench_outer"), &run);
	uint64_t took = cpu_ns() - start;

	if (r < 0)
		die(c->name, r);
	if ((int)run.retval != verdicts[c->fate])
		fail_msg("%s: verdict %s", c->name, verdict_text(run.retval));
	return took;
}

static void run_at_random(struct measurement *m)
{
	m->run.random = m->run.flow_mask;
	m->run.multiplier = 6364136223846793005ULL; /* Knuth's MMIX */
	m->run.increment = 1442695040888963407ULL;
	set_run(m, &m->run);
}

/* Every flow once: what pins flows has pinned them all then, and a flood has filled the table. */
static void run_every_flow(struct measurement *m)
{
	enum { MOST = 1 << 22 };
	uint32_t flows = m->run.flow_mask < MOST ? m->run.flow_mask + 1 : MOST;

	m->run.multiplier = 1;
	m->run.increment = 1ULL << BENCH_FLOW_SHIFT;
	set_run(m, &m->run);
	run_packets(m, flows);
}

static uint64_t forwarded(const struct measurement *m)
{
	uint32_t first = service_number(m->contender->service), n = m->contender->n_services ?: 1;
	uint64_t packets = 0;

	for (uint32_t id = first; id < first + n; id++) {
		struct traffic stats;

		datapath_service_stats(m->balancer->datapath, id, 1, &stats);
		packets += stats.packets;
	}
	return packets;
}

static void forget_flows(const struct measurement *m)
{
	size_t bytes;
	void *table = fixture_flows(m->balancer, &bytes);

	memset(table, 0, bytes);
}

/* Brings maps and caches into the state that is measured. An LRU is nobody else's: it is filled once. */
static void prepare(struct measurement *m, enum column column)
{
	bool conventional = m->contender->program == CONVENTIONAL;

	if (conventional)
		use_lru(m->b, column);
	else if (m->contender->pins)
		forget_flows(m); /* which others pinned */
	if (conventional ? !(m->contender->filled >> column & 1) : m->contender->pins)
		run_every_flow(m);
	m->contender->filled |= 1U << column;
	run_at_random(m);
	run_packets(m, m->b->packets / 4);
}

static double measure(struct bench *b, struct contender *c, enum column column)
{
	struct measurement m = {.b = b, .contender = c, .balancer = balancer_of(b, c, column), .packet = packet_of(c)};
	uint64_t before, after;
	double ns;

	m.program = program_of(b, c, m.balancer);
	m.run = run_of(c, m.packet);
	m.run.flow_mask = column_flows[column] - 1;
	prepare(&m, column);
	before = forwarded(&m);
	ns = run_packets(&m, b->packets);
	after = forwarded(&m);
	if (c->fate == FORWARDED && after - before != b->packets)
		fail_msg("%s: forwarded %llu of %u packets", c->name, (unsigned long long)(after - before), b->packets);
	return ns / b->packets;
}

/* ---- all of them ---- */

bool is_measured(const struct bench *b, enum contender_id id, enum column column)
{
	const unsigned int brief = 1 << FLOWS_1 | 1 << FLOWS_1M | 1 << FLOWS_16M;

	return b->list[id].columns & (b->brief ? brief : ~0U) & 1U << column;
}

void bench_measure(struct bench *b)
{
	for (int round = 0; round < b->rounds; round++) {
		for (int column = 0; column < COLUMNS; column++)
			for (int id = 0; id < CONTENDERS; id++)
				if (is_measured(b, id, column))
					b->list[id].ns[column][round] = measure(b, &b->list[id], column);
		frames_free();
	}
}
