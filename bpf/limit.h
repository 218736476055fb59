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
 * Processors that come at the same moment may so exceed a limit by one each.
 */
stage void bucket_advance(__u64 *bucket, __u64 was, __u64 fresh, __u64 interval, bool full)
{
	if (!full || __sync_val_compare_and_swap(bucket, was, fresh) != was)
		__sync_fetch_and_add(bucket, interval);
}

/* Functions of their own: the verifier judges them once, and their stack is theirs. */
__noinline int over_service_limit(__u32 service, bool dry)
{
	struct shunt_limit *limit = bpf_map_lookup_elem(&limits, &service);
	__u64 due, next, now_ns;

	if (!limit || !limit->interval_ns)
		return 0;
	now_ns = bpf_ktime_get_ns();
	due = *(volatile __u64 *)&limit->due_ns;
	next = shunt_bucket_next(due - now_ns, limit->interval_ns, limit->burst_ns);
	if (next == ~0ULL)
		return 1;
	if (!dry)
		bucket_advance(&limit->due_ns, due, now_ns + next, limit->interval_ns, next == limit->interval_ns);
	return 0;
}

/* `high`, `low`: halves of the client's address. */
__noinline int over_client_limit(__u32 service, __u64 high, __u64 low, __u64 salt, bool dry)
{
	struct shunt_limit *limit = bpf_map_lookup_elem(&limits, &service);
	struct shunt_client_line *line;
	__u64 hash, word, ahead, next, now_us;
	__u32 index, client, at;

	if (!limit || !limit->client_interval_us)
		return 0;
	hash = shunt_hash3(cfg.hash_key, high & limit->client_mask[0], low & limit->client_mask[1], salt ^ CLIENT_SALT);
	index = (__u32)hash & (cfg.client_lines - 1);
	client = (hash >> 40) | 1;
	line = bpf_map_lookup_elem(&clients, &index);
	if (!line)
		return 0;
	now_us = bpf_ktime_get_ns() / 1000;
	at = shunt_client_find(line, client, now_us, &word, &ahead) & (SHUNT_CLIENTS_PER_LINE - 1);
	next = shunt_bucket_next(ahead, limit->client_interval_us, limit->client_burst_us);
	if (next == ~0ULL)
		return 1;
	if (!dry)
		bucket_advance((__u64 *)&line->client[at], word, shunt_client_word(client, now_us + next),
			       limit->client_interval_us, next == limit->client_interval_us);
	return 0;
}

stage int limit_flows(struct packet *p)
{
	const struct shunt_service *service = p->service;

	if (!(cfg.features & SHUNT_FEATURE_LIMIT) || !service || !(service->flags & SHUNT_SERVICE_LIMIT) || !p->starts_flow)
		return SHUNT_NEXT;
	if (over_client_limit(service->id, shunt_addr_half(&p->source, 0), shunt_addr_half(&p->source, 1), service->salt,
			      p->dry))
		return drop(p, SHUNT_DROP_CLIENT_LIMIT);
	if (over_service_limit(service->id, p->dry))
		return drop(p, SHUNT_DROP_SERVICE_LIMIT);
	return SHUNT_NEXT;
}

#endif
