/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Passive detection: hands the counters of the data path to user/health/outlier.c, and does and tells what it says. */
#include <stdlib.h>

#include "base/clock.h"
#include "base/duration.h"
#include "base/log.h"
#include "shuntd/controller.h"

bool endpoint_is_ejected(const struct endpoint *endpoint)
{
	return endpoint->ejection.until_ms != 0;
}

static struct outlier_policy policy_of(const struct group *group)
{
	const struct config_passive *passive = &group->config->passive;

	return (struct outlier_policy){passive->min_packets, passive->base_time_ms, passive->max_time_ms,
				       passive->max_ejected_percent};
}

/* Whether some other group that has it has as many ejected as it may. */
static bool is_barred(const struct controller *c, const struct group *group, const struct endpoint *endpoint)
{
	for (size_t g = 0; g < c->n_groups; g++) {
		const struct group *other = c->groups[g];
		const struct outlier_policy policy = policy_of(other);
		size_t ejected = 0;

		if (other == group || !group_has(other, endpoint))
			continue;
		for (size_t i = 0; i < other->n_members; i++)
			ejected += endpoint_is_ejected(other->members[i].endpoint);
		if (ejected >= outliers_most(other->n_members, &policy))
			return true;
	}
	return false;
}

/* What it was sent since the last round. */
static struct outlier_member measure(struct controller *c, struct group *group, size_t i)
{
	struct member *member = &group->members[i];
	struct shunt_backend_signs now, before = member->counted;

	datapath_backend_signs(c->datapath, member->endpoint->id, &now);
	member->counted = now;
	return (struct outlier_member){
		.tcp = now.tcp - before.tcp,
		.syns = now.syns - before.syns,
		.resets = now.resets - before.resets,
		.judged = backend_set_has(&c->fit, member->endpoint->id) && group_member_is_active(group, i),
		.barred = is_barred(c, group, member->endpoint),
		.ejection = member->endpoint->ejection,
	};
}

static void announce(struct controller *c, struct endpoint *endpoint, const struct group *group,
		     const struct outlier_member *member, uint64_t now_ms)
{
	const char *what = member->sign == OUTLIER_RESETS ? "client resets" : "SYNs";
	char object[128], time[DURATION_TEXT_MAX];

	snprintf(object, sizeof(object), "backend %s", endpoint->backend->name);
	if (member->returned) {
		events_add(c->events, "ejection", object, "controller", "over: it takes new flows again");
		return;
	}
	snprintf(endpoint->ejected_why, sizeof(endpoint->ejected_why), "%.0f %% %s, others %.0f %%", member->share * 100, what,
		 member->median * 100);
	events_add(c->events, "ejection", object, "controller",
		   "ejected for %s: of %llu TCP packets from clients %.0f %% are %s; median of group %s %.0f %%, deviation %.1f %%",
		   duration_format(member->ejection.until_ms - now_ms, time), (unsigned long long)member->tcp,
		   member->share * 100, what, group->name, member->median * 100, member->deviation * 100);
}

static void judge(struct controller *c, struct group *group, uint64_t now_ms)
{
	struct outlier_member *members = calloc(group->n_members + 1, sizeof(*members));
	const struct outlier_policy policy = policy_of(group);
	bool first = group->judged_ms == 0;

	if (!members)
		return; /* this round sees nobody */
	for (size_t i = 0; i < group->n_members; i++)
		members[i] = measure(c, group, i);
	group->judged_ms = now_ms;
	if (!first)
		outliers_next(members, group->n_members, &policy, now_ms);
	for (size_t i = 0; i < group->n_members && !first; i++) {
		struct endpoint *endpoint = group->members[i].endpoint;

		endpoint->ejection = members[i].ejection;
		if (!members[i].ejected && !members[i].returned)
			continue;
		if (members[i].returned)
			endpoint_return(c, endpoint);
		endpoint_publish(c, endpoint); /* traffic first, words after */
		announce(c, endpoint, group, &members[i], now_ms);
		persist_soon(c);
	}
	free(members);
}

void endpoint_pardon(struct controller *c, struct endpoint *endpoint)
{
	bool was_ejected = endpoint_is_ejected(endpoint);

	endpoint->ejection = (struct ejection){0};
	if (was_ejected) {
		endpoint_publish(c, endpoint);
		persist_soon(c);
	}
}

/* Who was ejected by a group that does not judge any more is not kept out by nobody. */
static void pardon_unjudged(struct controller *c)
{
	for (size_t i = 0; i < c->n_endpoints; i++) {
		bool judged = false;

		if (!endpoint_is_ejected(c->endpoints[i]))
			continue;
		for (size_t g = 0; g < c->n_groups && !judged; g++)
			judged = c->groups[g]->config->passive.enabled && group_has(c->groups[g], c->endpoints[i]);
		if (!judged)
			endpoint_pardon(c, c->endpoints[i]);
	}
}

void passive_watch(struct controller *c)
{
	uint64_t now_ms = clock_monotonic_ms();

	if (c->detached)
		return;
	for (size_t i = 0; i < c->n_groups; i++) {
		struct group *group = c->groups[i];

		if (group->config->passive.enabled && now_ms - group->judged_ms + 100 >= group->config->passive.interval_ms)
			judge(c, group, now_ms);
	}
	pardon_unjudged(c);
}
