/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include <libmnl/libmnl.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>

#include "net/clsact.h"

#define BUFFER_BYTES 8192

static int found(const struct nlmsghdr *message, void *userdata)
{
	*(bool *)userdata = *(bool *)userdata || message->nlmsg_type == RTM_NEWTFILTER;
	return MNL_CB_OK;
}

/* Whether a dump of this direction's filters has any. */
static int ask(struct mnl_socket *socket, int ifindex, uint32_t direction, bool *ret_found)
{
	char buffer[BUFFER_BYTES] __attribute__((aligned(8)));
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
	struct tcmsg *question;
	uint32_t number = time(NULL);
	ssize_t n;
	int r = MNL_CB_OK;

	message->nlmsg_type = RTM_GETTFILTER;
	message->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	message->nlmsg_seq = number;
	question = mnl_nlmsg_put_extra_header(message, sizeof(*question));
	question->tcm_ifindex = ifindex;
	question->tcm_parent = TC_H_MAKE(TC_H_CLSACT, direction);
	if (mnl_socket_sendto(socket, message, message->nlmsg_len) < 0)
		return -errno;
	while (r > MNL_CB_STOP) {
		n = mnl_socket_recvfrom(socket, buffer, sizeof(buffer));
		if (n < 0)
			return -errno;
		r = mnl_cb_run(buffer, n, number, mnl_socket_get_portid(socket), found, ret_found);
	}
	return r < 0 ? -errno : 0;
}

int clsact_is_empty(int ifindex)
{
	struct mnl_socket *socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	bool has_some = false;
	int r;

	if (!socket)
		return -errno;
	r = mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) < 0 ? -errno : 0;
	if (r == 0)
		r = ask(socket, ifindex, TC_H_MIN_INGRESS, &has_some);
	if (r == 0)
		r = ask(socket, ifindex, TC_H_MIN_EGRESS, &has_some);
	mnl_socket_close(socket);
	return r < 0 ? r : !has_some;
}
