/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Packets through the loaded program, what should come out, and what they left in the maps; see fixture.h. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <arpa/inet.h>
#include <linux/if_ether.h>

#include <bpf/bpf.h>
#include <cmocka.h>

#include "datapath/internal.h" /* a test may look behind the library */
#include "fixture.h"
#include "net/address.h"

/* ---- running ---- */

int fixture_program(const struct fixture *f)
{
	return bpf_program__fd(f->datapath->skeleton->progs.xdp_shunt);
}

struct outcome fixture_run(struct fixture *f, const struct frame *in)
{
	struct xdp_md context = {.data_end = in->len, .ingress_ifindex = f->ifindex[LINK_IN]};
	struct outcome outcome = {.frame = copy(in)};
	LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = in->byte, .data_size_in = in->len,
		    .data_out = outcome.frame->byte, .data_size_out = FRAME_MAX, .ctx_in = &context,
		    .ctx_size_in = sizeof(context), .repeat = 1);
	int r = bpf_prog_test_run_opts(fixture_program(f), &run);

	if (r < 0)
		fail_msg("BPF_PROG_TEST_RUN with %u bytes: %s", in->len, strerror(-r));
	outcome.frame->len = run.data_size_out;
	outcome.verdict = run.retval;
	return outcome;
}

int fixture_run_quietly(struct fixture *f, const struct frame *in)
{
	struct xdp_md context = {.data_end = in->len, .ingress_ifindex = f->ifindex[LINK_IN]};
	LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = in->byte, .data_size_in = in->len, .ctx_in = &context,
		    .ctx_size_in = sizeof(context), .repeat = 1);
	int r = bpf_prog_test_run_opts(fixture_program(f), &run);

	if (r < 0)
		fail_msg("BPF_PROG_TEST_RUN with %u bytes: %s", in->len, strerror(-r));
	return run.retval;
}

const char *verdict_text(int verdict)
{
	static const char *const text[] = {"XDP_ABORTED", "XDP_DROP", "XDP_PASS", "XDP_TX", "XDP_REDIRECT"};

	return verdict >= 0 && (size_t)verdict < N(text) ? text[verdict] : "no XDP verdict";
}

/* ---- what should happen ---- */

static size_t transport_offset(const struct frame *frame)
{
	const uint8_t *at = frame->byte + ETHERNET_LEN;

	return ETHERNET_LEN + (at[0] >> 4 == 4 ? (at[0] & 15) * 4U : 40);
}

uint64_t hash_of(const struct fixture *f, const struct frame *in, uint32_t service_id)
{
	const struct shunt_service *service = fixture_service_by_id(f, service_id);
	const uint8_t *at = in->byte + ETHERNET_LEN, *l4 = in->byte + transport_offset(in);
	struct shunt_addr source, destination;
	uint64_t salt = shunt_service_salt(f->datapath->cfg.hash_key, &service->key);
	uint32_t ports;

	if (at[0] >> 4 == 4)
		address_from_ipv4(at + 12, &source);
	else
		address_from_ipv6(at + 8, &source);
	if (at[0] >> 4 == 4)
		address_from_ipv4(at + 16, &destination);
	else
		address_from_ipv6(at + 24, &destination);
	memcpy(&ports, l4, sizeof(ports));
	if (service->flags & SHUNT_SERVICE_SOURCE_IP)
		ports = 0;
	else if (service->key.prefix)
		salt = shunt_prefix_salt(salt, &destination);
	return shunt_flow_hash_of_class(shunt_flow_hash(f->datapath->cfg.hash_key, &source, ports, salt),
					service->flow_class);
}

uint32_t slot_of(const struct fixture *f, const struct frame *in, uint32_t service)
{
	return shunt_slot_index(shunt_fingerprint(hash_of(f, in, service)), f->options.table_size);
}

/* The index of the link a backend was published with. */
static const uint8_t *exit_mac(const struct fixture *f, const struct shunt_backend *backend)
{
	return f->datapath->direct->links[backend->next_hop.link].mac;
}

struct frame *sent(const struct fixture *f, const struct frame *in, uint32_t service_id, uint32_t backend_id)
{
	return sent_as(f, in, in, service_id, backend_id);
}

struct frame *sent_as(const struct fixture *f, const struct frame *in, const struct frame *flow, uint32_t service_id,
		      uint32_t backend_id)
{
	const struct shunt_service *service = fixture_service_by_id(f, service_id);
	const struct shunt_backend *backend = datapath_peek_backend(f->datapath, backend_id);
	struct shunt_addr source = backend->source;
	uint32_t entropy = hash_of(f, flow, service_id) >> 32, ipv4_source;
	struct frame *out = copy(in);

	if (service->forward == SHUNT_FORWARD_IPIP || service->forward == SHUNT_FORWARD_GUE) {
		memcpy(&ipv4_source, source.byte + 12, 4);
		ipv4_source |= entropy & f->options.source_entropy_ipv4;
		if (address_is_ipv4(&backend->address))
			memcpy(source.byte + 12, &ipv4_source, 4);
		out = service->forward == SHUNT_FORWARD_IPIP
			      ? tunnel(out, &source, &backend->address)
			      : gue(out, &source, &backend->address, 49152 + entropy % 16384, ntohs(service->gue_port));
		if (!address_is_ipv4(&backend->address))
			out = flow_label(out, entropy & 0xfffff);
	}
	return macs(out, backend->next_hop.mac, exit_mac(f, backend));
}

uint32_t backend_of(const struct fixture *f, const struct frame *out)
{
	uint8_t mac[MAC_LEN];

	(void)f;
	for (uint32_t id = 1; id < 256; id++) {
		backend_mac(id, mac);
		if (memcmp(out->byte, mac, MAC_LEN) == 0)
			return id;
	}
	return 0;
}

/* ---- state ---- */

struct shunt_flow_line *fixture_flows(const struct fixture *f, size_t *ret_bytes)
{
	*ret_bytes = (size_t)f->datapath->cfg.flow_lines * sizeof(struct shunt_flow_line);
	return f->datapath->flows;
}

struct shunt_flow_line *fixture_flow_line(const struct fixture *f, uint64_t hash)
{
	return &f->datapath->flows[shunt_flow_line_index(hash, f->datapath->cfg.flow_lines)];
}

struct shunt_flow flow_entry(const struct fixture *f, uint64_t hash)
{
	const struct shunt_flow_line *line = fixture_flow_line(f, hash);
	int i = shunt_flow_find(line, shunt_fingerprint(hash));

	return i < 0 ? (struct shunt_flow){0} : line->flow[i];
}

struct shunt_flow *fixture_flows_copy(const struct fixture *f)
{
	size_t bytes;
	const void *from = fixture_flows(f, &bytes);
	void *to = malloc(bytes);

	assert_non_null(to);
	return memcpy(to, from, bytes);
}

size_t fixture_flows_used(const struct fixture *f)
{
	size_t bytes, used = 0;
	const struct shunt_flow *flow = fixture_flows(f, &bytes)->flow;

	for (size_t i = 0; i < bytes / sizeof(*flow); i++)
		used += flow[i].fingerprint != 0;
	return used;
}

struct counters fixture_counters(const struct fixture *f)
{
	struct counters counters = {0};

	datapath_drop_stats(f->datapath, counters.drops);
	for (size_t i = 0; i < f->n_services; i++) {
		struct traffic stats;

		datapath_service_stats(f->datapath, f->services[i].id, 1, &stats);
		counters.service.packets += stats.packets;
		counters.service.bytes += stats.bytes;
		counters.service.new_flows += stats.new_flows;
		counters.service.answer_packets += stats.answer_packets;
		counters.service.answer_bytes += stats.answer_bytes;
	}
	for (uint32_t id = 0; id < 64; id++) {
		struct traffic stats;

		datapath_backend_stats(f->datapath, id, 1, &stats);
		counters.backend.packets += stats.packets;
		counters.backend.bytes += stats.bytes;
		counters.backend.answer_packets += stats.answer_packets;
		counters.backend.answer_bytes += stats.answer_bytes;
	}
	return counters;
}
