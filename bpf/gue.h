/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Generic UDP Encapsulation as Linux's fou has it (draft-ietf-intarea-gue-09 section 3.2): variant 0, a data message
 * without optional fields. What lies between the outer IP header and the packet, the same for either family.
 */
#ifndef SHUNT_BPF_GUE_H
#define SHUNT_BPF_GUE_H

#include <linux/types.h>
#include <linux/udp.h>

struct gue_header {
	__u8 variant_control_hlen;       /* two bits, one, five; hlen: words of optional fields. All zero */
	__u8 protocol;                   /* IPPROTO_IPIP | IPPROTO_IPV6 */
	__be16 flags;                    /* which optional fields there are: none */
};

struct gue_layer {
	struct udphdr udp;
	struct gue_header gue;
};

/* Ephemeral ports (RFC 6335 section 6, as the draft's section 5.6.1 wants them), so that each flow keeps one. */
#define GUE_SOURCE_PORT_FIRST 49152
#define GUE_SOURCE_PORT_MASK 0x3fff

#endif
