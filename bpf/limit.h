/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * How many new flows a second a service, and each client of it, may begin. Only the packet that begins a flow is judged (a
 * TCP SYN), so that established connections lose nothing. The client first: what it has too much must not use up what the
 * service has for others.
 */
#ifndef SHUNT_BPF_LIMIT_H
#define SHUNT_BPF_LIMIT_H

#include <shunt/bucket.h>
#include <shunt/hash.h>

#include "packet.h"

/*
 * Whether the service may begin one more flow, which it has then. `now_ns`: coarse_ns(), which is cheap to read but stands
 * still for a tick; who it would refuse the precise clock judges.
 *
 * A bucket that is full is set anew, another is moved on by an atomic addition, which cannot fail. Processors that come at the
 * same moment may so exceed a limit by one each; and one that is set anew by the coarse time is fuller by up to two ticks than
 * it should be (docs/protection.md says what comes of both).
 */
stage bool take_of_service(struct shunt_limit *limit, __u64 now_ns, bool dry)
{
	__u64 due = *(volatile __u64 *)&limit->due_ns, next;

	if (unlikely(!shunt_bucket_has_room(due - now_ns, limit->burst_ns)))
		now_ns = bpf_ktime_get_ns();
	next = shunt_bucket_next(due - now_ns, limit->interval_ns, limit->burst_ns);
	if (next == ~0ULL)
		return false;
	if (dry)
		return true;
	/* By compare-and-swap: all processors use this one, and of those who are too late none may set it back. */
	if (next != limit->interval_ns || __sync_val_compare_and_swap(&limit->due_ns, due, now_ns + next) != due)
		__sync_fetch_and_add(&limit->due_ns, limit->interval_ns);
	return true;
}

/*
 * The same of a client at whose home a bucket, its own or not, is worth remembering or has room for no more than one packet.
 * Global, so that the verifier judges it once.
 */
__noinline int take_when_ahead(const struct shunt_limit *limit, struct shunt_client_line *line, __u32 client, __u64 now, bool dry)
{
	volatile shunt_client_cell *bucket;
	__u64 word, ahead, next;
	int is_own;

	if (!limit || !line)
		return true;
	bucket = shunt_client_at(line, shunt_client_place(line, client, now, limit->client_interval, limit->client_most, &is_own));
	word = *bucket;
	ahead = is_own ? shunt_client_ahead(word, now) : 0; /* there is room for the first, whatever the limit */
	if (unlikely(!shunt_bucket_has_room(ahead, limit->client_burst))) {
		now = bpf_ktime_get_ns() >> SHUNT_DUE_SHIFT;
		ahead = shunt_client_ahead(word, now);
	}
	next = shunt_bucket_next(ahead, limit->client_interval, limit->client_burst);
	if (next == ~0ULL)
		return false;
	if (dry)
		return true;
	if (next == limit->client_interval) /* it is past, or another's: set anew */
		*bucket = shunt_client_word(client, now + next);
	else
		__sync_fetch_and_add(bucket, limit->client_interval);
	return true;
}

/*
 * The same of the client with this hash. A store: packets of one client seldom meet, and in a flood each would pay for more. Who
 * is near the limit is counted exactly.
 */
stage bool take_of_client(const struct shunt_limit *limit, __u64 hash, __u64 now_ns, bool dry)
{
	__u32 index = (__u32)hash & (cfg.client_lines - 1), client = (hash >> 40) | 1;
	struct shunt_client_line *line = bpf_map_lookup_elem(&clients, &index);
	__u64 now = now_ns >> SHUNT_DUE_SHIFT, word;
	__s64 interval = limit->client_interval, ahead;
	volatile shunt_client_cell *bucket;

	if (!line)
		return true;
	bucket = shunt_client_at(line, shunt_client_home(client));
	word = *bucket;
	ahead = shunt_client_ahead(word, now);
	if (unlikely(ahead > SHUNT_FORGETTABLE * interval || ahead + interval > (__s64)limit->client_burst))
		return take_when_ahead(limit, line, client, now, dry);
	if (!dry)
		*bucket = shunt_client_next(word, client, now, interval);
	return true;
}

/* A client is an address of IPv4 or a /64 of IPv6, unless the service says otherwise (client_prefix). */
stage __u64 client_hash(const struct packet *p, const struct shunt_limit *limit)
{
	__u64 high = foresee(~0ULL, limit->client_mask[0]), low = foresee(p->family == ETH_P_IPV6 ? 0 : ~0ULL, limit->client_mask[1]);

	return shunt_placed_hash(cfg.hash_key, shunt_addr_half(&p->source, 0) & high, shunt_addr_half(&p->source, 1) & low, p->salt);
}

stage int limit_flows(struct packet *p)
{
	struct shunt_limit *limit;
	__u64 now_ns;
	__u32 id;

	if (!feature(LIMIT) || !p->service || !(p->service->flags & SHUNT_SERVICE_LIMIT) || !p->starts_flow)
		return SHUNT_NEXT;
	id = p->service->id;
	limit = bpf_map_lookup_elem(&limits, &id);
	if (!limit)
		return SHUNT_NEXT;
	now_ns = coarse_ns();
	if (limit->client_interval && unlikely(!take_of_client(limit, client_hash(p, limit), now_ns, p->dry)))
		return drop(p, SHUNT_DROP_CLIENT_LIMIT);
	if (limit->interval_ns && unlikely(!take_of_service(limit, now_ns, p->dry)))
		return drop(p, SHUNT_DROP_SERVICE_LIMIT);
	join_ways(p);
	return SHUNT_NEXT;
}

#endif
