/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Every key of the configuration file: where it may stand, what it takes, which field of the draft it fills, its default and its
 * meaning. The reader, the messages, docs/reference/configuration.md and shunt.yaml(5) come from here. To add a key, add its line here
 * or in the schema_*.c of its kind, its field in draft.h, what is made of it in a validate*.c, and run `make reference`.
 */
#include <stddef.h>

#include "config/schema.h"

#define FLOW_TABLE_SIZE_MAX (1 << 30)
#define CHECKS_IN_FLIGHT_MAX 100000
#define HOOK_EVENTS_MAX 16

/* A reload holds the old and the new at once, hence the half. */
#define SERVICES_MAX (SHUNT_MAX_SERVICES / 2)
#define GROUPS_MAX (SHUNT_MAX_GROUPS - 1)
#define WINDOWS_MAX 1000
#define DNS_MAX 1000
#define NAME_SERVERS_MAX 8
#define TRY_COUNT_MAX 1000
#define INTERFACES_MAX (SHUNT_MAX_LINKS - 1)

static const struct field interface_fields[] = {
	{"name", FIELD_INTERFACE, AT(draft_interface, name), .required = true, .meaning = "what `ip link` calls it"},
	{"mode", FIELD_WORD, AT(draft_interface, mode), .words = xdp_mode_words, .standard = "auto",
	 .meaning = "XDP in the driver, or above it; `auto`: in the driver, else above with a warning"},
	{},
};

static const struct schema interface_schema = {"interface", SCHEMA(draft_interface, interface_fields), .bare_name = true,
					       .about = "An interface that packets for services come by, mostly written as its name "
							"alone."};

static const struct field source_fields[] = {
	{"ipv4", FIELD_IPV4_PREFIX, AT(draft_source, ipv4), .otherwise = "the interface's own",
	 .meaning = "of outer headers; a prefix spreads flows over the receive queues of backends"},
	{"ipv6", FIELD_IPV6, AT(draft_source, ipv6), .otherwise = "the interface's own", .meaning = "the same over IPv6"},
	{},
};

static const struct schema source_schema = {"source", SCHEMA(draft_source, source_fields), .about = "Outer source of tunnelled packets."};

static const struct field api_fields[] = {
	{"listen", FIELD_LISTEN, AT(draft_api, listen), .otherwise = "only the Unix socket",
	 .meaning = "where the API is to be had over TCP; beyond loopback it needs a token and TLS"},
	{"token_file", FIELD_FILE, AT(draft_api, token_file), .otherwise = "no token is asked for",
	 .meaning = "holds the token for everything; read for each request"},
	{"read_token_file", FIELD_FILE, AT(draft_api, read_token_file), .otherwise = "none", .meaning = "holds a token that may only read"},
	{"certificate_file", FIELD_FILE, AT(draft_api, certificate_file), .otherwise = "no TLS",
	 .meaning = "PEM, the server's certificate first, then its chain; read again when it changes"},
	{"key_file", FIELD_FILE, AT(draft_api, key_file), .otherwise = "no TLS", .meaning = "its key, PEM"},
	{},
};

static const struct schema api_schema = {"api", SCHEMA(draft_api, api_fields), .about = "The HTTP API over TCP."};

static const struct field backend_fields[] = {
	{"name", FIELD_NAME, AT(draft_backend, name), .required = true, .meaning = "what it is called in groups, commands, metrics and events"},
	{"address", FIELD_ADDRESS, AT(draft_backend, address), .required = true, .meaning = "its own, which checks and tunnels go to"},
	{"weight", FIELD_NUMBER, AT(draft_backend, weight), .max = CONFIG_WEIGHT_MAX, .standard = "100",
	 .meaning = "its share of new flows, relative to the others; `0`: none, as if it drained"},
	{"port", FIELD_NUMBER, AT(draft_backend, port), .min = 1, .max = PORT_MAX, .otherwise = "that of the service",
	 .meaning = "where checks go, and where nat delivers"},
	{"server_id", FIELD_SERVER_ID, AT(draft_backend, server_id), .otherwise = "none",
	 .meaning = "what it puts into its QUIC connection ids, where a service's `quic` says"},
	{},
};

const struct schema backend_schema = {"backend", SCHEMA(draft_backend, backend_fields), .about = "A host that serves."};

static const struct field defaults_fields[] = {
	{"forward", FIELD_WORD, AT(draft_defaults, forward), .words = forward_words, .standard = "l2",
	 .meaning = "how packets reach backends: their MAC address, a tunnel, or their address and port (nat)"},
	{"gue", FIELD_MAPPING, AT(draft_defaults, gue), .schema = &gue_schema, .otherwise = "as below", .meaning = "of `forward: gue`"},
	{"health_check", FIELD_MAPPING, AT(draft_defaults, check), .schema = &check_schema, .otherwise = "as below",
	 .meaning = "how backends are checked"},
	{},
};

static const struct schema defaults_schema = {"defaults", SCHEMA(draft_defaults, defaults_fields),
					      .about = "What services and groups are unless they say otherwise."};

static const struct field window_fields[] = {
	{"backend", FIELD_NAME, AT(draft_window, backend), .otherwise = "it is of a `group`",
	 .meaning = "it is in maintenance while the window is open"},
	{"group", FIELD_NAME, AT(draft_window, group), .otherwise = "it is of a `backend`",
	 .meaning = "`target` serves it while the window is open"},
	{"start", FIELD_TIME, AT(draft_window, start), .otherwise = "as `cron` says", .meaning = "when it opens, once"},
	{"cron", FIELD_CRON, AT(draft_window, cron), .otherwise = "as `start` says",
	 .meaning = "when it opens, again and again, in the host's time zone"},
	{"duration", FIELD_DURATION, AT(draft_window, duration), .required = true, .min = MS_PER_S, .max = 7ULL * 24 * MS_PER_HOUR,
	 .meaning = "how long it stays open"},
	{"drain", FIELD_DURATION, AT(draft_window, drain), .max = 24 * MS_PER_HOUR, .standard = "0s",
	 .meaning = "of a backend: so much earlier it takes no new flows"},
	{"target", FIELD_NAME, AT(draft_window, target), .otherwise = "the next best one", .meaning = "of a group: who serves"},
	{},
};

static const struct schema window_schema = {"window", SCHEMA(draft_window, window_fields), .about = "A maintenance window."};

static const struct field dns_fields[] = {
	{"domain", FIELD_HOST, AT(draft_dns, domain), .required = true, .meaning = "the name that is asked for"},
	{"group_name", FIELD_NAME, AT(draft_dns, group), .required = true, .meaning = "of `failover_groups`: whose backends they are"},
	{"type", FIELD_WORD, AT(draft_dns, type), .words = dns_type_words, .standard = "address",
	 .meaning = "its A and AAAA records, or its SRV records and their targets' addresses"},
	{"protocol", FIELD_NAME, AT(draft_dns, protocol), .otherwise = "none", .meaning = "of the application, for people; implies TCP"},
	{"port", FIELD_NUMBER, AT(draft_dns, port), .min = 1, .max = PORT_MAX, .otherwise = "as SRV says, else that of the service",
	 .meaning = "where checks go, and where nat delivers"},
	{"is_primary", FIELD_WORD, AT(draft_dns, is_primary), .words = switch_words, .standard = "false",
	 .meaning = "in active-passive: its addresses stand first"},
	{"refresh", FIELD_DURATION, AT(draft_dns, refresh), .min = MS_PER_S, .max = 24 * MS_PER_HOUR,
	 .otherwise = "as the records' TTL says", .meaning = "how often it is asked for"},
	{"try_count", FIELD_NUMBER, AT(draft_dns, try_count), .max = TRY_COUNT_MAX, .standard = "3",
	 .meaning = "failed lookups in a row after which another name of the group takes over; `0`: never"},
	{},
};

static const struct schema dns_schema = {"dns_backend", SCHEMA(draft_dns, dns_fields),
					 .about = "A name, every address of which is a backend of a group."};

static const struct field hook_event_fields[] = {
	{"event", FIELD_WORD, AT(draft_hook_event, event), .required = true, .words = hook_event_words,
	 .meaning = "a group leaves who served it, it returns, a backend's health changes, a group has nobody fit or has again"},
	{},
};

static const struct schema hook_event_schema = {"event", .size = sizeof(struct draft_hook_event), .bare_name = true,
						.fields = hook_event_fields};

static const struct field hooks_fields[] = {
	{"exec", FIELD_LIST, AT(draft_hooks, exec), .min = 1, .max = COMMAND_WORDS_MAX, .schema = &command_schema, .otherwise = "none",
	 .meaning = "a program and its arguments, which finds the document on its standard input"},
	{"webhook", FIELD_URL, AT(draft_hooks, webhook), .otherwise = "none", .meaning = "a URL that the document is sent to by POST"},
	{"token_file", FIELD_FILE, AT(draft_hooks, token_file), .otherwise = "none",
	 .meaning = "webhook: the bearer token that is sent; read for each attempt"},
	{"ca_file", FIELD_FILE, AT(draft_hooks, ca_file), .otherwise = "the system's", .meaning = "webhook: authorities trusted, PEM"},
	{"on", FIELD_LIST, AT(draft_hooks, on), .min = 1, .max = HOOK_EVENTS_MAX, .schema = &hook_event_schema, .otherwise = "all",
	 .meaning = "the events that are told"},
	{"max_attempts", FIELD_NUMBER, AT(draft_hooks, max_attempts), .min = 1, .max = 1000, .standard = "5",
	 .meaning = "after which a document is given up"},
	{"timeout", FIELD_DURATION, AT(draft_hooks, timeout), .min = 10, .max = MS_PER_HOUR, .standard = "10s", .meaning = "of an attempt"},
	{"backoff", FIELD_DURATION, AT(draft_hooks, backoff), .min = 1, .max = MS_PER_HOUR, .standard = "1s",
	 .meaning = "before the second attempt; doubles with each one"},
	{"max_backoff", FIELD_DURATION, AT(draft_hooks, max_backoff), .min = 1, .max = 24 * MS_PER_HOUR, .standard = "1m",
	 .meaning = "the longest time between two attempts"},
	{"queue", FIELD_NUMBER, AT(draft_hooks, queue), .min = 1, .max = 1000000, .standard = "5000",
	 .meaning = "documents that may wait, of each of the two; beyond it the oldest are dropped"},
	{},
};

static const struct schema hooks_schema = {"hooks", SCHEMA(draft_hooks, hooks_fields), .about = "Who is told what happens."};

static const struct field name_server_fields[] = {
	{"address", FIELD_NAME_SERVER, AT(draft_name_server, address), .required = true, .meaning = "port 53 unless given"},
	{},
};

static const struct schema name_server_schema = {"name_server", SCHEMA(draft_name_server, name_server_fields), .bare_name = true};

static const struct field config_fields[] = {
	{"interfaces", FIELD_LIST, AT(draft, interfaces), .required = true, .min = 1, .max = INTERFACES_MAX, .schema = &interface_schema,
	 .meaning = "where packets for services come by"},
	{"source", FIELD_MAPPING, AT(draft, source), .schema = &source_schema, .otherwise = "the interfaces' own addresses",
	 .meaning = "outer source of tunnelled packets"},
	{"hash_seed", FIELD_NUMBER, AT(draft, hash_seed), .max = UINT64_MAX, .standard = "0",
	 .meaning = "the same on every host of a cluster gives the same tables; changed only by `reload --force`"},
	{"table_size", FIELD_POWER_OF_TWO, AT(draft, table_size), .min = 16, .max = 1 << 20, .standard = "65536",
	 .meaning = "slots in a group's table; changed only by `reload --force`"},
	{"flow_timeout", FIELD_DURATION, AT(draft, flow_timeout), .min = MS_PER_S, .max = 2 * MS_PER_HOUR, .standard = "15m",
	 .meaning = "idle time after which a flow is forgotten"},
	{"flow_table_size", FIELD_POWER_OF_TWO, AT(draft, flow_table_size), .min = 8, .max = FLOW_TABLE_SIZE_MAX, .standard = "1048576",
	 .meaning = "flows that can be remembered at once, 8 bytes each; changed only by `reload --force`"},
	{"deny", PREFIX_LIST(draft, deny), .otherwise = "nobody", .meaning = "clients that no service serves"},
	{"allow", PREFIX_LIST(draft, allow), .otherwise = "everybody", .meaning = "the only clients that services serve"},
	{"client_table_size", FIELD_POWER_OF_TWO, AT(draft, client_table_size), .min = 1024, .max = 1 << 24, .standard = "65536",
	 .meaning = "clients whose `limits` are kept, 8 bytes each"},
	{"on_exit", FIELD_WORD, AT(draft, on_exit), .words = on_exit_words, .standard = "keep",
	 .meaning = "what the data path does when shuntd ends: go on forwarding, or leave the interfaces"},
	{"api", FIELD_MAPPING, AT(draft, api), .schema = &api_schema, .otherwise = "only the Unix socket", .meaning = "the HTTP API over TCP"},
	{"defaults", FIELD_MAPPING, AT(draft, defaults), .schema = &defaults_schema, .otherwise = "as below",
	 .meaning = "what services and groups are unless they say otherwise"},
	{"services", FIELD_LIST, AT(draft, services), .max = SERVICES_MAX, .schema = &service_schema, .otherwise = "none",
	 .meaning = "what clients send to"},
	{"failover_groups", FIELD_LIST, AT(draft, groups), .max = GROUPS_MAX, .schema = &group_schema, .otherwise = "none",
	 .meaning = "who serves"},
	{"backends", FIELD_LIST, AT(draft, backends), .max = BACKENDS_MAX, .schema = &backend_schema, .otherwise = "none",
	 .meaning = "the hosts that groups consist of"},
	{"maintenance", FIELD_LIST, AT(draft, maintenance), .max = WINDOWS_MAX, .schema = &window_schema, .otherwise = "none",
	 .meaning = "maintenance windows"},
	{"max_checks_in_flight", FIELD_NUMBER, AT(draft, max_checks_in_flight), .min = 1, .max = CHECKS_IN_FLIGHT_MAX, .standard = "1000",
	 .meaning = "checks under way at a time, of all backends; the others wait in line"},
	{"name_servers", FIELD_LIST, AT(draft, name_servers), .min = 1, .max = NAME_SERVERS_MAX, .schema = &name_server_schema,
	 .otherwise = "those of the system", .meaning = "who is asked for names of `dns_backends` and of the webhook"},
	{"hooks", FIELD_MAPPING, AT(draft, hooks), .schema = &hooks_schema, .otherwise = "nobody", .meaning = "who is told what happens"},
	{"dns_backends", FIELD_LIST, AT(draft, dns), .max = DNS_MAX, .schema = &dns_schema, .otherwise = "none",
	 .meaning = "names whose addresses are backends"},
	{},
};

const struct schema config_schema = {NULL, SCHEMA(draft, config_fields)};

FITS(config_fields);

void schema_start(const struct schema *schema, void *draft) // NOLINT(misc-no-recursion): mappings are as deep as the tables
{
	for (const struct field *field = schema->fields; field->key; field++) {
		void *to = (char *)draft + field->offset;
		struct item *item = to;

		if (field->kind == FIELD_MAPPING)
			schema_start(field->schema, to);
		else if (field->standard) {
			item->text = field->standard;
			scalar_parse(field, item); /* tests/unit/test_reference.c holds all of them to parse */
		}
	}
}
