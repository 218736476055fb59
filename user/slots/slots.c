/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Targets and transitions of slots. Knows ids, not backends; never asks the time: its callers say when it has passed. */
#include <string.h>

#include "slots/slots.h"

/*
 * With few fit slots probing visits many places, so their places in the sequence are computed instead. Both ways cost
 * about the same where fit slots are the square root of all (256 of 65,536).
 */
#define FEW_FIT_MAX 256

/* Slots that need work are gathered from so many at a time, without branches: which they are nobody can foresee. */
#define BLOCK 256

struct fit_slots {
	uint32_t count; /* of slots whose owner is fit */
	uint32_t few[FEW_FIT_MAX + 1]; /* the first of them (as numbers of probing once all are found); beyond, the last place takes them */
	uint16_t only_owner; /* of all fit slots, 0 when there are several */
};

static uint32_t is_fit(const struct backend_set *fit, uint32_t owner)
{
	return backend_set_has(fit, owner) & (owner != 0);
}

static struct fit_slots find_fit(const uint16_t *base, uint32_t size, const struct backend_set *fit,
				 uint16_t *ret_targets)
{
	struct fit_slots found = {0};
	uint16_t some = 0, all = UINT16_MAX; /* bits that an owner, that every owner has: the same when there is one */

	for (uint32_t slot = 0; slot < size; slot++) {
		uint32_t fits = is_fit(fit, base[slot]);
		uint16_t owner = base[slot] & -fits;

		ret_targets[slot] = owner;
		some |= owner;
		all &= base[slot] | (fits - 1);
		found.few[found.count < FEW_FIT_MAX ? found.count : FEW_FIT_MAX] = slot;
		found.count += fits;
	}
	found.only_owner = found.count && some == all ? some : 0;
	for (uint32_t i = 0; i < found.count && found.count <= FEW_FIT_MAX; i++)
		found.few[i] = shunt_probe_number(found.few[i], size);
	return found;
}

/* The first fit owner along the probe sequence of `slot`, by the definition. */
static uint16_t probe(const uint16_t *base, uint32_t size, const struct backend_set *fit, uint32_t slot)
{
	uint32_t step = shunt_probe_step(slot), number = shunt_probe_number(slot, size), at;

	do
		at = shunt_probe_slot(number += step, size);
	while (!is_fit(fit, base[at]));
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

/* The same: the fit slot of number f is at place (f - number) / step of the sequence, mod size; the least place wins. */
static uint16_t probe_few(const uint16_t *base, uint32_t size, const struct fit_slots *found, uint32_t slot)
{
	uint32_t step = shunt_probe_step(slot), number = shunt_probe_number(slot, size), per_step = inverse(step), least = size;

	for (uint32_t i = 0; i < found->count; i++) {
		uint32_t place = (found->few[i] - number) * per_step & (size - 1);

		least = place < least ? place : least;
	}
	return base[shunt_probe_slot(number + least * step, size)];
}

static uint16_t probe_for(const uint16_t *base, uint32_t size, const struct backend_set *fit, const struct fit_slots *found,
			  uint32_t slot)
{
	if (found->only_owner)
		return found->only_owner;
	return found->count <= FEW_FIT_MAX ? probe_few(base, size, found, slot) : probe(base, size, fit, slot);
}

void slots_targets(const uint16_t *base, uint32_t size, const struct backend_set *fit, uint16_t *ret_targets)
{
	struct fit_slots found = find_fit(base, size, fit, ret_targets);

	if (found.count == 0 || found.count == size)
		return;
	for (uint32_t begin = 0; begin < size; begin += BLOCK) {
		uint32_t end = begin + BLOCK < size ? begin + BLOCK : size, n = 0;
		uint32_t without[BLOCK];

		for (uint32_t slot = begin; slot < end; slot++) {
			without[n] = slot;
			n += !ret_targets[slot];
		}
		for (uint32_t i = 0; i < n; i++)
			ret_targets[without[i]] = probe_for(base, size, fit, &found, without[i]);
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

/* Whether slot_next() would leave it as it is, of a settled slot. */
static bool stays(struct shunt_slot slot, uint32_t target, const struct backend_set *alive)
{
	return (slot.state == SHUNT_SLOT_SETTLED) & (slot.now == target) & is_fit(alive, target);
}

struct slots_change slots_next(const struct shunt_slot *now, const uint16_t *targets, uint32_t size, const struct backend_set *alive,
			       struct shunt_slot *ret_next)
{
	struct slots_change change = {0};

	memcpy(ret_next, now, size * sizeof(*now));
	for (uint32_t begin = 0; begin < size; begin += BLOCK) {
		uint32_t end = begin + BLOCK < size ? begin + BLOCK : size, n = 0;
		uint32_t others[BLOCK];

		for (uint32_t slot = begin; slot < end; slot++) {
			others[n] = slot;
			n += !stays(now[slot], targets[slot], alive);
		}
		for (uint32_t i = 0; i < n; i++) {
			uint32_t slot = others[i];

			ret_next[slot] = slot_next(now[slot], targets[slot], alive);
			change.changed |= shunt_slot_word(ret_next[slot]) != shunt_slot_word(now[slot]);
			change.moving |= ret_next[slot].state == SHUNT_SLOT_MOVING;
		}
	}
	return change;
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
