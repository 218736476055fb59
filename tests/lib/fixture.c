/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Namespaces, opening and publishing; see fixture.h. Packets and what they left behind are in fixture_run.c. */
#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <arpa/inet.h>
#include <net/if.h>
#include <sys/mount.h>

#include <cmocka.h>

#include <shunt/hash.h>

#include "fixture.h"
#include "net/address.h"

const struct datapath_options fixture_defaults = {
	.bpf_dir = FIXTURE_BPF_DIR,
	.hash_seed = 0x5eed,
	.table_size = 64,
	.flow_table_size = 1024,
	.flow_timeout_ms = 15 * 60 * 1000,
	.groups = 16,
	.listed = 1024,
	.features = SHUNT_FEATURE_ANY_PORT | SHUNT_FEATURE_GUE | SHUNT_FEATURE_MSS,
};
const uint8_t link_mac[2][MAC_LEN] = {{2, 0, 0, 0, 0, 2}, {2, 0, 0, 0, 0, 3}};

/* ---- namespaces ---- */

void shell(const char *format, ...)
{
	char command[1024];
	va_list args;

	va_start(args, format);
	vsnprintf(command, sizeof(command), format, args);
	va_end(args);
	if (system(command) != 0) { /* NOLINT: the commands are the tests' own */
		printf("failed: %s\n", command);
		exit(1);
	}
}

static void must(int r, const char *what)
{
	if (r == 0)
		return;
	fprintf(stderr, "%s: %s: %s (these tests need root)\n", program_invocation_short_name, what, strerror(errno));
	exit(1);
}

void fixture_isolate(void)
{
	must(unshare(CLONE_NEWNS | CLONE_NEWNET), "unshare");
	must(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL), "private mounts");
	must(mount("bpf", "/sys/fs/bpf", "bpf", 0, NULL), "mount bpffs");
	shell("ip link set lo up && "
	      "ip link add in0 address 02:00:00:00:00:02 type veth peer name in1 address 02:00:00:00:00:01 && "
	      "ip link add out0 address 02:00:00:00:00:03 type veth peer name out1 && "
	      "for link in in0 in1 out0 out1; do ip link set $link up; done");
}

/* ---- opening ---- */

void fixture_open(struct fixture *f, const struct datapath_options *options)
{
	int r;

	*f = (struct fixture){.options = *options, .ifindex = {if_nametoindex("in0"), if_nametoindex("out0")}};
	f->services = calloc(SHUNT_MAX_SERVICES, sizeof(*f->services));
	r = datapath_open(options, &f->datapath);
	if (r < 0)
		fail_msg("datapath_open: %s: %s", strerror(-r), datapath_error());
}

void fixture_reopen(struct fixture *f)
{
	int r;

	datapath_close(f->datapath);
	f->datapath = NULL;
	r = datapath_open(&f->options, &f->datapath);
	if (r < 0)
		fail_msg("datapath_open: %s: %s", strerror(-r), datapath_error());
}

void fixture_close(struct fixture *f)
{
	if (f->datapath)
		datapath_remove(f->datapath);
	datapath_close(f->datapath);
	free(f->services);
	*f = (struct fixture){0};
	frames_free();
}

int fixture_setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	if (!f)
		return -1;
	fixture_open(f, &fixture_defaults);
	*state = f;
	return 0;
}

int fixture_teardown(void **state)
{
	struct fixture *f = *state;

	fixture_close(f);
	free(f);
	return 0;
}

/* ---- publishing ---- */

uint32_t fixture_group(struct fixture *f, uint64_t identity)
{
	uint32_t group = 0;
	bool found;

	assert_int_equal(datapath_group(f->datapath, identity, &group, &found), 0);
	return group;
}

void backend_mac(uint32_t id, uint8_t ret_mac[MAC_LEN])
{
	const uint8_t mac[MAC_LEN] = {2, 0, 0, 1, id >> 8, id};

	memcpy(ret_mac, mac, MAC_LEN);
}

void fixture_mtu(struct fixture *f, uint32_t backend, uint16_t mtu)
{
	uint8_t mac[MAC_LEN];

	backend_mac(backend, mac);
	datapath_backend_next_hop(f->datapath, backend, f->ifindex[LINK_IN], mac, link_mac[LINK_IN], mtu);
}

uint32_t fixture_backend(struct fixture *f, const char *text, enum link link)
{
	struct shunt_addr address, source;
	uint8_t mac[MAC_LEN];
	uint64_t identity;
	uint32_t id = 0;
	bool found;

	assert_int_equal(address_parse(text, &address), 0);
	assert_int_equal(address_parse(address_is_ipv4(&address) ? "10.0.0.1" : "fd00::1", &source), 0);
	identity = shunt_mix64(shunt_addr_half(&address, 0) ^ shunt_mix64(shunt_addr_half(&address, 1)));
	assert_int_equal(datapath_backend(f->datapath, identity, &id, &found), 0);
	datapath_backend_address(f->datapath, id, &address, 0);
	datapath_backend_source(f->datapath, id, &source);
	backend_mac(id, mac);
	if (link != LINK_UNKNOWN)
		datapath_backend_next_hop(f->datapath, id, f->ifindex[link], mac, link_mac[link], 1500);
	datapath_backend_alive(f->datapath, id, true);
	return id;
}

struct shunt_service_key service_key(uint8_t protocol, const char *address)
{
	struct shunt_service_key key = {.protocol = protocol, .used = 1};
	uint16_t port;

	assert_int_equal(address_port_parse(address, &key.address, &port), 0);
	key.port = htons(port);
	return key;
}

static struct shunt_service *service_with(const struct fixture *f, const struct shunt_service_key *key)
{
	for (size_t i = 0; i < f->n_services; i++)
		if (memcmp(&f->services[i].key, key, sizeof(*key)) == 0)
			return &f->services[i];
	return NULL;
}

static void publish_services(struct fixture *f)
{
	int r = datapath_set_services(f->datapath, f->services, f->n_services);

	if (r < 0)
		fail_msg("datapath_set_services: %s: %s", strerror(-r), datapath_error());
}

static uint32_t add_service(struct fixture *f, struct shunt_service_key key, uint32_t group, enum shunt_forward forward,
			    uint32_t flags)
{
	struct shunt_service *service = service_with(f, &key);

	if (!service) {
		assert_true(f->n_services + 1 < SHUNT_MAX_SERVICES);
		service = &f->services[f->n_services++];
		service->id = f->n_services;
	}
	*service = (struct shunt_service){
		.key = key,
		.id = service->id,
		.group = group,
		.flags = flags,
		.forward = forward,
		.gue_port = htons(6080),
	};
	publish_services(f);
	return service->id;
}

uint32_t fixture_service(struct fixture *f, uint8_t protocol, const char *address, uint32_t group, enum shunt_forward forward,
			 uint32_t flags)
{
	return add_service(f, service_key(protocol, address), group, forward, flags);
}

uint32_t fixture_prefix(struct fixture *f, uint8_t protocol, const char *prefix, uint16_t port, uint32_t group,
			enum shunt_forward forward, uint32_t flags)
{
	struct shunt_service_key key = {.protocol = protocol, .used = 1, .port = htons(port)};
	uint8_t length;

	assert_int_equal(address_prefix_parse(prefix, &key.address, &length), 0);
	key.prefix = address_is_ipv4(&key.address) ? 96 + length : length;
	return add_service(f, key, group, forward, flags);
}

uint32_t fixture_nat(struct fixture *f, uint8_t protocol, const char *address, uint32_t group, uint32_t backend, uint16_t port)
{
	uint32_t id = add_service(f, service_key(protocol, address), group, SHUNT_FORWARD_NAT, 0);
	const struct shunt_service *service = fixture_service_by_id(f, id);

	assert_true(f->n_answers < N(f->answers));
	datapath_backend_port(f->datapath, backend, port);
	f->answers[f->n_answers++] = (struct shunt_answer){
		.key = {.address = datapath_peek_backend(f->datapath, backend)->address,
			.port = service->key.port && port ? htons(port) : service->key.port,
			.protocol = protocol,
			.used = 1},
		.address = service->key.address,
		.port = service->key.port,
		.service = id,
		.backend = backend,
	};
	assert_int_equal(datapath_set_answers(f->datapath, f->answers, f->n_answers), 0);
	return id;
}

void fixture_nat_mss(struct fixture *f, uint32_t service, uint16_t mss)
{
	fixture_tunnel(f, service, 6080, mss);
	for (size_t i = 0; i < f->n_answers; i++)
		if (f->answers[i].service == service)
			f->answers[i].mss = mss;
	assert_int_equal(datapath_set_answers(f->datapath, f->answers, f->n_answers), 0);
}

/* And clients of 198.51.104.0/24 by LINK_IN, but with TOS 0x10 by LINK_OUT. */
void fixture_routes(void)
{
	shell("for link in all lo in0 out0; do "
	      "echo 1 >/proc/sys/net/ipv4/conf/$link/forwarding; echo 1 >/proc/sys/net/ipv6/conf/$link/forwarding; done; "
	      "echo 0 >/proc/sys/net/ipv6/conf/in0/accept_dad; echo 0 >/proc/sys/net/ipv6/conf/out0/accept_dad");
	shell("ip -batch - <<END\n"
	      "address replace 10.0.0.1/24 dev in0\n"
	      "address replace 203.0.113.2/24 dev in0\n"
	      "address replace 203.0.114.2/24 dev out0\n"
	      "neighbour replace 203.0.113.1 lladdr 02:00:00:00:00:01 nud permanent dev in0\n"
	      "neighbour replace 203.0.114.1 lladdr 02:00:00:00:00:04 nud permanent dev out0\n"
	      "route replace 198.51.100.0/24 via 203.0.113.1\n"
	      "route replace 198.51.101.0/24 via 203.0.114.1\n"
	      "route replace 198.51.102.0/24 via 203.0.113.1 mtu lock 1400\n"
	      "route replace 198.51.103.0/24 via 203.0.113.9\n"
	      "route replace 198.51.104.0/24 via 203.0.113.1\n"
	      "route replace 198.51.104.0/24 tos 0x10 via 203.0.114.1\n"
	      "END");
	shell("ip -6 -batch - <<END\n"
	      "address replace fd00::1/64 dev in0 nodad\n"
	      "address replace fd00:1::2/64 dev in0 nodad\n"
	      "address replace fd00:2::2/64 dev out0 nodad\n"
	      "neighbour replace fd00:1::1 lladdr 02:00:00:00:00:01 nud permanent dev in0\n"
	      "neighbour replace fd00:2::1 lladdr 02:00:00:00:00:04 nud permanent dev out0\n"
	      "route replace 2001:db8:c::/64 via fd00:1::1 dev in0\n"
	      "route replace 2001:db8:d::/64 via fd00:2::1 dev out0\n"
	      "route replace 2001:db8:e::/64 via fd00:1::1 dev in0 mtu lock 1400\n"
	      "route replace 2001:db8:f::/64 via fd00:1::9 dev in0\n"
	      "END");
}

void fixture_scheduler(struct fixture *f, uint32_t id, enum shunt_scheduler scheduler)
{
	struct shunt_service *service = NULL;

	for (size_t i = 0; i < f->n_services; i++)
		if (f->services[i].id == id)
			service = &f->services[i];
	assert_non_null(service);
	service->scheduler = scheduler;
	service->flags |= SHUNT_SERVICE_TRACK_ALWAYS;
	assert_int_equal(datapath_set_services(f->datapath, f->services, f->n_services), 0);
}

void fixture_tunnel(struct fixture *f, uint32_t id, uint16_t gue_port, uint16_t mss)
{
	struct shunt_service *service = (struct shunt_service *)fixture_service_by_id(f, id);

	service->gue_port = htons(gue_port);
	service->mss = mss;
	publish_services(f);
}

void fixture_server_ids(struct fixture *f, uint32_t id, uint8_t offset, uint8_t len)
{
	struct shunt_service *service = (struct shunt_service *)fixture_service_by_id(f, id);

	service->server_id_offset = offset;
	service->server_id_len = len;
	publish_services(f);
}

void fixture_server_id(struct fixture *f, uint32_t service, const uint8_t *id, uint32_t backend)
{
	const struct datapath_server_id *present;
	size_t n = datapath_server_ids(f->datapath, &present);
	struct datapath_server_id *all = calloc(n + 1, sizeof(*all));

	assert_non_null(all);
	memcpy(all, present, n * sizeof(*all));
	all[n] = (struct datapath_server_id){
		.key = {.service = service, .len = fixture_service_by_id(f, service)->server_id_len},
		.backend = backend,
	};
	memcpy(all[n].key.byte, id, all[n].key.len);
	assert_int_equal(datapath_set_server_ids(f->datapath, all, n + 1), 0);
	free(all);
}

const struct shunt_service *fixture_service_by_id(const struct fixture *f, uint32_t id)
{
	for (size_t i = 0; i < f->n_services; i++)
		if (f->services[i].id == id)
			return &f->services[i];
	fail_msg("no service has id %u", id);
	return NULL;
}

struct shunt_slot settled(uint32_t now)
{
	return (struct shunt_slot){.now = now, .was = now, .state = SHUNT_SLOT_SETTLED};
}

struct shunt_slot moving(uint32_t now, uint32_t was)
{
	return (struct shunt_slot){.now = now, .was = was, .state = SHUNT_SLOT_MOVING};
}

struct shunt_slot resolving(uint32_t now)
{
	return (struct shunt_slot){.now = now, .was = now, .state = SHUNT_SLOT_RESOLVING};
}

static void change_slots(struct fixture *f, uint32_t group, uint32_t first, uint32_t n, struct shunt_slot word)
{
	size_t bytes = f->options.table_size * sizeof(struct shunt_slot);
	struct shunt_slot *words = malloc(bytes);

	assert_non_null(words);
	memcpy(words, datapath_table(f->datapath, group), bytes);
	for (uint32_t i = 0; i < n; i++)
		words[first + i] = word;
	datapath_publish_table(f->datapath, group, words);
	free(words);
}

void fixture_slots(struct fixture *f, uint32_t group, struct shunt_slot word)
{
	change_slots(f, group, 0, f->options.table_size, word);
}

void fixture_slot(struct fixture *f, uint32_t group, uint32_t slot, struct shunt_slot word)
{
	change_slots(f, group, slot, 1, word);
}
