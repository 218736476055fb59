/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Both families, both ways: what is an address, with a port, with a prefix, and how it is written back. */
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "net/address.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void an_address_reads_and_prints_back(void **state)
{
	static const struct {
		const char *text, *printed; /* NULL: refused */
	} rows[] = {
		{"192.0.2.10", "192.0.2.10"},
		{"0.0.0.0", "0.0.0.0"},
		{"2001:db8:0:0::1", "2001:db8::1"},
		{"::", "::"},
		{"::ffff:192.0.2.10", "192.0.2.10"},
		{"", NULL},
		{"192.0.2", NULL},
		{"192.0.2.256", NULL},
		{"192.0.2.10 ", NULL},
		{"192.0.2.10:80", NULL},
		{"192.0.2.0/24", NULL},
		{"fe80::1%eth0", NULL},
		{"[::1]", NULL},
		{"localhost", NULL},
	};
	char buffer[ADDRESS_TEXT_MAX];
	struct shunt_addr address;

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		assert_int_equal(address_parse(rows[i].text, &address), rows[i].printed ? 0 : -EINVAL);
		if (rows[i].printed)
			assert_string_equal(address_format(&address, buffer), rows[i].printed);
	}
}

static void an_address_with_a_port_reads_and_prints_back(void **state)
{
	static const struct {
		const char *text, *printed;
		uint16_t port;
	} rows[] = {
		{"127.0.0.1:8080", "127.0.0.1:8080", 8080},
		{"[::1]:65535", "[::1]:65535", 65535},
		{"[2001:db8:0::7]:0", "[2001:db8::7]:0", 0},
		{"", NULL, 0},
		{":80", NULL, 0},
		{"[]:80", NULL, 0},
		{"[:80", NULL, 0},
		{"[::1:80", NULL, 0},
		{"::1:80", NULL, 0},
		{"[127.0.0.1]:80", NULL, 0},
		{"127.0.0.1", NULL, 0},
		{"127.0.0.1:", NULL, 0},
		{"127.0.0.1:65536", NULL, 0},
		{"127.0.0.1:0x50", NULL, 0},
		{"127.0.0.1:+80", NULL, 0},
		{"[::1]:80 ", NULL, 0},
		{"[0000000000000000000000000000000000000000000000000000000000000000000001]:80", NULL, 0},
	};
	char buffer[ADDRESS_TEXT_MAX];
	struct shunt_addr address;
	uint16_t port;

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		assert_int_equal(address_port_parse(rows[i].text, &address, &port), rows[i].printed ? 0 : -EINVAL);
		if (!rows[i].printed)
			continue;
		assert_int_equal(port, rows[i].port);
		assert_string_equal(address_port_format(&address, port, buffer), rows[i].printed);
	}
}

static void a_prefix_has_the_length_of_its_family(void **state)
{
	static const struct {
		const char *text, *printed;
		uint8_t length;
	} rows[] = {
		{"10.0.0.0/24", "10.0.0.0", 24},
		{"10.0.0.1", "10.0.0.1", 32},
		{"0.0.0.0/0", "0.0.0.0", 0},
		{"2001:db8::/32", "2001:db8::", 32},
		{"2001:db8::1", "2001:db8::1", 128},
		{"10.0.0.0/33", NULL, 0},
		{"10.0.0.0/", NULL, 0},
		{"10.0.0.0/ 8", NULL, 0},
		{"10.0.0.0/24/24", NULL, 0},
		{"::/129", NULL, 0},
		{"/8", NULL, 0},
	};
	char buffer[ADDRESS_TEXT_MAX];
	struct shunt_addr address;
	uint8_t length;

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		assert_int_equal(address_prefix_parse(rows[i].text, &address, &length), rows[i].printed ? 0 : -EINVAL);
		if (!rows[i].printed)
			continue;
		assert_int_equal(length, rows[i].length);
		assert_string_equal(address_format(&address, buffer), rows[i].printed);
	}
}

static void a_refused_text_writes_nothing(void **state)
{
	struct shunt_addr address, before;
	uint16_t port = 7;
	uint8_t length = 7;

	(void)state;
	memset(&address, 0xaa, sizeof(address));
	before = address;
	assert_int_equal(address_parse("nothing", &address), -EINVAL);
	assert_int_equal(address_port_parse("127.0.0.1:99999", &address, &port), -EINVAL);
	assert_int_equal(address_prefix_parse("127.0.0.1/99", &address, &length), -EINVAL);
	assert_memory_equal(&address, &before, sizeof(address));
	assert_int_equal(port, 7);
	assert_int_equal(length, 7);
}

static void unicast_is_not_unspecified_multicast_or_broadcast(void **state)
{
	static const struct {
		const char *text;
		bool unicast;
	} rows[] = {
		{"192.0.2.1", true},   {"127.0.0.1", true}, {"223.255.255.255", true}, {"240.0.0.1", true},
		{"2001:db8::1", true}, {"::1", true},       {"0.0.0.0", false},        {"255.255.255.255", false},
		{"224.0.0.1", false},  {"239.1.1.1", false}, {"::", false},            {"ff02::1", false},
	};
	struct shunt_addr address;

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		assert_int_equal(address_parse(rows[i].text, &address), 0);
		assert_int_equal(address_is_unicast(&address), rows[i].unicast);
	}
}

static void only_all_zero_bytes_are_not_given(void **state)
{
	struct shunt_addr address = {};

	(void)state;
	assert_true(address_is_zero(&address));
	assert_int_equal(address_parse("0.0.0.0", &address), 0);
	assert_false(address_is_zero(&address)); /* mapped: the IPv4 "any" address is a given one */
	assert_true(address_is_ipv4(&address));
}

static void socket_addresses_have_the_family_of_the_address(void **state)
{
	struct sockaddr_storage storage;
	struct shunt_addr address;

	(void)state;
	assert_int_equal(address_parse("192.0.2.10", &address), 0);
	assert_int_equal(address_to_sockaddr(&address, 80, &storage), sizeof(struct sockaddr_in));
	assert_int_equal(storage.ss_family, AF_INET);
	assert_int_equal(((struct sockaddr_in *)&storage)->sin_port, htons(80));
	assert_int_equal(((struct sockaddr_in *)&storage)->sin_addr.s_addr, htonl(0xc000020a));

	assert_int_equal(address_parse("2001:db8::1", &address), 0);
	assert_int_equal(address_to_sockaddr(&address, 443, &storage), sizeof(struct sockaddr_in6));
	assert_int_equal(storage.ss_family, AF_INET6);
	assert_int_equal(((struct sockaddr_in6 *)&storage)->sin6_port, htons(443));
	assert_memory_equal(&((struct sockaddr_in6 *)&storage)->sin6_addr, address.byte, 16);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_address_reads_and_prints_back),
		cmocka_unit_test(an_address_with_a_port_reads_and_prints_back),
		cmocka_unit_test(a_prefix_has_the_length_of_its_family),
		cmocka_unit_test(a_refused_text_writes_nothing),
		cmocka_unit_test(unicast_is_not_unspecified_multicast_or_broadcast),
		cmocka_unit_test(only_all_zero_bytes_are_not_given),
		cmocka_unit_test(socket_addresses_have_the_family_of_the_address),
	};

	return cmocka_run_group_tests_name("address", tests, NULL, NULL);
}
