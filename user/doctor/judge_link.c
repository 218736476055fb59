/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* An interface: native or generic and why, who shares it, offloads, queues, rings, rp_filter. No I/O. */
#include <stdio.h>
#include <string.h>

#include "doctor/judge.h"
#include "net/address.h"

static bool will_be_native(const struct doctor_link *link)
{
	if (link->attached_native || link->attached_generic)
		return link->attached_native;
	return link->wanted != INTERFACE_MODE_GENERIC && link->native != DOCTOR_NO;
}

static const char *driver_of(const struct doctor_link *link)
{
	return *link->driver ? link->driver : "(not told)";
}

/* The mode that is, or the one that will be, and why. */
static void judge_mode(const struct doctor_link *link, struct doctor_report *report)
{
	bool has_ours = false;

	for (size_t i = 0; i < link->n_programs; i++)
		has_ours = has_ours || link->programs[i].ours;
	if (has_ours && link->attached_native)
		doctor_add(report, DOCTOR_OK, link->name, doctor_say("native XDP in driver %s", driver_of(link)), NULL);
	else if (has_ours && link->wanted == INTERFACE_MODE_GENERIC)
		doctor_add(report, DOCTOR_WARN, link->name,
			   doctor_say("generic XDP, as the configuration says: several times slower than native"),
			   link->native == DOCTOR_YES ? doctor_say("mode: auto; the driver %s has native XDP", driver_of(link)) : NULL);
	else if (has_ours)
		doctor_add(report, DOCTOR_WARN, link->name,
			   doctor_say("generic XDP, several times slower: driver %s %s when shunt was attached", driver_of(link),
				      link->native == DOCTOR_YES ? "refused native XDP" : "had no native XDP"),
			   doctor_say("mend LRO, MTU and queues below, then: shunt detach; systemctl restart shuntd"));
	else if (link->native == DOCTOR_NO && link->wanted == INTERFACE_MODE_NATIVE)
		doctor_add(report, DOCTOR_FAIL, link->name,
			   doctor_say("mode: native is asked for, and driver %s has no native XDP", driver_of(link)),
			   doctor_say("mode: auto, or a card whose driver has it"));
	else if (link->native == DOCTOR_NO)
		doctor_add(report, DOCTOR_WARN, link->name,
			   doctor_say("generic XDP, several times slower: driver %s has no native XDP", driver_of(link)), NULL);
	else if (link->native == DOCTOR_YES)
		doctor_add(report, DOCTOR_OK, link->name, doctor_say("driver %s has native XDP", driver_of(link)), NULL);
	else
		doctor_add(report, DOCTOR_OK, link->name,
			   doctor_say("driver %s; whether it has native XDP, attaching will tell (Linux before 6.3 does not)",
				      driver_of(link)), NULL);
}

static void judge_sharing(const struct doctor_link *link, struct doctor_report *report)
{
	char others[160] = "";
	bool has_ours = false;

	for (size_t i = 0; i < link->n_programs; i++) {
		size_t used = strlen(others);

		has_ours = has_ours || link->programs[i].ours;
		if (!link->programs[i].ours)
			snprintf(others + used, sizeof(others) - used, "%s%s (id %u)", used ? ", " : "", link->programs[i].name,
				 link->programs[i].id);
	}
	if (link->dispatcher && *others)
		doctor_add(report, DOCTOR_OK, link->name, doctor_say("libxdp's dispatcher, shared with %s", others), NULL);
	else if (link->dispatcher && has_ours)
		doctor_add(report, DOCTOR_OK, link->name, doctor_say("libxdp's dispatcher: others can share the interface"), NULL);
	else if (has_ours)
		doctor_add(report, DOCTOR_OK, link->name, doctor_say("attached directly: no other XDP program can share it"), NULL);
	else if (*others)
		doctor_add(report, DOCTOR_FAIL, link->name, doctor_say("another XDP program is in the way: %s", others),
			   doctor_say("ip link set dev %s xdp off", link->name));
}

static void judge_offloads(const struct doctor_link *link, struct doctor_report *report)
{
	bool native = will_be_native(link);

	if (link->lro == DOCTOR_YES && link->wanted != INTERFACE_MODE_GENERIC)
		doctor_add(report, link->attached_native ? DOCTOR_WARN : DOCTOR_FAIL, link->name,
			   doctor_say("LRO is on: drivers refuse native XDP with it, and merged packets fit no tunnel"),
			   doctor_say("ethtool -K %s lro off", link->name));
	if (link->gro_hw == DOCTOR_YES)
		doctor_add(report, DOCTOR_WARN, link->name,
			   doctor_say("the card merges packets (rx-gro-hw): most drivers turn it off with XDP, some refuse XDP"),
			   doctor_say("ethtool -K %s rx-gro-hw off", link->name));
	if (!native && link->gro == DOCTOR_YES)
		doctor_add(report, DOCTOR_WARN, link->name,
			   doctor_say("GRO is on, and generic XDP comes after it: merged packets exceed the MTU and are lost"),
			   doctor_say("ethtool -K %s gro off", link->name));
	if (link->lro != DOCTOR_YES && link->gro_hw != DOCTOR_YES && (native || link->gro != DOCTOR_YES))
		doctor_add(report, DOCTOR_OK, link->name,
			   doctor_say("nothing merges packets before XDP (LRO off%s)",
				      link->gro == DOCTOR_YES ? "; GRO comes after it" : ""), NULL);
	if (strcmp(link->driver, "veth") == 0) {
		doctor_add(report, DOCTOR_WARN, link->name,
			   doctor_say("veth: what leaves in native mode waits until the other end has an XDP program, too, and its "
				      "packets have unfinished checksums"),
			   doctor_say("at the other end: load an XDP program that passes all; ethtool -K DEV tx off"));
	} else if (link->rx_checksum == DOCTOR_NO) {
		doctor_add(report, DOCTOR_OK, link->name,
			   doctor_say("receive checksums are not checked by the card; shunt does not need them"), NULL);
	}
}

static void judge_queues(const struct doctor_facts *facts, const struct doctor_link *link, struct doctor_report *report)
{
	const struct doctor_host *host = &facts->host;
	uint32_t wanted = host->cpus < link->rx_queues_max ? host->cpus : link->rx_queues_max;

	if (link->rx_queues && link->rx_queues < wanted)
		doctor_add(report, DOCTOR_WARN, link->name,
			   doctor_say("%u receive queue%s for %u CPUs: the others cannot help", link->rx_queues,
				      link->rx_queues == 1 ? "" : "s", host->cpus),
			   doctor_say("ethtool -L %s %s %u", link->name, strcmp(link->driver, "veth") == 0 ? "rx" : "combined",
				      wanted));
	else if (link->rx_queues)
		doctor_add(report, DOCTOR_OK, link->name,
			   doctor_say("%u receive queue%s, %u CPU%s", link->rx_queues, link->rx_queues == 1 ? "" : "s", host->cpus,
				      host->cpus == 1 ? "" : "s"), NULL);
	if (link->rx_ring && link->rx_ring * 2 < link->rx_ring_max)
		doctor_add(report, DOCTOR_WARN, link->name,
			   doctor_say("receive ring of %u, the card has %u: bursts are lost before XDP sees them", link->rx_ring,
				      link->rx_ring_max),
			   doctor_say("ethtool -G %s rx %u", link->name, link->rx_ring_max));
	else if (link->rx_ring)
		doctor_add(report, DOCTOR_OK, link->name, doctor_say("receive ring of %u", link->rx_ring), NULL);
	if (link->redirect == DOCTOR_NO && facts->n_links > 1)
		doctor_add(report, DOCTOR_WARN, link->name,
			   doctor_say("the driver takes no redirected frames: backends behind another interface are not reached"),
			   NULL);
}

/* Whether some backend of the family is translated to (nat). */
static bool is_translated(const struct doctor_facts *facts, bool ipv4)
{
	for (size_t i = 0; i < facts->n_backends; i++)
		if (facts->backends[i].modes & 1U << SHUNT_FORWARD_NAT && address_is_ipv4(&facts->backends[i].address) == ipv4)
			return true;
	return false;
}

/* Where answers of nat go only the kernel knows, and it says so only where it forwards. True: there is nat. */
static bool judge_forwarding(const struct doctor_facts *facts, const struct doctor_link *link, struct doctor_report *report)
{
	const struct {
		bool ipv4;
		enum doctor_known forwards;
		const char *family, *remedy;
	} families[] = {
		{true, link->ipv4_forwarding, "IPv4", "sysctl -w net.ipv4.ip_forward=1"},
		{false, link->ipv6_forwarding, "IPv6", "sysctl -w net.ipv6.conf.all.forwarding=1"},
	};
	bool any = false;

	for (size_t i = 0; i < 2; i++) {
		if (!is_translated(facts, families[i].ipv4))
			continue;
		any = true;
		if (families[i].forwards == DOCTOR_NO)
			doctor_add(report, DOCTOR_FAIL, link->name,
				   doctor_say("the kernel does not forward %s: answers of nat backends are lost", families[i].family),
				   strdup(families[i].remedy));
		else if (families[i].forwards == DOCTOR_YES)
			doctor_add(report, DOCTOR_OK, link->name, doctor_say("the kernel forwards %s, as nat needs", families[i].family),
				   NULL);
	}
	return any;
}

/* Strict reverse path checks drop what answers past the balancer and what a tunnel brings. */
static void judge_kernel_path(const struct doctor_facts *facts, const struct doctor_link *link, struct doctor_report *report)
{
	if (link->rp_filter == 1)
		doctor_add(report, DOCTOR_WARN, link->name,
			   doctor_say("rp_filter is strict: what the kernel gets of clients by another way than back is dropped%s",
				      is_translated(facts, true) ? ", and nat's first answer to a next hop not yet resolved" : ""),
			   doctor_say("sysctl -w net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.%s.rp_filter=2", link->name));
	else if (link->rp_filter >= 0)
		doctor_add(report, DOCTOR_OK, link->name,
			   doctor_say("rp_filter is %s", link->rp_filter ? "loose" : "off"), NULL);
	if (judge_forwarding(facts, link, report))
		return;
	if (link->ipv4_forwarding == DOCTOR_NO)
		doctor_add(report, DOCTOR_OK, link->name,
			   doctor_say("the kernel forwards nothing: shunt does not need it, but for the instant before a next hop is "
				      "known"), NULL);
}

void judge_link(const struct doctor_facts *facts, const struct doctor_link *link, struct doctor_report *report)
{
	if (!link->exists) {
		doctor_add(report, DOCTOR_FAIL, link->name, doctor_say("there is no such interface"),
			   doctor_say("ip link; then mend interfaces: in %s", facts->config_path));
		return;
	}
	if (!link->up)
		doctor_add(report, DOCTOR_FAIL, link->name, doctor_say("it is down, or has no carrier"),
			   doctor_say("ip link set dev %s up", link->name));
	judge_mode(link, report);
	judge_sharing(link, report);
	judge_offloads(link, report);
	judge_queues(facts, link, report);
	judge_kernel_path(facts, link, report);
}
