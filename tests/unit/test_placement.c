/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Clients that go from group to group: the rules, and random histories in which no flow changes its backend, whatever is
 * done to slots and placements. All backends are alive here: their deaths are test_slot_simulation's. SHUNT_SEED=N replays.
 *
 * Mutations take one rule away each and must make a flow move: else the simulation would prove nothing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "slots/slots.h"

#define N(array) (sizeof(array) / sizeof((array)[0]))

/* ---- the rules ---- */

#define SETTLED(g) {.group = (g), .state = SHUNT_SLOT_SETTLED}
#define RESOLVING(g) {.group = (g), .state = SHUNT_SLOT_RESOLVING}
#define MOVING(g, was) {.group = (g), .was_group = (was), .state = SHUNT_SLOT_MOVING}

static const struct rule {
	const char *sentence;
	struct shunt_client_group from;
	uint32_t target;
	struct shunt_client_group to;
} rules[] = {
	{"settled, and nothing changes", SETTLED(1), 1, SETTLED(1)},
	{"settled clients move", SETTLED(1), 2, MOVING(2, 1)},
	{"resolving, and nothing changes", RESOLVING(1), 1, RESOLVING(1)},
	{"resolving clients move again", RESOLVING(1), 2, MOVING(2, 1)},
	{"moving, and nothing changes", MOVING(2, 1), 2, MOVING(2, 1)},
	{"moving on, flows that nobody pinned are still in the first group", MOVING(2, 1), 3, MOVING(3, 1)},
	{"moving back", MOVING(2, 1), 1, RESOLVING(1)},
};

static void every_rule_holds(void **state)
{
	size_t failed = 0;

	(void)state;
	for (size_t i = 0; i < N(rules); i++) {
		bool holds = placement_equal(placement_next(rules[i].from, rules[i].target), rules[i].to);

		if (!holds)
			print_error("%s: does not hold\n", rules[i].sentence);
		failed += !holds;
	}
	assert_int_equal(failed, 0);
}

static void time_takes_moving_to_resolving_and_that_to_settled(void **state)
{
	const struct shunt_client_group moving = MOVING(2, 1), resolving = RESOLVING(2), settled = SETTLED(2);

	(void)state;
	assert_true(placement_equal(placement_resolve(moving), resolving));
	assert_true(placement_equal(placement_resolve(settled), settled));
	assert_true(placement_equal(placement_settle(resolving), settled));
	assert_true(placement_equal(placement_settle(moving), moving));
	assert_true(placement_equal(placement_settled(2), settled));
}

/* ---- random histories ---- */

enum { GROUPS = 3, SLOTS = 8, IDS = 9, FLOWS = 60, STEPS = 3000, TIMEOUT = 30, PATIENCE = 5, HISTORIES = 400, MUTANTS = 400 };

enum mutation {
	NO_MUTATION,
	AT_ONCE,       /* clients are taken for settled in their new group */
	RESOLVE_EARLY, /* before the timeout */
	SETTLE_BLIND,  /* without looking at the pinned flows */
	FORGET_WAS,    /* clients that move on take the group they were going to for the one they come from */
	WAS_OF_NEW,    /* of the old group's slot the backend of new flows counts */
};

struct flow {
	uint32_t slot, backend;    /* 0: not begun */
	uint32_t last, next;       /* steps of packets */
	uint32_t pinned, pinned_at;
};

struct world {
	uint64_t random;
	enum mutation mutation;
	struct shunt_slot table[GROUPS][SLOTS];
	uint32_t slot_moved_at[GROUPS][SLOTS], moved_at, now;
	struct backend_set known[GROUPS], left;
	struct shunt_client_group placement;
	struct flow flows[FLOWS];
	uint64_t packets, lookups;
	bool broken;
};

static uint32_t roll(struct world *w, uint32_t n)
{
	return shunt_mix64(w->random += 0x9e3779b97f4a7c15ULL) % n;
}

static const struct backend_set *all_alive(void)
{
	static struct backend_set alive;

	for (uint32_t id = 1; id < IDS; id++)
		backend_set_put(&alive, id, true);
	return &alive;
}

/* Groups share some backends. */
static uint32_t member(struct world *w, uint32_t group)
{
	uint32_t id = 1 + (2 * group + roll(w, 4)) % (IDS - 1);

	backend_set_put(&w->known[group], id, true);
	return id;
}

static void retarget_slots(struct world *w)
{
	uint32_t group = roll(w, GROUPS), target = member(w, group);

	for (uint32_t slot = roll(w, 3); slot < SLOTS; slot += 3) {
		struct shunt_slot *word = &w->table[group][slot], next = slot_next(*word, target, all_alive());

		if (next.state == SHUNT_SLOT_MOVING && (word->state != SHUNT_SLOT_MOVING || word->was != next.was))
			w->slot_moved_at[group][slot] = w->now;
		*word = next;
	}
}

static void retarget_clients(struct world *w)
{
	uint32_t target = roll(w, GROUPS);
	struct shunt_client_group before = w->placement, from = before;

	if (w->mutation == FORGET_WAS && from.state == SHUNT_SLOT_MOVING)
		from = placement_settled(from.group);
	w->placement = placement_next(from, target);
	if (w->mutation == AT_ONCE)
		w->placement = placement_settled(target);
	if (placement_equal(before, w->placement))
		return;
	w->moved_at = w->now;
	for (size_t i = 0; i < N(w->left.word); i++)
		w->left.word[i] |= w->known[before.group].word[i];
}

/* As bpf/flow.h has it. */
static uint32_t choose(struct world *w, struct flow *flow, bool starts)
{
	struct shunt_slot word = w->table[w->placement.group][flow->slot];
	struct shunt_slot from = w->table[w->placement.was_group][flow->slot];

	w->packets++;
	if (w->mutation == WAS_OF_NEW)
		from.was = from.now;
	if (w->placement.state != SHUNT_SLOT_SETTLED)
		word = shunt_slot_between(word, from, w->placement.state);
	if (word.state == SHUNT_SLOT_SETTLED)
		return word.now;
	w->lookups++;
	if (!flow->pinned) {
		if (!shunt_slot_pins(word))
			return shunt_slot_default(word, starts);
		flow->pinned = shunt_slot_default(word, starts);
	}
	flow->pinned_at = w->now;
	return flow->pinned;
}

static void send_packets(struct world *w)
{
	for (size_t i = 0; i < FLOWS; i++) {
		struct flow *flow = &w->flows[i];
		uint32_t backend;

		if (w->now < flow->next)
			continue;
		if (!flow->backend || roll(w, 12) == 0) { /* the old one has ended: another of another hash, so another entry */
			*flow = (struct flow){.slot = roll(w, SLOTS), .last = w->now};
			flow->backend = choose(w, flow, true);
		} else {
			backend = choose(w, flow, false);
			w->broken = w->broken || backend != flow->backend;
		}
		flow->last = w->now;
		flow->next = w->now + 1 + roll(w, TIMEOUT - 1);
	}
}

static bool pinned_elsewhere(const struct world *w, const struct backend_set *among, uint32_t group, uint32_t slot)
{
	for (size_t i = 0; i < FLOWS; i++) {
		const struct flow *flow = &w->flows[i];

		if (flow->pinned && flow->slot == slot && backend_set_has(among, flow->pinned) &&
		    flow->pinned != w->table[group][slot].now)
			return true;
	}
	return false;
}

static void pass_over_slot(struct world *w, uint32_t group, uint32_t slot)
{
	struct shunt_slot *word = &w->table[group][slot];

	if (word->state == SHUNT_SLOT_MOVING && w->now - w->slot_moved_at[group][slot] > TIMEOUT)
		*word = slot_resolve(*word);
	else if (word->state == SHUNT_SLOT_RESOLVING && !pinned_elsewhere(w, &w->known[group], group, slot))
		*word = slot_settle(*word);
}

static void pass_over_clients(struct world *w)
{
	bool busy = false;

	if (w->placement.state == SHUNT_SLOT_MOVING &&
	    (w->now - w->moved_at > TIMEOUT || w->mutation == RESOLVE_EARLY)) {
		w->placement = placement_resolve(w->placement);
		return;
	}
	for (uint32_t slot = 0; slot < SLOTS; slot++)
		busy = busy || pinned_elsewhere(w, &w->left, w->placement.group, slot);
	if (!busy || w->mutation == SETTLE_BLIND)
		w->placement = placement_settle(w->placement);
	if (w->placement.state == SHUNT_SLOT_SETTLED)
		memset(&w->left, 0, sizeof(w->left));
}

/* The controller's pass: entries are aged, then what follows. */
static void pass(struct world *w)
{
	for (size_t i = 0; i < FLOWS; i++)
		if (w->now - w->flows[i].pinned_at > TIMEOUT)
			w->flows[i].pinned = 0;
	for (uint32_t group = 0; group < GROUPS; group++)
		for (uint32_t slot = 0; slot < SLOTS; slot++)
			pass_over_slot(w, group, slot);
	pass_over_clients(w);
}

static bool history_holds(struct world *w, uint64_t seed, enum mutation mutation)
{
	*w = (struct world){.random = shunt_mix64(seed), .mutation = mutation, .packets = w->packets, .lookups = w->lookups};
	for (uint32_t group = 0; group < GROUPS; group++)
		for (uint32_t slot = 0; slot < SLOTS; slot++)
			w->table[group][slot] = (struct shunt_slot){.now = member(w, group)};
	for (w->now = 1; w->now < STEPS && !w->broken; w->now++) {
		if (roll(w, 150) == 0)
			retarget_slots(w);
		if (roll(w, 120) == 0)
			retarget_clients(w);
		send_packets(w);
		if (w->now % PATIENCE == 0)
			pass(w);
	}
	return !w->broken;
}

static void no_flow_moves_in_any_history(void **state)
{
	const char *given = getenv("SHUNT_SEED");
	uint64_t first = given ? strtoull(given, NULL, 0) : 1, n = given ? 1 : HISTORIES;
	static struct world w;

	(void)state;
	for (uint64_t seed = first; seed < first + n; seed++)
		if (!history_holds(&w, seed, NO_MUTATION))
			fail_msg("a flow moved at step %u: SHUNT_SEED=%llu", w.now, (unsigned long long)seed);
	print_message("  %llu packets, %llu %% with a lookup\n", (unsigned long long)w.packets,
		      (unsigned long long)(100 * w.lookups / w.packets));
}

static void without_any_of_the_rules_flows_move(void **state)
{
	static struct world w;

	(void)state;
	for (enum mutation mutation = AT_ONCE; mutation <= WAS_OF_NEW; mutation++) {
		uint64_t seed = 1;

		while (seed <= MUTANTS && history_holds(&w, seed, mutation))
			seed++;
		if (seed > MUTANTS)
			fail_msg("mutation %d is not noticed in %d histories", mutation, MUTANTS);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_rule_holds),
		cmocka_unit_test(time_takes_moving_to_resolving_and_that_to_settled),
		cmocka_unit_test(no_flow_moves_in_any_history),
		cmocka_unit_test(without_any_of_the_rules_flows_move),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
