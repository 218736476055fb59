// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Buckets of limits (shunt/bucket.h): how exact they are by a clock that ticks, and whose bucket a new client takes. Arrivals at
 * random. SHUNT_SEED=N replays.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <shunt/bucket.h>
#include <shunt/hash.h>

#define MS 1000000ULL
enum { WORLDS = 300, ARRIVALS = 3000 };

static uint64_t seed = 1;

static uint64_t any(uint64_t below)
{
	seed += 0x9e3779b97f4a7c15ULL;
	return shunt_mix64(seed) % below;
}

/* ---- how exact ---- */

struct world {
	uint64_t tick, interval, burst; /* ns */
	uint64_t due, now;
	uint64_t admitted[ARRIVALS]; /* when */
	size_t n;
};

/* As bpf/limit.h asks: the clock that ticks, and the right one when that has no room. Both must say what the right one says. */
static void arrive(struct world *w)
{
	uint64_t now = w->now / w->tick * w->tick, next;
	uint64_t rightly = shunt_bucket_next(w->due - w->now, w->interval, w->burst);

	if (!shunt_bucket_has_room(w->due - now, w->burst))
		now = w->now;
	next = shunt_bucket_next(w->due - now, w->interval, w->burst);
	assert_true((next == UINT64_MAX) == (rightly == UINT64_MAX));
	if (next == UINT64_MAX)
		return;
	w->due = now + next;
	w->admitted[w->n++] = w->now;
}

/* From each admitted to each later one: no more than rate and burst give, and what the rate gives in one tick. */
static void check_every_span(const struct world *w)
{
	for (size_t i = 0; i < w->n; i++)
		for (size_t j = i; j < w->n; j++)
			assert_true((j - i) * w->interval <= w->burst + w->admitted[j] - w->admitted[i] + w->tick);
}

/* In bursts and with pauses. */
static void the_clock_that_ticks_refuses_nobody_and_admits_a_tick_more_at_most(void **state)
{
	static struct world w;

	(void)state;
	for (int i = 0; i < WORLDS; i++) {
		w = (struct world){.tick = any(10) * MS + MS, .interval = any(20 * MS) + 1, .now = 1000000 * MS};
		w.burst = any(40) * w.interval;
		for (int j = 0; j < ARRIVALS; j++) {
			w.now += any(50) ? any(w.interval / 2 + 1) : any(100 * w.interval);
			arrive(&w);
		}
		check_every_span(&w);
	}
}

/* ---- whose place a new client takes ---- */

static void put(struct shunt_client_line *line, uint32_t at, uint64_t word)
{
	memcpy(&line->client[at], &word, sizeof(word));
}

static uint32_t find(struct shunt_client_line *line, uint32_t client, uint64_t now, uint64_t interval, uint64_t most)
{
	__u64 word;
	volatile shunt_client_cell *bucket = shunt_client_find(line, client, &word);

	assert_true(!bucket || *bucket == word);
	return (bucket ?: shunt_client_place(line, client, now, interval, most)) - (shunt_client_cell *)line->client;
}

/* In every part of the time's period: nobody ever came to the other places. */
static void a_place_never_taken_goes_before_one_that_is_ahead(void **state)
{
	const uint64_t most = 1000, period = 1ULL << SHUNT_DUE_BITS;

	(void)state;
	for (uint64_t now = 2 * most; now + most < period; now += period / 64)
		for (uint32_t busy = 0; busy < SHUNT_CLIENTS_PER_LINE; busy++) {
			struct shunt_client_line line = {0};

			put(&line, busy, shunt_client_word(7, now + 5));
			assert_int_not_equal(find(&line, 9, now, 0, most), busy);
			assert_int_equal(find(&line, 7, now, 0, most), busy);
		}
}

static void a_new_client_takes_the_place_that_is_the_least_ahead(void **state)
{
	const uint64_t most = 1000;

	(void)state;
	for (int i = 0; i < 100000; i++) {
		uint64_t now = any(1ULL << 50), ahead[SHUNT_CLIENTS_PER_LINE];
		struct shunt_client_line line;
		uint32_t least = 0, found;

		for (uint32_t at = 0; at < SHUNT_CLIENTS_PER_LINE; at++) {
			ahead[at] = any(most + 1);
			put(&line, at, shunt_client_word(at + 1, now + ahead[at]));
			least = ahead[at] < ahead[least] ? at : least;
		}
		found = find(&line, 99, now, 0, most);
		assert_int_equal(ahead[found], ahead[least]);
	}
}

/* Whoever has used more than one packet's worth stays, as long as somebody has not. */
static void newcomers_take_the_place_of_nobody_who_is_further_ahead_than_they(void **state)
{
	const uint64_t most = 1000, interval = 100;
	uint32_t taken[SHUNT_CLIENTS_PER_LINE] = {0};

	(void)state;
	for (int i = 0; i < 100000; i++) {
		uint64_t now = any(1ULL << 50), ahead[SHUNT_CLIENTS_PER_LINE];
		uint32_t meek = any(SHUNT_CLIENTS_PER_LINE), found; /* one of them, at least */
		struct shunt_client_line line;

		for (uint32_t at = 0; at < SHUNT_CLIENTS_PER_LINE; at++) {
			ahead[at] = at == meek || !any(2) ? any(interval + 1) : interval + 1 + any(most - interval);
			put(&line, at, shunt_client_word(at + 1, now + ahead[at]));
		}
		found = find(&line, 99 + any(1000), now, interval, most);
		assert_true(ahead[found] <= interval);
		taken[found]++;
	}
	for (uint32_t at = 0; at < SHUNT_CLIENTS_PER_LINE; at++) /* and in a flood no place is spared */
		assert_true(taken[at] > 100000 / SHUNT_CLIENTS_PER_LINE / 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_clock_that_ticks_refuses_nobody_and_admits_a_tick_more_at_most),
		cmocka_unit_test(a_place_never_taken_goes_before_one_that_is_ahead),
		cmocka_unit_test(a_new_client_takes_the_place_that_is_the_least_ahead),
		cmocka_unit_test(newcomers_take_the_place_of_nobody_who_is_further_ahead_than_they),
	};
	const char *given = getenv("SHUNT_SEED");

	seed = given ? strtoull(given, NULL, 0) : seed;
	return cmocka_run_group_tests_name("bucket", tests, NULL, NULL);
}
