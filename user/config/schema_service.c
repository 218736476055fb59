/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The keys of a service: what it takes, who gets it and how, and who may not. */
#include <stddef.h>

#include "config/schema.h"

#define NEW_FLOWS_MAX 10000000
#define PER_CLIENT_MAX 100000
#define MSS_MIN 536            /* what every IPv4 host must take (RFC 9293 section 3.7.1) */
#define MSS_MAX 65495          /* a 65,535-byte packet less its headers */
#define CONNECTION_ID_MAX 20   /* RFC 9000 section 17.2 */

static const struct field prefix_fields[] = {
	{"prefix", FIELD_PREFIX, AT(draft_prefix, prefix), .required = true, .meaning = "clients of this prefix"},
	{},
};

const struct schema prefix_schema = {"client", .size = sizeof(struct draft_prefix), .bare_name = true, .fields = prefix_fields};

static const struct field client_fields[] = {
	{"prefix", FIELD_PREFIX, AT(draft_client, prefix), .required = true,
	 .meaning = "of the family of the service's address; of several that fit the longest holds"},
	{"group", FIELD_NAME, AT(draft_client, group), .required = true, .meaning = "who serves these clients"},
	{},
};

static const struct schema client_schema = {"client", SCHEMA(draft_client, client_fields),
					    .about = "Clients whom another group serves."};

static const struct field client_prefix_fields[] = {
	{"ipv4", FIELD_NUMBER, AT(draft_client_prefix, ipv4), .min = 1, .max = 32, .standard = "32",
	 .meaning = "length of the prefix that is one client"},
	{"ipv6", FIELD_NUMBER, AT(draft_client_prefix, ipv6), .min = 1, .max = 128, .standard = "64",
	 .meaning = "the same of IPv6"},
	{},
};

static const struct schema client_prefix_schema = {"client_prefix", .size = sizeof(struct draft_client_prefix),
						   .fields = client_prefix_fields, .about = "What counts as one client."};

static const struct field limits_fields[] = {
	{"new_flows", FIELD_NUMBER, AT(draft_limits, new_flows), .min = 1, .max = NEW_FLOWS_MAX, .otherwise = "no limit",
	 .meaning = "TCP connections a second that the service may begin"},
	{"burst", FIELD_NUMBER, AT(draft_limits, burst), .min = 1, .max = NEW_FLOWS_MAX, .otherwise = "that of `new_flows`",
	 .meaning = "how many may come at once"},
	{"per_client", FIELD_NUMBER, AT(draft_limits, per_client), .min = 1, .max = PER_CLIENT_MAX, .otherwise = "no limit",
	 .meaning = "connections a second that each client may begin"},
	{"client_burst", FIELD_NUMBER, AT(draft_limits, client_burst), .min = 1, .max = PER_CLIENT_MAX, .otherwise = "that of `per_client`",
	 .meaning = "how many of one client may come at once"},
	{"client_prefix", FIELD_MAPPING, AT(draft_limits, client_prefix), .schema = &client_prefix_schema, .otherwise = "as below",
	 .meaning = "what counts as one client"},
	{},
};

static const struct schema limits_schema = {"limits", .size = sizeof(struct draft_limits), .fields = limits_fields,
					    .about = "How many connections may begin; of TCP services."};

static const struct field gue_fields[] = {
	{"port", FIELD_NUMBER, AT(draft_gue, port), .min = 1, .max = PORT_MAX, .standard = "6080", /* draft-ietf-intarea-gue-09 section 8.1 */
	 .meaning = "UDP port that backends take GUE on"},
	{},
};

const struct schema gue_schema = {"gue", SCHEMA(draft_gue, gue_fields), .about = "Of `forward: gue`. What a service does not say is as in `defaults`."};

static const struct field server_id_fields[] = {
	{"offset", FIELD_NUMBER, AT(draft_server_id, offset), .required = true, .max = CONNECTION_ID_MAX - 1,
	 .meaning = "bytes of the connection id before it"},
	{"length", FIELD_NUMBER, AT(draft_server_id, length), .required = true, .min = 1, .max = SHUNT_SERVER_ID_MAX,
	 .meaning = "its bytes"},
	{},
};

static const struct schema server_id_schema = {"server_id", SCHEMA(draft_server_id, server_id_fields),
					       .about = "Where connection ids name the backend."};

static const struct field quic_fields[] = {
	{"enabled", FIELD_WORD, AT(draft_quic, enabled), .words = switch_words, .standard = "true",
	 .meaning = "whether Initial packets start flows that stay, as a TCP SYN does"},
	{"server_id", FIELD_MAPPING, AT(draft_quic, server_id), .schema = &server_id_schema, .otherwise = "none",
	 .meaning = "where connection ids name the backend, so that connections follow a client to another address"},
	{},
};

static const struct schema quic_schema = {"quic", .size = sizeof(struct draft_quic), .bare_name = true, .fields = quic_fields,
					  .about = "Of a UDP service that speaks QUIC; `quic: true` is enough."};

static const struct field service_fields[] = {
	{"name", FIELD_NAME, AT(draft_service, name), .required = true, .meaning = "what it is called in commands, metrics and events"},
	{"address", FIELD_ADDRESS_OR_PREFIX, AT(draft_service, address), .required = true, .meaning = "where clients send"},
	{"protocol", FIELD_WORD, AT(draft_service, protocol), .words = protocol_words, .standard = "tcp", .meaning = "of its packets"},
	{"port", FIELD_NUMBER, AT(draft_service, port), .required = true, .max = PORT_MAX, .meaning = "`0`: every port"},
	{"group", FIELD_NAME, AT(draft_service, group), .required = true, .meaning = "of `failover_groups`: who serves it"},
	{"forward", FIELD_WORD, AT(draft_service, forward), .words = forward_words, .otherwise = "that of `defaults`",
	 .meaning = "how packets reach backends: their MAC address, a tunnel, or their address and port (nat)"},
	{"hash", FIELD_WORD, AT(draft_service, hash), .words = hash_words, .standard = "5-tuple",
	 .meaning = "what picks the slot; `source-ip` keeps all flows of a client together"},
	{"scheduler", FIELD_WORD, AT(draft_service, scheduler), .words = scheduler_words, .standard = "maglev",
	 .meaning = "who gets a new flow. All but `maglev` remember every flow"},
	{"tracking", FIELD_WORD, AT(draft_service, tracking), .words = tracking_words, .standard = "auto",
	 .meaning = "which flows are remembered: those whose slot moves, all, none (they move with their slot)"},
	{"on_empty", FIELD_WORD, AT(draft_service, on_empty), .words = on_empty_words, .standard = "drop",
	 .meaning = "what becomes of packets while no backend is fit: nothing, an answer that refuses, any backend"},
	{"deny", PREFIX_LIST(draft_service, deny), .otherwise = "nobody", .meaning = "clients that it does not serve"},
	{"allow", PREFIX_LIST(draft_service, allow), .otherwise = "everybody", .meaning = "the only clients that it serves"},
	{"clients", FIELD_LIST, AT(draft_service, clients), .max = PREFIXES_MAX, .schema = &client_schema, .otherwise = "none",
	 .meaning = "clients whom other groups serve"},
	{"limits", FIELD_MAPPING, AT(draft_service, limits), .schema = &limits_schema, .otherwise = "none",
	 .meaning = "how many connections may begin"},
	{"quic", FIELD_MAPPING, AT(draft_service, quic), .schema = &quic_schema, .otherwise = "not QUIC",
	 .meaning = "that it speaks QUIC"},
	{"gue", FIELD_MAPPING, AT(draft_service, gue), .schema = &gue_schema, .otherwise = "that of `defaults`",
	 .meaning = "of `forward: gue`"},
	{"mss", FIELD_WORD_OR_NUMBER, AT(draft_service, mss), .min = MSS_MIN, .max = MSS_MAX, .words = mss_words,
	 .otherwise = "as clients say", .meaning = "the most that SYNs may offer as MSS; `auto`: what fits on the way to the backend"},
	{},
};

const struct schema service_schema = {"service", SCHEMA(draft_service, service_fields),
				      .about = "An address, protocol and port that clients send to."};

FITS(service_fields);
