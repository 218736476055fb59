// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The conventional design, to be measured against and for nothing else: the same balancer, stage by stage, over the same
 * maps, but every packet's 5-tuple is looked up in the kernel's LRU hash, as Katran does it: an LRU for each CPU in an array
 * of maps; a SYN is not looked up but put in anew; what is not found goes by consistent hashing and is put in.
 */
#include <slot.h>

#define BENCH_CPUS 1024

struct connection {
	struct shunt_addr source, destination;
	__u32 ports;                     /* source << 16 | destination, network byte order each */
	__u32 protocol;
};

struct destination {
	__u64 backend;
	__u64 seen_ns;                   /* as Katran's entries, which age those of UDP by it */
};

struct connection_lru {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(key_size, sizeof(struct connection));
	__uint(value_size, sizeof(struct destination));
	__uint(max_entries, 1);
};

/* The runner puts in LRUs of the size it wants. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__type(key, __u32);
	__uint(max_entries, BENCH_CPUS);
	__array(values, struct connection_lru);
} lru_of_cpu SEC(".maps");

/* Ports, protocol and, to be put in, the backend, in one register. */
union connection_end {
	struct {
		__u32 ports;
		__u32 protocol : 8;
		__u32 backend : 24;
	};
	__u64 word;
};

stage void *lru_of_this_cpu(void)
{
	__u32 cpu = bpf_get_smp_processor_id();

	return bpf_map_lookup_elem(&lru_of_cpu, &cpu);
}

/*
 * The backend of a connection, 0: not known; or puts it in. A function of its own, as those of bpf/: the stack of the stages
 * is full. The arguments are the halves of both addresses.
 */
__noinline int connection(__u64 source_high, __u64 source_low, __u64 high, __u64 low, __u64 end_word)
{
	union connection_end end = {.word = end_word};
	struct connection key = {
		.source = address_of(source_high, source_low),
		.destination = address_of(high, low),
		.ports = end.ports,
		.protocol = end.protocol,
	};
	struct destination new = {.backend = end.backend}, *found;
	void *lru = lru_of_this_cpu();

	if (!lru)
		return 0;
	if (end.backend) {
		bpf_map_update_elem(lru, &key, &new, BPF_ANY);
		return end.backend;
	}
	found = bpf_map_lookup_elem(lru, &key);
	return found ? (int)found->backend : 0;
}

stage __u32 connection_of(const struct packet *p, __u32 backend)
{
	union connection_end end = {
		.ports = p->ports,
		.protocol = p->protocol,
		.backend = backend,
	};

	return connection(shunt_addr_half(&p->source, 0), shunt_addr_half(&p->source, 1),
			  shunt_addr_half(&p->destination, 0), shunt_addr_half(&p->destination, 1), end.word);
}

stage int pick_connection(struct packet *p)
{
	int verdict;

	p->backend_id = p->starts_flow ? 0 : connection_of(p, 0);
	p->backend = p->backend_id ? backend_lookup(p->backend_id) : NULL;
	if (backend_is_alive(p->backend)) {
		p->hash = flow_hash(p); /* for the entropy of the outer header */
		p->choice = SHUNT_CHOICE_PINNED;
		return SHUNT_NEXT;
	}
	verdict = pick_backend(p);
	if (verdict == SHUNT_NEXT)
		connection_of(p, p->backend_id);
	return verdict;
}

/* The only stage that differs: in the list of stages, whatever else is in it, it stands for the other. */
#define pick_backend pick_connection
#include <shunt.bpf.c>
