/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a group's decision has changed, told to the audit trail: compares what is with what was, decides nothing. */
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "shuntd/controller.h"

void group_active_names(const struct group *group, char *text, size_t size)
{
	size_t used = 0;

	text[0] = '\0';
	for (size_t i = 0; i < group->n_members && used + 1 < size; i++)
		if (group_member_is_active(group, i))
			used += snprintf(text + used, size - used, "%s%s", used ? ", " : "",
					 group->members[i].endpoint->backend->name);
}

static const char *actor_of(enum failover_cause cause)
{
	if (cause == FAILOVER_CAUSE_OPERATOR)
		return "operator";
	return cause == FAILOVER_CAUSE_WINDOW ? "maintenance" : "controller";
}

static void announce_failover(struct controller *c, const struct group *group, const char *before,
			      const struct failover_step *step)
{
	bool is_start = step->cause == FAILOVER_CAUSE_START;
	char object[128], now[256];

	group_active_names(group, now, sizeof(now));
	snprintf(object, sizeof(object), "group %s", group->name);
	events_add(c->events, step->is_failover ? "failover" : step->cause == FAILOVER_CAUSE_ROLLED_BACK ? "rolled-back" : is_start ? "start" : "failback",
		   object, actor_of(step->cause), "%s%s%s: %s", is_start ? "" : before, is_start ? "" : " -> ", now,
		   failover_cause_text(step->cause));
	if (step->is_failover || !is_start)
		hooks_tell_move(c, group, step->is_failover, before, step->cause);
}

static void announce_down(struct controller *c, const struct group *group, enum failover_state before)
{
	char object[128];
	bool is_down = group->failover.state == FAILOVER_DOWN;

	if (is_down == (before == FAILOVER_DOWN))
		return;
	snprintf(object, sizeof(object), "group %s", group->name);
	if (is_down)
		events_add(c->events, "group", object, "controller", "down: no fit backend takes its new flows");
	else
		events_add(c->events, "group", object, "controller", "serves again");
	hooks_tell_group(c, group);
}

static void announce_resort(struct controller *c, const struct group *group, const char *before)
{
	const char *now = group_resort_text(group);
	char object[128];

	if (strcmp(before, now ? now : "") == 0)
		return;
	snprintf(object, sizeof(object), "group %s", group->name);
	if (group->resort == RESORT_FALLBACK)
		events_add(c->events, "fallback", object, "controller", "nobody of its own is fit: new flows go to group %s",
			   group->serving->name);
	else if (group->resort == RESORT_FAIL_OPEN)
		events_add(c->events, "fail-open", object, "controller",
			   "nobody is fit: flows go to every backend that is not in maintenance, whatever its checks say");
	else
		events_add(c->events, "group", object, "controller", "last resort %s is over", before);
}

void group_names_of_tier(const struct group *group, uint32_t tier, char *text, size_t size)
{
	size_t used = 0;

	text[0] = '\0';
	for (size_t i = 0; i < group->n_members && used + 1 < size; i++)
		if (group->members[i].priority == tier && group->members[i].fit)
			used += snprintf(text + used, size - used, "%s%s", used ? ", " : "",
					 group->members[i].endpoint->backend->name);
}

static void announce_proposal(struct controller *c, const struct group *group, uint32_t before)
{
	const struct failover *failover = &group->failover;
	char object[128], names[256];

	if (failover->proposed_tier == before)
		return;
	snprintf(object, sizeof(object), "group %s", group->name);
	if (failover->proposed_tier == FAILOVER_NO_TIER) {
		events_add(c->events, "proposal", object, "controller", "nothing is proposed any more");
		return;
	}
	group_names_of_tier(group, failover->proposed_tier, names, sizeof(names));
	if (failover->held == FAILOVER_HELD_DOWN)
		events_add(c->events, "proposal", object, "controller",
			   "proposes %s (%s: by itself in %llu ms); at once: shunt failover %s", names,
			   failover_held_text(failover->held),
			   (unsigned long long)(failover->held_until_ms - clock_monotonic_ms()), group->name);
	else
		events_add(c->events, "proposal", object, "controller", "proposes %s (%s); to confirm: shunt failover %s", names,
			   failover_held_text(failover->held), group->name);
}

static void announce_panic(struct controller *c, const struct group *group, bool before)
{
	char object[128];
	size_t fit = 0;

	if (group->panic == before)
		return;
	for (size_t i = 0; i < group->n_members; i++)
		fit += group->members[i].fit;
	snprintf(object, sizeof(object), "group %s", group->name);
	if (group->panic)
		log_warn("group %s: PANIC: fewer than %u %% of its backends are fit: all are used", group->name,
			 group->config->panic_percent);
	if (group->panic)
		events_add(c->events, "panic", object, "controller",
			   "%zu of %zu fit, fewer than %u %%: new flows go to every backend in service, whatever its checks say",
			   fit, group->n_members, group->config->panic_percent);
	else
		events_add(c->events, "panic", object, "controller", "over: %zu of %zu fit", fit, group->n_members);
}

/* A rolling move began, or is complete; what goes back is told as a change of its own. */
static void announce_rolling(struct controller *c, const struct group *group, uint32_t before)
{
	uint32_t now = group->failover.shifted_percent;
	char object[128];

	if ((now < 100) == (before < 100))
		return;
	snprintf(object, sizeof(object), "group %s", group->name);
	if (now < 100)
		events_add(c->events, "rolling", object, "controller", "shifts in steps of %u %% every %u ms: %u %% of new flows now",
			   group->config->step_percent, group->config->step_interval_ms, now);
	else
		events_add(c->events, "rolling", object, "controller", "the shift is over");
}

void announcement_begin(const struct group *group, struct announcement *ret_before)
{
	const char *resort = group_resort_text(group);

	*ret_before = (struct announcement){
		.state = group->decided ? group->failover.state : FAILOVER_NORMAL,
		.proposed_tier = group->failover.proposed_tier,
		.panic = group->panic,
		.shifted_percent = group->failover.shifted_percent,
	};
	snprintf(ret_before->resort, sizeof(ret_before->resort), "%s", resort ? resort : "");
	group_active_names(group, ret_before->active, sizeof(ret_before->active));
}

void announcement_end(struct controller *c, const struct group *group, const struct announcement *before,
		      const struct failover_step *step)
{
	char object[128];

	snprintf(object, sizeof(object), "group %s", group->name);
	if (step->cause != FAILOVER_CAUSE_NONE)
		announce_failover(c, group, before->active, step);
	if (step->recheck_failed)
		events_add(c->events, "failback", object, "controller",
			   "not yet: the check at the end of failback_delay was bad, the delay starts again");
	announce_down(c, group, before->state);
	announce_resort(c, group, before->resort);
	announce_proposal(c, group, before->proposed_tier);
	announce_panic(c, group, before->panic);
	announce_rolling(c, group, before->shifted_percent);
}
