/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the parts of the suite share: balancers, contenders, what was measured of them, and what was found. */
#ifndef SHUNT_BENCH_H
#define SHUNT_BENCH_H

#include <stdio.h>
#include <bpf/libbpf.h>

#include "../lib/fixture.h"

enum { ROUNDS_MAX = 15, RESULTS_MAX = 80, SLOTS = 65536 };

/* How many flows, each packet being one of them at random. The last: more than any table holds, a flood of random sources. */
enum column { FLOWS_1, FLOWS_64K, FLOWS_1M, FLOWS_4M, FLOWS_16M, COLUMNS };
extern const uint32_t column_flows[COLUMNS];
extern const char *const column_names[COLUMNS];

/* ---- balancers (balancers.c): a loaded program with its features, and the maps it has; the same services in each ---- */

enum balancer_id {
	PLAIN,                       /* no feature is in use */
	ROOMY,                       /* a flow table for 4 Mi flows */
	LARGE,                       /* many services, many backends */
	WITH_GUE,
	WITH_NAT,
	WITH_DENY,                   /* 100,000 prefixes each */
	WITH_ALLOW,
	WITH_SHORT_ALLOW,            /* one prefix */
	WITH_SERVICE_LIMIT,
	WITH_CLIENT_LIMIT,
	WITH_LIMITS,                 /* both */
	WITH_CLIENTS,
	BALANCERS
};

/* Services that every balancer has. */
enum service {
	L2_4,
	L2_6,
	IPIP_4IN4,
	IPIP_6IN6,
	IPIP_4IN6,                   /* an IPv4 packet in an outer IPv6 header */
	IPIP_6IN4,
	GUE_4IN4,
	GUE_6IN6,
	NAT_4,
	NAT_6,
	MOVING_4IN4,
	MOVING_6IN6,
	ALWAYS_4IN4,
	SERVICES,
	/* of LARGE only */
	TWO_BACKENDS = SERVICES,
	MANY_BACKENDS,
	MANY_SERVICES,               /* the first of them */
};
enum { N_MANY_SERVICES = 4096, N_MANY_BACKENDS = 10000, N_BACKENDS = 100, N_LISTED = 100000 };

uint32_t service_number(enum service service); /* its id in the maps */
const char *service_address(enum service service);
uint32_t service_outer_len(enum service service); /* bytes put in front of a packet to it */

void balancers_open(struct fixture list[BALANCERS]);
void balancers_close(struct fixture list[BALANCERS]);

/* ---- contenders (contenders.c) ---- */

enum program { SHUNT, CONVENTIONAL, EMPTY, SWAP };
enum fate {
	FORWARDED,                   /* XDP_TX, and its service counts it */
	SENT,                        /* XDP_TX */
	PASSED,
	DROPPED
};

enum contender_id {
	C_EMPTY,
	C_SWAP,
	C_METHOD,
	C_NOT_A_SERVICE,
	C_L2_4,
	C_L2_6,
	C_IPIP_4IN4,
	C_IPIP_6IN6,
	C_IPIP_4IN6,
	C_IPIP_6IN4,
	C_GUE_4IN4,
	C_GUE_6IN6,
	C_NAT_4,
	C_NAT_6,
	C_NAT_ANSWER,
	C_MOVING_4IN4,
	C_MOVING_6IN6,
	C_ALWAYS,
	C_CONVENTIONAL_4IN4,
	C_CONVENTIONAL_6IN6,
	C_SYN,
	C_SYN_MOVING,
	C_SYN_CONVENTIONAL,
	C_MANY_SERVICES,
	C_TWO_BACKENDS,
	C_MANY_BACKENDS,
	C_DENY_4,
	C_DENY_6,
	C_DENIED,
	C_SHORT_ALLOW,
	C_ALLOW,
	C_LIMITS,
	C_SERVICE_LIMIT_SYN,
	C_CLIENT_LIMIT_SYN,
	C_LIMITS_SYN,
	C_OVER_LIMIT,
	C_CLIENTS,
	CONTENDERS
};

struct contender {
	const char *section, *name;
	enum balancer_id in;
	enum program program;
	bool directly;               /* not behind the outer program */
	const char *from, *to;       /* NULL: the client of the family, the service's address */
	bool syn;                    /* else an acknowledgement */
	enum service service;
	uint32_t n_services;         /* over which its packets are spread, at addresses one after the other; 0: the one */
	uint32_t n_destinations;     /* the same for packets that no service counts */
	enum fate fate;
	bool pins;                   /* its flows are put into the flow table before they are measured */
	unsigned int columns;        /* bits */
	/* as it goes */
	unsigned int filled;         /* bits of columns: the LRU of the conventional design has its flows */
	double ns[COLUMNS][ROUNDS_MAX];
};

extern const struct contender contenders[CONTENDERS];

/* ---- the run (load.c, run.c) ---- */

struct bench {
	struct fixture balancers[BALANCERS];
	struct bpf_object *outer, *conventional;
	int lru[COLUMNS];            /* of the conventional design: maps; -1: none */
	uint32_t lru_key_bytes, lru_value_bytes;
	bool brief;
	int rounds;
	uint32_t packets;            /* a measurement */
	struct contender list[CONTENDERS];
};

void bench_open(struct bench *b, bool brief);
void bench_measure(struct bench *b); /* all rounds */
void bench_close(struct bench *b);
bool is_measured(const struct bench *b, enum contender_id id, enum column column);
__attribute__((noreturn)) void die(const char *what, int r); /* r: -errno */
int object_program(const struct bpf_object *object, const char *name);
int object_map(const struct bpf_object *object, const char *name);
void use_lru(const struct bench *b, enum column column); /* on every CPU: packets run on one */

/* ---- figures (figures.c) ---- */

double median(const double *values, int n);
double median_ns(const struct bench *b, enum contender_id id, enum column column);
/* Medians of what was found within each round. */
double times(const struct bench *b, enum contender_id of, enum column of_column, enum contender_id per, enum column per_column);
double more_ns(const struct bench *b, enum contender_id of, enum column of_column, enum contender_id than,
	       enum column than_column);
double times_empty(const struct bench *b, enum contender_id id, enum column column);

/* ---- what was found, held against what was aimed at (claims.c, costs.c) ---- */

#define NO_TARGET (-1)

struct result {
	char text[80];
	const char *unit;
	double value, target;        /* at most; NO_TARGET: told, not judged */
	double limit;                /* beyond it the run fails; 0: never */
};

struct results {
	struct result list[RESULTS_MAX];
	size_t n;
};

void judge_claims(const struct bench *b, struct results *results);
/* Memory of the maps, time to write a table, and that code of protections that nobody uses is gone. */
void judge_costs(struct results *results);
void add_result(struct results *results, struct result result);
bool is_too_far(const struct results *results); /* some result is beyond its limit */

/* ---- telling (report.c, plot.c) ---- */

void print_table(const struct bench *b);
void print_results(const struct results *results);
void print_sizes(void);
void write_json(const struct bench *b, const struct results *results);
void write_plot(const struct bench *b);

#endif
