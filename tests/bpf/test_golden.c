/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Packets whose fate was written down by scapy from the standards, not by us (tests/packets): whole frames are
 * compared.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../lib/golden.h"
#include "../lib/strict_parser.h"

enum { CASES_LEAST = 250, WORLDS_MAX = 32 };

static struct golden golden;
static const char *world_name;

/* A world of the name that *state has. */
static int named_world_setup(void **state)
{
	int r;

	world_name = *state;
	r = world_setup(state);
	if (r == 0)
		golden_world(*state, world_name);
	return r;
}

static void every_packet_meets_its_fate(void **state)
{
	struct packet_case *cases = calloc(golden.n, sizeof(*cases));
	struct world *w = *state;
	size_t n = 0;

	assert_non_null(cases);
	for (size_t i = 0; i < golden.n; i++) {
		const struct golden_case *c = &golden.cases[i];

		if (strcmp(c->world, world_name) != 0)
			continue;
		for (size_t b = 0; b < c->n_before; b++)
			fixture_run_quietly(&w->f, c->before[b]);
		cases[n++] = c->packet;
	}
	check_cases(w, cases, n);
	free(cases);
	assert_true(n > 0);
}

static void there_are_as_many_cases_as_promised_and_each_in_a_world(void **state)
{
	(void)state;
	print_message("  %zu cases\n", golden.n);
	assert_true(golden.n >= CASES_LEAST);
	for (size_t i = 0; i < golden.n; i++) {
		bool known = false;

		for (size_t world = 0; golden_world_name(world); world++)
			known |= strcmp(golden.cases[i].world, golden_world_name(world)) == 0;
		if (!known)
			fail_msg("%s: no world is called %s", golden.cases[i].packet.sentence, golden.cases[i].world);
	}
}

/* ---- what there must be cases of ---- */

enum mode { MODE_L2, MODE_IPIP, MODE_GUE, MODE_NAT, MODE_ANSWER, MODES }; /* answer: of nat, on the way back */
static const char *const mode_name[] = {"l2", "ipip", "gue", "nat", "nat, an answer"};

/* How the case leaves, read from the frames alone; MODES: it does not go on. */
static enum mode mode_of(const struct golden_case *c, const struct strict *in, const struct strict *out)
{
	const struct packet_case *p = &c->packet;
	bool is_nat = strncmp(c->world, "nat", 3) == 0;

	if ((p->verdict != XDP_TX && p->verdict != XDP_REDIRECT) || p->reason || in->kind == STRICT_FOREIGN)
		return MODES;
	if (p->answered)
		return is_nat && memcmp(in->destination, out->destination, 16) == 0 ? MODE_ANSWER : MODES;
	if (is_nat)
		return MODE_NAT;
	if (p->out->len == p->in->len)
		return MODE_L2;
	return out->protocol == IPPROTO_UDP ? MODE_GUE : MODE_IPIP;
}

/* Families of packet and tunnel that a mode can have: of l2 and nat the packet keeps its own. */
static bool is_mix(enum mode mode, size_t inner, size_t outer)
{
	return inner == outer || mode == MODE_IPIP || mode == MODE_GUE;
}

static void every_mode_and_mix_of_families_has_cases_of_tcp_and_udp(void **state)
{
	size_t n[MODES][2][2][2] = {0}; /* mode, family of the packet, of what leaves, TCP or UDP */

	(void)state;
	for (size_t i = 0; i < golden.n; i++) {
		const struct packet_case *p = &golden.cases[i].packet;
		const struct frame *left = p->out ? p->out : p->in;
		struct strict in = strict_parse(p->in->byte, p->in->len), out = strict_parse(left->byte, left->len);
		enum mode mode = p->out ? mode_of(&golden.cases[i], &in, &out) : MODES;

		if (mode != MODES && in.kind == STRICT_FLOW)
			n[mode][!in.ipv4][!out.ipv4][in.protocol == IPPROTO_UDP]++;
	}
	for (size_t i = 0; i < (size_t)MODES * 8; i++) {
		size_t mode = i / 8, inner = i / 4 % 2, outer = i / 2 % 2, udp = i % 2;
		size_t cases = n[mode][inner][outer][udp];

		if (!is_mix(mode, inner, outer))
			continue;
		print_message("  %s, IPv%c of IPv%c, %s: %zu cases\n", mode_name[mode], inner ? '6' : '4', outer ? '6' : '4',
			      udp ? "UDP" : "TCP", cases);
		assert_true(cases > 0);
	}
}

/* Reasons that no file of cases can show, and where they are shown. */
static const struct {
	enum shunt_drop_reason reason;
	const char *why;
} without_cases[] = {
	{SHUNT_DROP_NONE, "says that a packet is not dropped"},
	{SHUNT_DROP_NO_HEADROOM, "it takes a driver without headroom: test_fates.c"},
	{SHUNT_DROP_REJECT_LIMIT, "it takes a thousand packets before: test_policy.c"},
	{SHUNT_DROP_TOO_BIG_LIMITED, "it takes hundreds of packets before: test_tunnels.c"},
};

static void every_drop_reason_has_a_case(void **state)
{
	size_t n[SHUNT_DROP_REASON_COUNT] = {0};

	(void)state;
	for (size_t i = 0; i < golden.n; i++)
		n[golden.cases[i].packet.reason]++;
	for (size_t i = 0; i < N(without_cases); i++) {
		if (without_cases[i].reason != SHUNT_DROP_NONE)
			assert_int_equal(n[without_cases[i].reason], 0); /* or it needs no exception any more */
		n[without_cases[i].reason] = 1;
	}
#define X(name, label, text)                                                                                           \
	if (!n[SHUNT_DROP_##name])                                                                                     \
		fail_msg("drop reason %s has no case", label);
	SHUNT_DROP_REASONS(X)
#undef X
}

static void the_file_of_cases_is_what_its_script_writes(void **state)
{
	(void)state;
	if (system("/usr/bin/python3 -c 'import scapy' >/dev/null 2>&1") != 0) { /* NOLINT: a command of ours */
		print_message("  skipped: needs the package python3-scapy\n");
		skip();
	}
	assert_int_equal(system("tests/packets/generate.py --check"), 0); /* NOLINT */
}

int main(void)
{
	enum { GENERAL = 4 };
	struct CMUnitTest tests[WORLDS_MAX + GENERAL] = {
		cmocka_unit_test(there_are_as_many_cases_as_promised_and_each_in_a_world),
		cmocka_unit_test(every_mode_and_mix_of_families_has_cases_of_tcp_and_udp),
		cmocka_unit_test(every_drop_reason_has_a_case),
		cmocka_unit_test(the_file_of_cases_is_what_its_script_writes),
	};
	char names[WORLDS_MAX][80];
	int failed;

	fixture_isolate();
	golden = golden_read();
	for (size_t i = 0; i < WORLDS_MAX && golden_world_name(i); i++) {
		snprintf(names[i], sizeof(names[i]), "every_packet_meets_its_fate in the world \"%s\"",
			 golden_world_name(i));
		tests[i + GENERAL] = (struct CMUnitTest){
			.name = names[i],
			.test_func = every_packet_meets_its_fate,
			.setup_func = named_world_setup,
			.teardown_func = world_teardown,
			.initial_state = (void *)golden_world_name(i),
		};
	}
	failed = cmocka_run_group_tests_name("golden", tests, NULL, NULL);
	golden_free(&golden);
	return failed;
}
