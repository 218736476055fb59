/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The routes, their parameters and the keys of their bodies: what routes.c goes by and what openapi.c describes, so that the
 * one cannot say other than the other. The keys of a body stand in the order in which its function takes their values.
 */
#include "api/call.h"
#include "api/page.h"
#include "api/watch.h"

#define ROUTE(its_method, its_path, its_serve, its_summary, its_answer, ...)                                                       \
	{.method = its_method, .path = its_path, .serve = its_serve, .summary = its_summary, .answer = its_answer, __VA_ARGS__}
#define QUERY(...) .query = ((const struct query_key[]){__VA_ARGS__, {}})
#define BODY(...) .body = ((const struct body_field[]){__VA_ARGS__, {}})
#define EMPTY_BODY .body = ((const struct body_field[]){{}})

#define FOR {"for", BODY_DURATION, false, "for so long; then it is taken back by itself"}
#define DRY_RUN_BODY {"dry_run", BODY_BOOLEAN, false, "only say what would move"}
#define DRY_RUN QUERY({"dry_run", false, "1: only say what would move"})
#define SINCE QUERY({"since", false, "id of an event: only later ones"})
#define PREFIXES(required) {"prefixes", BODY_TEXTS, required, "addresses and prefixes, at most 10,000"}
#define OF_SERVICE {"service", BODY_TEXT, false, "of this service; without it of all"}

/* clang-format off */
const struct route api_routes[] = {
	ROUTE("GET", "/", get_page, "the live status page", "text/html"),
	ROUTE("GET", "/health", get_health, "whether shunt does its work: for load balancers and monitors", "Health", .also = 503),
	ROUTE("GET", "/metrics", get_metrics, "counters and states for Prometheus", "text/plain"),
	ROUTE("GET", "/api/v1/openapi.json", get_openapi, "this description", "OpenAPI"),
	ROUTE("GET", "/api/v1/status", get_status, "everything there is", "Status"),
	ROUTE("GET", "/api/v1/services", get_services, "all services", "Service[]"),
	ROUTE("GET", "/api/v1/services/*", get_services, "a service", "Service"),
	ROUTE("GET", "/api/v1/groups", get_groups, "all groups", "Group[]"),
	ROUTE("GET", "/api/v1/groups/*", get_groups, "a group", "Group"),
	ROUTE("POST", "/api/v1/groups", post_groups, "makes a group, or changes one that was made so", "Group", .body_schema = "NewGroup",
	 .created = 201),
	ROUTE("DELETE", "/api/v1/groups/*", delete_group, "removes a group that was posted", "Done"),
	ROUTE("GET", "/api/v1/backends", get_backends, "all backends", "Backend[]"),
	ROUTE("GET", "/api/v1/backends/*", get_backends, "a backend", "Backend"),
	ROUTE("GET", "/api/v1/events", get_events, "the last events, oldest first, at most 1,000", "Event[]", SINCE),
	ROUTE("GET", "/api/v1/events/stream", get_events_stream, "events and changes as they happen (server-sent events)", "text/event-stream",
	 SINCE),
	ROUTE("GET", "/api/v1/access", get_access, "what the token that is sent allows", "Access"),
	ROUTE("GET", "/api/v1/explain", get_explain, "where a packet of a flow would go, and why", "Explanation",
	 QUERY({"proto", true, "tcp or udp"}, {"src", true, "ADDRESS:PORT of the client, IPv6 in brackets"},
	       {"dst", true, "ADDRESS:PORT of the service"})),
	ROUTE("GET", "/api/v1/maps", get_maps, "the BPF maps, and what memory they take", "Map[]"),
	ROUTE("GET", "/api/v1/deny", get_deny, "denied prefixes in their order, at most 10,000", "Denied[]",
	 QUERY({"after", false, "prefix: those behind it"}, {"prefix", false, "those that contain it or lie within it"},
	       {"service", false, "those of this service"})),
	ROUTE("POST", "/api/v1/deny", post_deny, "denies prefixes", "DenyAdded", BODY(PREFIXES(true), FOR, OF_SERVICE)),
	ROUTE("DELETE", "/api/v1/deny", delete_deny, "takes denied prefixes back: one by the query, or several by the body", "DenyRemoved",
	 QUERY({"prefix", false, "the one"}, {"service", false, "of this service"}), BODY(PREFIXES(false), OF_SERVICE)),
	ROUTE("POST", "/api/v1/groups/*/primary", post_failover, "moves a group to a backend", "Command", DRY_RUN,
	 BODY({"backend_id", BODY_TEXT, true, "name of the backend"}, FOR, DRY_RUN_BODY)),
	ROUTE("POST", "/api/v1/groups/*/failover", post_failover, "moves a group to a backend, or confirms what it proposes", "Command", DRY_RUN,
	 BODY({"to", BODY_TEXT, false, "name of the backend; without it the next best"}, FOR, DRY_RUN_BODY)),
	ROUTE("POST", "/api/v1/groups/*/failback", post_failback, "lets a group go back to its primary", "Command", EMPTY_BODY),
	ROUTE("POST", "/api/v1/backends/*/drain", post_drain, "no new flows; established ones stay", "Command", DRY_RUN,
	 BODY({"timeout", BODY_DURATION, false, "flows left after so long are given up"}, FOR, DRY_RUN_BODY)),
	ROUTE("POST", "/api/v1/backends/*/maint", post_maint, "out at once: no checks, no flows", "Command", DRY_RUN,
	 BODY(FOR, DRY_RUN_BODY)),
	ROUTE("POST", "/api/v1/backends/*/ready", post_ready, "takes a drain or maint back", "Command", EMPTY_BODY),
	ROUTE("POST", "/api/v1/backends/*/weight", post_weight, "sets a weight until the next reload", "Command",
	 BODY({"weight", BODY_NUMBER, true, "0: no new flows; what the configuration gives is its measure"}, FOR)),
	ROUTE("GET", "/api/v1/flows", get_flows, "live pinned flows of each backend", "Flows", QUERY({"backend", false, "of this one alone"})),
	ROUTE("POST", "/api/v1/trace", post_trace, "begins to watch packets", "Watcher",
	 BODY({"service", BODY_TEXT, false, "of this service"}, {"backend", BODY_TEXT, false, "to this backend"},
	      {"client", BODY_TEXT, false, "from this prefix"}, {"reason", BODY_TEXT, false, "dropped for this reason, or sent on because of it"},
	      {"bytes", BODY_BOOLEAN, false, "the packets themselves as well"})),
	ROUTE("GET", "/api/v1/trace/*", get_trace, "packets that came since; who does not ask for a while has left", "Traced"),
	ROUTE("DELETE", "/api/v1/trace/*", delete_trace, "leaves", "Done"),
	ROUTE("POST", "/api/v1/reload", post_reload, "reads the configuration again, all or nothing", "Reloaded", DRY_RUN,
	 BODY({"force", BODY_BOOLEAN, false, "even where living flows would be scattered"}, DRY_RUN_BODY)),
	ROUTE("POST", "/api/v1/backup", post_backup, "configuration, decisions of operators and where they are kept", "Backup", EMPTY_BODY),
	ROUTE("POST", "/api/v1/restore", post_restore, "puts in force what a restore has written to the state directory", "Reloaded",
	      BODY({"force", BODY_BOOLEAN, false, "even where living flows would be scattered"})),
	ROUTE("POST", "/api/v1/detach", post_detach, "takes the program off the interfaces", "Done", EMPTY_BODY),
	{},
};
