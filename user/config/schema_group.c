/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The keys of a group: who is in it, who of them serves, and when that changes. */
#include <stddef.h>

#include "config/schema.h"

#define PRIORITY_MAX 65535
#define PENALTY_MAX 1000000

static const struct field member_fields[] = {
	{"name", FIELD_NAME, AT(draft_member, name), .required = true, .meaning = "of `backends`"},
	{"priority", FIELD_NUMBER, AT(draft_member, priority), .max = PRIORITY_MAX,
	 .otherwise = "primary 0, others behind those before them",
	 .meaning = "lower is preferred, equal ones share a tier; no effect in mode active-active"},
	{},
};

static const struct schema member_schema = {"backend", SCHEMA(draft_member, member_fields), .bare_name = true,
					    .about = "A backend of the group, mostly written as its name alone."};

/* RFC 7196 section 4 recommends a suppress threshold of 6,000 and more; the others are RFC 2439's and routers' defaults. */
static const struct field damping_fields[] = {
	{"half_life", FIELD_DURATION, AT(draft_damping, half_life), .min = MS_PER_S, .max = 24 * MS_PER_HOUR, .standard = "15m",
	 .meaning = "time in which a penalty halves; each time a backend goes down adds 1000"},
	{"suppress", FIELD_NUMBER, AT(draft_damping, suppress), .min = 1, .max = PENALTY_MAX, .standard = "6000",
	 .meaning = "penalty at which it gets no new flows although it is up"},
	{"reuse", FIELD_NUMBER, AT(draft_damping, reuse), .min = 1, .max = PENALTY_MAX, .standard = "750",
	 .meaning = "penalty at which it is used again"},
	{"max_suppress", FIELD_DURATION, AT(draft_damping, max_suppress), .min = MS_PER_S, .max = 24 * MS_PER_HOUR, .standard = "1h",
	 .meaning = "the longest that it stays out after it went down last"},
	{},
};

static const struct schema damping_schema = {"damping", SCHEMA(draft_damping, damping_fields),
					     .about = "Flap damping (RFC 2439); without the key there is none, `{}` is all as below."};

static const struct field passive_fields[] = {
	{"enabled", FIELD_WORD, AT(draft_passive, enabled), .words = switch_words, .standard = "true",
	 .meaning = "whether backends are judged so"},
	{"interval", FIELD_DURATION, AT(draft_passive, interval), .min = 500, .max = 5 * 60 * MS_PER_S, .standard = "1s",
	 .meaning = "between two rounds"},
	{"min_packets", FIELD_NUMBER, AT(draft_passive, min_packets), .min = 5, .max = 1000000, .standard = "20",
	 .meaning = "TCP packets to a backend in a round, below which it is not judged"},
	{"base_time", FIELD_DURATION, AT(draft_passive, base_time), .min = MS_PER_S, .max = MS_PER_HOUR, .standard = "30s",
	 .meaning = "how long the first ejection lasts; each that follows within `max_time` lasts twice as long"},
	{"max_time", FIELD_DURATION, AT(draft_passive, max_time), .min = MS_PER_S, .max = 24 * MS_PER_HOUR, .standard = "5m",
	 .meaning = "the longest ejection"},
	{"max_ejected", FIELD_PERCENT, AT(draft_passive, max_ejected), .min = 1, .max = 100, .standard = "20%",
	 .meaning = "of the group's backends at once; one always may be"},
	{},
};

static const struct schema passive_schema = {"passive", SCHEMA(draft_passive, passive_fields),
					     .about = "Backends are judged by what clients send them; without the key they are not."};

static const struct field group_fields[] = {
	{"name", FIELD_NAME, AT(draft_group, name), .required = true, .meaning = "what it is called in commands, metrics and events"},
	{"mode", FIELD_WORD, AT(draft_group, mode), .words = group_mode_words, .standard = "active-passive",
	 .meaning = "one tier serves, all backends serve (also called normal), or one tier serves and moves come in steps"},
	{"backends", FIELD_LIST, AT(draft_group, members), .max = BACKENDS_MAX, .schema = &member_schema,
	 .otherwise = "those of `dns_backends`", .meaning = "its members, in order of preference"},
	{"primary", FIELD_NAME, AT(draft_group, primary), .otherwise = "none; active-passive needs it",
	 .meaning = "the member preferred to all others"},
	{"failover", FIELD_WORD, AT(draft_group, failover), .words = failover_words, .standard = "automatic",
	 .meaning = "who decides to leave a tier that cannot serve: the group, the group but never back, an operator"},
	{"failback", FIELD_WORD, AT(draft_group, failback), .words = failback_words, .standard = "manual",
	 .meaning = "who decides to return to a recovered better tier"},
	{"failback_delay", FIELD_DURATION, AT(draft_group, failback_delay), .max = 24 * MS_PER_HOUR, .standard = "30s",
	 .meaning = "how long the better tier must have been able, unbroken, before an automatic failback"},
	{"hold_down", FIELD_DURATION, AT(draft_group, hold_down), .max = 24 * MS_PER_HOUR, .standard = "0s",
	 .meaning = "least time between two moves that the group makes by itself"},
	{"min_healthy", FIELD_NUMBER_OR_PERCENT, AT(draft_group, min_healthy), .min = 1, .max = BACKENDS_MAX, .standard = "1",
	 .meaning = "fit members that a tier needs to serve; with fewer the next one takes over"},
	{"return_healthy", FIELD_NUMBER_OR_PERCENT, AT(draft_group, return_healthy), .min = 1, .max = BACKENDS_MAX,
	 .otherwise = "that of `min_healthy`", .meaning = "the same of a tier that is not in use"},
	{"panic", FIELD_PERCENT, AT(draft_group, panic), .max = 100, .standard = "0%",
	 .meaning = "with fewer fit members than this all are used, whatever their checks say; `0%`: never"},
	{"on_down", FIELD_WORD, AT(draft_group, on_down), .words = on_down_words, .standard = "move",
	 .meaning = "what established flows of a backend that is down do: move, or stay as in a drain"},
	{"overprovision", FIELD_PERCENT, AT(draft_group, overprovision), .min = 100, .max = 10000, .otherwise = "no spill-over",
	 .meaning = "a tier keeps this times its share of fit members of the flows, the next ones take the rest"},
	{"step", FIELD_PERCENT, AT(draft_group, step), .min = 1, .max = 100, .standard = "10%",
	 .meaning = "mode rolling: of the flows, that move at a time"},
	{"interval", FIELD_DURATION, AT(draft_group, interval), .min = 100, .max = MS_PER_HOUR, .standard = "5s",
	 .meaning = "mode rolling: between two steps"},
	{"max_lag", FIELD_DURATION, AT(draft_group, max_lag), .min = 1, .max = MS_PER_HOUR, .otherwise = "lag does not matter",
	 .meaning = "one member serves, and who takes over by itself may lag behind by this"},
	{"damping", FIELD_MAPPING, AT(draft_group, damping), .schema = &damping_schema, .otherwise = "none",
	 .meaning = "what flaps gets no new flows for a time"},
	{"fallback", FIELD_NAME, AT(draft_group, fallback), .otherwise = "none",
	 .meaning = "the group that serves while nobody of this one is fit"},
	{"health_check", FIELD_MAPPING, AT(draft_group, check), .schema = &check_schema, .otherwise = "that of `defaults`",
	 .meaning = "how its backends are checked"},
	{"passive", FIELD_MAPPING, AT(draft_group, passive), .schema = &passive_schema, .otherwise = "off",
	 .meaning = "backends are also judged by what clients send them"},
	{},
};

const struct schema group_schema = {"group", SCHEMA(draft_group, group_fields),
				    .about = "Backends, who of them serves, and when that changes."};

FITS(group_fields);
