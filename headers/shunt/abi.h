/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The one interface between packets and decisions: the key and value of every pinned map and the read-only configuration
 * of the program. The controller writes, the packet path reads, except where a map says otherwise (bpf/maps.h).
 * Change a layout only together with SHUNT_ABI_VERSION: a restarted controller adopts maps of its own version only.
 */
#ifndef SHUNT_ABI_H
#define SHUNT_ABI_H

#include <linux/types.h>

#define SHUNT_ABI_VERSION 10

#define SHUNT_MAX_SERVICES 8192      /* service ids are 1 … MAX-1 */
#define SHUNT_MAX_GROUPS 4096
#define SHUNT_MAX_BACKENDS 32768     /* backend ids are 1 … MAX-1, they fit the 15 bits of a slot; 0 is "none" */
#define SHUNT_MAX_DROP_REASONS 64    /* drop_stats has room for reasons to come, so that a newer program adopts it */
#define SHUNT_MAX_LINKS 64           /* link 0 is "not known" */
#define SHUNT_SERVICE_LINES 32768    /* load at most one half: a service and an echo entry for its address */
#define SHUNT_SERVICE_BUCKETS 4096
#define SHUNT_ANSWER_LINES 131072    /* load at most one half: an answer and an entry for the backend's address */
#define SHUNT_ANSWER_BUCKETS 32768
#define SHUNT_MAX_ANSWERS 32768
#define SHUNT_SLOTS_PER_LINE 16
#define SHUNT_FLOWS_PER_LINE 8
#define SHUNT_MAX_FRAGMENTED 8192    /* datagrams whose first fragment is remembered */
#define SHUNT_MAX_LISTED (1 << 20)   /* in each of deny and allow; memory is taken for those there are */

/* An IPv6 address, or an IPv4 address mapped into ::ffff:0:0/96; network byte order. */
struct shunt_addr {
	__u8 byte[16];
} __attribute__((aligned(8)));

/* ---- services: an array of lines, placed by hash and displace (hash.h) ---- */

/* Of keys. Changes by one store. */
struct shunt_key_bucket {
	__u16 seed;                  /* displacement of its keys */
	__u16 hint;                  /* of services: the group of one of them, a guess (bpf/slot.h foresees it) */
} __attribute__((aligned(4)));

struct shunt_service_key {
	struct shunt_addr address;
	__be16 port;                 /* 0: every port */
	__u8 protocol;               /* IPPROTO_TCP, _UDP; _ICMP, _ICMPV6: answer echo requests to the address */
	__u8 used;                   /* 1, so that an empty line equals no key */
	__u8 prefix;                 /* bits of address (of all 128) that a whole prefix has in common; 0: the one address */
	__u8 pad[3];
};

/* Which prefixes services have: a trie, longest prefix first. prefixlen: SHUNT_PREFIX_KEY_BITS and those of the address. */
#define SHUNT_PREFIX_KEY_BITS 32
#define SHUNT_MAX_PREFIXES (2 * SHUNT_MAX_SERVICES)

struct shunt_prefix_key {
	__u32 prefixlen;
	__be16 port;
	__u8 protocol;
	__u8 is_ipv4;                /* or ::/0 would have every IPv4 address */
	struct shunt_addr address;
};

struct shunt_prefix {
	struct shunt_addr address;   /* its first address */
	__u32 prefix;                /* as in struct shunt_service_key */
	__u32 pad;
};

enum shunt_forward { SHUNT_FORWARD_L2 = 0, SHUNT_FORWARD_IPIP = 1, SHUNT_FORWARD_GUE = 2, SHUNT_FORWARD_NAT = 3 };

#define SHUNT_MSS_AUTO 0xffff

enum shunt_service_flags {
	SHUNT_SERVICE_SOURCE_IP = 1 << 0,     /* hash the client's address only */
	SHUNT_SERVICE_TRACK_ALWAYS = 1 << 1,  /* pin every flow, settled slot or not */
	SHUNT_SERVICE_TRACK_NEVER = 1 << 2,   /* flows move with their slot */
	SHUNT_SERVICE_DENY = 1 << 8,          /* has a list of its own in deny */
	SHUNT_SERVICE_ALLOW = 1 << 9,         /* only clients of its list in allow */
	SHUNT_SERVICE_LIMIT = 1 << 10,        /* has limits */
	SHUNT_SERVICE_CLIENTS = 1 << 11,      /* some of its clients go to other groups: client_groups */
	SHUNT_SERVICE_QUIC = 1 << 12,         /* its datagrams are QUIC: Initial packets start flows, and flows are tracked */
	SHUNT_SERVICE_REJECT = 1 << 16,       /* nobody fit: TCP reset, ICMP port unreachable */
	SHUNT_SERVICE_FAIL_OPEN = 1 << 17,    /* nobody alive: to the slot's backend all the same */
};

enum shunt_scheduler {
	SHUNT_SCHEDULER_MAGLEV = 0,           /* by the flow's hash; all others pin every flow */
	SHUNT_SCHEDULER_ROUND_ROBIN = 1,
	SHUNT_SCHEDULER_RANDOM = 2,
	SHUNT_SCHEDULER_LEAST_CONNECTIONS = 3,
};

struct shunt_service {
	struct shunt_service_key key;
	__u32 id;                    /* index into service_stats */
	__u32 group;                 /* index into groups; with was_group and group_state a placement, see below */
	__u32 flags;                 /* enum shunt_service_flags */
	__u8 forward;                /* enum shunt_forward */
	__u8 scheduler;              /* enum shunt_scheduler */
	__be16 gue_port;             /* UDP port that its backends take GUE on */
	__u16 mss;                   /* TCP: most that the MSS option of a SYN may say; 0: any, SHUNT_MSS_AUTO: what fits */
	__u16 was_group;             /* while group_state is moving: where flows older than the last change are */
	__u8 group_state;            /* enum shunt_slot_state */
	__u8 server_id_offset;       /* QUIC: where in the connection id the server's is, bytes */
	__u8 server_id_len;          /* bytes, at most SHUNT_SERVER_ID_MAX; 0: there is none */
	__u8 flow_class;             /* whose share of the flow table its flows are in, below SHUNT_FLOW_CLASSES */
	__u64 reserved[2];
};

/*
 * Which group takes the clients of a prefix of a service. What a slot is to backends, this is to groups: settled, moving
 * (flows older than the last change are where the slot of was_group says) or resolving. Replaced whole.
 */
struct shunt_client_group {
	__u16 group, was_group;      /* indexes into groups */
	__u32 state;                 /* enum shunt_slot_state */
};

/* ---- answers: which service a nat backend answers for; lines as of services ---- */

/* Two buckets: an array map rounds its elements up to 8 bytes. */
#define SHUNT_ANSWER_BUCKETS_PER_LINE 2
struct shunt_answer_seeds {
	struct shunt_key_bucket bucket[SHUNT_ANSWER_BUCKETS_PER_LINE];
};

struct shunt_answer {
	struct shunt_service_key key; /* the backend's address, port (0: every port) and protocol; ICMP: the address alone, the rest 0 */
	struct shunt_addr address;   /* the service's, which becomes the source */
	__be16 port;                 /* the service's, 0: as it is */
	__u16 mss;                   /* the service's: most that the MSS option of a SYN-ACK may say */
	__u32 service;               /* id */
	__u32 backend;               /* id */
	__u32 reserved[3];
};

/* A next hop of answers that is to be resolved; packets write these to the ring `neighbours_wanted`. */
struct shunt_neighbour_wanted {
	struct shunt_addr address;
	__u32 ifindex;
	__u32 pad;
};

/* ---- groups: the failover map ---- */

struct shunt_group {
	__u32 table;                 /* slots of this group now: table * table_size …; switched by one store */
	__u16 used;
	__u16 reserve;               /* backend of flows for which probing finds nobody, 0: none; one store */
	__u64 identity;              /* hash of the name: a restarted controller finds its groups by it */
};

/* ---- slots ---- */

enum shunt_slot_state { SHUNT_SLOT_SETTLED = 0, SHUNT_SLOT_MOVING = 1, SHUNT_SLOT_RESOLVING = 2 };

struct shunt_slot {
	__u32 now : 15;              /* backend of new flows, 0: none */
	__u32 was : 15;              /* backend of flows older than the last change */
	__u32 state : 2;             /* enum shunt_slot_state */
};

struct shunt_slot_line {
	struct shunt_slot slot[SHUNT_SLOTS_PER_LINE];
};

/* ---- backends ---- */

/* One aligned 64-bit word, so that it changes at once. */
struct shunt_next_hop {
	__u8 mac[6];
	__u16 link;                  /* index into links, 0: ask bpf_fib_lookup */
} __attribute__((aligned(8)));

enum shunt_backend_flags {
	SHUNT_BACKEND_USED = 1 << 0,
	SHUNT_BACKEND_ALIVE = 1 << 1,         /* healthy and not in maintenance; a draining backend is alive */
};

struct shunt_backend {
	struct shunt_addr address;
	struct shunt_addr source;    /* outer source of packets tunnelled to it, of the address's family */
	struct shunt_next_hop next_hop;
	__u64 identity;              /* hash of name, address and check: a restarted controller finds its backends by it */
	__u32 flags;                 /* enum shunt_backend_flags; one store takes a backend out */
	__u16 mtu;                   /* largest IP packet on the way to it, bytes; 0: not known */
	__be16 port;                 /* for nat */
	__u32 flows;                 /* live pinned ones: counted by the controller, and one more for each given since */
	__u16 weight;                /* in force, for least-connections */
	__u16 reserved;
};

struct shunt_link {
	__u32 ifindex;
	__u16 mtu;                   /* bytes of IP packet */
	__u8 mac[6];                 /* where a frame has its source */
	__u32 pad;
};

/* ---- flows: lines of eight entries, one cache line a lookup; packet path and controller both write, by compare-and-swap ---- */

/* One aligned 64-bit word. All zero: free. */
struct shunt_flow {
	__u32 fingerprint;           /* low half of the flow hash; lowest bits: the slot, highest: the class; never 0 */
	__u32 backend : 15;
	__u32 established : 1;       /* more than its first packet was seen */
	__u32 closing : 1;           /* TCP: its client sent FIN or RST; its next SYN begins another flow */
	__u32 seen : 15;             /* time of the last packet, or up to flow_lag earlier; shunt_coarse_time() */
} __attribute__((aligned(8)));

#define SHUNT_FLOW_CLASSES 16
#define SHUNT_FLOW_CLASS_SHIFT 28

struct shunt_flow_line {
	struct shunt_flow flow[SHUNT_FLOWS_PER_LINE];
} __attribute__((aligned(64)));

/* ---- fragments: what the first one of a datagram said ---- */

struct shunt_fragment_key {
	struct shunt_addr source, destination;
	__be32 id;
	__u8 protocol;               /* IPv6: 0, the identification stands alone */
	__u8 pad[3];
};

struct shunt_fragment {
	__be16 source_port, destination_port;
	__u32 backend;               /* where it went */
	__u16 len;                   /* bytes of the datagram in it */
	__u8 protocol;
	__u8 pad;
};

/* ---- clients: who is denied, who is allowed, how much each may ---- */

/* Key of the tries deny, allow and client_groups; the longest prefix is found. */
struct shunt_list_key {
	__u32 length;                /* bits of what follows that count: 32 + those of the address, an IPv4 one being mapped */
	__u16 service;               /* id, 0: of all services */
	__u16 version;               /* 4 or 6: ::/0 is not 0.0.0.0/0 */
	struct shunt_addr address;
};
#define SHUNT_LISTED_WHOLE (32 + 128)

/* Whose connection ids of QUIC have this server id. */
#define SHUNT_SERVER_ID_MAX 8
#define SHUNT_MAX_SERVER_IDS 65536
struct shunt_server_id {
	__u8 byte[SHUNT_SERVER_ID_MAX]; /* as in the connection id; zero behind its length */
	__u32 service;               /* id */
	__u32 len;                   /* bytes */
};

struct shunt_listed {
	__u64 packets;               /* that it has decided, while they were dropped */
};

struct shunt_deny_filter {
	__u64 bits;                  /* deny_filter.h */
};

/* ---- the index of prefixes, in front of the tries allow and client_groups (prefix_index.h) ---- */

/* Where the search of a list begins: steps of IPv4 and of IPv6, 0: it has none. While the array is rewritten the trie is asked. */
#define SHUNT_INDEX_ASK_TRIE 0xffffffffU
struct shunt_index_root {
	__u32 step[2];
};

/* One length of a list. */
struct shunt_index_step {
	__u64 mask[2];               /* bits of the address that count; its halves as numbers, the first bit is the highest */
	__u64 rest;                  /* of entries of this length, shunt_index_rest() */
	__u32 next[2];               /* where to look when there was no such entry, and when there was; 0: nowhere */
};

/* Of the longest prefix that holds, as far as is known at an entry. In clients the first three as in struct shunt_client_group. */
struct shunt_index_found {
	__u16 group, was_group;
	__u8 state;
	__u8 is_listed;              /* some prefix holds */
	__u8 has_longer;             /* longer ones may hold */
	__u8 pad;
} __attribute__((aligned(8)));

/* Displacements of the keys of four buckets. */
#define SHUNT_INDEX_SEEDS_PER_LINE 4
struct shunt_index_seeds {
	__u16 seed[SHUNT_INDEX_SEEDS_PER_LINE];
};

struct shunt_index_entry {
	__u64 address[2];            /* likewise as numbers; bits behind the prefix are zero */
	__u64 rest;                  /* 0: free */
	struct shunt_index_found found;
};

/* Of a service; index is its id. */
struct shunt_limit {
	__u64 due_ns;                /* the service's bucket (bucket.h); packets write it */
	__u64 interval_ns;           /* between two new flows of the service, 0: no limit */
	__u64 burst_ns;              /* how far they may come ahead of that */
	__u64 client_interval;       /* the same of each client, in 1 << SHUNT_DUE_SHIFT ns, 0: no limit */
	__u64 client_burst;
	__u64 client_mask[2];        /* bits of the address that make a client, as shunt_addr_half() reads them */
	__u64 client_most;           /* the furthest that a client of any service can be ahead, and a second: the coarse clock is behind */
};

#define SHUNT_CLIENTS_PER_LINE 4
struct shunt_client {
	__u64 due : 40;              /* its bucket, in 1 << SHUNT_DUE_SHIFT ns */
	__u64 client : 24;           /* fingerprint; 0: free */
};
struct shunt_client_line {
	struct shunt_client client[SHUNT_CLIENTS_PER_LINE];
} __attribute__((aligned(32)));

/* ---- what packets read at an address that is in the code: of a fixed size, so that nothing need be looked up ---- */

struct shunt_direct {
	struct shunt_key_bucket service_buckets[SHUNT_SERVICE_BUCKETS];
	struct shunt_link links[SHUNT_MAX_LINKS];
	__u32 crowded;               /* classes of flows with more than their share of the table while it is full: bits. They make room */
} __attribute__((aligned(64)));

/* ---- counters, per CPU; what every packet counts stands apart: of ten thousand backends it is to stay in the caches ---- */

struct shunt_service_stats {
	__u64 packets;
	__u64 bytes;                 /* whole frames, as received */
	__u64 new_flows;             /* TCP SYNs */
};

struct shunt_backend_stats {
	__u64 packets;
	__u64 bytes;                 /* whole frames, as received */
};

/* Of a service or a backend: the way back, which only nat's passes here. */
struct shunt_answer_stats {
	__u64 packets;
	__u64 bytes;                 /* whole frames, as received */
};

/* Packets of a backend's clients, while some group has passive detection. */
struct shunt_backend_signs {
	__u64 tcp, syns, resets;
};

struct shunt_drop_stats {
	__u64 packets;
};

/* The part of a rejected packet that an ICMP error carries: up to 1,280 bytes of IPv6 in all (RFC 4443 2.4 c). */
#define SHUNT_QUOTE_MAX (1280 - 40 - 8)
struct shunt_quote {
	__u8 byte[SHUNT_QUOTE_MAX + 8];
};

/* ---- what the maps were laid out for ---- */

struct shunt_info {
	__u32 abi_version;
	__u32 table_size;            /* slots in a group's table */
	__u32 tables;                /* tables in slots */
	__u32 flow_lines;            /* lines in flows */
	__u64 hash_seed;
};

/* ---- read-only configuration of the program, constant once loaded ---- */

/* What the program has code for, feature() of bpf/maps.h. */
enum shunt_features {
	SHUNT_FEATURE_ANY_PORT = 1 << 0,      /* some service takes every port */
	SHUNT_FEATURE_GUE = 1 << 1,           /* some service forwards by gue */
	SHUNT_FEATURE_MSS = 1 << 2,           /* some service limits the MSS of SYNs */
	SHUNT_FEATURE_NAT = 1 << 3,           /* some service forwards by nat */
	SHUNT_FEATURE_DENY = 1 << 8,          /* some prefix is denied */
	SHUNT_FEATURE_ALLOW = 1 << 9,         /* some service has a list of who is allowed */
	SHUNT_FEATURE_ALLOW_ALL = 1 << 10,    /* there is such a list for all services */
	SHUNT_FEATURE_LIMIT = 1 << 11,        /* some service has limits */
	SHUNT_FEATURE_CLIENTS = 1 << 12,      /* some service has clients of other groups */
	SHUNT_FEATURE_QUIC = 1 << 13,         /* some service is QUIC */
	SHUNT_FEATURE_REJECT = 1 << 16,       /* some service answers where nobody is fit */
	SHUNT_FEATURE_FAIL_OPEN = 1 << 17,    /* some service uses backends that are down where nobody is fit */
	SHUNT_FEATURE_SCHEDULERS = 1 << 18,   /* some service has one */
	SHUNT_FEATURE_PREFIXES = 1 << 19,     /* some service has a whole prefix */
	SHUNT_FEATURE_PASSIVE = 1 << 24,      /* some group judges backends by what clients send */
};

/* How the number of the kernel's ticks (jiffies) becomes CLOCK_MONOTONIC. The kernel counts them by it: this stays as it is. */
struct shunt_tick {
	__u64 length_ns;
	__u64 start_ns;              /* the time of tick 0, modulo 2^64: the kernel does not begin with that one */
};

struct shunt_config {
	__u64 hash_key[4];           /* from hash_seed, shunt_hash_keys() */
	struct shunt_tick tick;
	__u32 table_size;
	__u32 flow_lines;
	__be32 source_entropy_ipv4;  /* host bits of the outer IPv4 source that the flow hash may set */
	__u32 flow_timeout;          /* coarse units, shunt_coarse_time(): an established entry may go when it is older, flow_lag included */
	__u32 flow_lag;              /* coarse units: packets leave the time of an entry alone while it is no older */
	__u32 client_lines;          /* lines in clients, a power of two */
	__u32 index_entries, index_buckets; /* of prefix_entries and prefix_seeds; powers of two */
};

/* ---- what xdp_explain found ---- */

enum shunt_choice {
	SHUNT_CHOICE_NONE = 0,       /* no backend was chosen */
	SHUNT_CHOICE_SETTLED,        /* the slot is settled */
	SHUNT_CHOICE_UNTRACKED,      /* the flow is not tracked and moves with its slot */
	SHUNT_CHOICE_NEW,            /* a new flow, to the backend of new flows */
	SHUNT_CHOICE_OLD,            /* a flow older than the last change stays */
	SHUNT_CHOICE_PINNED,         /* found in the flow table */
	SHUNT_CHOICE_PROBED,         /* the slot's backend is down, the next alive one in the probe sequence */
	SHUNT_CHOICE_REJECTED,       /* nobody is fit: answered with a reset or port unreachable */
	SHUNT_CHOICE_SCHEDULED,      /* a new flow, to the slot that the scheduler says */
	SHUNT_CHOICE_FAIL_OPEN,      /* nobody is alive: the slot's backend all the same */
	SHUNT_CHOICE_SERVER_ID,      /* QUIC: named by the server id in the connection id */
	SHUNT_CHOICE_ANSWER,         /* it is a nat backend's answer, which goes on as the service's */
	SHUNT_CHOICE_RESERVE,        /* nobody in the probe sequence is alive: the group's reserve */
};

struct shunt_explanation {
	__u32 verdict;               /* enum xdp_action */
	__u32 reason;                /* enum shunt_drop_reason */
	__u32 service;               /* id, 0: none */
	__u32 group;
	__u32 slot;
	struct shunt_slot word;
	__u32 backend;
	__u32 choice;                /* enum shunt_choice */
	__u32 forward;               /* enum shunt_forward */
	__u32 link;                  /* where it leaves, 0: asked bpf_fib_lookup */
	__u32 unknown;               /* asked: as if nobody had pinned the flow */
	__u32 pad;
};

/* ---- what xdp_shunt_trace hands over ---- */

#define SHUNT_TRACE_BYTES 256        /* of a packet, from its start */
#define SHUNT_TRACE_RING (1 << 20)   /* bytes of the ring */

/* Zero: any. Of a client's address the bits in client_mask, as shunt_addr_half() reads them. */
struct shunt_trace_filter {
	__u64 client[2], client_mask[2];
	__u32 service, backend;      /* ids */
	__u32 drop;                  /* enum shunt_drop_reason */
	__u32 choice;                /* enum shunt_choice, of packets that are not dropped */
};

struct shunt_trace_control {
	__u64 until_ns;              /* of the monotonic clock; the controller goes on renewing it while somebody watches */
	__u64 interval_ns, burst_ns; /* the rate of each CPU, and how far packets may come ahead of it */
	__u64 skipped;               /* wanted, but over the rate or without room in the ring; packets count */
	struct shunt_trace_filter filter;
};

struct shunt_trace {
	__u64 time_ns;               /* of the monotonic clock */
	struct shunt_explanation what;
	struct shunt_addr source, destination;
	__be16 source_port, destination_port;
	__u8 protocol;
	__u8 pad[3];
	__u32 before_length, after_length; /* bytes of the frame as it came, and as it left; 0: it did not */
	__u8 before[SHUNT_TRACE_BYTES], after[SHUNT_TRACE_BYTES];
};

/* Of one CPU, from the arrival of a packet until it has left. */
struct shunt_trace_scratch {
	__u64 due_ns;                /* when the next one is due, at the steady rate */
	__u64 over_rate;
	struct shunt_trace event;
};

_Static_assert(sizeof(struct shunt_service_key) == 24, "ABI: bump SHUNT_ABI_VERSION");
_Static_assert(sizeof(struct shunt_prefix_key) == 24, "a trie's key: length, then what is compared");
_Static_assert(sizeof(struct shunt_service) == 64, "a service is one cache line");
_Static_assert(sizeof(struct shunt_server_id) == 16, "ABI: bump SHUNT_ABI_VERSION");
_Static_assert(sizeof(struct shunt_client_group) == 8, "ABI: bump SHUNT_ABI_VERSION");
_Static_assert(SHUNT_MAX_GROUPS <= 1 << 16, "a group fits was_group");
_Static_assert(sizeof(struct shunt_answer) == 64, "an answer is one cache line");
_Static_assert(sizeof(struct shunt_group) == 16, "ABI: bump SHUNT_ABI_VERSION");
_Static_assert(sizeof(struct shunt_slot) == 4, "a slot is one 32-bit word");
_Static_assert(sizeof(struct shunt_slot_line) == 64, "a line of slots is one cache line");
_Static_assert(sizeof(struct shunt_next_hop) == 8, "a next hop changes by one store");
_Static_assert(sizeof(struct shunt_backend) == 64, "a backend is one cache line");
/* An array map rounds its elements up to 8 bytes: values that the controller sees through mmap must be of that size. */
_Static_assert(sizeof(struct shunt_answer_seeds) == 8, "ABI: bump SHUNT_ABI_VERSION");
_Static_assert(sizeof(struct shunt_link) == 16, "ABI: bump SHUNT_ABI_VERSION");
_Static_assert(sizeof(struct shunt_direct) == 17472, "ABI: bump SHUNT_ABI_VERSION");
_Static_assert(sizeof(struct shunt_info) == 24, "ABI: bump SHUNT_ABI_VERSION");
_Static_assert(sizeof(struct shunt_list_key) == 24, "ABI: bump SHUNT_ABI_VERSION");
_Static_assert(SHUNT_MAX_SERVICES <= 1 << 16, "a service id fits a prefix key");
_Static_assert(sizeof(struct shunt_index_found) == 8, "a function of BPF gives it back in a register");
_Static_assert(sizeof(struct shunt_index_step) == 32, "two steps are a cache line");
_Static_assert(sizeof(struct shunt_index_entry) == 32, "no entry is in two cache lines");
_Static_assert(sizeof(struct shunt_limit) == 64, "limits are one cache line");
_Static_assert((SHUNT_MAX_LINKS & (SHUNT_MAX_LINKS - 1)) == 0, "an index is masked");
_Static_assert(sizeof(struct shunt_client) == 8, "a bucket changes by one store or addition");
_Static_assert(sizeof(struct shunt_client_line) == 32, "no line of clients is in two cache lines");
_Static_assert(sizeof(struct shunt_flow) == 8, "a flow changes by one compare-and-swap");
_Static_assert(sizeof(struct shunt_fragment_key) == 40, "ABI: bump SHUNT_ABI_VERSION");
_Static_assert(sizeof(struct shunt_fragment) == 12, "ABI: bump SHUNT_ABI_VERSION");
_Static_assert(SHUNT_FLOW_CLASSES == 1 << (32 - SHUNT_FLOW_CLASS_SHIFT), "a class fits a fingerprint");
_Static_assert(sizeof(struct shunt_flow_line) == 64, "a line of flows is one cache line");

#endif
