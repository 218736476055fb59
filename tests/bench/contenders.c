/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What is measured, in the order in which it is told. */
#include "bench.h"

const uint32_t column_flows[COLUMNS] = {1, 1 << 16, 1 << 20, 1 << 22, 1 << 24};
const char *const column_names[COLUMNS] = {"1 flow", "64 Ki", "1 Mi", "4 Mi", "16 Mi"};

enum {
	ONE = 1 << FLOWS_1,
	TO_1M = 1 << FLOWS_1 | 1 << FLOWS_64K | 1 << FLOWS_1M,
	TO_4M = TO_1M | 1 << FLOWS_4M,
	TO_16M = TO_4M | 1 << FLOWS_16M,
	NOT_4M = TO_1M | 1 << FLOWS_16M, /* the flow table that is measured has no room for them */
	LARGE_ONLY = 1 << FLOWS_64K | 1 << FLOWS_1M,
};

#define BASELINE .section = "to compare with", .fate = SENT
#define SETTLED .section = "settled"
#define TRACKED .section = "tracked"
#define SYN_PACKETS .section = "SYN (16 Mi: a flood of random sources)", .syn = true
#define GROWN .section = "large configurations", .in = LARGE
#define PROTECTED .section = "ipip, protected"

const struct contender contenders[CONTENDERS] = {
	[C_EMPTY] = {BASELINE, .name = "empty: only returns XDP_TX", .program = EMPTY, .directly = true, .columns = TO_16M},
	[C_SWAP] = {BASELINE, .name = "parse, swap MAC addresses", .program = SWAP, .directly = true, .columns = ONE},
	[C_METHOD] = {BASELINE, .name = "the method: restore, tail call", .program = EMPTY, .columns = TO_1M},

	[C_NOT_A_SERVICE] = {SETTLED, .name = "not a service", .to = "192.0.2.10:9", .fate = PASSED,
			     .columns = TO_1M},
	[C_L2_4] = {SETTLED, .name = "l2, IPv4", .service = L2_4, .columns = TO_4M},
	[C_L2_6] = {SETTLED, .name = "l2, IPv6", .service = L2_6, .columns = TO_4M},
	[C_IPIP_4IN4] = {SETTLED, .name = "ipip, 4in4", .service = IPIP_4IN4, .columns = TO_4M},
	[C_IPIP_6IN6] = {SETTLED, .name = "ipip, 6in6", .service = IPIP_6IN6, .columns = TO_4M},
	[C_IPIP_4IN6] = {SETTLED, .name = "ipip, IPv4 in IPv6", .service = IPIP_4IN6, .columns = TO_1M},
	[C_IPIP_6IN4] = {SETTLED, .name = "ipip, IPv6 in IPv4", .service = IPIP_6IN4, .columns = TO_1M},
	[C_GUE_4IN4] = {SETTLED, .name = "gue, 4in4", .in = WITH_GUE, .service = GUE_4IN4, .columns = TO_1M},
	[C_GUE_6IN6] = {SETTLED, .name = "gue, 6in6", .in = WITH_GUE, .service = GUE_6IN6, .columns = TO_1M},
	[C_NAT_4] = {SETTLED, .name = "nat, IPv4", .in = WITH_NAT, .service = NAT_4, .columns = TO_1M},
	[C_NAT_6] = {SETTLED, .name = "nat, IPv6", .in = WITH_NAT, .service = NAT_6, .columns = TO_1M},
	[C_NAT_ANSWER] = {SETTLED, .name = "nat, IPv4, answer (FIB lookup)", .in = WITH_NAT, .from = "10.1.0.1:84",
			  .to = "198.51.100.0:4000", .fate = SENT, .n_destinations = 256, .columns = ONE},

	[C_MOVING_4IN4] = {TRACKED, .name = "ipip, 4in4, moving", .service = MOVING_4IN4, .pins = true, .columns = TO_4M},
	[C_MOVING_6IN6] = {TRACKED, .name = "ipip, 6in6, moving", .service = MOVING_6IN6, .pins = true, .columns = TO_4M},
	[C_ALWAYS] = {TRACKED, .name = "ipip, 4in4, tracking: always", .service = ALWAYS_4IN4, .pins = true, .columns = TO_4M},
	[C_CONVENTIONAL_4IN4] = {TRACKED, .name = "conventional (LRU hash), 4in4", .program = CONVENTIONAL,
				 .service = IPIP_4IN4, .columns = TO_4M},
	[C_CONVENTIONAL_6IN6] = {TRACKED, .name = "conventional (LRU hash), 6in6", .program = CONVENTIONAL,
				 .service = IPIP_6IN6, .columns = TO_1M},

	[C_SYN] = {SYN_PACKETS, .name = "ipip, 4in4, settled", .service = IPIP_4IN4, .columns = TO_16M},
	[C_SYN_MOVING] = {SYN_PACKETS, .name = "ipip, 4in4, moving", .service = MOVING_4IN4, .pins = true, .columns = NOT_4M},
	[C_SYN_CONVENTIONAL] = {SYN_PACKETS, .name = "conventional (LRU hash), 4in4", .program = CONVENTIONAL,
				.service = IPIP_4IN4, .columns = NOT_4M},

	[C_MANY_SERVICES] = {GROWN, .name = "ipip, 4,096 services", .service = MANY_SERVICES,
			     .n_services = N_MANY_SERVICES, .columns = TO_1M},
	[C_TWO_BACKENDS] = {GROWN, .name = "ipip, 2 backends", .service = TWO_BACKENDS, .columns = LARGE_ONLY},
	[C_MANY_BACKENDS] = {GROWN, .name = "ipip, 10,000 backends", .service = MANY_BACKENDS,
			     .columns = LARGE_ONLY},

	[C_DENY_4] = {PROTECTED, .name = "deny of 100,000, 4in4", .in = WITH_DENY, .service = IPIP_4IN4, .columns = TO_1M},
	[C_DENY_6] = {PROTECTED, .name = "deny of 100,000, 6in6", .in = WITH_DENY, .service = IPIP_6IN6, .columns = TO_1M},
	[C_DENIED] = {PROTECTED, .name = "deny of 100,000, denied: drop", .in = WITH_DENY, .service = IPIP_4IN4,
		      .from = "203.0.113.0:4000", .fate = DROPPED, .columns = ONE},
	[C_SHORT_ALLOW] = {PROTECTED, .name = "allow of 1", .in = WITH_SHORT_ALLOW, .service = IPIP_4IN4, .columns = TO_1M},
	[C_ALLOW] = {PROTECTED, .name = "allow of 100,000", .in = WITH_ALLOW, .service = IPIP_4IN4, .columns = TO_1M},
	[C_LIMITS] = {PROTECTED, .name = "limits", .in = WITH_LIMITS, .service = IPIP_4IN4, .columns = TO_1M},
	[C_SERVICE_LIMIT_SYN] = {PROTECTED, .name = "limit of the service, SYN", .in = WITH_SERVICE_LIMIT,
				 .service = IPIP_4IN4, .syn = true, .columns = TO_1M},
	[C_CLIENT_LIMIT_SYN] = {PROTECTED, .name = "limit of each client, SYN", .in = WITH_CLIENT_LIMIT,
				.service = IPIP_4IN4, .syn = true, .columns = TO_1M},
	[C_LIMITS_SYN] = {PROTECTED, .name = "both limits, SYN", .in = WITH_LIMITS, .service = IPIP_4IN4, .syn = true,
			  .columns = TO_1M},
	[C_OVER_LIMIT] = {PROTECTED, .name = "both limits, SYN over them: drop", .in = WITH_LIMITS, .service = L2_4,
			  .syn = true, .fate = DROPPED, .columns = ONE},
	[C_CLIENTS] = {PROTECTED, .name = "clients of 1,024 prefixes", .in = WITH_CLIENTS, .service = IPIP_4IN4,
		       .columns = TO_1M},
};
