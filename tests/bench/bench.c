/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Nanoseconds a packet on one core, and as multiples of a program that only returns XDP_TX: `bench` in full,
 * `bench --short` for CI. Contenders take turns within a round, so that noise meets all alike; medians over the rounds
 * are quoted, of times and of ratios within a round. Ratios are what to compare. Counters must say that every packet
 * was forwarded. Writes BUILD/bench.json.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <arpa/inet.h>
#include <linux/bpf.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <cmocka.h>
#include <jansson.h>

#include <shunt/hash.h>

#include "../lib/fixture.h"
#include "bench.h"

enum { BACKENDS = 100, ROUNDS_MAX = 9, SLOTS = 65536, FLOW_TABLE = 1 << 21 };
#define CLIENT "198.18.0.0:4000"
#define CLIENT6 "[2001:db8:c::]:4000"
#define VIP(port) "192.0.2.10:" port
#define VIP6(port) "[2001:db8::10]:" port

static const uint32_t flow_counts[] = {1, 1 << 16, 1 << 20};
#define N_COUNTS N(flow_counts)

enum way { DIRECTLY, BEHIND_OUTER };

struct contender {
	const char *name;
	enum way way;
	int program; /* 0: xdp_shunt */
	struct frame *packet;
	uint32_t service; /* 0: none counts */
	uint32_t outer_len;
	bool pins; /* its flows are put into the table before they are measured */
	bool in_short;
	double target_one, target_many; /* multiples of empty, 0: none */
	double ns[N_COUNTS][ROUNDS_MAX], times_empty[N_COUNTS][ROUNDS_MAX];
	double median_ns[N_COUNTS], median_times[N_COUNTS];
};

struct bench {
	struct fixture f;
	struct bpf_object *object;
	int outer, target, run; /* the program around, and its maps */
	bool brief;
	int rounds;
	uint32_t packets; /* a measurement */
};

static void die(const char *what, int r)
{
	fprintf(stderr, "bench: %s: %s\n", what, strerror(-r));
	exit(1);
}

/* ---- setting up ---- */

static int program(const struct bench *b, const char *name)
{
	return bpf_program__fd(bpf_object__find_program_by_name(b->object, name));
}

static void load(struct bench *b)
{
	char path[512];
	int r;

	b->object = bpf_object__open_file(build_path("tests/bench/bench.bpf.o", path), NULL);
	if (!b->object)
		die(path, -errno);
	r = bpf_object__load(b->object);
	if (r < 0)
		die(path, r);
	b->run = bpf_map__fd(bpf_object__find_map_by_name(b->object, ".bss"));
	b->target = bpf_map__fd(bpf_object__find_map_by_name(b->object, "target"));
	b->outer = program(b, "bench_outer");
}

/* Slots at random over the backends of one family, all in one state. */
static uint32_t group_of(struct bench *b, uint64_t identity, uint32_t first_backend, enum shunt_slot_state state)
{
	static struct shunt_slot words[SLOTS];
	uint32_t group = fixture_group(&b->f, identity);

	for (uint32_t slot = 0; slot < SLOTS; slot++) {
		uint64_t r = shunt_mix64(slot + 1);

		words[slot].now = first_backend + r % BACKENDS;
		words[slot].was = state == SHUNT_SLOT_SETTLED ? words[slot].now : first_backend + (r >> 32) % BACKENDS;
		words[slot].state = state;
	}
	datapath_publish_table(b->f.datapath, group, words);
	return group;
}

static uint32_t make_backends(struct bench *b, const char *format)
{
	uint32_t first = 0;

	for (int i = 0; i < BACKENDS; i++) {
		char address[64];
		uint32_t id;

		snprintf(address, sizeof(address), format, i + 1);
		id = fixture_backend(&b->f, address, LINK_IN);
		first = first ?: id;
	}
	return first;
}

static size_t make_contenders(struct bench *b, struct contender *list)
{
	uint32_t first4 = make_backends(b, "10.0.1.%d"), first6 = make_backends(b, "fd00::%d");
	uint32_t settled4 = group_of(b, 1, first4, SHUNT_SLOT_SETTLED),
		 settled6 = group_of(b, 2, first6, SHUNT_SLOT_SETTLED);
	uint32_t moving4 = group_of(b, 3, first4, SHUNT_SLOT_MOVING),
		 moving6 = group_of(b, 4, first6, SHUNT_SLOT_MOVING);
	struct fixture *f = &b->f;
	const struct contender all[] = {
		{"empty: only returns XDP_TX", DIRECTLY, program(b, "bench_empty"), tcp(CLIENT, VIP("80"), ACK),
		 .in_short = true},
		{"parse and swap MACs", DIRECTLY, program(b, "bench_swap"), tcp(CLIENT, VIP("80"), ACK),
		 .in_short = true},
		{"the method: vary the source, tail call", BEHIND_OUTER, program(b, "bench_empty"),
		 tcp(CLIENT, VIP("80"), ACK), .service = 0},
		{"not a service", BEHIND_OUTER, 0, tcp(CLIENT, VIP("9"), ACK), .in_short = true, .target_one = 2.5,
		 .target_many = 2.5},
		{"l2, IPv4", BEHIND_OUTER, 0, tcp(CLIENT, VIP("80"), ACK), .in_short = true,
		 .service = fixture_service(f, IPPROTO_TCP, VIP("80"), settled4, SHUNT_FORWARD_L2, 0)},
		{"l2, IPv6", BEHIND_OUTER, 0, tcp(CLIENT6, VIP6("80"), ACK),
		 .service = fixture_service(f, IPPROTO_TCP, VIP6("80"), settled6, SHUNT_FORWARD_L2, 0)},
		{"ipip, 4in4", BEHIND_OUTER, 0, tcp(CLIENT, VIP("81"), ACK), .outer_len = 20, .in_short = true,
		 .target_one = 5, .target_many = 6,
		 .service = fixture_service(f, IPPROTO_TCP, VIP("81"), settled4, SHUNT_FORWARD_IPIP, 0)},
		{"ipip, 6in6", BEHIND_OUTER, 0, tcp(CLIENT6, VIP6("81"), ACK), .outer_len = 40, .in_short = true,
		 .target_one = 5, .target_many = 6,
		 .service = fixture_service(f, IPPROTO_TCP, VIP6("81"), settled6, SHUNT_FORWARD_IPIP, 0)},
		{"ipip, 4in4, SYN", BEHIND_OUTER, 0, tcp(CLIENT, VIP("82"), SYN), .outer_len = 20,
		 .service = fixture_service(f, IPPROTO_TCP, VIP("82"), settled4, SHUNT_FORWARD_IPIP, 0)},
		{"ipip, 4in4, slots moving", BEHIND_OUTER, 0, tcp(CLIENT, VIP("83"), ACK), .outer_len = 20,
		 .pins = true, .service = fixture_service(f, IPPROTO_TCP, VIP("83"), moving4, SHUNT_FORWARD_IPIP, 0)},
		{"ipip, 6in6, slots moving", BEHIND_OUTER, 0, tcp(CLIENT6, VIP6("83"), ACK), .outer_len = 40,
		 .pins = true, .service = fixture_service(f, IPPROTO_TCP, VIP6("83"), moving6, SHUNT_FORWARD_IPIP, 0)},
		{"ipip, 4in4, slots moving, SYN flood", BEHIND_OUTER, 0, tcp(CLIENT, VIP("84"), SYN), .outer_len = 20,
		 .target_many = 20,
		 .service = fixture_service(f, IPPROTO_TCP, VIP("84"), moving4, SHUNT_FORWARD_IPIP, 0)},
		{"ipip, 4in4, tracking: always", BEHIND_OUTER, 0, tcp(CLIENT, VIP("85"), ACK), .outer_len = 20,
		 .pins = true,
		 .service = fixture_service(f, IPPROTO_TCP, VIP("85"), settled4, SHUNT_FORWARD_IPIP,
					    SHUNT_SERVICE_TRACK_ALWAYS)},
	};

	memcpy(list, all, sizeof(all));
	return N(all);
}

/* ---- measuring ---- */

static uint64_t cpu_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return now.tv_sec * 1000000000ULL + now.tv_nsec;
}

static void prepare(struct bench *b, const struct contender *c, uint32_t flows)
{
	int measured = c->program ? c->program : fixture_program(&b->f), r;
	struct bench_run run = {
		.random = flows,
		.flow_mask = flows - 1,
		.frame_len = c->packet->len,
		.outer_len = c->outer_len,
		.ipv6 = c->packet->byte[12] == 0x86,
		.source = 198U << 24,
	};

	memcpy(run.ethernet, c->packet->byte, 12);
	r = bpf_map_update_elem(b->run, &(uint32_t){0}, &run, BPF_ANY);
	if (r < 0)
		die("what to run", r);
	r = bpf_map_update_elem(b->target, &(uint32_t){0}, &measured, BPF_ANY);
	if (r < 0)
		die("tail call", r);
}

/* Thread time of so many packets; all must have the verdict of the first. */
static double run_packets(struct bench *b, const struct contender *c, uint32_t n)
{
	struct xdp_md context = {.data_end = c->packet->len, .ingress_ifindex = b->f.ifindex[LINK_IN]};
	LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = c->packet->byte, .data_size_in = c->packet->len,
		    .ctx_in = &context, .ctx_size_in = sizeof(context), .repeat = n);
	uint64_t start = cpu_ns();
	int r = bpf_prog_test_run_opts(c->way == DIRECTLY ? c->program : b->outer, &run);
	uint64_t took = cpu_ns() - start;

	if (r < 0)
		die(c->name, r);
	if (run.retval != (c->service || c->program ? XDP_TX : XDP_PASS))
		fail_msg("%s: verdict %s", c->name, verdict_text(run.retval));
	return (double)took / n;
}

static double measure(struct bench *b, const struct contender *c, uint32_t flows)
{
	struct shunt_service_stats before = {0}, after = {0};
	uint32_t warm = c->pins ? 2 * flows : flows / 4;
	size_t bytes;
	void *table = fixture_flows(&b->f, &bytes);
	double ns;

	if (c->pins)
		memset(table, 0, bytes); /* what others pinned */

	prepare(b, c, flows);
	run_packets(b, c, warm > 10000 ? warm : 10000);
	if (c->service)
		datapath_service_stats(b->f.datapath, c->service, &before);
	ns = run_packets(b, c, b->packets);
	if (c->service)
		datapath_service_stats(b->f.datapath, c->service, &after);
	if (c->service && after.packets - before.packets != b->packets)
		fail_msg("%s: forwarded %llu of %u packets", c->name, after.packets - before.packets, b->packets);
	return ns;
}

static int ascending(const void *a, const void *b)
{
	double difference = *(const double *)a - *(const double *)b;

	return (difference > 0) - (difference < 0);
}

static bool is_run(const struct bench *b, const struct contender *c, size_t count)
{
	return (!b->brief || (c->in_short && flow_counts[count] != 1 << 16)) &&
	       (c->program == 0 || c->way == DIRECTLY || count == 0);
}

static double median(const double *values, int n)
{
	double sorted[ROUNDS_MAX];

	memcpy(sorted, values, n * sizeof(*values));
	qsort(sorted, n, sizeof(*sorted), ascending);
	return sorted[n / 2];
}

static void measure_all(struct bench *b, struct contender *list, size_t n)
{
	for (int round = 0; round < b->rounds; round++)
		for (size_t count = 0; count < N_COUNTS; count++)
			for (size_t i = 0; i < n; i++) {
				if (!is_run(b, &list[i], count))
					continue;
				list[i].ns[count][round] = measure(b, &list[i], flow_counts[count]);
				list[i].times_empty[count][round] = list[i].ns[count][round] / list[0].ns[count][round];
			}
	for (size_t i = 0; i < n; i++)
		for (size_t count = 0; count < N_COUNTS; count++) {
			list[i].median_ns[count] = median(list[i].ns[count], b->rounds);
			list[i].median_times[count] = median(list[i].times_empty[count], b->rounds);
		}
}

/* ---- telling ---- */

static void print_table(const struct bench *b, const struct contender *list, size_t n)
{
	printf("ns a packet on one core (multiples of empty), median of %d rounds of %u packets; flows at random\n",
	       b->rounds, b->packets);
	printf("%-40s %16s %16s %16s  %s\n", "", "1 flow", "64 Ki flows", "1 Mi flows", "target");
	for (size_t i = 0; i < n; i++) {
		const struct contender *c = &list[i];
		bool any = false;

		for (size_t count = 0; count < N_COUNTS; count++)
			any = any || is_run(b, c, count);
		if (!any)
			continue;
		printf("%-40s", c->name);
		for (size_t count = 0; count < N_COUNTS; count++)
			if (is_run(b, c, count))
				printf(" %7.1f (%5.2f x)", c->median_ns[count], c->median_times[count]);
			else
				printf(" %16s", "");
		if (c->target_one > 0)
			printf("  %.1f /", c->target_one);
		if (c->target_many > 0)
			printf("  %.1f", c->target_many);
		printf("\n");
	}
	fflush(stdout);
}

static void write_json(const struct bench *b, const struct contender *list, size_t n)
{
	json_t *rows = json_array(), *all;
	char path[512];

	for (size_t i = 0; i < n; i++)
		for (size_t count = 0; count < N_COUNTS; count++)
			if (is_run(b, &list[i], count))
				json_array_append_new(rows,
						      json_pack("{s:s, s:i, s:f, s:f}", "name", list[i].name, "flows",
								(int)flow_counts[count], "ns", list[i].median_ns[count],
								"times_empty", list[i].median_times[count]));
	all = json_pack("{s:i, s:i, s:o}", "rounds", b->rounds, "packets", (int)b->packets, "rows", rows);
	if (json_dump_file(all, build_path("bench.json", path), JSON_INDENT(2)) == 0)
		printf("also in %s\n", path);
	json_decref(all);
}

/* A settled slot costs no look-up: a million flows may not cost more than half as much again as one. */
static bool stays_flat(const struct contender *list, size_t n)
{
	bool flat = true;

	for (size_t i = 0; i < n; i++) {
		const struct contender *c = &list[i];

		if (!c->service || !c->in_short || c->median_times[2] <= 1.5 * c->median_times[0])
			continue;
		printf("%s: 1 Mi flows cost %.2f times one flow, at most 1.5 is allowed\n", c->name,
		       c->median_times[2] / c->median_times[0]);
		flat = false;
	}
	return flat;
}

int main(int argc, char **argv)
{
	struct datapath_options options = fixture_defaults;
	struct contender list[32];
	struct bench b = {.brief = argc > 1 && strcmp(argv[1], "--short") == 0};
	bool flat = false;
	size_t n;

	b.rounds = b.brief ? 7 : ROUNDS_MAX;
	b.packets = 250000;
	options.table_size = SLOTS;
	options.flow_table_size = FLOW_TABLE;
	options.features = 0;
	fixture_isolate();
	fixture_open(&b.f, &options);
	load(&b);
	n = make_contenders(&b, list);
	for (int attempt = 0; attempt < 3 && !flat; attempt++) {
		measure_all(&b, list, n);
		print_table(&b, list, n);
		flat = stays_flat(list, n);
	}
	write_json(&b, list, n);
	bpf_object__close(b.object);
	fixture_close(&b.f);
	return flat ? 0 : 1;
}
