/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * `via: service`: which ways an endpoint's check goes, told to the prober and to the programs that send it there. What is
 * wrong with a way is for the prober to find out (probe/via.c).
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "datapath/paths.h"
#include "net/address.h"
#include "shuntd/controller.h"

#define OUTER_IPV4 20
#define OUTER_IPV6 40
#define OUTER_GUE 12 /* UDP and GUE */

/* What the sockets are connected to when service and backend are of different families: any address that needs a route. */
#define STAND_IN_IPV4 {.byte = {[10] = 0xff, [11] = 0xff, 192, 0, 0, 8}} /* the dummy address of RFC 7600 section 4.8 */
#define STAND_IN_IPV6 {.byte = {[0] = 0x01}}                             /* of the discard prefix, RFC 6666 */

static const struct shunt_addr stand_ins[] = {STAND_IN_IPV4, STAND_IN_IPV6};

#define N_STAND_INS (sizeof(stand_ins) / sizeof(stand_ins[0]))

struct via_paths {
	uint32_t key;                      /* of the first one; the others follow */
	size_t n;
	struct probe_path asked[SHUNT_PROBE_PATHS];
	struct shunt_probe_path sent[SHUNT_PROBE_PATHS];
};

_Static_assert(CONFIG_VIA_ADDRESSES_MAX <= SHUNT_PROBE_PATHS, "each has a mark");

/* ---- the programs ---- */

static bool wants_via(const struct config *config)
{
	for (size_t i = 0; i < config->n_groups; i++)
		if (config->groups[i].check.via_service)
			return true;
	return false;
}

static int attach_configured(struct paths *paths, const struct config *config)
{
	int r = 0;

	for (size_t i = 0; i < config->n_interfaces && r == 0; i++) {
		int ifindex = if_nametoindex(config->interfaces[i].name);

		r = ifindex ? paths_attach(paths, ifindex) : 0; /* one that is not there is told when xdp_shunt is attached */
	}
	return r;
}

static void attach_to(struct controller *c, int ifindex)
{
	if (c->paths && ifindex && paths_attach(c->paths, ifindex) < 0)
		log_error("%s", datapath_error());
}

/* Interfaces that probes leave by and answers come by, besides those in the configuration. */
static void attach_next_hops(struct controller *c)
{
	for (size_t i = 0; i < N_STAND_INS; i++) {
		const struct next_hop *hop = next_hops_get(c->next_hops, &stand_ins[i]);

		if (hop)
			attach_to(c, hop->ifindex);
	}
	for (size_t i = 0; i < c->n_endpoints; i++)
		if (c->endpoints[i]->via)
			attach_to(c, c->endpoints[i]->backend->next_hop.ifindex);
}

int via_open(struct controller *c, const struct config *config, bool other, char **ret_error)
{
	bool had = c->paths != NULL;
	int r = 0;

	if (!c->config && !had)
		paths_sweep(c->options.bpf_dir);
	if (!wants_via(config))
		return 0;
	if (!had || other)
		r = paths_open(c->datapath, c->paths, &c->paths);
	if (r == 0)
		r = attach_configured(c->paths, config);
	if (r < 0) {
		*ret_error = strdup(datapath_error());
		if (!had)
			via_close(c);
		return r;
	}
	for (size_t i = 0; !had && i < N_STAND_INS; i++)
		if (next_hops_watch(c->next_hops, &stand_ins[i]) < 0)
			log_error("via: service: the way of probes to another address family cannot be followed");
	attach_next_hops(c);
	return 0;
}

void via_follow(struct controller *c)
{
	if (!c->paths || wants_via(c->config))
		return;
	for (size_t i = 0; i < N_STAND_INS; i++)
		next_hops_unwatch(c->next_hops, &stand_ins[i]);
	via_close(c);
}

void via_close(struct controller *c)
{
	paths_close(c->paths);
	c->paths = NULL;
}

/* ---- the size of the largest packet ---- */

static uint16_t interface_mtu(int fd, const char *name)
{
	struct ifreq request = {0};

	memcpy(request.ifr_name, name, strnlen(name, sizeof(request.ifr_name) - 1));
	return ioctl(fd, SIOCGIFMTU, &request) < 0 || request.ifr_mtu <= 0 ? 0 :
	       request.ifr_mtu > UINT16_MAX			      ? UINT16_MAX :
									request.ifr_mtu;
}

/* That clients can send here; 0: not known. */
static uint16_t largest_received(const struct config *config)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	uint16_t largest = 0;

	for (size_t i = 0; fd >= 0 && i < config->n_interfaces; i++) {
		uint16_t mtu = interface_mtu(fd, config->interfaces[i].name);

		largest = mtu > largest ? mtu : largest;
	}
	if (fd >= 0)
		close(fd);
	return largest;
}

static uint16_t outer_bytes(const struct shunt_probe_path *path, const struct backend *backend)
{
	uint16_t ip = address_is_ipv4(&backend->address) ? OUTER_IPV4 : OUTER_IPV6;

	if (path->service.forward == SHUNT_FORWARD_GUE)
		return ip + OUTER_GUE;
	return path->service.forward == SHUNT_FORWARD_IPIP ? ip : 0;
}

/* Writes what is known of the endpoint's ways by now. */
static void measure(struct controller *c, struct endpoint *endpoint, const struct config *config)
{
	struct via_paths *via = endpoint->via;
	uint16_t received = largest_received(config), mtu = endpoint->backend->next_hop.mtu;

	for (size_t i = 0; i < via->n; i++) {
		struct shunt_probe_path *path = &via->sent[i];
		uint16_t outer = outer_bytes(path, endpoint->backend);

		path->largest = !mtu || mtu <= outer ? 0 : mtu - outer < received ? mtu - outer : received;
		via->asked[i].packet_bytes = path->largest ? path->largest + outer : 0;
		if (c->paths && paths_set(c->paths, via->key + i, path) < 0)
			log_error("backend %s: via: service: %s", endpoint->backend->name, strerror(errno));
	}
	probe_update_paths(endpoint->probe, via->asked);
}

/* ---- ways ---- */

static struct shunt_addr peer_of(const struct config_service *service, const struct backend *backend)
{
	bool ipv4 = address_is_ipv4(&service->address);

	return ipv4 == address_is_ipv4(&backend->address) ? backend->address : stand_ins[!ipv4];
}

static void describe_path(const struct controller *c, const struct endpoint *endpoint, const struct config_service *service,
			  uint32_t key, struct shunt_probe_path *ret_sent, struct probe_path *ret_asked)
{
	const struct shunt_service_key service_key = service_key_of(service);
	bool tunnelled = service->forward == SHUNT_FORWARD_IPIP || service->forward == SHUNT_FORWARD_GUE;
	struct shunt_addr peer = peer_of(service, endpoint->backend);
	bool same_family = address_equal(&peer, &endpoint->backend->address);

	*ret_sent = (struct shunt_probe_path){
		.service = {
			.key = service_key,
			.flags = service->hash == HASH_SOURCE_IP ? SHUNT_SERVICE_SOURCE_IP : 0,
			.forward = service->forward,
			.gue_port = htons(service->gue_port),
		},
		.peer = peer,
		.backend = endpoint->id,
	};
	*ret_asked = (struct probe_path){
		.service = service->address,
		.peer = peer,
		.mark = paths_mark(c->paths, key, SHUNT_PROBE_SERVICE),
		.padded_mark = paths_mark(c->paths, key, SHUNT_PROBE_PADDED),
		.tunnel_mark = tunnelled && same_family ? paths_mark(c->paths, key, SHUNT_PROBE_TUNNEL) : 0,
		.tunnelled = tunnelled,
	};
	snprintf(ret_asked->mode, sizeof(ret_asked->mode), "%s", config_forward_text(service->forward));
}

static bool same_paths(const struct via_paths *a, const struct via_paths *b)
{
	if (!a || !b || a->key != b->key || a->n != b->n)
		return a == b;
	for (size_t i = 0; i < a->n; i++)
		if (!address_equal(&a->asked[i].service, &b->asked[i].service) || a->asked[i].mark != b->asked[i].mark ||
		    a->asked[i].tunnel_mark != b->asked[i].tunnel_mark || strcmp(a->asked[i].mode, b->asked[i].mode) != 0)
			return false;
	return true;
}

void via_forget(struct controller *c, struct endpoint *endpoint)
{
	for (size_t i = 0; c->paths && endpoint->via && i < endpoint->via->n; i++)
		paths_set(c->paths, endpoint->via->key + i, NULL);
	free(endpoint->via);
	endpoint->via = NULL;
}

bool via_match(struct controller *c, struct endpoint *endpoint, const struct config *config, size_t group)
{
	size_t services[CONFIG_VIA_ADDRESSES_MAX] = {0};
	struct via_paths *via = NULL;
	bool same;

	if (config->groups[group].check.via_service && c->paths) {
		via = must(calloc(1, sizeof(*via)));
		via->key = shunt_probe_key(endpoint->id, 0);
		via->n = config_via_services(config, group, services);
		for (size_t i = 0; i < via->n; i++)
			describe_path(c, endpoint, &config->services[services[i]], via->key + i, &via->sent[i], &via->asked[i]);
	}
	same = same_paths(endpoint->via, via);
	if (!same) { /* its marks may now be another's */
		probe_free(endpoint->probe);
		endpoint->probe = NULL;
	}
	via_forget(c, endpoint);
	endpoint->via = via;
	if (via)
		measure(c, endpoint, config);
	return same;
}

/* ---- what happens ---- */

bool via_is_ready(const struct endpoint *endpoint)
{
	return !endpoint->via || endpoint->backend->next_hop_known;
}

void via_target(const struct endpoint *endpoint, struct probe_target *target)
{
	target->paths = endpoint->via ? endpoint->via->asked : NULL;
	target->n_paths = endpoint->via ? endpoint->via->n : 0;
}

void via_next_hop(struct controller *c, struct endpoint *endpoint)
{
	if (!endpoint->via || !c->config)
		return;
	attach_to(c, endpoint->backend->next_hop.ifindex);
	measure(c, endpoint, c->config);
	if (!endpoint->probe && endpoint->wanted && backend_is_probed(endpoint->backend) && endpoint_start(c, endpoint) < 0)
		log_error("backend %s: cannot be checked: it takes no traffic", endpoint->backend->name);
}

void via_stand_in_moved(struct controller *c, const struct shunt_addr *address, const struct next_hop *hop)
{
	for (size_t i = 0; i < N_STAND_INS; i++)
		if (address_equal(&stand_ins[i], address))
			attach_to(c, hop->ifindex);
}
