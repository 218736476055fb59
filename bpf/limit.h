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

#define CLIENT_SALT 0xc11e47b0c4e7ULL

/*
 * A bucket that is full is set anew, by compare-and-swap; another is moved on by an atomic addition, which cannot fail.
 * Processors that come at the same moment may so exceed a limit by one each; and one that is set anew by the coarse clock is
 * fuller by up to a tick than it should be (docs/protection.md says what comes of both).
 */
stage void bucket_advance(__u64 *bucket, __u64 was, __u64 fresh, __u64 interval, bool full)
{
	if (!full || __sync_val_compare_and_swap(bucket, was, fresh) != was)
		__sync_fetch_and_add(bucket, interval);
}

/*
 * Whether the service may begin one more flow, which it has then. `now_ns`: of the coarse clock, which is cheap to read but
 * stands still for a tick; who it would refuse the precise one judges.
 */
stage bool take_of_service(struct shunt_limit *limit, __u64 now_ns, bool dry)
{
	__u64 due = *(volatile __u64 *)&limit->due_ns, next;

	if (unlikely(!shunt_bucket_has_room(due - now_ns, limit->burst_ns)))
		now_ns = bpf_ktime_get_ns();
	next = shunt_bucket_next(due - now_ns, limit->interval_ns, limit->burst_ns);
	if (next == ~0ULL)
		return false;
	if (!dry)
		bucket_advance(&limit->due_ns, due, now_ns + next, limit->interval_ns, next == limit->interval_ns);
	return true;
}

/* The same of the client with this hash. */
stage bool take_of_client(const struct shunt_limit *limit, __u64 hash, __u64 now_ns, bool dry)
{
	__u32 index = (__u32)hash & (cfg.client_lines - 1), client = (hash >> 40) | 1, at;
	struct shunt_client_line *line = bpf_map_lookup_elem(&clients, &index);
	__u64 now = now_ns >> SHUNT_DUE_SHIFT, word, ahead, next;

	if (!line)
		return true;
	at = shunt_client_find(line, client, now, limit->client_most) & (SHUNT_CLIENTS_PER_LINE - 1);
	word = shunt_client_word_at(line, at);
	ahead = word >> SHUNT_DUE_BITS == client ? shunt_client_ahead(word, now) : 0;
	if (unlikely(!shunt_bucket_has_room(ahead, limit->client_burst))) {
		now = bpf_ktime_get_ns() >> SHUNT_DUE_SHIFT;
		ahead = shunt_client_ahead(word, now);
	}
	next = shunt_bucket_next(ahead, limit->client_interval, limit->client_burst);
	if (next == ~0ULL)
		return false;
	if (!dry)
		bucket_advance((__u64 *)&line->client[at], word, shunt_client_word(client, now + next),
			       limit->client_interval, next == limit->client_interval);
	return true;
}

/*
 * Why the packet goes, SHUNT_DROP_NONE: it does not. A function of its own: the verifier judges it once, and its stack is its
 * own. `high`, `low`: halves of the client's address.
 */
__noinline int over_limits(__u32 service, __u64 high, __u64 low, __u64 salt, bool dry)
{
	struct shunt_limit *limit = bpf_map_lookup_elem(&limits, &service);
	__u64 now_ns = bpf_ktime_get_coarse_ns(), hash;

	if (!limit)
		return SHUNT_DROP_NONE;
	if (limit->client_interval) {
		hash = shunt_placed_hash(cfg.hash_key, high & limit->client_mask[0], low & limit->client_mask[1],
					 salt ^ CLIENT_SALT);
		if (!take_of_client(limit, hash, now_ns, dry))
			return SHUNT_DROP_CLIENT_LIMIT;
	}
	if (limit->interval_ns && !take_of_service(limit, now_ns, dry))
		return SHUNT_DROP_SERVICE_LIMIT;
	return SHUNT_DROP_NONE;
}

stage int limit_flows(struct packet *p)
{
	const struct shunt_service *service = p->service;
	int reason;

	if (!feature(LIMIT) || !service || !(service->flags & SHUNT_SERVICE_LIMIT) ||
	    !p->starts_flow)
		return SHUNT_NEXT;
	reason = over_limits(service->id, shunt_addr_half(&p->source, 0), shunt_addr_half(&p->source, 1), service->salt,
			     p->dry);
	return likely(!reason) ? SHUNT_NEXT : drop(p, reason);
}

#endif
