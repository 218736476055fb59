/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What becomes of a packet at the decapsulator: one table makes outcomes, their counters and the lines of status. */
#ifndef SHUNT_DECAP_H
#define SHUNT_DECAP_H

#include <linux/types.h>

#include "abi.h"

#define DECAP_PROGRAM "shunt_decap"      /* as the kernel knows it: at most 15 characters */
#define DECAP_MAP_STATS "decap_stats"
#define DECAP_GUE_PORT 6080              /* draft-ietf-intarea-gue-09 section 8.1 */

/* X(enum suffix, counter, XDP action, text for people) */
#define DECAP_OUTCOMES(X) \
	X(DECAPSULATED, decapsulated, XDP_PASS, "delivered without their outer header") \
	X(PASSED, passed, XDP_PASS, "not tunnel packets, passed untouched") \
	X(FOREIGN, foreign, XDP_PASS, "tunnel packets of other sources than --from, passed untouched") \
	X(FRAGMENT, fragment, XDP_PASS, "fragments of tunnel packets, passed untouched") \
	X(MALFORMED_OUTER, malformed_outer, XDP_DROP, "dropped: the outer header's lengths contradict the packet") \
	X(MALFORMED_INNER, malformed_inner, XDP_DROP, "dropped: the inner header is cut or not what the outer says") \
	X(CONGESTION, congestion, XDP_DROP, "dropped: congestion was marked, the inner packet cannot tell (RFC 6040)") \
	X(INTERNAL, internal, XDP_DROP, "dropped: the driver refused the change")

enum decap_outcome {
	DECAP_GO_ON = 0,
#define X(name, counter, action, text) DECAP_##name,
	DECAP_OUTCOMES(X)
#undef X
};

struct decap_stats {
#define X(name, counter, action, text) __u64 counter;
	DECAP_OUTCOMES(X)
#undef X
};

/* Constant once loaded. Outer sources with other bits under the mask are foreign; a mask of zero takes all. */
struct decap_config {
	struct shunt_addr from;
	struct shunt_addr from_mask;
	__be16 gue_port;             /* UDP port at which GUE arrives, 0: none does */
	__u16 pad;
	__u32 pad2;
};

#endif
