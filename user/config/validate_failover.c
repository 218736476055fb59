/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* When a group moves by itself, how much at once, and what keeps it from moving too often. */
#include <inttypes.h>
#include <math.h>
#include <stddef.h>

#include "config/schema.h"
#include "config/validate.h"

/* RFC 7196 section 4 recommends a suppress threshold of 6,000 and more; the others are RFC 2439's and routers' defaults. */

static struct config_least least_of(const struct item *item, uint32_t otherwise)
{
	if (item_is_percent(item))
		return (struct config_least){.percent = item->number};
	return (struct config_least){.count = number_or(item, otherwise)};
}

static void validate_least(struct report *report, const char *who, const struct draft_group *draft, struct config_group *group)
{
	const struct config_least *min = &group->min_healthy, *back = &group->return_healthy;

	if (draft->members.n && !draft->has_dns && min->count > group->n_members)
		report_error(report, draft->min_healthy.at,
			     "%smin_healthy %" PRIu32 " is more than its %zu backend(s): lower it, or add backends", who,
			     min->count, group->n_members);
	if (draft->members.n && !draft->has_dns && back->count > group->n_members)
		report_error(report, draft->return_healthy.at,
			     "%sreturn_healthy %" PRIu32 " is more than its %zu backend(s): lower it, or add backends", who,
			     back->count, group->n_members);
	if (draft->return_healthy.ok && !min->percent == !back->percent &&
	    (back->count < min->count || back->percent < min->percent))
		report_error(report, draft->return_healthy.at,
			     "%sreturn_healthy %s is less than min_healthy %s: a tier would be left as soon as it is returned to: "
			     "raise it", who, draft->return_healthy.text, draft->min_healthy.ok ? draft->min_healthy.text : "1");
}

static void validate_steps(struct report *report, const char *who, const struct draft_group *draft, struct config_group *group)
{
	const struct item *given = draft->step.at.line ? &draft->step : &draft->interval;

	if (group->mode == GROUP_ROLLING) {
		group->step_percent = draft->step.number;
		group->step_interval_ms = draft->interval.number;
	} else if (given->at.line) {
		report_error(report, given->at, "%s%s is of mode rolling: remove it, or set the mode", who,
			     given == &draft->step ? "step" : "interval");
	}
}

/* With max_lag one member serves at a time: what shares flows out between several contradicts it. */
static void validate_max_lag(struct report *report, const char *who, const struct draft_group *draft,
			     const struct config_group *group)
{
	const struct item *item = &draft->max_lag;

	if (!item->ok)
		return;
	if (group->mode != GROUP_ACTIVE_PASSIVE)
		report_error(report, item->at, "%smax_lag lets one backend serve at a time: use mode active-passive", who);
	else if (draft->overprovision.at.line)
		report_error(report, draft->overprovision.at,
			     "%soverprovision and max_lag exclude each other: with max_lag one backend serves at a time", who);
	else if (group->min_healthy.count > 1 || group->min_healthy.percent)
		report_error(report, draft->min_healthy.at,
			     "%smin_healthy and max_lag exclude each other: with max_lag one backend serves at a time", who);
}

static void validate_spill(struct report *report, const char *who, const struct draft_group *draft,
			   const struct config_group *group)
{
	if (!draft->overprovision.ok)
		return;
	if (group->failover != CONFIG_FAILOVER_AUTOMATIC)
		report_error(report, draft->overprovision.at,
			     "%soverprovision moves flows to other tiers by itself: use failover: automatic, or remove it", who);
	else if (group->mode == GROUP_ACTIVE_ACTIVE)
		report_note(report, draft->overprovision.at,
			    "%soverprovision has no effect in mode active-active, which has one tier", who);
}

static void validate_damping(struct report *report, const char *who, const struct draft_group *draft,
			     struct config_damping *damping)
{
	double ceiling;

	if (!draft->damping.at.line)
		return;
	damping->half_life_ms = draft->damping.half_life.number;
	damping->max_suppress_ms = draft->damping.max_suppress.number;
	damping->suppress = draft->damping.suppress.number;
	damping->reuse = draft->damping.reuse.number;
	if (damping->reuse >= damping->suppress) {
		report_error(report, draft->damping.at,
			     "%sdamping: reuse %" PRIu32 " must be below suppress %" PRIu32 ": lower it", who, damping->reuse,
			     damping->suppress);
		return;
	}
	/* RFC 2439 section 4.2: the ceiling is what decays to reuse within max_suppress. */
	ceiling = damping->reuse * exp2((double)damping->max_suppress_ms / damping->half_life_ms);
	if (ceiling < damping->suppress)
		report_error(report, draft->damping.at,
			     "%sdamping: no penalty can reach suppress %" PRIu32 " and decay to reuse %" PRIu32
			     " within max_suppress: raise max_suppress, or lower half_life", who, damping->suppress, damping->reuse);
}

void validate_failover(struct report *report, const char *who, const struct draft_group *draft, struct config_group *group)
{
	group->failover = draft->failover.number;
	group->failback_automatic = draft->failback.number;
	group->failback_delay_ms = draft->failback_delay.number;
	group->hold_down_ms = draft->hold_down.number;
	group->panic_percent = draft->panic.number;
	group->overprovision_percent = draft->overprovision.number;
	group->max_lag_ms = draft->max_lag.number;
	group->min_healthy = least_of(&draft->min_healthy, 1);
	group->return_healthy = least_of(&draft->return_healthy, 0);
	if (group->failback_automatic && group->failover != CONFIG_FAILOVER_AUTOMATIC)
		report_note(report, draft->failback.at,
			    "%sfailback: automatic has no effect: with failover: %s nothing moves back by itself", who,
			    draft->failover.text);
	validate_least(report, who, draft, group);
	validate_steps(report, who, draft, group);
	validate_spill(report, who, draft, group);
	validate_max_lag(report, who, draft, group);
	validate_damping(report, who, draft, &group->damping);
}
