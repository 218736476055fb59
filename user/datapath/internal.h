/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the files of this folder share. */
#ifndef SHUNT_DATAPATH_INTERNAL_H
#define SHUNT_DATAPATH_INTERNAL_H

#include "datapath/datapath.h"
#include "datapath/features.h"
#include "datapath/index.h"
#include "datapath/lines.h"
#include "shunt.skel.h"

#include <uthash.h>

#include <shunt/flow_line.h>
#include <shunt/hash.h>
#include <shunt/names.h>

#define ATTACHMENTS_MAX 64
#define PINNED_MAPS 22

/* Where the backend with this identity is. */
struct backend_index {
	uint64_t identity;
	uint32_t id;
	UT_hash_handle hh;
};

/* A map that the controller sees in its own memory. */
struct mapped {
	void *start;
	size_t bytes;
};

struct list_keys {
	struct shunt_list_key *list;
	size_t n;
};

struct datapath {
	struct shunt_bpf *skeleton;
	struct shunt_config cfg;
	uint32_t feature_bits;                /* enum shunt_features */
	struct features features;
	char *bpf_dir;
	bool adopted;
	bool fresh;                           /* whatever xdp_shunt is attached is ours to replace */
	uint32_t tables;                      /* tables in `slots` */

	struct mapped info_map, services_map, answers_map, answer_seeds_map;
	struct mapped groups_map, slots_map, backends_map, flows_map;
	struct shunt_direct *direct;          /* the skeleton's own mapping */
	struct shunt_info *info;
	struct lines services, answers;
	struct shunt_group *groups;
	struct shunt_slot_line *slots;
	struct shunt_backend *backends;
	struct shunt_flow_line *flows;

	struct ring_buffer *neighbours;       /* of neighbours_wanted */
	void (*neighbour_wanted)(void *userdata, const struct shunt_neighbour_wanted *neighbour);
	void *neighbour_userdata;
	struct backend_index *backend_ids;    /* by identity */
	uint32_t next_backend;                /* where to look for a free id */
	struct list_keys lists[2];          /* what deny and allow hold, sorted */
	struct datapath_client *clients;      /* what client_groups holds, sorted */
	size_t n_clients;
	struct datapath_server_id *server_ids; /* what server_ids holds */
	size_t n_server_ids;
	struct mapped roots_map, steps_map, prefix_seeds_map, entries_map;
	struct index index;                   /* of allow and client_groups */
	struct mapped filter_map, limits_map;
	struct shunt_deny_filter *filter;
	struct shunt_limit *limits;
	int cpus;
	char paths[PINNED_MAPS][256];         /* of datapath_maps() */

	struct tracing *tracing;              /* NULL: nobody watches */
	struct datapath_attachment attachments[ATTACHMENTS_MAX];
	size_t n_attachments;
};

/* Milliseconds in units of shunt_coarse_time(), rounded up. */
static inline uint32_t coarse_units(uint32_t ms)
{
	return (uint32_t)(((uint64_t)ms * 1000000) >> SHUNT_COARSE_TIME_SHIFT) + 1;
}

/* Of struct shunt_config: two seconds, or an eighth of a timeout that is shorter than sixteen. */
static inline uint32_t flow_lag(uint32_t timeout_ms)
{
	uint32_t most = 7, eighth = coarse_units(timeout_ms) / 8;

	return eighth < most ? eighth : most;
}

/* How old the time of an entry may be, coarse units: beyond it nobody has used the flow for longer than its timeout. */
static inline uint32_t flow_age_limit(uint32_t timeout_ms)
{
	return coarse_units(timeout_ms) + flow_lag(timeout_ms);
}

/* pins.c; paths are those of maps and program in `bpf_dir`. 0 or -errno, with datapath_error(), where it is not said otherwise. */
void pinned_maps_of(const struct shunt_bpf *skeleton, struct bpf_map *ret_maps[PINNED_MAPS]);
const char *pin_name(const struct bpf_map *map); /* the program's variables are a map as well, which libbpf names by file and section */
void pins_path(const char *bpf_dir, const char *name, char path[256]);
int pins_make_folder(const char *bpf_dir);
int pins_read_info(const char *bpf_dir, struct shunt_info *ret_info); /* 1 when a data path is pinned, 0 when none is */
int pins_reuse(struct datapath *datapath, bool with_slots);
int pins_copy_slots(struct datapath *datapath);
int pins_put(struct datapath *datapath);
void pins_remove(const char *bpf_dir, const struct shunt_bpf *skeleton);

/* maps.c: those that the controller reads and writes, into its memory and out of it. */
int maps_open(struct datapath *datapath);
void maps_close(struct datapath *datapath);

int datapath_fail(int error, const char *format, ...) __attribute__((format(printf, 2, 3))); /* sets datapath_error, returns error */
uint16_t service_hint(const void *line); /* of struct lines, as the next */
bool service_is_echo(const void *line);
/* The trie of prefixes: first what no service has any more goes, then lines change, then what is new comes. */
int prefixes_remove_others(struct datapath *datapath, const struct shunt_service *services, size_t n);
int prefixes_add(struct datapath *datapath, const struct shunt_service *services, size_t n);
/* Opens an instance of the program, to be loaded with the features of `datapath`. */
struct shunt_bpf *skeleton_open(const struct datapath *datapath);
/* Opens another instance of the program on the maps of `datapath`, not loaded. */
struct shunt_bpf *skeleton_sharing_maps(const struct datapath *datapath);
/* Before loading: whether the instance is for tracing. What it then does not need is not loaded. */
void skeleton_use_trace(struct shunt_bpf *skeleton, bool trace);
/* The program that is to be on the interfaces: xdp_shunt, or xdp_shunt_trace. */
int attached_program(const struct datapath *datapath);
const char *attached_program_name(const struct datapath *datapath);
const struct shunt_bpf *attached_skeleton(const struct datapath *datapath);
void datapath_trace_forget(struct datapath *datapath); /* frees; what is attached goes on */
void links_restore(struct datapath *datapath);
void backend_clear_stats(struct datapath *datapath, uint32_t id);
int backends_adopt(struct datapath *datapath);
int lists_adopt(struct datapath *datapath);
int clients_adopt(struct datapath *datapath);
int server_ids_adopt(struct datapath *datapath);
void server_ids_forget(struct datapath *datapath, uint32_t backend);
void lists_forget(struct datapath *datapath);
void index_open(struct datapath *datapath); /* the first time, when what is pinned was adopted */
/* Before something of `allow` or `client_groups` changes: packets ask the tries from now on. Afterwards: as before. */
void index_begin_change(struct datapath *datapath);
void index_end_change(struct datapath *datapath);
void backends_forget(struct datapath *datapath);

#endif
