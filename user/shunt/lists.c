/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* services, groups, backends, stats: one kind as a table, or one of them field by field. */
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include <shunt/reasons.h>

#include "base/clock.h"
#include "base/drop_reason.h"
#include "shunt/cli.h"

#define RATE_WINDOW_MS 500

/* Two looks at the same kind, for rates. */
struct looks {
	json_t *before, *after;
	double seconds;
};

static int look_twice(struct cli *cli, const char *kind, const char *name, struct looks *ret_looks)
{
	const struct timespec pause = {0, RATE_WINDOW_MS * 1000000L};
	uint64_t start = clock_monotonic_ms();
	int r = cli_get(cli, kind, name, &ret_looks->before);

	if (r != EXIT_DONE)
		return r;
	nanosleep(&pause, NULL);
	ret_looks->seconds = (double)(clock_monotonic_ms() - start) / 1000;
	r = cli_get(cli, kind, name, &ret_looks->after);
	if (r != EXIT_DONE)
		json_decref(ret_looks->before);
	return r;
}

static void looks_done(struct looks *looks)
{
	json_decref(looks->before);
	json_decref(looks->after);
}

/* A counter that went back (a restart) has no rate. */
static uint64_t rate(const struct looks *looks, const json_t *before, const json_t *after, const char *key)
{
	int64_t more = get_number(after, key) - get_number(before, key);

	return before && more > 0 && looks->seconds > 0 ? (uint64_t)((double)more / looks->seconds + 0.5) : 0;
}

/* The same object as it was before: at the same place, unless a reload came between. */
static const json_t *same_before(const struct looks *looks, size_t i, const json_t *now)
{
	const json_t *before = json_array_get(looks->before, i);

	return strcmp(get_text(before, "name"), get_text(now, "name")) == 0 ? before : NULL;
}

static bool is_nat(const json_t *service)
{
	return strcmp(get_text(service, "forward"), "nat") == 0;
}

/* Whether answers of this service or backend could pass here: no other mode sees them. */
static bool may_answer_here(struct cli *cli, const json_t *object)
{
	json_t *services = NULL, *service;
	bool any = false;
	size_t i;

	if (*get_text(object, "forward"))
		return is_nat(object);
	if (cli_get(cli, "services", NULL, &services) != EXIT_DONE)
		return true;
	json_array_foreach(services, i, service)
		any = any || is_nat(service);
	json_decref(services);
	return any;
}

/* NAME: all fields of one, and its rates if it counts. */
static int show_one(struct cli *cli, const char *kind, bool counts)
{
	struct looks looks = {};
	int r = counts ? look_twice(cli, kind, cli->positional[0], &looks)
		       : cli_get(cli, kind, cli->positional[0], &looks.after);

	if (r != EXIT_DONE)
		return r;
	if (counts && !get_number(looks.after, "answer_packets") && !may_answer_here(cli, looks.after)) {
		json_object_del(looks.after, "answer_packets");
		json_object_del(looks.after, "answer_bytes");
	}
	if (counts) {
		json_object_set_new(looks.after, "packets/s",
				    json_integer((json_int_t)rate(&looks, looks.before, looks.after, "packets")));
		json_object_set_new(looks.after, "bytes/s",
				    json_integer((json_int_t)rate(&looks, looks.before, looks.after, "bytes")));
	}
	print_object(looks.after, &cli->style);
	looks_done(&looks);
	return EXIT_DONE;
}

static void put_count(struct table *table, uint64_t count)
{
	char buffer[HUMAN_TEXT_MAX];

	table_put(table, PLAIN, "%s", human_count(count, buffer));
}

static void put_bytes(struct table *table, uint64_t bytes)
{
	char buffer[HUMAN_TEXT_MAX];

	table_put(table, PLAIN, "%s", human_bytes(bytes, buffer));
}

static void put_address(struct table *table, const json_t *object)
{
	const char *address = get_text(object, "address");
	int64_t port = get_number(object, "port");

	if (!port)
		table_put(table, PLAIN, "%s", address);
	else
		table_put(table, PLAIN, strchr(address, ':') ? "[%s]:%" PRId64 : "%s:%" PRId64, address, port);
}

int command_services(struct cli *cli)
{
	struct table table = {
		.n_columns = 8,
		.header = {"SERVICE", "ADDRESS", "PROTO", "FORWARD", "PACKETS", "PKT/S", "BYTES/S", "GROUP"},
		.right = {false, false, false, false, true, true, true, false},
	};
	struct looks looks = {};
	json_t *service;
	size_t i;
	int r;

	if (cli->json)
		return cli_show_json(cli, "services", cli->positional[0]);
	if (cli->n_positional)
		return show_one(cli, "services", true);
	r = look_twice(cli, "services", NULL, &looks);
	if (r != EXIT_DONE)
		return r;
	json_array_foreach(looks.after, i, service) {
		const json_t *before = same_before(&looks, i, service);

		table_put(&table, BOLD, "%s", get_text(service, "name"));
		put_address(&table, service);
		table_put(&table, PLAIN, "%s", get_text(service, "protocol"));
		table_put(&table, PLAIN, "%s", get_text(service, "forward"));
		put_count(&table, (uint64_t)get_number(service, "packets"));
		put_count(&table, rate(&looks, before, service, "packets"));
		put_bytes(&table, rate(&looks, before, service, "bytes"));
		table_put(&table, PLAIN, "%s", get_text(service, "group"));
	}
	table_print(&table, &cli->style, stdout);
	looks_done(&looks);
	return EXIT_DONE;
}

int command_backends(struct cli *cli)
{
	struct table table = {
		.n_columns = 8,
		.header = {"BACKEND", "ADDRESS", "HEALTH", "ADMIN", "WEIGHT", "FLOWS", "PKT/S", "CHECK"},
		.right = {false, false, false, false, true, true, true, false},
	};
	struct looks looks = {};
	json_t *backend;
	size_t i;
	int r;

	if (cli->json)
		return cli_show_json(cli, "backends", cli->positional[0]);
	if (cli->n_positional)
		return show_one(cli, "backends", true);
	r = look_twice(cli, "backends", NULL, &looks);
	if (r != EXIT_DONE)
		return r;
	json_array_foreach(looks.after, i, backend) {
		const char *health = get_text(backend, "health");
		bool up = strcmp(health, "up") == 0;

		table_put(&table, BOLD, "%s", get_text(backend, "name"));
		put_address(&table, backend);
		table_put(&table, up ? GREEN : strcmp(health, "down") == 0 ? RED : YELLOW, "%s", health);
		table_put(&table, PLAIN, "%s", get_text(backend, "admin"));
		table_put(&table, PLAIN, "%" PRId64, get_number(backend, "weight"));
		put_count(&table, (uint64_t)get_number(backend, "flows"));
		put_count(&table, rate(&looks, same_before(&looks, i, backend), backend, "packets"));
		table_put(&table, PLAIN, "%s", get_text(json_object_get(backend, "check"), "last"));
	}
	table_print(&table, &cli->style, stdout);
	looks_done(&looks);
	return EXIT_DONE;
}

static void put_active(struct table *table, const json_t *group)
{
	const json_t *active = json_object_get(group, "active");
	char text[512] = "";
	size_t i, length = 0;
	json_t *name;

	json_array_foreach((json_t *)active, i, name) {
		if (length < sizeof(text))
			length += (size_t)snprintf(text + length, sizeof(text) - length, "%s%s", i ? ", " : "",
						   json_string_value(name) ?: "");
	}
	table_put(table, PLAIN, "%s%s", *text ? text : "nobody", length >= sizeof(text) ? "..." : "");
}

int command_groups(struct cli *cli)
{
	struct table table = {
		.n_columns = 7,
		.header = {"GROUP", "MODE", "STATE", "PRIMARY", "UP", "FAILOVERS", "ACTIVE"},
		.right = {false, false, false, false, true, true, false},
	};
	json_t *groups, *group;
	size_t i;
	int r;

	if (cli->json)
		return cli_show_json(cli, "groups", cli->positional[0]);
	if (cli->n_positional)
		return show_one(cli, "groups", false);
	r = cli_get(cli, "groups", NULL, &groups);
	if (r != EXIT_DONE)
		return r;
	json_array_foreach(groups, i, group) {
		const char *state = get_text(group, "state");

		table_put(&table, BOLD, "%s", get_text(group, "name"));
		table_put(&table, PLAIN, "%s", get_text(group, "mode"));
		table_put(&table, strcmp(state, "normal") == 0 ? GREEN : strcmp(state, "down") == 0 ? RED : YELLOW,
			  "%s", state);
		table_put(&table, PLAIN, "%s", get_text(group, "primary"));
		table_put(&table, get_number(group, "failed") ? YELLOW : PLAIN, "%" PRId64 "/%" PRId64, get_number(group, "healthy"),
			  get_number(group, "healthy") + get_number(group, "failed"));
		table_put(&table, PLAIN, "%" PRId64, get_number(group, "failovers"));
		put_active(&table, group);
	}
	table_print(&table, &cli->style, stdout);
	json_decref(groups);
	return EXIT_DONE;
}

/* ---- stats: whole numbers, for comparing by hand and by script ---- */

/* Whether answers pass here: those of nat. */
static bool any_answered(const json_t *list)
{
	json_t *object;
	size_t i;

	json_array_foreach((json_t *)list, i, object)
		if (get_number(object, "answer_packets") > 0)
			return true;
	return false;
}

static void print_counters(const struct cli *cli, const json_t *list, const char *title, const char *last_title,
			   const char *last_key)
{
	bool answered = any_answered(list);
	struct table table = {
		.n_columns = answered ? 6 : 4,
		.header = {title, "PACKETS", "BYTES", last_title, "ANSWERS", "ANSWER BYTES"},
		.right = {false, true, true, true, true, true},
	};
	json_t *object;
	size_t i;

	json_array_foreach((json_t *)list, i, object) {
		table_put(&table, PLAIN, "%s", get_text(object, "name"));
		table_put(&table, PLAIN, "%" PRId64, get_number(object, "packets"));
		table_put(&table, PLAIN, "%" PRId64, get_number(object, "bytes"));
		table_put(&table, PLAIN, "%" PRId64, get_number(object, last_key));
		if (!answered)
			continue;
		table_put(&table, PLAIN, "%" PRId64, get_number(object, "answer_packets"));
		table_put(&table, PLAIN, "%" PRId64, get_number(object, "answer_bytes"));
	}
	table_print(&table, &cli->style, stdout);
	putchar('\n');
}

static void print_drops(const struct cli *cli, const json_t *drops)
{
	struct table table = {.n_columns = 3, .header = {"DROPPED", "PACKETS", "BECAUSE"}, .right = {false, true,
		false}};
	const char *key;
	json_t *packets;

	json_object_foreach((json_t *)drops, key, packets) {
		table_put(&table, PLAIN, "%s", key);
		table_put(&table, json_integer_value(packets) ? YELLOW : PLAIN, "%lld",
			  (long long)json_integer_value(packets));
		table_put(&table, PLAIN, "%s", drop_reason_text(drop_reason_find(key)) ?: "");
	}
	table_print(&table, &cli->style, stdout);
}

int command_stats(struct cli *cli)
{
	const json_t *flow_table;
	json_t *status;
	int r;

	if (cli->json)
		return cli_show_json(cli, "status", NULL);
	r = cli_get(cli, "status", NULL, &status);
	if (r != EXIT_DONE)
		return r;
	flow_table = json_object_get(status, "flow_table");
	print_counters(cli, json_object_get(status, "services"), "SERVICE", "NEW FLOWS", "new_flows");
	print_counters(cli, json_object_get(status, "backends"), "BACKEND", "FLOWS", "flows");
	print_drops(cli, json_object_get(status, "drops"));
	printf("\nflow table: %" PRId64 " of %" PRId64 " entries\n", get_number(flow_table, "entries"),
	       get_number(flow_table, "capacity"));
	json_decref(status);
	return EXIT_DONE;
}
