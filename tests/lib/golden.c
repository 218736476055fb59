/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Reads the file of cases: lines of a word and its value, a blank line between cases.
 *   name, world, before HEX (0 to 4 of them), flow HEX, in HEX, fate WORD, reason LABEL, out HEX
 * Without `out` the frame leaves as it came. `reason` stands with a drop, and with an answer that is counted as
 * one; `flow` where the packet does not show its flow itself (struct packet_case).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <shunt/bucket.h>

#include "golden.h"
#include "net/address.h"

/* ---- worlds ---- */

static void any_port(struct world *w)
{
	uint32_t v4 = fixture_group(&w->f, 100 + w->v4), v6 = fixture_group(&w->f, 100 + w->v6);
	uint32_t out = fixture_group(&w->f, 100 + w->v4_out);

	fixture_service(&w->f, IPPROTO_TCP, "192.0.2.20:0", v4, SHUNT_FORWARD_L2, 0);
	fixture_service(&w->f, IPPROTO_TCP, "192.0.2.20:443", out, SHUNT_FORWARD_L2, 0);
	fixture_service(&w->f, IPPROTO_UDP, "[2001:db8::20]:0", v6, SHUNT_FORWARD_L2, 0);
}

static void change(struct world *w, uint32_t backend, struct shunt_slot word)
{
	fixture_slots(&w->f, fixture_group(&w->f, 100 + backend), word);
}

static void all_moving(struct world *w)
{
	change(w, w->v4, moving(w->v4_out, w->v4));
	change(w, w->v6, moving(w->v6_out, w->v6));
}

static void all_resolving(struct world *w)
{
	change(w, w->v4, resolving(w->v4_out));
	change(w, w->v6, resolving(w->v6_out));
}

/* The instant before the slots are rewritten: every second slot still names a backend that is down. */
static void one_down(struct world *w)
{
	for (uint32_t slot = 1; slot < w->f.options.table_size; slot += 2) {
		fixture_slot(&w->f, fixture_group(&w->f, 100 + w->v4), slot, settled(w->v4_out));
		fixture_slot(&w->f, fixture_group(&w->f, 100 + w->v6), slot, settled(w->v6_out));
	}
	datapath_backend_alive(w->f.datapath, w->v4, false);
	datapath_backend_alive(w->f.datapath, w->v6, false);
}

/* Its program has the code of features that the others do not load. Nothing of world_setup() stays but its features. */
static void reopen_with(struct world *w, uint32_t features)
{
	struct datapath_options options = w->f.options;

	options.features |= features;
	fixture_close(&w->f);
	fixture_open(&w->f, &options);
}

static uint32_t group_to(struct world *w, uint64_t identity, const char *address, enum link link)
{
	uint32_t group = fixture_group(&w->f, identity);

	fixture_slots(&w->f, group, settled(fixture_backend(&w->f, address, link)));
	return group;
}

static void prefixes(struct world *w)
{
	uint32_t v4, v6, v4_out, v6_out;

	reopen_with(w, SHUNT_FEATURE_PREFIXES);
	v4 = group_to(w, 1, "10.0.1.11", LINK_IN);
	v6 = group_to(w, 2, "fd00::1:12", LINK_IN);
	v4_out = group_to(w, 3, "10.0.1.13", LINK_OUT);
	v6_out = group_to(w, 4, "fd00::1:14", LINK_OUT);
	fixture_prefix(&w->f, IPPROTO_TCP, "192.0.2.0/24", 80, v4, SHUNT_FORWARD_L2, 0);
	fixture_prefix(&w->f, IPPROTO_TCP, "192.0.2.128/25", 80, v4_out, SHUNT_FORWARD_L2, 0);
	fixture_prefix(&w->f, IPPROTO_UDP, "2001:db8:1::/64", 0, v6, SHUNT_FORWARD_L2, 0);
	fixture_service(&w->f, IPPROTO_UDP, "[2001:db8:1::5]:53", v6_out, SHUNT_FORWARD_L2, 0);
}

static void refusing(struct world *w)
{
	uint32_t nobody;

	reopen_with(w, SHUNT_FEATURE_REJECT);
	nobody = fixture_group(&w->f, 1);
	fixture_service(&w->f, IPPROTO_TCP, VIP("90"), nobody, SHUNT_FORWARD_L2, SHUNT_SERVICE_REJECT);
	fixture_service(&w->f, IPPROTO_UDP, VIP("90"), nobody, SHUNT_FORWARD_L2, SHUNT_SERVICE_REJECT);
	fixture_service(&w->f, IPPROTO_TCP, VIP6("90"), nobody, SHUNT_FORWARD_IPIP, SHUNT_SERVICE_REJECT);
	fixture_service(&w->f, IPPROTO_UDP, VIP6("90"), nobody, SHUNT_FORWARD_IPIP, SHUNT_SERVICE_REJECT);
}

/* Their numbers are those of the backends of world_setup(). */
static void quic(struct world *w)
{
	uint32_t service[2], backend[5], group[2];

	reopen_with(w, SHUNT_FEATURE_QUIC);
	backend[1] = fixture_backend(&w->f, "10.0.1.11", LINK_IN);
	backend[2] = fixture_backend(&w->f, "fd00::1:12", LINK_IN);
	backend[3] = fixture_backend(&w->f, "10.0.1.13", LINK_OUT);
	backend[4] = fixture_backend(&w->f, "fd00::1:14", LINK_OUT);
	for (uint32_t i = 0; i < 2; i++) {
		group[i] = fixture_group(&w->f, 1 + i);
		fixture_slots(&w->f, group[i], settled(backend[1 + i]));
		service[i] = fixture_service(&w->f, IPPROTO_UDP, i ? VIP6("443") : VIP("443"), group[i], SHUNT_FORWARD_L2,
					     SHUNT_SERVICE_QUIC);
		fixture_service(&w->f, IPPROTO_UDP, i ? VIP6("80") : VIP("80"), group[i], SHUNT_FORWARD_L2, 0);
		fixture_server_ids(&w->f, service[i], 1, 2);
		fixture_server_id(&w->f, service[i], (const uint8_t[]){0x0a, 1}, backend[3 + i]);
		fixture_server_id(&w->f, service[i], (const uint8_t[]){0x0a, 2}, fixture_backend(&w->f, "10.0.1.99", LINK_IN));
	}
	datapath_backend_alive(w->f.datapath, fixture_backend(&w->f, "10.0.1.99", LINK_IN), false);
}

static void translating(struct world *w)
{
	static const struct {
		const char *address, *service;
		uint8_t protocol;
		uint16_t port;
		enum link link;
	} all[] = {
		{"10.0.1.11", VIP("80"), IPPROTO_TCP, 8080, LINK_IN},
		{"fd00::1:12", VIP6("80"), IPPROTO_TCP, 8080, LINK_IN},
		{"10.0.1.13", VIP("83"), IPPROTO_TCP, 0, LINK_OUT},
		{"fd00::1:14", VIP6("83"), IPPROTO_UDP, 0, LINK_OUT},
		/* Every port is the client's, whatever port the backend has. */
		{"10.0.1.15", "192.0.2.20:0", IPPROTO_TCP, 8080, LINK_IN},
		{"fd00::1:16", "[2001:db8::20]:0", IPPROTO_UDP, 8080, LINK_IN},
		{"10.0.1.11", VIP("53"), IPPROTO_UDP, 8080, LINK_IN},
		{"fd00::1:12", VIP6("53"), IPPROTO_UDP, 8080, LINK_IN},
	};

	reopen_with(w, SHUNT_FEATURE_NAT);
	fixture_routes();
	for (size_t i = 0; i < N(all); i++) {
		uint32_t backend = fixture_backend(&w->f, all[i].address, all[i].link);
		uint32_t group = fixture_group(&w->f, 100 + backend);

		fixture_slots(&w->f, group, settled(backend));
		fixture_nat(&w->f, all[i].protocol, all[i].service, group, backend, all[i].port);
	}
}

/* TCP over IPv4 with segments of 1,000 bytes at most, over IPv6 with what fits the way to the backend. */
static void translating_limited(struct world *w)
{
	translating(w);
	for (size_t i = 0; i < w->f.n_services; i++) {
		const struct shunt_service *service = &w->f.services[i];

		if (service->key.protocol == IPPROTO_TCP && service->key.port == htons(80))
			fixture_nat_mss(&w->f, service->id, address_is_ipv4(&service->key.address) ? 1000 : SHUNT_MSS_AUTO);
	}
}

static struct shunt_list_key listed(const char *prefix, uint32_t service)
{
	struct shunt_addr address;
	uint8_t length;

	assert_int_equal(address_prefix_parse(prefix, &address, &length), 0);
	return datapath_prefix_key(&address, length, service);
}

/* Of either family: a service that denies, one that allows, and two of one new flow a minute, in all and of each client. */
static void guarded(struct world *w)
{
	const uint64_t minute_ns = 60000000000ULL;
	static const char *const banned[] = {"203.0.113.0/24", "2001:db8:bad::/48"};
	static const char *const near[] = {"198.51.100.0/24", "2001:db8:c::/64"}, *const client[] = {"198.51.100.7/32", "2001:db8:c::7/128"};
	struct shunt_limit of_all = {.interval_ns = minute_ns}, of_each = {.client_interval = minute_ns >> SHUNT_DUE_SHIFT};
	struct shunt_list_key deny[6], allow[2];

	w->f.options.client_table_size = 1024;
	reopen_with(w, SHUNT_FEATURE_DENY | SHUNT_FEATURE_ALLOW | SHUNT_FEATURE_LIMIT);
	memset(of_each.client_mask, 255, sizeof(of_each.client_mask));
	for (size_t i = 0; i < 2; i++) {
		uint32_t group = group_to(w, 1 + i, i ? "fd00::1:12" : "10.0.1.11", LINK_IN), service[5];

		service[0] = fixture_service(&w->f, IPPROTO_TCP, i ? VIP6("90") : VIP("90"), group, SHUNT_FORWARD_L2, SHUNT_SERVICE_DENY);
		service[1] = fixture_service(&w->f, IPPROTO_UDP, i ? VIP6("90") : VIP("90"), group, SHUNT_FORWARD_L2, SHUNT_SERVICE_DENY);
		service[2] = fixture_service(&w->f, IPPROTO_TCP, i ? VIP6("91") : VIP("91"), group, SHUNT_FORWARD_L2, SHUNT_SERVICE_ALLOW);
		service[3] = fixture_service(&w->f, IPPROTO_TCP, i ? VIP6("92") : VIP("92"), group, SHUNT_FORWARD_L2, SHUNT_SERVICE_LIMIT);
		service[4] = fixture_service(&w->f, IPPROTO_TCP, i ? VIP6("93") : VIP("93"), group, SHUNT_FORWARD_L2, SHUNT_SERVICE_LIMIT);
		deny[3 * i] = listed(banned[i], 0);
		deny[3 * i + 1] = listed(near[i], service[0]);
		deny[3 * i + 2] = listed(near[i], service[1]);
		allow[i] = listed(client[i], service[2]);
		datapath_set_limit(w->f.datapath, service[3], &of_all);
		if (i)
			of_each.client_mask[1] = 0; /* a /64 */
		datapath_set_limit(w->f.datapath, service[4], &of_each);
	}
	assert_int_equal(datapath_set_prefixes(w->f.datapath, DATAPATH_DENY, deny, N(deny), false), 0);
	assert_int_equal(datapath_set_prefixes(w->f.datapath, DATAPATH_ALLOW, allow, N(allow), false), 0);
}

static const struct {
	const char *name;
	void (*make)(struct world *w);
} worlds[] = {
	{"settled", NULL},
	{"any port", any_port},
	{"moving", all_moving},
	{"resolving", all_resolving},
	{"one down", one_down},
	{"reject", refusing},
	{"prefixes", prefixes},
	{"quic", quic},
	{"nat", translating},
	{"nat, mss", translating_limited},
	{"guarded", guarded},
};

const char *golden_world_name(size_t i)
{
	return i < N(worlds) ? worlds[i].name : NULL;
}

void golden_world(struct world *w, const char *name)
{
	for (size_t i = 0; i < N(worlds); i++)
		if (strcmp(worlds[i].name, name) == 0) {
			if (worlds[i].make)
				worlds[i].make(w);
			return;
		}
	fail_msg("no world is called %s", name);
}

/* ---- words ---- */

static const struct {
	const char *word;
	int verdict;
	bool answered;
} fates[] = {
	{"pass", XDP_PASS, false}, {"drop", XDP_DROP, false},	      {"answer", XDP_TX, true},
	{"answer-out", XDP_REDIRECT, true},
	{"tx", XDP_TX, false},	   {"redirect", XDP_REDIRECT, false},
};

static bool read_fate(const char *word, struct packet_case *c)
{
	for (size_t i = 0; i < N(fates); i++)
		if (strcmp(fates[i].word, word) == 0) {
			c->verdict = fates[i].verdict;
			c->answered = fates[i].answered;
			return true;
		}
	return false;
}

static bool read_reason(const char *label, struct packet_case *c)
{
#define X(suffix, known, text)                                                                                         \
	if (strcmp(known, label) == 0)                                                                                 \
		c->reason = SHUNT_DROP_##suffix;
	SHUNT_DROP_REASONS(X)
#undef X
	return c->reason != SHUNT_DROP_NONE;
}

static int digit(char c)
{
	return c >= 'a' ? c - 'a' + 10 : c - '0';
}

static struct frame *read_frame(const char *hex)
{
	size_t len = strlen(hex) / 2;
	struct frame *frame;

	if (len > FRAME_MAX || strlen(hex) % 2 || strspn(hex, "0123456789abcdef") != 2 * len)
		return NULL;
	frame = calloc(1, sizeof(*frame)); /* not of the pool, which ends with each world */
	assert_non_null(frame);
	for (size_t i = 0; i < len; i++)
		frame->byte[i] = digit(hex[2 * i]) << 4 | digit(hex[2 * i + 1]);
	frame->len = len;
	return frame;
}

static bool read_line(struct golden_case *c, const char *word, const char *value)
{
	struct frame **frame = NULL;

	if (strcmp(word, "world") == 0)
		return (c->world = strdup(value));
	if (strcmp(word, "fate") == 0)
		return read_fate(value, &c->packet);
	if (strcmp(word, "reason") == 0)
		return read_reason(value, &c->packet);
	if (strcmp(word, "in") == 0)
		frame = &c->packet.in;
	else if (strcmp(word, "flow") == 0)
		frame = (struct frame **)&c->packet.flow;
	else if (strcmp(word, "out") == 0)
		frame = &c->packet.out;
	else if (strcmp(word, "before") == 0 && c->n_before < GOLDEN_BEFORE_MAX)
		frame = &c->before[c->n_before++];
	return frame && (*frame = read_frame(value));
}

static struct golden_case *new_case(struct golden *golden, const char *name)
{
	struct golden_case *c;

	golden->cases = realloc(golden->cases, (golden->n + 1) * sizeof(*c));
	assert_non_null(golden->cases);
	c = &golden->cases[golden->n++];
	*c = (struct golden_case){.packet.sentence = strdup(name)};
	assert_non_null(c->packet.sentence);
	return c;
}

struct golden golden_read(void)
{
	static char line[2 * FRAME_MAX + 32];
	FILE *file = fopen(GOLDEN_CASES, "re");
	struct golden golden = {0};
	int number = 0;

	if (!file)
		fail_msg("%s: cannot be read; tests are started in the top folder", GOLDEN_CASES);
	while (fgets(line, sizeof(line), file)) {
		char *value;

		number++;
		line[strcspn(line, "\n")] = '\0';
		if (!line[0] || line[0] == '#')
			continue;
		value = strchr(line, ' ');
		if (value)
			*value++ = '\0';
		if (value && strcmp(line, "name") == 0)
			new_case(&golden, value);
		else if (!value || !golden.n || !read_line(&golden.cases[golden.n - 1], line, value))
			fail_msg("%s:%d: not understood: %s", GOLDEN_CASES, number, line);
	}
	fclose(file);
	for (size_t i = 0; i < golden.n; i++)
		assert_true(golden.cases[i].world && golden.cases[i].packet.in);
	return golden;
}

void golden_free(struct golden *golden)
{
	for (size_t i = 0; i < golden->n; i++) {
		struct golden_case *c = &golden->cases[i];

		for (size_t n = 0; n < c->n_before; n++)
			free(c->before[n]);
		free(c->packet.in);
		free(c->packet.out);
		free((struct frame *)c->packet.flow);
		free(c->world);
		free((char *)c->packet.sentence);
	}
	free(golden->cases);
	*golden = (struct golden){0};
}
