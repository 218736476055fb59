/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Thousands of services in an array of lines: every one is found, and stays found while others come, change and go. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <pthread.h>
#include <arpa/inet.h>
#include <linux/bpf.h>
#include <netinet/in.h>

#include <cmocka.h>

#include <shunt/hash.h>

#include "../lib/fixture.h"
#include "datapath/internal.h"
#include "net/address.h"

enum { MANY = 4096, STEPS = 12 };

static uint64_t seed;

static uint64_t next_random(void)
{
	return shunt_mix64(seed += 0x9e3779b97f4a7c15ULL);
}

static struct shunt_service random_service(uint32_t id)
{
	uint64_t r = next_random();
	struct shunt_service service = {.id = id, .key = {.protocol = r & 1 ? IPPROTO_TCP : IPPROTO_UDP, .used = 1}};
	uint8_t *byte = service.key.address.byte;

	if (r & 2) {
		memcpy(byte, "\x20\x01\x0d\xb8", 4);
		memcpy(byte + 12, (uint8_t[]){r >> 8, r >> 16, r >> 24, r >> 32}, 4);
	} else {
		memcpy(byte + 10, (uint8_t[]){0xff, 0xff, 198, 18 + (r >> 8 & 1), r >> 16, r >> 24}, 6);
	}
	service.key.port = htons(r >> 40 & 0xffff ?: 80);
	service.forward = SHUNT_FORWARD_L2;
	return service;
}

static struct frame *packet_for(const struct shunt_service *service)
{
	char address[ADDRESS_TEXT_MAX];
	const char *client = address_is_ipv4(&service->key.address) ? "198.51.100.7:4000" : "[2001:db8:c::7]:4000";

	address_port_format(&service->key.address, ntohs(service->key.port), address);
	return service->key.protocol == IPPROTO_TCP ? tcp(client, address, SYN) : udp(client, address);
}

static void must_be_found(struct fixture *f, const struct shunt_service *services, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (fixture_run_quietly(f, packet_for(&services[i])) != XDP_TX)
			fail_msg("service %zu of %zu is not found", i, n);
	frames_free();
}

static void set(struct fixture *f, const struct shunt_service *services, size_t n)
{
	int r = datapath_set_services(f->datapath, services, n);

	if (r < 0)
		fail_msg("%zu services: %s: %s", n, strerror(-r), datapath_error());
}

/* A group whose every slot goes to one backend. */
static void publish_group(struct fixture *f)
{
	uint32_t backend = fixture_backend(f, "10.0.1.1", LINK_IN);

	fixture_slots(f, fixture_group(f, 1), settled(backend));
}

static struct shunt_service *random_services(size_t n)
{
	struct shunt_service *services = calloc(n, sizeof(*services));

	assert_non_null(services);
	for (size_t i = 0; i < n; i++)
		services[i] = random_service(i + 1);
	return services;
}

static void every_one_of_4096_services_is_found_and_counted_as_itself(void **state)
{
	struct fixture *f = *state;
	struct shunt_service *services;

	publish_group(f);
	services = random_services(MANY);
	set(f, services, MANY);
	must_be_found(f, services, MANY);
	for (uint32_t i = 0; i < MANY; i++) {
		struct traffic stats;

		datapath_service_stats(f->datapath, i + 1, 1, &stats);
		assert_int_equal(stats.packets, 1);
		assert_int_equal(datapath_service_id(f->datapath, &services[i].key), i + 1);
	}
	free(services);
}

static void the_most_services_there_can_be_are_placed_and_all_changed_at_once(void **state)
{
	struct fixture *f = *state;
	const size_t most = SHUNT_MAX_SERVICES - 1;
	struct shunt_service *services;

	publish_group(f);
	services = random_services(most);
	set(f, services, most);
	must_be_found(f, services, most);
	for (size_t i = 0; i < most; i++)
		services[i].flags = SHUNT_SERVICE_SOURCE_IP;
	set(f, services, most);
	must_be_found(f, services, most);
	free(services);
}

static void services_come_change_and_go_and_the_others_stay_found(void **state)
{
	struct fixture *f = *state;
	struct shunt_service *services, gone[100];
	size_t n = 1000;

	publish_group(f);
	services = random_services(MANY);
	for (int step = 0; step < STEPS; step++) {
		for (size_t i = 0; i < N(gone); i++) { /* a hundred go, others move into their place */
			size_t at = next_random() % n;

			gone[i] = services[at];
			services[at] = services[--n];
		}
		for (size_t i = 0; i < 150; i++, n++)
			services[n] = random_service(n + 1);
		for (size_t i = 0; i < 50; i++)
			services[next_random() % n].flags ^= SHUNT_SERVICE_TRACK_NEVER;
		set(f, services, n);
		must_be_found(f, services, n);
		for (size_t i = 0; i < N(gone); i++) {
			assert_int_equal(fixture_run_quietly(f, packet_for(&gone[i])), XDP_PASS);
			assert_int_equal(datapath_service_id(f->datapath, &gone[i].key), 0);
		}
		frames_free();
	}
	set(f, NULL, 0);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(fixture_run_quietly(f, packet_for(&services[i])), XDP_PASS);
	free(services);
}

/* What a bucket says of the group is a guess, which follows the service and is never believed. */
static void a_wrong_guess_of_the_group_changes_nothing(void **state)
{
	struct fixture *f = *state;
	const struct shunt_service_key key = service_key(IPPROTO_TCP, "192.0.2.10:80");
	const struct lines *lines = &f->datapath->services;
	const struct shunt_key_bucket *bucket = &lines->buckets[shunt_service_bucket(lines_hash(lines, &key))];
	const uint16_t groups[2] = {fixture_group(f, 1), fixture_group(f, 2)}, wrong[] = {groups[0], 77, 0xffff};
	const uint32_t backends[2] = {fixture_backend(f, "10.0.1.1", LINK_IN), fixture_backend(f, "10.0.1.2", LINK_IN)};
	const struct frame *in = tcp("198.51.100.7:4000", "192.0.2.10:80", ACK);

	for (size_t i = 0; i < N(groups); i++)
		fixture_slots(f, groups[i], settled(backends[i]));
	fixture_service(f, IPPROTO_TCP, "192.0.2.10:80", groups[1], SHUNT_FORWARD_L2, 0);
	assert_int_equal(bucket->hint, groups[1]);
	for (size_t i = 0; i < N(wrong); i++) {
		lines->buckets[bucket - lines->buckets].hint = wrong[i];
		assert_int_equal(backend_of(f, fixture_run(f, in).frame), backends[1]);
	}
	fixture_service(f, IPPROTO_TCP, "192.0.2.10:80", groups[0], SHUNT_FORWARD_L2, 0);
	assert_int_equal(bucket->hint, groups[0]);
	assert_int_equal(backend_of(f, fixture_run(f, in).frame), backends[0]);
}

static void services_stand_close_together(void **state)
{
	struct fixture *f = *state;
	const struct lines *lines = &f->datapath->services;
	struct shunt_service *services = random_services(MANY / 16);
	size_t near = 0;

	publish_group(f);
	set(f, services, MANY / 16);
	for (size_t i = 0; i < MANY / 16; i++)
		near += (const uint8_t *)lines_find(lines, &services[i].key) < lines->start + (size_t)MANY / 8 * LINE_BYTES;
	print_message("  %zu of %d in the first %d of %u lines\n", near, MANY / 16, MANY / 8, lines->n_lines);
	assert_in_range(near, MANY / 16 * 9 / 10, MANY / 16);
	free(services);
}

/* ---- while packets come ---- */

enum { STAYING = 256 };

struct sender {
	struct fixture *f;
	struct frame *packets[STAYING];
	atomic_bool stop;
	uint64_t sent, lost;
};

static void *send_all_the_time(void *argument)
{
	struct sender *sender = argument;

	while (!sender->stop)
		for (size_t i = 0; i < STAYING; i++, sender->sent++)
			sender->lost += fixture_run_quietly(sender->f, sender->packets[i]) != XDP_TX;
	return NULL;
}

static void no_packet_misses_its_service_while_others_change(void **state)
{
	struct fixture *f = *state;
	struct sender sender = {.f = f};
	struct shunt_service *services;
	pthread_t thread;

	publish_group(f);
	services = random_services(MANY);
	set(f, services, MANY);
	for (size_t i = 0; i < STAYING; i++)
		sender.packets[i] = packet_for(&services[i]);
	assert_int_equal(pthread_create(&thread, NULL, send_all_the_time, &sender), 0);
	for (int change = 0; change < 300; change++) {
		for (size_t i = 0; i < 200; i++) { /* of the others; and a new flag for one that stays */
			size_t at = STAYING + next_random() % (MANY - STAYING);

			services[at] = random_service(at + 1);
		}
		services[next_random() % STAYING].flags ^= SHUNT_SERVICE_TRACK_NEVER;
		set(f, services, MANY);
	}
	sender.stop = true;
	pthread_join(thread, NULL);
	print_message("  %lu packets during 300 changes, %lu lost\n", sender.sent, sender.lost);
	assert_true(sender.sent > 1000);
	assert_int_equal(sender.lost, 0);
	free(services);
}

static void an_address_answers_echo_while_it_has_a_service(void **state)
{
	struct fixture *f = *state;
	struct frame *request = echo("198.51.100.7", "192.0.2.10", true);
	struct shunt_service two[2] = {{.key = service_key(IPPROTO_TCP, "192.0.2.10:80"), .id = 1},
				       {.key = service_key(IPPROTO_UDP, "192.0.2.10:53"), .id = 2}};

	assert_int_equal(fixture_run_quietly(f, request), XDP_PASS);
	set(f, two, 2);
	assert_int_equal(fixture_run_quietly(f, request), XDP_TX);
	set(f, two, 1);
	assert_int_equal(fixture_run_quietly(f, request), XDP_TX);
	set(f, NULL, 0);
	assert_int_equal(fixture_run_quietly(f, request), XDP_PASS);
}

int main(void)
{
#define test(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		test(every_one_of_4096_services_is_found_and_counted_as_itself),
		test(the_most_services_there_can_be_are_placed_and_all_changed_at_once),
		test(services_come_change_and_go_and_the_others_stay_found),
		test(a_wrong_guess_of_the_group_changes_nothing),
		test(services_stand_close_together),
		test(no_packet_misses_its_service_while_others_change),
		test(an_address_answers_echo_while_it_has_a_service),
	};

	fixture_isolate();
	return cmocka_run_group_tests_name("services", tests, NULL, NULL);
}
