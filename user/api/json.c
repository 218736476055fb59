/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Snapshot → the documents of CONTRACT. Decides field names and units, nothing else: it must not know of HTTP, nor
 * judge what the controller decided. Fields beyond the contract's stand after them.
 */
#include <netinet/in.h>
#include <string.h>

#include "api/json.h"
#include "base/clock.h"
#include "base/drop_reason.h"
#include "net/address.h"

/* Text of others (a server's status line, say) may not be UTF-8, which JSON cannot hold: such bytes become '?'. */
static json_t *text_json(const char *text)
{
	json_t *json;
	char *copy;

	if (!text)
		return json_null();
	json = json_string(text);
	if (json)
		return json;
	copy = strdup(text);
	if (!copy)
		return NULL;
	for (char *c = copy; *c; c++)
		if (*c & 0x80)
			*c = '?';
	json = json_string(copy);
	free(copy);
	return json;
}

static json_t *time_json(int64_t wall_ms)
{
	char buffer[CLOCK_TEXT_MAX];

	return wall_ms > 0 ? json_string(clock_rfc3339(wall_ms, buffer)) : json_null();
}

static const char *protocol_text(uint8_t protocol)
{
	return protocol == IPPROTO_UDP ? "udp" : "tcp";
}

static json_t *clients_json(const struct snapshot_service *service)
{
	json_t *list = json_array();

	for (size_t i = 0; i < service->n_clients; i++)
		json_array_append_new(list, json_pack("{s:o, s:I}", "group", text_json(service->clients[i].group), "prefixes",
						      (json_int_t)service->clients[i].prefixes));
	return list;
}

json_t *api_service_json(const struct snapshot_service *service)
{
	char address[ADDRESS_TEXT_MAX];

	address_format(&service->address, address);
	if (service->prefix)
		snprintf(address + strlen(address), sizeof(address) - strlen(address), "/%u", service->prefix);
	return json_pack("{s:o, s:s, s:s, s:i, s:o, s:o, s:o, s:o, s:I, s:I, s:I, s:I, s:I, s:o, s:o, s:o, s:o}",
			 "name", text_json(service->name),
			 "address", address,
			 "protocol", protocol_text(service->protocol),
			 "port", (int)service->port,
			 "group", text_json(service->group),
			 "forward", text_json(service->forward),
			 "hash", text_json(service->hash),
			 "tracking", text_json(service->tracking),
			 "packets", (json_int_t)service->stats.packets,
			 "bytes", (json_int_t)service->stats.bytes,
			 "new_flows", (json_int_t)service->stats.new_flows,
			 "answer_packets", (json_int_t)service->stats.answer_packets,
			 "answer_bytes", (json_int_t)service->stats.answer_bytes,
			 "on_empty", text_json(service->on_empty),
			 "scheduler", text_json(service->scheduler),
			 "clients", clients_json(service),
			 "group_state", text_json(service->group_state));
}

static json_t *member_json(const struct snapshot_member *member)
{
	json_t *json = json_pack("{s:o, s:o, s:o, s:f}",
			 "name", text_json(member->backend),
			 "role", text_json(member->role),
			 "why", text_json(member->why),
			 "share", member->share);

	api_add_member_failover(json, member);
	return json;
}

json_t *api_group_json(const struct snapshot_group *group)
{
	json_t *active = json_array(), *backends = json_array(), *json;

	for (size_t i = 0; i < group->n_members; i++) {
		json_array_append_new(backends, member_json(&group->members[i]));
		if (strcmp(group->members[i].role, "active") == 0)
			json_array_append_new(active, text_json(group->members[i].backend));
	}
	json = json_pack("{s:o, s:o, s:o, s:o, s:o, s:I, s:o, s:I, s:I, s:o, s:o, s:o, s:o, s:o, s:{s:I, s:I, s:I}, s:o, "
			 "s:o, s:o}",
			 "name", text_json(group->name),
			 "mode", text_json(group->mode),
			 "primary", text_json(group->primary),
			 "active", active,
			 "state", text_json(group->state),
			 "failovers", (json_int_t)group->failovers,
			 "last_failover", time_json(group->last_failover),
			 "healthy", (json_int_t)group->healthy,
			 "failed", (json_int_t)group->failed,
			 "backends", backends,
			 "forced", text_json(group->forced),
			 "forced_until", time_json(group->forced_until * 1000),
			 "failback", text_json(group->failback),
			 "failing_back_at", time_json(group->failing_back_at),
			 "slots",
			 "total", (json_int_t)group->slots,
			 "moving", (json_int_t)group->moving,
			 "resolving", (json_int_t)group->resolving,
			 "last_resort", text_json(group->last_resort),
			 "detection_ms",
			 group->detection_ms ? json_integer((json_int_t)group->detection_ms) : json_null(),
			 "mtu_detection_ms",
			 group->mtu_detection_ms ? json_integer((json_int_t)group->mtu_detection_ms) : json_null());
	api_add_failover(json, group);
	return json;
}

/* Null while nothing is known: down, or not checked. */
static json_t *score_json(const struct snapshot_score *score)
{
	if (!score->results)
		return json_null();
	return json_pack("{s:I, s:I, s:I, s:I, s:f, s:f}",
			 "percent", (json_int_t)score->percent,
			 "results", (json_int_t)score->results,
			 "bad", (json_int_t)score->bad,
			 "slow", (json_int_t)score->slow,
			 "mean_ms", score->mean_ms,
			 "worst_ms", score->worst_ms);
}

json_t *api_backend_json(const struct snapshot_backend *backend)
{
	char address[ADDRESS_TEXT_MAX];

	json_t *json = json_pack("{s:o, s:s, s:I, s:o, s:o, s:I, s:{s:o, s:o, s:f, s:o, s:o, s:o}, s:I, s:I, s:I, s:I, "
			 "s:i, s:I, s:b, s:o, s:b, s:o, s:b, s:o, s:o, s:I, s:o, s:b, s:o, s:o, s:o}",
			 "name", text_json(backend->name),
			 "address", address_format(&backend->address, address),
			 "weight", (json_int_t)backend->weight,
			 "health", text_json(backend->health),
			 "admin", text_json(backend->admin),
			 "flows", (json_int_t)backend->flows,
			 "check",
			 "type", text_json(backend->check_type),
			 "last", text_json(backend->check_last),
			 "latency_ms", backend->check_latency_ms,
			 "since", time_json(backend->check_since),
			 "reason", text_json(backend->check_reason),
			 "lag_ms", backend->check_lag_ms < 0 ? json_null() : json_integer(backend->check_lag_ms),
			 "packets", (json_int_t)backend->stats.packets,
			 "bytes", (json_int_t)backend->stats.bytes,
			 "answer_packets", (json_int_t)backend->stats.answer_packets,
			 "answer_bytes", (json_int_t)backend->stats.answer_bytes,
			 "port", (int)backend->port,
			 "configured_weight", (json_int_t)backend->configured_weight,
			 "drained", (int)backend->drained,
			 "drain_until", time_json(backend->drain_until),
			 "removed", (int)backend->removed,
			 "next_hop", text_json(backend->next_hop),
			 "next_hop_ok", (int)backend->next_hop_ok,
			 "admin_by", text_json(backend->admin_by),
			 "window_until", time_json(backend->window_until),
			 "effective_weight", (json_int_t)backend->effective_weight,
			 "score", score_json(&backend->score),
			 "slow_start", (int)backend->slow_start,
			 "breaker", text_json(backend->breaker),
			 "ejected_until", time_json(backend->ejected_until),
			 "ejected_why", text_json(backend->ejected_why));

	json_object_set_new(json, "admin_until", time_json(backend->admin_until));
	json_object_set_new(json, "weight_until", time_json(backend->weight_until));
	return json;
}

json_t *api_event_json(const struct event *event)
{
	return json_pack("{s:I, s:o, s:o, s:o, s:o, s:o}",
			 "id", (json_int_t)event->id,
			 "time", time_json(event->time),
			 "kind", text_json(event->kind),
			 "object", text_json(event->object),
			 "actor", text_json(event->actor),
			 "text", text_json(event->text));
}

json_t *api_map_json(const struct snapshot_map *map)
{
	return json_pack("{s:o, s:o, s:o, s:I, s:I, s:I, s:I}",
			 "name", text_json(map->name),
			 "path", text_json(map->path),
			 "type", text_json(map->type),
			 "entries", (json_int_t)map->entries,
			 "key_bytes", (json_int_t)map->key_bytes,
			 "value_bytes", (json_int_t)map->value_bytes,
			 "memory_bytes", (json_int_t)map->memory_bytes);
}

json_t *api_service_by_name(const struct snapshot *snapshot, const char *name)
{
	for (size_t i = 0; i < snapshot->n_services; i++)
		if (strcmp(snapshot->services[i].name, name) == 0)
			return api_service_json(&snapshot->services[i]);
	return NULL;
}

json_t *api_group_by_name(const struct snapshot *snapshot, const char *name)
{
	for (size_t i = 0; i < snapshot->n_groups; i++)
		if (strcmp(snapshot->groups[i].name, name) == 0)
			return api_group_json(&snapshot->groups[i]);
	return NULL;
}

json_t *api_backend_by_name(const struct snapshot *snapshot, const char *name)
{
	for (size_t i = 0; i < snapshot->n_backends; i++)
		if (strcmp(snapshot->backends[i].name, name) == 0)
			return api_backend_json(&snapshot->backends[i]);
	return NULL;
}

json_t *api_drops_json(const uint64_t *drops, const uint64_t *before)
{
	json_t *json = json_object();

	for (uint32_t i = SHUNT_DROP_NONE + 1; i < SHUNT_DROP_REASON_COUNT; i++)
		if (!before || before[i] != drops[i])
			json_object_set_new(json, drop_reason_label(i), json_integer((json_int_t)drops[i]));
	return json;
}

static json_t *names_json(const struct snapshot *snapshot)
{
	json_t *list = json_array();

	for (size_t i = 0; i < snapshot->n_names; i++) {
		const struct snapshot_name *name = &snapshot->names[i];

		json_array_append_new(list, json_pack("{s:o, s:o, s:I, s:o, s:b, s:o}",
						     "domain", text_json(name->domain),
						     "group", text_json(name->group),
						     "addresses", (json_int_t)name->addresses,
						     "problem", text_json(name->problem),
						     "given_up", (int)name->given_up,
						     "answered", time_json(name->answered)));
	}
	return list;
}

static json_t *known_json(int known)
{
	return known < 0 ? json_null() : json_boolean(known);
}

static json_t *interfaces_json(const struct snapshot *snapshot)
{
	json_t *all = json_array();

	for (size_t i = 0; i < snapshot->n_interfaces; i++) {
		const struct snapshot_interface *interface = &snapshot->interfaces[i];

		json_array_append_new(all, json_pack("{s:o, s:o, s:o, s:{s:o, s:o}}",
						     "name", text_json(interface->name),
						     "mode", text_json(interface->mode),
						     "attach", text_json(interface->attach),
						     "forwards", "ipv4", known_json(interface->forwards[0]),
						     "ipv6", known_json(interface->forwards[1])));
	}
	return all;
}

/* Upper bound of the class that so much of all checks is in or below; null beyond the last one, or without checks. */
static json_t *late_json(const struct snapshot_checks *checks, double share)
{
	uint64_t total = 0, so_far = 0;

	for (size_t i = 0; i < checks->n_late; i++)
		total += checks->late[i];
	for (size_t i = 0; total && i + 1 < checks->n_late; i++) {
		so_far += checks->late[i];
		if ((double)so_far >= share * (double)total)
			return json_integer(checks->late_bounds_ms[i]);
	}
	return json_null();
}

static json_t *checks_json(const struct snapshot_checks *checks)
{
	return json_pack("{s:I, s:I, s:I, s:I, s:o, s:o}",
			 "started", (json_int_t)checks->started,
			 "skipped", (json_int_t)checks->skipped,
			 "in_flight", (json_int_t)checks->in_flight,
			 "queued", (json_int_t)checks->queued,
			 "late_p50_ms", late_json(checks, 0.50),
			 "late_p99_ms", late_json(checks, 0.99));
}

static json_t *hooks_json(const struct snapshot *snapshot)
{
	json_t *list = json_array();

	for (size_t i = 0; i < snapshot->n_hooks; i++) {
		const struct snapshot_hook *hook = &snapshot->hooks[i];

		json_array_append_new(list, json_pack("{s:o, s:o, s:I, s:I, s:I, s:I, s:I}",
						      "hook", text_json(hook->name),
						      "to", text_json(hook->to),
						      "attempts", (json_int_t)hook->attempts,
						      "delivered", (json_int_t)hook->delivered,
						      "failed", (json_int_t)hook->failed,
						      "dropped", (json_int_t)hook->dropped,
						      "waiting", (json_int_t)hook->waiting));
	}
	return list;
}

json_t *api_status_json(const struct snapshot *snapshot)
{
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:{s:I, s:I}, s:o, s:b, s:o}",
			 "version", text_json(snapshot->version),
			 "node", text_json(snapshot->node),
			 "started", time_json(snapshot->started),
			 "interfaces", interfaces_json(snapshot),
			 "names", names_json(snapshot),
			 "hooks", hooks_json(snapshot),
			 "drops", api_drops_json(snapshot->drops, NULL),
			 "flow_table",
			 "entries", (json_int_t)snapshot->flow_entries,
			 "capacity", (json_int_t)snapshot->flow_capacity,
			 "problem", text_json(snapshot->problem),
			 "datapath_ok", (int)snapshot->datapath_ok,
			 "checks", checks_json(&snapshot->checks));
}

/* A problem that begins with "state" is one of the state directory; every other one is the controller's. */
json_t *api_health_json(const struct snapshot *snapshot)
{
	size_t down = 0, impaired = 0, checks_failed = 0;
	const char *problem = snapshot->problem;
	bool state_problem = problem && strncmp(problem, "state", 5) == 0, unhealthy;

	for (size_t i = 0; i < snapshot->n_groups; i++) {
		down += strcmp(snapshot->groups[i].state, "down") == 0;
		impaired += strcmp(snapshot->groups[i].state, "degraded") == 0;
	}
	for (size_t i = 0; i < snapshot->n_backends; i++)
		checks_failed += strcmp(snapshot->backends[i].health, "up") != 0;
	unhealthy = !snapshot->datapath_ok || (snapshot->n_groups && down == snapshot->n_groups);
	return json_pack("{s:s, s:o, s:s, s:{s:s, s:s, s:s, s:s}, s:{s:i, s:i}, s:o}",
			 "status", unhealthy ? "unhealthy" : problem || impaired || down ? "degraded" : "healthy",
			 "node", text_json(snapshot->node),
			 "cluster_role", "standalone",
			 "components",
			 "datapath", snapshot->datapath_ok ? "ok" : "failed",
			 "controller", problem && !state_problem ? "degraded" : "ok",
			 "checks", checks_failed ? "degraded" : "ok",
			 "state", state_problem ? "degraded" : "ok",
			 "cluster",
			 "nodes", 1,
			 "healthy_nodes", unhealthy ? 0 : 1,
			 "problem", text_json(problem));
}
