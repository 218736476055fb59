/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Asks the driver whether it has native XDP: NETDEV_CMD_DEV_GET of the generic netlink family "netdev" (Linux 6.3,
 * Documentation/netlink/specs/netdev.yaml), which the headers of Debian 12 do not have yet.
 */
#include <errno.h>
#include <linux/genetlink.h>
#include <string.h>
#include <sys/socket.h>

#include <libmnl/libmnl.h>

#include "doctor/read.h"

#define NETDEV_FAMILY "netdev"
#define NETDEV_CMD_DEV_GET 1
#define NETDEV_A_DEV_IFINDEX 1
#define NETDEV_A_DEV_XDP_FEATURES 3
#define NETDEV_XDP_ACT_BASIC (1 << 0)
#define NETDEV_XDP_ACT_NDO_XMIT (1 << 2)

struct wanted {
	uint16_t type;
	uint64_t value;
	bool found;
};

static int on_attribute(const struct nlattr *attribute, void *userdata)
{
	struct wanted *wanted = userdata;
	uint16_t bytes = mnl_attr_get_payload_len(attribute);

	if (mnl_attr_get_type(attribute) != wanted->type)
		return MNL_CB_OK;
	wanted->found = true;
	wanted->value = bytes == 2 ? mnl_attr_get_u16(attribute) : bytes >= 8 ? mnl_attr_get_u64(attribute) : 0;
	return MNL_CB_OK;
}

static int on_message(const struct nlmsghdr *message, void *userdata)
{
	mnl_attr_parse(message, sizeof(struct genlmsghdr), on_attribute, userdata);
	return MNL_CB_OK;
}

/* One attribute of the answer to `command` of `family`; the question has one attribute, a text or an ifindex. */
static int ask(struct mnl_socket *socket, uint16_t family, uint8_t command, const char *name, uint32_t ifindex,
	       struct wanted *wanted)
{
	_Alignas(struct nlmsghdr) char buffer[8192];
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
	struct genlmsghdr *header;
	ssize_t n;

	message->nlmsg_type = family;
	message->nlmsg_flags = NLM_F_REQUEST;
	header = mnl_nlmsg_put_extra_header(message, sizeof(*header));
	header->cmd = command;
	header->version = 1;
	if (name)
		mnl_attr_put_strz(message, CTRL_ATTR_FAMILY_NAME, name);
	else
		mnl_attr_put_u32(message, NETDEV_A_DEV_IFINDEX, ifindex);
	if (mnl_socket_sendto(socket, message, message->nlmsg_len) < 0)
		return -errno;
	n = mnl_socket_recvfrom(socket, buffer, sizeof(buffer));
	if (n < 0 || mnl_cb_run(buffer, (size_t)n, 0, 0, on_message, wanted) < 0)
		return -errno;
	return wanted->found ? 0 : -ENOENT;
}

void read_native(int ifindex, enum doctor_known *native, enum doctor_known *redirect)
{
	struct mnl_socket *socket = mnl_socket_open2(NETLINK_GENERIC, SOCK_CLOEXEC);
	struct wanted family = {.type = CTRL_ATTR_FAMILY_ID}, features = {.type = NETDEV_A_DEV_XDP_FEATURES};

	if (socket && mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) == 0 &&
	    ask(socket, GENL_ID_CTRL, CTRL_CMD_GETFAMILY, NETDEV_FAMILY, 0, &family) == 0 &&
	    ask(socket, (uint16_t)family.value, NETDEV_CMD_DEV_GET, NULL, (uint32_t)ifindex, &features) == 0) {
		*native = features.value & NETDEV_XDP_ACT_BASIC ? DOCTOR_YES : DOCTOR_NO;
		*redirect = features.value & NETDEV_XDP_ACT_NDO_XMIT ? DOCTOR_YES : DOCTOR_NO;
	}
	if (socket)
		mnl_socket_close(socket);
}
