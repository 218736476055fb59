/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Packets that nobody would send: every golden case cut at every byte, and mutated in ways that hurt parsers,
 * through the loaded program, each judged by the oracle (tests/lib/oracle.h). SHUNT_MUTATIONS=N sets how many
 * (`make fuzz-packets`: 10 million), SHUNT_SEED=N replays a run, SHUNT_MUTATION=N the one packet of it with that
 * number.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <bpf/bpf.h>
#include <cmocka.h>

#include <shunt/hash.h>

#include "../lib/golden.h"
#include "../lib/oracle.h"
#include "../lib/packet_odd.h"
#include "net/address.h"

enum { MUTATIONS = 200000, LEN_MAX = 1800, HEADERS_LEN = 110, DEAR_LEN = 400 };

static struct golden golden;

struct run {
	struct world *w;
	struct oracle oracle;
	int program;
	uint64_t n, fates[5]; /* packets in all, by verdict */
	struct timespec started;
};

/* ---- running ---- */

static uint64_t drops_counted(const struct fixture *f)
{
	struct counters counters = fixture_counters(f);
	uint64_t sum = 0;

	for (int i = 0; i < SHUNT_DROP_REASON_COUNT; i++)
		sum += counters.drops[i];
	return sum;
}

static struct run run_start(struct world *w)
{
	struct run run = {.w = w, .oracle = oracle_of(&w->f), .program = fixture_program(&w->f)};

	clock_gettime(CLOCK_MONOTONIC, &run.started);
	return run;
}

static void run_end(struct run *run, uint64_t drops_before)
{
	struct timespec now;
	double seconds;

	clock_gettime(CLOCK_MONOTONIC, &now);
	seconds = (now.tv_sec - run->started.tv_sec) + (now.tv_nsec - run->started.tv_nsec) / 1e9;
	print_message("  %" PRIu64 " packets in %.1f s, %.0f a second: %" PRIu64 " passed, %" PRIu64 " dropped, "
		      "%" PRIu64 " sent, %" PRIu64 " redirected\n",
		      run->n, seconds, run->n / seconds, run->fates[XDP_PASS], run->fates[XDP_DROP], run->fates[XDP_TX],
		      run->fates[XDP_REDIRECT]);
	oracle_free(&run->oracle);
	/* No silent drop; some answers are counted as drops as well. */
	assert_true(drops_counted(&run->w->f) - drops_before >= run->fates[XDP_DROP]);
}

/* One system call a packet: the kernel repeats a packet, but does not take several. */
static void run_one(struct run *run, const struct frame *in, const char *what)
{
	static struct frame out;
	struct xdp_md context = {.data_end = in->len, .ingress_ifindex = run->w->f.ifindex[LINK_IN]};
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = in->byte, .data_size_in = in->len, .data_out = out.byte,
		    .data_size_out = FRAME_MAX, .ctx_in = &context, .ctx_size_in = sizeof(context), .repeat = 1);
	const char *objection;
	int r = bpf_prog_test_run_opts(run->program, &opts);

	if (r < 0)
		fail_msg("%s: BPF_PROG_TEST_RUN with %u bytes: %s", what, in->len, strerror(-r));
	out.len = opts.data_size_out;
	run->n++;
	run->fates[opts.retval < N(run->fates) ? opts.retval : 0]++;
	objection = oracle_objects(&run->oracle, in, opts.retval, &out);
	if (!objection)
		return;
	frames_write_pcap(what, (const struct frame *const[]){in, &out}, 2);
	frames_print_difference(in, &out);
	fail_msg("%s: %s, but: %s", what, verdict_text(opts.retval), objection);
}

/* ---- truncation ---- */

/* The bytes of large payloads say nothing new: of these every 7th length. */
static void a_packet_cut_at_any_byte_is_never_forwarded_as_if_it_were_whole(void **state)
{
	struct world *w = *state;
	struct run run = run_start(w);
	uint64_t drops = drops_counted(&w->f);

	for (size_t i = 0; i < golden.n; i++) {
		const struct packet_case *c = &golden.cases[i].packet;
		static struct frame in;

		for (uint32_t len = ETHERNET_LEN; len <= c->in->len; len += len < DEAR_LEN ? 1 : 7) {
			memcpy(in.byte, c->in->byte, len);
			in.len = len;
			run_one(&run, &in, c->sentence);
		}
	}
	run_end(&run, drops);
}

/* ---- mutation ---- */

struct random {
	uint64_t seed, n;
};

static uint32_t next(struct random *random, uint32_t below)
{
	return below ? (shunt_mix64(random->seed + ++random->n * 0x9e3779b97f4a7c15ULL) >> 32) % below : 0;
}

static uint8_t edge(struct random *random)
{
	static const uint8_t edges[] = {0,    1,    2,    4,    5,    6,    7,    8,    0x0f, 0x10,
					0x40, 0x44, 0x45, 0x4f, 0x60, 0x7f, 0x80, 0xfe, 0xff};

	return next(random, 3) ? edges[next(random, N(edges))] : next(random, 256);
}

/* Rather among the headers than among the data. */
static uint32_t place(struct random *random, const struct frame *frame)
{
	return next(random, frame->len < HEADERS_LEN || !next(random, 8) ? frame->len : HEADERS_LEN);
}

static void flip_bits(struct random *random, struct frame *frame)
{
	for (uint32_t n = next(random, 4) + 1; n > 0; n--)
		frame->byte[place(random, frame)] ^= 1 << next(random, 8);
}

static void set_bytes(struct random *random, struct frame *frame)
{
	for (uint32_t n = next(random, 3) + 1; n > 0; n--)
		frame->byte[place(random, frame)] = edge(random);
}

/* A field of a header gets a value near the one it has, near the frame's length, or one of the edges. */
static void lie_about_lengths(struct random *random, struct frame *frame)
{
	static const uint8_t fields[] = {0, 2, 4, 6, 7, 8, 9, 20, 22, 24, 32, 33, 40, 41, 42, 44, 48, 50, 52, 53};
	size_t at = ip_offset(frame) + fields[next(random, N(fields))];
	uint32_t value, how = next(random, 4);

	if (at + 2 > frame->len)
		return;
	value = frame->byte[at] << 8 | frame->byte[at + 1];
	if (how == 0)
		value += next(random, 9) - 4;
	else if (how == 1)
		value = frame->len - ETHERNET_LEN - next(random, 64);
	else if (how == 2)
		value = edge(random) << 8 | edge(random);
	else
		value = edge(random) << 8 | (value & 0xff);
	frame->byte[at] = value >> 8;
	frame->byte[at + 1] = value;
}

/* Swaps two equal parts, so that headers stand where others are expected. */
static void swap_parts(struct random *random, struct frame *frame)
{
	static const uint8_t lengths[] = {1, 2, 4, 8, 16, 20, 40};
	uint32_t n = lengths[next(random, N(lengths))];
	uint8_t kept[40];

	if (frame->len < ETHERNET_LEN + 2 * n)
		return;
	uint32_t a = 12 + next(random, frame->len - 12 - 2 * n + 1);
	uint32_t b = a + n + next(random, frame->len - a - 2 * n + 1);

	memcpy(kept, frame->byte + a, n);
	memcpy(frame->byte + a, frame->byte + b, n);
	memcpy(frame->byte + b, kept, n);
}

/* The beginning of this packet, the rest of another. */
static void splice(struct random *random, struct frame *frame)
{
	const struct frame *other = golden.cases[next(random, golden.n)].packet.in;
	uint32_t at = place(random, frame);

	if (other->len <= at || other->len > LEN_MAX)
		return;
	memcpy(frame->byte + at, other->byte + at, other->len - at);
	frame->len = other->len;
}

static void insert_or_remove(struct random *random, struct frame *frame)
{
	uint32_t at = 12 + next(random, frame->len - 12), n = 1 + next(random, 24);

	if (next(random, 2) && frame->len + n <= LEN_MAX) {
		memmove(frame->byte + at + n, frame->byte + at, frame->len - at);
		for (uint32_t i = 0; i < n; i++)
			frame->byte[at + i] = edge(random);
		frame->len += n;
	} else if (frame->len >= at + n && frame->len - n >= ETHERNET_LEN) {
		memmove(frame->byte + at, frame->byte + at + n, frame->len - at - n);
		frame->len -= n;
	}
}

static void random_tail(struct random *random, struct frame *frame)
{
	uint32_t from = next(random, 2) ? frame->len : ETHERNET_LEN + next(random, frame->len - ETHERNET_LEN + 1);
	uint32_t n = next(random, 64);

	frame->len = from + n <= LEN_MAX ? from + n : LEN_MAX;
	for (uint32_t i = from; i < frame->len; i++)
		frame->byte[i] = edge(random);
}

/* Tags, types and next protocols that lead elsewhere. */
static void lead_astray(struct random *random, struct frame *frame)
{
	static const uint8_t protocols[] = {0, 1, 4, 6, 17, 41, 43, 44, 47, 50, 51, 58, 59, 60, 132, 135, 255};
	static const uint16_t types[] = {0x0800, 0x86dd, 0x8100, 0x88a8, 0x9100, 0x0806, 0x8847};
	size_t at = ip_offset(frame);
	uint16_t type = types[next(random, N(types))];

	if (at + 20 > frame->len)
		return;
	if (next(random, 3)) {
		frame->byte[at + (frame->byte[at] >> 4 == 6 ? 6 : 9)] = protocols[next(random, N(protocols))];
		return;
	}
	frame->byte[at - 2] = type >> 8;
	frame->byte[at - 1] = type;
}

static void (*const mutations[])(struct random *, struct frame *) = {
	flip_bits, set_bytes,	     lie_about_lengths, lie_about_lengths, swap_parts,
	splice,	   insert_or_remove, random_tail,	lead_astray,
};

/* The nth packet of a seed, whatever came before it. */
static void mutate(uint64_t seed, uint64_t n, struct frame *frame)
{
	struct random random = {.seed = shunt_mix64(seed) + n * 0xd1342543de82ef95ULL};
	const struct frame *from;

	do
		from = golden.cases[next(&random, golden.n)].packet.in;
	while (from->len > DEAR_LEN && next(&random, 8));
	frame->len = from->len;
	memcpy(frame->byte, from->byte, from->len);
	for (uint32_t times = 1 + next(&random, 3); times > 0; times--)
		mutations[next(&random, N(mutations))](&random, frame);
	memcpy(frame->byte, from->byte, 2 * MAC_LEN); /* they say no more than who it is from */
	if (next(&random, 8)) /* a wrong checksum would hide all else that is wrong */
		mend_ip(frame, ip_offset(frame));
}

static uint64_t from_environment(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text && *text ? strtoull(text, NULL, 0) : otherwise;
}

static void a_mutated_packet_is_never_forwarded_if_a_careful_host_would_refuse_it(void **state)
{
	struct world *w = *state;
	uint64_t seed = from_environment("SHUNT_SEED", time(NULL)), n = from_environment("SHUNT_MUTATIONS", MUTATIONS);
	uint64_t only = from_environment("SHUNT_MUTATION", UINT64_MAX), drops;
	struct run run = run_start(w);
	static struct frame frame;

	drops = drops_counted(&w->f);
	print_message("  SHUNT_SEED=%" PRIu64 "\n", seed);
	for (uint64_t i = only == UINT64_MAX ? 0 : only; i < n || i == only; i++) {
		char what[96];

		snprintf(what, sizeof(what), "SHUNT_SEED=%" PRIu64 " SHUNT_MUTATION=%" PRIu64, seed, i);
		mutate(seed, i, &frame);
		run_one(&run, &frame, what);
		if (i == only)
			break;
	}
	run_end(&run, drops);
}

/* The code of all features, and every client is looked for on a list: a service that is not there denies their prefixes. */
enum {
	EVERY_FEATURE = SHUNT_FEATURE_DENY | SHUNT_FEATURE_ALLOW | SHUNT_FEATURE_LIMIT | SHUNT_FEATURE_CLIENTS | SHUNT_FEATURE_QUIC |
			SHUNT_FEATURE_REJECT | SHUNT_FEATURE_PREFIXES | SHUNT_FEATURE_SCHEDULERS | SHUNT_FEATURE_FAIL_OPEN |
			SHUNT_FEATURE_PASSIVE | SHUNT_FEATURE_NAT
};

static void deny_others(struct world *w)
{
	struct shunt_addr addresses[2];
	struct shunt_list_key keys[2];

	assert_int_equal(address_parse("198.51.100.0", &addresses[0]), 0);
	assert_int_equal(address_parse("2001:db8:c::", &addresses[1]), 0);
	keys[0] = datapath_prefix_key(&addresses[0], 24, SHUNT_MAX_SERVICES - 1);
	keys[1] = datapath_prefix_key(&addresses[1], 48, SHUNT_MAX_SERVICES - 1);
	assert_int_equal(datapath_set_prefixes(w->f.datapath, DATAPATH_DENY, keys, N(keys), false), 0);
}

static int setup_every_feature(void **state)
{
	int r = world_setup_with(state, EVERY_FEATURE);

	deny_others(*state);
	return r;
}

/* Every service is translated to backends, whose answers and errors come by as well. */
static int setup_nat(void **state)
{
	int r = world_setup_with(state, EVERY_FEATURE);

	golden_world(*state, "nat");
	deny_others(*state);
	return r;
}

int main(void)
{
#define test(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
#define test_of_every_feature(name) {#name " (every feature)", name, setup_every_feature, world_teardown, NULL}
#define test_of_nat(name) {#name " (nat)", name, setup_nat, world_teardown, NULL}
	const struct CMUnitTest tests[] = {
		test(a_packet_cut_at_any_byte_is_never_forwarded_as_if_it_were_whole),
		test(a_mutated_packet_is_never_forwarded_if_a_careful_host_would_refuse_it),
		test_of_every_feature(a_packet_cut_at_any_byte_is_never_forwarded_as_if_it_were_whole),
		test_of_every_feature(a_mutated_packet_is_never_forwarded_if_a_careful_host_would_refuse_it),
		test_of_nat(a_packet_cut_at_any_byte_is_never_forwarded_as_if_it_were_whole),
		test_of_nat(a_mutated_packet_is_never_forwarded_if_a_careful_host_would_refuse_it),
	};
	int failed;

	fixture_isolate();
	golden = golden_read();
	failed = cmocka_run_group_tests_name("mutation", tests, NULL, NULL);
	golden_free(&golden);
	return failed;
}
