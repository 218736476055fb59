/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Each field that counts is mixed in by its value, in one fixed order, so that neither addresses in memory nor padding count. Thousands of
 * objects are gone through each second: hence words at a time, and no documents made to compare them.
 */
#include <stddef.h>
#include <string.h>

#include "api/fingerprint.h"

/* The mixing step of splitmix64, over what was mixed so far. */
static uint64_t mix(uint64_t so_far, uint64_t value)
{
	uint64_t x = so_far * 0x9e3779b97f4a7c15ULL + value + 0x632be59bd9b4e019ULL;

	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
	return x ^ (x >> 31);
}

static uint64_t mix_bytes(uint64_t so_far, const void *bytes, size_t length)
{
	const char *at = bytes;
	uint64_t word;

	for (; length >= sizeof(word); at += sizeof(word), length -= sizeof(word)) {
		memcpy(&word, at, sizeof(word));
		so_far = mix(so_far, word);
	}
	word = 0;
	memcpy(&word, at, length);
	return mix(so_far, word ^ (uint64_t)length << 56);
}

/* NULL is not "". */
static uint64_t mix_text(uint64_t so_far, const char *text)
{
	return text ? mix_bytes(so_far, text, strlen(text)) : mix(so_far, 1);
}

static uint64_t mix_texts(uint64_t so_far, const char *const *texts, size_t n)
{
	for (size_t i = 0; i < n; i++)
		so_far = mix_text(so_far, texts[i]);
	return so_far;
}

static uint64_t mix_numbers(uint64_t so_far, const uint64_t *numbers, size_t n)
{
	for (size_t i = 0; i < n; i++)
		so_far = mix(so_far, numbers[i]);
	return so_far;
}

#define N(array) (sizeof(array) / sizeof((array)[0]))

uint64_t fingerprint_name(const char *name)
{
	return mix_text(0, name);
}

uint64_t fingerprint_service(const struct snapshot_service *service)
{
	const char *const texts[] = {service->name, service->group, service->forward, service->hash, service->tracking,
				     service->on_empty, service->scheduler, service->group_state};
	const uint64_t numbers[] = {service->prefix, service->protocol, service->port};
	uint64_t all = mix_bytes(0, &service->address, sizeof(service->address));

	all = mix_texts(all, texts, N(texts));
	all = mix_numbers(all, numbers, N(numbers));
	for (size_t i = 0; i < service->n_clients; i++)
		all = mix(mix_text(all, service->clients[i].group), service->clients[i].prefixes);
	return all;
}

static uint64_t mix_member(uint64_t so_far, const struct snapshot_member *member)
{
	const char *const texts[] = {member->backend, member->role, member->why};

	so_far = mix_texts(so_far, texts, N(texts));
	so_far = mix(so_far, (uint64_t)member->suppressed_until);
	return mix_bytes(so_far, &member->share, sizeof(member->share));
}

uint64_t fingerprint_group(const struct snapshot_group *group)
{
	const char *const texts[] = {group->name, group->mode, group->state, group->primary, group->last_resort, group->forced,
				     group->forced_by, group->failback, group->failover, group->proposed, group->proposed_why};
	const uint64_t numbers[] = {
		(uint64_t)group->forced_until, (uint64_t)group->failing_back_at, group->failovers,
		(uint64_t)group->last_failover, group->healthy, group->failed, group->detection_ms, group->mtu_detection_ms, group->slots,
		(uint64_t)group->held_until, group->rechecking, group->panic, group->shifted_percent,
		(uint64_t)group->suppressed_until,
	};
	uint64_t all = mix_numbers(mix_texts(0, texts, N(texts)), numbers, N(numbers));

	for (size_t i = 0; i < group->n_members; i++)
		all = mix_member(all, &group->members[i]);
	return all;
}

uint64_t fingerprint_backend(const struct snapshot_backend *backend)
{
	const char *const texts[] = {backend->name, backend->ejected_why, backend->breaker, backend->health, backend->admin,
				     backend->admin_by, backend->check_type, backend->check_last, backend->check_reason,
				     backend->next_hop};
	const uint64_t numbers[] = {
		backend->port, backend->weight, backend->configured_weight, backend->effective_weight, backend->slow_start,
		(uint64_t)backend->ejected_until, (uint64_t)backend->window_until, (uint64_t)backend->admin_until,
		(uint64_t)backend->weight_until, (uint64_t)backend->drain_until, backend->drained, backend->removed,
		(uint64_t)backend->check_since, backend->next_hop_ok,
	};
	uint64_t all = mix_bytes(0, &backend->address, sizeof(backend->address));

	return mix_numbers(mix_texts(all, texts, N(texts)), numbers, N(numbers));
}
