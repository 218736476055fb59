/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a host must have for shunt to run well on it (`shunt doctor`): facts as the kernel tells them, read without changing
 * anything and without a controller (read_*.c), and what follows from them, which is pure (judge*.c).
 */
#ifndef SHUNT_DOCTOR_H
#define SHUNT_DOCTOR_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/config.h"
#include "net/netlink.h"

/* ---- facts ---- */

enum doctor_known { DOCTOR_UNKNOWN = -1, DOCTOR_NO = 0, DOCTOR_YES = 1 };

enum doctor_caps {
	DOCTOR_CAP_BPF = 1 << 0,
	DOCTOR_CAP_NET_ADMIN = 1 << 1,
	DOCTOR_CAP_PERFMON = 1 << 2,
};

struct doctor_host {
	unsigned int major, minor;         /* of the kernel */
	char release[65];
	bool btf;                          /* /sys/kernel/btf/vmlinux */
	enum doctor_known jit;             /* net.core.bpf_jit_enable */
	enum doctor_known xdp, ringbuf, devmap, lpm_trie; /* unknown without the capabilities to try */
	unsigned int caps;                 /* of this process, enum doctor_caps */
	bool memlock_unlimited;
	uint64_t memlock_bytes;
	bool bpffs;                        /* /sys/fs/bpf is one */
	bool data_path_pinned;             /* a program of ours is in the bpf directory */
	enum doctor_known clock_synchronised;
	int64_t clock_error_us;            /* the kernel's estimate; 0: not known */
	int64_t wall_s;                    /* Unix seconds */
	unsigned int cpus;
	uint32_t neighbours_max[2];        /* gc_thresh3 of IPv4 and IPv6; 0: not known */
	bool controller;                   /* answers */
	char controller_version[32];
	char controller_problem[256];      /* "": none */
};

#define DOCTOR_PROGRAMS_MAX 8

/* ---- of an interface of the configuration ---- */

struct doctor_program {
	uint32_t id;
	char name[16];
	bool ours;                         /* by its name */
};

struct doctor_link {
	char name[IF_NAMESIZE];
	enum config_xdp_mode wanted;
	bool exists, up;
	uint32_t mtu;
	char driver[32];                   /* "": not told */
	enum doctor_known native;          /* the driver says it has native XDP (Linux 6.3) */
	enum doctor_known redirect;        /* it takes redirected frames */
	bool attached_native, attached_generic;
	bool dispatcher;                   /* libxdp's is on it */
	struct doctor_program programs[DOCTOR_PROGRAMS_MAX]; /* what runs on it, the dispatcher itself not counted */
	size_t n_programs;
	enum doctor_known lro, gro, gro_hw, rx_checksum, tx_checksum;
	uint32_t rx_queues, rx_queues_max; /* 0: not told */
	uint32_t rx_ring, rx_ring_max;
	int rp_filter;                     /* in force: the stricter of all and the interface's; -1: not known */
	enum doctor_known ipv4_forwarding, ipv6_forwarding;
};

/* ---- of a backend of the configuration ---- */

struct doctor_backend {
	const char *name;                  /* of the configuration */
	struct shunt_addr address;
	uint32_t modes;                    /* 1 << enum shunt_forward of services that may send to it */
	struct netlink_route route;
	char device[IF_NAMESIZE];          /* of the route */
	uint32_t mtu;                      /* of the route, else of the device; 0: not known */
	struct netlink_neighbour neighbour;
};

struct doctor_facts {
	struct doctor_host host;
	const char *config_path;           /* NULL: none was asked for, and the usual one is not there */
	size_t config_errors;
	bool config_read;                  /* valid; the rest is of it */
	bool via_service;                  /* some check goes the way of traffic */
	enum doctor_known clsact;          /* if it does: programs can be put there */
	struct doctor_link *links;
	size_t n_links;
	struct doctor_backend *backends;
	size_t n_backends;
	uint64_t memory_bytes;             /* that the maps will take, about */
	uint64_t memory_free_bytes;        /* MemAvailable; 0: not known */
};

/* What was found; `config` may be NULL and must outlive the facts. host.controller* are the caller's. 0 | -errno. */
int doctor_read(const struct config *config, const char *bpf_dir, struct doctor_facts *ret_facts);
void doctor_facts_clear(struct doctor_facts *facts);

/* ---- what follows ---- */

enum doctor_level { DOCTOR_OK, DOCTOR_WARN, DOCTOR_FAIL };

struct doctor_line {
	enum doctor_level level;
	char subject[48];                  /* "kernel", "eth0", "backend web1" */
	char *text;
	char *remedy;                      /* a command, or what to do; NULL: nothing to mend */
};

struct doctor_report {
	struct doctor_line *lines;
	size_t n;
};

void doctor_judge(const struct doctor_facts *facts, struct doctor_report *ret_report);
void doctor_report_clear(struct doctor_report *report);
enum doctor_level doctor_worst(const struct doctor_report *report);
const char *doctor_level_text(enum doctor_level level); /* "ok" | "warn" | "fail" */

/* Bytes that forwarding in this mode puts in front of a packet, towards an address of this family. */
uint32_t doctor_overhead(enum shunt_forward forward, bool ipv4);

#endif
