/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What `shunt top` lists: rates from two looks at the same controller, sorted and filtered. Knows no terminal. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <shunt/reasons.h>

#include "base/drop_reason.h"
#include "shunt/top.h"

static const char *const views[] = {"all", "services", "groups", "backends", "drops", "events"};
static const char *const sorts[] = {"as configured", "by name", "by packets", "by bytes", "by trouble"};

const char *top_view_text(enum top_view view)
{
	return views[view];
}

const char *top_sort_text(enum top_sort sort)
{
	return sorts[sort];
}

/* ---- rates ---- */

/* A counter that went back (a restart) has no rate. */
static uint64_t rate_of(const struct top_model *model, int64_t before, int64_t now)
{
	return model->before && now > before && model->seconds > 0 ? (uint64_t)((double)(now - before) / model->seconds + 0.5) : 0;
}

/* The same thing in the look before: at the same place, unless a reload came between. */
static const json_t *before_of(const struct top_model *model, const char *kind, size_t i, const json_t *object)
{
	const json_t *before = json_array_get(json_object_get(model->before, kind), i);

	return strcmp(get_text(before, "name"), get_text(object, "name")) == 0 ? before : NULL;
}

static uint64_t rate(const struct top_model *model, const char *kind, size_t i, const json_t *object, const char *key)
{
	const json_t *before = before_of(model, kind, i, object);

	return before ? rate_of(model, get_number(before, key), get_number(object, key)) : 0;
}

/* ---- rows ---- */

static struct top_row *add(struct top_rows *rows, enum top_kind kind, const char *name)
{
	struct top_row *grown = realloc(rows->list, (rows->n + 1) * sizeof(*grown)), *row;

	if (!grown)
		abort(); /* a CLI without memory */
	rows->list = grown;
	row = &grown[rows->n++];
	*row = (struct top_row){.kind = kind, .order = rows->n};
	snprintf(row->name, sizeof(row->name), "%s", name);
	return row;
}

static void put_rates(struct top_row *row, uint64_t packets, uint64_t bytes)
{
	row->packets = packets;
	row->bytes = bytes;
	human_count(packets, row->counts[0]);
	human_bytes(bytes, row->counts[1]);
}

static void heading(struct top_rows *rows, const char *const texts[6])
{
	struct top_row *row = add(rows, TOP_HEADING, texts[0]);

	snprintf(row->state, sizeof(row->state), "%s", texts[1]);
	for (size_t i = 0; i < 3; i++)
		snprintf(row->counts[i], sizeof(row->counts[i]), "%s", texts[2 + i]);
	snprintf(row->note, sizeof(row->note), "%s", texts[5]);
}

static void add_service(const struct top_model *model, struct top_rows *rows, size_t i, const json_t *service)
{
	const char *address = get_text(service, "address"), *group_state = get_text(service, "group_state");
	struct top_row *row = add(rows, TOP_SERVICE, get_text(service, "name"));
	int64_t port = get_number(service, "port");

	if (port)
		snprintf(row->state, sizeof(row->state), strchr(address, ':') ? "[%s]:%" PRId64 : "%s:%" PRId64, address, port);
	else
		snprintf(row->state, sizeof(row->state), "%s", address);
	put_rates(row, rate(model, "services", i, service, "packets"), rate(model, "services", i, service, "bytes"));
	human_count(rate(model, "services", i, service, "new_flows"), row->counts[2]);
	snprintf(row->note, sizeof(row->note), "%s %s %s %s%s%s", get_text(service, "protocol"), get_text(service, "forward"),
		 sign_text(model->style, SIGN_ARROW), get_text(service, "group"),
		 *group_state && strcmp(group_state, "settled") != 0 ? ", " : "",
		 *group_state && strcmp(group_state, "settled") != 0 ? group_state : "");
}

/* What comes in for it: of the services that it is the group of. */
static void group_rates(const struct top_model *model, const char *name, uint64_t *ret_packets, uint64_t *ret_bytes)
{
	const json_t *services = json_object_get(model->now, "services");
	json_t *service;
	size_t i;

	*ret_packets = *ret_bytes = 0;
	json_array_foreach((json_t *)services, i, service) {
		if (strcmp(get_text(service, "group"), name) != 0)
			continue;
		*ret_packets += rate(model, "services", i, service, "packets");
		*ret_bytes += rate(model, "services", i, service, "bytes");
	}
}

static void put_active(struct top_row *row, const json_t *group)
{
	const json_t *active = json_object_get(group, "active");
	size_t i, length = 0;
	json_t *name;

	json_array_foreach((json_t *)active, i, name)
		if (length < sizeof(row->note))
			length += (size_t)snprintf(row->note + length, sizeof(row->note) - length, "%s%s", i ? ", " : "",
						   json_string_value(name) ?: "");
	if (!length)
		snprintf(row->note, sizeof(row->note), "nobody");
}

static void add_group(const struct top_model *model, struct top_rows *rows, const json_t *group)
{
	struct top_row *row = add(rows, TOP_GROUP, get_text(group, "name"));
	const char *state = get_text(group, "state");
	const json_t *slots = json_object_get(group, "slots");
	uint64_t packets, bytes;

	row->trouble = strcmp(state, "normal") == 0 ? 0 : strcmp(state, "down") == 0 ? 3 : 2;
	row->colour = row->trouble == 0 ? GREEN : row->trouble == 3 ? RED : YELLOW;
	snprintf(row->state, sizeof(row->state), "%s, %" PRId64 " up%s", state, get_number(group, "healthy"),
		 *get_text(group, "forced") ? ", held" : "");
	group_rates(model, row->name, &packets, &bytes);
	put_rates(row, packets, bytes);
	human_count((uint64_t)get_number(slots, "moving"), row->counts[2]);
	put_active(row, group);
}

static void add_backend(const struct top_model *model, struct top_rows *rows, size_t i, const json_t *backend)
{
	struct top_row *row = add(rows, TOP_BACKEND, get_text(backend, "name"));
	const char *health = get_text(backend, "health"), *admin = get_text(backend, "admin");
	int64_t since = get_time(json_object_get(backend, "check"), "since");
	bool up = strcmp(health, "up") == 0, ready = strcmp(admin, "ready") == 0;
	enum sign sign = up ? (ready ? SIGN_UP : SIGN_PARTLY) : strcmp(health, "down") == 0 ? SIGN_DOWN : SIGN_UNKNOWN;
	char age[HUMAN_TEXT_MAX] = "";

	row->trouble = sign == SIGN_DOWN ? 3 : sign == SIGN_UNKNOWN ? 2 : sign == SIGN_PARTLY ? 1 : 0;
	row->colour = row->trouble == 0 ? GREEN : row->trouble == 3 ? RED : YELLOW;
	if (since)
		human_age(model->now_ms - since, age);
	snprintf(row->state, sizeof(row->state), "%s %s%s%s", sign_text(model->style, sign), ready ? health : admin,
		 ready && *age ? " " : "", ready ? age : "");
	put_rates(row, rate(model, "backends", i, backend, "packets"), rate(model, "backends", i, backend, "bytes"));
	human_count((uint64_t)get_number(backend, "flows"), row->counts[2]);
	snprintf(row->note, sizeof(row->note), "%s", get_text(json_object_get(backend, "check"), "last"));
}

static void add_drops(const struct top_model *model, struct top_rows *rows)
{
	const json_t *before = json_object_get(model->before, "drops");
	const char *label;
	json_t *count;

	json_object_foreach(json_object_get(model->now, "drops"), label, count) {
		int64_t total = json_integer_value(count);
		struct top_row *row = add(rows, TOP_DROP, label);

		put_rates(row, rate_of(model, get_number(before, label), total), 0);
		human_count((uint64_t)total, row->state);
		*row->counts[1] = '\0';
		row->colour = row->packets ? YELLOW : PLAIN;
		row->trouble = row->packets ? 2 : total > 0;
		snprintf(row->note, sizeof(row->note), "%s", drop_reason_text(drop_reason_find(label)) ?: "");
	}
}

/* The newest first. */
static void add_events(const struct top_model *model, struct top_rows *rows)
{
	for (size_t i = json_array_size(model->events); i > 0; i--) {
		const json_t *event = json_array_get(model->events, i - 1);
		struct top_row *row = add(rows, TOP_EVENT, "");
		const char *time = get_text(event, "time");

		snprintf(row->name, sizeof(row->name), "%.8s", strlen(time) > 19 ? time + 11 : time);
		snprintf(row->note, sizeof(row->note), "%s: %s", get_text(event, "object"), get_text(event, "text"));
	}
}

/* ---- order and choice ---- */

static const struct top_model *ordered_by; /* of the qsort that runs */

static int compare(const void *a, const void *b)
{
	const struct top_row *x = a, *y = b;
	int64_t by = 0;

	switch (ordered_by->sort) {
	case TOP_BY_NAME:
		by = strcmp(x->name, y->name);
		break;
	case TOP_BY_PACKETS:
		by = (x->packets < y->packets) - (x->packets > y->packets);
		break;
	case TOP_BY_BYTES:
		by = (x->bytes < y->bytes) - (x->bytes > y->bytes);
		break;
	case TOP_BY_TROUBLE:
		by = (int64_t)y->trouble - x->trouble;
		break;
	default:
		break;
	}
	by = by ? by : (int64_t)x->order - (int64_t)y->order;
	return (int)(ordered_by->reversed ? -by : by);
}

static bool has_text(const struct top_row *row, const char *filter)
{
	return strcasestr(row->name, filter) || strcasestr(row->state, filter) || strcasestr(row->note, filter);
}

/* The rows from `begin` on: filtered, then in order. */
static void arrange(const struct top_model *model, struct top_rows *rows, size_t begin)
{
	size_t kept = begin;

	for (size_t i = begin; i < rows->n; i++)
		if (!*model->filter || has_text(&rows->list[i], model->filter))
			rows->list[kept++] = rows->list[i];
	rows->n = kept;
	ordered_by = model;
	if (kept > begin && rows->list[begin].kind != TOP_EVENT)
		qsort(rows->list + begin, kept - begin, sizeof(*rows->list), compare);
}

static void add_kind(const struct top_model *model, struct top_rows *rows, enum top_view kind)
{
	static const char *const headings[][6] = {
		[TOP_SERVICES] = {"SERVICE", "ADDRESS", "PKT/S", "BYTES/S", "NEW/S", "HOW"},
		[TOP_GROUPS] = {"GROUP", "STATE", "PKT/S", "BYTES/S", "MOVING", "TAKES NEW FLOWS"},
		[TOP_BACKENDS] = {"BACKEND", "HEALTH", "PKT/S", "BYTES/S", "FLOWS", "LAST CHECK"},
		[TOP_DROPS] = {"DROPPED", "SO FAR", "PKT/S", "", "", "BECAUSE"},
	};
	size_t i, begin;
	json_t *object;

	if (kind != TOP_EVENTS)
		heading(rows, headings[kind]);
	begin = rows->n;
	if (kind == TOP_DROPS)
		add_drops(model, rows);
	else if (kind == TOP_EVENTS)
		add_events(model, rows);
	else
		json_array_foreach(json_object_get(model->now, views[kind]), i, object) {
			if (kind == TOP_SERVICES)
				add_service(model, rows, i, object);
			else if (kind == TOP_GROUPS)
				add_group(model, rows, object);
			else
				add_backend(model, rows, i, object);
		}
	arrange(model, rows, begin);
}

void top_rows_make(const struct top_model *model, struct top_rows *ret_rows)
{
	*ret_rows = (struct top_rows){};
	if (model->view != TOP_ALL) {
		add_kind(model, ret_rows, model->view);
		return;
	}
	for (enum top_view kind = TOP_SERVICES; kind <= TOP_BACKENDS; kind++)
		add_kind(model, ret_rows, kind);
}

void top_totals_make(const struct top_model *model, struct top_totals *ret_totals)
{
	const json_t *before = json_object_get(model->before, "drops");
	uint64_t worst = 0;
	const char *label;
	json_t *object;
	size_t i;

	*ret_totals = (struct top_totals){};
	json_array_foreach(json_object_get(model->now, "services"), i, object) {
		ret_totals->packets += rate(model, "services", i, object, "packets");
		ret_totals->bytes += rate(model, "services", i, object, "bytes");
		ret_totals->new_flows += rate(model, "services", i, object, "new_flows");
	}
	json_array_foreach(json_object_get(model->now, "groups"), i, object) {
		ret_totals->moving += get_number(json_object_get(object, "slots"), "moving");
		ret_totals->resolving += get_number(json_object_get(object, "slots"), "resolving");
	}
	json_object_foreach(json_object_get(model->now, "drops"), label, object) {
		uint64_t more = rate_of(model, get_number(before, label), json_integer_value(object));

		ret_totals->drops += more;
		if (more <= worst)
			continue;
		worst = more;
		snprintf(ret_totals->worst_drop, sizeof(ret_totals->worst_drop), "%s", label);
	}
}
