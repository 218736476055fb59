/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The data path for a test: opened, published to and read through user/datapath, as shuntd does it, and given packets
 * with BPF_PROG_TEST_RUN. All of it lives in a mount and a network namespace of the test's own, with a bpffs of its
 * own: nothing of it is left when the test ends, however it ends.
 *
 * What cannot be set up fails the running cmocka test; the functions do not return errors.
 */
#ifndef SHUNT_TEST_FIXTURE_H
#define SHUNT_TEST_FIXTURE_H

#include "datapath/datapath.h"
#include "packet.h"

#define FIXTURE_BPF_DIR "/sys/fs/bpf/shunt-test"
#define N(array) (sizeof(array) / sizeof((array)[0]))

enum link { LINK_IN, LINK_OUT, LINK_UNKNOWN }; /* packets come by LINK_IN; LINK_UNKNOWN: no next hop is published */

struct fixture {
	struct datapath_options options;
	struct datapath *datapath;
	int ifindex[2]; /* of LINK_IN, LINK_OUT */
	struct shunt_service *services; /* as published */
	size_t n_services;
	struct shunt_answer answers[64]; /* likewise */
	size_t n_answers;
};

/* The table and flow table are small, so that full lines and collisions are easily made. */
extern const struct datapath_options fixture_defaults;

/* Moves the process into its namespaces, with two veth pairs; once, at the start of main. Exits when it cannot. */
void fixture_isolate(void);
/* Runs a shell command, which must succeed. */
void shell(const char *format, ...) __attribute__((format(printf, 1, 2)));

void fixture_open(struct fixture *f, const struct datapath_options *options);
void fixture_reopen(struct fixture *f); /* closes and adopts, as a restarted shuntd does */
void fixture_close(struct fixture *f); /* detaches, removes the pins, frees the frames */
/* For cmocka: a fixture with the defaults in *state. */
int fixture_setup(void **state);
int fixture_teardown(void **state);

/* ---- publishing ---- */
uint32_t fixture_group(struct fixture *f, uint64_t identity);
/* An alive backend. Tunnels to it come from 10.0.0.1 or fd00::1, its MAC address is that of backend_mac(id). */
uint32_t fixture_backend(struct fixture *f, const char *address, enum link link);
void fixture_mtu(struct fixture *f, uint32_t backend, uint16_t mtu); /* of a backend behind LINK_IN; 1500 at first */
void backend_mac(uint32_t id, uint8_t ret_mac[MAC_LEN]);
extern const uint8_t link_mac[2][MAC_LEN];
/* "192.0.2.10:80", "[2001:db8::10]:0"; in place of the service with the same key if there is one. Returns its id. */
uint32_t fixture_service(struct fixture *f, uint8_t protocol, const char *address, uint32_t group,
			 enum shunt_forward forward, uint32_t flags);
/* Gives a service a scheduler; its flows are then tracked always. */
void fixture_scheduler(struct fixture *f, uint32_t service, enum shunt_scheduler scheduler);
/* By nat to this backend and port, 0: the client's; its answers are the service's. */
uint32_t fixture_nat(struct fixture *f, uint8_t protocol, const char *address, uint32_t group, uint32_t backend, uint16_t port);
void fixture_nat_mss(struct fixture *f, uint32_t service, uint16_t mss); /* of its SYNs and of its answers' SYN-ACKs */
/*
 * Forwarding, and where answers go: clients of 198.51.100.0/24 and 2001:db8:c::/64 behind a router by LINK_IN
 * (02:00:00:00:00:01), of 198.51.101.0/24 and 2001:db8:d::/64 behind one by LINK_OUT (02:00:00:00:00:04), of 198.51.102.0/24
 * and 2001:db8:e::/64 likewise by LINK_IN, where 1,400 bytes fit; of 198.51.103.0/24 and 2001:db8:f::/64 behind one that
 * nobody has resolved. 10.0.0.1 and fd00::1 are the host's own.
 */
void fixture_routes(void);
/* For a whole prefix, "192.0.2.0/24" or "2001:db8::/96". */
uint32_t fixture_prefix(struct fixture *f, uint8_t protocol, const char *prefix, uint16_t port, uint32_t group,
			enum shunt_forward forward, uint32_t flags);
/* Services begin with GUE at 6080 and no limit of the MSS. */
void fixture_tunnel(struct fixture *f, uint32_t service, uint16_t gue_port, uint16_t mss);
/* A service that reads server ids of len bytes; and whose one is. */
void fixture_server_ids(struct fixture *f, uint32_t service, uint8_t offset, uint8_t len);
void fixture_server_id(struct fixture *f, uint32_t service, const uint8_t *id, uint32_t backend);
const struct shunt_service *fixture_service_by_id(const struct fixture *f, uint32_t id);
struct shunt_service_key service_key(uint8_t protocol, const char *address);
/* Every slot of the group. */
void fixture_slots(struct fixture *f, uint32_t group, struct shunt_slot word);
void fixture_slot(struct fixture *f, uint32_t group, uint32_t slot, struct shunt_slot word);
struct shunt_slot settled(uint32_t now), moving(uint32_t now, uint32_t was), resolving(uint32_t now);

/* ---- packets ---- */
struct outcome {
	int verdict; /* enum xdp_action */
	struct frame *frame; /* as it left the program */
};
struct outcome fixture_run(struct fixture *f, const struct frame *in);
/* The verdict alone. */
int fixture_run_quietly(struct fixture *f, const struct frame *in);
int fixture_program(const struct fixture *f);
const char *verdict_text(int verdict);

/* The frame that should leave towards a backend. */
struct frame *sent(const struct fixture *f, const struct frame *in, uint32_t service, uint32_t backend);
/* The same of a frame that does not show its flow itself: `flow` is a plain TCP or UDP frame of it. */
struct frame *sent_as(const struct fixture *f, const struct frame *in, const struct frame *flow, uint32_t service,
		      uint32_t backend);
/* Hash of the flow that a TCP or UDP frame belongs to, and its slot. */
uint64_t hash_of(const struct fixture *f, const struct frame *in, uint32_t service);
uint32_t slot_of(const struct fixture *f, const struct frame *in, uint32_t service);
/* The backend whose address or MAC address the frame goes to, 0: none. */
uint32_t backend_of(const struct fixture *f, const struct frame *out);

/* ---- state ---- */
struct shunt_flow_line *fixture_flows(const struct fixture *f, size_t *ret_bytes); /* the living map */
struct shunt_flow_line *fixture_flow_line(const struct fixture *f, uint64_t hash);
struct shunt_flow flow_entry(const struct fixture *f, uint64_t hash); /* all zero: not pinned */
struct shunt_flow *fixture_flows_copy(const struct fixture *f); /* to be freed */
size_t fixture_flows_used(const struct fixture *f);

struct counters {
	uint64_t drops[SHUNT_DROP_REASON_COUNT];
	struct traffic service; /* of all services together */
	struct traffic backend; /* of all backends together */
};
struct counters fixture_counters(const struct fixture *f);

#endif
