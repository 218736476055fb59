/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Whole worlds under simulated time: backends that fail, waver, slow down and answer checks alone, operators who drain and
 * force, a controller that is held up, wall clocks that jump. What decides is the real thing (health, standing, outlier,
 * failover, damping, maglev, slots); only sockets and maps are missing. After each decision the invariants below are asked.
 * SHUNT_SEED=N replays, one world a seed.
 *
 * Each mutation breaks one rule and must be caught: else the simulation would prove nothing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "failover/damping.h"
#include "failover/failover.h"
#include "health/health.h"
#include "health/outlier.h"
#include "health/standing.h"
#include "maglev/maglev.h"
#include "slots/slots.h"

#define N(array) (sizeof(array) / sizeof((array)[0]))
#define MACHINES_MAX 7U
#define SIZE 64U
#define SECOND 1000ULL
#define HOUR (3600 * SECOND)
#define WORLD_MS (3 * HOUR)
#define MUTANTS 200U /* worlds in which a mutation must be caught; few are needed */

#ifdef __SANITIZE_ADDRESS__
#define WORLDS 150U
#else
#define WORLDS 1500U
#endif

enum mutation {
	NO_MUTATION,
	MAINT_IS_ALIVE,       /* maintenance is taken for a drain */
	DOWN_IS_FIT,          /* what checks say is not asked */
	EJECT_ALL,            /* no limit to ejections */
	MANUAL_MOVES,         /* a manual group is decided as an automatic one */
	SERVE_ALL_TIERS,      /* the table holds the members of every tier */
	FORGET_PROBING,       /* slots of who is unfit stay empty */
	SWALLOW_EVENTS,       /* of every fifth change of health nobody is told */
	USE_WALL_CLOCK,       /* the time of decisions is the wall clock's */
	OWN_CHANCE,           /* jitter comes from elsewhere than what is handed in */
	NEVER_WAKE,           /* timers are not kept */
	SILENT_MOVES,         /* a group moves and says nothing */
	SUPPRESS_NOBODY,      /* penalties are counted, and nothing follows */
	TAKE_ANY_LAG,         /* how far a standby lags is not asked */
	MUTATIONS,
};

enum truth { WORKS, WAVERS, SLOW, DEAD, BLACK_HOLE, TRUTHS };
enum admin { READY, DRAIN, MAINT };

struct machine {
	enum truth truth;
	uint32_t tier, weight;
	enum admin admin;
	struct health health;
	uint32_t percent;
	struct ejection ejection;
	struct damping damping;
	bool was_up, doubtful;
	uint32_t lag_ms;
	uint64_t checked_ms, next_probe_ms, wake_ms;
	struct standing standing;
	bool fit; /* and not suppressed */
};

struct world {
	uint64_t seed, random;      /* what happens */
	uint64_t wall_random;       /* how the wall clock jumps: nobody may care */
	int64_t wall_ms;            /* ahead of the monotonic clock */
	enum mutation mutation;
	uint64_t now_ms, next_happening_ms, next_round_ms, group_wake_ms;
	struct machine machines[MACHINES_MAX];
	size_t n;
	bool one_each;              /* tiers have one member each: a primary and its standbys */
	struct health_policy health;
	struct failover_policy policy;
	struct outlier_policy outlier;
	struct damping_policy damping;
	uint32_t panic_percent;
	bool keeps_flows, started, panic;
	struct failover failover;
	struct damping group_damping;
	struct backend_set alive;
	struct shunt_slot words[SIZE];
	uint16_t targets[SIZE];
	uint64_t digest, events, probes, failovers, ejections, changes;
	char failure[160];          /* empty: all invariants held */
};

static uint32_t roll(struct world *w, uint32_t n)
{
	return shunt_mix64(w->random += 0x9e3779b97f4a7c15ULL) % n;
}

static void __attribute__((format(printf, 3, 4))) hold(struct world *w, bool holds, const char *format, ...)
{
	va_list arguments;

	if (holds || *w->failure)
		return;
	va_start(arguments, format);
	vsnprintf(w->failure, sizeof(w->failure), format, arguments);
	va_end(arguments);
}

static uint64_t clock_of(const struct world *w)
{
	return w->mutation == USE_WALL_CLOCK ? w->now_ms + w->wall_ms : w->now_ms;
}

static void tell(struct world *w, const char *what, uint64_t who, uint64_t value)
{
	w->events++;
	for (; *what; what++)
		w->digest = shunt_mix64(w->digest ^ (uint8_t)*what);
	w->digest = shunt_mix64(w->digest + who * 31 + value);
	w->digest = shunt_mix64(w->digest + w->now_ms);
}

/* ---- the group, as user/shuntd puts it together ---- */

static void stand(struct world *w, struct machine *m)
{
	struct standing_facts facts = {
		.health = m->health.state,
		.was_alive = m->standing.alive,
		.keeps_flows = w->keeps_flows,
		.opened = w->panic,
		.drained = m->admin == DRAIN || (m->admin == MAINT && w->mutation == MAINT_IS_ALIVE),
		.maintained = m->admin == MAINT && w->mutation != MAINT_IS_ALIVE,
		.ejected = m->ejection.until_ms,
		.weighs = m->weight > 0,
	};

	m->standing = standing_of(facts);
	if (w->mutation == DOWN_IS_FIT)
		m->standing.fit = m->standing.alive = m->standing.in_service && m->health.state != HEALTH_UNKNOWN;
	backend_set_put(&w->alive, m - w->machines + 1, m->standing.alive);
}

static void as_members(struct world *w, struct failover_member *members)
{
	bool suppressed[MACHINES_MAX];

	for (size_t i = 0; i < w->n; i++) {
		const struct machine *m = &w->machines[i];

		members[i] = (struct failover_member){m->tier, m->standing.fit, m->doubtful, m->checked_ms,
						      w->mutation == TAKE_ANY_LAG ? 0 : m->lag_ms};
		suppressed[i] = m->damping.suppressed && w->mutation != SUPPRESS_NOBODY;
	}
	damping_apply(members, suppressed, w->n);
	for (size_t i = 0; i < w->n; i++)
		w->machines[i].fit = members[i].fit;
}

static void damp(struct world *w)
{
	for (size_t i = 0; i < w->n; i++) {
		struct machine *m = &w->machines[i];
		bool is_down = m->health.state == HEALTH_DOWN, was = m->damping.suppressed;

		m->damping = m->was_up && is_down ? damping_flap(m->damping, &w->damping, clock_of(w)) :
						    damping_next(m->damping, &w->damping, clock_of(w));
		m->was_up = !is_down && (m->was_up || m->standing.alive);
		if (m->damping.suppressed != was)
			tell(w, "damping", i, m->damping.suppressed);
	}
	w->group_damping = damping_next(w->group_damping, &w->damping, clock_of(w));
}

static void part_targets(struct world *w, const struct failover_part *part, const struct failover_member *members,
			 uint16_t *ret_targets)
{
	struct maglev_member list[MACHINES_MAX];
	struct backend_set takes = {0};
	uint16_t base[SIZE], ids[MACHINES_MAX];
	size_t n = 0;

	for (size_t i = 0; i < w->n; i++) {
		const struct machine *m = &w->machines[i];

		backend_set_put(&takes, i + 1, w->panic ? m->standing.in_service : m->fit);
		if (!failover_part_has(part, members, i) && w->mutation != SERVE_ALL_TIERS)
			continue;
		list[n] = (struct maglev_member){i + 1, m->weight * m->percent};
		ids[n++] = i + 1;
	}
	assert_int_equal(maglev_build(list, n, 0, base, SIZE), 0);
	for (uint32_t slot = 0; slot < SIZE; slot++)
		base[slot] = base[slot] == MAGLEV_NONE ? 0 : ids[base[slot]];
	if (w->mutation != FORGET_PROBING)
		slots_targets(base, SIZE, &takes, ret_targets);
	for (uint32_t slot = 0; slot < SIZE && w->mutation == FORGET_PROBING; slot++)
		ret_targets[slot] = backend_set_has(&takes, base[slot]) ? base[slot] : 0;
}

static void build_targets(struct world *w, const struct failover_part *parts, size_t n, const struct failover_member *members)
{
	uint16_t more[SIZE];
	uint32_t begins = 0;
	bool somebody = false;

	memset(w->targets, 0, sizeof(w->targets));
	for (size_t p = 0; p < n; p++) {
		part_targets(w, &parts[p], members, more);
		if (somebody && more[0])
			slots_overlay(w->targets, more, SIZE, FAILOVER_WHOLE, begins, begins + parts[p].share);
		else if (!somebody)
			memcpy(w->targets, more, sizeof(more));
		somebody = somebody || more[0];
		begins += parts[p].share;
	}
}

static bool panics(const struct world *w, const struct failover_part *parts, size_t n, const struct failover_member *members)
{
	size_t in_service = 0, fit = 0;

	for (size_t i = 0; i < w->n; i++) {
		bool used = false;

		for (size_t p = 0; p < n; p++)
			used = used || failover_part_has(&parts[p], members, i);
		in_service += used && w->machines[i].standing.in_service;
		fit += used && w->machines[i].fit;
	}
	return failover_panics(in_service, fit, w->panic_percent);
}

/* ---- invariants ---- */

static void never_to_maintenance_nor_to_who_is_down(struct world *w)
{
	bool somebody_fit = false, somebody_calm = false, all_have_somebody = true;

	for (size_t i = 0; i < w->n; i++) {
		somebody_calm = somebody_calm || (w->machines[i].standing.fit && !w->machines[i].damping.suppressed);
		somebody_fit = somebody_fit || w->machines[i].fit;
		hold(w, w->machines[i].admin != MAINT || !backend_set_has(&w->alive, i + 1), "backend %zu is in maintenance and alive", i);
	}
	for (uint32_t slot = 0; slot < SIZE; slot++) {
		const struct machine *m;

		hold(w, w->words[slot].now == w->targets[slot], "slot %u does not have what it should", slot);
		all_have_somebody = all_have_somebody && w->targets[slot];
		if (!w->targets[slot])
			continue;
		m = &w->machines[w->targets[slot] - 1];
		hold(w, m->admin != MAINT, "slot %u goes to a backend in maintenance", slot);
		hold(w, w->panic || health_serves(m->health.state), "slot %u goes to a backend that is %s", slot,
		     health_state_text(m->health.state));
		hold(w, w->panic || (m->admin == READY && !m->ejection.until_ms), "slot %u goes to one drained or ejected", slot);
		hold(w, w->panic || !somebody_calm || !m->damping.suppressed, "slot %u goes to one that is suppressed", slot);
	}
	/* What is not moved to by itself may wait for an operator, or for hold_down; else who is fit serves. */
	if (somebody_fit && w->started && w->policy.mode == FAILOVER_AUTOMATIC && !w->policy.hold_down_ms && !w->policy.max_lag_ms &&
	    !failover_is_forced(&w->failover))
		hold(w, all_have_somebody, "somebody is fit and slots have nobody");
}

static void no_two_primaries(struct world *w)
{
	uint16_t first = 0;

	bool one_serves = w->policy.max_lag_ms || (w->one_each && !w->policy.step_percent && !w->policy.overprovision_percent);

	for (uint32_t slot = 0; slot < SIZE && one_serves; slot++) {
		hold(w, !first || !w->targets[slot] || w->targets[slot] == first, "backends %u and %u are both primary", first,
		     w->targets[slot]);
		first = w->targets[slot] ? w->targets[slot] : first;
	}
}

static void manual_stays(struct world *w, const struct failover_step *step)
{
	bool by_itself = step->cause == FAILOVER_CAUSE_UNFIT || step->cause == FAILOVER_CAUSE_FAILBACK;

	if (w->policy.mode == FAILOVER_MANUAL)
		hold(w, !by_itself, "a manual group moved: %s", failover_cause_text(step->cause));
	if (w->policy.mode == FAILOVER_SEMI_AUTOMATIC)
		hold(w, step->cause != FAILOVER_CAUSE_FAILBACK, "a semi-automatic group failed back");
}

/* Who is behind by more than max_lag, or does not say how far, takes over by an operator's word alone; a primary needs to say nothing. */
static void no_lagging_one_takes_over(struct world *w, const struct failover *before, const struct failover_step *step)
{
	size_t chosen = step->next.now.chosen;
	bool by_itself = step->cause == FAILOVER_CAUSE_UNFIT || step->cause == FAILOVER_CAUSE_FAILBACK || step->cause == FAILOVER_CAUSE_START;
	const struct machine *m;

	if (!w->policy.max_lag_ms || !by_itself || chosen == FAILOVER_NO_MEMBER || chosen == before->now.chosen)
		return;
	m = &w->machines[chosen];
	for (size_t i = 0; i < w->n && m->lag_ms == FAILOVER_LAG_UNKNOWN; i++)
		hold(w, w->machines[i].tier >= m->tier, "backend %zu takes over and tells no lag", chosen);
	hold(w, m->lag_ms == FAILOVER_LAG_UNKNOWN || m->lag_ms <= w->policy.max_lag_ms, "backend %zu takes over %u ms behind", chosen,
	     m->lag_ms);
}

static void every_move_has_an_event(struct world *w, const struct failover *before, const struct failover_step *step)
{
	struct failover_member members[MACHINES_MAX];
	bool same = true;

	as_members(w, members);
	for (size_t i = 0; i < w->n; i++)
		same = same && failover_is_active(before, members, i) == failover_is_active(&step->next, members, i);
	hold(w, same || step->cause != FAILOVER_CAUSE_NONE, "the active members changed and nobody was told");
}

/* ---- deciding ---- */

static void decide(struct world *w, struct failover_input input)
{
	struct failover_policy policy = w->policy;
	struct failover_member members[MACHINES_MAX];
	struct failover_part parts[FAILOVER_PARTS_MAX];
	struct failover before = w->failover;
	struct failover_step step;
	size_t n;

	damp(w);
	for (size_t i = 0; i < w->n; i++)
		stand(w, &w->machines[i]);
	for (size_t i = 0; i < w->n && !w->started; i++)
		if (w->machines[i].health.state == HEALTH_UNKNOWN && w->machines[i].admin != MAINT)
			return; /* as a group waits for first checks */
	w->started = true;
	as_members(w, members);
	if (w->mutation == MANUAL_MOVES && policy.mode == FAILOVER_MANUAL)
		policy.mode = FAILOVER_AUTOMATIC;
	input.damped_until_ms = damping_reuse_ms(w->group_damping, &w->damping);
	step = failover_next(&before, &policy, members, w->n, input, clock_of(w));
	if (w->mutation == SILENT_MOVES)
		step.cause = FAILOVER_CAUSE_NONE;
	w->failover = step.next;
	w->group_wake_ms = step.wake_ms;
	w->failovers += step.is_failover;
	if (step.is_failover)
		w->group_damping = damping_flap(w->group_damping, &w->damping, clock_of(w));
	if (step.cause != FAILOVER_CAUSE_NONE || step.refused)
		tell(w, "group", step.cause, step.next.now.tier * 8ULL - step.refused);
	n = failover_plan(&w->failover, &policy, members, w->n, parts);
	if (panics(w, parts, n, members) != w->panic) {
		w->panic = !w->panic;
		tell(w, "panic", 0, w->panic);
		for (size_t i = 0; i < w->n; i++)
			stand(w, &w->machines[i]);
	}
	build_targets(w, parts, n, members);
	for (uint32_t slot = 0; slot < SIZE; slot++) {
		w->words[slot] = slot_next(w->words[slot], w->targets[slot], &w->alive);
		w->digest = shunt_mix64(w->digest + shunt_slot_word(w->words[slot]));
	}
	manual_stays(w, &step);
	no_lagging_one_takes_over(w, &before, &step);
	every_move_has_an_event(w, &before, &step);
	never_to_maintenance_nor_to_who_is_down(w);
	no_two_primaries(w);
}

static void check(struct world *w)
{
	decide(w, (struct failover_input){.event = FAILOVER_EVENT_CHECK});
}

/* ---- probes ---- */

static struct health_result probe(struct world *w, const struct machine *m)
{
	static uint32_t elsewhere;
	struct health_result result = {true, 1000 + roll(w, 20000), shunt_mix64(w->random += 1)};

	if (w->mutation == OWN_CHANCE)
		result.random = elsewhere += 0x9e3779b9U;
	if (m->truth == DEAD || (m->truth == WAVERS && roll(w, 100) < 35))
		result = (struct health_result){false, 400000, result.random};
	if (m->truth == SLOW)
		result.latency_us += 100000;
	return result;
}

/* What replication is behind; who does not answer says nothing new. */
static uint32_t tell_lag(struct world *w, const struct machine *m)
{
	if (!w->policy.max_lag_ms || m->truth == DEAD || roll(w, 8))
		return m->lag_ms;
	return roll(w, 6) ? roll(w, 1000) : FAILOVER_LAG_UNKNOWN;
}

static bool weigh(struct world *w, struct machine *m)
{
	uint32_t before = m->percent;

	m->percent = health_weight_percent(&m->health, &w->health, clock_of(w));
	m->wake_ms = health_wake_ms(&m->health, &w->health, clock_of(w));
	hold(w, m->percent >= 1 && m->percent <= 100, "a weight of %u %%", m->percent);
	if (m->percent != before)
		tell(w, "weight", m - w->machines, m->percent);
	return m->percent != before;
}

static void probed(struct world *w, struct machine *m)
{
	struct health_result result = probe(w, m);
	enum health_state before = m->health.state;
	bool first = before == HEALTH_UNKNOWN && !m->health.returning;
	struct health_step step = health_next(&m->health, &w->health, result, clock_of(w));
	bool told = step.changed && !(w->mutation == SWALLOW_EVENTS && ++w->changes % 5 == 0), weighed = weigh(w, m);
	uint32_t interval_ms = w->health.breaker.interval_ms, most_ms = w->health.breaker.max_interval_ms, lag_ms = tell_lag(w, m);
	bool lag_matters;

	w->probes++;
	lag_matters = (m->lag_ms <= w->policy.max_lag_ms) != (lag_ms <= w->policy.max_lag_ms);
	m->lag_ms = lag_ms;
	m->doubtful = !result.good;
	m->checked_ms = clock_of(w);
	m->next_probe_ms = w->now_ms + (step.next_probe_ms ? step.next_probe_ms : interval_ms);
	hold(w, !step.next_probe_ms || (step.next_probe_ms >= interval_ms && step.next_probe_ms <= most_ms), "a probe in %u ms",
	     step.next_probe_ms);
	hold(w, told == (m->health.state != before), "backend %td went from %s to %s, told: %d", m - w->machines,
	     health_state_text(before), health_state_text(m->health.state), told);
	hold(w, !first || m->percent == 100, "a slow start at the first start");
	if (told)
		tell(w, "health", m - w->machines, m->health.state);
	if (step.warning.trend)
		tell(w, "warning", m - w->machines, step.warning.trend);
	if (step.changed || weighed || w->failover.rechecking || !w->started || (w->policy.max_lag_ms && lag_matters))
		check(w);
}

/* ---- passive detection ---- */

static void judge(struct world *w)
{
	struct outlier_member members[MACHINES_MAX] = {};
	struct failover_member as[MACHINES_MAX];
	struct outlier_policy policy = w->outlier;
	size_t out = 0;

	as_members(w, as);
	policy.max_percent = w->mutation == EJECT_ALL ? 100 : policy.max_percent;
	for (size_t i = 0; i < w->n; i++) {
		bool hole = w->machines[i].truth == BLACK_HOLE || w->machines[i].truth == DEAD;

		members[i].judged = w->machines[i].fit && failover_is_active(&w->failover, as, i);
		members[i].tcp = hole ? 50 : 300 + roll(w, 100);
		members[i].syns = hole ? 50 : 50 + roll(w, 10);
		members[i].ejection = w->machines[i].ejection;
	}
	outliers_next(members, w->n, &policy, clock_of(w));
	for (size_t i = 0; i < w->n; i++) {
		bool was = w->machines[i].ejection.until_ms, is = members[i].ejection.until_ms;

		hold(w, (was != is) == (members[i].ejected || members[i].returned), "an ejection that nobody was told of");
		w->machines[i].ejection = members[i].ejection;
		w->ejections += members[i].ejected;
		out += is;
		if (was != is)
			tell(w, "ejection", i, is);
	}
	hold(w, out <= outliers_most(w->n, &w->outlier), "%zu of %zu are ejected", out, w->n);
	check(w);
}

/* ---- what happens ---- */

static void operate(struct world *w, struct machine *m)
{
	enum admin before = m->admin;
	struct failover_input input = {.event = roll(w, 3) ? FAILOVER_EVENT_FORCE : FAILOVER_EVENT_FAILBACK,
				       .member = roll(w, 2) ? roll(w, w->n) : FAILOVER_NO_MEMBER,
				       .until_ms = roll(w, 2) ? clock_of(w) + 1 + roll(w, 1800) * SECOND : 0};

	switch (roll(w, 3)) {
	case 0:
		m->admin = roll(w, 2) ? READY : 1 + roll(w, 2);
		if ((before == MAINT) != (m->admin == MAINT)) {
			health_forget(&m->health, true, clock_of(w));
			m->percent = 100;
			m->next_probe_ms = w->now_ms;
		}
		break;
	case 1:
		m->weight = roll(w, 4) * 50;
		break;
	default:
		if (w->started)
			decide(w, input);
		return;
	}
	tell(w, "operator", m - w->machines, m->admin * 1000ULL + m->weight);
	check(w);
}

static void happen(struct world *w)
{
	struct machine *m = &w->machines[roll(w, w->n)];
	uint32_t what = roll(w, 20);

	w->next_happening_ms = w->now_ms + 1 + roll(w, 600) * SECOND;
	if (what < 10)
		m->truth = roll(w, 2) ? WORKS : roll(w, TRUTHS);
	else if (what < 12)
		for (size_t i = 0; i < w->n; i++) /* a bad release, to some */
			w->machines[i].truth = roll(w, 3) ? WORKS : BLACK_HOLE;
	else if (what < 13)
		for (size_t i = 0; i < w->n; i++) /* a partition */
			w->machines[i].truth = DEAD;
	else if (what < 14)
		for (size_t i = 0; i < w->n; i++)
			w->machines[i].truth = WORKS;
	else if (what < 18)
		operate(w, m);
	else if (what < 19)
		w->now_ms += roll(w, 900) * SECOND; /* the controller was held up, or the host slept */
	w->wall_random = shunt_mix64(w->wall_random + 1);
	if (w->wall_random % 4 == 0)
		w->wall_ms += (int64_t)(w->wall_random >> 32) % (int64_t)(48 * HOUR) - (int64_t)(24 * HOUR);
}

static uint64_t sooner(uint64_t a, uint64_t b)
{
	return b && b < a ? b : a;
}

/* To whatever is due next. */
static void advance(struct world *w)
{
	uint64_t next = sooner(w->next_happening_ms, w->next_round_ms);
	bool wakes = w->mutation != NEVER_WAKE;

	for (size_t i = 0; i < w->n; i++)
		if (w->machines[i].admin != MAINT)
			next = sooner(sooner(next, w->machines[i].next_probe_ms), wakes ? w->machines[i].wake_ms : 0);
	next = sooner(next, wakes ? w->group_wake_ms : 0);
	w->now_ms = next > w->now_ms ? next : w->now_ms;
	for (size_t i = 0; i < w->n; i++) {
		struct machine *m = &w->machines[i];

		if (wakes && m->wake_ms && w->now_ms >= m->wake_ms && weigh(w, m))
			check(w);
		if (m->admin != MAINT && w->now_ms >= m->next_probe_ms)
			probed(w, m);
	}
	if (wakes && w->group_wake_ms && w->now_ms >= w->group_wake_ms)
		check(w);
	if (w->now_ms >= w->next_round_ms) {
		w->next_round_ms = w->now_ms + 60 * SECOND;
		if (w->started)
			judge(w);
	}
	hold(w, !w->group_wake_ms || w->group_wake_ms > w->now_ms, "a decision that was due at %.1f s was not made",
	     w->group_wake_ms / 1000.0);
	if (w->now_ms >= w->next_happening_ms)
		happen(w);
}

static void choose_policies(struct world *w)
{
	uint32_t interval_ms = (1 + roll(w, 30)) * SECOND;

	w->health = (struct health_policy){
		.healthy_threshold = 1 + roll(w, 3),
		.unhealthy_threshold = 1 + roll(w, 3),
		.slow_start_ms = roll(w, 2) ? roll(w, 300) * SECOND : 0,
		.breaker = {interval_ms, roll(w, 2) ? interval_ms * (1 + roll(w, 20)) : 0},
		.score = {10 + roll(w, 50), interval_ms * 100, 50000, 500000, 1 + roll(w, 100), roll(w, 2) * interval_ms * 100},
	};
	w->policy = (struct failover_policy){
		.mode = roll(w, 2) ? FAILOVER_AUTOMATIC : roll(w, 3),
		.failback_automatic = roll(w, 2),
		.failback_delay_ms = roll(w, 3) * 30 * SECOND,
		.hold_down_ms = roll(w, 3) ? 0 : 60 * SECOND,
		.min_healthy = {1 + roll(w, 2), 0},
	};
	if (roll(w, 4) == 0) {
		w->policy.step_percent = 5 + roll(w, 50);
		w->policy.step_interval_ms = (1 + roll(w, 30)) * SECOND;
	} else if (roll(w, 4) == 0) {
		w->policy.overprovision_percent = 100 + roll(w, 100);
	} else if (roll(w, 4) == 0) {
		w->policy.max_lag_ms = 500;
	}
	w->outlier = (struct outlier_policy){20, 30 * SECOND, 600 * SECOND, 1 + roll(w, 50)};
	w->damping = (struct damping_policy){roll(w, 2) ? 300 * SECOND : 0, 1800 * SECOND, 3000, 1500};
	w->panic_percent = roll(w, 3) ? 0 : 1 + roll(w, 60);
	w->keeps_flows = roll(w, 4) == 0;
}

static void create(struct world *w, uint64_t seed, uint64_t wall, enum mutation mutation)
{
	uint32_t tiers;

	*w = (struct world){.seed = seed, .random = seed * 0x10001, .wall_random = wall, .mutation = mutation, .now_ms = 1000};
	choose_policies(w);
	w->n = 1 + roll(w, MACHINES_MAX);
	w->one_each = roll(w, 2);
	tiers = 1 + roll(w, 3);
	failover_init(&w->failover);
	for (size_t i = 0; i < w->n; i++)
		w->machines[i] = (struct machine){
			.tier = w->one_each ? i : roll(w, tiers),
			.weight = 100,
			.percent = 100,
			.lag_ms = FAILOVER_LAG_UNKNOWN,
			.truth = roll(w, 4) ? WORKS : roll(w, TRUTHS),
			.next_probe_ms = w->now_ms + roll(w, 1000),
		};
	w->next_happening_ms = w->now_ms + 60 * SECOND;
	w->next_round_ms = w->now_ms + 30 * SECOND;
}

static void live(struct world *w)
{
	uint64_t end_ms = w->now_ms + WORLD_MS;

	while (w->now_ms < end_ms && !*w->failure)
		advance(w);
}

/* Twice, under wall clocks that jump differently: nothing may differ. Into `w` goes the first life. */
static bool holds(struct world *w, uint64_t seed, enum mutation mutation)
{
	static struct world again;

	create(w, seed, seed, mutation);
	live(w);
	create(&again, seed, ~seed, mutation);
	live(&again);
	hold(w, w->digest == again.digest && w->events == again.events, "the same world went another way under another wall clock");
	return !*w->failure;
}

static void in_all_worlds_the_invariants_hold(void **state)
{
	const char *given = getenv("SHUNT_SEED");
	uint64_t first = given ? strtoull(given, NULL, 0) : 1, worlds = given ? 1 : WORLDS;
	uint64_t events = 0, probes = 0, failovers = 0, ejections = 0;
	clock_t begin = clock();
	static struct world w;

	(void)state;
	for (uint64_t seed = first; seed < first + worlds; seed++) {
		if (!holds(&w, seed, NO_MUTATION))
			fail_msg("at %.1f s of the world of SHUNT_SEED=%llu: %s", w.now_ms / 1000.0, (unsigned long long)seed, w.failure);
		events += w.events;
		probes += w.probes;
		failovers += w.failovers;
		ejections += w.ejections;
	}
	print_message("  seeds %llu to %llu: %.1f months, twice, in %.0f s: %llu probes, %llu failovers, %llu ejections, %llu events\n",
		      (unsigned long long)first, (unsigned long long)(first + worlds - 1), (double)worlds * WORLD_MS / HOUR / 24 / 30,
		      (double)(clock() - begin) / CLOCKS_PER_SEC, (unsigned long long)probes, (unsigned long long)failovers,
		      (unsigned long long)ejections, (unsigned long long)events);
	assert_true(given || (failovers > worlds && ejections > worlds / 10));
}

static void every_mutation_is_caught(void **state)
{
	static const char *const names[MUTATIONS] = {
		[MAINT_IS_ALIVE] = "maintenance is taken for a drain",
		[DOWN_IS_FIT] = "checks are not asked",
		[EJECT_ALL] = "ejections have no limit",
		[MANUAL_MOVES] = "manual groups move by themselves",
		[SERVE_ALL_TIERS] = "every tier serves",
		[FORGET_PROBING] = "slots of the unfit stay empty",
		[SWALLOW_EVENTS] = "some changes are not told",
		[USE_WALL_CLOCK] = "decisions go by the wall clock",
		[OWN_CHANCE] = "chance is not what is handed in",
		[NEVER_WAKE] = "timers are not kept",
		[SILENT_MOVES] = "moves are not told",
		[SUPPRESS_NOBODY] = "who flaps is not suppressed",
		[TAKE_ANY_LAG] = "lags are not asked",
	};
	static struct world w;

	(void)state;
	for (enum mutation mutation = NO_MUTATION + 1; mutation < MUTATIONS; mutation++) {
		uint64_t seed = 1;

		while (seed <= MUTANTS && holds(&w, seed, mutation))
			seed++;
		if (seed > MUTANTS)
			fail_msg("%s: not caught in %u worlds", names[mutation], MUTANTS);
		print_message("  %s: caught in world %llu: %s\n", names[mutation], (unsigned long long)seed, w.failure);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(in_all_worlds_the_invariants_hold),
		cmocka_unit_test(every_mutation_is_caught),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
