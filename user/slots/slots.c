/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Targets and transitions of slots. Knows ids, not backends; never asks the time: its callers say when it has passed. */
#include <string.h>

#include "slots/slots.h"

/*
 * With few fit slots probing visits many places, so their places in the sequence are computed instead. Both ways cost
 * about the same where fit slots are the square root of all (256 of 65,536).
 */
#define FEW_FIT_MAX 256

struct fit_slots {
	uint32_t count; /* of slots whose owner is fit */
	uint32_t few[FEW_FIT_MAX]; /* the first of them */
	uint16_t only_owner; /* of all fit slots, 0 when there are several */
};

static struct fit_slots find_fit(const uint16_t *base, uint32_t size, const struct backend_set *fit,
				 uint16_t *ret_targets)
{
	struct fit_slots found = {0};
	uint16_t last = 0; /* neighbours often have one owner, and in most groups all slots have */
	bool last_fits = false;

	for (uint32_t slot = 0; slot < size; slot++) {
		uint16_t owner = base[slot];

		if (owner != last) {
			last = owner;
			last_fits = owner && backend_set_has(fit, owner);
		}
		if (!last_fits) {
			ret_targets[slot] = 0;
			continue;
		}
		ret_targets[slot] = owner;
		found.only_owner = found.count == 0 || found.only_owner == owner ? owner : 0;
		if (found.count < FEW_FIT_MAX)
			found.few[found.count] = slot;
		found.count++;
	}
	return found;
}

/* The first fit owner along the probe sequence of `slot`, by the definition. */
static uint16_t probe(const uint16_t *base, uint32_t size, const struct backend_set *fit, uint32_t slot)
{
	uint32_t step = (shunt_probe(slot, 1, size) - slot) & (size - 1), at = slot;

	do
		at = (at + step) & (size - 1);
	while (!base[at] || !backend_set_has(fit, base[at]));
	return base[at];
}

/* The x with x * odd == 1 mod 2^32, by Newton's iteration: 3 bits are right at first, and each round doubles them. */
static uint32_t inverse(uint32_t odd)
{
	uint32_t x = odd;

	for (int i = 0; i < 4; i++)
		x *= 2 - odd * x;
	return x;
}

/* The same: fit slot f is at place (f - slot) / step of the sequence, mod size; the least place wins. */
static uint16_t probe_few(const uint16_t *base, uint32_t size, const struct fit_slots *found, uint32_t slot)
{
	uint32_t step = shunt_probe(slot, 1, size) - slot, per_step = inverse(step), least = size;

	for (uint32_t i = 0; i < found->count; i++) {
		uint32_t place = (found->few[i] - slot) * per_step & (size - 1);

		least = place < least ? place : least;
	}
	return base[(slot + least * step) & (size - 1)];
}

void slots_targets(const uint16_t *base, uint32_t size, const struct backend_set *fit, uint16_t *ret_targets)
{
	struct fit_slots found = find_fit(base, size, fit, ret_targets);

	if (found.count == 0 || found.count == size)
		return;
	for (uint32_t slot = 0; slot < size; slot++) {
		if (ret_targets[slot])
			continue;
		if (found.only_owner)
			ret_targets[slot] = found.only_owner;
		else if (found.count <= FEW_FIT_MAX)
			ret_targets[slot] = probe_few(base, size, &found, slot);
		else
			ret_targets[slot] = probe(base, size, fit, slot);
	}
}

/* A slot's rank: Fibonacci hashing (Knuth, TAOCP 3, 6.4), which for a power of two is a permutation, so that shares are exact. */
void slots_overlay(uint16_t *targets, const uint16_t *more, uint32_t size, uint32_t whole, uint32_t begin, uint32_t end)
{
	uint32_t first = (uint64_t)size * begin / whole, last = (uint64_t)size * end / whole;

	for (uint32_t slot = 0; slot < size; slot++) {
		uint32_t rank = slot * 0x9e3779b1U & (size - 1);

		if (rank >= first && rank < last)
			targets[slot] = more[slot];
	}
}

static bool is_alive(const struct backend_set *alive, uint32_t id)
{
	return id && backend_set_has(alive, id);
}

static struct shunt_slot resolving(uint32_t id)
{
	return (struct shunt_slot){.now = id, .was = id, .state = SHUNT_SLOT_RESOLVING};
}

static struct shunt_slot moving(uint32_t now, uint32_t was)
{
	return (struct shunt_slot){.now = now, .was = was, .state = SHUNT_SLOT_MOVING};
}

struct shunt_slot slot_next(struct shunt_slot slot, uint32_t target, const struct backend_set *alive)
{
	bool was_holds = slot.state == SHUNT_SLOT_MOVING && is_alive(alive, slot.was);
	bool now_holds = is_alive(alive, slot.now);

	/* Nobody is fit, as before: there is nothing to remember, and to say so again would never end. */
	if (slot.state == SHUNT_SLOT_SETTLED && slot.now == 0 && target == 0)
		return slot;
	/* Flows not pinned yet are on `was`: it stays what it is for as long as it can. */
	if (was_holds)
		return target == slot.was ? resolving(target) : moving(target, slot.was);
	/* Flows not pinned are on `now`, or were on a `was` that is gone. */
	if (slot.state == SHUNT_SLOT_MOVING || !now_holds)
		return resolving(target);
	return target == slot.now ? slot : moving(target, slot.now);
}

const char *slot_state_text(uint32_t state)
{
	static const char *const text[] = {"settled", "moving", "resolving"};

	return state < sizeof(text) / sizeof(text[0]) ? text[state] : "unknown";
}

struct shunt_slot slot_resolve(struct shunt_slot slot)
{
	return slot.state == SHUNT_SLOT_MOVING ? resolving(slot.now) : slot;
}

struct shunt_slot slot_settle(struct shunt_slot slot)
{
	if (slot.state == SHUNT_SLOT_RESOLVING)
		slot.state = SHUNT_SLOT_SETTLED;
	return slot;
}
