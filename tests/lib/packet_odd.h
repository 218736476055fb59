/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What few frames have: VLAN tags. Applied last: the modifiers of packet.h expect IP right behind Ethernet. */
#ifndef SHUNT_TEST_PACKET_ODD_H
#define SHUNT_TEST_PACKET_ODD_H

#include "packet.h"

enum { VLAN_TAG_LEN = 4 };

/* Pushes an outermost tag: ETH_P_8021Q or ETH_P_8021AD, priority and VLAN id as they are on the wire. */
struct frame *vlan(struct frame *frame, uint16_t protocol, uint16_t control);

/* Where the IP header begins, behind what tags there are. */
size_t ip_offset(const struct frame *frame);

#endif
