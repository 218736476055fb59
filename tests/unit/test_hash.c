/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What packet path and controller share, run natively: hashes spread, probing reaches all, lines replace the right flow. */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <shunt/flow_line.h>
#include <shunt/hash.h>

#define N(array) (sizeof(array) / sizeof((array)[0]))

static struct shunt_addr ipv4(uint32_t host_order)
{
	struct shunt_addr address = {{[10] = 0xff, [11] = 0xff}};
	uint32_t word = htonl(host_order);

	memcpy(address.byte + 12, &word, sizeof(word));
	return address;
}

static void keys_are_odd_differ_and_depend_on_the_seed(void **state)
{
	__u64 key[4], other[4];

	(void)state;
	shunt_hash_keys(0, key);
	shunt_hash_keys(0x5eed, other);
	for (int i = 0; i < 4; i++) {
		assert_true(key[i] & 1);
		assert_true(key[i] != other[i]);
		for (int j = 0; j < i; j++)
			assert_true(key[i] != key[j]);
	}
}

/* Hosts of one cluster must agree over versions of shunt, too: of a little-endian host; other values are another ABI (CHANGELOG says so). */
static void hashes_are_the_same_for_ever(void **state)
{
	struct shunt_addr client = ipv4(0xc6336407);
	struct shunt_service_key service = {.address = client, .port = htons(80), .protocol = 6};
	__u64 key[4];

	(void)state;
	shunt_hash_keys(0x5eed, key);
	assert_true(shunt_mix64(1) == 0xb456bcfc34c2cb2cULL);
	assert_true(shunt_flow_hash(key, &client, 0x0fa00050, 1) == 0x1cb4a901bb4f6a29ULL);
	assert_true(shunt_service_salt(key, &service) == 0x51e62949ecee9f22ULL);
}

/* Pearson's statistic against the mean of its distribution, degrees of freedom; beyond 6 deviations is no chance. */
static void assert_even(const uint32_t *counts, uint32_t n, double total)
{
	double expected = total / n, sum = 0, off;

	for (uint32_t i = 0; i < n; i++)
		sum += (counts[i] - expected) * (counts[i] - expected) / expected;
	off = sum - (n - 1);
	assert_true(off * off < 36 * 2.0 * n);
}

static void neighbouring_clients_spread_over_slots_and_lines(void **state)
{
	static uint32_t slots[1024], lines[1024];
	__u64 key[4];

	(void)state;
	shunt_hash_keys(0, key);
	for (uint32_t client = 0; client < 256; client++)
		for (uint32_t port = 0; port < 4096; port++) {
			struct shunt_addr address = ipv4(0x0a000000 + client);
			uint64_t hash =
				shunt_flow_hash(key, &address, (uint32_t)htons(80) << 16 | htons(1024 + port), 5);

			slots[shunt_slot_index(shunt_fingerprint(hash), N(slots))]++;
			lines[shunt_flow_line_index(hash, N(lines))]++;
		}
	assert_even(slots, N(slots), 256 * 4096);
	assert_even(lines, N(lines), 256 * 4096);
}

static void every_bit_of_a_flow_changes_half_of_the_hash(void **state)
{
	struct shunt_addr address = ipv4(0xc6336407);
	__u64 key[4], hash;

	(void)state;
	shunt_hash_keys(0, key);
	hash = shunt_flow_hash(key, &address, 0x0fa00050, 5);
	for (uint32_t bit = 0; bit < 128 + 32; bit++) {
		struct shunt_addr other = address;
		uint32_t ports = 0x0fa00050;

		if (bit < 128)
			other.byte[bit / 8] ^= 1 << bit % 8;
		else
			ports ^= 1U << (bit - 128);
		assert_in_range(__builtin_popcountll(hash ^ shunt_flow_hash(key, &other, ports, 5)), 12, 52);
	}
}

static void services_hash_one_flow_apart(void **state)
{
	struct shunt_addr address = ipv4(0xc6336407);
	const struct shunt_service_key one = {.address = ipv4(0xc000020a), .port = htons(80), .protocol = IPPROTO_TCP};
	struct shunt_service_key other = one;
	uint32_t same = 0;
	__u64 key[4];

	(void)state;
	shunt_hash_keys(0, key);
	other.port = htons(81);
	for (uint32_t ports = 0; ports < 100000; ports++)
		same += (shunt_flow_hash(key, &address, ports, shunt_service_salt(key, &one)) & 1023) ==
			(shunt_flow_hash(key, &address, ports, shunt_service_salt(key, &other)) & 1023);
	assert_in_range(same, 30, 200); /* by chance 98 */
}

static void no_fingerprint_is_that_of_a_free_entry(void **state)
{
	(void)state;
	assert_int_equal(shunt_fingerprint(0), 1U << 27);
	assert_int_equal(shunt_fingerprint(0xabcd00000000ULL), 1U << 27);
	assert_int_equal(shunt_slot_index(shunt_fingerprint(0xabcd00000000ULL), 65536), 0); /* its slot stays */
	assert_int_equal(shunt_fingerprint(0xabcd00000001ULL), 1);
}

static void probing_visits_every_slot_once(void **state)
{
	static const uint32_t sizes[] = {1, 2, 16, 1024, 65536};
	static uint8_t seen[65536];

	(void)state;
	for (size_t row = 0; row < N(sizes); row++)
		for (uint32_t slot = 0; slot < sizes[row]; slot += 1 + sizes[row] / 50) {
			memset(seen, 0, sizeof(seen));
			assert_int_equal(shunt_probe(slot, 0, sizes[row]), slot);
			for (uint32_t i = 0; i < sizes[row]; i++)
				seen[shunt_probe(slot, i, sizes[row])]++;
			for (uint32_t i = 0; i < sizes[row]; i++)
				assert_int_equal(seen[i], 1);
		}
}

static void some_seed_places_the_services_of_a_bucket_apart(void **state)
{
	(void)state;
	for (uint64_t bucket = 0; bucket < 200; bucket++) {
		uint64_t hashes[8];
		uint32_t seed;

		for (size_t i = 0; i < N(hashes); i++)
			hashes[i] = (shunt_mix64(bucket * 8 + i + 1) & ~(uint64_t)(SHUNT_SERVICE_BUCKETS - 1)) | bucket;
		for (seed = 0; seed < 1000; seed++) {
			bool apart = true;

			for (size_t i = 0; i < N(hashes); i++) {
				assert_int_equal(shunt_service_bucket(hashes[i]), bucket);
				assert_true(shunt_service_line(hashes[i], seed) < SHUNT_SERVICE_LINES);
				for (size_t j = 0; j < i; j++)
					apart &= shunt_service_line(hashes[i], seed) !=
						 shunt_service_line(hashes[j], seed);
			}
			if (apart)
				break;
		}
		assert_in_range(seed, 0, 10);
	}
}

static void only_mapped_addresses_are_ipv4(void **state)
{
	struct shunt_addr mapped = ipv4(0), other = ipv4(1);

	(void)state;
	assert_true(shunt_addr_is_ipv4(&mapped));
	other.byte[10] = 0;
	assert_false(shunt_addr_is_ipv4(&other));
	other = ipv4(1);
	other.byte[0] = 1;
	assert_false(shunt_addr_is_ipv4(&other));
}

/* ---- words and entries ---- */

static void a_slot_sends_packets_by_its_state(void **state)
{
	static const struct {
		uint32_t word_state, starts_flow, expected, pins;
	} rows[] = {
		{SHUNT_SLOT_SETTLED, 1, 1, 0}, {SHUNT_SLOT_SETTLED, 0, 1, 0},   {SHUNT_SLOT_MOVING, 1, 1, 1},
		{SHUNT_SLOT_MOVING, 0, 2, 1},  {SHUNT_SLOT_RESOLVING, 1, 1, 0}, {SHUNT_SLOT_RESOLVING, 0, 1, 0},
	};

	(void)state;
	for (size_t i = 0; i < N(rows); i++) {
		struct shunt_slot slot = {.now = 1, .was = 2, .state = rows[i].word_state};

		if (slot.state != SHUNT_SLOT_MOVING)
			slot.was = slot.now;
		assert_int_equal(shunt_slot_default(slot, rows[i].starts_flow), rows[i].expected);
		assert_int_equal(shunt_slot_pins(slot), rows[i].pins);
	}
}

static void words_hold_the_largest_ids(void **state)
{
	struct shunt_slot slot = {.now = SHUNT_MAX_BACKENDS - 1, .was = SHUNT_MAX_BACKENDS - 2, .state = 2};
	struct shunt_flow flow = {.fingerprint = UINT32_MAX, .backend = SHUNT_MAX_BACKENDS - 1, .seen = 32767}, back;
	uint64_t word = shunt_flow_word(flow);

	(void)state;
	assert_int_equal(slot.now, SHUNT_MAX_BACKENDS - 1);
	assert_int_equal(slot.was, SHUNT_MAX_BACKENDS - 2);
	memcpy(&back, &word, sizeof(back));
	assert_int_equal(back.backend, SHUNT_MAX_BACKENDS - 1);
	assert_int_equal(back.seen, 32767);
	assert_int_equal(back.established, 0);
	assert_int_equal(back.closing, 0);
	assert_int_equal(shunt_slot_word((struct shunt_slot){0}), 0);
}

static void ages_are_right_across_the_wrap_of_coarse_time(void **state)
{
	struct shunt_flow flow = {.seen = 32762};

	(void)state;
	assert_int_equal(shunt_flow_age(flow, 32762), 0);
	assert_int_equal(shunt_flow_age(flow, 10), 16);
	assert_int_equal(shunt_coarse_time(3ULL << SHUNT_COARSE_TIME_SHIFT), 3);
	assert_int_equal(shunt_coarse_time((32768ULL + 3) << SHUNT_COARSE_TIME_SHIFT), 3);
}

static void a_swap_fails_when_somebody_else_was_faster(void **state)
{
	struct shunt_flow_line line = {0};
	struct shunt_flow seen = {0}, mine = {.fingerprint = 1, .backend = 1},
			  theirs = {.fingerprint = 2, .backend = 2};

	(void)state;
	assert_true(shunt_flow_swap(&line.flow[0], seen, theirs));
	assert_false(shunt_flow_swap(&line.flow[0], seen, mine));
	assert_int_equal(shunt_flow_find(&line, 2), 0);
	assert_int_equal(shunt_flow_find(&line, 1), -1);
}

/* As everybody writes to a line of flows. */
static void put_flow(struct shunt_flow *at, struct shunt_flow flow)
{
	assert_true(shunt_flow_swap(at, shunt_flow_load(at), flow));
}

static struct shunt_flow entry(uint32_t fingerprint, bool established, uint16_t seen)
{
	return (struct shunt_flow){.fingerprint = fingerprint, .backend = 1, .established = established, .seen = seen};
}

static void a_syn_flood_does_not_evict_established_flows(void **state)
{
	struct shunt_flow_line line = {0};
	uint64_t random = 1;
	uint16_t now = 32500; /* wraps below */

	(void)state;
	for (uint32_t i = 0; i < 5; i++)
		put_flow(&line.flow[i], entry(i + 1, true, now));
	for (uint32_t i = 0; i < 100000; i++) {
		uint32_t fingerprint = shunt_fingerprint(shunt_flow_hash_of_class(shunt_mix64(random++), 0));
		int victim;

		now += i % 16 == 0;
		victim = shunt_flow_victim(&line, UINT16_MAX, now, fingerprint, 0);
		assert_in_range(victim, 5, 7);
		put_flow(&line.flow[victim], entry(fingerprint, false, now));
	}
	for (uint32_t i = 0; i < 5; i++)
		assert_int_equal(shunt_flow_find(&line, i + 1), i);
}

/* Of two classes, by which services share the table: who has seven of a line's eight does not take the eighth as well. */
static void a_handshake_makes_way_for_no_class_that_has_more_in_the_line(void **state)
{
	const uint32_t modest = 1U << SHUNT_FLOW_CLASS_SHIFT;
	struct shunt_flow_line line = {0};

	(void)state;
	for (uint32_t i = 0; i < SHUNT_FLOWS_PER_LINE - 1; i++)
		put_flow(&line.flow[i], entry(i + 1, true, 100));
	put_flow(&line.flow[7], entry(modest | 1, false, 100));
	assert_int_equal(shunt_flow_victim(&line, 150, 200, 9, 0), -1);
	assert_int_equal(shunt_flow_victim(&line, 150, 200, modest | 2, 0), 7);
	put_flow(&line.flow[2], entry(3, false, 100));
	assert_int_equal(shunt_flow_victim(&line, 150, 200, 9, 0), 2);
	assert_int_equal(shunt_flow_victim(&line, 150, 200, modest | 2, 0), 2); /* of whom has most */
}

static void a_line_full_of_living_established_flows_takes_no_other(void **state)
{
	struct shunt_flow_line line = {0};

	(void)state;
	for (uint32_t i = 0; i < SHUNT_FLOWS_PER_LINE; i++) {
		assert_int_equal(shunt_flow_free(&line), i);
		put_flow(&line.flow[i], entry(i + 1, true, 100 + i));
	}
	assert_int_equal(shunt_flow_free(&line), -1);
	put_flow(&line.flow[3], entry(4, true, 50));
	assert_int_equal(shunt_flow_victim(&line, 150, 200, 9, 0), -1);
	assert_int_equal(shunt_flow_victim(&line, 149, 200, 9, 0), 3); /* nobody has used it for longer than the timeout */
	put_flow(&line.flow[6], entry(7, false, 106));
	assert_int_equal(shunt_flow_victim(&line, 149, 200, 9, 0), 6); /* but rather one that is not */
	put_flow(&line.flow[7], (struct shunt_flow){0});
	assert_int_equal(shunt_flow_victim(&line, 149, 200, 9, 0), 7); /* and a free one first */
	assert_int_equal(shunt_flow_free(&line), 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys_are_odd_differ_and_depend_on_the_seed),
		cmocka_unit_test(hashes_are_the_same_for_ever),
		cmocka_unit_test(neighbouring_clients_spread_over_slots_and_lines),
		cmocka_unit_test(every_bit_of_a_flow_changes_half_of_the_hash),
		cmocka_unit_test(services_hash_one_flow_apart),
		cmocka_unit_test(no_fingerprint_is_that_of_a_free_entry),
		cmocka_unit_test(probing_visits_every_slot_once),
		cmocka_unit_test(some_seed_places_the_services_of_a_bucket_apart),
		cmocka_unit_test(only_mapped_addresses_are_ipv4),
		cmocka_unit_test(a_slot_sends_packets_by_its_state),
		cmocka_unit_test(words_hold_the_largest_ids),
		cmocka_unit_test(ages_are_right_across_the_wrap_of_coarse_time),
		cmocka_unit_test(a_swap_fails_when_somebody_else_was_faster),
		cmocka_unit_test(a_syn_flood_does_not_evict_established_flows),
		cmocka_unit_test(a_handshake_makes_way_for_no_class_that_has_more_in_the_line),
		cmocka_unit_test(a_line_full_of_living_established_flows_takes_no_other),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
