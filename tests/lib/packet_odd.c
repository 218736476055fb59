/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <assert.h>
#include <string.h>
#include <linux/if_ether.h>

#include "packet_odd.h"

static void put16(uint8_t *at, uint32_t value)
{
	at[0] = value >> 8;
	at[1] = value;
}

static void insert(struct frame *frame, size_t offset, const void *data, size_t len)
{
	assert(frame->len + len <= FRAME_MAX && offset <= frame->len);
	memmove(frame->byte + offset + len, frame->byte + offset, frame->len - offset);
	memcpy(frame->byte + offset, data, len);
	frame->len += len;
}

struct frame *vlan(struct frame *frame, uint16_t protocol, uint16_t control)
{
	uint8_t tag[VLAN_TAG_LEN];

	put16(tag, protocol);
	put16(tag + 2, control);
	insert(frame, ETHERNET_LEN - 2, tag, sizeof(tag));
	return frame;
}

size_t ip_offset(const struct frame *frame)
{
	size_t at = ETHERNET_LEN - 2;

	while ((frame->byte[at] << 8 | frame->byte[at + 1]) == ETH_P_8021Q ||
	       (frame->byte[at] << 8 | frame->byte[at + 1]) == ETH_P_8021AD)
		at += VLAN_TAG_LEN;
	return at + 2;
}
