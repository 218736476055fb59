/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What goes on over a restart besides operators' words: holds, rolling moves, penalties, ejections. In memory they are timed by the
 * monotonic clock, which a boot begins anew; kept, by the wall clock. Whatever that was set to meanwhile, nothing lasts longer
 * than it would have from now on.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "shuntd/controller.h"

static int64_t to_wall(uint64_t monotonic_ms)
{
	int64_t wall_ms = clock_wall_ms() + (int64_t)(monotonic_ms - clock_monotonic_ms());

	if (!monotonic_ms)
		return 0;
	return wall_ms > 0 ? wall_ms : 1; /* a host that does not know the time yet lives near 1970 */
}

/* A time to come, at most `most_ms` from now; 0: it has come. */
static uint64_t to_come(int64_t wall_ms, uint64_t most_ms)
{
	int64_t left_ms = wall_ms - clock_wall_ms();

	if (!wall_ms || left_ms <= 0)
		return 0;
	return clock_monotonic_ms() + ((uint64_t)left_ms < most_ms ? (uint64_t)left_ms : most_ms);
}

static bool copy(char **to, const char *from)
{
	*to = from ? strdup(from) : NULL;
	return *to || !from;
}

static const char *name_of(const struct group *group, size_t member)
{
	return member < group->n_members ? group->members[member].endpoint->backend->name : NULL;
}

static size_t member_of(const struct group *group, const char *name)
{
	for (size_t i = 0; name && i < group->n_members; i++)
		if (strcmp(name_of(group, i), name) == 0)
			return i;
	return FAILOVER_NO_MEMBER;
}

/* ---- groups ---- */

static struct state_penalty keep_penalty(const struct damping *damping)
{
	return (struct state_penalty){.value = damping->penalty, .at = to_wall(damping->at_ms), .suppressed = damping->suppressed};
}

/* As it has decayed until now. */
static struct damping restore_penalty(const struct state_penalty *from, const struct damping_policy *policy)
{
	int64_t ago_ms = clock_wall_ms() - from->at;
	struct damping damping = {.penalty = from->value, .at_ms = clock_monotonic_ms(), .suppressed = from->suppressed};

	if (policy->half_life_ms && ago_ms > 0)
		damping.penalty *= exp2(-(double)ago_ms / policy->half_life_ms);
	return damping_next(damping, policy, clock_monotonic_ms());
}

static bool keep_members(const struct group *group, struct state_moves *moves)
{
	moves->members = calloc(group->n_members + 1, sizeof(*moves->members));
	for (size_t i = 0; moves->members && i < group->n_members; i++) {
		struct state_penalty *to = &moves->members[moves->n_members];

		if (group->members[i].damping.penalty < 1)
			continue;
		*to = keep_penalty(&group->members[i].damping);
		if (!copy(&to->name, name_of(group, i)))
			return false;
		moves->n_members++;
	}
	return moves->members != NULL;
}

int kept_of_group(const struct group *group, struct state_moves *moves)
{
	const struct failover *failover = &group->failover;
	bool rolls = failover->shifted_percent > 0 && failover->shifted_percent < 100, complete;

	moves->held_until = to_wall(failover->held_until_ms);
	moves->own = keep_penalty(&group->damping);
	complete = copy(&moves->chosen, name_of(group, failover->now.chosen));
	if (rolls) {
		moves->shifted_percent = failover->shifted_percent;
		moves->from_tier = failover->from.tier;
		moves->from_forced_tier = failover->from.forced_tier;
		moves->target_fit = failover->target_fit;
		moves->step_at = to_wall(failover->step_ms);
		complete = copy(&moves->from_chosen, name_of(group, failover->from.chosen)) && complete;
		complete = copy(&moves->from_forced, name_of(group, failover->from.forced)) && complete;
	}
	return keep_members(group, moves) && complete ? 0 : -ENOMEM;
}

static bool has_tier(const struct group *group, uint32_t tier)
{
	for (size_t i = 0; i < group->n_members; i++)
		if (group->members[i].priority == tier)
			return true;
	return false;
}

static void restore_shift(struct group *group, const struct state_moves *moves, const struct failover_policy *policy)
{
	struct failover *failover = &group->failover;

	if (!moves->shifted_percent || !policy->step_percent || !has_tier(group, moves->from_tier))
		return;
	failover->from = (struct failover_choice){
		.tier = moves->from_tier,
		.chosen = member_of(group, moves->from_chosen),
		.forced = member_of(group, moves->from_forced),
		.forced_tier = has_tier(group, moves->from_forced_tier) ? moves->from_forced_tier : FAILOVER_NO_TIER,
	};
	failover->shifted_percent = moves->shifted_percent;
	failover->target_fit = moves->target_fit;
	/* Steps that were due meanwhile are not made up for: the target gets its time to show that it bears them. */
	failover->step_ms = to_come(moves->step_at, policy->step_interval_ms);
	if (!failover->step_ms)
		failover->step_ms = clock_monotonic_ms() + policy->step_interval_ms;
}

static uint64_t longest_hold_ms(const struct failover_policy *policy)
{
	uint64_t longest = policy->hold_down_ms;

	longest = longest > policy->failback_delay_ms || !policy->step_percent ? longest : policy->failback_delay_ms;
	return longest > policy->step_interval_ms ? longest : policy->step_interval_ms;
}

void kept_restore_group(const struct state_moves *moves, struct group *group)
{
	const struct failover_policy policy = group_policy(group);
	const struct damping_policy damping = group_damping_policy(group);
	struct failover *failover = &group->failover;

	failover->held_until_ms = to_come(moves->held_until, longest_hold_ms(&policy));
	if (policy.max_lag_ms)
		failover->now.chosen = member_of(group, moves->chosen);
	restore_shift(group, moves, &policy);
	group->damping = restore_penalty(&moves->own, &damping);
	group->told_suppressed = group->damping.suppressed;
	for (size_t i = 0; i < moves->n_members; i++) {
		size_t member = member_of(group, moves->members[i].name);

		if (member == FAILOVER_NO_MEMBER)
			continue;
		group->members[member].damping = restore_penalty(&moves->members[i], &damping);
		group->members[member].told_suppressed = group->members[member].damping.suppressed;
	}
}

/* ---- backends ---- */

int kept_of_backend(const struct backend *backend, struct state_ejection *ret_ejection)
{
	for (const struct endpoint *endpoint = backend->endpoints; endpoint; endpoint = endpoint->next) {
		if (!endpoint->ejection.times || endpoint->ejection.times < ret_ejection->times)
			continue;
		free(ret_ejection->why);
		*ret_ejection = (struct state_ejection){.times = endpoint->ejection.times,
							.until = to_wall(endpoint->ejection.until_ms),
							.back = to_wall(endpoint->ejection.back_ms)};
		if (!copy(&ret_ejection->why, *endpoint->ejected_why ? endpoint->ejected_why : NULL))
			return -ENOMEM;
	}
	return 0;
}

/* Of who is back long since only how often it was out matters; the monotonic clock may be younger than that. */
void kept_restore_ejections(const struct state *state, const struct group *group)
{
	const struct config_passive *passive = &group->config->passive;

	for (size_t i = 0; passive->enabled && i < group->n_members; i++) {
		struct endpoint *endpoint = group->members[i].endpoint;
		const struct state_backend *entry = state_find_backend(state, endpoint->backend->name);
		int64_t ago_ms;

		if (!entry || !entry->ejection.times || endpoint->ejection.times)
			continue;
		ago_ms = clock_wall_ms() - entry->ejection.back;
		endpoint->ejection = (struct ejection){.times = entry->ejection.times,
						       .until_ms = to_come(entry->ejection.until, passive->max_time_ms),
						       .back_ms = clock_monotonic_ms()};
		if (entry->ejection.back && ago_ms > 0)
			endpoint->ejection.back_ms -= (uint64_t)ago_ms < endpoint->ejection.back_ms ? (uint64_t)ago_ms : endpoint->ejection.back_ms;
		snprintf(endpoint->ejected_why, sizeof(endpoint->ejected_why), "%s", entry->ejection.why ? entry->ejection.why : "");
	}
}
