/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a name stands for: a name server of this process, with a zone of its own, is asked by the real resolver. */
#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "net/address.h"
#include "net/resolver.h"

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))
#define MESSAGE_BYTES 512
#define DEADLINE_MS 20000

/* ---- the zone ---- */

static const struct record {
	const char *name;
	uint16_t type;
	uint32_t ttl_s;
	const char *data; /* an address, or a name */
	uint16_t priority, weight, port;
} zone[] = {
	{"both.example", ns_t_a, 60, "10.0.0.2", 0, 0, 0},
	{"both.example", ns_t_a, 60, "10.0.0.1", 0, 0, 0},
	{"both.example", ns_t_aaaa, 30, "fd00::1", 0, 0, 0},
	{"six.example", ns_t_aaaa, 90, "fd00::6", 0, 0, 0},
	{"alias.example", ns_t_cname, 300, "next.example", 0, 0, 0},
	{"next.example", ns_t_cname, 7, "far.example", 0, 0, 0},
	{"far.example", ns_t_a, 3600, "10.0.0.9", 0, 0, 0},
	{"far.example", ns_t_aaaa, 3600, "fd00::9", 0, 0, 0},
	{"at-once.example", ns_t_a, 0, "10.0.0.3", 0, 0, 0},
	{"text.example", ns_t_txt, 60, NULL, 0, 0, 0},
	{"half.example", ns_t_a, 60, "10.0.0.4", 0, 0, 0},
	{"_db._tcp.example", ns_t_srv, 11, "both.example", 20, 3, 5432},
	{"_db._tcp.example", ns_t_srv, 11, "alias.example", 10, 1, 5433},
	{"_long._tcp.example", ns_t_srv, 600, "alias.example", 10, 1, 1},
	{"_short._tcp.example", ns_t_srv, 11, "six.example", 10, 1, 1},
	{"_twice._tcp.example", ns_t_srv, 60, "whole.example", 20, 1, 80},
	{"_twice._tcp.example", ns_t_srv, 60, "whole.example", 10, 2, 80},
	{"whole.example", ns_t_a, 60, "10.0.0.5", 0, 0, 0},
	{"_none._tcp.example", ns_t_srv, 60, "", 0, 0, 0},
	{"_gone._tcp.example", ns_t_srv, 60, "both.example", 10, 1, 80},
	{"_gone._tcp.example", ns_t_srv, 60, "nobody.example", 10, 1, 80},
};

/* A service of more addresses than are taken: so many targets of so many each. */
#define MANY_TARGETS 14
#define MANY_EACH 22

/* A server that has lost one half of a name. */
static bool fails(const char *name, uint16_t type)
{
	return strcmp(name, "half.example") == 0 && type == ns_t_aaaa;
}

static bool is_known(const char *name)
{
	for (size_t i = 0; i < COUNT(zone); i++)
		if (strcmp(zone[i].name, name) == 0)
			return true;
	return strstr(name, ".m") || strcmp(name, "_m._tcp") == 0;
}

/* ---- the name server ---- */

struct message {
	uint8_t byte[MESSAGE_BYTES];
	size_t length;
};

static void put(struct message *message, uint64_t value, int bytes)
{
	assert_true(message->length + bytes <= MESSAGE_BYTES);
	while (bytes--)
		message->byte[message->length++] = value >> bytes * 8;
}

static void put_name(struct message *message, const char *name)
{
	while (*name) {
		size_t length = strcspn(name, ".");

		put(message, length, 1);
		for (size_t i = 0; i < length; i++)
			put(message, (uint8_t)name[i], 1);
		name += length + (name[length] == '.');
	}
	put(message, 0, 1);
}

static void put_data(struct message *message, const struct record *record)
{
	uint8_t address[16];

	if (record->type == ns_t_a || record->type == ns_t_aaaa) {
		assert_int_equal(inet_pton(record->type == ns_t_a ? AF_INET : AF_INET6, record->data, address), 1);
		for (int i = 0; i < (record->type == ns_t_a ? 4 : 16); i++)
			put(message, address[i], 1);
		return;
	}
	if (record->type == ns_t_srv) {
		put(message, record->priority, 2);
		put(message, record->weight, 2);
		put(message, record->port, 2);
	}
	put_name(message, record->data);
}

static void put_record(struct message *message, const struct record *record)
{
	size_t length_at, begin;

	put_name(message, record->name);
	put(message, record->type, 2);
	put(message, ns_c_in, 2);
	put(message, record->ttl_s, 4);
	length_at = message->length;
	put(message, 0, 2);
	begin = message->length;
	put_data(message, record);
	message->byte[length_at] = (message->length - begin) >> 8;
	message->byte[length_at + 1] = message->length - begin;
}

static size_t put_many(struct message *message, const char *name, uint16_t type)
{
	unsigned int target;
	size_t n = 0;
	char data[32];

	for (; strcmp(name, "_m._tcp") == 0 && type == ns_t_srv && n < MANY_TARGETS; n++) {
		snprintf(data, sizeof(data), "t%zu.m", n);
		put_record(message, &(struct record){name, ns_t_srv, 60, data, 10, 1, 80});
	}
	for (; *name == 't' && sscanf(name, "t%u.m", &target) == 1 && type == ns_t_a && n < MANY_EACH; n++) {
		snprintf(data, sizeof(data), "10.1.%u.%zu", target, n);
		put_record(message, &(struct record){name, ns_t_a, 60, data, 0, 0, 0});
	}
	return n;
}

/* The name of the question as text; returns what follows it. */
static const uint8_t *take_name(const uint8_t *at, char *ret_name)
{
	char *name = ret_name;

	for (; *at; at += *at + 1)
		name += sprintf(name, "%s%.*s", name == ret_name ? "" : ".", *at, (const char *)at + 1);
	*name = '\0';
	return at + 1;
}

static struct message answer_to(const uint8_t *question)
{
	struct message answer = {.length = 0};
	char asked[256];
	const char *name = asked;
	const uint8_t *at = take_name(question + NS_HFIXEDSZ, asked);
	uint16_t type = at[0] << 8 | at[1], records = 0;

	put(&answer, question[0] << 8 | question[1], 2);
	put(&answer, 0x8180 | (fails(name, type) ? ns_r_servfail : is_known(name) ? ns_r_noerror : ns_r_nxdomain), 2);
	put(&answer, 1, 2);
	put(&answer, 0, 6);
	put_name(&answer, name);
	put(&answer, type, 2);
	put(&answer, ns_c_in, 2);
	records = put_many(&answer, name, type);
	for (size_t i = 0; i < COUNT(zone) && !fails(asked, type); i++) {
		if (strcmp(zone[i].name, name) != 0 || (zone[i].type != type && zone[i].type != ns_t_cname))
			continue;
		put_record(&answer, &zone[i]);
		records++;
		if (zone[i].type == ns_t_cname)
			name = zone[i].data; /* stands further down in the zone */
	}
	answer.byte[7] = records;
	return answer;
}

static int on_question(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	uint8_t question[MESSAGE_BYTES];
	struct sockaddr_storage from;
	socklen_t length = sizeof(from);
	struct message answer;

	(void)source, (void)revents, (void)userdata;
	if (recvfrom(fd, question, sizeof(question), 0, (struct sockaddr *)&from, &length) < NS_HFIXEDSZ)
		return 0;
	answer = answer_to(question);
	assert_int_equal(sendto(fd, answer.byte, answer.length, 0, (struct sockaddr *)&from, length), answer.length);
	return 0;
}

/* ---- the resolver ---- */

struct world {
	sd_event *event;
	sd_event_source *source;
	struct resolver *resolver;
	int fd;
	char text[512]; /* of the last resolution */
	size_t n, beyond;
	bool resolved;
};

static int setup(void **state)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct world *world = calloc(1, sizeof(*world));
	socklen_t length = sizeof(at);
	char server[32];

	assert_true(sd_event_new(&world->event) >= 0);
	world->fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	assert_return_code(bind(world->fd, (struct sockaddr *)&at, sizeof(at)), errno);
	assert_return_code(getsockname(world->fd, (struct sockaddr *)&at, &length), errno);
	assert_true(sd_event_add_io(world->event, &world->source, world->fd, EPOLLIN, on_question, NULL) >= 0);
	snprintf(server, sizeof(server), "127.0.0.1:%u", ntohs(at.sin_port));
	assert_int_equal(resolver_open(world->event, server, &world->resolver), 0);
	*state = world;
	return 0;
}

static int teardown(void **state)
{
	struct world *world = *state;

	resolver_close(world->resolver);
	sd_event_source_disable_unref(world->source);
	close(world->fd);
	sd_event_unref(world->event);
	free(world);
	return 0;
}

/* "ADDRESS[:PORT/PRIORITY/WEIGHT] … ttl N", or what the error is. */
static void on_resolution(void *userdata, const struct resolution *resolution)
{
	struct world *world = userdata;
	size_t used = 0;
	char address[ADDRESS_TEXT_MAX];

	world->resolved = true;
	world->n = resolution->n;
	world->beyond = resolution->beyond;
	if (resolution->n > 8) /* too many for a sentence */
		return;
	if (resolution->error) {
		snprintf(world->text, sizeof(world->text), "%s", resolution->error);
		return;
	}
	for (size_t i = 0; i < resolution->n; i++) {
		const struct resolved *resolved = &resolution->list[i];

		used += snprintf(world->text + used, sizeof(world->text) - used, "%s",
				 address_format(&resolved->address, address));
		if (resolved->port)
			used += snprintf(world->text + used, sizeof(world->text) - used, ":%u/%u/%u", resolved->port,
					 resolved->priority, resolved->weight);
		used += snprintf(world->text + used, sizeof(world->text) - used, " ");
	}
	snprintf(world->text + used, sizeof(world->text) - used, "ttl %u", resolution->ttl_s);
}

static const char *look_up(struct world *world, const char *name, bool srv)
{
	uint64_t deadline_ms = clock_monotonic_ms() + DEADLINE_MS;
	struct lookup *lookup;

	world->resolved = false;
	assert_int_equal(resolver_lookup(world->resolver, name, srv, on_resolution, world, &lookup), 0);
	while (!world->resolved) {
		assert_true(clock_monotonic_ms() < deadline_ms);
		assert_return_code(sd_event_run(world->event, 100000), 0);
	}
	return world->text;
}

static void names_stand_for_addresses_for_as_long_as_all_their_records_say(void **state)
{
	static const struct {
		const char *sentence, *name;
		bool srv;
		const char *expected;
	} rows[] = {
		{"A and AAAA, each in its order", "both.example", false, "10.0.0.1 10.0.0.2 fd00::1 ttl 30"},
		{"AAAA alone", "six.example", false, "fd00::6 ttl 90"},
		{"through CNAMEs, until the first of them ends", "alias.example", false, "10.0.0.9 fd00::9 ttl 7"},
		{"a TTL of nothing is said as it is", "at-once.example", false, "10.0.0.3 ttl 0"},
		{"a name that is not there", "nobody.example", false, "no such name"},
		{"a name without addresses", "text.example", false, "the name has no such records"},
		{"half an answer is none", "half.example", false, "no name server answers, or all refuse to"},
		{"SRV: ports, priorities, weights and the targets' addresses", "_db._tcp.example", true,
		 "10.0.0.1:5432/20/3 10.0.0.2:5432/20/3 10.0.0.9:5433/10/1 fd00::1:5432/20/3 fd00::9:5433/10/1 ttl 7"},
		{"SRV: a target behind CNAMEs ends with them", "_long._tcp.example", true,
		 "10.0.0.9:1/10/1 fd00::9:1/10/1 ttl 7"},
		{"SRV: the records themselves end before the addresses", "_short._tcp.example", true,
		 "fd00::6:1/10/1 ttl 11"},
		{"SRV: a target that is listed twice counts as it is preferred", "_twice._tcp.example", true,
		 "10.0.0.5:80/10/2 ttl 60"},
		{"SRV: \".\" says that there is no such service (RFC 2782)", "_none._tcp.example", true,
		 "the name has no such records"},
		{"SRV: half of the targets is no answer", "_gone._tcp.example", true, "no such name"},
		{"SRV: a name without", "both.example", true, "the name has no such records"},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		print_message("  %s\n", rows[i].sentence);
		assert_string_equal(look_up(*state, rows[i].name, rows[i].srv), rows[i].expected);
	}
}

static void of_more_addresses_than_are_taken_it_is_said_how_many(void **state)
{
	struct world *world = *state;

	look_up(world, "_m._tcp", true);
	assert_int_equal(world->n, RESOLVED_MAX);
	assert_int_equal(world->beyond, MANY_TARGETS * MANY_EACH - RESOLVED_MAX);
	look_up(world, "both.example", false);
	assert_int_equal(world->beyond, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(names_stand_for_addresses_for_as_long_as_all_their_records_say, setup,
						teardown),
		cmocka_unit_test_setup_teardown(of_more_addresses_than_are_taken_it_is_said_how_many, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
