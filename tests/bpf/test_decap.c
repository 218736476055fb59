/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The decapsulator on packets built by hand, run in the kernel by BPF_PROG_TEST_RUN; whole packets are compared. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <shunt/decap.h>

#include "decap.skel.h"
#include "net/address.h"

#define PACKET_MAX 512
#define CPUS_MAX 1024
#define PAYLOAD_BYTES 24
#define GUE_BYTES 12

struct packet {
	uint8_t byte[PACKET_MAX];
	size_t length, link_bytes, outer_bytes;
	bool gue;
};

/* What to build: the defaults (all zero) are untagged IPv4 in IPv4, no ECN. */
struct plan {
	bool outer_ipv6, inner_ipv6;
	unsigned int tags;              /* VLAN tags */
	unsigned int option_bytes;      /* in the outer IPv4 header, a multiple of four */
	uint8_t outer_ecn, inner_ecn;
	bool gue;                       /* UDP and GUE behind the outer IP header */
};

static const struct plan modes[] = {
	{.outer_ipv6 = false, .inner_ipv6 = false},
	{.outer_ipv6 = false, .inner_ipv6 = true},
	{.outer_ipv6 = true, .inner_ipv6 = false},
	{.outer_ipv6 = true, .inner_ipv6 = true},
	{.gue = true, .outer_ipv6 = false, .inner_ipv6 = false},
	{.gue = true, .outer_ipv6 = false, .inner_ipv6 = true},
	{.gue = true, .outer_ipv6 = true, .inner_ipv6 = false},
	{.gue = true, .outer_ipv6 = true, .inner_ipv6 = true},
};

#define N_MODES (sizeof(modes) / sizeof(modes[0]))

/* Headers behind an Ethernet header are not aligned. */
typedef struct iphdr loose_iphdr __attribute__((aligned(1)));
typedef struct ipv6hdr loose_ipv6hdr __attribute__((aligned(1)));

static struct decap_bpf *skeleton;

/* ---- building ---- */

static void append(struct packet *packet, const void *data, size_t length)
{
	assert_true(packet->length + length <= PACKET_MAX);
	memcpy(packet->byte + packet->length, data, length);
	packet->length += length;
}

static uint16_t checksum(const void *data, size_t length)
{
	const uint8_t *byte = data;
	uint32_t sum = 0;

	for (size_t i = 0; i < length; i += 2)
		sum += byte[i] << 8 | byte[i + 1];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons(~sum);
}

static void append_link(struct packet *packet, unsigned int tags, uint16_t type)
{
	static const uint8_t macs[12] = {2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1};
	static const uint8_t service_tag[4] = {0x88, 0xa8, 0x00, 0x64}, tag[4] = {0x81, 0x00, 0x60, 0x07};
	uint16_t type_be = htons(type);

	append(packet, macs, sizeof(macs));
	if (tags > 1)
		append(packet, service_tag, sizeof(service_tag));
	if (tags > 0)
		append(packet, tag, sizeof(tag));
	append(packet, &type_be, sizeof(type_be));
	packet->link_bytes = packet->length;
}

static void append_ipv4(struct packet *packet, uint8_t protocol, uint8_t ecn, unsigned int option_bytes,
			size_t payload_bytes)
{
	_Alignas(struct iphdr) uint8_t buffer[60] = {0};
	struct iphdr *ip = (struct iphdr *)buffer;
	size_t header_bytes = sizeof(*ip) + option_bytes;

	ip->version = 4;
	ip->ihl = header_bytes / 4;
	ip->tos = 0xb8 | ecn; /* a DSCP that must stay */
	ip->tot_len = htons(header_bytes + payload_bytes);
	ip->id = htons(0x1234);
	ip->frag_off = htons(0x4000);
	ip->ttl = 63;
	ip->protocol = protocol;
	ip->saddr = htonl(0x0a000001);
	ip->daddr = htonl(0xc0000202);
	memset(buffer + sizeof(*ip), 1, option_bytes); /* no operation */
	ip->check = checksum(ip, header_bytes);
	append(packet, buffer, header_bytes);
}

static void append_ipv6(struct packet *packet, uint8_t protocol, uint8_t ecn, size_t payload_bytes)
{
	struct ipv6hdr ip = {.version = 6};
	uint8_t *byte = (uint8_t *)&ip;

	byte[0] |= 0x0b; /* traffic class 0xb8 and a flow label, both of which must stay */
	byte[1] = 0x80 | ecn << 4 | 0x05;
	byte[2] = byte[3] = 0x77;
	ip.payload_len = htons(payload_bytes);
	ip.nexthdr = protocol;
	ip.hop_limit = 63;
	inet_pton(AF_INET6, "fd00::1", &ip.saddr);
	inet_pton(AF_INET6, "2001:db8::2", &ip.daddr);
	append(packet, &ip, sizeof(ip));
}

static void append_inner(struct packet *packet, const struct plan *plan, uint8_t ecn)
{
	uint8_t payload[PAYLOAD_BYTES];

	for (size_t i = 0; i < sizeof(payload); i++)
		payload[i] = 0xa0 + i;
	if (plan->inner_ipv6)
		append_ipv6(packet, IPPROTO_UDP, ecn, sizeof(payload));
	else
		append_ipv4(packet, IPPROTO_UDP, ecn, 0, sizeof(payload));
	append(packet, payload, sizeof(payload));
}

static struct packet tunnelled(const struct plan *plan)
{
	struct packet packet = {0};
	uint8_t inner_protocol = plan->inner_ipv6 ? IPPROTO_IPV6 : IPPROTO_IPIP;
	uint8_t protocol = plan->gue ? IPPROTO_UDP : inner_protocol;
	size_t inner_bytes = (plan->inner_ipv6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr)) + PAYLOAD_BYTES;

	if (plan->gue)
		inner_bytes += GUE_BYTES;

	append_link(&packet, plan->tags, plan->outer_ipv6 ? ETH_P_IPV6 : ETH_P_IP);
	if (plan->outer_ipv6)
		append_ipv6(&packet, protocol, plan->outer_ecn, inner_bytes);
	else
		append_ipv4(&packet, protocol, plan->outer_ecn, plan->option_bytes, inner_bytes);
	if (plan->gue) /* from port 50000 to port 6080 */
		append(&packet, (const uint8_t[]){0xc3, 0x50, 0x17, 0xc0, 0, inner_bytes, 0, 0, 0, inner_protocol, 0, 0},
		       GUE_BYTES);
	packet.outer_bytes = packet.length - packet.link_bytes;
	packet.gue = plan->gue;
	append_inner(&packet, plan, plan->inner_ecn);
	return packet;
}

/* What must come out of tunnelled(plan), its inner ECN field being `ecn`. */
static struct packet bare(const struct plan *plan, uint8_t ecn)
{
	struct packet packet = {0};

	append_link(&packet, plan->tags, plan->inner_ipv6 ? ETH_P_IPV6 : ETH_P_IP);
	append_inner(&packet, plan, ecn);
	return packet;
}

static loose_iphdr *outer_ipv4(struct packet *packet)
{
	return (loose_iphdr *)(packet->byte + packet->link_bytes);
}

static loose_ipv6hdr *outer_ipv6(struct packet *packet)
{
	return (loose_ipv6hdr *)(packet->byte + packet->link_bytes);
}

static uint8_t *inner(struct packet *packet)
{
	return packet->byte + packet->link_bytes + packet->outer_bytes;
}

/* UDP and GUE of a packet that has them. */
static uint8_t *gue(struct packet *packet)
{
	return inner(packet) - GUE_BYTES;
}

static void set_outer_length(struct packet *packet, size_t inner_bytes)
{
	loose_iphdr *ip = outer_ipv4(packet);

	if (packet->gue) {
		gue(packet)[4] = (GUE_BYTES + inner_bytes) >> 8;
		gue(packet)[5] = GUE_BYTES + inner_bytes;
	}
	if (ip->version == 4)
		ip->tot_len = htons(packet->outer_bytes + inner_bytes);
	else
		outer_ipv6(packet)->payload_len = htons(inner_bytes + (packet->gue ? GUE_BYTES : 0));
}

/* ---- running ---- */

static struct decap_stats read_stats(void)
{
	static struct decap_stats each[CPUS_MAX];
	struct decap_stats sum = {0};
	int n_cpus = libbpf_num_possible_cpus();
	uint32_t key = 0;

	assert_in_range(n_cpus, 1, CPUS_MAX);
	assert_return_code(bpf_map_lookup_elem(bpf_map__fd(skeleton->maps.decap_stats), &key, each), errno);
	for (int i = 0; i < n_cpus; i++) {
#define X(name, counter, action, text) sum.counter += each[i].counter;
		DECAP_OUTCOMES(X)
#undef X
	}
	return sum;
}

/* The one counter that went up, by one. */
static enum decap_outcome outcome_between(const struct decap_stats *before, const struct decap_stats *after)
{
	enum decap_outcome outcome = DECAP_GO_ON;
	uint64_t counted = 0;

#define X(name, counter, action, text) \
	counted += after->counter - before->counter; \
	if (after->counter != before->counter) \
		outcome = DECAP_##name;
	DECAP_OUTCOMES(X)
#undef X
	assert_int_equal(counted, 1);
	return outcome;
}

static int action_of(enum decap_outcome outcome)
{
	switch (outcome) {
#define X(name, counter, action, text) \
	case DECAP_##name: \
		return action;
		DECAP_OUTCOMES(X)
#undef X
	default:
		return -1;
	}
}

static enum decap_outcome run(const struct packet *in, struct packet *ret_out)
{
	struct decap_stats before = read_stats(), after;
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = in->byte, .data_size_in = in->length, .data_out = ret_out->byte,
		    .data_size_out = sizeof(ret_out->byte));
	enum decap_outcome outcome;

	assert_return_code(bpf_prog_test_run_opts(bpf_program__fd(skeleton->progs.shunt_decap), &opts), errno);
	after = read_stats();
	outcome = outcome_between(&before, &after);
	assert_int_equal(opts.retval, action_of(outcome));
	ret_out->length = opts.data_size_out;
	return outcome;
}

static const char *outcome_text(enum decap_outcome outcome)
{
	static const char *const name[] = {
		"nothing",
#define X(name, counter, action, text) #counter,
		DECAP_OUTCOMES(X)
#undef X
	};

	return name[outcome];
}

static void expect_same_packet(const struct packet *got, const struct packet *wanted)
{
	assert_int_equal(got->length, wanted->length);
	assert_memory_equal(got->byte, wanted->byte, wanted->length);
}

/* The packet meets this outcome, and stays as it is when it is passed. */
static void expect(const struct packet *in, enum decap_outcome wanted)
{
	struct packet out = {0};
	enum decap_outcome got = run(in, &out);

	if (got != wanted)
		fail_msg("%s instead of %s, %zu bytes", outcome_text(got), outcome_text(wanted), in->length);
	if (action_of(wanted) == XDP_PASS && wanted != DECAP_DECAPSULATED)
		expect_same_packet(&out, in);
}

static void expect_bare(const struct plan *plan, uint8_t ecn)
{
	struct packet in = tunnelled(plan), wanted = bare(plan, ecn), out = {0};

	assert_string_equal(outcome_text(run(&in, &out)), "decapsulated");
	expect_same_packet(&out, &wanted);
}

/* ---- fixture ---- */

static int load(const char *from, uint8_t from_bits, uint16_t gue_port)
{
	struct decap_config config = {.gue_port = htons(gue_port)};

	skeleton = decap_bpf__open();
	if (!skeleton)
		return -errno;
	if (from) {
		assert_return_code(address_parse(from, &config.from), 0);
		for (int i = 0; i < from_bits; i++)
			config.from_mask.byte[i / 8] |= 0x80 >> i % 8;
	}
	memcpy((void *)&skeleton->rodata->config, &config, sizeof(config));
	return decap_bpf__load(skeleton);
}

static int unload(void **state)
{
	(void)state;
	decap_bpf__destroy(skeleton);
	skeleton = NULL;
	return 0;
}

static int setup(void **state)
{
	(void)state;
	return geteuid() ? 0 : load(NULL, 0, 6080);
}

static int setup_without_gue(void **state)
{
	(void)state;
	return geteuid() ? 0 : load(NULL, 0, 0);
}

static int setup_from_ipv4(void **state)
{
	(void)state;
	return geteuid() ? 0 : load("10.0.0.1", 96 + 30, 6080);
}

static int setup_from_ipv6(void **state)
{
	(void)state;
	return geteuid() ? 0 : load("fd00::", 8, 6080);
}

static void require_root(void)
{
	if (skeleton)
		return;
	print_message("skipped: needs root\n");
	skip();
}

/* ---- tests ---- */

static void all_modes_lose_their_outer_header(void **state)
{
	(void)state;
	require_root();
	for (size_t i = 0; i < N_MODES; i++)
		for (unsigned int tags = 0; tags <= 2; tags++) {
			struct plan plan = modes[i];

			plan.tags = tags;
			expect_bare(&plan, 0);
		}
}

static void options_of_the_outer_header_go_with_it(void **state)
{
	(void)state;
	require_root();
	for (unsigned int bytes = 0; bytes <= 40; bytes += 4) {
		expect_bare(&(struct plan){.option_bytes = bytes, .tags = 2}, 0);
		expect_bare(&(struct plan){.option_bytes = bytes, .tags = 2, .gue = true}, 0);
	}
}

static void congestion_marks_follow_rfc_6040(void **state)
{
	/* Figure 4: rows the inner field, columns the outer: not-ECT, ECT(1), ECT(0), CE. -1: dropped. */
	static const int merged[4][4] = {
		{0, 0, 0, -1}, /* not-ECT */
		{1, 1, 1, 3},  /* ECT(1) */
		{2, 1, 2, 3},  /* ECT(0) */
		{3, 3, 3, 3},  /* CE */
	};

	(void)state;
	require_root();
	for (size_t i = 0; i < N_MODES * 16; i++) {
		struct plan plan = modes[i / 16];
		struct packet in;

		plan.outer_ecn = i % 4;
		plan.inner_ecn = i / 4 % 4;
		in = tunnelled(&plan);
		if (merged[plan.inner_ecn][plan.outer_ecn] < 0)
			expect(&in, DECAP_CONGESTION);
		else
			expect_bare(&plan, merged[plan.inner_ecn][plan.outer_ecn]);
	}
}

static void a_packet_cut_anywhere_is_not_decapsulated(void **state)
{
	(void)state;
	require_root();
	for (size_t i = 0; i < N_MODES * 3; i++) {
		struct plan plan = modes[i / 3];
		struct packet in;
		size_t whole, header_bytes;

		plan.tags = i % 3;
		in = tunnelled(&plan);
		whole = in.length;
		header_bytes = in.link_bytes + in.outer_bytes;
		for (in.length = ETH_HLEN; in.length < whole; in.length++)
			expect(&in, in.length < header_bytes ? DECAP_PASSED : DECAP_MALFORMED_OUTER);
	}
}

static void an_inner_packet_cut_anywhere_is_dropped(void **state)
{
	(void)state;
	require_root();
	for (size_t i = 0; i < N_MODES; i++) {
		struct packet in = tunnelled(&modes[i]);
		size_t header_bytes = in.link_bytes + in.outer_bytes, whole = in.length;

		for (in.length = header_bytes; in.length < whole; in.length++) {
			set_outer_length(&in, in.length - header_bytes); /* the outer header tells the truth */
			expect(&in, DECAP_MALFORMED_INNER);
		}
		set_outer_length(&in, whole - header_bytes - 1); /* all there, but the outer header does not say so */
		expect(&in, DECAP_MALFORMED_INNER);
	}
}

static void what_follows_the_packet_in_the_frame_is_kept(void **state)
{
	(void)state;
	require_root();
	for (size_t i = 0; i < N_MODES; i++) {
		struct packet in = tunnelled(&modes[i]), wanted = bare(&modes[i], 0), out = {0};

		append(&in, "padding", 7);
		append(&wanted, "padding", 7);
		assert_int_equal(run(&in, &out), DECAP_DECAPSULATED);
		expect_same_packet(&out, &wanted);
	}
}

static void outer_headers_that_contradict_themselves_are_dropped(void **state)
{
	struct packet in = tunnelled(&modes[0]);

	(void)state;
	require_root();
	outer_ipv4(&in)->ihl = 4;
	expect(&in, DECAP_MALFORMED_OUTER);
	in = tunnelled(&modes[0]);
	outer_ipv4(&in)->tot_len = htons(19);
	expect(&in, DECAP_MALFORMED_OUTER);
	outer_ipv4(&in)->tot_len = htons(0xffff);
	expect(&in, DECAP_MALFORMED_OUTER);
	in = tunnelled(&modes[2]);
	outer_ipv6(&in)->payload_len = htons(0xffff);
	expect(&in, DECAP_MALFORMED_OUTER);
}

static void inner_headers_that_lie_are_dropped(void **state)
{
	struct packet in;

	(void)state;
	require_root();
	for (size_t i = 0; i < N_MODES; i++)
		for (unsigned int version = 0; version < 16; version++) {
			bool right = version == (modes[i].inner_ipv6 ? 6 : 4);

			in = tunnelled(&modes[i]);
			*inner(&in) = version << 4 | (*inner(&in) & 0x0f);
			expect(&in, right ? DECAP_DECAPSULATED : DECAP_MALFORMED_INNER);
		}
	for (unsigned int ihl = 0; ihl < 16; ihl++) {
		in = tunnelled(&modes[0]); /* 44 bytes: headers of up to 11 words fit */
		((loose_iphdr *)inner(&in))->ihl = ihl;
		expect(&in, ihl >= 5 && ihl <= 11 ? DECAP_DECAPSULATED : DECAP_MALFORMED_INNER);
	}
	in = tunnelled(&modes[0]);
	((loose_iphdr *)inner(&in))->tot_len = htons(45);
	expect(&in, DECAP_MALFORMED_INNER);
	in = tunnelled(&modes[1]);
	((loose_ipv6hdr *)inner(&in))->payload_len = htons(PAYLOAD_BYTES + 1);
	expect(&in, DECAP_MALFORMED_INNER);
}

static void what_is_no_tunnel_passes_untouched(void **state)
{
	(void)state;
	require_root();
	for (unsigned int protocol = 0; protocol < 256; protocol++) {
		struct packet ipv4 = tunnelled(&modes[0]), ipv6 = tunnelled(&modes[3]);

		if (protocol == IPPROTO_IPIP || protocol == IPPROTO_IPV6)
			continue;
		outer_ipv4(&ipv4)->protocol = protocol;
		outer_ipv6(&ipv6)->nexthdr = protocol;
		expect(&ipv4, DECAP_PASSED);
		expect(&ipv6, DECAP_PASSED);
	}
}

/* Everything but a plain data message of variant 0 with one of our two protocols (draft-ietf-intarea-gue-09 section 3). */
static void gue_that_is_not_understood_passes_untouched(void **state)
{
	(void)state;
	require_root();
	for (size_t i = 4; i < N_MODES; i++)
		for (size_t at = 0; at < GUE_BYTES; at++)
			for (unsigned int bit = 0; bit < 8; bit++) {
				struct packet in = tunnelled(&modes[i]);

				gue(&in)[at] ^= 1 << bit;
				if (at < 2 || at == 6 || at == 7)
					expect(&in, DECAP_DECAPSULATED); /* source port and checksum are not looked at */
				else if (at != 4 && at != 5)
					expect(&in, DECAP_PASSED);
			}
	for (unsigned int protocol = 0; protocol < 256; protocol++) {
		struct packet in = tunnelled(&modes[4]);

		gue(&in)[9] = protocol;
		if (protocol != IPPROTO_IPIP && protocol != IPPROTO_IPV6)
			expect(&in, DECAP_PASSED);
	}
}

static void udp_lengths_that_contradict_the_outer_header_are_dropped(void **state)
{
	(void)state;
	require_root();
	for (size_t i = 4; i < N_MODES; i++) {
		struct packet in = tunnelled(&modes[i]);
		unsigned int right = gue(&in)[5];

		for (unsigned int length = 0; length < 256; length++) {
			enum decap_outcome outcome = length < GUE_BYTES || length > right ? DECAP_MALFORMED_OUTER
										  : DECAP_MALFORMED_INNER;

			in = tunnelled(&modes[i]);
			gue(&in)[5] = length;
			expect(&in, length == right ? DECAP_DECAPSULATED : outcome);
		}
	}
}

static void without_a_gue_port_gue_is_left_alone(void **state)
{
	(void)state;
	require_root();
	for (size_t i = 0; i < N_MODES; i++) {
		struct packet in = tunnelled(&modes[i]);

		expect(&in, modes[i].gue ? DECAP_PASSED : DECAP_DECAPSULATED);
		if (modes[i].gue)
			memset(gue(&in) + 2, 0, 2); /* nor is port 0 one */
		if (modes[i].gue)
			expect(&in, DECAP_PASSED);
	}
}

static void other_ethertypes_pass_untouched(void **state)
{
	static const uint16_t types[] = {ETH_P_ARP, ETH_P_LOOP, ETH_P_MPLS_UC, ETH_P_PAE, 0x0000, 0xffff};

	(void)state;
	require_root();
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		struct packet in = {0}, rest = tunnelled(&modes[0]);

		append_link(&in, i % 3, types[i]);
		append(&in, rest.byte + rest.link_bytes, rest.length - rest.link_bytes);
		expect(&in, DECAP_PASSED);
	}
	for (int i = 0; i < 2; i++) { /* the version is not what the EtherType says */
		struct packet in = tunnelled(&modes[i * 3]);

		in.byte[in.link_bytes] ^= 0x20;
		expect(&in, DECAP_PASSED);
	}
}

static void what_is_not_for_one_host_passes_untouched(void **state)
{
	static const char *const groups[] = {"224.0.0.1", "239.1.2.3", "255.255.255.255", "240.0.0.1", "0.0.0.0"};
	struct packet in;

	(void)state;
	require_root();
	for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
		in = tunnelled(&modes[0]);
		outer_ipv4(&in)->daddr = inet_addr(groups[i]);
		expect(&in, DECAP_PASSED);
	}
	in = tunnelled(&modes[2]);
	inet_pton(AF_INET6, "ff02::1", &outer_ipv6(&in)->daddr);
	expect(&in, DECAP_PASSED);
	in = tunnelled(&modes[0]);
	memset(in.byte, 0xff, ETH_ALEN);
	expect(&in, DECAP_PASSED);
}

static void fragments_are_left_to_the_stack(void **state)
{
	struct packet in = tunnelled(&modes[0]);

	(void)state;
	require_root();
	outer_ipv4(&in)->frag_off = htons(0x2000);
	expect(&in, DECAP_FRAGMENT);
	outer_ipv4(&in)->frag_off = htons(0x0010);
	expect(&in, DECAP_FRAGMENT);
	in = tunnelled(&modes[4]);
	outer_ipv4(&in)->frag_off = htons(0x2000);
	expect(&in, DECAP_FRAGMENT);
}

static void other_sources_pass_untouched(void **state)
{
	struct packet in;

	(void)state;
	require_root();
	expect_bare(&modes[0], 0); /* from 10.0.0.1, wanted are 10.0.0.0/30 */
	in = tunnelled(&modes[0]);
	outer_ipv4(&in)->saddr = inet_addr("10.0.0.4");
	expect(&in, DECAP_FOREIGN);
	outer_ipv4(&in)->saddr = inet_addr("10.0.0.3");
	expect(&in, DECAP_DECAPSULATED);
	in = tunnelled(&modes[2]);
	expect(&in, DECAP_FOREIGN);
}

static void other_ipv6_sources_pass_untouched(void **state)
{
	struct packet in = tunnelled(&modes[2]);

	(void)state;
	require_root();
	expect_bare(&modes[2], 0); /* from fd00::1, wanted are fd00::/8 */
	inet_pton(AF_INET6, "fe00::1", &outer_ipv6(&in)->saddr);
	expect(&in, DECAP_FOREIGN);
	in = tunnelled(&modes[0]);
	expect(&in, DECAP_FOREIGN);
}

/* Whatever arrives: one outcome each, and what is decapsulated is at least a header of the right version. */
static void damaged_packets_meet_one_outcome(void **state)
{
	(void)state;
	require_root();
	srandom(1);
	for (int i = 0; i < 20000; i++) {
		struct plan plan = modes[random() % N_MODES];
		struct packet in, out = {0};

		plan.tags = random() % 3;
		in = tunnelled(&plan);
		for (int n = random() % 4; n >= 0; n--)
			in.byte[ETH_ALEN * 2 + random() % (in.length - ETH_ALEN * 2)] = random();
		if (random() % 4 == 0)
			in.length = ETH_HLEN + random() % (in.length - ETH_HLEN);
		if (run(&in, &out) != DECAP_DECAPSULATED)
			continue;
		assert_true(out.length + sizeof(struct iphdr) <= in.length);
		assert_memory_equal(out.byte, in.byte, ETH_ALEN * 2);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, unload)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(all_modes_lose_their_outer_header),
		TEST(options_of_the_outer_header_go_with_it),
		TEST(congestion_marks_follow_rfc_6040),
		TEST(a_packet_cut_anywhere_is_not_decapsulated),
		TEST(an_inner_packet_cut_anywhere_is_dropped),
		TEST(what_follows_the_packet_in_the_frame_is_kept),
		TEST(outer_headers_that_contradict_themselves_are_dropped),
		TEST(inner_headers_that_lie_are_dropped),
		TEST(what_is_no_tunnel_passes_untouched),
		TEST(gue_that_is_not_understood_passes_untouched),
		TEST(udp_lengths_that_contradict_the_outer_header_are_dropped),
		cmocka_unit_test_setup_teardown(without_a_gue_port_gue_is_left_alone, setup_without_gue, unload),
		TEST(other_ethertypes_pass_untouched),
		TEST(what_is_not_for_one_host_passes_untouched),
		TEST(fragments_are_left_to_the_stack),
		cmocka_unit_test_setup_teardown(other_sources_pass_untouched, setup_from_ipv4, unload),
		cmocka_unit_test_setup_teardown(other_ipv6_sources_pass_untouched, setup_from_ipv6, unload),
		TEST(damaged_packets_meet_one_outcome),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
