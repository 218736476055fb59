/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Snapshot → the documents of CONTRACT. Decides field names and units, nothing else: it must not know of HTTP, nor
 * judge what the controller decided. Fields beyond the contract's stand after them.
 */
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "api/json.h"
#include "api/put.h"
#include "base/clock.h"
#include "base/drop_reason.h"
#include "net/address.h"

static json_t *time_json(int64_t wall_ms)
{
	char buffer[CLOCK_TEXT_MAX];

	return wall_ms > 0 ? json_string(clock_rfc3339(wall_ms, buffer)) : json_null();
}

static const char *protocol_text(uint8_t protocol)
{
	return protocol == IPPROTO_UDP ? "udp" : "tcp";
}

/* The document that was put, as a value: for the few that are asked for by name. */
static json_t *parsed(struct text *text)
{
	json_t *json = text->failed ? NULL : json_loadb(text->bytes, text->length, 0, NULL);

	free(text->bytes);
	return json;
}

static void put_clients(struct text *to, const struct snapshot_service *service)
{
	put_open(to, "clients", '[');
	for (size_t i = 0; i < service->n_clients; i++) {
		put_open(to, NULL, '{');
		put_text(to, "group", service->clients[i].group);
		put_number(to, "prefixes", service->clients[i].prefixes);
		put_close(to, '}');
	}
	put_close(to, ']');
}

void api_put_service(struct text *to, const struct snapshot_service *service)
{
	char address[ADDRESS_TEXT_MAX];

	address_format(&service->address, address);
	if (service->prefix)
		snprintf(address + strlen(address), sizeof(address) - strlen(address), "/%u", service->prefix);
	put_open(to, NULL, '{');
	put_text(to, "name", service->name);
	put_text(to, "address", address);
	put_text(to, "protocol", protocol_text(service->protocol));
	put_number(to, "port", service->port);
	put_text(to, "group", service->group);
	put_text(to, "forward", service->forward);
	put_text(to, "hash", service->hash);
	put_text(to, "tracking", service->tracking);
	put_number(to, "packets", service->stats.packets);
	put_number(to, "bytes", service->stats.bytes);
	put_number(to, "new_flows", service->stats.new_flows);
	put_number(to, "answer_packets", service->stats.answer_packets);
	put_number(to, "answer_bytes", service->stats.answer_bytes);
	put_text(to, "on_empty", service->on_empty);
	put_text(to, "scheduler", service->scheduler);
	put_clients(to, service);
	put_text(to, "group_state", service->group_state);
	put_close(to, '}');
}

json_t *api_service_json(const struct snapshot_service *service)
{
	struct text text = {0};

	api_put_service(&text, service);
	return parsed(&text);
}

static void put_member(struct text *to, const struct snapshot_member *member)
{
	put_open(to, NULL, '{');
	put_text(to, "name", member->backend);
	put_text(to, "role", member->role);
	put_text(to, "why", member->why);
	put_real(to, "share", member->share);
	api_put_member_failover(to, member);
	put_close(to, '}');
}

static void put_members(struct text *to, const struct snapshot_group *group)
{
	put_open(to, "backends", '[');
	for (size_t i = 0; i < group->n_members; i++)
		put_member(to, &group->members[i]);
	put_close(to, ']');
}

static void put_active(struct text *to, const struct snapshot_group *group)
{
	put_open(to, "active", '[');
	for (size_t i = 0; i < group->n_members; i++)
		if (strcmp(group->members[i].role, "active") == 0)
			put_text(to, NULL, group->members[i].backend);
	put_close(to, ']');
}

static void put_duration(struct text *to, const char *key, uint64_t ms)
{
	if (ms)
		put_number(to, key, ms);
	else
		put_null(to, key);
}

void api_put_group(struct text *to, const struct snapshot_group *group)
{
	put_open(to, NULL, '{');
	put_text(to, "name", group->name);
	put_text(to, "mode", group->mode);
	put_text(to, "primary", group->primary);
	put_active(to, group);
	put_text(to, "state", group->state);
	put_number(to, "failovers", group->failovers);
	put_time(to, "last_failover", group->last_failover);
	put_number(to, "healthy", group->healthy);
	put_number(to, "failed", group->failed);
	put_members(to, group);
	put_text(to, "forced", group->forced);
	put_text(to, "forced_by", group->forced_by);
	put_time(to, "forced_until", group->forced_until * 1000);
	put_text(to, "failback", group->failback);
	put_time(to, "failing_back_at", group->failing_back_at);
	put_open(to, "slots", '{');
	put_number(to, "total", group->slots);
	put_number(to, "moving", group->moving);
	put_number(to, "resolving", group->resolving);
	put_close(to, '}');
	put_text(to, "last_resort", group->last_resort);
	put_duration(to, "detection_ms", group->detection_ms);
	put_duration(to, "mtu_detection_ms", group->mtu_detection_ms);
	api_put_failover(to, group);
	put_close(to, '}');
}

json_t *api_group_json(const struct snapshot_group *group)
{
	struct text text = {0};

	api_put_group(&text, group);
	return parsed(&text);
}

static void put_check(struct text *to, const struct snapshot_backend *backend)
{
	put_open(to, "check", '{');
	put_text(to, "type", backend->check_type);
	put_text(to, "last", backend->check_last);
	put_real(to, "latency_ms", backend->check_latency_ms);
	put_time(to, "since", backend->check_since);
	put_text(to, "reason", backend->check_reason);
	if (backend->check_lag_ms < 0)
		put_null(to, "lag_ms");
	else
		put_number(to, "lag_ms", (uint64_t)backend->check_lag_ms);
	put_close(to, '}');
}

/* Null while nothing is known: down, or not checked. */
static void put_score(struct text *to, const struct snapshot_score *score)
{
	if (!score->results) {
		put_null(to, "score");
		return;
	}
	put_open(to, "score", '{');
	put_number(to, "percent", score->percent);
	put_number(to, "results", score->results);
	put_number(to, "bad", score->bad);
	put_number(to, "slow", score->slow);
	put_real(to, "mean_ms", score->mean_ms);
	put_real(to, "worst_ms", score->worst_ms);
	put_close(to, '}');
}

void api_put_backend(struct text *to, const struct snapshot_backend *backend)
{
	char address[ADDRESS_TEXT_MAX];

	put_open(to, NULL, '{');
	put_text(to, "name", backend->name);
	put_text(to, "address", address_format(&backend->address, address));
	put_number(to, "weight", backend->weight);
	put_text(to, "health", backend->health);
	put_text(to, "admin", backend->admin);
	put_number(to, "flows", backend->flows);
	put_check(to, backend);
	put_number(to, "packets", backend->stats.packets);
	put_number(to, "bytes", backend->stats.bytes);
	put_number(to, "answer_packets", backend->stats.answer_packets);
	put_number(to, "answer_bytes", backend->stats.answer_bytes);
	put_number(to, "port", backend->port);
	put_number(to, "configured_weight", backend->configured_weight);
	put_flag(to, "drained", backend->drained);
	put_time(to, "drain_until", backend->drain_until);
	put_flag(to, "removed", backend->removed);
	put_text(to, "next_hop", backend->next_hop);
	put_flag(to, "next_hop_ok", backend->next_hop_ok);
	put_text(to, "admin_by", backend->admin_by);
	put_time(to, "window_until", backend->window_until);
	put_number(to, "effective_weight", backend->effective_weight);
	put_score(to, &backend->score);
	put_flag(to, "slow_start", backend->slow_start);
	put_text(to, "breaker", backend->breaker);
	put_time(to, "ejected_until", backend->ejected_until);
	put_text(to, "ejected_why", backend->ejected_why);
	put_time(to, "admin_until", backend->admin_until);
	put_time(to, "weight_until", backend->weight_until);
	put_close(to, '}');
}

json_t *api_backend_json(const struct snapshot_backend *backend)
{
	struct text text = {0};

	api_put_backend(&text, backend);
	return parsed(&text);
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
