// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Buckets of limits (shunt/bucket.h): how exact they are by a clock that ticks, and whose bucket a new client takes. Arrivals at
 * random. SHUNT_SEED=N replays.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
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

/* ---- the clients of a line ---- */

enum { HOMES = SHUNT_CLIENTS_PER_LINE, INTERVAL = 100, MOST = 1000 };

/* A client of this home, another one for each `n`. */
static uint32_t client_at(uint32_t home, uint32_t n)
{
	return (home + n * HOMES) * 2 + 1;
}

static void put(struct shunt_client_line *line, uint32_t at, uint32_t client, uint64_t due)
{
	*shunt_client_at(line, at) = shunt_client_word(client, due);
}

static uint64_t ahead_at(const struct shunt_client_line *line, uint32_t at, uint64_t now)
{
	return shunt_client_ahead(*shunt_client_at(line, at), now);
}

/* As bpf/limit.h asks, by the right clock alone. Returns whether the client may; `ret_at`: where it has its bucket then. */
static bool come(struct shunt_client_line *line, uint32_t client, uint64_t now, uint64_t interval, uint64_t burst, uint32_t *ret_at)
{
	int64_t ahead = ahead_at(line, *ret_at = shunt_client_home(client), now);
	volatile shunt_client_cell *bucket;
	uint64_t next;
	int is_own;

	if (ahead <= (int64_t)interval * SHUNT_FORGETTABLE && ahead + (int64_t)interval <= (int64_t)burst) {
		bucket = shunt_client_at(line, *ret_at);
		*bucket = shunt_client_next(*bucket, client, now, interval);
		return true;
	}
	*ret_at = shunt_client_place(line, client, now, interval, MOST, &is_own);
	bucket = shunt_client_at(line, *ret_at);
	next = shunt_bucket_next(is_own ? shunt_client_ahead(*bucket, now) : 0, interval, burst);
	if (next != UINT64_MAX)
		*bucket = shunt_client_word(client, now + next);
	return next != UINT64_MAX;
}

/* In every part of the time's period: nobody ever came to the other places. */
static void a_place_never_taken_goes_before_one_that_is_ahead(void **state)
{
	const uint64_t period = 1ULL << SHUNT_DUE_BITS;

	(void)state;
	for (uint64_t now = 2 * MOST; now + MOST < period; now += period / 64)
		for (uint32_t home = 0; home < HOMES; home++) {
			struct shunt_client_line line = {0};
			uint32_t at;

			put(&line, home, client_at(home, 1), now + 3 * INTERVAL);
			assert_true(come(&line, client_at(home, 2), now, INTERVAL, 5 * INTERVAL, &at));
			assert_int_not_equal(at, home);
			assert_int_equal(ahead_at(&line, at, now), INTERVAL);
			assert_true(come(&line, client_at(home, 1), now, INTERVAL, 5 * INTERVAL, &at));
			assert_int_equal(at, home);
			assert_int_equal(ahead_at(&line, at, now), 4 * INTERVAL);
		}
}

static void a_new_client_takes_the_place_that_is_the_least_ahead(void **state)
{
	(void)state;
	for (int i = 0; i < 100000; i++) {
		uint64_t now = any(1ULL << 50), ahead[HOMES];
		struct shunt_client_line line;
		uint32_t least = 0, at;

		for (uint32_t home = 0; home < HOMES; home++) {
			ahead[home] = any(MOST) + 1;
			put(&line, home, client_at(home, 1), now + ahead[home]);
			least = ahead[home] < ahead[least] ? home : least;
		}
		assert_true(come(&line, client_at(any(HOMES), 2), now, 0, MOST, &at));
		assert_int_equal(ahead[at], ahead[least]);
	}
}

/* Whoever is worth remembering stays, as long as somebody is not. */
static void newcomers_take_the_place_of_nobody_who_is_further_ahead_than_they(void **state)
{
	const uint64_t little = SHUNT_FORGETTABLE * INTERVAL;
	uint32_t taken[HOMES] = {0};

	(void)state;
	for (int i = 0; i < 100000; i++) {
		uint64_t now = any(1ULL << 50), ahead[HOMES];
		uint32_t meek = any(HOMES), at; /* one of them, at least */
		struct shunt_client_line line;

		for (uint32_t home = 0; home < HOMES; home++) {
			ahead[home] = home == meek || !any(2) ? any(little + 1) : little + 1 + any(MOST - little);
			put(&line, home, client_at(home, 1), now + ahead[home]);
		}
		assert_true(come(&line, client_at(any(HOMES), 2), now, INTERVAL, MOST, &at));
		assert_true(ahead[at] <= little);
		taken[at]++;
	}
	for (uint32_t at = 0; at < HOMES; at++) /* and in a flood no place is spared */
		assert_true(taken[at] > 100000 / HOMES / 2);
}

/*
 * Clients of one line, as many as have a place or many more. Half of them send when a bucket that nobody else has anything to do
 * with lets them: no such packet may be refused, wherever others have pushed theirs. The other half sends all the same: with a
 * place for each what is too much has to be refused.
 */
static void check_line(uint32_t n_clients, bool has_place)
{
	enum { MANY = 40 };
	uint64_t due[MANY] = {0}, now = any(1ULL << 50), burst = any(6) * INTERVAL;
	struct shunt_client_line line = {0};

	for (int i = 0; i < ARRIVALS; i++) {
		uint32_t who = any(n_clients), at;
		bool keeps_to_it = who % 2, passes;
		uint64_t next;

		now += any(4) ? any(INTERVAL / 4) : any(3 * INTERVAL);
		next = shunt_bucket_next(due[who] - now, INTERVAL, burst);
		if (next == UINT64_MAX && keeps_to_it)
			continue;
		passes = come(&line, client_at(who % HOMES, 1 + who / HOMES), now, INTERVAL, burst, &at);
		if (has_place || keeps_to_it)
			assert_int_equal(passes, next != UINT64_MAX);
		if (next != UINT64_MAX)
			due[who] = now + next;
	}
}

static void nobody_is_refused_who_keeps_to_the_limit_however_crowded_the_line(void **state)
{
	(void)state;
	for (int i = 0; i < WORLDS; i++) {
		check_line(HOMES, true);
		check_line(HOMES + 1 + any(36), false);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_clock_that_ticks_refuses_nobody_and_admits_a_tick_more_at_most),
		cmocka_unit_test(a_place_never_taken_goes_before_one_that_is_ahead),
		cmocka_unit_test(a_new_client_takes_the_place_that_is_the_least_ahead),
		cmocka_unit_test(newcomers_take_the_place_of_nobody_who_is_further_ahead_than_they),
		cmocka_unit_test(nobody_is_refused_who_keeps_to_the_limit_however_crowded_the_line),
	};
	const char *given = getenv("SHUNT_SEED");

	seed = given ? strtoull(given, NULL, 0) : seed;
	return cmocka_run_group_tests_name("bucket", tests, NULL, NULL);
}
