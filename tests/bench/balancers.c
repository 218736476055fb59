/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The balancers that are measured: which features each has, and what is in its maps. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <arpa/inet.h>

#include <cmocka.h>

#include <shunt/bucket.h>
#include <shunt/hash.h>

#include "bench.h"
#include "net/address.h"

/* Room for twice the flows that are measured, as one would give it. */
enum { FLOW_TABLE = 1 << 21, ROOMY_FLOW_TABLE = 1 << 23, CLIENT_TABLE = 1 << 16 };

enum group { SETTLED_4, SETTLED_6, MOVING_4, MOVING_6, OF_TWO, OF_MANY, GROUPS };

static const struct {
	const char *address;
	enum group group;
	enum shunt_forward forward;
	uint32_t flags;
} services[SERVICES] = {
	[L2_4] = {"192.0.2.10:80", SETTLED_4, SHUNT_FORWARD_L2, 0},
	[L2_6] = {"[2001:db8::10]:80", SETTLED_6, SHUNT_FORWARD_L2, 0},
	[IPIP_4IN4] = {"192.0.2.10:81", SETTLED_4, SHUNT_FORWARD_IPIP, 0},
	[IPIP_6IN6] = {"[2001:db8::10]:81", SETTLED_6, SHUNT_FORWARD_IPIP, 0},
	[IPIP_4IN6] = {"192.0.2.10:82", SETTLED_6, SHUNT_FORWARD_IPIP, 0},
	[IPIP_6IN4] = {"[2001:db8::10]:82", SETTLED_4, SHUNT_FORWARD_IPIP, 0},
	[GUE_4IN4] = {"192.0.2.10:83", SETTLED_4, SHUNT_FORWARD_GUE, 0},
	[GUE_6IN6] = {"[2001:db8::10]:83", SETTLED_6, SHUNT_FORWARD_GUE, 0},
	[NAT_4] = {"192.0.2.10:84", SETTLED_4, SHUNT_FORWARD_NAT, 0},
	[NAT_6] = {"[2001:db8::10]:84", SETTLED_6, SHUNT_FORWARD_NAT, 0},
	[MOVING_4IN4] = {"192.0.2.10:85", MOVING_4, SHUNT_FORWARD_IPIP, 0},
	[MOVING_6IN6] = {"[2001:db8::10]:85", MOVING_6, SHUNT_FORWARD_IPIP, 0},
	[ALWAYS_4IN4] = {"192.0.2.10:86", SETTLED_4, SHUNT_FORWARD_IPIP, SHUNT_SERVICE_TRACK_ALWAYS},
};

uint32_t service_number(enum service service)
{
	return service + 1;
}

const char *service_address(enum service service)
{
	if (service == TWO_BACKENDS)
		return "192.0.2.10:87";
	if (service == MANY_BACKENDS)
		return "192.0.2.10:88";
	return service == MANY_SERVICES ? "203.0.112.0:80" : services[service].address;
}

uint32_t service_outer_len(enum service service)
{
	enum shunt_forward forward = service < SERVICES ? services[service].forward : SHUNT_FORWARD_IPIP;
	bool to_ipv6 = service < SERVICES && (services[service].group == SETTLED_6 || services[service].group == MOVING_6);
	uint32_t ip_len = to_ipv6 ? 40 : 20, udp_and_gue_len = 12;

	if (forward != SHUNT_FORWARD_IPIP && forward != SHUNT_FORWARD_GUE)
		return 0;
	return ip_len + (forward == SHUNT_FORWARD_GUE ? udp_and_gue_len : 0);
}

/* ---- groups and backends ---- */

/* Slots at random over backends with ids one after the other, all in one state. */
static void fill_group(struct fixture *f, enum group group, uint32_t first, uint32_t n, enum shunt_slot_state state)
{
	static struct shunt_slot words[SLOTS];

	for (uint32_t slot = 0; slot < SLOTS; slot++) {
		uint64_t r = shunt_mix64(slot + 1);

		words[slot].now = first + (uint32_t)r % n;
		words[slot].was = state == SHUNT_SLOT_SETTLED ? words[slot].now : first + (r >> 32) % n;
		words[slot].state = state;
	}
	datapath_publish_table(f->datapath, fixture_group(f, group + 1), words);
}

/* Returns the first one's id; the others follow it. */
static uint32_t make_backends(struct fixture *f, bool ipv4, uint32_t network, uint32_t n)
{
	uint32_t first = 0;

	for (uint32_t i = 1; i <= n; i++) {
		char address[64];
		uint32_t id;

		if (ipv4)
			snprintf(address, sizeof(address), "10.%u.%u.%u", network, i >> 8, i & 255);
		else
			snprintf(address, sizeof(address), "fd00:%x::%x", network, i);
		id = fixture_backend(f, address, LINK_IN);
		first = first ?: id;
	}
	return first;
}

static void fill_groups(struct fixture *f)
{
	uint32_t first4 = make_backends(f, true, 1, N_BACKENDS), first6 = make_backends(f, false, 1, N_BACKENDS);

	fill_group(f, SETTLED_4, first4, N_BACKENDS, SHUNT_SLOT_SETTLED);
	fill_group(f, SETTLED_6, first6, N_BACKENDS, SHUNT_SLOT_SETTLED);
	fill_group(f, MOVING_4, first4, N_BACKENDS, SHUNT_SLOT_MOVING);
	fill_group(f, MOVING_6, first6, N_BACKENDS, SHUNT_SLOT_MOVING);
}

/* ---- what single balancers have ---- */

static void append_service(struct fixture *f, struct shunt_service_key key, enum group group)
{
	struct shunt_service *service = &f->services[f->n_services++];

	*service = (struct shunt_service){
		.key = key,
		.id = f->n_services,
		.group = fixture_group(f, group + 1),
		.forward = SHUNT_FORWARD_IPIP,
	};
}

static void fill_large(struct fixture *f)
{
	struct shunt_service_key key = service_key(IPPROTO_TCP, service_address(MANY_SERVICES));
	uint32_t first = make_backends(f, true, 2, N_MANY_BACKENDS), address;

	fill_group(f, OF_TWO, first, 2, SHUNT_SLOT_SETTLED);
	fill_group(f, OF_MANY, first, N_MANY_BACKENDS, SHUNT_SLOT_SETTLED);
	append_service(f, service_key(IPPROTO_TCP, service_address(TWO_BACKENDS)), OF_TWO);
	append_service(f, service_key(IPPROTO_TCP, service_address(MANY_BACKENDS)), OF_MANY);
	memcpy(&address, key.address.byte + 12, sizeof(address));
	for (uint32_t i = 0; i < N_MANY_SERVICES; i++) {
		uint32_t at = htonl(ntohl(address) + i);

		memcpy(key.address.byte + 12, &at, sizeof(at));
		append_service(f, key, SETTLED_4);
	}
	assert_int_equal(datapath_set_services(f->datapath, f->services, f->n_services), 0);
}

static struct shunt_list_key listed(const char *text)
{
	struct shunt_addr address;
	uint8_t bits;

	assert_int_equal(address_prefix_parse(text, &address, &bits), 0);
	return datapath_prefix_key(&address, bits, 0);
}

/* The i-th of prefixes at random. No client of the measurements is in any: those are of 198.0.0.0/8 and 2001:db8::/32. */
static struct shunt_list_key elsewhere(uint32_t i)
{
	uint64_t r = shunt_mix64(i + 1);
	char text[64];

	if (r >> 61 == 0)
		snprintf(text, sizeof(text), "2400:%x:%x::/48", (unsigned int)(r & 0xffff), (unsigned int)(r >> 16 & 0xffff));
	else
		snprintf(text, sizeof(text), "%u.%u.%u.%u/%u", (unsigned int)(r & 127) + 1, (unsigned int)(r >> 8 & 255),
			 (unsigned int)(r >> 16 & 255), (unsigned int)(r >> 24 & 255), r >> 62 == 3 ? 32U : 24U);
	return listed(text);
}

static void fill_list(struct fixture *f, enum datapath_list list, struct shunt_list_key (*of)(uint32_t i), size_t n)
{
	struct shunt_list_key *keys = calloc(n, sizeof(*keys));

	assert_non_null(keys);
	for (size_t i = 0; i < n; i++)
		keys[i] = of(i);
	assert_int_equal(datapath_set_prefixes(f->datapath, list, keys, n, false), 0);
	free(keys);
}

/* Denied clients are of 203.0.113.0/24. */
static struct shunt_list_key denied(uint32_t i)
{
	return i == 0 ? listed("203.0.113.0/24") : elsewhere(i);
}

/* Every /24 of 198.0.0.0/8, and others. */
static struct shunt_list_key allowed(uint32_t i)
{
	char text[64];

	if (i >> 16)
		return elsewhere(i);
	snprintf(text, sizeof(text), "198.%u.%u.0/24", i >> 8, i & 255);
	return listed(text);
}

static struct shunt_list_key allowed_alone(uint32_t i)
{
	(void)i;
	return listed("198.0.0.0/8");
}

/* What comes from the port of a backend is an answer of the service. */
static void fill_nat(struct fixture *f)
{
	const struct shunt_service *service = fixture_service_by_id(f, service_number(NAT_4));
	struct shunt_answer answer = {
		.key = {.port = service->key.port, .protocol = IPPROTO_TCP, .used = 1},
		.address = service->key.address,
		.port = service->key.port,
		.service = service->id,
		.backend = 1,
	};

	fixture_routes();
	answer.key.address = datapath_peek_backend(f->datapath, answer.backend)->address;
	assert_int_equal(datapath_set_answers(f->datapath, &answer, 1), 0);
}

static void fill_deny(struct fixture *f)
{
	fill_list(f, DATAPATH_DENY, denied, N_LISTED);
}

static void fill_allow(struct fixture *f)
{
	fill_list(f, DATAPATH_ALLOW, allowed, N_LISTED);
}

static void fill_short_allow(struct fixture *f)
{
	fill_list(f, DATAPATH_ALLOW, allowed_alone, 1);
}

/* Limits that nobody reaches, of service and client. */
static const struct shunt_limit ample = {
	.interval_ns = 1,
	.burst_ns = 1000000000,
	.client_interval = 1,
	.client_burst = 60ULL * 1000000000 >> SHUNT_DUE_SHIFT,
	.client_mask = {UINT64_MAX, UINT64_MAX},
	.client_most = 3600ULL * 1000000000 >> SHUNT_DUE_SHIFT,
};

static void set_limits(struct fixture *f, const struct shunt_limit *limit)
{
	for (size_t i = 0; i < SERVICES; i++)
		datapath_set_limit(f->datapath, service_number(i), limit);
}

static void fill_service_limit(struct fixture *f)
{
	struct shunt_limit limit = ample;

	limit.client_interval = 0;
	set_limits(f, &limit);
}

static void fill_client_limit(struct fixture *f)
{
	struct shunt_limit limit = ample;

	limit.interval_ns = 0;
	set_limits(f, &limit);
}

/* Of one service nearly everything is over them. */
static void fill_limits(struct fixture *f)
{
	struct shunt_limit scarce = ample;

	set_limits(f, &ample);
	scarce.client_interval = 3600ULL * 1000000000 >> SHUNT_DUE_SHIFT;
	scarce.client_burst = 0;
	datapath_set_limit(f->datapath, service_number(L2_4), &scarce);
}

/* A thousand prefixes, a quarter of the clients, have a group of their own; they go where all go. */
static void fill_clients(struct fixture *f)
{
	enum { N = 1024 };
	struct datapath_client *clients = calloc(N, sizeof(*clients));

	assert_non_null(clients);
	for (uint32_t i = 0; i < N; i++) {
		char text[64];

		snprintf(text, sizeof(text), "198.%u.%u.0/20", i >> 2, (i & 3) << 6);
		clients[i].key = listed(text);
		clients[i].key.service = service_number(IPIP_4IN4);
		clients[i].placement.group = fixture_group(f, SETTLED_4 + 1);
	}
	qsort(clients, N, sizeof(*clients), datapath_client_order);
	assert_int_equal(datapath_set_clients(f->datapath, clients, N, false), 0);
	free(clients);
}

/* ---- all of them ---- */

static const struct {
	const char *name;
	uint32_t features, service_flags, flow_table_size;
	void (*fill)(struct fixture *f);
} kinds[BALANCERS] = {
	[PLAIN] = {"plain", 0, 0, FLOW_TABLE, NULL},
	[ROOMY] = {"roomy", 0, 0, ROOMY_FLOW_TABLE, NULL},
	[LARGE] = {"large", 0, 0, FLOW_TABLE, fill_large},
	[WITH_GUE] = {"gue", SHUNT_FEATURE_GUE, 0, FLOW_TABLE, NULL},
	[WITH_NAT] = {"nat", SHUNT_FEATURE_NAT, 0, FLOW_TABLE, fill_nat},
	[WITH_DENY] = {"deny", SHUNT_FEATURE_DENY, 0, FLOW_TABLE, fill_deny},
	[WITH_ALLOW] = {"allow", SHUNT_FEATURE_ALLOW_ALL, 0, FLOW_TABLE, fill_allow},
	[WITH_SHORT_ALLOW] = {"short-allow", SHUNT_FEATURE_ALLOW_ALL, 0, FLOW_TABLE, fill_short_allow},
	[WITH_SERVICE_LIMIT] = {"service-limit", SHUNT_FEATURE_LIMIT, SHUNT_SERVICE_LIMIT, FLOW_TABLE, fill_service_limit},
	[WITH_CLIENT_LIMIT] = {"client-limit", SHUNT_FEATURE_LIMIT, SHUNT_SERVICE_LIMIT, FLOW_TABLE, fill_client_limit},
	[WITH_LIMITS] = {"limits", SHUNT_FEATURE_LIMIT, SHUNT_SERVICE_LIMIT, FLOW_TABLE, fill_limits},
	[WITH_CLIENTS] = {"clients", SHUNT_FEATURE_CLIENTS, SHUNT_SERVICE_CLIENTS, FLOW_TABLE, fill_clients},
};

static void balancer_open(struct fixture *f, enum balancer_id id)
{
	static char bpf_dir[BALANCERS][64];
	struct datapath_options options = fixture_defaults;

	snprintf(bpf_dir[id], sizeof(bpf_dir[id]), "/sys/fs/bpf/bench-%s", kinds[id].name);
	options.bpf_dir = bpf_dir[id];
	options.table_size = SLOTS;
	options.flow_table_size = kinds[id].flow_table_size;
	options.client_table_size = CLIENT_TABLE;
	options.listed = id == WITH_ALLOW ? N_LISTED : 1024;
	options.features = kinds[id].features;
	fixture_open(f, &options);
	fill_groups(f);
	for (size_t i = 0; i < SERVICES; i++)
		fixture_service(f, IPPROTO_TCP, services[i].address, fixture_group(f, services[i].group + 1),
				services[i].forward, services[i].flags | kinds[id].service_flags);
	if (kinds[id].fill)
		kinds[id].fill(f);
}

void balancers_open(struct fixture list[BALANCERS])
{
	for (int id = 0; id < BALANCERS; id++)
		balancer_open(&list[id], id);
}

void balancers_close(struct fixture list[BALANCERS])
{
	for (int id = 0; id < BALANCERS; id++)
		fixture_close(&list[id]);
}
