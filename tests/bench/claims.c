/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the design aims at, held against what was measured. Missing a target is told and fails nothing: a busy machine
 * measures what it can. What fails the run is structure gone wrong: a cost that grows where it must not, far beyond what
 * noise does to a ratio of two contenders that took turns.
 */
#include <string.h>

#include "bench.h"

enum kind { TIMES, MORE_NS };

static const struct claim {
	const char *text;
	enum contender_id of, per;
	enum column of_column, per_column;
	enum kind kind;
	double target, limit;
} claims[] = {
	/* multiples of a program that only returns XDP_TX */
	{"not a service", C_NOT_A_SERVICE, C_EMPTY, FLOWS_1, FLOWS_1, TIMES, 2.5, 0},
	{"ipip 4in4, one flow", C_IPIP_4IN4, C_EMPTY, FLOWS_1, FLOWS_1, TIMES, 5, 0},
	{"ipip 6in6, one flow", C_IPIP_6IN6, C_EMPTY, FLOWS_1, FLOWS_1, TIMES, 5, 0},
	{"ipip 4in4, 1 Mi flows", C_IPIP_4IN4, C_EMPTY, FLOWS_1M, FLOWS_1M, TIMES, 6, 0},
	{"ipip 6in6, 1 Mi flows", C_IPIP_6IN6, C_EMPTY, FLOWS_1M, FLOWS_1M, TIMES, 6, 0},
	{"gue 4in4, one flow", C_GUE_4IN4, C_EMPTY, FLOWS_1, FLOWS_1, TIMES, 6, 0},
	{"gue 6in6, one flow", C_GUE_6IN6, C_EMPTY, FLOWS_1, FLOWS_1, TIMES, 6, 0},
	{"nat IPv4, one flow", C_NAT_4, C_EMPTY, FLOWS_1, FLOWS_1, TIMES, 7, 0},
	{"nat IPv6, one flow", C_NAT_6, C_EMPTY, FLOWS_1, FLOWS_1, TIMES, 7, 0},
	{"SYN, moving, 1 Mi flows", C_SYN_MOVING, C_EMPTY, FLOWS_1M, FLOWS_1M, TIMES, 20, 0},
	/* what grows with nothing */
	{"ipip 4in4, 1 Mi flows to one flow", C_IPIP_4IN4, C_IPIP_4IN4, FLOWS_1M, FLOWS_1, TIMES, 1.3, 1.6},
	{"ipip 6in6, 1 Mi flows to one flow", C_IPIP_6IN6, C_IPIP_6IN6, FLOWS_1M, FLOWS_1, TIMES, 1.3, 1.6},
	{"ipip 4in4, 4 Mi flows to one flow", C_IPIP_4IN4, C_IPIP_4IN4, FLOWS_4M, FLOWS_1, TIMES, 1.3, 2},
	{"ipip 6in6, 4 Mi flows to one flow", C_IPIP_6IN6, C_IPIP_6IN6, FLOWS_4M, FLOWS_1, TIMES, 1.3, 2},
	{"SYN to ordinary packet, settled, 1 Mi flows", C_SYN, C_IPIP_4IN4, FLOWS_1M, FLOWS_1M, TIMES, 1.1, 2},
	{"flood to ordinary packet, settled", C_SYN, C_IPIP_4IN4, FLOWS_16M, FLOWS_1M, TIMES, 1.5, 2},
	{"flood to ordinary packet, moving", C_SYN_MOVING, C_MOVING_4IN4, FLOWS_16M, FLOWS_1M, TIMES, 1.5, 3},
	{"4,096 services to one, 1 Mi flows", C_MANY_SERVICES, C_IPIP_4IN4, FLOWS_1M, FLOWS_1M, TIMES, 1.25, 3},
	{"10,000 backends to two, 1 Mi flows", C_MANY_BACKENDS, C_TWO_BACKENDS, FLOWS_1M, FLOWS_1M, TIMES, 1.25, 3},
	/* against looking up every flow */
	{"ipip 4in4 to conventional, 64 Ki flows", C_IPIP_4IN4, C_CONVENTIONAL_4IN4, FLOWS_64K, FLOWS_64K, TIMES, 0.5, 1},
	{"ipip 4in4 to conventional, 1 Mi flows", C_IPIP_4IN4, C_CONVENTIONAL_4IN4, FLOWS_1M, FLOWS_1M, TIMES, 0.15, 0.6},
	{"ipip 6in6 to conventional, 1 Mi flows", C_IPIP_6IN6, C_CONVENTIONAL_6IN6, FLOWS_1M, FLOWS_1M, TIMES, 0.15, 0.6},
	{"moving 4in4 to conventional, 1 Mi flows", C_MOVING_4IN4, C_CONVENTIONAL_4IN4, FLOWS_1M, FLOWS_1M, TIMES, 0.4, 1},
	/* what protection costs, where it is configured */
	{"deny of 100,000, one flow", C_DENY_4, C_IPIP_4IN4, FLOWS_1, FLOWS_1, MORE_NS, 15, 0},
	{"deny of 100,000, 1 Mi flows", C_DENY_4, C_IPIP_4IN4, FLOWS_1M, FLOWS_1M, MORE_NS, 15, 0},
	{"deny of 100,000, IPv6, 1 Mi flows", C_DENY_6, C_IPIP_6IN6, FLOWS_1M, FLOWS_1M, MORE_NS, 15, 0},
	{"allow of 1, 1 Mi flows", C_SHORT_ALLOW, C_IPIP_4IN4, FLOWS_1M, FLOWS_1M, MORE_NS, 15, 0},
	{"allow of 100,000, one flow", C_ALLOW, C_IPIP_4IN4, FLOWS_1, FLOWS_1, MORE_NS, 15, 0},
	{"allow of 100,000, 1 Mi flows", C_ALLOW, C_IPIP_4IN4, FLOWS_1M, FLOWS_1M, MORE_NS, 15, 0},
	{"limits, established, 1 Mi flows", C_LIMITS, C_IPIP_4IN4, FLOWS_1M, FLOWS_1M, MORE_NS, 15, 0},
	{"limit of the service, SYN, one client", C_SERVICE_LIMIT_SYN, C_SYN, FLOWS_1, FLOWS_1, MORE_NS, 15, 0},
	{"limit of the service, SYN, 1 Mi clients", C_SERVICE_LIMIT_SYN, C_SYN, FLOWS_1M, FLOWS_1M, MORE_NS, 15, 0},
	{"limit of each client, SYN, one client", C_CLIENT_LIMIT_SYN, C_SYN, FLOWS_1, FLOWS_1, MORE_NS, 15, 0},
	{"limit of each client, SYN, as many as places", C_CLIENT_LIMIT_SYN, C_SYN, FLOWS_64K, FLOWS_64K, MORE_NS, 15, 0},
	{"limit of each client, SYN, 1 Mi clients", C_CLIENT_LIMIT_SYN, C_SYN, FLOWS_1M, FLOWS_1M, MORE_NS, 15, 0},
	{"both limits, SYN, one client", C_LIMITS_SYN, C_SYN, FLOWS_1, FLOWS_1, MORE_NS, 30, 0},
	{"both limits, SYN, 1 Mi clients", C_LIMITS_SYN, C_SYN, FLOWS_1M, FLOWS_1M, MORE_NS, 30, 0},
	{"clients of 1,024 prefixes, 1 Mi flows", C_CLIENTS, C_IPIP_4IN4, FLOWS_1M, FLOWS_1M, MORE_NS, 15, 0},
};

void add_result(struct results *results, struct result result)
{
	if (results->n < RESULTS_MAX)
		results->list[results->n++] = result;
}

bool is_too_far(const struct results *results)
{
	bool any = false;

	for (size_t i = 0; i < results->n; i++)
		any = any || (results->list[i].limit > 0 && results->list[i].value > results->list[i].limit);
	return any;
}

static void judge(const struct bench *b, const struct claim *c, struct results *results)
{
	struct result result = {
		.unit = c->kind == MORE_NS ? "ns more" : c->per == C_EMPTY ? "x empty" : "x",
		.target = c->target,
		.limit = c->limit,
	};

	if (!is_measured(b, c->of, c->of_column) || !is_measured(b, c->per, c->per_column))
		return;
	snprintf(result.text, sizeof(result.text), "%s", c->text);
	result.value = c->kind == MORE_NS ? more_ns(b, c->of, c->of_column, c->per, c->per_column)
					  : times(b, c->of, c->of_column, c->per, c->per_column);
	add_result(results, result);
}

void judge_claims(const struct bench *b, struct results *results)
{
	for (size_t i = 0; i < N(claims); i++)
		judge(b, &claims[i], results);
}
