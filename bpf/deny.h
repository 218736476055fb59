/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Clients that are denied, or that are not among those allowed. Lists of all services have service id 0; deny goes before
 * allow. Only what is for a service's address comes here: nobody else's packets are ever dropped.
 */
#ifndef SHUNT_BPF_DENY_H
#define SHUNT_BPF_DENY_H

#include <shunt/deny_filter.h>

#include "packet.h"
#include "prefix_index.h"

enum list { LIST_DENY, LIST_ALLOW };

stage struct shunt_addr address_of(__u64 high, __u64 low)
{
	struct shunt_addr address;

	__builtin_memcpy(address.byte, &high, 8);
	__builtin_memcpy(address.byte + 8, &low, 8);
	return address;
}

/*
 * Functions of their own: the verifier judges them once, and the stack of the stages is nearly full. `high`, `low`: the
 * halves of the client's address; `count`: a packet is dropped for it.
 */
__noinline int list_has(__u64 high, __u64 low, __u32 service, enum list list, bool count)
{
	struct shunt_list_key key = {.length = SHUNT_LISTED_WHOLE, .service = service, .address = address_of(high, low)};
	struct shunt_listed *prefix;

	key.version = shunt_addr_is_ipv4(&key.address) ? 4 : 6;
	prefix = list == LIST_DENY ? bpf_map_lookup_elem(&deny, &key) : bpf_map_lookup_elem(&allow, &key);
	if (prefix && count)
		__sync_fetch_and_add(&prefix->packets, 1);
	return prefix != NULL;
}

stage bool filter_has(__u32 bit)
{
	__u32 word = bit / 64;
	const struct shunt_deny_filter *filter = bpf_map_lookup_elem(&deny_filter, &word);

	return filter && filter->bits >> bit % 64 & 1;
}

__noinline int may_be_denied(__u64 high, __u64 low)
{
	struct shunt_addr address = address_of(high, low);

	if (shunt_addr_is_ipv4(&address))
		return filter_has(shunt_filter_ipv4(&address));
	return filter_has(shunt_filter_48(&address)) || filter_has(shunt_filter_32(shunt_byte_word(address.byte)));
}

/* Whether the client is on the list of who is allowed of a service, 0: of all services. `quickly`: without a call, but larger. */
stage bool is_listed(const struct packet *p, __u32 service, bool quickly)
{
	__u64 high = shunt_addr_half(&p->source, 0), low = shunt_addr_half(&p->source, 1);
	__u32 step = index_root(p->family, SHUNT_INDEX_ALLOW, service);

	if (unlikely(step == SHUNT_INDEX_ASK_TRIE))
		return list_has(high, low, service, LIST_ALLOW, false);
	return index_found(quickly ? index_find(high, low, step) : index_look_on(high, low, 0, step)).is_listed;
}

/* Services with a list of their own beside that of all are few: for the second list the program does not grow again. */
stage bool is_allowed(const struct packet *p)
{
	const struct shunt_service *service = p->service;
	bool has_own = feature(ALLOW) && service && service->flags & SHUNT_SERVICE_ALLOW;

	if ((feature(ALLOW_ALL) || has_own) && !is_listed(p, feature(ALLOW_ALL) ? 0 : service->id, true))
		return false;
	return !feature(ALLOW_ALL) || !has_own || is_listed(p, service->id, false);
}

stage int deny_client(struct packet *p)
{
	const struct shunt_service *service = p->service;
	__u64 high = shunt_addr_half(&p->source, 0), low = shunt_addr_half(&p->source, 1);

	if (feature(DENY) && unlikely(may_be_denied(high, low)) &&
	    (list_has(high, low, 0, LIST_DENY, !p->dry) ||
	     (service && service->flags & SHUNT_SERVICE_DENY && list_has(high, low, service->id, LIST_DENY, !p->dry))))
		return drop(p, SHUNT_DROP_DENIED);
	if ((feature(ALLOW) || feature(ALLOW_ALL)) && unlikely(!is_allowed(p)))
		return drop(p, SHUNT_DROP_NOT_ALLOWED);
	return SHUNT_NEXT;
}

#endif
