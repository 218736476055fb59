/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Next hops of the backends, and whether a full packet fits on the way to them. No I/O. */
#include <stdio.h>

#include "doctor/judge.h"
#include "net/address.h"

#define MODES_MAX 8
#define IPV4_BYTES 20
#define IPV6_BYTES 40
#define GUE_BYTES 12               /* UDP and the GUE header */

uint32_t doctor_overhead(enum shunt_forward forward, bool ipv4)
{
	uint32_t outer = ipv4 ? IPV4_BYTES : IPV6_BYTES;

	switch (forward) {
	case SHUNT_FORWARD_IPIP:
		return outer;
	case SHUNT_FORWARD_GUE:
		return outer + GUE_BYTES;
	default:
		return 0;
	}
}

/* NULL: there is a way. */
static const char *no_way(const struct doctor_backend *backend)
{
	switch (backend->route.kind) {
	case NETLINK_ROUTE_UNICAST:
		return NULL;
	case NETLINK_ROUTE_LOCAL:
		return "its address is this host's own";
	case NETLINK_ROUTE_NONE:
		return "no route";
	case NETLINK_ROUTE_UNKNOWN:
		return "the kernel could not say";
	default:
		return "its route drops (unreachable, blackhole or prohibit)";
	}
}

/* True: a neighbour is known, or at least a way to it. */
static bool judge_way(const struct doctor_backend *backend, struct doctor_report *report)
{
	char subject[48], address[ADDRESS_TEXT_MAX];
	const char *problem = no_way(backend);
	bool l2 = backend->modes & 1U << SHUNT_FORWARD_L2;

	snprintf(subject, sizeof(subject), "backend %s", backend->name);
	address_format(&backend->address, address);
	if (problem) {
		doctor_add(report, DOCTOR_FAIL, subject, doctor_say("no next hop for %s: %s", address, problem),
			   doctor_say("ip route get %s", address));
		return false;
	}
	if (l2 && backend->route.has_gateway) {
		doctor_add(report, DOCTOR_FAIL, subject,
			   doctor_say("%s is behind a gateway: forward: l2 reaches only the networks this host is on", address),
			   doctor_say("forward: ipip or gue, in the services that use it"));
		return true;
	}
	if (!backend->neighbour.usable) {
		char gateway[ADDRESS_TEXT_MAX];

		address_format(backend->route.has_gateway ? &backend->route.gateway : &backend->address, gateway);
		doctor_add(report, DOCTOR_WARN, subject,
			   doctor_say("neighbour %s on %s is not resolved: nothing talked to it yet, or it does not answer",
				      gateway, backend->device),
			   doctor_say("ping -c 1 %s; ip neighbour show dev %s", gateway, backend->device));
		return false;
	}
	return true;
}

/* Smallest room, for a client's packet, on the way to any backend that this mode is used for. */
struct budget {
	uint32_t room, overhead;
	const struct doctor_backend *backend; /* NULL: no backend is reached in this mode */
};

static struct budget budget_of(const struct doctor_facts *facts, enum shunt_forward mode)
{
	struct budget budget = {.room = UINT32_MAX};

	for (size_t i = 0; i < facts->n_backends; i++) {
		const struct doctor_backend *backend = &facts->backends[i];
		uint32_t overhead = doctor_overhead(mode, address_is_ipv4(&backend->address));

		if (!(backend->modes & 1U << mode) || backend->mtu <= overhead)
			continue;
		if (backend->mtu - overhead < budget.room) {
			budget.room = backend->mtu - overhead;
			budget.overhead = overhead;
			budget.backend = backend;
		}
	}
	return budget;
}

/* Clients send as much as the interface takes that their packets come by: then the way back is as wide. */
static void judge_budget(const struct doctor_facts *facts, enum shunt_forward mode, uint32_t arriving,
			 struct doctor_report *report)
{
	struct budget budget = budget_of(facts, mode);
	char subject[48];

	if (!budget.backend)
		return;
	snprintf(subject, sizeof(subject), "MTU %s", config_forward_text(mode));
	if (budget.room >= arriving)
		doctor_add(report, DOCTOR_OK, subject,
			   doctor_say("packets of %u bytes fit, with %u more in front, within %u to %s", arriving, budget.overhead,
				      budget.overhead + budget.room, budget.backend->name), NULL);
	else
		doctor_add(report, DOCTOR_WARN, subject,
			   doctor_say("clients may send %u bytes, and %u fit on the way to %s (%u less %u in front): path MTU "
				      "discovery has to find out, in every connection", arriving, budget.room, budget.backend->name,
				      budget.room + budget.overhead, budget.overhead),
			   doctor_say("ip link set dev %s mtu %u (and behind it), or mss: auto in the services",
				      budget.backend->device, arriving + budget.overhead));
}

static void judge_neighbour_table(const struct doctor_facts *facts, struct doctor_report *report)
{
	size_t n[2] = {0, 0};

	for (size_t i = 0; i < facts->n_backends; i++)
		n[!address_is_ipv4(&facts->backends[i].address)] += !facts->backends[i].route.has_gateway;
	for (int v6 = 0; v6 < 2; v6++)
		if (facts->host.neighbours_max[v6] && n[v6] * 2 > facts->host.neighbours_max[v6])
			doctor_add(report, DOCTOR_WARN, "neighbours",
				   doctor_say("%zu backends are neighbours, and the kernel's table ends at %u", n[v6],
					      facts->host.neighbours_max[v6]),
				   doctor_say("sysctl -w net.ipv%d.neigh.default.gc_thresh3=%zu", v6 ? 6 : 4, n[v6] * 4));
}

void judge_backends(const struct doctor_facts *facts, struct doctor_report *report)
{
	uint32_t arriving = 0;
	size_t resolved = 0;

	for (size_t i = 0; i < facts->n_links; i++)
		arriving = facts->links[i].mtu > arriving ? facts->links[i].mtu : arriving;
	for (size_t i = 0; i < facts->n_backends; i++)
		resolved += judge_way(&facts->backends[i], report);
	if (resolved && resolved == facts->n_backends)
		doctor_add(report, DOCTOR_OK, "next hops", doctor_say("known for all %zu backends", resolved), NULL);
	judge_neighbour_table(facts, report);
	for (int mode = 0; arriving && mode < MODES_MAX; mode++)
		judge_budget(facts, (enum shunt_forward)mode, arriving, report);
}
