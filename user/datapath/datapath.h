/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The loaded program and its maps: load or adopt, attach, publish, count. Decides nothing: who is alive and which slot
 * has which word is told from outside. All writes to maps that packets read are single aligned stores, or fill what nobody
 * looks at and then switch one word, so that a packet, and a controller that is killed in between, find the old or the new.
 */
#ifndef SHUNT_DATAPATH_H
#define SHUNT_DATAPATH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/traffic.h"
#include "config/config.h"

#include <shunt/reasons.h>

struct datapath;

struct datapath_options {
	const char *bpf_dir;            /* where maps and program are pinned; made if missing */
	uint64_t hash_seed;
	uint32_t table_size;            /* slots in a group's table, a power of two ≥ SHUNT_SLOTS_PER_LINE */
	uint32_t flow_table_size;       /* flows, a power of two ≥ SHUNT_FLOWS_PER_LINE */
	uint32_t flow_timeout_ms;       /* an established flow idle for longer may lose its place to another; 0: never */
	uint32_t groups;                /* there must be room for so many */
	uint32_t client_table_size;     /* clients whose limits are kept, a power of two ≥ SHUNT_CLIENTS_PER_LINE */
	uint32_t listed;                /* prefixes of allow and of clients that are found fast; more are found slowly */
	uint32_t features;              /* enum shunt_features */
	__be32 source_entropy_ipv4;
	bool fresh;                     /* do not adopt what is pinned: put empty maps in its place */
};

/*
 * Loads the program; adopts the maps pinned in bpf_dir, or creates and pins them. Attaches nothing: what is attached goes
 * on with its program until datapath_attach replaces it, so that a reload opens the same folder a second time (with
 * other features, or room for more groups) and then closes the old one.
 * 0; -EEXIST when what is pinned was laid out for another ABI version, hash_seed, table_size or flow_table_size (see
 * datapath_error); other -errno. On failure what was pinned still is.
 */
int datapath_open(const struct datapath_options *options, struct datapath **ret_datapath);
/* Frees memory and descriptors; the data path stays pinned and attached. NULL is fine. */
void datapath_close(struct datapath *datapath);
bool datapath_adopted(const struct datapath *datapath);  /* maps were there already */
const char *datapath_error(void);                        /* why the last call failed, for people; "" when there is no more to say than errno */
uint32_t datapath_features(const struct datapath *datapath); /* that it was opened with */
uint32_t datapath_room(const struct datapath *datapath); /* groups that fit */
uint32_t datapath_listed(const struct datapath *datapath); /* prefixes that it was opened for, or more */

/* ---- interfaces ---- */
struct datapath_attachment {
	char name[IF_NAMESIZE];
	int ifindex;
	bool native, dispatcher;
	uint32_t program_id;            /* what we have attached, 0: what was there before us */
};
/* Attaches to an interface, in place of an older program of ours if there is one, without a gap. -EBUSY: another's program. */
int datapath_attach(struct datapath *datapath, const char *interface, enum config_xdp_mode mode);
/* What `old` has attached is now for `datapath` to replace or detach. */
void datapath_take_attachments(struct datapath *datapath, struct datapath *old);
int datapath_detach(struct datapath *datapath, const char *interface);
size_t datapath_attachments(const struct datapath *datapath, const struct datapath_attachment **ret_list);
/* Detaches everywhere and removes the pins. */
int datapath_remove(struct datapath *datapath);

/* ---- publishing ---- */
/* The complete set of services; ids, groups and flags as given, echo entries for their addresses are added. */
int datapath_set_services(struct datapath *datapath, const struct shunt_service *services, size_t n);
/* The id that the service with this key has in the adopted maps, 0: none. */
uint32_t datapath_service_id(const struct datapath *datapath, const struct shunt_service_key *key);
/* Its line, NULL: none. */
const struct shunt_service *datapath_peek_service(const struct datapath *datapath, const struct shunt_service_key *key);

/* The complete set of what nat backends answer for; of one key the first. Only with SHUNT_FEATURE_NAT is there room. */
int datapath_set_answers(struct datapath *datapath, const struct shunt_answer *answers, size_t n);
const struct shunt_answer *datapath_find_answer(const struct datapath *datapath, const struct shunt_service_key *key);
void datapath_each_answer(const struct datapath *datapath, void (*found)(void *userdata, const void *answer),
			  void *userdata);

/* Index of the group with this identity; made, with an empty table, when there is none. -ENOSPC: open with room for more. */
int datapath_group(struct datapath *datapath, uint64_t identity, uint32_t *ret_group, bool *ret_found);
void datapath_group_remove(struct datapath *datapath, uint32_t group);
bool datapath_group_used(const struct datapath *datapath, uint32_t group, uint64_t *ret_identity);
/* The words in use, table_size of them; they hold until the group's next publication. */
const struct shunt_slot *datapath_table(const struct datapath *datapath, uint32_t group);
/* Writes the table that nobody looks at, then switches to it. */
void datapath_publish_table(struct datapath *datapath, uint32_t group, const struct shunt_slot *words);
/* Id of the backend that takes flows for which probing finds nobody; 0: they are dropped. */
void datapath_set_reserve(struct datapath *datapath, uint32_t group, uint32_t backend);
uint32_t datapath_reserve(const struct datapath *datapath, uint32_t group);

/* Id of the backend with this identity; made, not alive, when there is none. -ENOSPC. */
int datapath_backend(struct datapath *datapath, uint64_t identity, uint32_t *ret_id, bool *ret_found);
void datapath_backend_remove(struct datapath *datapath, uint32_t id); /* no slot and no flow may have it */
const struct shunt_backend *datapath_peek_backend(const struct datapath *datapath, uint32_t id);
void datapath_backend_address(struct datapath *datapath, uint32_t id, const struct shunt_addr *address,
			      uint16_t port_host);
void datapath_backend_port(struct datapath *datapath, uint32_t id,
			   uint16_t port_host); /* nat delivers there; 0: none */
void datapath_backend_source(struct datapath *datapath, uint32_t id, const struct shunt_addr *source);
void datapath_backend_alive(struct datapath *datapath, uint32_t id, bool alive);
/* What least-connections compares. */
void datapath_backend_load(struct datapath *datapath, uint32_t id, uint32_t flows, uint16_t weight);
/* ifindex 0: not known any more, packets ask the kernel. */
void datapath_backend_next_hop(struct datapath *datapath, uint32_t id, int ifindex, const uint8_t mac[6],
			       const uint8_t link_mac[6], uint16_t mtu);

/* ---- who is denied, who is allowed, how much each may ---- */
enum datapath_list { DATAPATH_DENY, DATAPATH_ALLOW };
/* `prefix_bits`: of the address's family. Bits behind it are cleared. */
struct shunt_list_key datapath_prefix_key(const struct shunt_addr *address, uint8_t prefix_bits, uint32_t service);
/*
 * The complete list; `keys` are sorted by this. `keep`: nothing is taken away yet, so that lines of services that refer to
 * the old can change first. -ENOSPC: more than SHUNT_MAX_LISTED.
 */
int datapath_set_prefixes(struct datapath *datapath, enum datapath_list list, struct shunt_list_key *keys, size_t n,
			  bool keep);
uint64_t datapath_prefix_packets(const struct datapath *datapath,
				 const struct shunt_list_key *key); /* dropped by deny */
/* Buckets go on as they are. */
void datapath_set_limit(struct datapath *datapath, uint32_t service, const struct shunt_limit *limit);

/* ---- which clients other groups take ---- */
struct datapath_client {
	struct shunt_list_key key;
	struct shunt_client_group placement;
};
/* What the map holds, sorted by datapath_client_order(); until the next call that sets it. */
size_t datapath_clients(const struct datapath *datapath, const struct datapath_client **ret_list);
/* The complete set, sorted; each element changes whole. `keep`: nothing is taken away yet. -ENOSPC: too many. */
int datapath_set_clients(struct datapath *datapath, const struct datapath_client *clients, size_t n, bool keep);
int datapath_client_order(const void *a, const void *b); /* by service, then a prefix before those within it */

/* ---- whose connection ids of QUIC have which server id ---- */
struct datapath_server_id {
	struct shunt_server_id key;
	uint32_t backend;
};
/* The complete set, each key once; they go with their backend, too (datapath_backend_remove). */
int datapath_set_server_ids(struct datapath *datapath, const struct datapath_server_id *ids, size_t n);
/* What the map holds; until the next call that changes it. */
size_t datapath_server_ids(const struct datapath *datapath, const struct datapath_server_id **ret_list);

/* ---- next hops of answers that packets miss ---- */
int datapath_neighbours_fd(const struct datapath *datapath); /* readable when there are some */
/* Takes what waits; every one as often as packets have missed it. */
void datapath_take_neighbours(struct datapath *datapath,
			      void (*wanted)(void *userdata, const struct shunt_neighbour_wanted *neighbour),
			      void *userdata);

/* ---- reading ---- */
/* Of `n` ids from `first` on; of one that does not exist, zeros. A thousand cost little more than ten. */
void datapath_service_stats(struct datapath *datapath, uint32_t first, uint32_t n, struct traffic *ret_list);
void datapath_service_clear_stats(struct datapath *datapath, uint32_t id);
void datapath_backend_stats(struct datapath *datapath, uint32_t first, uint32_t n, struct traffic *ret_list);
void datapath_backend_signs(struct datapath *datapath, uint32_t id, struct shunt_backend_signs *ret_signs);
void datapath_drop_stats(struct datapath *datapath, uint64_t ret_drops[SHUNT_DROP_REASON_COUNT]);

/*
 * Walks the flow table: frees entries older than timeout_ms, calls `live` for the others. Returns how many live ones
 * there are. Ages are known to two seconds (flow_lag of struct shunt_config).
 */
uint64_t datapath_scan_flows(struct datapath *datapath, uint32_t timeout_ms,
			     void (*live)(void *userdata, struct shunt_flow flow), void *userdata);
/* Bits of classes of flows (struct shunt_direct). */
void datapath_set_crowded(struct datapath *datapath, uint32_t classes);
/* Frees all entries of a backend. */
void datapath_forget_flows(struct datapath *datapath, uint32_t backend);
uint64_t datapath_flow_capacity(const struct datapath *datapath);

/* Runs a made-up first (or later) packet of the flow through the loaded program, without counting or pinning. Ports host order. */
struct datapath_flow {
	uint8_t protocol;
	struct shunt_addr source, destination;
	uint16_t source_port, destination_port;
	bool starts;
	bool unknown; /* as if nobody had pinned it */
};
int datapath_explain(struct datapath *datapath, const struct datapath_flow *flow,
		     struct shunt_explanation *ret_explanation);

/* ---- tracing ---- */
/*
 * Puts the tracing program in the place of the one that runs, or back, on every interface, without a gap. `on_packet` is
 * called by datapath_trace_read(), which is due when the descriptor is readable. Nothing comes before datapath_trace_control().
 * A data path that is closed while it is traced leaves the tracing program in place, which copies nothing after until_ns.
 */
int datapath_trace_start(struct datapath *datapath, void (*on_packet)(void *userdata, const struct shunt_trace *event),
			 void *userdata);
void datapath_trace_stop(struct datapath *datapath);
bool datapath_is_traced(const struct datapath *datapath);
int datapath_trace_fd(const struct datapath *datapath);
void datapath_trace_read(struct datapath *datapath);
void datapath_trace_control(struct datapath *datapath, const struct shunt_trace_control *control);
uint64_t datapath_trace_skipped(const struct datapath *datapath); /* since it was started */

struct datapath_map {
	const char *name, *path;        /* path: where it is pinned; both hold until the next call or close */
	const char *type;               /* "array" | "percpu_array" | "hash" | "lru_hash" | "lpm_trie" */
	uint32_t entries, key_bytes, value_bytes;
	uint64_t memory_bytes;
};
size_t datapath_maps(struct datapath *datapath, struct datapath_map *ret_maps, size_t max);

#endif
