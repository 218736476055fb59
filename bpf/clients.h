/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which group takes the packet: the service's own, or that of its clients' longest prefix. A placement that has changed is
 * followed as a moved slot is (abi.h, struct shunt_client_group), so that flows stay where they began.
 */
#ifndef SHUNT_BPF_CLIENTS_H
#define SHUNT_BPF_CLIENTS_H

#include "deny.h"
#include "flow.h"

struct placement {
	__u32 group, was_group;
	__u32 state;                     /* enum shunt_slot_state */
};

/* As a word of struct shunt_index_found. */
stage __u64 placement_word(__u16 group, __u16 was_group, __u8 state)
{
	struct shunt_index_found found = {.group = group, .was_group = was_group, .state = state, .is_listed = 1};
	__u64 word;

	__builtin_memcpy(&word, &found, sizeof(word));
	return word;
}

/* What the trie has for the client (`high`, `low`: halves of its address), as a word of struct shunt_index_found. As list_has(). */
__noinline __u64 find_client_in_trie(__u64 high, __u64 low, __u32 service)
{
	struct shunt_list_key key = {.length = SHUNT_LISTED_WHOLE, .service = service, .address = address_of(high, low)};
	const struct shunt_client_group *found;

	key.version = shunt_addr_is_ipv4(&key.address) ? 4 : 6;
	found = bpf_map_lookup_elem(&client_groups, &key);
	return found ? placement_word(found->group, found->was_group, found->state) : 0;
}

/* Asked once for a packet: where it is asked more often the verifier goes on along each way of each. */
stage struct placement placement_of(const struct packet *p)
{
	const struct placement placement = {p->service->group, p->service->was_group, p->service->group_state};
	__u64 high = shunt_addr_half(&p->source, 0), low = shunt_addr_half(&p->source, 1), word;
	struct shunt_index_found found;
	__u32 step;

	if (!feature(CLIENTS) || likely(!(p->service->flags & SHUNT_SERVICE_CLIENTS)))
		return placement;
	step = index_root(p->family, SHUNT_INDEX_CLIENTS, p->service->id);
	word = likely(step != SHUNT_INDEX_ASK_TRIE) ? index_find(high, low, step) : find_client_in_trie(high, low, p->service->id);
	/* A branch, unlike index_find(): the processor goes on with the service's group, and need not wait for what was found. */
	if (!word)
		return placement;
	found = index_found(word);
	return (struct placement){found.group, found.was_group, found.state};
}

#endif
