/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Random histories of a group under traffic: whatever is done to its backends, no flow whose backend is alive changes
 * backend. The packet path here is bpf/flow.h's, over the same words, probes and flow lines; the controller is shuntd's,
 * over the same slots.c, with the instants between its writes open to packets. SHUNT_SEED=N replays, one history a seed.
 *
 * Mutations take one rule away each and must make the invariant fail: else the simulation would prove nothing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "maglev/maglev.h"
#include "slots/slots.h"

#define N(array) (sizeof(array) / sizeof((array)[0]))

#define SLOTS_MAX 64U
#define IDS 13U /* backends 1 … 12 */
#define FLOWS 200U
#define LINES 128U
#define STEPS 2000U
#define PATIENCE 10U /* steps between two passes of the controller over time */

#define MUTANTS 1500U           /* histories in which a mutation must fail; few are needed */

#ifdef __SANITIZE_ADDRESS__
#define HISTORIES 150U
#else
#define HISTORIES 1500U
#endif

enum mutation {
	NO_MUTATION,
	RESOLVE_EARLY, /* before flow_timeout */
	LAG_FORGOTTEN, /* an entry whose time may be behind is freed as if it were not */
	SETTLE_EARLY, /* without looking at the pinned flows */
	SETTLE_OVER_DEAD, /* … at those pinned to dead backends */
	NO_PINS, /* moving slots do not pin */
	NO_PROBE_PINS, /* what probing finds is not pinned */
	KEEP_DEAD_PINS, /* an entry whose backend is dead is left as it is when its flow goes elsewhere */
	FORGET_WAS, /* a moving slot that moves on takes its `now` for `was` */
	RESTART_TIMER_LOST, /* after a crash, moving slots count as having moved long ago */
	RESTART_WITHOUT_REPAIR, /* after a crash, health is published before the slots of dead backends are rewritten */
};

struct backend {
	bool used, leaving, healthy, maint, drain;
	bool keeps; /* on_down: keep: established flows stay when its checks call it down */
	uint32_t weight, tier;
	uint32_t deaths; /* how often it has stopped being alive */
};

struct flow {
	uint64_t hash;
	bool started;
	uint32_t last, next; /* steps of the last and the next packet */
	uint32_t backend; /* 0: not placed */
	uint32_t deaths; /* of the backend when the flow was placed */
};

struct simulation {
	uint64_t random;
	enum mutation mutation;
	bool crashes;
	uint32_t size, flow_timeout, flow_lag, event_interval, now, coarse_offset;
	struct shunt_slot tables[2][SLOTS_MAX];
	uint32_t table; /* in use */
	uint32_t moved_at[SLOTS_MAX];
	struct shunt_flow_line lines[LINES];
	struct backend backends[IDS];
	struct backend_set alive; /* the flags in the map `backends` */
	uint32_t active_tier;
	struct flow flows[FLOWS];
	bool crashed; /* the controller is away until restart_at */
	uint32_t restart_at;
	uint64_t packets, lookups, drops;
	char failure[200]; /* empty: the invariant held */
};

static uint32_t roll(struct simulation *s, uint32_t n)
{
	assert_true(n > 0);
	return shunt_mix64(s->random += 0x9e3779b97f4a7c15ULL) % n; // NOLINT(clang-analyzer-core.DivideZero): asserted
}

static bool is_alive(const struct simulation *s, uint32_t id)
{
	return id && backend_set_has(&s->alive, id);
}

static uint16_t coarse(const struct simulation *s)
{
	return s->now + s->coarse_offset;
}

/* As everybody writes to a line of flows. */
static void put_flow(struct shunt_flow *at, struct shunt_flow flow)
{
	assert_true(shunt_flow_swap(at, shunt_flow_load(at), flow));
}

/* ---- the packet path, as in bpf/slot.h and bpf/flow.h ---- */

static uint32_t choose_untracked(const struct simulation *s, uint32_t index, bool starts_flow, bool *ret_probed)
{
	struct shunt_slot slot = s->tables[s->table][index];
	uint32_t choice = shunt_slot_default(slot, starts_flow);

	if (is_alive(s, choice))
		return choice;
	if (slot.state == SHUNT_SLOT_MOVING && is_alive(s, slot.now))
		return slot.now;
	if (slot.state == SHUNT_SLOT_MOVING && is_alive(s, slot.was))
		return slot.was;
	*ret_probed = true;
	for (uint32_t i = 1; i <= SHUNT_PROBE_LIMIT; i++) {
		choice = s->tables[s->table][shunt_probe(index, i, s->size)].now;
		if (is_alive(s, choice))
			return choice;
	}
	return 0;
}

static uint32_t choose_backend(struct simulation *s, uint64_t hash, bool starts_flow, bool ends_flow)
{
	uint32_t fingerprint = shunt_fingerprint(hash), index = shunt_slot_index(fingerprint, s->size), choice;
	struct shunt_slot slot = s->tables[s->table][index];
	struct shunt_flow_line *line = &s->lines[shunt_flow_line_index(hash, LINES)];
	bool probed = false, stale = false, pins;
	struct shunt_flow flow;
	int place;

	s->packets++;
	if (slot.state == SHUNT_SLOT_SETTLED && is_alive(s, slot.now))
		return slot.now;
	s->lookups++;
	place = shunt_flow_find(line, fingerprint);
	flow = place >= 0 ? shunt_flow_load(&line->flow[place]) : (struct shunt_flow){0};
	if (shunt_flow_goes_on(flow, fingerprint, starts_flow) && is_alive(s, flow.backend)) {
		put_flow(&line->flow[place], shunt_flow_refreshed(flow, coarse(s), s->flow_lag, starts_flow, ends_flow));
		return flow.backend;
	}
	stale = place >= 0 && s->mutation != KEEP_DEAD_PINS;
	choice = choose_untracked(s, index, starts_flow, &probed);
	pins = (shunt_slot_pins(slot) && s->mutation != NO_PINS) || (probed && s->mutation != NO_PROBE_PINS) || stale;
	if (!choice || !pins)
		return choice;
	if (place < 0)
		place = shunt_flow_victim(line, UINT16_MAX, coarse(s), fingerprint, 0);
	assert_true(place >= 0);
	assert_true(!line->flow[place].fingerprint ||
		    line->flow[place].fingerprint == fingerprint); /* no overflow here */
	flow = (struct shunt_flow){.fingerprint = fingerprint,
				   .backend = choice,
				   .established = !starts_flow,
				   .closing = ends_flow,
				   .seen = coarse(s)};
	put_flow(&line->flow[place], flow);
	return choice;
}

/* ---- traffic ---- */

/* A new flow where the flow table has room: overflow is test_hash.c's matter. */
static void renew_flow(struct simulation *s, struct flow *flow)
{
	uint32_t line, busy;

	do {
		flow->hash = (uint64_t)roll(s, UINT32_MAX) << 32 | roll(s, UINT32_MAX);
		line = shunt_flow_line_index(flow->hash, LINES);
		busy = 0;
		for (uint32_t i = 0; i < FLOWS; i++)
			busy += shunt_flow_line_index(s->flows[i].hash, LINES) == line;
		for (uint32_t i = 0; i < SHUNT_FLOWS_PER_LINE; i++)
			busy += s->lines[line].flow[i].fingerprint != 0;
	} while (busy > SHUNT_FLOWS_PER_LINE);
	flow->started = false;
	flow->backend = 0;
	flow->next = s->now + 1 + roll(s, 20);
}

/* The client ends its connection and uses the port for another. */
static void use_port_again(struct simulation *s, struct flow *flow)
{
	flow->started = false;
	flow->backend = 0;
	flow->next = s->now + 1 + roll(s, 20);
}

static bool is_held(const struct simulation *s, const struct flow *flow)
{
	return flow->backend && flow->deaths == s->backends[flow->backend].deaths;
}

static void send_packet(struct simulation *s, struct flow *flow)
{
	uint32_t choice, before = flow->backend;
	bool held = is_held(s, flow), ends = flow->started && roll(s, 40) == 0;

	if (s->failure[0])
		return;
	choice = choose_backend(s, flow->hash, !flow->started, ends);
	s->drops += choice == 0;
	if (held && choice != before) {
		uint32_t index = shunt_slot_index(shunt_fingerprint(flow->hash), s->size);
		struct shunt_slot slot = s->tables[s->table][index];

		snprintf(s->failure, sizeof(s->failure),
			 "step %u: slot %u (now %u was %u state %u): flow idle %u moved %u -> %u", s->now, index,
			 slot.now, slot.was, slot.state, s->now - flow->last, before, choice);
	}
	flow->started |= choice != 0;
	flow->last = s->now;
	if (choice != before || !held) {
		flow->backend = choice;
		flow->deaths = s->backends[choice].deaths;
	}
	/* Mostly busy, at times silent for exactly as long as a flow may be. */
	flow->next = s->now + (roll(s, 8)   ? 1 + roll(s, 12)
			       : roll(s, 4) ? 1 + roll(s, s->flow_timeout)
					    : s->flow_timeout);
	if (ends)
		use_port_again(s, flow);
	else if (roll(s, 40) == 0)
		renew_flow(s, flow);
}

/* Packets that arrive between two writes of the controller. */
static void send_some(struct simulation *s, uint32_t at_most)
{
	for (uint32_t n = roll(s, at_most + 1); n > 0; n--) {
		struct flow *flow = &s->flows[roll(s, FLOWS)];

		if (flow->next > s->now)
			send_packet(s, flow);
	}
}

/* ---- the controller ---- */

static bool should_live(const struct simulation *s, uint32_t id)
{
	const struct backend *b = &s->backends[id];

	return b->used && (b->healthy || (b->keeps && is_alive(s, id))) && !b->maint;
}

static void write_flags(struct simulation *s)
{
	for (uint32_t id = 1; id < IDS; id++) {
		bool lives = should_live(s, id);

		s->backends[id].deaths += is_alive(s, id) && !lives;
		backend_set_put(&s->alive, id, lives);
	}
}

static void find_targets(const struct simulation *s, uint16_t *ret_targets)
{
	struct maglev_member members[IDS];
	uint16_t base[SLOTS_MAX], ids[IDS];
	struct backend_set fit = {{0}};
	size_t n = 0;

	for (uint32_t id = 1; id < IDS; id++) {
		const struct backend *b = &s->backends[id];

		if (!b->used || b->leaving || b->tier != s->active_tier)
			continue;
		backend_set_put(&fit, id, is_alive(s, id) && b->healthy && !b->drain);
		ids[n] = id;
		members[n++] = (struct maglev_member){.key = shunt_mix64(id), .weight = b->weight};
	}
	assert_int_equal(maglev_build(members, n, 7, base, s->size), 0);
	for (uint32_t i = 0; i < s->size; i++)
		base[i] = base[i] == MAGLEV_NONE ? 0 : ids[base[i]];
	slots_targets(base, s->size, &fit, ret_targets);
}

static struct shunt_slot next_word(struct simulation *s, uint32_t index, uint32_t target)
{
	struct shunt_slot old = s->tables[s->table][index], next = slot_next(old, target, &s->alive);

	if (s->mutation == FORGET_WAS && old.state == SHUNT_SLOT_MOVING && next.state == SHUNT_SLOT_MOVING &&
	    next.now != old.now && is_alive(s, old.now))
		next.was = old.now;
	if (next.state == SHUNT_SLOT_MOVING && old.state != SHUNT_SLOT_MOVING)
		s->moved_at[index] = s->now;
	return next;
}

static void crash(struct simulation *s)
{
	s->crashed = true;
	s->restart_at = s->now + roll(s, 2 * s->flow_timeout);
	memset(s->moved_at, 0xee, sizeof(s->moved_at));
}

/* Brings the slots to what backends and flags ask for: in place slot by slot, or in the other table and then at once. */
static void rewrite_slots(struct simulation *s)
{
	uint32_t first = roll(s, s->size), other = !s->table;
	bool in_place = roll(s, 2);
	uint16_t targets[SLOTS_MAX];

	find_targets(s, targets);
	for (uint32_t n = 0; n < s->size; n++) {
		uint32_t index = (first + n * 5) % s->size;

		s->tables[in_place ? s->table : other][index] = next_word(s, index, targets[index]);
		if (roll(s, 8) == 0)
			send_some(s, 2);
		if (s->crashes && roll(s, 2000) == 0)
			return crash(s);
	}
	if (!in_place)
		s->table = other;
}

static void publish(struct simulation *s)
{
	write_flags(s);
	send_some(s, 8);
	if (s->crashes && roll(s, 20) == 0)
		return crash(s);
	rewrite_slots(s);
}

/* Whether an entry of the slot points elsewhere; those too old are gone by then, as the pass removes them first. */
static bool pinned_elsewhere(const struct simulation *s, uint32_t index, uint32_t now)
{
	for (uint32_t i = 0; i < LINES * SHUNT_FLOWS_PER_LINE; i++) {
		struct shunt_flow flow = s->lines[i / SHUNT_FLOWS_PER_LINE].flow[i % SHUNT_FLOWS_PER_LINE];

		if (flow.fingerprint && shunt_slot_index(flow.fingerprint, s->size) == index && flow.backend != now &&
		    (s->mutation != SETTLE_OVER_DEAD || is_alive(s, flow.backend)))
			return true;
	}
	return false;
}

static bool is_referred_to(const struct simulation *s, uint32_t id)
{
	for (uint32_t i = 0; i < s->size; i++) {
		struct shunt_slot slot = s->tables[s->table][i];

		if (slot.now == id || slot.was == id)
			return true;
	}
	for (uint32_t i = 0; i < LINES * SHUNT_FLOWS_PER_LINE; i++)
		if (s->lines[i / SHUNT_FLOWS_PER_LINE].flow[i % SHUNT_FLOWS_PER_LINE].backend == id)
			return true;
	return false;
}

static void remove_drained(struct simulation *s)
{
	for (uint32_t id = 1; id < IDS; id++) {
		if (!s->backends[id].leaving || is_referred_to(s, id))
			continue;
		for (uint32_t i = 0; i < FLOWS; i++)
			if (s->flows[i].backend == id && is_held(s, &s->flows[i]) && s->flows[i].next > s->now)
				snprintf(s->failure, sizeof(s->failure), "step %u: backend %u removed under a flow",
					 s->now, id);
		s->backends[id] = (struct backend){.deaths = s->backends[id].deaths + 1};
		backend_set_put(&s->alive, id, false);
	}
}

static void let_time_pass(struct simulation *s)
{
	struct shunt_slot *table = s->tables[s->table];
	uint32_t age_limit = s->flow_timeout + (s->mutation == LAG_FORGOTTEN ? 0 : s->flow_lag);

	for (uint32_t i = 0; i < LINES * SHUNT_FLOWS_PER_LINE; i++) {
		struct shunt_flow *flow = &s->lines[i / SHUNT_FLOWS_PER_LINE].flow[i % SHUNT_FLOWS_PER_LINE];

		if (flow->fingerprint && shunt_flow_age(shunt_flow_load(flow), coarse(s)) > age_limit)
			put_flow(flow, (struct shunt_flow){0});
	}
	for (uint32_t i = 0; i < s->size; i++) {
		if (table[i].state == SHUNT_SLOT_MOVING &&
		    (s->now - s->moved_at[i] > s->flow_timeout || s->mutation == RESOLVE_EARLY))
			table[i] = slot_resolve(table[i]);
		else if (table[i].state == SHUNT_SLOT_RESOLVING &&
			 (s->mutation == SETTLE_EARLY || !pinned_elsewhere(s, i, table[i].now)))
			table[i] = slot_settle(table[i]);
	}
	remove_drained(s);
}

/* A new controller: words, flags and flows are where they were, when slots moved is not known any more. */
static void restart(struct simulation *s)
{
	s->crashed = false;
	for (uint32_t i = 0; i < s->size; i++)
		s->moved_at[i] = s->mutation == RESTART_TIMER_LOST ? s->now - s->flow_timeout - 1 : s->now;
	/* Slots may still name a backend whose flag says dead. They are rewritten before it may be said to be alive again. */
	if (s->mutation != RESTART_WITHOUT_REPAIR)
		rewrite_slots(s);
	if (!s->crashed)
		publish(s);
}

/* ---- what happens to the group ---- */

static void random_event(struct simulation *s)
{
	struct backend *b = &s->backends[1 + roll(s, IDS - 1)];

	if (!b->used) {
		*b = (struct backend){.used = true,
				      .healthy = roll(s, 2),
				      .tier = roll(s, 3) == 0,
				      .weight = 1 + roll(s, 9),
				      .deaths = b->deaths};
		return;
	}
	switch (roll(s, 10)) {
	case 0:
	case 1:
	case 2:
		b->healthy = !b->healthy;
		break;
	case 3:
		b->maint = !b->maint;
		break;
	case 4:
	case 5:
		b->drain = !b->drain;
		break;
	case 6:
		b->weight = roll(s, 10);
		break;
	case 7:
		b->leaving = true;
		break;
	case 8:
		s->active_tier = !s->active_tier;
		break;
	case 9:
		b->keeps = !b->keeps;
		break;
	}
}

static void begin(struct simulation *s, uint64_t seed, enum mutation mutation, bool crashes)
{
	memset(s, 0, sizeof(*s));
	s->random = seed;
	s->mutation = mutation;
	s->crashes = crashes;
	s->size = 16U << roll(s, 3);
	s->flow_timeout = 40 + roll(s, 120);
	s->flow_lag = roll(s, s->flow_timeout / 8);
	s->event_interval = (uint32_t[]){7, 7, 30, 200}[roll(s, 4)];
	s->coarse_offset = roll(s, 65536);
	s->now = 1000;
	for (uint32_t n = 4 + roll(s, IDS - 4), id = 1; id <= n; id++)
		s->backends[id] = (struct backend){
			.used = true, .healthy = true, .weight = 1 + roll(s, 9), .tier = roll(s, 4) == 0};
	for (uint32_t i = 0; i < FLOWS; i++)
		renew_flow(s, &s->flows[i]);
	write_flags(s);
	rewrite_slots(s);
}

/* Runs one history; true when the invariant held. */
static bool run_history(struct simulation *s, uint64_t seed, enum mutation mutation, bool crashes)
{
	begin(s, seed, mutation, crashes);
	for (uint32_t end = s->now + STEPS; s->now < end && !s->failure[0]; s->now++) {
		for (uint32_t i = 0; i < FLOWS; i++)
			if (s->flows[i].next == s->now)
				send_packet(s, &s->flows[i]);
		if (roll(s, s->event_interval) == 0) {
			random_event(s);
			if (!s->crashed)
				publish(s);
		}
		if (!s->crashed && s->now % PATIENCE == 0)
			let_time_pass(s);
		if (s->crashed && s->now >= s->restart_at)
			restart(s);
	}
	return !s->failure[0];
}

static void the_invariant_holds(bool crashes)
{
	static struct simulation s;
	const char *given = getenv("SHUNT_SEED");
	uint64_t first = given ? strtoull(given, NULL, 0) : crashes ? 1000000 : 1, packets = 0, lookups = 0, drops = 0;
	uint32_t histories = given ? 1 : HISTORIES;

	print_message("  %u histories from SHUNT_SEED=%llu\n", histories, (unsigned long long)first);
	for (uint64_t seed = first; seed < first + histories; seed++) {
		if (!run_history(&s, seed, NO_MUTATION, crashes))
			fail_msg("SHUNT_SEED=%llu: %s", (unsigned long long)seed, s.failure);
		packets += s.packets;
		lookups += s.lookups;
		drops += s.drops;
	}
	print_message("  %llu packets, %.1f %% needed a lookup, %.1f %% found no backend\n",
		      (unsigned long long)packets, 100.0 * lookups / packets, 100.0 * drops / packets);
}

static void no_flow_of_an_alive_backend_ever_changes_backend(void **state)
{
	(void)state;
	the_invariant_holds(false);
}

static void nor_when_the_controller_crashes_in_between(void **state)
{
	(void)state;
	the_invariant_holds(true);
}

static void each_rule_is_needed(void **state)
{
	static const struct {
		const char *name;
		enum mutation mutation;
		bool crashes;
	} rows[] = {
		{"a moving slot resolves before flow_timeout", RESOLVE_EARLY, false},
		{"an entry is freed as if its time were never behind", LAG_FORGOTTEN, false},
		{"a slot settles while flows are pinned elsewhere", SETTLE_EARLY, false},
		{"a slot settles while flows are pinned to dead backends", SETTLE_OVER_DEAD, false},
		{"moving slots do not pin", NO_PINS, false},
		{"what probing finds is not pinned", NO_PROBE_PINS, false},
		{"entries of dead backends are left when their flows go elsewhere", KEEP_DEAD_PINS, false},
		{"a slot that moves on forgets where the old flows are", FORGET_WAS, false},
		{"after a crash moving slots resolve at once", RESTART_TIMER_LOST, true},
		{"after a crash slots of dead backends are not rewritten first", RESTART_WITHOUT_REPAIR, true},
	};
	static struct simulation s;

	(void)state;
	for (size_t row = 0; row < N(rows); row++) {
		uint64_t seed = 1;

		while (seed <= MUTANTS && run_history(&s, seed, rows[row].mutation, rows[row].crashes))
			seed++;
		print_message("  %s: history %llu fails at %s\n", rows[row].name, (unsigned long long)seed, s.failure);
		assert_true(seed <= MUTANTS);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_flow_of_an_alive_backend_ever_changes_backend),
		cmocka_unit_test(nor_when_the_controller_crashes_in_between),
		cmocka_unit_test(each_rule_is_needed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
