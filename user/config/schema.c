/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Every key of the configuration file: where it may stand, what it takes, which field of the draft it fills. To add a
 * key, add its line here, its field in draft.h and its meaning (with its default) in a validate*.c.
 */
#include <stddef.h>

#include "config/schema.h"

#define MS_PER_S 1000
#define MS_PER_HOUR (3600 * MS_PER_S)
#define PORT_MAX 65535
#define PRIORITY_MAX 65535
#define PENALTY_MAX 1000000
#define THRESHOLD_MAX 1000
#define FLOW_TABLE_SIZE_MAX (1 << 30)
#define NEW_FLOWS_MAX 10000000
#define PER_CLIENT_MAX 100000
#define PREFIXES_MAX 250000 /* of one list; all lists of a kind share SHUNT_MAX_LISTED */
#define CHECKS_IN_FLIGHT_MAX 100000
#define TEXT_MAX 1024 /* bytes that a check sends, expects, or has as an argument */
#define COMMAND_WORDS_MAX 64
#define CHECK_PARTS_MAX 8
#define HOOK_EVENTS_MAX 16
#define MSS_MIN 536    /* what every IPv4 host must take (RFC 9293 section 3.7.1) */
#define MSS_MAX 65495  /* a 65,535-byte packet less its headers */

/* A reload holds the old and the new at once, hence the halves. */
#define SERVICES_MAX (SHUNT_MAX_SERVICES / 2)
#define GROUPS_MAX (SHUNT_MAX_GROUPS - 1)
#define BACKENDS_MAX (SHUNT_MAX_BACKENDS / 2)
#define WINDOWS_MAX 1000
#define DNS_MAX 1000
#define NAME_SERVERS_MAX 8
#define TRY_COUNT_MAX 1000
#define INTERFACES_MAX (SHUNT_MAX_LINKS - 1)

#define AT(type, member) .offset = offsetof(struct type, member)
#define SCHEMA(type, table) .size = sizeof(struct type), .fields = table

static const struct field interface_fields[] = {
	{"name", FIELD_INTERFACE, AT(draft_interface, name), .required = true},
	{"mode", FIELD_WORD, AT(draft_interface, mode), .words = xdp_mode_words},
	{},
};

static const struct field source_fields[] = {
	{"ipv4", FIELD_IPV4_PREFIX, AT(draft_source, ipv4)},
	{"ipv6", FIELD_IPV6, AT(draft_source, ipv6)},
	{},
};

static const struct field api_fields[] = {
	{"listen", FIELD_LISTEN, AT(draft_api, listen)},
	{"token_file", FIELD_FILE, AT(draft_api, token_file)},
	{"read_token_file", FIELD_FILE, AT(draft_api, read_token_file)},
	{"certificate_file", FIELD_FILE, AT(draft_api, certificate_file)},
	{"key_file", FIELD_FILE, AT(draft_api, key_file)},
	{},
};

static const struct field score_fields[] = {
	{"results", FIELD_NUMBER, AT(draft_score, results), .min = CONFIG_SCORE_RESULTS_MIN, .max = CONFIG_SCORE_RESULTS_MAX},
	{"window", FIELD_DURATION, AT(draft_score, window), .min = 100, .max = 24 * MS_PER_HOUR},
	{},
};

static const struct schema score_schema = {"score", SCHEMA(draft_score, score_fields)};
static const struct field command_fields[] = {
	{"word", FIELD_TEXT, AT(draft_word, word), .required = true, .max = TEXT_MAX},
	{},
};

static const struct schema command_schema = {"word", .size = sizeof(struct draft_word), .bare_name = true,
					     .fields = command_fields};

/* What a check asks: also of the parts of another. When it asks and what counts is for the whole. */
#define CHECK_QUESTION \
	{"type", FIELD_WORD, AT(draft_check, type), .words = check_type_words}, \
	{"path", FIELD_URL_PATH, AT(draft_check, path)}, \
	{"host", FIELD_HOST, AT(draft_check, host)}, \
	{"port", FIELD_NUMBER, AT(draft_check, port), .min = 1, .max = PORT_MAX}, \
	{"method", FIELD_METHOD, AT(draft_check, method)}, \
	{"status", FIELD_STATUS, AT(draft_check, status)}, \
	{"http_version", FIELD_WORD, AT(draft_check, http_version), .words = http_version_words}, \
	{"send", FIELD_TEXT, AT(draft_check, send), .min = 1, .max = TEXT_MAX}, \
	{"send_hex", FIELD_HEX, AT(draft_check, send_hex)}, \
	{"expect", FIELD_TEXT, AT(draft_check, expect), .min = 1, .max = TEXT_MAX}, \
	{"expect_hex", FIELD_HEX, AT(draft_check, expect_hex)}, \
	{"sni", FIELD_HOST, AT(draft_check, sni)}, \
	{"verify", FIELD_WORD, AT(draft_check, verify), .words = verify_words}, \
	{"ca_file", FIELD_FILE, AT(draft_check, ca_file)}, \
	{"certificate_file", FIELD_FILE, AT(draft_check, certificate_file)}, \
	{"key_file", FIELD_FILE, AT(draft_check, key_file)}, \
	{"query", FIELD_HOST, AT(draft_check, query)}, \
	{"query_type", FIELD_WORD, AT(draft_check, query_type), .words = query_type_words}, \
	{"rcode", FIELD_WORD, AT(draft_check, rcode), .words = rcode_words}, \
	{"answer", FIELD_ADDRESS, AT(draft_check, answer)}, \
	{"command", FIELD_LIST, AT(draft_check, command), .min = 1, .max = COMMAND_WORDS_MAX, .schema = &command_schema}

static const struct field check_part_fields[] = {CHECK_QUESTION, {}};

static const struct schema check_part_schema = {"check", .size = sizeof(struct draft_check),
						.fields = check_part_fields};

static const struct field check_fields[] = {
	CHECK_QUESTION,
	{"all", FIELD_LIST, AT(draft_check, all), .min = 1, .max = CHECK_PARTS_MAX, .schema = &check_part_schema},
	{"any", FIELD_LIST, AT(draft_check, any), .min = 1, .max = CHECK_PARTS_MAX, .schema = &check_part_schema},
	{"interval", FIELD_DURATION, AT(draft_check, interval), .min = 10, .max = MS_PER_HOUR},
	{"fast_interval", FIELD_DURATION, AT(draft_check, fast_interval), .min = 10, .max = MS_PER_HOUR},
	{"timeout", FIELD_DURATION, AT(draft_check, timeout), .min = 1, .max = MS_PER_HOUR},
	{"healthy_threshold", FIELD_NUMBER, AT(draft_check, healthy_threshold), .min = 1, .max = THRESHOLD_MAX},
	{"unhealthy_threshold", FIELD_NUMBER, AT(draft_check, unhealthy_threshold), .min = 1, .max = THRESHOLD_MAX},
	{"via", FIELD_WORD, AT(draft_check, via), .words = via_words},
	{"padded_interval", FIELD_DURATION, AT(draft_check, padded_interval), .min = 100, .max = 24 * MS_PER_HOUR},
	{"slow_threshold", FIELD_DURATION, AT(draft_check, health.slow_threshold), .min = 1, .max = MS_PER_HOUR},
	{"degraded_weight", FIELD_PERCENT, AT(draft_check, health.degraded_weight), .min = 1, .max = 100},
	{"predict", FIELD_DURATION, AT(draft_check, health.predict), .min = MS_PER_S, .max = 24 * MS_PER_HOUR},
	{"slow_start", FIELD_DURATION, AT(draft_check, health.slow_start), .max = 24 * MS_PER_HOUR},
	{"max_interval", FIELD_DURATION, AT(draft_check, health.max_interval), .min = 10, .max = MS_PER_HOUR},
	{"score", FIELD_MAPPING, AT(draft_check, health.score), .schema = &score_schema},
	{},
};

static const struct field prefix_fields[] = {
	{"prefix", FIELD_PREFIX, AT(draft_prefix, prefix), .required = true},
	{},
};

static const struct field client_fields[] = {
	{"prefix", FIELD_PREFIX, AT(draft_client, prefix), .required = true},
	{"group", FIELD_NAME, AT(draft_client, group), .required = true},
	{},
};

static const struct schema client_schema = {"client", SCHEMA(draft_client, client_fields)};

static const struct field client_prefix_fields[] = {
	{"ipv4", FIELD_NUMBER, AT(draft_client_prefix, ipv4), .min = 1, .max = 32},
	{"ipv6", FIELD_NUMBER, AT(draft_client_prefix, ipv6), .min = 1, .max = 128},
	{},
};

static const struct schema prefix_schema = {"client", .size = sizeof(struct draft_prefix), .bare_name = true,
					    .fields = prefix_fields};
static const struct schema client_prefix_schema = {"client_prefix", .size = sizeof(struct draft_client_prefix),
						   .fields = client_prefix_fields};

static const struct field limits_fields[] = {
	{"new_flows", FIELD_NUMBER, AT(draft_limits, new_flows), .min = 1, .max = NEW_FLOWS_MAX},
	{"burst", FIELD_NUMBER, AT(draft_limits, burst), .min = 1, .max = NEW_FLOWS_MAX},
	{"per_client", FIELD_NUMBER, AT(draft_limits, per_client), .min = 1, .max = PER_CLIENT_MAX},
	{"client_burst", FIELD_NUMBER, AT(draft_limits, client_burst), .min = 1, .max = PER_CLIENT_MAX},
	{"client_prefix", FIELD_MAPPING, AT(draft_limits, client_prefix), .schema = &client_prefix_schema},
	{},
};

static const struct schema limits_schema = {"limits", .size = sizeof(struct draft_limits), .fields = limits_fields};

#define PREFIX_LIST(type, member) FIELD_LIST, AT(type, member), .max = PREFIXES_MAX, .schema = &prefix_schema

static const struct field gue_fields[] = {
	{"port", FIELD_NUMBER, AT(draft_gue, port), .required = true, .min = 1, .max = PORT_MAX},
	{},
};

static const struct schema gue_schema = {"gue", SCHEMA(draft_gue, gue_fields)};

/* RFC 9000 section 17.2: a connection id has up to 20 bytes. */
#define CONNECTION_ID_MAX 20

static const struct field server_id_fields[] = {
	{"offset", FIELD_NUMBER, AT(draft_server_id, offset), .required = true, .max = CONNECTION_ID_MAX - 1},
	{"length", FIELD_NUMBER, AT(draft_server_id, length), .required = true, .min = 1, .max = SHUNT_SERVER_ID_MAX},
	{},
};

static const struct schema server_id_schema = {"server_id", SCHEMA(draft_server_id, server_id_fields)};

static const struct field quic_fields[] = {
	{"enabled", FIELD_WORD, AT(draft_quic, enabled), .words = switch_words},
	{"server_id", FIELD_MAPPING, AT(draft_quic, server_id), .schema = &server_id_schema},
	{},
};

static const struct schema quic_schema = {"quic", .size = sizeof(struct draft_quic), .bare_name = true,
					  .fields = quic_fields};

static const struct field service_fields[] = {
	{"name", FIELD_NAME, AT(draft_service, name), .required = true},
	{"address", FIELD_ADDRESS_OR_PREFIX, AT(draft_service, address), .required = true},
	{"protocol", FIELD_WORD, AT(draft_service, protocol), .words = protocol_words},
	{"port", FIELD_NUMBER, AT(draft_service, port), .required = true, .max = PORT_MAX},
	{"group", FIELD_NAME, AT(draft_service, group), .required = true},
	{"forward", FIELD_WORD, AT(draft_service, forward), .words = forward_words},
	{"hash", FIELD_WORD, AT(draft_service, hash), .words = hash_words},
	{"scheduler", FIELD_WORD, AT(draft_service, scheduler), .words = scheduler_words},
	{"tracking", FIELD_WORD, AT(draft_service, tracking), .words = tracking_words},
	{"on_empty", FIELD_WORD, AT(draft_service, on_empty), .words = on_empty_words},
	{"deny", PREFIX_LIST(draft_service, deny)},
	{"allow", PREFIX_LIST(draft_service, allow)},
	{"clients", FIELD_LIST, AT(draft_service, clients), .max = PREFIXES_MAX, .schema = &client_schema},
	{"limits", FIELD_MAPPING, AT(draft_service, limits), .schema = &limits_schema},
	{"quic", FIELD_MAPPING, AT(draft_service, quic), .schema = &quic_schema},
	{"gue", FIELD_MAPPING, AT(draft_service, gue), .schema = &gue_schema},
	{"mss", FIELD_WORD_OR_NUMBER, AT(draft_service, mss), .min = MSS_MIN, .max = MSS_MAX, .words = mss_words},
	{},
};

static const struct field member_fields[] = {
	{"name", FIELD_NAME, AT(draft_member, name), .required = true},
	{"priority", FIELD_NUMBER, AT(draft_member, priority), .max = PRIORITY_MAX},
	{},
};

static const struct field backend_fields[] = {
	{"name", FIELD_NAME, AT(draft_backend, name), .required = true},
	{"address", FIELD_ADDRESS, AT(draft_backend, address), .required = true},
	{"weight", FIELD_NUMBER, AT(draft_backend, weight), .max = CONFIG_WEIGHT_MAX},
	{"port", FIELD_NUMBER, AT(draft_backend, port), .min = 1, .max = PORT_MAX},
	{"server_id", FIELD_SERVER_ID, AT(draft_backend, server_id)},
	{},
};

static const struct schema interface_schema = {"interface", SCHEMA(draft_interface, interface_fields),
					       .bare_name = true};
static const struct schema source_schema = {"source", SCHEMA(draft_source, source_fields)};
static const struct schema api_schema = {"api", SCHEMA(draft_api, api_fields)};
static const struct schema check_schema = {"health_check", SCHEMA(draft_check, check_fields)};
static const struct schema service_schema = {"service", SCHEMA(draft_service, service_fields)};
static const struct schema member_schema = {"backend", SCHEMA(draft_member, member_fields), .bare_name = true};
static const struct schema backend_schema = {"backend", SCHEMA(draft_backend, backend_fields)};

static const struct field damping_fields[] = {
	{"half_life", FIELD_DURATION, AT(draft_damping, half_life), .min = MS_PER_S, .max = 24 * MS_PER_HOUR},
	{"suppress", FIELD_NUMBER, AT(draft_damping, suppress), .min = 1, .max = PENALTY_MAX},
	{"reuse", FIELD_NUMBER, AT(draft_damping, reuse), .min = 1, .max = PENALTY_MAX},
	{"max_suppress", FIELD_DURATION, AT(draft_damping, max_suppress), .min = MS_PER_S, .max = 24 * MS_PER_HOUR},
	{},
};

static const struct schema damping_schema = {"damping", SCHEMA(draft_damping, damping_fields)};

static const struct field passive_fields[] = {
	{"enabled", FIELD_WORD, AT(draft_passive, enabled), .words = switch_words},
	{"interval", FIELD_DURATION, AT(draft_passive, interval), .min = 500, .max = 5 * 60 * MS_PER_S},
	{"min_packets", FIELD_NUMBER, AT(draft_passive, min_packets), .min = 5, .max = 1000000},
	{"base_time", FIELD_DURATION, AT(draft_passive, base_time), .min = MS_PER_S, .max = MS_PER_HOUR},
	{"max_time", FIELD_DURATION, AT(draft_passive, max_time), .min = MS_PER_S, .max = 24 * MS_PER_HOUR},
	{"max_ejected", FIELD_PERCENT, AT(draft_passive, max_ejected), .min = 1, .max = 100},
	{},
};

static const struct schema passive_schema = {"passive", SCHEMA(draft_passive, passive_fields)};

static const struct field group_fields[] = {
	{"name", FIELD_NAME, AT(draft_group, name), .required = true},
	{"mode", FIELD_WORD, AT(draft_group, mode), .words = group_mode_words},
	{"backends", FIELD_LIST, AT(draft_group, members), .max = BACKENDS_MAX,
	 .schema = &member_schema},
	{"primary", FIELD_NAME, AT(draft_group, primary)},
	{"failover", FIELD_WORD, AT(draft_group, failover), .words = failover_words},
	{"failback", FIELD_WORD, AT(draft_group, failback), .words = failback_words},
	{"failback_delay", FIELD_DURATION, AT(draft_group, failback_delay), .max = 24 * MS_PER_HOUR},
	{"hold_down", FIELD_DURATION, AT(draft_group, hold_down), .max = 24 * MS_PER_HOUR},
	{"min_healthy", FIELD_NUMBER_OR_PERCENT, AT(draft_group, min_healthy), .min = 1, .max = BACKENDS_MAX},
	{"return_healthy", FIELD_NUMBER_OR_PERCENT, AT(draft_group, return_healthy), .min = 1, .max = BACKENDS_MAX},
	{"panic", FIELD_PERCENT, AT(draft_group, panic), .max = 100},
	{"on_down", FIELD_WORD, AT(draft_group, on_down), .words = on_down_words},
	{"overprovision", FIELD_PERCENT, AT(draft_group, overprovision), .min = 100, .max = 10000},
	{"step", FIELD_PERCENT, AT(draft_group, step), .min = 1, .max = 100},
	{"interval", FIELD_DURATION, AT(draft_group, interval), .min = 100, .max = MS_PER_HOUR},
	{"max_lag", FIELD_DURATION, AT(draft_group, max_lag), .min = 1, .max = MS_PER_HOUR},
	{"damping", FIELD_MAPPING, AT(draft_group, damping), .schema = &damping_schema},
	{"fallback", FIELD_NAME, AT(draft_group, fallback)},
	{"health_check", FIELD_MAPPING, AT(draft_group, check), .schema = &check_schema},
	{"passive", FIELD_MAPPING, AT(draft_group, passive), .schema = &passive_schema},
	{},
};

static const struct field defaults_fields[] = {
	{"forward", FIELD_WORD, AT(draft_defaults, forward), .words = forward_words},
	{"gue", FIELD_MAPPING, AT(draft_defaults, gue), .schema = &gue_schema},
	{"health_check", FIELD_MAPPING, AT(draft_defaults, check), .schema = &check_schema},
	{},
};

const struct schema group_schema = {"group", SCHEMA(draft_group, group_fields)};
static const struct schema defaults_schema = {"defaults", SCHEMA(draft_defaults, defaults_fields)};

static const struct field window_fields[] = {
	{"backend", FIELD_NAME, AT(draft_window, backend)},
	{"group", FIELD_NAME, AT(draft_window, group)},
	{"start", FIELD_TIME, AT(draft_window, start)},
	{"cron", FIELD_CRON, AT(draft_window, cron)},
	{"duration", FIELD_DURATION, AT(draft_window, duration), .required = true, .min = MS_PER_S, .max = 7ULL * 24 * MS_PER_HOUR},
	{"drain", FIELD_DURATION, AT(draft_window, drain), .max = 24 * MS_PER_HOUR},
	{"target", FIELD_NAME, AT(draft_window, target)},
	{},
};

static const struct field dns_fields[] = {
	{"domain", FIELD_HOST, AT(draft_dns, domain), .required = true},
	{"group_name", FIELD_NAME, AT(draft_dns, group), .required = true},
	{"type", FIELD_WORD, AT(draft_dns, type), .words = dns_type_words},
	{"protocol", FIELD_NAME, AT(draft_dns, protocol)},
	{"port", FIELD_NUMBER, AT(draft_dns, port), .min = 1, .max = PORT_MAX},
	{"is_primary", FIELD_WORD, AT(draft_dns, is_primary), .words = switch_words},
	{"refresh", FIELD_DURATION, AT(draft_dns, refresh), .min = MS_PER_S, .max = 24 * MS_PER_HOUR},
	{"try_count", FIELD_NUMBER, AT(draft_dns, try_count), .max = TRY_COUNT_MAX},
	{},
};

static const struct field hook_event_fields[] = {
	{"event", FIELD_WORD, AT(draft_hook_event, event), .required = true, .words = hook_event_words},
	{},
};

static const struct schema hook_event_schema = {"event", .size = sizeof(struct draft_hook_event), .bare_name = true,
						.fields = hook_event_fields};

static const struct field hooks_fields[] = {
	{"exec", FIELD_LIST, AT(draft_hooks, exec), .min = 1, .max = COMMAND_WORDS_MAX, .schema = &command_schema},
	{"webhook", FIELD_URL, AT(draft_hooks, webhook)},
	{"token_file", FIELD_FILE, AT(draft_hooks, token_file)},
	{"ca_file", FIELD_FILE, AT(draft_hooks, ca_file)},
	{"on", FIELD_LIST, AT(draft_hooks, on), .min = 1, .max = HOOK_EVENTS_MAX, .schema = &hook_event_schema},
	{"max_attempts", FIELD_NUMBER, AT(draft_hooks, max_attempts), .min = 1, .max = 1000},
	{"timeout", FIELD_DURATION, AT(draft_hooks, timeout), .min = 10, .max = MS_PER_HOUR},
	{"backoff", FIELD_DURATION, AT(draft_hooks, backoff), .min = 1, .max = MS_PER_HOUR},
	{"max_backoff", FIELD_DURATION, AT(draft_hooks, max_backoff), .min = 1, .max = 24 * MS_PER_HOUR},
	{"queue", FIELD_NUMBER, AT(draft_hooks, queue), .min = 1, .max = 1000000},
	{},
};

static const struct schema hooks_schema = {"hooks", SCHEMA(draft_hooks, hooks_fields)};

static const struct field name_server_fields[] = {
	{"address", FIELD_NAME_SERVER, AT(draft_name_server, address), .required = true},
	{},
};

static const struct schema name_server_schema = {"name_server", SCHEMA(draft_name_server, name_server_fields), .bare_name = true};
static const struct schema dns_schema = {"dns_backend", SCHEMA(draft_dns, dns_fields)};
static const struct schema window_schema = {"window", SCHEMA(draft_window, window_fields)};

static const struct field config_fields[] = {
	{"interfaces", FIELD_LIST, AT(draft, interfaces), .required = true, .min = 1, .max = INTERFACES_MAX,
	 .schema = &interface_schema},
	{"source", FIELD_MAPPING, AT(draft, source), .schema = &source_schema},
	{"hash_seed", FIELD_NUMBER, AT(draft, hash_seed), .max = UINT64_MAX},
	{"table_size", FIELD_POWER_OF_TWO, AT(draft, table_size), .min = 16, .max = 1 << 20},
	{"flow_timeout", FIELD_DURATION, AT(draft, flow_timeout), .min = MS_PER_S, .max = 2 * MS_PER_HOUR},
	{"flow_table_size", FIELD_POWER_OF_TWO, AT(draft, flow_table_size), .min = 8, .max = FLOW_TABLE_SIZE_MAX},
	{"deny", PREFIX_LIST(draft, deny)},
	{"allow", PREFIX_LIST(draft, allow)},
	{"client_table_size", FIELD_POWER_OF_TWO, AT(draft, client_table_size), .min = 1024, .max = 1 << 24},
	{"on_exit", FIELD_WORD, AT(draft, on_exit), .words = on_exit_words},
	{"api", FIELD_MAPPING, AT(draft, api), .schema = &api_schema},
	{"defaults", FIELD_MAPPING, AT(draft, defaults), .schema = &defaults_schema},
	{"services", FIELD_LIST, AT(draft, services), .max = SERVICES_MAX, .schema = &service_schema},
	{"failover_groups", FIELD_LIST, AT(draft, groups), .max = GROUPS_MAX, .schema = &group_schema},
	{"backends", FIELD_LIST, AT(draft, backends), .max = BACKENDS_MAX, .schema = &backend_schema},
	{"maintenance", FIELD_LIST, AT(draft, maintenance), .max = WINDOWS_MAX, .schema = &window_schema},
	{"max_checks_in_flight", FIELD_NUMBER, AT(draft, max_checks_in_flight), .min = 1, .max = CHECKS_IN_FLIGHT_MAX},
	{"name_servers", FIELD_LIST, AT(draft, name_servers), .min = 1, .max = NAME_SERVERS_MAX, .schema = &name_server_schema},
	{"hooks", FIELD_MAPPING, AT(draft, hooks), .schema = &hooks_schema},
	{"dns_backends", FIELD_LIST, AT(draft, dns), .max = DNS_MAX, .schema = &dns_schema},
	{},
};

const struct schema config_schema = {NULL, SCHEMA(draft, config_fields)};

#define FITS(table) _Static_assert(sizeof(table) / sizeof(table[0]) <= FIELDS_MAX, "raise FIELDS_MAX")
FITS(config_fields);
FITS(service_fields);
FITS(group_fields);
FITS(check_fields);
