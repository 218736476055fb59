/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Facts about an interface: ethtool's ioctls, what XDP programs are on it, files below /proc/sys. */
#include <linux/ethtool.h>
#include <linux/if_link.h>
#include <linux/sockios.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <xdp/libxdp.h>

#include <shunt/names.h>

#include "base/cleanup.h"
#include "doctor/read.h"
#include "net/links.h"

static bool ask(int fd, const char *interface, unsigned long request, void *data, struct ifreq *ret_answer)
{
	*ret_answer = (struct ifreq){.ifr_data = data};
	snprintf(ret_answer->ifr_name, sizeof(ret_answer->ifr_name), "%s", interface);
	return ioctl(fd, request, ret_answer) == 0;
}

static bool ethtool(int fd, const char *interface, void *command)
{
	struct ifreq answer;

	return ask(fd, interface, SIOCETHTOOL, command, &answer);
}

/* ---- offloads, by the names that `ethtool -k` takes ---- */

static uint32_t count_features(int fd, const char *interface)
{
	_cleanup_(freep) struct ethtool_sset_info *info = calloc(1, sizeof(*info) + sizeof(info->data[0]));

	if (!info)
		return 0;
	info->cmd = ETHTOOL_GSSET_INFO;
	info->sset_mask = 1ULL << ETH_SS_FEATURES;
	return ethtool(fd, interface, info) && info->sset_mask ? info->data[0] : 0;
}

static void note_feature(struct doctor_link *link, const char *name, bool on)
{
	const struct {
		const char *name;
		enum doctor_known *at;
	} wanted[] = {
		{"rx-lro", &link->lro},
		{"rx-gro", &link->gro},
		{"rx-gro-hw", &link->gro_hw},
		{"rx-checksum", &link->rx_checksum},
		{"tx-checksum-ip-generic", &link->tx_checksum},
		{"tx-checksum-ipv4", &link->tx_checksum},
	};

	for (size_t i = 0; i < sizeof(wanted) / sizeof(*wanted); i++)
		if (strcmp(name, wanted[i].name) == 0 && *wanted[i].at != DOCTOR_YES)
			*wanted[i].at = on ? DOCTOR_YES : DOCTOR_NO;
}

static void read_features(int fd, struct doctor_link *link)
{
	uint32_t n = count_features(fd, link->name), blocks = (n + 31) / 32;
	_cleanup_(freep) struct ethtool_gstrings *names = calloc(1, sizeof(*names) + (size_t)n * ETH_GSTRING_LEN);
	_cleanup_(freep) struct ethtool_gfeatures *values =
		calloc(1, sizeof(*values) + blocks * sizeof(struct ethtool_get_features_block));

	if (!n || !names || !values)
		return;
	names->cmd = ETHTOOL_GSTRINGS;
	names->string_set = ETH_SS_FEATURES;
	names->len = n;
	values->cmd = ETHTOOL_GFEATURES;
	values->size = blocks;
	if (!ethtool(fd, link->name, names) || !ethtool(fd, link->name, values))
		return;
	for (uint32_t i = 0; i < n; i++) {
		char name[ETH_GSTRING_LEN + 1] = "";

		memcpy(name, names->data + (size_t)i * ETH_GSTRING_LEN, ETH_GSTRING_LEN);
		note_feature(link, name, values->features[i / 32].active & 1U << i % 32);
	}
}

static void read_ethtool(int fd, struct doctor_link *link)
{
	struct ethtool_drvinfo driver = {.cmd = ETHTOOL_GDRVINFO};
	struct ethtool_channels channels = {.cmd = ETHTOOL_GCHANNELS};
	struct ethtool_ringparam ring = {.cmd = ETHTOOL_GRINGPARAM};

	if (ethtool(fd, link->name, &driver))
		snprintf(link->driver, sizeof(link->driver), "%s", driver.driver);
	if (ethtool(fd, link->name, &channels)) {
		link->rx_queues = channels.rx_count + channels.combined_count;
		link->rx_queues_max = channels.max_combined ? channels.max_combined : channels.max_rx;
	}
	if (ethtool(fd, link->name, &ring)) {
		link->rx_ring = ring.rx_pending;
		link->rx_ring_max = ring.rx_max_pending;
	}
	read_features(fd, link);
}

/* ---- XDP programs ---- */

static void note_program(struct doctor_link *link, uint32_t id)
{
	struct bpf_prog_info info = {0};
	uint32_t length = sizeof(info);
	struct doctor_program *program;
	int fd = bpf_prog_get_fd_by_id(id);

	if (link->n_programs == DOCTOR_PROGRAMS_MAX) {
		close(fd);
		return;
	}
	program = &link->programs[link->n_programs++];
	*program = (struct doctor_program){.id = id, .name = "?"};
	if (fd >= 0 && bpf_obj_get_info_by_fd(fd, &info, &length) == 0)
		snprintf(program->name, sizeof(program->name), "%s", info.name);
	if (fd >= 0)
		close(fd);
	program->ours = strcmp(program->name, SHUNT_PROGRAM) == 0;
}

static bool read_dispatcher(struct doctor_link *link, int ifindex)
{
	struct xdp_multiprog *list = xdp_multiprog__get_from_ifindex(ifindex);
	struct xdp_program *program = NULL;
	bool is_dispatcher;

	if (libxdp_get_error(list))
		return false;
	is_dispatcher = !xdp_multiprog__is_legacy(list);
	while (is_dispatcher && (program = xdp_multiprog__next_prog(program, list)))
		note_program(link, xdp_program__id(program));
	xdp_multiprog__close(list);
	return is_dispatcher;
}

static int silent(enum libxdp_print_level level, const char *format, va_list arguments)
{
	(void)level, (void)format, (void)arguments;
	return 0;
}

static void read_xdp(struct doctor_link *link, int ifindex)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, found);

	if (bpf_xdp_query(ifindex, 0, &found) < 0)
		return;
	link->attached_native = found.drv_prog_id;
	link->attached_generic = found.skb_prog_id && !found.drv_prog_id;
	libxdp_set_print(silent);
	if (found.drv_prog_id || found.skb_prog_id)
		link->dispatcher = read_dispatcher(link, ifindex);
	if (!link->dispatcher && found.drv_prog_id)
		note_program(link, found.drv_prog_id);
	if (!link->dispatcher && found.skb_prog_id)
		note_program(link, found.skb_prog_id);
}

/* ---- the kernel's own path ---- */

static enum doctor_known forwards(const char *name, bool ipv4)
{
	int r = link_forwards(name, ipv4);

	return r < 0 ? DOCTOR_UNKNOWN : r ? DOCTOR_YES : DOCTOR_NO;
}

/* The kernel takes the larger of the two. */
static int rp_filter_of(const char *name)
{
	uint64_t all = 0, own = 0;

	if (read_number(&all, "/proc/sys/net/ipv4/conf/all/rp_filter") < 0 ||
	    read_number(&own, "/proc/sys/net/ipv4/conf/%s/rp_filter", name) < 0)
		return -1;
	return (int)(all > own ? all : own);
}

void read_link(struct doctor_link *link)
{
	int ifindex = (int)if_nametoindex(link->name), fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq answer;

	link->native = link->redirect = DOCTOR_UNKNOWN;
	link->lro = link->gro = link->gro_hw = link->rx_checksum = link->tx_checksum = DOCTOR_UNKNOWN;
	link->exists = ifindex > 0;
	if (link->exists && fd >= 0) {
		if (ask(fd, link->name, SIOCGIFFLAGS, NULL, &answer))
			link->up = (answer.ifr_flags & (IFF_UP | IFF_RUNNING)) == (IFF_UP | IFF_RUNNING);
		if (ask(fd, link->name, SIOCGIFMTU, NULL, &answer))
			link->mtu = (uint32_t)answer.ifr_mtu;
		read_ethtool(fd, link);
		read_xdp(link, ifindex);
		read_native(ifindex, &link->native, &link->redirect);
		link->rp_filter = rp_filter_of(link->name);
		link->ipv4_forwarding = forwards(link->name, true);
		link->ipv6_forwarding = forwards(link->name, false);
	}
	if (fd >= 0)
		close(fd);
}
