/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The real API server in a thread, before handlers that hold a fixed snapshot and remember what they were told. */
#ifndef SHUNT_TESTS_API_FIXTURE_H
#define SHUNT_TESTS_API_FIXTURE_H

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdarg.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

#include "api/api.h"
#include "base/clock.h"
#include "base/file.h"
#include "net/address.h"
#include "state/backup.h"

#define MINUTE 60000LL
#define HOUR (60 * MINUTE)

struct fixture {
	char directory[64], socket_path[128], token_file[128];
	char listen[64];           /* "" : no TCP */
	bool use_token;
	const char *read_token_file, *certificate_file, *key_file; /* NULL: none */
	struct snapshot snapshot;
	int snapshots_alive;       /* taken and not freed */
	int result;                /* what commands return */
	const char *error;         /* and say, with a negative result */
	char told[256];            /* the last command, as text */
	uint64_t n_events;
	bool exit_on_detach;       /* the loop ends with the request, as shuntd does */
	sd_event *event;
	int stale_looks;           /* so many looks find that something else is configured by now */
	int flows_per_look;        /* a draining backend loses so many flows a snapshot */
	const struct api_handlers *handlers; /* NULL: those below */
	uint64_t save_ms;          /* that what commands change takes to be saved; 0: nothing is */
	int save_result;           /* and what becomes of it */
	uint64_t saves, saved;     /* asked for, and done */
	struct api *api;
	pthread_t thread;
	int stop_fd, ready_fd;
	int opened;                /* result of api_open() */
};

/* ---- a balancer with something of everything ---- */

static struct shunt_addr fixture_address(const char *text)
{
	struct shunt_addr address;

	assert(address_parse(text, &address) == 0);
	return address;
}

static struct snapshot_backend fixture_backend(const char *name, const char *address, uint16_t port, int64_t since)
{
	return (struct snapshot_backend){
		.name = name, .address = fixture_address(address), .port = port, .weight = 100,
		.configured_weight = 100, .effective_weight = 100, .health = "up", .admin = "ready", .check_type = "tcp",
		.check_last = "connected", .check_reason = "ok", .check_lag_ms = -1, .check_latency_ms = 0.4, .check_since = since,
		.next_hop = "via eth0 02:00:00:00:00:02", .next_hop_ok = true,
		.stats = {.packets = 1000, .bytes = 64000, .answer_packets = 900, .answer_bytes = 90000},
		.score = {85, 20, 2, 2, 0.5, 3}, .breaker = "closed",
	};
}

static struct snapshot_interface fixture_interfaces[] = {{"eth0", "native", "direct", {1, -1}}};
static struct snapshot_service fixture_services[2];
static struct snapshot_group fixture_groups[3];
static struct snapshot_backend fixture_backends[6];
static struct snapshot_member fixture_app[] = {
	{"backend1", "out", "down: connection refused", 0, 0, 0, -1},
	{"backend2", "active", NULL, 1, 0, 0, -1},
	{"backend3", "standby", "standby tier", 0, 0, 0, -1},
};
static struct snapshot_member fixture_dns[] = {
	{"dns1", "active", NULL, 1, 0, 0, -1},
	{"dns2", "out", "draining", 0, 0, 0, -1},
};
static struct snapshot_member fixture_spare[] = {{"spare1", "active", NULL, 1, 0, 0, -1}};

static void fixture_fill_backends(int64_t now)
{
	struct snapshot_backend *b = fixture_backends;

	b[0] = fixture_backend("backend1", "10.0.1.11", 8080, now - 12 * MINUTE - 5000);
	b[0].health = "down";
	b[0].check_last = "connection refused";
	b[0].check_reason = "refused";
	b[0].check_latency_ms = 0.1;
	b[1] = fixture_backend("backend2", "10.0.1.12", 8080, now - 3 * HOUR - 5000);
	b[1].flows = 14;
	b[2] = fixture_backend("backend3", "10.0.1.13", 0, now - 3 * HOUR - 5000);
	b[2].weight = b[2].effective_weight = 50;
	b[3] = fixture_backend("dns1", "2001:db8::11", 0, now - 49 * HOUR);
	b[4] = fixture_backend("dns2", "2001:db8::12", 0, now - 49 * HOUR);
	b[4].admin = "drain";
	b[4].flows = 3;
	b[5] = fixture_backend("spare1", "10.0.9.1", 0, now - 5000);
	b[5].next_hop = "no route";
	b[5].next_hop_ok = false;
}

static void fixture_fill_groups(int64_t now)
{
	fixture_groups[0] = (struct snapshot_group){
		.name = "app-servers", .mode = "active-passive", .state = "failed-over", .primary = "backend1",
		.failback = "manual", .failovers = 1, .last_failover = now - 12 * MINUTE - 5000, .healthy = 2,
		.failed = 1, .members = fixture_app, .n_members = 3, .slots = 65536, .moving = 6000, .resolving = 553, .failover = "automatic", .shifted_percent = 100,
	};
	fixture_groups[1] = (struct snapshot_group){
		.name = "resolvers", .mode = "active-active", .state = "degraded", .failback = "automatic",
		.healthy = 1, .failed = 1, .members = fixture_dns, .n_members = 2, .slots = 65536,
		.failover = "automatic", .shifted_percent = 100,
	};
	fixture_groups[2] = (struct snapshot_group){
		.name = "spare", .mode = "active-active", .state = "normal", .failback = "automatic", .healthy = 1,
		.members = fixture_spare, .n_members = 1, .slots = 65536,
	};
}

static inline void fixture_fill(struct snapshot *snapshot)
{
	int64_t now = clock_wall_ms();

	fixture_fill_backends(now);
	fixture_fill_groups(now);
	fixture_services[0] = (struct snapshot_service){
		.name = "web", .group = "app-servers", .forward = "ipip", .hash = "5-tuple", .tracking = "auto", .on_empty = "reject",
		.scheduler = "round-robin", .group_state = "settled",
		.address = fixture_address("192.0.2.10"), .protocol = IPPROTO_TCP, .port = 80,
		.stats = {1234567, 987654321, 4321, 4711, 815000},
	};
	fixture_services[1] = (struct snapshot_service){
		.name = "dns", .group = "resolvers", .forward = "l2", .hash = "source-ip", .tracking = "never", .on_empty = "drop",
		.scheduler = "maglev", .group_state = "settled",
		.address = fixture_address("2001:db8::10"), .protocol = IPPROTO_UDP, .port = 53,
	};
	*snapshot = (struct snapshot){
		.version = "0.1.0", .node = "edge1", .started = now - 3 * HOUR - 5000, .datapath_ok = true,
		.interfaces = fixture_interfaces, .n_interfaces = 1, .services = fixture_services, .n_services = 2,
		.groups = fixture_groups, .n_groups = 3, .backends = fixture_backends, .n_backends = 6,
		.flow_entries = 17, .flow_capacity = 1048576,
	};
	snapshot->drops[SHUNT_DROP_NO_NEXT_HOP] = 12;
}

/* ---- handlers ---- */

static int fixture_outcome(struct fixture *fixture, struct api_reply *reply)
{
	if (fixture->result < 0 && fixture->error)
		reply->error = strdup(fixture->error);
	return fixture->result;
}

#define TOLD(...) snprintf(fixture->told, sizeof(fixture->told), __VA_ARGS__)

static struct snapshot_backend *fixture_find(const char *name)
{
	for (size_t i = 0; i < 6; i++)
		if (strcmp(fixture_backends[i].name, name) == 0)
			return &fixture_backends[i];
	return NULL;
}

/* A backend that drains loses flows with each look. */
static void fixture_look(struct fixture *fixture)
{
	for (size_t i = 0; i < fixture->snapshot.n_backends && fixture->snapshot.backends == fixture_backends; i++) {
		struct snapshot_backend *backend = &fixture_backends[i];

		if (strcmp(backend->admin, "drain") == 0 && fixture->flows_per_look)
			backend->flows -= backend->flows < (uint32_t)fixture->flows_per_look
						  ? backend->flows : (uint32_t)fixture->flows_per_look;
		backend->drained = strcmp(backend->admin, "drain") == 0 && !backend->flows;
	}
}

static int fixture_snapshot_begin(void *userdata, struct snapshot *ret_snapshot)
{
	struct fixture *fixture = userdata;

	fixture_look(fixture);
	*ret_snapshot = fixture->snapshot;
	ret_snapshot->missing = ret_snapshot->n_services + ret_snapshot->n_groups + ret_snapshot->n_backends;
	fixture->snapshots_alive++;
	return 0;
}

/* One at a time; so often as the test says, something else is configured meanwhile. */
static int fixture_snapshot_go_on(void *userdata, struct snapshot *snapshot)
{
	struct fixture *fixture = userdata;

	if (snapshot->missing == 2 && fixture->stale_looks) {
		fixture->stale_looks--;
		return -ESTALE;
	}
	snapshot->missing -= snapshot->missing > 0;
	return 0;
}

#define FIXTURE_ONLY(kind) \
	snapshot->n_##kind = 0; \
	for (size_t i = 0; i < fixture->snapshot.n_##kind; i++) \
		if (strcmp(fixture->snapshot.kind[i].name, name) == 0) { \
			snapshot->kind = &fixture->snapshot.kind[i]; \
			snapshot->n_##kind = 1; \
		}

static int fixture_snapshot_of(void *userdata, const char *name, struct snapshot *snapshot)
{
	struct fixture *fixture = userdata;

	fixture_look(fixture);
	*snapshot = fixture->snapshot;
	FIXTURE_ONLY(services)
	FIXTURE_ONLY(groups)
	FIXTURE_ONLY(backends)
	fixture->snapshots_alive++;
	return 0;
}

static void fixture_snapshot_free(void *userdata, struct snapshot *snapshot)
{
	struct fixture *fixture = userdata;

	(void)snapshot;
	fixture->snapshots_alive--;
}

static int fixture_admin(struct fixture *fixture, const char *name, const char *admin, struct api_reply *reply)
{
	struct snapshot_backend *backend = fixture_find(name);

	if (!backend) {
		reply->error = strdup("no backend has this name");
		return -ENOENT;
	}
	if (fixture->result == 0)
		backend->admin = admin;
	return fixture_outcome(fixture, reply);
}

static int fixture_drain(void *userdata, const char *backend, uint64_t timeout_ms, uint64_t for_ms,
			 struct api_reply *reply)
{
	struct fixture *fixture = userdata;

	if (for_ms)
		TOLD("drain %s %llu for %llu", backend, (unsigned long long)timeout_ms, (unsigned long long)for_ms);
	else
		TOLD("drain %s %llu", backend, (unsigned long long)timeout_ms);
	return fixture_admin(fixture, backend, "drain", reply);
}

static int fixture_maint(void *userdata, const char *backend, uint64_t for_ms, struct api_reply *reply)
{
	struct fixture *fixture = userdata;

	if (for_ms)
		TOLD("maint %s for %llu", backend, (unsigned long long)for_ms);
	else
		TOLD("maint %s", backend);
	return fixture_admin(fixture, backend, "maint", reply);
}

static int fixture_ready(void *userdata, const char *backend, struct api_reply *reply)
{
	struct fixture *fixture = userdata;

	TOLD("ready %s", backend);
	return fixture_admin(fixture, backend, "ready", reply);
}

static int fixture_weight(void *userdata, const char *backend, uint32_t weight, uint64_t for_ms, struct api_reply *reply)
{
	struct fixture *fixture = userdata;

	if (for_ms)
		TOLD("weight %s %u for %llu", backend, weight, (unsigned long long)for_ms);
	else
		TOLD("weight %s %u", backend, weight);
	if (fixture_find(backend))
		fixture_find(backend)->weight = fixture_find(backend)->effective_weight = weight;
	return fixture_outcome(fixture, reply);
}

static int fixture_failover(void *userdata, const char *group, const char *backend, uint64_t for_ms,
			    struct api_reply *reply)
{
	struct fixture *fixture = userdata;

	TOLD("failover %s %s %llu", group, backend ?: "-", (unsigned long long)for_ms);
	if (strcmp(group, "app-servers") != 0) {
		reply->error = strdup("no group has this name");
		return -ENOENT;
	}
	if (backend && !fixture_find(backend)) {
		reply->error = strdup("the group has no such member");
		return -EINVAL;
	}
	if (fixture->result == 0 && backend)
		fixture_groups[0].forced = fixture_find(backend)->name;
	return fixture_outcome(fixture, reply);
}

static int fixture_failback(void *userdata, const char *group, struct api_reply *reply)
{
	struct fixture *fixture = userdata;

	TOLD("failback %s", group);
	return fixture_outcome(fixture, reply);
}

static int fixture_foresee(void *userdata, const struct api_foresee *what, struct api_reply *reply)
{
	static const char *const kinds[] = {"drain", "maint", "failover", "reload"};
	struct fixture *fixture = userdata;

	snprintf(fixture->told, sizeof(fixture->told), "foresee %s %s %s%s", kinds[what->kind], what->name,
		 what->backend ? what->backend : "-", what->force ? " force" : "");
	if (fixture->result == 0)
		reply->document = json_pack("{s:b, s:[{s:s, s:i, s:i, s:f, s:s, s:[{s:s, s:i, s:f}]}], s:[s], s:[]}", "dry_run", 1, "groups",
					    "name", "app-servers", "slots", 100, "of", 1000, "percent", 10.0, "state", "degraded", "to",
					    "backend", "backend3", "slots", 100, "percent", 10.0, "changed", "backend web3: added",
					    "needs_force");
	return fixture_outcome(fixture, reply);
}

static int fixture_reload(void *userdata, bool force, struct api_reply *reply)
{
	struct fixture *fixture = userdata;

	TOLD("reload%s", force ? " force" : "");
	if (fixture->result == 0)
		reply->document = json_pack("{s:[s]}", "changed", "backend backend4: added");
	return fixture_outcome(fixture, reply);
}

static int fixture_backup(void *userdata, struct api_reply *reply)
{
	static char configuration[] = "interfaces: [eth0]\n"
				      "services: [{name: web, address: 192.0.2.10, port: 80, group: app}]\n"
				      "failover_groups: [{name: app, mode: active-active, backends: [b1]}]\n"
				      "backends: [{name: b1, address: 10.0.0.1}]\n";
	struct fixture *fixture = userdata;

	TOLD("backup");
	if (fixture->result == 0)
		reply->document = json_pack("{s:s, s:s, s:o}", "configuration_file", "/etc/shunt/shunt.yaml", "state_dir",
					    "/var/lib/shunt", "backup", backup_json(&(struct backup){.configuration = configuration}));
	return fixture_outcome(fixture, reply);
}

static int fixture_restore(void *userdata, bool force, struct api_reply *reply)
{
	struct fixture *fixture = userdata;

	TOLD("restore%s", force ? " force" : "");
	return fixture_outcome(fixture, reply);
}

static int fixture_detach(void *userdata, struct api_reply *reply)
{
	struct fixture *fixture = userdata;

	TOLD("detach");
	if (fixture->exit_on_detach)
		sd_event_exit(fixture->event, 0);
	return fixture_outcome(fixture, reply);
}

static int fixture_explain(void *userdata, uint8_t protocol, const struct shunt_addr *source, uint16_t source_port,
			   const struct shunt_addr *destination, uint16_t destination_port, struct api_reply *reply)
{
	char from[ADDRESS_TEXT_MAX], to[ADDRESS_TEXT_MAX];
	struct fixture *fixture = userdata;

	TOLD("explain %u %s %s", protocol, address_port_format(source, source_port, from),
	     address_port_format(destination, destination_port, to));
	if (fixture->result == 0)
		reply->document = json_pack("{s:s, s:s, s:i, s:s, s:s, s:n, s:{s:s, s:s, s:s}, s:{s:s, s:n, s:s}}", "service", "web",
					    "group", "app-servers", "slot", 4711, "backend", "backend2", "reason",
					    "the slot is settled", "delivered_to", "if_failed", "backend", "backend3",
					    "new_flow_backend", "backend3", "group_state", "failed-over", "if_drained", "backend",
					    "backend2", "new_flow_backend", "group_state", "down");
	return fixture_outcome(fixture, reply);
}

static int fixture_flows(void *userdata, const char *backend, struct api_reply *reply)
{
	struct fixture *fixture = userdata;

	TOLD("flows %s", backend ?: "-");
	if (fixture->result == 0)
		reply->document = json_pack("{s:i, s:i, s:[{s:s, s:i, s:i, s:{s:i, s:i, s:i}, s:[{s:i, s:i}, {s:i, s:i}, {s:n, s:i}]}]}",
					    "flows", 14, "capacity", 1048576, "backends", "name", "backend2", "flows", 14,
					    "one_packet", 2, "slots", "settled", 1, "moving", 10, "resolving", 3, "idle",
					    "below_s", 5, "flows", 10, "below_s", 60, "flows", 4, "below_s", "flows", 0);
	return fixture_outcome(fixture, reply);
}

static int fixture_trace_begin(void *userdata, const struct api_trace *wanted, struct api_reply *reply)
{
	struct fixture *fixture = userdata;

	TOLD("trace %s %s %s %s%s", wanted->service ?: "-", wanted->backend ?: "-", wanted->client ?: "-", wanted->reason ?: "-",
	     wanted->bytes ? " bytes" : "");
	if (fixture->result == 0)
		reply->document = json_pack("{s:s}", "watcher", "7");
	return fixture_outcome(fixture, reply);
}

static int fixture_trace_fetch(void *userdata, const char *id, struct api_reply *reply)
{
	struct fixture *fixture = userdata;

	TOLD("trace fetch %s", id);
	if (fixture->result == 0)
		reply->document = json_pack("{s:[], s:i}", "packets", "lost", 3);
	return fixture_outcome(fixture, reply);
}

static int fixture_trace_end(void *userdata, const char *id, struct api_reply *reply)
{
	struct fixture *fixture = userdata;

	TOLD("trace end %s", id);
	return fixture_outcome(fixture, reply);
}

static size_t fixture_events(void *userdata, uint64_t since, struct event *ret_events, size_t max)
{
	struct fixture *fixture = userdata;
	size_t n = 0;

	for (uint64_t id = since + 1; id <= fixture->n_events && n < max; id++)
		ret_events[n++] = (struct event){
			id, 1769860800000LL + (int64_t)id * 1000, "failover", "group app-servers", "checks",
			"from backend1 to backend2: connection refused",
		};
	return n;
}

static size_t fixture_maps(void *userdata, struct snapshot_map *ret_maps, size_t max)
{
	(void)userdata, (void)max;
	ret_maps[0] = (struct snapshot_map){"groups", "/sys/fs/bpf/shunt/groups", "array", 4096, 4, 16, 65536};
	ret_maps[1] = (struct snapshot_map){"slots", "/sys/fs/bpf/shunt/slots", "array", 8192, 4, 64, 524288};
	return 2;
}

static int fixture_denied(struct fixture *fixture, const char *what, const struct api_deny *deny, struct api_reply *reply)
{
	char first[80];

	TOLD("%s %zu %s %s %llu", what, deny->n, config_prefix_format(deny->prefixes, first, sizeof(first)),
	     deny->service ?: "-", (unsigned long long)deny->for_ms);
	return fixture_outcome(fixture, reply);
}

static int fixture_deny_add(void *userdata, const struct api_deny *deny, struct api_reply *reply)
{
	return fixture_denied(userdata, "deny", deny, reply);
}

static int fixture_deny_remove(void *userdata, const struct api_deny *deny, struct api_reply *reply)
{
	return fixture_denied(userdata, "undeny", deny, reply);
}

static int fixture_deny_list(void *userdata, const struct api_deny_query *query, struct api_reply *reply)
{
	struct fixture *fixture = userdata;
	char after[80] = "-", overlaps[80] = "-";

	if (query->after)
		config_prefix_format(query->after, after, sizeof(after));
	if (query->overlaps)
		config_prefix_format(query->overlaps, overlaps, sizeof(overlaps));
	TOLD("denied %s %s %s", after, overlaps, query->service ?: "-");
	reply->document = json_array();
	return 0;
}

static int fixture_group_post(void *userdata, const json_t *group, struct api_reply *reply)
{
	struct fixture *fixture = userdata;

	TOLD("group_post %s %zu", json_string_value(json_object_get(group, "name")) ?: "-", json_object_size(group));
	return fixture_outcome(fixture, reply);
}

static int fixture_group_delete(void *userdata, const char *name, struct api_reply *reply)
{
	struct fixture *fixture = userdata;

	TOLD("group_delete %s", name);
	return fixture_outcome(fixture, reply);
}

static int fixture_saved(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct fixture *fixture = userdata;

	(void)source, (void)usec;
	api_saved(fixture->api, ++fixture->saved, "/state.json", fixture->save_result);
	return 0;
}

static uint64_t fixture_saving(void *userdata)
{
	struct fixture *fixture = userdata;

	if (!fixture->save_ms)
		return 0;
	fixture->saves++;
	assert(sd_event_add_time_relative(fixture->event, NULL, CLOCK_MONOTONIC, fixture->save_ms * 1000, 1, fixture_saved, fixture) >= 0);
	return fixture->saves;
}

static const struct api_handlers __attribute__((unused)) fixture_handlers = {
	.saving = fixture_saving, .group_post = fixture_group_post, .group_delete = fixture_group_delete,
	.snapshot_begin = fixture_snapshot_begin, .snapshot_go_on = fixture_snapshot_go_on,
	.snapshot_of = fixture_snapshot_of, .snapshot_free = fixture_snapshot_free, .drain = fixture_drain,
	.maint = fixture_maint, .ready = fixture_ready, .weight = fixture_weight, .failover = fixture_failover,
	.failback = fixture_failback, .reload = fixture_reload, .foresee = fixture_foresee, .backup = fixture_backup, .restore = fixture_restore, .detach = fixture_detach, .explain = fixture_explain,
	.flows = fixture_flows, .trace_begin = fixture_trace_begin, .trace_fetch = fixture_trace_fetch, .trace_end = fixture_trace_end,
	.events = fixture_events, .maps = fixture_maps,
	.deny_add = fixture_deny_add, .deny_remove = fixture_deny_remove, .deny_list = fixture_deny_list,
};

/* ---- the server's thread ---- */

static int fixture_on_stop(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	(void)fd, (void)events, (void)userdata;
	return sd_event_exit(sd_event_source_get_event(source), 0);
}

static inline void *fixture_serve(void *userdata)
{
	struct fixture *fixture = userdata;
	struct api *api = NULL;
	sd_event *event;
	uint64_t one = 1;

	assert(sd_event_new(&event) >= 0);
	fixture->event = event;
	assert(sd_event_add_io(event, NULL, fixture->stop_fd, EPOLLIN, fixture_on_stop, NULL) >= 0);
	fixture->opened = api_open(event, &(struct api_options){
		.socket_path = fixture->socket_path,
		.listen = *fixture->listen ? fixture->listen : NULL,
		.token_file = fixture->use_token ? fixture->token_file : NULL,
		.read_token_file = fixture->read_token_file,
		.certificate_file = fixture->certificate_file,
		.key_file = fixture->key_file,
	}, fixture->handlers ?: &fixture_handlers, fixture, &api);
	fixture->api = api;
	assert(write(fixture->ready_fd, &one, sizeof(one)) == sizeof(one));
	if (fixture->opened == 0)
		assert(sd_event_loop(event) >= 0);
	api_close(api);
	sd_event_unref(event);
	return NULL;
}

/* Makes the folder and its names; then change what the test needs, and start. */
static inline void fixture_init(struct fixture *fixture)
{
	*fixture = (struct fixture){};
	snprintf(fixture->directory, sizeof(fixture->directory), "/tmp/shunt-test-XXXXXX");
	assert(mkdtemp(fixture->directory));
	snprintf(fixture->socket_path, sizeof(fixture->socket_path), "%s/shunt.sock", fixture->directory);
	snprintf(fixture->token_file, sizeof(fixture->token_file), "%s/token", fixture->directory);
	fixture_fill(&fixture->snapshot);
	fixture->n_events = 3;
}

/* A port that is free now. */
static inline void fixture_use_tcp(struct fixture *fixture)
{
	struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t length = sizeof(name);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert(bind(fd, (struct sockaddr *)&name, length) == 0);
	assert(getsockname(fd, (struct sockaddr *)&name, &length) == 0);
	close(fd);
	snprintf(fixture->listen, sizeof(fixture->listen), "127.0.0.1:%u", ntohs(name.sin_port));
}

static inline void fixture_write_token(struct fixture *fixture, const char *token)
{
	assert(file_write_atomically(fixture->token_file, token, strlen(token), 0600) == 0);
	fixture->use_token = true;
}

static inline int fixture_start(struct fixture *fixture)
{
	uint64_t number;

	fixture->stop_fd = eventfd(0, EFD_CLOEXEC);
	fixture->ready_fd = eventfd(0, EFD_CLOEXEC);
	assert(pthread_create(&fixture->thread, NULL, fixture_serve, fixture) == 0);
	assert(read(fixture->ready_fd, &number, sizeof(number)) == sizeof(number));
	return fixture->opened;
}

static inline void fixture_stop(struct fixture *fixture)
{
	uint64_t one = 1;

	assert(write(fixture->stop_fd, &one, sizeof(one)) == sizeof(one));
	pthread_join(fixture->thread, NULL);
	close(fixture->stop_fd);
	close(fixture->ready_fd);
	unlink(fixture->token_file);
	rmdir(fixture->directory);
	assert(fixture->snapshots_alive == 0);
}

#endif
