/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * All maps of the data path, and its read-only configuration. "Controller" writes through mmap with single aligned stores,
 * so that a packet sees the old or the new value, never half of one. Sizes that say "at load" are set by user/datapath.
 */
#ifndef SHUNT_BPF_MAPS_H
#define SHUNT_BPF_MAPS_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

#include <shunt/abi.h>
#include <shunt/deny_filter.h>
#include <shunt/names.h>
#include <shunt/prefix_index.h>
#include <shunt/reasons.h>

#define SHUNT_ARRAY(name, value_type, entries, flags) \
	struct { \
		__uint(type, BPF_MAP_TYPE_ARRAY); \
		__type(key, __u32); \
		__type(value, value_type); \
		__uint(max_entries, entries); \
		__uint(map_flags, flags); \
	} name SEC(".maps")

#define SHUNT_COUNTERS(name, value_type, entries) \
	struct { \
		__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY); \
		__type(key, __u32); \
		__type(value, value_type); \
		__uint(max_entries, entries); \
	} name SEC(".maps")

#define SHUNT_PREFIXES(name, value_type) \
	struct { \
		__uint(type, BPF_MAP_TYPE_LPM_TRIE); \
		__type(key, struct shunt_list_key); \
		__type(value, value_type); \
		__uint(max_entries, SHUNT_MAX_LISTED); \
		__uint(map_flags, BPF_F_NO_PREALLOC); \
	} name SEC(".maps")

/* Controller writes once at creation; adopters read. */
SHUNT_ARRAY(info, struct shunt_info, 1, BPF_F_MMAPABLE);

/*
 * Controller writes; packets read. A variable is a map of one element whose address the kernel puts into the code: no key on the
 * stack, no check that it was found, a third of the instructions of a look-up.
 */
struct shunt_direct direct;

/* Controller writes a line nobody looks at, then switches its bucket (direct.service_buckets); packets read. */
SHUNT_ARRAY(services, struct shunt_service, SHUNT_SERVICE_LINES, BPF_F_MMAPABLE);

/* Controller writes whole elements; packets read, when a service has a prefix. Not pinned: filled before attaching. */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__type(key, struct shunt_prefix_key);
	__type(value, struct shunt_prefix);
	__uint(max_entries, SHUNT_MAX_PREFIXES);
	__uint(map_flags, BPF_F_NO_PREALLOC);
} service_prefixes SEC(".maps");

/* The same for the answers of nat backends. One entry when no service needs it. */
SHUNT_ARRAY(answers, struct shunt_answer, SHUNT_ANSWER_LINES, BPF_F_MMAPABLE);
SHUNT_ARRAY(answer_seeds, struct shunt_answer_seeds, SHUNT_ANSWER_BUCKETS / SHUNT_ANSWER_BUCKETS_PER_LINE, BPF_F_MMAPABLE);

/* Packets write, the controller has the kernel resolve them. Not pinned. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} neighbours_wanted SEC(".maps");

/* Controller writes; packets read. Two tables a group: one in use, one that the next is written to. Entries at load. */
SHUNT_ARRAY(groups, struct shunt_group, SHUNT_MAX_GROUPS, BPF_F_MMAPABLE);
SHUNT_ARRAY(slots, struct shunt_slot_line, 1, BPF_F_MMAPABLE);

/* Controller writes; packets read. */
SHUNT_ARRAY(backends, struct shunt_backend, SHUNT_MAX_BACKENDS, BPF_F_MMAPABLE);

/* Packets insert and refresh, controller counts and ages, all by compare-and-swap. Entries at load. */
SHUNT_ARRAY(flows, struct shunt_flow_line, 1, BPF_F_MMAPABLE);

/* Packets write and read, fragments only; the kernel forgets the oldest. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__type(key, struct shunt_fragment_key);
	__type(value, struct shunt_fragment);
	__uint(max_entries, SHUNT_MAX_FRAGMENTED);
} fragments SEC(".maps");

/* Controller writes; packets read, and count in deny. Memory is taken as prefixes come. */
SHUNT_PREFIXES(deny, struct shunt_listed);
SHUNT_PREFIXES(allow, struct shunt_listed);
SHUNT_ARRAY(deny_filter, struct shunt_deny_filter, SHUNT_DENY_FILTER_WORDS, BPF_F_MMAPABLE);

/* Controller writes whole elements; packets read: clients of a service that another group takes. */
SHUNT_PREFIXES(client_groups, struct shunt_client_group);

/*
 * In front of the two: controller writes while packets are told to ask the tries, then says where to begin; packets read.
 * Not pinned: filled from the tries before attaching. Entries and seeds at load; next to nothing when no service needs it.
 */
SHUNT_ARRAY(prefix_roots, struct shunt_index_root, SHUNT_INDEX_LISTS * SHUNT_MAX_SERVICES, BPF_F_MMAPABLE);
SHUNT_ARRAY(prefix_steps, struct shunt_index_step, SHUNT_INDEX_STEPS, BPF_F_MMAPABLE);
SHUNT_ARRAY(prefix_seeds, struct shunt_index_seeds, 1, BPF_F_MMAPABLE);
SHUNT_ARRAY(prefix_entries, struct shunt_index_entry, 1, BPF_F_MMAPABLE);

/* Controller writes whole elements; packets of QUIC read: backends by the server id in the connection id. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__type(key, struct shunt_server_id);
	__type(value, __u32);
	__uint(max_entries, SHUNT_MAX_SERVER_IDS);
	__uint(map_flags, BPF_F_NO_PREALLOC);
} server_ids SEC(".maps");

/* Controller writes the limits, packets their buckets, a word at once. clients is not pinned; entries at load. */
SHUNT_ARRAY(limits, struct shunt_limit, SHUNT_MAX_SERVICES, BPF_F_MMAPABLE);
SHUNT_ARRAY(clients, struct shunt_client_line, 1, 0);

/* Packets write; controller sums up. */
SHUNT_COUNTERS(service_stats, struct shunt_service_stats, SHUNT_MAX_SERVICES);
SHUNT_COUNTERS(backend_stats, struct shunt_backend_stats, SHUNT_MAX_BACKENDS);
/* The same, one entry when no service forwards by nat, and when no group has passive detection. */
SHUNT_COUNTERS(service_answers, struct shunt_answer_stats, SHUNT_MAX_SERVICES);
SHUNT_COUNTERS(backend_answers, struct shunt_answer_stats, SHUNT_MAX_BACKENDS);
SHUNT_COUNTERS(backend_signs, struct shunt_backend_signs, SHUNT_MAX_BACKENDS);
SHUNT_COUNTERS(drop_stats, struct shunt_drop_stats, SHUNT_MAX_DROP_REASONS);

/* Packets write: the slot whose turn it is, for each service; round-robin. One entry when no service needs it. Not pinned. */
SHUNT_COUNTERS(turns, __u64, SHUNT_MAX_SERVICES);

/* Packets write: when the next answer of on_empty: reject is due, and room to sum up what it quotes. Not pinned. */
SHUNT_COUNTERS(reject_due_ns, __u64, 1);
SHUNT_COUNTERS(reject_quote, struct shunt_quote, 1);

/* Packets only: when each CPU may send its next ICMP error (icmp_limit.h). Not pinned: it holds for a moment. */
SHUNT_COUNTERS(icmp_limit, __u64, 1);

/* The controller asks, xdp_explain answers, the controller reads right after running it. Not pinned. */
SHUNT_ARRAY(explanation, struct shunt_explanation, 1, 0);

/*
 * Of xdp_shunt_trace, made when it is loaded. Not pinned. Controller writes who watches what, packets read and count;
 * packets hand over, controller reads. Bytes of the ring at load.
 */
SHUNT_ARRAY(trace_control, struct shunt_trace_control, 1, BPF_F_MMAPABLE);
SHUNT_COUNTERS(trace_scratch, struct shunt_trace_scratch, 1);
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, SHUNT_TRACE_RING);
} trace_ring SEC(".maps");

/* Where a packet leaves by another interface than it came by; same index as direct.links. Not pinned: filled before attaching. */
struct {
	__uint(type, BPF_MAP_TYPE_DEVMAP);
	__type(key, __u32);
	__type(value, __u32);
	__uint(max_entries, SHUNT_MAX_LINKS);
} tx_ports SEC(".maps");

/* Constant once loaded, and folded by the verifier. */
const volatile struct shunt_config cfg;

/*
 * CLOCK_MONOTONIC, up to two ticks behind. The number of ticks is one load in the middle of the program, where each of the
 * kernel's clocks is a call. Where returns are guarded against speculation (AMD's "Safe RET" of Zen 1 to 4) a call takes 7 ns and
 * CLOCK_MONOTONIC_COARSE two of them, a sixth of a packet's whole way.
 */
static __always_inline __u64 coarse_ns(void)
{
	return bpf_jiffies64() * cfg.tick.length_ns + cfg.tick.start_ns;
}

/*
 * Whether something uses it (enum shunt_features, the name without its beginning): a number in the code, which user/datapath has
 * libbpf relocate. The verifier then removes the branch and what nobody uses, and nothing is looked up to know it.
 */
#define feature(name) bpf_core_enum_value_exists(enum shunt_features, SHUNT_FEATURE_##name)

#endif
