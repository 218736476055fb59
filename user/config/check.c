/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a health check is after a group's keys are laid over the defaults. Knows nothing of groups. */
#include <stdlib.h>
#include <string.h>

#include "base/duration.h"
#include "config/schema.h"
#include "config/command.h"
#include "config/validate.h"


/* ---- which key is for which type ---- */

#define FOR(type) (1U << (type))
#define WEB (FOR(CHECK_HTTP) | FOR(CHECK_HTTPS))
#define COMPOSITE (FOR(CHECK_ALL) | FOR(CHECK_ANY))
#define PATHS (FOR(CHECK_TCP) | FOR(CHECK_UDP) | FOR(CHECK_DNS) | WEB) /* what can be sent as traffic is */
#define EVERY (FOR(CHECK_TYPE_COUNT) - 1)

static const struct key {
	const char *name;
	size_t offset;               /* of its item */
	uint32_t types;
} keys[] = {
#define KEY(name, types) {#name, offsetof(struct draft_check, name), types}
	KEY(port, EVERY & ~(FOR(CHECK_ICMP) | COMPOSITE)),
	KEY(interval, EVERY),
	KEY(fast_interval, EVERY),
	KEY(timeout, EVERY),
	KEY(healthy_threshold, EVERY),
	KEY(unhealthy_threshold, EVERY),
	KEY(path, WEB),
	KEY(host, WEB),
	KEY(method, WEB),
	KEY(status, WEB),
	KEY(http_version, WEB),
	KEY(keepalive, WEB),
	KEY(send, FOR(CHECK_TCP) | FOR(CHECK_UDP) | FOR(CHECK_AGENT)),
	KEY(send_hex, FOR(CHECK_TCP) | FOR(CHECK_UDP)),
	KEY(expect, FOR(CHECK_TCP) | FOR(CHECK_UDP) | WEB),
	KEY(expect_hex, FOR(CHECK_TCP) | FOR(CHECK_UDP)),
	KEY(sni, FOR(CHECK_HTTPS)),
	KEY(verify, FOR(CHECK_HTTPS)),
	KEY(ca_file, FOR(CHECK_HTTPS)),
	KEY(certificate_file, FOR(CHECK_HTTPS)),
	KEY(key_file, FOR(CHECK_HTTPS)),
	KEY(query, FOR(CHECK_DNS)),
	KEY(query_type, FOR(CHECK_DNS)),
	KEY(rcode, FOR(CHECK_DNS)),
	KEY(answer, FOR(CHECK_DNS)),
	KEY(via, PATHS),
	KEY(padded_interval, PATHS),
#undef KEY
};

#define N_KEYS (sizeof(keys) / sizeof(keys[0]))

static const struct item *item_of(const struct draft_check *check, const struct key *key)
{
	return (const void *)((const char *)check + key->offset);
}

static struct item *item_in(struct draft_check *check, const struct key *key)
{
	return (void *)((char *)check + key->offset);
}

/* "tcp, udp or agent". Returns `buffer`. */
static const char *types_text(uint32_t types, char *buffer, size_t size)
{
	size_t length = 0;

	types &= ~COMPOSITE;
	for (int type = 0; types && length < size; type++) {
		if (!(types & FOR(type)))
			continue;
		types &= ~FOR(type);
		length += snprintf(buffer + length, size - length, "%s%s", !length ? "" : types ? ", " : " or ",
				   config_check_type_text(type));
	}
	return buffer;
}

/* ---- merge ---- */

static bool is_composite(const struct draft_check *check)
{
	return check->all.ok || check->any.ok;
}

static uint64_t pick_type(const struct draft_check *own, const struct draft_check *fallback)
{
	if (own->type.ok)
		return own->type.number;
	if (is_composite(own))
		return own->all.ok ? CHECK_ALL : CHECK_ANY;
	if (own->path.ok && fallback->type.number != CHECK_HTTPS) /* a path without type means HTTP */
		return CHECK_HTTP;
	return own->command.ok ? CHECK_EXEC : own->query.ok ? CHECK_DNS : fallback->type.number;
}

struct draft_check check_merge(const struct draft_check *own, const struct draft_check *fallback)
{
	struct draft_check merged = *own;
	uint64_t type = pick_type(own, fallback);

	merged.type = (struct item){.at = own->type.at, .ok = true, .number = type};
	for (size_t i = 0; i < N_KEYS; i++)
		if (!item_of(own, &keys[i])->ok && keys[i].types & FOR(type))
			*item_in(&merged, &keys[i]) = *item_of(fallback, &keys[i]);
	if (!own->command.at.line && type == CHECK_EXEC)
		merged.command = fallback->command;
	if (!is_composite(own) && type == CHECK_ALL)
		merged.all = fallback->all;
	if (!is_composite(own) && type == CHECK_ANY)
		merged.any = fallback->any;
	/* Who asks for a short interval alone gets a timeout that fits, not an error about a number he never wrote. */
	if (!merged.timeout.at.line && merged.timeout.number > merged.interval.number)
		merged.timeout.number = merged.interval.number;
	/* HAProxy's agents decide by a word (its manual, 5.2 "agent-check"), not by how often it is said. */
	if (type == CHECK_AGENT && !merged.healthy_threshold.at.line)
		merged.healthy_threshold.number = 1;
	if (type == CHECK_AGENT && !merged.unhealthy_threshold.at.line)
		merged.unhealthy_threshold.number = 1;
	return merged;
}

struct draft_check check_defaults(const struct draft *draft)
{
	struct draft_check built_in = {};

	schema_start(&check_schema, &built_in);
	return check_merge(&draft->defaults.check, &built_in);
}

/* ---- what may not stand together ---- */

static void validate_keys(struct report *report, const char *who, const struct draft_check *own, uint64_t type)
{
	char types[128];

	for (size_t i = 0; i < N_KEYS; i++)
		if (item_of(own, &keys[i])->ok && !(keys[i].types & FOR(type)))
			report_error(report, item_of(own, &keys[i])->at,
				     "%shealth_check: %s is for %s checks: remove it, or give such a type", who,
				     keys[i].name, types_text(keys[i].types, types, sizeof(types)));
	if (own->command.ok && type != CHECK_EXEC)
		report_error(report, own->command.at,
			     "%shealth_check: command is for exec checks: remove it, or give type: exec", who);
}

static void refuse_pair(struct report *report, const char *who, const struct item *a, const char *name_a,
			const struct item *b, const char *name_b)
{
	if (a->ok && b->ok)
		report_error(report, b->at, "%shealth_check: %s and %s say the same: remove one of them", who, name_a,
			     name_b);
}

static struct place blame(const struct draft_check *own)
{
	return own->type.at.line ? own->type.at : own->at;
}

static void require(struct report *report, const char *who, const struct draft_check *own,
		    const struct draft_check *merged)
{
	struct place at = blame(own);

	if (merged->type.number == CHECK_EXEC && !merged->command.ok && !merged->command.at.line)
		report_error(report, at, "%shealth_check: type exec needs a command: add \"command: [PROGRAM, …]\"", who);
	if (merged->type.number == CHECK_DNS && !merged->query.ok && !merged->query.at.line)
		report_error(report, at, "%shealth_check: type dns needs a query: add \"query: NAME\"", who);
	if (merged->type.number == CHECK_AGENT && !merged->port.ok && !merged->port.at.line)
		report_error(report, at, "%shealth_check: type agent needs a port: the one that the agent listens on", who);
	if (merged->key_file.ok && !merged->certificate_file.ok)
		report_error(report, merged->key_file.at,
			     "%shealth_check: key_file has no certificate_file: add one, or remove it", who);
	if (own->verify.ok && !own->verify.number && own->ca_file.ok)
		report_error(report, own->ca_file.at,
			     "%shealth_check: ca_file has no meaning with verify off: remove one of them", who);
	if (own->answer.ok && merged->query_type.ok && merged->query_type.number != 1 && merged->query_type.number != 28)
		report_error(report, own->answer.at,
			     "%shealth_check: answer is an address: ask for it with query_type A or AAAA", who);
}

static void validate_via(struct report *report, const char *who, const struct draft_check *own,
			 const struct draft_check *merged)
{
	bool via = merged->via.ok && merged->via.number;
	char padded[DURATION_TEXT_MAX], interval[DURATION_TEXT_MAX];

	if (own->padded_interval.ok && !via)
		report_error(report, own->padded_interval.at,
			     "%shealth_check: padded_interval is for checks with via: service: remove it, or add that", who);
	else if (own->padded_interval.ok && own->padded_interval.number < merged->interval.number)
		report_error(report, own->padded_interval.at,
			     "%shealth_check: padded_interval %s is shorter than interval %s: lengthen it", who,
			     duration_format(own->padded_interval.number, padded),
			     duration_format(merged->interval.number, interval));
	if (via && merged->type.number == CHECK_UDP && !merged->expect.ok && !merged->expect_hex.ok)
		report_error(report, own->via.at.line ? own->via.at : blame(own),
			     "%shealth_check: via: service needs an answer to wait for: add \"expect\"", who);
	if (via && merged->keepalive.ok && merged->keepalive.number)
		report_error(report, own->keepalive.at.line ? own->keepalive.at : own->via.at.line ? own->via.at : blame(own),
			     "%shealth_check: keepalive on and via: service cannot stand together: each check goes the service's way from "
			     "its first packet on; remove one of them", who);
}

static void validate_question(struct report *report, const char *who, const struct draft_check *own,
			      const struct draft_check *merged)
{
	bool type_is_known = own->type.ok || !own->type.at.line;

	if (!type_is_known)
		return;
	validate_keys(report, who, own, merged->type.number);
	refuse_pair(report, who, &own->send, "send", &own->send_hex, "send_hex");
	refuse_pair(report, who, &own->expect, "expect", &own->expect_hex, "expect_hex");
	require(report, who, own, merged);
	validate_via(report, who, own, merged);
}

static const struct items *parts_of(const struct draft_check *merged)
{
	static const struct items none;

	return merged->type.number == CHECK_ALL ? &merged->all : merged->type.number == CHECK_ANY ? &merged->any : &none;
}

static void validate_parts(struct report *report, const char *who, const struct draft_check *own)
{
	const struct items *const lists[] = {&own->all, &own->any};
	struct draft_check built_in = {};

	schema_start(&check_schema, &built_in);
	if (own->all.ok && own->any.ok)
		report_error(report, own->any.at, "%shealth_check: all and any cannot stand together: remove one of them",
			     who);
	else if (is_composite(own) && own->type.ok)
		report_error(report, own->type.at,
			     "%shealth_check: type has no place beside all or any: each of their checks has its own", who);
	for (size_t l = 0; l < 2; l++) {
		const struct draft_check *parts = lists[l]->list;

		for (size_t i = 0; i < lists[l]->n; i++) {
			struct draft_check merged = check_merge(&parts[i], &built_in);

			validate_question(report, who, &parts[i], &merged);
		}
	}
}

static void validate_times(struct report *report, const char *who, const struct draft_check *own,
			   const struct draft_check *merged)
{
	const struct item *blamed = own->timeout.at.line ? &own->timeout : &own->interval;
	char longer[DURATION_TEXT_MAX], interval[DURATION_TEXT_MAX];

	if (blamed->ok && merged->timeout.number > merged->interval.number)
		report_error(
			report, blamed->at,
			"%shealth_check: timeout %s is longer than interval %s: shorten it, or give a longer interval",
			who, duration_format(merged->timeout.number, longer),
			duration_format(merged->interval.number, interval));
	blamed = own->fast_interval.at.line ? &own->fast_interval : &own->interval;
	if (blamed->ok && merged->fast_interval.ok && merged->fast_interval.number > merged->interval.number)
		report_error(report, blamed->at,
			     "%shealth_check: fast_interval %s is longer than interval %s: shorten or remove it", who,
			     duration_format(merged->fast_interval.number, longer),
			     duration_format(merged->interval.number, interval));
}

void check_validate(struct report *report, const char *who, const struct draft_check *own,
		    const struct draft_check *merged)
{
	validate_question(report, who, own, merged);
	validate_parts(report, who, own);
	validate_times(report, who, own, merged);
}

/* ---- build ---- */

static struct config_bytes bytes_of_text(struct report *report, const char *text)
{
	return (struct config_bytes){.data = copy_text(report, text), .length = strlen(text)};
}

static struct config_bytes bytes_of_hex(struct report *report, const char *text)
{
	struct config_bytes bytes = {.data = malloc(strlen(text) / 2 + 1), .length = strlen(text) / 2};

	if (!bytes.data) {
		report->out_of_memory = true;
		bytes.length = 0;
	}
	for (size_t i = 0; i < bytes.length; i++) {
		const char digits[] = {text[2 * i], text[2 * i + 1], '\0'};

		bytes.data[i] = (char)strtoul(digits, NULL, 16);
	}
	return bytes;
}

static struct config_bytes build_bytes(struct report *report, const struct item *text, const struct item *hex)
{
	if (hex->ok)
		return bytes_of_hex(report, hex->text);
	return text->ok ? bytes_of_text(report, text->text) : (struct config_bytes){};
}

static void build_parts(struct report *report, const struct draft_check *merged, struct config_check *check)
{
	const struct items *drafts = parts_of(merged);
	struct draft_check inherited = {};

	schema_start(&check_schema, &inherited);
	inherited.interval = merged->interval;
	inherited.timeout = merged->timeout;
	inherited.healthy_threshold = merged->healthy_threshold;
	inherited.unhealthy_threshold = merged->unhealthy_threshold;
	check->parts = new_list(report, drafts->n, sizeof(*check->parts), &check->n_parts);
	for (size_t i = 0; i < check->n_parts; i++) {
		struct draft_check part = check_merge((const struct draft_check *)drafts->list + i, &inherited);

		check_build(report, &part, &check->parts[i]); /* no deeper: parts have no parts */
	}
}

/* What is given, else the default; NULL without either. */
static char *text_for(struct report *report, const struct item *item)
{
	return item->ok || !item->at.line ? copy_text(report, item->text) : NULL;
}

/* NOLINTNEXTLINE(misc-no-recursion): parts have no parts */
void check_build(struct report *report, const struct draft_check *merged, struct config_check *ret_check)
{
	struct config_check *check = ret_check;
	struct draft_check draft = *merged;

	for (size_t i = 0; i < N_KEYS; i++) /* what its type has no use for was reported, or came with the defaults */
		if (!(keys[i].types & FOR(draft.type.number)))
			*item_in(&draft, &keys[i]) = (struct item){};
	*check = (struct config_check){
		.type = draft.type.number,
		.port = draft.port.number,
		.path = text_for(report, &draft.path),
		.host = text_for(report, &draft.host),
		.interval_ms = draft.interval.number,
		.timeout_ms = draft.timeout.number,
		.healthy_threshold = draft.healthy_threshold.number,
		.unhealthy_threshold = draft.unhealthy_threshold.number,
		.fast_interval_ms = draft.fast_interval.number,
		.method = text_for(report, &draft.method),
		.http_version = draft.http_version.number,
		.keepalive = draft.keepalive.number,
		.send = build_bytes(report, &draft.send, &draft.send_hex),
		.expect = build_bytes(report, &draft.expect, &draft.expect_hex),
		.sni = text_for(report, &draft.sni),
		.no_verify = draft.type.number == CHECK_HTTPS && !draft.verify.number,
		.ca_file = text_for(report, &draft.ca_file),
		.certificate_file = text_for(report, &draft.certificate_file),
		.key_file = text_for(report, &draft.key_file),
		.query = text_for(report, &draft.query),
		.query_type = draft.query_type.number,
		.rcode = draft.rcode.number,
		.answer = draft.answer.address,
		.via_service = draft.via.number,
		.command = draft.type.number == CHECK_EXEC ? command_build(report, &draft.command) : NULL,
	};
	if (draft.status.text && status_parse(draft.status.text, check->status, &check->n_status) < 0)
		check->n_status = 0; /* told already */
	if (check->via_service)
		check->padded_interval_ms = draft.padded_interval.number;
	if (check->padded_interval_ms && check->padded_interval_ms < check->interval_ms)
		check->padded_interval_ms = check->interval_ms;
	build_parts(report, merged, check);
}
