/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What runs, as plain values for the API: nothing is decided or changed here. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "base/clock.h"
#include "net/links.h"
#include "shuntd/controller.h"
#include "version.h"

#define SNAPSHOT_AT_ONCE 16 /* objects, before the clock is looked at */

/* ---- backends ---- */

static int64_t wall_of(uint64_t monotonic_ms)
{
	return monotonic_ms ? clock_wall_ms() + (int64_t)(monotonic_ms - clock_monotonic_ms()) : 0;
}

/* Of several checks of a backend, the one with the worst result speaks for it. */
static const struct endpoint *spokesman(const struct backend *backend)
{
	static const int rank[] = {[HEALTH_UP] = 1, [HEALTH_DEGRADED] = 2, [HEALTH_UNKNOWN] = 3, [HEALTH_DOWN] = 4};
	const struct endpoint *worst = NULL;

	for (const struct endpoint *endpoint = backend->endpoints; endpoint; endpoint = endpoint->next)
		if (!worst || rank[endpoint->health.state] > rank[worst->health.state])
			worst = endpoint;
	return worst;
}

static struct traffic traffic_of_endpoint(const struct controller *c, const struct snapshot *all,
					  const struct endpoint *endpoint)
{
	struct traffic traffic;

	if (all->of_backends)
		return all->of_backends[endpoint->id];
	datapath_backend_stats(c->datapath, endpoint->id, 1, &traffic);
	return traffic;
}

static void sum_endpoints(const struct controller *c, const struct snapshot *all, const struct backend *backend,
			  struct snapshot_backend *to)
{
	to->drained = backend_admin(backend) == ADMIN_DRAIN;
	for (const struct endpoint *endpoint = backend->endpoints; endpoint; endpoint = endpoint->next) {
		struct traffic stats = traffic_of_endpoint(c, all, endpoint);

		to->stats.packets += stats.packets;
		to->stats.bytes += stats.bytes;
		to->stats.answer_packets += stats.answer_packets;
		to->stats.answer_bytes += stats.answer_bytes;
		to->flows += endpoint->flows;
		to->drained = to->drained && !endpoint->in_slots && endpoint->flows == 0;
	}
}

static struct snapshot_score snapshot_score(const struct endpoint *endpoint)
{
	const struct health_policy policy = endpoint_policy(endpoint);
	struct score_figures score = score_figures(&endpoint->health.score, &policy.score, clock_monotonic_ms());

	return (struct snapshot_score){
		.percent = score.percent,
		.results = score.results,
		.bad = score.results - score.good,
		.slow = score.slow,
		.mean_ms = score.mean_us / 1000.0,
		.worst_ms = score.worst_us / 1000.0,
	};
}

static void snapshot_backend(const struct controller *c, const struct snapshot *all, const struct backend *backend,
			     struct snapshot_backend *to)
{
	const struct endpoint *endpoint = spokesman(backend);

	*to = (struct snapshot_backend){
		.name = backend->name,
		.address = backend->address,
		.port = backend->port,
		.weight = backend->weight,
		.configured_weight = backend->configured_weight,
		.effective_weight = endpoint ? endpoint_weight(endpoint) : backend->weight,
		.health = health_state_text(endpoint ? endpoint->health.state : HEALTH_UNKNOWN),
		.admin = admin_text(backend_admin(backend)),
		.admin_by =
			backend_admin(backend) == ADMIN_READY ? NULL : admin_source_text(backend_admin_source(backend)),
		.drain_until = backend->drain_until,
		.admin_until = backend->admin_until,
		.weight_until = backend->weight_until,
		.window_until = backend->admin[ADMIN_BY_WINDOW] == ADMIN_READY ? 0 : backend->window.closes_ms,
		.removed = backend->removed,
		.check_type = endpoint ? config_check_type_text(endpoint->check.type) : "none",
		.check_last = endpoint ? endpoint->last : "no group uses it",
		.check_reason = endpoint && *endpoint->last ? probe_reason_word(endpoint->reason) : NULL,
		.check_lag_ms = endpoint && endpoint->lag_ms != PROBE_LAG_NONE ? (int64_t)endpoint->lag_ms : -1,
		.check_latency_ms = endpoint ? endpoint->latency_us / 1000.0 : 0,
		.check_since = endpoint ? endpoint->health_since : c->started,
		.next_hop = backend->next_hop_known ? backend->next_hop_text : "not known yet",
		.next_hop_ok = backend->next_hop_known && backend->next_hop.resolved && !backend->next_hop.local &&
			       (!backend->l2 || backend->next_hop.on_link),
	};
	to->breaker = breaker_state_text(endpoint ? endpoint->health.breaker.state : BREAKER_CLOSED);
	if (endpoint) {
		to->score = snapshot_score(endpoint);
		to->slow_start = endpoint->health.ramping;
		to->ejected_until = wall_of(endpoint->ejection.until_ms);
		to->ejected_why = endpoint_is_ejected(endpoint) ? endpoint->ejected_why : NULL;
	}
	sum_endpoints(c, all, backend, to);
}

/* ---- groups ---- */

static const char *why_out(const struct endpoint *endpoint)
{
	if (backend_admin(endpoint->backend) == ADMIN_MAINT)
		return "maintenance";
	if (endpoint->health.state == HEALTH_DOWN)
		return endpoint->why;
	if (endpoint->health.state == HEALTH_UNKNOWN)
		return "not checked yet";
	if (backend_admin(endpoint->backend) == ADMIN_DRAIN)
		return "draining";
	if (endpoint_is_ejected(endpoint))
		return "ejected";
	return endpoint_table_weight(endpoint) == 0 ? "weight 0" : NULL;
}

static void snapshot_member(const struct controller *c, const struct group *group, size_t i, struct snapshot_member *to)
{
	const struct member *member = &group->members[i];
	bool fit = member->fit, has_slots = member->slots > 0;
	bool open = (group->resort == RESORT_FAIL_OPEN || group->panic) && has_slots;
	const struct damping_policy damping = group_damping_policy(group);

	*to = (struct snapshot_member){
		.backend = member->endpoint->backend->name,
		.role = open                                            ? "active"
			: !fit                                          ? "out"
			: has_slots || group_member_is_active(group, i) ? "active"
									: "standby",
		.why = fit                          ? NULL
		       : member->damping.suppressed ? "suppressed: it flaps"
						    : why_out(member->endpoint),
		.penalty = damping_next(member->damping, &damping, clock_monotonic_ms()).penalty,
		.suppressed_until = wall_of(damping_reuse_ms(member->damping, &damping)),
		.lag_ms = member->endpoint->lag_ms == PROBE_LAG_NONE ? -1 : (int64_t)member->endpoint->lag_ms,
		.share = (double)member->slots / c->table_size,
	};
}

static const char *forced_name(const struct group *group)
{
	if (group->failover.now.forced < group->n_members)
		return group->members[group->failover.now.forced].endpoint->backend->name;
	for (size_t i = 0; failover_is_forced(&group->failover) && i < group->n_members; i++)
		if (group_member_is_active(group, i))
			return group->members[i].endpoint->backend->name;
	return NULL;
}

static const char *forced_by(const struct group *group)
{
	if (!failover_is_forced(&group->failover))
		return NULL;
	return group_is_held_by_window(group) ? "window" : "operator";
}

static void snapshot_moves(const struct group *group, struct snapshot_group *to)
{
	const struct failover *failover = &group->failover;
	const struct damping_policy damping = group_damping_policy(group);

	to->failover = config_failover_text(group->config->failover);
	to->held_until = wall_of(failover->held_until_ms);
	to->rechecking = failover->rechecking;
	to->panic = group->panic;
	to->shifted_percent = failover->shifted_percent;
	to->suppressed_until = wall_of(damping_reuse_ms(group->damping, &damping));
	if (failover->proposed_tier != FAILOVER_NO_TIER) {
		group_names_of_tier(group, failover->proposed_tier, to->proposed, sizeof(to->proposed));
		to->proposed_why = failover_held_text(failover->held);
	}
	if (failover->state == FAILOVER_FAILING_BACK)
		to->failing_back_at = wall_of(failover->better_since_ms + group->config->failback_delay_ms);
	if (failover->state == FAILOVER_FAILING_BACK && to->failing_back_at < to->held_until)
		to->failing_back_at = to->held_until;
}

static int snapshot_group(const struct controller *c, const struct group *group, struct snapshot_group *to)
{
	const struct config_group *config = group->config;
	const struct failover *failover = &group->failover;

	*to = (struct snapshot_group){
		.name = group->name,
		.mode = config_group_mode_text(config->mode),
		.state = failover_state_text(failover->state),
		.primary = config->primary == SIZE_MAX ? NULL : c->config->backends[config->primary].name,
		.last_resort = group_resort_text(group),
		.forced = forced_name(group),
		.forced_by = forced_by(group),
		.forced_until = wall_of(failover->now.forced_until_ms) / 1000,
		.failback = config->failback_automatic ? "automatic" : "manual",
		.mtu_detection_ms = config_check_mtu_detection_ms(&config->check),
		.detection_ms = config_check_detection_ms(&config->check),
		.failovers = group->failovers,
		.last_failover = group->last_failover,
		.slots = c->table_size,
		.moving = group->moving,
		.resolving = group->resolving,
		.members = calloc(group->n_members + 1, sizeof(*to->members)),
		.n_members = group->n_members,
	};
	if (!to->members)
		return -ENOMEM;
	snapshot_moves(group, to);
	for (size_t i = 0; i < group->n_members; i++) {
		bool up = health_serves(group->members[i].endpoint->health.state);

		snapshot_member(c, group, i, &to->members[i]);
		to->healthy += up;
		to->failed += !up;
	}
	return 0;
}

/* ---- the whole ---- */

static int snapshot_names(const struct controller *c, struct snapshot *to)
{
	to->n_names = discovery_count(c);
	to->names = calloc(to->n_names + 1, sizeof(*to->names));
	for (size_t i = 0; to->names && i < to->n_names; i++)
		discovery_describe(c, i, &to->names[i]);
	return to->names ? 0 : -ENOMEM;
}

static int snapshot_interfaces(const struct controller *c, struct snapshot *to)
{
	const struct datapath_attachment *list;

	to->n_interfaces = datapath_attachments(c->datapath, &list);
	to->interfaces = calloc(to->n_interfaces + 1, sizeof(*to->interfaces));
	for (size_t i = 0; to->interfaces && i < to->n_interfaces; i++)
		to->interfaces[i] = (struct snapshot_interface){
			.name = list[i].name,
			.mode = list[i].native ? "native" : "generic",
			.attach = list[i].dispatcher ? "dispatcher" : "direct",
			.forwards = {link_forwards(list[i].name, true), link_forwards(list[i].name, false)},
		};
	return to->interfaces ? 0 : -ENOMEM;
}

/* How many prefixes go to each group; NULL without memory or when there are none. */
static struct snapshot_clients *snapshot_clients(const struct config *config, const struct config_clients *from)
{
	struct snapshot_clients *list = from->n_groups ? calloc(from->n_groups, sizeof(*list)) : NULL;

	for (size_t g = 0; list && g < from->n_groups; g++) {
		list[g].group = config->groups[from->groups[g]].name;
		for (size_t i = 0; i < from->n; i++)
			list[g].prefixes += from->list[i].group == from->groups[g];
	}
	return list;
}

static void snapshot_service(const struct controller *c, const struct snapshot *all, size_t i,
			     struct snapshot_service *to)
{
	const struct config *config = c->config;
	const struct config_service *from = &config->services[i];

	*to = (struct snapshot_service){
		.name = from->name,
		.group = config->groups[from->group].name,
		.forward = config_forward_text(from->forward),
		.hash = config_hash_text(from->hash),
		.tracking = config_tracking_text(from->tracking),
		.scheduler = config_scheduler_text(from->scheduler),
		.on_empty = config_on_empty_text(from->on_empty),
		.address = from->address,
		.prefix = from->prefix,
		.protocol = from->protocol,
		.port = from->port,
		.clients = snapshot_clients(config, &from->clients),
		.group_state = slot_state_text(placements_state(c, i)),
	};
	to->n_clients = to->clients ? from->clients.n_groups : 0;
	if (all->of_services)
		to->stats = all->of_services[c->service_ids[i]];
	else
		datapath_service_stats(c->datapath, c->service_ids[i], 1, &to->stats);
}

static void snapshot_checks(const struct controller *c, struct snapshot_checks *to)
{
	static const uint32_t bounds_ms[] = PROBER_LATE_CLASSES;
	struct prober_stats stats = prober_stats(c->prober);

	_Static_assert(PROBER_N_LATE < SNAPSHOT_LATE_CLASSES, "room for the classes");
	*to = (struct snapshot_checks){
		.started = stats.started,
		.skipped = stats.skipped,
		.in_flight = stats.in_flight,
		.queued = stats.queued,
		.n_late = PROBER_N_LATE + 1,
		.late_total_us = stats.late_total_us,
	};
	memcpy(to->late, stats.late, sizeof(stats.late));
	memcpy(to->late_bounds_ms, bounds_ms, sizeof(bounds_ms));
}

static void snapshot_hooks(const struct controller *c, struct snapshot *to)
{
	static char texts[HOOK_KINDS][CONFIG_HOOK_TEXT_MAX]; /* borrowed until control returns to the loop */

	for (int i = 0; i < HOOK_KINDS; i++) {
		struct hook_figures figures = hooks_figures(c->hooks, i);

		if (!figures.configured)
			continue;
		to->hooks[to->n_hooks++] = (struct snapshot_hook){
			.name = hook_kind_text(i),
			.to = i == HOOK_EXEC ? config_hook_exec_text(&c->config->hooks, texts[i])
					     : config_hook_webhook_text(&c->config->hooks, texts[i]),
			.attempts = figures.attempts,
			.delivered = figures.delivered,
			.failed = figures.failed,
			.dropped = figures.dropped,
			.waiting = figures.waiting,
		};
	}
}

/* All but services, groups and backends. */
static int snapshot_head(const struct controller *c, struct snapshot *to)
{
	static struct utsname host;
	int r;

	uname(&host);
	*to = (struct snapshot){
		.version = SHUNT_VERSION,
		.node = host.nodename,
		.started = c->started,
		.problem = *c->kept.problem ? c->kept.problem
			   : c->state_damaged ? "state: the file was damaged: operators' decisions of before are lost" : NULL,
		.datapath_ok = !c->detached && c->config->n_interfaces > 0,
		.flow_entries = c->flow_entries,
		.flow_capacity = datapath_flow_capacity(c->datapath),
		.generation = c->generation,
	};
	datapath_drop_stats(c->datapath, to->drops);
	snapshot_checks(c, &to->checks);
	snapshot_hooks(c, to);
	r = snapshot_interfaces(c, to);
	return r < 0 ? r : snapshot_names(c, to);
}

/* Empty places. */
static int snapshot_places(struct snapshot *to, size_t n_services, size_t n_groups, size_t n_backends)
{
	to->n_services = n_services;
	to->n_groups = n_groups;
	to->n_backends = n_backends;
	to->missing = n_services + n_groups + n_backends;
	to->services = calloc(n_services + 1, sizeof(*to->services));
	to->groups = calloc(n_groups + 1, sizeof(*to->groups));
	to->backends = calloc(n_backends + 1, sizeof(*to->backends));
	return to->services && to->groups && to->backends ? 0 : -ENOMEM;
}

/* For each of them alone it would be the larger part of a snapshot of thousands. */
static int read_traffic_ahead(const struct controller *c, struct snapshot *to)
{
	uint32_t services = 0, backends = 0;

	for (size_t i = 0; i < c->config->n_services; i++)
		services = c->service_ids[i] >= services ? c->service_ids[i] + 1 : services;
	for (size_t i = 0; i < c->n_endpoints; i++)
		backends = c->endpoints[i]->id >= backends ? c->endpoints[i]->id + 1 : backends;
	to->of_services = calloc(services + 1, sizeof(*to->of_services));
	to->of_backends = calloc(backends + 1, sizeof(*to->of_backends));
	if (!to->of_services || !to->of_backends)
		return -ENOMEM;
	datapath_service_stats(c->datapath, 0, services, to->of_services);
	datapath_backend_stats(c->datapath, 0, backends, to->of_backends);
	return 0;
}

static size_t snapshot_total(const struct snapshot *snapshot)
{
	return snapshot->n_services + snapshot->n_groups + snapshot->n_backends;
}

int controller_snapshot_begin(void *userdata, struct snapshot *ret_snapshot)
{
	const struct controller *c = userdata;
	int r = snapshot_head(c, ret_snapshot);

	if (r == 0)
		r = snapshot_places(ret_snapshot, c->config->n_services, c->n_groups, c->n_backends);
	if (r == 0)
		r = read_traffic_ahead(c, ret_snapshot);
	if (r < 0)
		controller_snapshot_free(userdata, ret_snapshot);
	return r;
}

/* The next one that is missing, whose number among all is `i`. */
static int snapshot_next(const struct controller *c, struct snapshot *to, size_t i)
{
	if (i < to->n_services) {
		snapshot_service(c, to, i, &to->services[i]);
		return 0;
	}
	i -= to->n_services;
	if (i < to->n_groups)
		return snapshot_group(c, c->groups[i], &to->groups[i]);
	i -= to->n_groups;
	snapshot_backend(c, to, c->backends[i], &to->backends[i]);
	return 0;
}

int controller_snapshot_go_on(void *userdata, struct snapshot *snapshot)
{
	const struct controller *c = userdata;
	int r = 0;

	if (snapshot->generation != c->generation)
		return -ESTALE;
	for (int i = 0; i < SNAPSHOT_AT_ONCE && snapshot->missing && r == 0; i++) {
		r = snapshot_next(c, snapshot, snapshot_total(snapshot) - snapshot->missing);
		snapshot->missing -= r == 0;
	}
	return r;
}

static const struct backend *named(const struct controller *c, const char *name)
{
	for (size_t i = 0; i < c->n_backends; i++)
		if (strcmp(c->backends[i]->name, name) == 0)
			return c->backends[i];
	return NULL;
}

int controller_snapshot_of(void *userdata, const char *name, struct snapshot *ret_snapshot)
{
	const struct controller *c = userdata;
	size_t service = config_find_service(c->config, name);
	const struct group *group = group_find(c, name);
	const struct backend *backend = named(c, name);
	int r = snapshot_head(c, ret_snapshot);

	if (r == 0)
		r = snapshot_places(ret_snapshot, service != SIZE_MAX, group != NULL, backend != NULL);
	if (r == 0 && service != SIZE_MAX)
		snapshot_service(c, ret_snapshot, service, &ret_snapshot->services[0]);
	if (r == 0 && group)
		r = snapshot_group(c, group, &ret_snapshot->groups[0]);
	if (r == 0 && backend)
		snapshot_backend(c, ret_snapshot, backend, &ret_snapshot->backends[0]);
	ret_snapshot->missing = 0;
	if (r < 0)
		controller_snapshot_free(userdata, ret_snapshot);
	return r;
}

void controller_snapshot_free(void *userdata, struct snapshot *snapshot)
{
	(void)userdata;
	for (size_t i = 0; snapshot->groups && i < snapshot->n_groups; i++)
		free(snapshot->groups[i].members);
	for (size_t i = 0; snapshot->services && i < snapshot->n_services; i++)
		free(snapshot->services[i].clients);
	free(snapshot->of_services);
	free(snapshot->of_backends);
	free(snapshot->interfaces);
	free(snapshot->names);
	free(snapshot->services);
	free(snapshot->groups);
	free(snapshot->backends);
	*snapshot = (struct snapshot){0};
}
