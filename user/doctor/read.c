/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Facts about what the configuration names: its interfaces, the ways to its backends, the memory of its maps. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/number.h"
#include "doctor/read.h"

int read_number(uint64_t *ret_number, const char *format, ...)
{
	_cleanup_(freep) char *text = NULL;
	char path[256];
	va_list arguments;
	size_t length;
	int r;

	va_start(arguments, format);
	vsnprintf(path, sizeof(path), format, arguments);
	va_end(arguments);
	r = file_read(path, 64, &text, &length);
	if (r < 0)
		return r;
	text[strcspn(text, " \t\n")] = '\0';
	return number_parse(text, 0, UINT64_MAX, ret_number);
}

static void modes_of(const struct config *config, struct doctor_backend *backends)
{
	for (size_t s = 0; s < config->n_services; s++)
		for (size_t g = 0; g < config->n_groups; g++) {
			const struct config_group *group = &config->groups[g];

			if (!config_service_reaches(config, &config->services[s], g))
				continue;
			for (size_t m = 0; m < group->n_members; m++)
				backends[group->members[m].backend].modes |= 1U << config->services[s].forward;
		}
}

struct link_facts {
	int ifindex;
	uint32_t mtu;
};

static void note_mtu(void *userdata, const struct netlink_link *link)
{
	struct link_facts *facts = userdata;

	if (link->ifindex == facts->ifindex)
		facts->mtu = link->mtu;
}

static void read_way(struct netlink *netlink, struct doctor_backend *backend)
{
	const struct netlink_route *route = &backend->route;
	struct link_facts facts = {0};

	if (netlink_get_route(netlink, &backend->address, &backend->route) < 0 || route->kind != NETLINK_ROUTE_UNICAST)
		return;
	if (!if_indextoname((unsigned int)route->ifindex, backend->device))
		snprintf(backend->device, sizeof(backend->device), "%d", route->ifindex);
	facts.ifindex = route->ifindex;
	netlink_each_link(netlink, note_mtu, &facts);
	backend->mtu = route->mtu ? route->mtu : facts.mtu;
	netlink_get_neighbour(netlink, route->ifindex, route->has_gateway ? &route->gateway : &backend->address,
			      &backend->neighbour);
}

static int read_backends(const struct config *config, struct doctor_facts *facts)
{
	struct netlink *netlink;
	int r;

	facts->backends = calloc(config->n_backends + 1, sizeof(*facts->backends));
	if (!facts->backends)
		return -ENOMEM;
	modes_of(config, facts->backends);
	r = netlink_open(&netlink);
	if (r < 0)
		return r;
	for (size_t i = 0; i < config->n_backends; i++) {
		struct doctor_backend *backend = &facts->backends[i];

		backend->name = config->backends[i].name;
		backend->address = config->backends[i].address;
		read_way(netlink, backend);
	}
	facts->n_backends = config->n_backends;
	netlink_close(netlink);
	return 0;
}

/* The large maps: two tables a group, the flows, the fixed arrays of backends and services. */
static uint64_t memory_of(const struct config *config, unsigned int cpus)
{
	uint64_t tables = 4;

	while (tables < 2 * config->n_groups)
		tables *= 2;
	return tables * config->table_size * sizeof(struct shunt_slot) + config->flow_table_size * sizeof(struct shunt_flow) +
	       SHUNT_MAX_BACKENDS * (sizeof(struct shunt_backend) + cpus * sizeof(struct shunt_backend_stats)) +
	       SHUNT_SERVICE_LINES * sizeof(struct shunt_service) +
	       SHUNT_MAX_SERVICES * (sizeof(struct shunt_limit) + cpus * sizeof(struct shunt_service_stats));
}

static uint64_t memory_free(void)
{
	FILE *from = fopen("/proc/meminfo", "re");
	unsigned long long kilobytes = 0;
	char line[128];

	while (from && fgets(line, sizeof(line), from) && sscanf(line, "MemAvailable: %llu kB", &kilobytes) != 1)
		;
	if (from)
		fclose(from);
	return kilobytes * 1024;
}

static bool has_via(const struct config *config)
{
	for (size_t i = 0; i < config->n_groups; i++)
		if (config->groups[i].check.via_service)
			return true;
	return false;
}

int doctor_read(const struct config *config, const char *bpf_dir, struct doctor_facts *ret_facts)
{
	struct doctor_facts facts = {0};
	int r;

	read_host(bpf_dir, &facts.host);
	if (config) {
		facts.config_read = true;
		facts.links = calloc(config->n_interfaces + 1, sizeof(*facts.links));
		if (!facts.links)
			return -ENOMEM;
		facts.n_links = config->n_interfaces;
		for (size_t i = 0; i < config->n_interfaces; i++) {
			memcpy(facts.links[i].name, config->interfaces[i].name, IF_NAMESIZE);
			facts.links[i].wanted = config->interfaces[i].mode;
			read_link(&facts.links[i]);
		}
		facts.via_service = has_via(config);
		facts.clsact = facts.via_service && facts.host.xdp == DOCTOR_YES ? read_clsact() : DOCTOR_UNKNOWN;
		facts.memory_bytes = memory_of(config, facts.host.cpus);
		facts.memory_free_bytes = memory_free();
		r = read_backends(config, &facts);
		if (r < 0) {
			doctor_facts_clear(&facts);
			return r;
		}
	}
	*ret_facts = facts;
	return 0;
}

void doctor_facts_clear(struct doctor_facts *facts)
{
	free(facts->links);
	free(facts->backends);
	*facts = (struct doctor_facts){0};
}
