/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Targets depend on base and fit set alone and move only what must move; the next word of a slot follows DESIGN's rules. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "maglev/maglev.h"
#include "slots/slots.h"

#define SIZE 65536U
#define N_BACKENDS 100U
#define N(array) (sizeof(array) / sizeof((array)[0]))

static uint16_t base[SIZE], before[SIZE], after[SIZE];

static uint64_t random_next(uint64_t *random)
{
	return shunt_mix64(*random += 0x9e3779b97f4a7c15ULL);
}

/* Backends 1 … n own the slots; their keys are those of `first` and after. */
static void make_base_of(uint32_t first, uint32_t n, uint32_t size)
{
	static struct maglev_member members[2000];

	for (uint32_t i = 0; i < n; i++)
		members[i] = (struct maglev_member){.key = shunt_mix64(first + i + 1), .weight = 1};
	assert_int_equal(maglev_build(members, n, 1, base, size), 0);
	for (uint32_t slot = 0; slot < size; slot++)
		base[slot]++;
}

static void make_base(uint32_t n, uint32_t size)
{
	make_base_of(0, n, size);
}

static struct backend_set first_backends(uint32_t n)
{
	struct backend_set set = {{0}};

	for (uint32_t id = 1; id <= n; id++)
		backend_set_put(&set, id, true);
	return set;
}

/* The definition in slots.h, word by word. */
static uint16_t target_by_definition(uint32_t slot, uint32_t size, const struct backend_set *fit)
{
	for (uint32_t i = 0; i < size; i++) {
		uint16_t owner = base[shunt_probe(slot, i, size)];

		if (owner && backend_set_has(fit, owner))
			return owner;
	}
	return 0;
}

static void when_one_backend_fails_only_its_slots_move_and_come_back(void **state)
{
	struct backend_set fit = first_backends(N_BACKENDS);
	uint32_t receivers[N_BACKENDS + 1] = {0}, used = 0;

	(void)state;
	make_base(N_BACKENDS, SIZE);
	slots_targets(base, SIZE, &fit, before);
	assert_memory_equal(base, before, sizeof(base));
	backend_set_put(&fit, 37, false);
	slots_targets(base, SIZE, &fit, after);
	for (uint32_t slot = 0; slot < SIZE; slot++) {
		assert_int_not_equal(after[slot], 37);
		if (before[slot] != 37)
			assert_int_equal(after[slot], before[slot]);
		else
			used += receivers[after[slot]]++ == 0;
	}
	print_message("  its slots went to %u others\n", used);
	assert_true(used > 90);
	backend_set_put(&fit, 37, true);
	slots_targets(base, SIZE, &fit, after);
	assert_memory_equal(before, after, sizeof(after));
}

static void any_order_of_events_ends_in_the_same_table(void **state)
{
	struct backend_set fit = first_backends(N_BACKENDS), other = first_backends(N_BACKENDS);
	uint64_t random = 1;

	(void)state;
	make_base(N_BACKENDS, 1024);
	for (uint32_t event = 0; event < 1000; event++) {
		backend_set_put(&fit, random_next(&random) % N_BACKENDS + 1, random_next(&random) & 1);
		slots_targets(base, 1024, &fit, before);
	}
	/* The same set by another way: all down, then those that are fit come up from the last to the first. */
	for (uint32_t id = 1; id <= N_BACKENDS; id++)
		backend_set_put(&other, id, false);
	for (uint32_t id = N_BACKENDS; id > 0; id--) {
		backend_set_put(&other, id, backend_set_has(&fit, id));
		slots_targets(base, 1024, &other, after);
	}
	assert_memory_equal(before, after, 1024 * sizeof(after[0]));
}

static void targets_are_what_the_definition_says(void **state)
{
	static const uint32_t sizes[] = {1, 2, 16, 1024, 4096, SIZE};
	uint64_t random = 2;

	(void)state;
	for (size_t row = 0; row < N(sizes); row++)
		for (uint32_t round = 0; round < 60; round++) {
			uint32_t n = 1 + random_next(&random) % 1000,
				 n_fit = round < 30 ? round / 3 : random_next(&random) % n;
			uint32_t step = sizes[row] > 4096 ? 977 : 1;
			struct backend_set fit = {{0}};

			make_base(n, sizes[row]);
			for (uint32_t i = 0; i < sizes[row] / 20; i++)
				base[random_next(&random) % sizes[row]] = 0; /* nobody owns it */
			for (uint32_t i = 0; i < n_fit; i++)
				backend_set_put(&fit, 1 + random_next(&random) % n, true);
			slots_targets(base, sizes[row], &fit, after);
			for (uint32_t slot = 0; slot < sizes[row]; slot += step)
				assert_int_equal(after[slot], target_by_definition(slot, sizes[row], &fit));
		}
}

static void a_single_fit_slot_is_found_from_everywhere(void **state)
{
	struct backend_set fit = first_backends(2);

	(void)state;
	memset(base, 0, sizeof(base));
	base[4711] = 1;
	slots_targets(base, SIZE, &fit, after);
	for (uint32_t slot = 0; slot < SIZE; slot++)
		assert_int_equal(after[slot], 1);
	base[4712] = 2;
	slots_targets(base, SIZE, &fit, after);
	for (uint32_t slot = 0; slot < SIZE; slot++)
		assert_in_range(after[slot], 1, 2);
}

static void without_a_fit_owner_every_target_is_none(void **state)
{
	struct backend_set fit = {{0}};

	(void)state;
	make_base(N_BACKENDS, SIZE);
	backend_set_put(&fit, 999, true); /* fit, but owns nothing */
	slots_targets(base, SIZE, &fit, after);
	for (uint32_t slot = 0; slot < SIZE; slot++)
		assert_int_equal(after[slot], 0);
}

/* The slots of backend 1 from which SHUNT_PROBE_LIMIT places are all its own. */
static uint32_t lost_without_the_first(uint32_t size)
{
	uint32_t lost = 0;

	for (uint32_t slot = 0; slot < size; slot++) {
		uint32_t i = 0;

		while (i <= SHUNT_PROBE_LIMIT && base[shunt_probe(slot, i, size)] == 1)
			i++;
		lost += i > SHUNT_PROBE_LIMIT;
	}
	return lost;
}

/* Of n members each has an n-th of the places, and so a slot's 16 are all one's with the chance of n^-16: as small as that, or
 * nearly, it has to be for tables of real groups, whose slots are no matter of chance. */
static void probing_finds_somebody_as_often_as_chance_would(void **state)
{
	static const struct {
		uint32_t size, n;
		double most; /* of a member's slots */
	} rows[] = {{1024, 2, 1e-4}, {4096, 2, 5e-5}, {65536, 2, 3e-5}, {4096, 3, 1e-6}, {65536, 3, 1e-6}, {65536, 4, 1e-6}};
	const uint32_t groups = 100;

	(void)state;
	for (size_t row = 0; row < N(rows); row++) {
		double share = 0;

		for (uint32_t group = 0; group < groups; group++) {
			make_base_of(group * 10, rows[row].n, rows[row].size);
			share += (double)lost_without_the_first(rows[row].size) * rows[row].n / rows[row].size / groups;
		}
		print_message("  %u slots, %u members: %.1e of the slots of one find nobody\n", rows[row].size, rows[row].n, share);
		assert_true(share <= rows[row].most);
	}
}

static double milliseconds_of_cpu(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return now.tv_sec * 1e3 + now.tv_nsec / 1e6;
}

static void targets_are_fast_however_few_are_fit(void **state)
{
	static const struct {
		uint32_t n, n_fit;
	} rows[] = {{100, 100}, {100, 99}, {100, 50}, {100, 2}, {100, 1}, {1000, 5}, {1000, 4}, {1000, 3}, {1000, 2}};

	(void)state;
	for (size_t row = 0; row < N(rows); row++) {
		struct backend_set fit = first_backends(rows[row].n_fit);
		double best = 1e9;

		make_base(rows[row].n, SIZE);
		for (int run = 0; run < 5; run++) {
			double start = milliseconds_of_cpu(), ms;

			slots_targets(base, SIZE, &fit, after);
			ms = milliseconds_of_cpu() - start;
			best = ms < best ? ms : best;
		}
		print_message("  %u of %u fit: %.2f ms\n", rows[row].n_fit, rows[row].n, best);
#if !defined(__SANITIZE_ADDRESS__) && defined(__OPTIMIZE__)
		/* A tenth of a second would show; 20 ms is what the worst of these costs on a slow core. */
		assert_true(best <= (rows[row].n == 100 ? 10 : 60));
#endif
	}
}

/* ---- the next word: backends 1 and 2 are alive, 3 and 4 dead, 0 is none ---- */

#define SETTLED SHUNT_SLOT_SETTLED
#define MOVING SHUNT_SLOT_MOVING
#define RESOLVING SHUNT_SLOT_RESOLVING

static struct backend_set one_and_two_alive(void)
{
	struct backend_set alive = first_backends(2);

	backend_set_put(&alive, 5, true);
	backend_set_put(&alive, 0, true); /* id 0 is never alive, whatever the set says */
	return alive;
}

static struct shunt_slot slot_of(uint32_t now, uint32_t was, uint32_t word_state)
{
	return (struct shunt_slot){.now = now, .was = was, .state = word_state};
}

static void the_next_word_of_a_slot_follows_the_rules(void **state)
{
	static const struct {
		const char *name;
		uint32_t now, was, state, target, next_now, next_was, next_state;
	} rows[] = {
		{"settled, target is now", 1, 1, SETTLED, 1, 1, 1, SETTLED},
		{"resolving, target is now", 1, 1, RESOLVING, 1, 1, 1, RESOLVING},
		{"moving, target is now", 1, 2, MOVING, 1, 1, 2, MOVING},
		{"moving, target is now, was is dead", 1, 3, MOVING, 1, 1, 1, RESOLVING},
		{"settled, another target", 1, 1, SETTLED, 2, 2, 1, MOVING},
		{"resolving, another target", 1, 1, RESOLVING, 2, 2, 1, MOVING},
		{"moving, a third target", 1, 2, MOVING, 5, 5, 2, MOVING},
		{"moving, target is was", 1, 2, MOVING, 2, 2, 2, RESOLVING},
		{"moving, another target, was is dead", 1, 3, MOVING, 2, 2, 2, RESOLVING},
		{"settled, now is dead", 3, 3, SETTLED, 1, 1, 1, RESOLVING},
		{"resolving, now is dead", 3, 3, RESOLVING, 1, 1, 1, RESOLVING},
		{"moving, now is dead, was alive", 3, 2, MOVING, 1, 1, 2, MOVING},
		{"moving, now is dead, target is was", 3, 2, MOVING, 2, 2, 2, RESOLVING},
		{"moving, both dead", 3, 4, MOVING, 1, 1, 1, RESOLVING},
		{"a new slot gets its first backend", 0, 0, SETTLED, 1, 1, 1, RESOLVING},
		{"nobody is fit, the backend drains", 1, 1, SETTLED, 0, 0, 1, MOVING},
		{"nobody is fit, the backend died", 3, 3, SETTLED, 0, 0, 0, RESOLVING},
		{"nobody is fit, as before", 0, 0, SETTLED, 0, 0, 0, SETTLED},
		{"nobody is fit, as before, resolving", 0, 0, RESOLVING, 0, 0, 0, RESOLVING},
		{"somebody is fit again while was drains", 0, 1, MOVING, 2, 2, 1, MOVING},
	};
	struct backend_set alive = one_and_two_alive();

	(void)state;
	for (size_t i = 0; i < N(rows); i++) {
		struct shunt_slot next =
			slot_next(slot_of(rows[i].now, rows[i].was, rows[i].state), rows[i].target, &alive);
		struct shunt_slot expected = slot_of(rows[i].next_now, rows[i].next_was, rows[i].next_state);

		print_message("  %s\n", rows[i].name);
		assert_int_equal(shunt_slot_word(next), shunt_slot_word(expected));
	}
}

/* DESIGN's three bullets as they stand there. */
static struct shunt_slot next_by_design(struct shunt_slot slot, uint32_t target, bool now_alive, bool was_alive)
{
	struct shunt_slot resolve = slot_of(target, target, RESOLVING);
	bool is_moving = slot.state == MOVING;

	if (slot.now == target && now_alive)
		return is_moving && !was_alive ? slot_of(slot.now, slot.now, RESOLVING) : slot;
	if (now_alive) {
		if (!is_moving)
			return slot_of(target, slot.now, MOVING);
		if (!was_alive)
			return resolve;
		return target == slot.was ? resolve : slot_of(target, slot.was, MOVING);
	}
	if (is_moving && was_alive)
		return target == slot.was ? resolve : slot_of(target, slot.was, MOVING);
	return resolve;
}

static void every_combination_agrees_with_the_design(void **state)
{
	struct backend_set alive = one_and_two_alive();
	uint32_t seen = 0;

	(void)state;
	for (uint32_t now = 0; now <= 5; now++)
		for (uint32_t was = 0; was <= 5; was++)
			for (uint32_t word_state = SETTLED; word_state <= RESOLVING; word_state++)
				for (uint32_t target = 0; target <= 5; target++) {
					struct shunt_slot slot = slot_of(now, was, word_state), next, expected;

					if ((word_state == MOVING) != (now != was))
						continue; /* no such word */
					next = slot_next(slot, target, &alive);
					expected = next_by_design(slot, target, now && backend_set_has(&alive, now),
								  was && backend_set_has(&alive, was));
					if (word_state == SETTLED && now == 0 && target == 0)
						expected = slot; /* the one exception: see slot_next */
					assert_int_equal(shunt_slot_word(next), shunt_slot_word(expected));
					/* New flows go to the target at once, and asking again changes nothing. */
					assert_int_equal(next.now, target);
					assert_int_equal(shunt_slot_word(slot_next(next, target, &alive)),
							 shunt_slot_word(next));
					assert_true((next.state == MOVING) == (next.now != next.was));
					seen++;
				}
	print_message("  %u combinations\n", seen);
	assert_int_equal(seen, 6 * 6 * 2 + 30 * 6);
}

static void time_takes_a_slot_from_moving_to_settled(void **state)
{
	(void)state;
	assert_int_equal(shunt_slot_word(slot_resolve(slot_of(1, 2, MOVING))),
			 shunt_slot_word(slot_of(1, 1, RESOLVING)));
	assert_int_equal(shunt_slot_word(slot_resolve(slot_of(1, 1, RESOLVING))),
			 shunt_slot_word(slot_of(1, 1, RESOLVING)));
	assert_int_equal(shunt_slot_word(slot_resolve(slot_of(1, 1, SETTLED))),
			 shunt_slot_word(slot_of(1, 1, SETTLED)));
	assert_int_equal(shunt_slot_word(slot_settle(slot_of(1, 1, RESOLVING))),
			 shunt_slot_word(slot_of(1, 1, SETTLED)));
	assert_int_equal(shunt_slot_word(slot_settle(slot_of(1, 2, MOVING))), shunt_slot_word(slot_of(1, 2, MOVING)));
	assert_int_equal(shunt_slot_word(slot_settle(slot_of(1, 1, SETTLED))), shunt_slot_word(slot_of(1, 1, SETTLED)));
}

/* Parts [0, share) and [share, whole): exact, and a share that grows takes only the slots it grows by. */
static void a_share_that_grows_takes_only_what_it_grows_by(void **state)
{
	enum { WHOLE = 100 };
	static uint16_t old[SIZE], new[SIZE], other[SIZE];

	(void)state;
	for (uint32_t slot = 0; slot < SIZE; slot++) {
		old[slot] = 1;
		other[slot] = 2;
	}
	for (uint32_t share = 1; share <= WHOLE; share++) {
		uint32_t moved = 0, of_other = 0;

		for (uint32_t slot = 0; slot < SIZE; slot++)
			new[slot] = 1;
		slots_overlay(new, other, SIZE, WHOLE, WHOLE - share, WHOLE);
		for (uint32_t slot = 0; slot < SIZE; slot++) {
			assert_false(old[slot] == 2 && new[slot] == 1);
			moved += old[slot] != new[slot];
			of_other += new[slot] == 2;
			old[slot] = new[slot];
		}
		assert_int_equal(of_other, SIZE - SIZE * (WHOLE - share) / WHOLE);
		assert_true(moved <= SIZE / WHOLE + 1);
	}
}

/* Ids 0 … 7, of which some are alive: every kind of word beside every kind of target, also one that is none or not alive. */
static void a_table_follows_as_its_slots_do(void **state)
{
	static struct shunt_slot now[4096], next[4096];
	static const uint32_t sizes[] = {1, 16, 255, 256, 4096};
	uint64_t random = 3;

	(void)state;
	for (uint32_t round = 0; round < 200; round++) {
		uint32_t size = sizes[round % N(sizes)];
		struct slots_change expected = {0}, change;
		struct backend_set alive = {{random_next(&random) & 0xfe}};

		for (uint32_t slot = 0; slot < size; slot++) {
			uint64_t dice = random_next(&random);

			now[slot] = (struct shunt_slot){.now = dice & 7, .was = dice >> 3 & 7, .state = round & 1 ? dice >> 6 & 1 : dice >> 6 & 2};
			after[slot] = round % 3 ? now[slot].now : dice >> 9 & 7;
		}
		change = slots_next(now, after, size, &alive, next);
		for (uint32_t slot = 0; slot < size; slot++) {
			struct shunt_slot one = slot_next(now[slot], after[slot], &alive);

			assert_int_equal(shunt_slot_word(next[slot]), shunt_slot_word(one));
			expected.changed |= shunt_slot_word(one) != shunt_slot_word(now[slot]);
			expected.moving |= one.state == SHUNT_SLOT_MOVING;
		}
		assert_int_equal(change.changed, expected.changed);
		assert_int_equal(change.moving, expected.moving);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(when_one_backend_fails_only_its_slots_move_and_come_back),
		cmocka_unit_test(any_order_of_events_ends_in_the_same_table),
		cmocka_unit_test(targets_are_what_the_definition_says),
		cmocka_unit_test(a_single_fit_slot_is_found_from_everywhere),
		cmocka_unit_test(without_a_fit_owner_every_target_is_none),
		cmocka_unit_test(probing_finds_somebody_as_often_as_chance_would),
		cmocka_unit_test(targets_are_fast_however_few_are_fit),
		cmocka_unit_test(the_next_word_of_a_slot_follows_the_rules),
		cmocka_unit_test(every_combination_agrees_with_the_design),
		cmocka_unit_test(a_table_follows_as_its_slots_do),
		cmocka_unit_test(time_takes_a_slot_from_moving_to_settled),
		cmocka_unit_test(a_share_that_grows_takes_only_what_it_grows_by),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
