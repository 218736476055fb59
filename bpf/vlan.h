/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * 802.1Q and 802.1ad tags: up to two are read past and stay on the frame as they were, whatever is put behind them. A tag
 * that the network card has taken off is none of the frame's: it must leave tags alone (`ethtool -K DEV rxvlan off`).
 */
#ifndef SHUNT_BPF_VLAN_H
#define SHUNT_BPF_VLAN_H

#include "packet.h"

#define ETHERNET_ADDRESSES_LEN (2 * ETH_ALEN)

stage bool is_vlan(__u16 type)
{
	return type == ETH_P_8021Q || type == ETH_P_8021AD;
}

/* Reads past the tags: p->family is then the type behind them. A third one stays there, and so the frame passes. */
static __always_inline void parse_tags(struct packet *p)
{
	struct vlan_tag *tag = frame_start(p) + ETHERNET_ADDRESSES_LEN;

	for (int i = 0; i < VLAN_TAGS_MAX && is_vlan(p->family); i++) {
		__be16 *type = (void *)&tag[i + 1];

		if ((void *)(type + 1) > frame_end(p))
			return;
		p->unusual->tag[i] = tag[i];
		p->tags = i + 1;
		p->family = bpf_ntohs(*type);
	}
}

/* Puts the packet's tags behind the Ethernet addresses of a frame that has a new beginning. Where the type goes; NULL: no room. */
stage __be16 *write_tags(const struct packet *p, struct ethhdr *eth)
{
	struct vlan_tag *tag = (void *)eth + ETHERNET_ADDRESSES_LEN;

	if (likely(!p->tags))
		return (void *)tag;
	if ((void *)(tag + VLAN_TAGS_MAX) > frame_end(p))
		return NULL;
	tag[0] = p->unusual->tag[0];
	if (p->tags > 1)
		tag[1] = p->unusual->tag[1];
	return (void *)(tag + p->tags);
}

#endif
