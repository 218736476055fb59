/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a configuration means, what is said of a wrong one (config/refused.h), and what a reload would change. */
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "config/config.h"
#include "config/refused.h"
#include "net/address.h"

#define EXAMPLE "tests/unit/config/example.yaml"
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* What is printed for a file without a name, so that lines begin with ':' (gone here); to be freed. */
static char *messages_text(const struct config_messages *messages)
{
	char *printed = NULL, *text = NULL, *rest, *line;
	size_t length;
	FILE *to = open_memstream(&printed, &length);

	config_messages_print(messages, "", to);
	fclose(to);
	to = open_memstream(&text, &length);
	for (line = strtok_r(printed, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
		fprintf(to, "%s\n", line + 1);
	fclose(to);
	free(printed);
	return text;
}

static struct config *parse(const char *text, const char *expected_notes)
{
	struct config_messages messages = {};
	struct config *config = NULL;
	char *told;
	int r;

	r = config_parse(text, strlen(text), &config, &messages);
	told = messages_text(&messages);
	assert_string_equal(told, expected_notes);
	assert_int_equal(r, 0);
	free(told);
	config_messages_clear(&messages);
	return config;
}

static void assert_address(const struct shunt_addr *address, const char *expected)
{
	char buffer[ADDRESS_TEXT_MAX];

	assert_string_equal(address_format(address, buffer), expected);
}

static void what_is_wrong_is_told_by_line_with_the_remedy(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(refused); i++) {
		struct config_messages messages = {};
		struct config *config = NULL;
		char *told;
		int r;

		r = config_parse(refused[i].text, strlen(refused[i].text), &config, &messages);
		told = messages_text(&messages);
		if (r != -EINVAL || config || strcmp(told, refused[i].messages))
			fail_msg("%s: %d\n%s\nexpected:\n%s", refused[i].about, r, told, refused[i].messages);
		free(told);
		config_messages_clear(&messages);
	}
}

static void the_example_means_what_it_says(void **state)
{
	struct config_messages messages = {};
	struct config *config;
	const struct config_group *group;

	(void)state;
	assert_int_equal(config_load(EXAMPLE, &config, &messages), 0);
	assert_int_equal(messages.n, 0);
	group = config->groups;

	assert_int_equal(config->n_interfaces, 1);
	assert_string_equal(config->interfaces[0].name, "eth0");
	assert_int_equal(config->interfaces[0].mode, INTERFACE_MODE_AUTO);
	assert_address(&config->source_ipv4, "10.0.0.1");
	assert_address(&config->source_ipv6, "fd00::1");
	assert_int_equal(config->source_ipv4_prefix, 32);
	assert_int_equal(config->hash_seed, 0x5eed);
	assert_int_equal(config->table_size, 65536);
	assert_int_equal(config->flow_timeout_ms, 900000);
	assert_int_equal(config->flow_table_size, 1048576);
	assert_int_equal(config->on_exit, ON_EXIT_KEEP);
	assert_string_equal(config->api.listen, "127.0.0.1:8080");
	assert_string_equal(config->api.token_file, "/etc/shunt/token");

	assert_int_equal(config->n_services, 1);
	assert_string_equal(config->services[0].name, "web");
	assert_address(&config->services[0].address, "192.0.2.10");
	assert_int_equal(config->services[0].protocol, IPPROTO_TCP);
	assert_int_equal(config->services[0].port, 80);
	assert_int_equal(config->services[0].group, 0);
	assert_int_equal(config->services[0].forward, SHUNT_FORWARD_IPIP);
	assert_int_equal(config->services[0].hash, HASH_5_TUPLE);
	assert_int_equal(config->services[0].tracking, TRACKING_AUTO);

	assert_int_equal(config->n_groups, 1);
	assert_string_equal(group->name, "app-servers");
	assert_int_equal(group->mode, GROUP_ACTIVE_PASSIVE);
	assert_int_equal(group->n_members, 3);
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(group->members[i].backend, i);
		assert_int_equal(group->members[i].priority, i);
	}
	assert_int_equal(group->primary, 0);
	assert_int_equal(group->failover, CONFIG_FAILOVER_AUTOMATIC);
	assert_false(group->failback_automatic);
	assert_int_equal(group->failback_delay_ms, 30000);
	assert_int_equal(group->min_healthy.count, 1);
	assert_int_equal(group->check.type, CHECK_HTTP);
	assert_string_equal(group->check.path, "/custom-health");
	assert_null(group->check.host);
	assert_int_equal(group->check.port, 0);
	assert_int_equal(group->check.interval_ms, 5000);
	assert_int_equal(group->check.timeout_ms, 2000);
	assert_int_equal(group->check.healthy_threshold, 3);
	assert_int_equal(group->check.unhealthy_threshold, 2);

	assert_int_equal(config->n_backends, 3);
	assert_string_equal(config->backends[0].name, "backend1");
	assert_address(&config->backends[2].address, "10.0.1.13");
	assert_int_equal(config->backends[0].port, 8080);
	assert_int_equal(config->backends[1].port, 0);
	assert_int_equal(config->backends[1].weight, 100);
	assert_int_equal(config_find_backend(config, "backend3"), 2);
	assert_int_equal(config_find_group(config, "app-servers"), 0);
	assert_int_equal(config_find_service(config, "web"), 0);
	assert_true(config_find_backend(config, "backend4") == SIZE_MAX);
	config_free(config);
}

static void what_is_left_out_has_its_default(void **state)
{
	struct config *config =
		parse(IFACE SERVICE "failover_groups: [{name: g, primary: b2, backends: [b1, b2]}]\n" BACKENDS, "");
	const struct config_group *group = config->groups;

	(void)state;
	assert_int_equal(config->interfaces[0].mode, INTERFACE_MODE_AUTO);
	assert_true(address_is_zero(&config->source_ipv4));
	assert_true(address_is_zero(&config->source_ipv6));
	assert_int_equal(config->source_ipv4_prefix, 32);
	assert_int_equal(config->hash_seed, 0);
	assert_int_equal(config->table_size, 65536);
	assert_int_equal(config->flow_timeout_ms, 900000);
	assert_int_equal(config->flow_table_size, 1048576);
	assert_null(config->api.listen);
	assert_null(config->api.token_file);
	assert_int_equal(config->services[0].protocol, IPPROTO_TCP);
	assert_int_equal(config->services[0].forward, SHUNT_FORWARD_L2);
	assert_int_equal(group->mode, GROUP_ACTIVE_PASSIVE);
	assert_int_equal(group->primary, 1);
	assert_int_equal(group->members[0].priority, 1); /* the primary goes before who is listed first */
	assert_int_equal(group->members[1].priority, 0);
	assert_int_equal(group->check.type, CHECK_TCP);
	assert_null(group->check.path);
	assert_int_equal(group->check.interval_ms, 1000);
	assert_int_equal(group->check.timeout_ms, 500);
	assert_int_equal(group->check.healthy_threshold, 2);
	assert_int_equal(group->check.unhealthy_threshold, 3);
	config_free(config);
}

/* The check of a group with these keys, under these defaults. */
static struct config *parse_check(const char *defaults, const char *group)
{
	struct config *config;
	char *text;

	assert_true(asprintf(&text,
			     IFACE SERVICE BACKENDS
			     "defaults: {health_check: {%s}}\n"
			     "failover_groups: [{name: g, mode: normal, backends: [b1, b2], health_check: {%s}}]\n",
			     defaults, group) > 0);
	config = parse(text, "");
	free(text);
	return config;
}

#define WHAT(what, where, of_path, of_host) .type = (what), .port = (where), .path = (of_path), .host = (of_host)
#define WEB(what, of_path, of_host) \
	WHAT(what, 0, of_path, of_host), .method = "GET", .n_status = 1, .status = {{200, 399}}
#define WHEN(interval, timeout, healthy, unhealthy) \
	.interval_ms = (interval), .timeout_ms = (timeout), .healthy_threshold = (healthy), \
	.unhealthy_threshold = (unhealthy)

#define VIA(padded_ms) .via_service = true, .padded_interval_ms = (padded_ms), .scope = "g"

static void a_check_is_the_groups_keys_over_the_defaults(void **state)
{
	const struct {
		const char *defaults, *group;
		struct config_check check;
	} rows[] = {
		{"", "", {WHAT(CHECK_TCP, 0, NULL, NULL), WHEN(1000, 500, 2, 3)}},
		{"", "path: /h", {WEB(CHECK_HTTP, "/h", NULL), WHEN(1000, 500, 2, 3)}},
		{"", "type: http", {WEB(CHECK_HTTP, "/", NULL), WHEN(1000, 500, 2, 3)}},
		{"", "type: none", {WHAT(CHECK_NONE, 0, NULL, NULL), WHEN(1000, 500, 2, 3)}},
		{"", "interval: 100ms", {WHAT(CHECK_TCP, 0, NULL, NULL), WHEN(100, 100, 2, 3)}},
		{"path: /d, host: d", "", {WEB(CHECK_HTTP, "/d", "d"), WHEN(1000, 500, 2, 3)}},
		{"path: /d, host: d", "type: tcp", {WHAT(CHECK_TCP, 0, NULL, NULL), WHEN(1000, 500, 2, 3)}},
		{"path: /d, host: d", "host: g", {WEB(CHECK_HTTP, "/d", "g"), WHEN(1000, 500, 2, 3)}},
		{"type: tcp", "path: /g", {WEB(CHECK_HTTP, "/g", NULL), WHEN(1000, 500, 2, 3)}},
		{"type: http, path: /d", "path: /g", {WEB(CHECK_HTTP, "/g", NULL), WHEN(1000, 500, 2, 3)}},
		{"interval: 2s, timeout: 2s, port: 81",
		 "timeout: 1s, port: 82, healthy_threshold: 9",
		 {WHAT(CHECK_TCP, 82, NULL, NULL), WHEN(2000, 1000, 9, 3)}},
		{"", "status: 200, type: http",
		 {WHAT(CHECK_HTTP, 0, "/", NULL), WHEN(1000, 500, 2, 3), .method = "GET", .n_status = 1,
		  .status = {{200, 200}}}},
		{"type: https, host: d, ca_file: /c", "verify: on, path: /g",
		 {WEB(CHECK_HTTPS, "/g", "d"), WHEN(1000, 500, 2, 3), .ca_file = "/c"}},
		{"path: /d, keepalive: on", "path: /g", {WEB(CHECK_HTTP, "/g", NULL), WHEN(1000, 500, 2, 3), .keepalive = true}},
		{"path: /d, keepalive: on", "type: tcp", {WHAT(CHECK_TCP, 0, NULL, NULL), WHEN(1000, 500, 2, 3)}},
		{"type: udp, send_hex: 0dff", "fast_interval: 20ms",
		 {WHAT(CHECK_UDP, 0, NULL, NULL), WHEN(1000, 500, 2, 3), .fast_interval_ms = 20,
		  .send = {.data = "\r\xff", .length = 2}}},
		{"", "query: a.example, query_type: AAAA, rcode: NXDOMAIN",
		 {WHAT(CHECK_DNS, 0, NULL, NULL), WHEN(1000, 500, 2, 3), .query = "a.example", .query_type = 28, .rcode = 3}},
		{"", "command: [/bin/test, -e, 5]",
		 {WHAT(CHECK_EXEC, 0, NULL, NULL), WHEN(1000, 500, 2, 3),
		  .command = (char *[]){"/bin/test", "-e", "5", NULL}}},
		{"healthy_threshold: 4", "type: agent, port: 9", {WHAT(CHECK_AGENT, 9, NULL, NULL), WHEN(1000, 500, 4, 1)}},
		{"path: /d, host: d", "all: [{type: tcp, port: 9}, {path: /g}], interval: 2s",
		 {WHAT(CHECK_ALL, 0, NULL, NULL), WHEN(2000, 500, 2, 3), .n_parts = 2,
		  .parts = (struct config_check[]){{WHAT(CHECK_TCP, 9, NULL, NULL), WHEN(2000, 500, 2, 3)},
						   {WEB(CHECK_HTTP, "/g", NULL), WHEN(2000, 500, 2, 3)}}}},
		{"any: [{type: icmp}]", "", {WHAT(CHECK_ANY, 0, NULL, NULL), WHEN(1000, 500, 2, 3), .n_parts = 1,
		  .parts = (struct config_check[]){{WHAT(CHECK_ICMP, 0, NULL, NULL), WHEN(1000, 500, 2, 3)}}}},
		{"any: [{type: icmp}]", "path: /g", {WEB(CHECK_HTTP, "/g", NULL), WHEN(1000, 500, 2, 3)}},
		{"", "via: service", {WHAT(CHECK_TCP, 0, NULL, NULL), WHEN(1000, 500, 2, 3), VIA(60000)}},
		{"via: service, padded_interval: 5s", "path: /g", {WEB(CHECK_HTTP, "/g", NULL), WHEN(1000, 500, 2, 3), VIA(5000)}},
		{"via: service", "via: backend", {WHAT(CHECK_TCP, 0, NULL, NULL), WHEN(1000, 500, 2, 3)}},
		{"via: service", "type: icmp", {WHAT(CHECK_ICMP, 0, NULL, NULL), WHEN(1000, 500, 2, 3)}},
		{"via: service", "interval: 2m", {WHAT(CHECK_TCP, 0, NULL, NULL), WHEN(120000, 500, 2, 3), VIA(120000)}},
		{"unhealthy_threshold: 7", "interval: 3s", {WHAT(CHECK_TCP, 0, NULL, NULL), WHEN(3000, 500, 2, 7)}},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct config *config = parse_check(rows[i].defaults, rows[i].group);
		struct config_check expected = rows[i].check;

		expected.health = config->groups[0].check.health; /* judged below */
		if (!config_check_equal(&config->groups[0].check, &expected))
			fail_msg("{%s} over {%s}", rows[i].group, rows[i].defaults);
		config_free(config);
	}
}

static void what_follows_from_checks_is_the_groups_over_the_defaults(void **state)
{
	static const struct {
		const char *defaults, *group;
		struct config_health health; /* slow, degraded, predict, slow start, max_interval, results, window */
	} rows[] = {
		{"", "", {0, 100, 0, 0, 0, 30, 0}},
		{"", "slow_threshold: 200ms, degraded_weight: 20%, predict: 2m, slow_start: 30s, max_interval: 1m",
		 {200, 20, 120000, 30000, 60000, 30, 0}},
		{"slow_start: 30s, score: {results: 20, window: 30s}", "degraded_weight: 1%, score: {results: 40}",
		 {0, 1, 0, 30000, 0, 40, 30000}},
		{"slow_start: 30s, max_interval: 5s", "slow_start: 0s", {0, 100, 0, 0, 5000, 30, 0}},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct config *config = parse_check(rows[i].defaults, rows[i].group);

		assert_memory_equal(&config->groups[0].check.health, &rows[i].health, sizeof(rows[i].health));
		config_free(config);
	}
}

static void priorities_order_who_takes_over(void **state)
{
	static const struct {
		const char *members;
		uint32_t priority[4];
	} rows[] = {
		{"b1, b2, b3, b4", {0, 1, 2, 3}},
		{"{name: b1}, {name: b2, priority: 1}, {name: b3, priority: 1}, b4", {0, 1, 1, 2}},
		{"b4, b3, b2, b1", {1, 2, 3, 0}},
		{"b1, {name: b2, priority: 10}, b3, {name: b4, priority: 0}", {0, 10, 11, 0}},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct config *config;
		char *text;

		assert_true(asprintf(&text,
				     IFACE SERVICE
				     "backends: [{name: b1, address: 10.0.0.1}, {name: b2, address: 10.0.0.2}, "
				     "{name: b3, address: 10.0.0.3}, {name: b4, address: 10.0.0.4}]\n"
				     "failover_groups: [{name: g, primary: b1, backends: [%s]}]\n",
				     rows[i].members) > 0);
		config = parse(text, "");
		for (size_t j = 0; j < 4; j++)
			assert_int_equal(config->groups[0].members[j].priority, rows[i].priority[j]);
		config_free(config);
		free(text);
	}
}

static void what_is_valid_but_idle_is_noted(void **state)
{
	config_free(parse(IFACE SERVICE BACKENDS
			  "failover_groups:\n"
			  "- {name: g, mode: active-active, primary: b1, backends: [{name: b1, priority: 1}]}\n"
			  "- {name: h, mode: normal, backends: [b1]}\n"
			  "api: {token_file: /t}\n",
			  "3:50: note: backend \"b2\" is in no group: it gets no traffic\n"
			  "5:43: note: group \"g\": primary has no effect in mode active-active\n"
			  "5:79: note: group \"g\": priority has no effect in mode active-active\n"
			  "6:10: note: group \"h\" is used by no service\n"
			  "7:19: note: api: token_file has no effect without listen\n"));
	(void)state;
}

static void how_a_group_moves(void **state)
{
	struct config *config = parse(
		IFACE SERVICE BACKENDS
		"failover_groups:\n"
		"- {name: g, primary: b1, backends: [b1, b2], failover: semi-automatic, hold_down: 1m, min_healthy: 50%,\n"
		"   return_healthy: 100%, panic: 30%, on_down: keep, damping: {half_life: 1m, suppress: 3000}}\n"
		"- {name: h, mode: rolling, backends: [b1, b2], step: 25%, failback: automatic, overprovision: 140%}\n"
		"- {name: i, primary: b1, backends: [b1, b2], max_lag: 500ms, failover: manual, failback: automatic}\n",
		"7:10: note: group \"h\" is used by no service\n"
		"8:10: note: group \"i\" is used by no service\n"
		"8:90: note: group \"i\": failback: automatic has no effect: with failover: manual nothing moves back by itself\n");
	const struct config_group *g = config->groups, *h = g + 1, *i = g + 2;

	(void)state;
	assert_int_equal(g->failover, CONFIG_FAILOVER_SEMI_AUTOMATIC);
	assert_int_equal(g->hold_down_ms, 60000);
	assert_int_equal(g->min_healthy.percent, 50);
	assert_int_equal(g->return_healthy.percent, 100);
	assert_int_equal(g->panic_percent, 30);
	assert_int_equal(g->check.on_down, ON_DOWN_KEEP);
	assert_int_equal(g->damping.half_life_ms, 60000);
	assert_int_equal(g->damping.max_suppress_ms, 3600000);
	assert_int_equal(g->damping.suppress, 3000);
	assert_int_equal(g->damping.reuse, 750);
	assert_int_equal(h->mode, GROUP_ROLLING);
	assert_int_equal(h->members[0].priority, 1);
	assert_int_equal(h->members[1].priority, 2);
	assert_int_equal(h->step_percent, 25);
	assert_int_equal(h->step_interval_ms, 5000);
	assert_int_equal(h->overprovision_percent, 140);
	assert_int_equal(h->damping.half_life_ms, 0);
	assert_int_equal(i->max_lag_ms, 500);
	assert_int_equal(i->step_percent, 0);
	config_free(config);
}

static void the_forms_of_the_language_mean_the_same(void **state)
{
	struct config *config;

	(void)state;
	config = parse(
		"interfaces: [eth0, {name: eth1, mode: generic}]\n"
		"source: {ipv4: 10.0.0.0/24, ipv6: fd00::1}\n"
		"on_exit: detach\n"
		"api: {listen: \"[::1]:80\"}\n"
		"services:\n"
		"- {name: v6, address: 2001:db8::1, protocol: udp, port: 0, group: g, forward: ipip, hash: source-ip, "
		"tracking: always, on_empty: fail-open}\n"
		"- {name: v4, address: 192.0.2.1, port: 80, group: g, scheduler: least-connections}\n"
		"failover_groups: [{name: g, mode: normal, backends: [b], health_check: &c {type: none}}]\n"
		"backends: [{name: b, address: &a 10.0.0.1, weight: 0}]\n"
		"defaults: {health_check: *c}\n",
		"");
	assert_int_equal(config->n_interfaces, 2);
	assert_int_equal(config->interfaces[1].mode, INTERFACE_MODE_GENERIC);
	assert_int_equal(config->source_ipv4_prefix, 24);
	assert_int_equal(config->on_exit, ON_EXIT_DETACH);
	assert_address(&config->services[0].address, "2001:db8::1");
	assert_int_equal(config->services[0].protocol, IPPROTO_UDP);
	assert_int_equal(config->services[0].hash, HASH_SOURCE_IP);
	assert_int_equal(config->services[0].tracking, TRACKING_ALWAYS);
	assert_int_equal(config->services[0].on_empty, ON_EMPTY_FAIL_OPEN);
	assert_int_equal(config->services[1].on_empty, ON_EMPTY_DROP);
	assert_int_equal(config->services[0].scheduler, SHUNT_SCHEDULER_MAGLEV);
	assert_int_equal(config->services[1].scheduler, SHUNT_SCHEDULER_LEAST_CONNECTIONS);
	assert_int_equal(config->services[1].tracking, TRACKING_ALWAYS);
	assert_int_equal(config->groups[0].mode, GROUP_ACTIVE_ACTIVE);
	assert_true(config->groups[0].primary == SIZE_MAX);
	assert_int_equal(config->backends[0].weight, 0);
	config_free(config);
}

static void packets_reach_a_group_and_its_fallbacks(void **state)
{
	struct config *config;

	(void)state;
	/* No note that h or i is used by no service, and the check of i has the port of s. */
	config = parse(IFACE SERVICE
		       "failover_groups:\n"
		       "- {name: i, mode: normal, backends: [b1]}\n"
		       "- {name: h, mode: normal, backends: [b1], fallback: i}\n"
		       "- {name: g, mode: normal, backends: [b2], fallback: h}\n" BACKENDS,
		       "");
	assert_int_equal(config->groups[0].fallback, SIZE_MAX);
	assert_int_equal(config->groups[2].fallback, 1);
	for (size_t group = 0; group < 3; group++)
		assert_true(config_service_reaches(config, &config->services[0], group));
	config_free(config);
	config = parse(IFACE SERVICE
		       "failover_groups:\n"
		       "- {name: g, mode: normal, backends: [b1]}\n"
		       "- {name: h, mode: normal, backends: [b2], fallback: g}\n" BACKENDS,
		       "5:10: note: group \"h\" is used by no service\n");
	assert_false(config_service_reaches(config, &config->services[0], 1));
	config_free(config);
}

static void gue_and_mss_are_the_services_over_the_defaults(void **state)
{
	struct config *config;

	(void)state;
	config = parse(IFACE "defaults: {forward: gue, gue: {port: 7000}}\n"
			     "services:\n"
			     "- {name: a, address: 192.0.2.1, port: 80, group: g}\n"
			     "- {name: b, address: 192.0.2.1, port: 81, group: g, gue: {port: 7001}, mss: auto}\n"
			     "- {name: c, address: 192.0.2.1, port: 82, group: g, forward: l2, mss: 1220}\n"
			     "- {name: d, address: 192.0.2.1, port: 83, group: g, forward: ipip, gue: {port: 7002}}\n" GROUP
				     BACKENDS,
		       "7:73: note: service \"d\": gue has no effect with forward ipip\n");
	assert_int_equal(config->services[0].forward, SHUNT_FORWARD_GUE);
	assert_int_equal(config->services[0].gue_port, 7000);
	assert_int_equal(config->services[0].mss, 0);
	assert_int_equal(config->services[1].gue_port, 7001);
	assert_int_equal(config->services[1].mss, SHUNT_MSS_AUTO);
	assert_int_equal(config->services[2].forward, SHUNT_FORWARD_L2);
	assert_int_equal(config->services[2].mss, 1220);
	config_free(config);
	config = parse(IFACE SERVICE GROUP BACKENDS, "");
	assert_int_equal(config->services[0].gue_port, 6080);
	assert_int_equal(config->services[0].mss, 0);
	config_free(config);
}

static void a_file_that_cannot_be_read_is_told(void **state)
{
	struct config_messages messages = {};
	struct config *config = NULL;
	char *told;

	(void)state;
	assert_int_equal(config_load("/nonexistent/shunt.yaml", &config, &messages), -ENOENT);
	told = messages_text(&messages);
	assert_string_equal(told, " cannot read: No such file or directory\n");
	free(told);
	config_messages_clear(&messages);
	assert_int_equal(config_load("/dev/zero", &config, &messages), -EFBIG);
	assert_int_equal(messages.n, 1);
	config_messages_clear(&messages);
	assert_null(config);
}

/* ---- diff ---- */

static void assert_changes(const char *before, const char *after, const char *expected)
{
	struct config *old = parse(before, ""), *new = parse(after, "");
	struct config_changes changes;
	size_t length = 0;
	char *told = NULL;
	FILE *to = open_memstream(&told, &length);

	assert_int_equal(config_diff(old, new, &changes), 0);
	for (size_t i = 0; i < changes.n; i++)
		fprintf(to, "%s%s\n", changes.list[i].scatters ? "! " : "", changes.list[i].text);
	fclose(to);
	assert_string_equal(told, expected);
	free(told);
	config_changes_clear(&changes);
	config_free(old);
	config_free(new);
}

static void a_change_is_one_line_of_old_and_new(void **state)
{
	(void)state;
	assert_changes(IFACE SERVICE GROUP BACKENDS, BACKENDS GROUP SERVICE IFACE, "");
	assert_changes(IFACE SERVICE GROUP BACKENDS,
		       "interfaces: [{name: eth0, mode: native}, eth1]\n"
		       "source: {ipv4: 10.9.0.0/16}\n"
		       "hash_seed: 1\n"
		       "table_size: 128\n"
		       "flow_timeout: 90s\n"
		       "flow_table_size: 64\n"
		       "on_exit: detach\n"
		       "api: {listen: \"127.0.0.1:1\"}\n" SERVICE GROUP BACKENDS,
		       "source ipv4 of the interface -> 10.9.0.0/16\n"
		       "! hash_seed 0 -> 0x1\n"
		       "! table_size 65536 -> 128\n"
		       "flow_timeout 15m -> 90s\n"
		       "! flow_table_size 1048576 -> 64\n"
		       "on_exit keep -> detach\n"
		       "api listen off -> 127.0.0.1:1\n"
		       "interface eth0: mode auto -> native\n"
		       "interface eth1: added\n");
	assert_changes(
		IFACE SERVICE GROUP BACKENDS,
		IFACE
		"services:\n"
		"- {name: s, address: 192.0.2.2, port: 0, protocol: udp, group: h, forward: ipip, hash: source-ip, "
		"tracking: never, on_empty: reject}\n"
		"failover_groups:\n"
		"- {name: h, mode: normal, backends: [b1, b3], health_check: {type: none}}\n"
		"backends: [{name: b1, address: 10.0.0.9, weight: 7, port: 8}, {name: b3, address: 10.0.0.3}]\n",
		"service s: address 192.0.2.1 -> 192.0.2.2\n"
		"service s: protocol tcp -> udp\n"
		"service s: port 80 -> every\n"
		"service s: group g -> h\n"
		"service s: forward l2 -> ipip\n"
		"! service s: hash 5-tuple -> source-ip\n"
		"service s: tracking auto -> never\n"
		"service s: on_empty drop -> reject\n"
		"group g: removed\n"
		"group h: added\n"
		"backend b1: address 10.0.0.1 -> 10.0.0.9\n"
		"backend b1: weight 100 -> 7\n"
		"backend b1: port none -> 8\n"
		"backend b2: removed\n"
		"backend b3: added\n");
}

static void hooks_have_defaults_and_tell_no_secret(void **state)
{
	struct config *config = parse(IFACE "hooks: {exec: [/bin/x, s3cret], webhook: \"https://h.example:8443/s3cret\", on: [group]}\n", "");
	char text[CONFIG_HOOK_TEXT_MAX];

	(void)state;
	assert_string_equal(config->hooks.exec[1], "s3cret");
	assert_string_equal(config->hooks.webhook, "https://h.example:8443/s3cret");
	assert_int_equal(config->hooks.on, HOOK_ON_GROUP);
	assert_int_equal(config->hooks.max_attempts, 5);
	assert_int_equal(config->hooks.timeout_ms, 10000);
	assert_int_equal(config->hooks.backoff_ms, 1000);
	assert_int_equal(config->hooks.max_backoff_ms, 60000);
	assert_int_equal(config->hooks.queue, 5000);
	assert_null(strstr(config_hook_exec_text(&config->hooks, text), "s3cret"));
	assert_non_null(strstr(text, "/bin/x ("));
	assert_null(strstr(config_hook_webhook_text(&config->hooks, text), "s3cret"));
	assert_non_null(strstr(text, "https://h.example/… ("));
	config_free(config);
	assert_changes(IFACE "hooks: {webhook: \"https://h.example/a\"}\n", IFACE "hooks: {webhook: \"https://h.example/b\", on: [failover]}\n",
		       "hooks webhook https://h.example/… (03f2007e) -> https://h.example/… (ddef8615)\n"
		       "hooks on failback -> not failback\n"
		       "hooks on backend -> not backend\n"
		       "hooks on group -> not group\n");
	config = parse(IFACE, "");
	assert_null(config->hooks.exec);
	assert_null(config->hooks.webhook);
	config_free(config);
}

static void a_service_may_have_a_whole_prefix(void **state)
{
	static const struct {
		const char *address, *text;
		uint8_t prefix;
	} rows[] = {
		{"192.0.2.0/24", "192.0.2.0/24", 24},	      {"192.0.2.128/25", "192.0.2.128/25", 25},
		{"192.0.2.9/32", "192.0.2.9", 0},	      {"192.0.2.9", "192.0.2.9", 0},
		{"2001:db8:1::/96", "2001:db8:1::/96", 96},   {"2001::/16", "2001::/16", 16},
		{"2001:db8::1/128", "2001:db8::1", 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char file[512], address[CONFIG_ADDRESS_TEXT_MAX];
		struct config *config;

		snprintf(file, sizeof(file), IFACE "services: [{name: s, address: \"%s\", port: 80, group: g}]\n" GROUP BACKENDS,
			 rows[i].address);
		config = parse(file, "");
		assert_int_equal(config->services[0].prefix, rows[i].prefix);
		assert_string_equal(config_service_address(&config->services[0], address), rows[i].text);
		config_free(config);
	}
}

/* Flows that a scheduler placed are lost to a service that does not look them up. */
static void only_the_way_back_from_a_scheduler_scatters(void **state)
{
	static const char *const with[] = {
		IFACE "services: [{name: s, address: 192.0.2.1, port: 80, group: g}]\n" GROUP BACKENDS,
		IFACE "services: [{name: s, address: 192.0.2.1, port: 80, group: g, scheduler: round-robin}]\n" GROUP BACKENDS,
		IFACE "services: [{name: s, address: 192.0.2.1, port: 80, group: g, scheduler: random}]\n" GROUP BACKENDS,
	};

	(void)state;
	assert_changes(with[0], with[1], "service s: tracking auto -> always\nservice s: scheduler maglev -> round-robin\n");
	assert_changes(with[1], with[2], "service s: scheduler round-robin -> random\n");
	assert_changes(with[2], with[0], "service s: tracking always -> auto\n! service s: scheduler random -> maglev\n");
}

static void a_change_of_gue_and_mss_is_told(void **state)
{
	(void)state;
	assert_changes(IFACE "services: [{name: s, address: 192.0.2.1, port: 80, group: g, forward: ipip}]\n" GROUP BACKENDS,
		       IFACE "services: [{name: s, address: 192.0.2.1, port: 80, group: g, forward: gue, gue: {port: 5555}, "
			     "mss: auto}]\n" GROUP BACKENDS,
		       "service s: forward ipip -> gue\n"
		       "service s: gue port 6080 -> 5555\n"
		       "service s: mss any -> auto\n");
	assert_changes(IFACE "services: [{name: s, address: 192.0.2.1, port: 80, group: g, mss: auto}]\n" GROUP BACKENDS,
		       IFACE "services: [{name: s, address: 192.0.2.1, port: 80, group: g, mss: 1400}]\n" GROUP BACKENDS,
		       "service s: mss auto -> 1400\n");
}

#define MANY                                                                                                           \
	IFACE "services:\n"                                                                                            \
	      "- {name: s, address: 192.0.2.1, port: 80, group: g}\n"                                                  \
	      "- {name: t, address: 192.0.2.1, port: 81, group: h}\n"                                                  \
	      "backends: [{name: b1, address: 10.0.0.1}, {name: b2, address: 10.0.0.2}, {name: b3, address: "          \
	      "10.0.0.3}]\n"                                                                                           \
	      "failover_groups:\n"

static void a_change_of_protection_is_told_in_numbers(void **state)
{
	(void)state;
	assert_changes(IFACE SERVICE GROUP BACKENDS,
		       IFACE "services: [{name: s, address: 192.0.2.1, port: 80, group: g, deny: [10.0.0.0/8, 10.0.0.0/8], "
			     "allow: [], limits: {new_flows: 50, burst: 9, per_client: 5, client_prefix: {ipv4: 24}}}]\n"
			     "deny: [203.0.113.7, \"2001:db8::/32\"]\nclient_table_size: 2048\n" GROUP BACKENDS,
		       "client_table_size 65536 -> 2048\n"
		       "deny: 2 added, 0 removed\n"
		       "service s: allow everybody -> only its list\n"
		       "service s: new flows unlimited -> 50/s, burst 9\n"
		       "service s: new flows of a client unlimited -> 5/s, burst 5, a client is a /24\n"
		       "service s: deny: 1 added, 0 removed\n");
	assert_changes(IFACE "deny: [203.0.113.7, 10.0.0.0/8]\n" SERVICE GROUP BACKENDS,
		       IFACE "deny: [10.0.0.0/8, 10.0.0.0/9]\nallow: [192.0.2.0/24]\n" SERVICE GROUP BACKENDS,
		       "allow everybody -> only its list\n"
		       "deny: 1 added, 1 removed\n"
		       "allow: 1 added, 0 removed\n");
}

static void clients_of_other_groups_are_found_and_told(void **state)
{
	static const char *const clients[] = {
		"{prefix: 10.0.0.0/8, group: h}, {prefix: 10.1.0.0/16, group: g}, {prefix: 10.2.0.0/16, group: h}",
		"{prefix: 10.3.0.0/16, group: h}, {prefix: 10.1.0.0/16, group: h}, {prefix: 10.0.0.0/8, group: h}",
	};
	static const struct {
		uint8_t address[2];
		size_t client; /* index into the sorted list, 3: none */
	} rows[] = {{{10, 0}, 0}, {{10, 255}, 0}, {{10, 1}, 1}, {{10, 2}, 2}, {{11, 0}, 3}, {{9, 255}, 3}};
	struct config_messages messages = {};
	struct config *config;
	char text[2][1024];

	(void)state;
	for (size_t i = 0; i < 2; i++)
		snprintf(text[i], sizeof(text[i]),
			 IFACE "services: [{name: s, address: 192.0.2.1, port: 80, group: g, clients: [%s]}]\n"
			       "failover_groups: [{name: g, mode: active-active, backends: [b1], fallback: i},"
			       " {name: h, mode: active-active, backends: [b2], fallback: j},"
			       " {name: i, mode: active-active, backends: [b1]}, {name: j, mode: active-active, backends: [b1]}]\n" BACKENDS,
			 clients[i]);
	assert_changes(text[0], text[1], "service s: clients: 1 added, 1 removed, 1 to another group\n");
	assert_int_equal(config_parse(text[0], strlen(text[0]), &config, &messages), 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct shunt_addr address = {.byte = {[10] = 0xff, [11] = 0xff, [12] = rows[i].address[0],
						      [13] = rows[i].address[1], [15] = 1}};
		const struct config_client *found = config_client_of(&config->services[0], &address);

		assert_ptr_equal(found, rows[i].client == 3 ? NULL : &config->services[0].clients.list[rows[i].client]);
	}
	for (size_t group = 0; group < 4; group++)
		assert_true(config_service_reaches(config, &config->services[0], group));
	config->services[0].clients.n_groups = 0;
	assert_false(config_service_reaches(config, &config->services[0], 1));
	config_free(config);
	config_messages_clear(&messages);
}

#define QUIC(quic) \
	IFACE "services: [{name: s, address: 192.0.2.1, protocol: udp, port: 443, group: g" quic "}]\n" GROUP
#define WITH_IDS(one, two) \
	"backends: [{name: b1, address: 10.0.0.1, server_id: " one "}, {name: b2, address: 10.0.0.2, server_id: " two "}]\n"
#define READS_IDS ", quic: {server_id: {offset: 1, length: 2}}"

static void quic_is_off_unless_given_and_server_ids_are_bytes(void **state)
{
	static const uint8_t id[] = {0x0a, 0xff};
	static const struct {
		const char *text;
		bool on;
	} rows[] = {{QUIC("") BACKENDS, false}, {QUIC(", quic: true") BACKENDS, true}, {QUIC(", quic: {}") BACKENDS, true},
		    {QUIC(", quic: false") BACKENDS, false}, {QUIC(", quic: {enabled: false}") BACKENDS, false}};
	struct config_messages messages = {};
	struct config *config;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(config_parse(rows[i].text, strlen(rows[i].text), &config, &messages), 0);
		assert_int_equal(config->services[0].quic.on, rows[i].on);
		assert_int_equal(config->services[0].quic.server_id_len, 0);
		config_free(config);
	}
	assert_int_equal(config_parse(QUIC(READS_IDS) WITH_IDS("0x0aff", "0x0b00"),
				      strlen(QUIC(READS_IDS) WITH_IDS("0x0aff", "0x0b00")), &config, &messages), 0);
	assert_int_equal(config->services[0].quic.server_id_offset, 1);
	assert_int_equal(config->backends[0].server_id.len, 2);
	assert_memory_equal(config->backends[0].server_id.byte, id, 2);
	assert_int_equal(messages.n, 0);
	config_free(config);
	assert_int_equal(config_parse(QUIC(READS_IDS) BACKENDS, strlen(QUIC(READS_IDS) BACKENDS), &config, &messages), 0);
	assert_int_equal(messages.n, 2); /* who has no id does not follow */
	config_free(config);
	config_messages_clear(&messages);
}

static void ids_that_living_connections_have_do_not_change(void **state)
{
	static const struct {
		const char *before, *after, *change;
		bool scatters;
	} rows[] = {
		{QUIC("") BACKENDS, QUIC(", quic: true") BACKENDS, "service s: quic false -> true", false},
		{QUIC(READS_IDS) WITH_IDS("0x0a01", "0x0a02"), QUIC(READS_IDS) WITH_IDS("0x0a01", "0x0a03"),
		 "backend b2: server_id 0x0a02 -> 0x0a03", true},
		{QUIC(READS_IDS) WITH_IDS("0x0a01", "0x0a02"),
		 QUIC(", quic: {server_id: {offset: 2, length: 2}}") WITH_IDS("0x0a01", "0x0a02"),
		 "service s: quic server_id at 1, 2 bytes -> server_id at 2, 2 bytes", true},
	};
	struct config_messages messages = {};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct config_changes changes = {};
		struct config *before, *after;

		assert_int_equal(config_parse(rows[i].before, strlen(rows[i].before), &before, &messages), 0);
		assert_int_equal(config_parse(rows[i].after, strlen(rows[i].after), &after, &messages), 0);
		assert_int_equal(config_diff(before, after, &changes), 0);
		assert_int_equal(changes.n, 1);
		assert_string_equal(changes.list[0].text, rows[i].change);
		assert_int_equal(changes.list[0].scatters, rows[i].scatters);
		config_changes_clear(&changes);
		config_free(before);
		config_free(after);
	}
	config_messages_clear(&messages);
}

static void a_group_says_who_came_and_went(void **state)
{
	(void)state;
	assert_changes(MANY "- {name: g, primary: b1, backends: [b1, b2]}\n"
			    "- {name: h, mode: normal, backends: [b1, b2, b3]}\n",
		       MANY
		       "- {name: g, primary: b3, backends: [b2, b3], failover: manual, "
		       "failback_delay: 1m, min_healthy: 2, fallback: h, health_check: {path: /x, host: y, port: 9, interval: 2s}}\n"
		       "- {name: h, mode: normal, backends: [b3, b1, b2], failback: automatic}\n",
		       "group g: primary b1 -> b3\n"
		       "group g: failover automatic -> manual\n"
		       "group g: failback_delay 30s -> 1m\n"
		       "group g: fallback none -> h\n"
		       "group g: min_healthy 1 -> 2\n"
		       "group g: health_check tcp -> http GET /x, host y, status 200-399\n"
		       "group g: health_check port of the backend or service -> 9\n"
		       "group g: health_check interval 1s -> 2s\n"
		       "group g: health_check fast_interval 1s -> 2s\n"
		       "group g: backend b1 removed\n"
		       "group g: backend b3 added\n"
		       "group h: failback manual -> automatic\n");
	assert_changes(MANY "- {name: g, primary: b1, backends: [b1, b2, b3]}\n"
			    "- {name: h, mode: normal, backends: [b1]}\n",
		       MANY "- {name: g, primary: b1, backends: [b1, b3, b2]}\n"
			    "- {name: h, mode: normal, backends: [b1], health_check: {healthy_threshold: 5}}\n",
		       "group g: backend b2 priority 1 -> 2\n"
		       "group g: backend b3 priority 2 -> 1\n"
		       "group h: health_check healthy_threshold 2 -> 5\n");
}

static const struct config_member *member_named(const struct config *config, const char *name)
{
	for (size_t i = 0; i < config->groups[0].n_members; i++)
		if (strcmp(config->backends[config->groups[0].members[i].backend].name, name) == 0)
			return &config->groups[0].members[i];
	fail_msg("%s is no member", name);
	return NULL;
}

static struct config *parse_with(const char *text, const struct config_discovered *known, size_t n)
{
	struct config_messages messages = {};
	struct config *config = NULL;

	if (config_parse_with(text, strlen(text), &(struct config_besides){.discovered = known, .n_discovered = n}, &config, &messages) < 0)
		config_messages_print(&messages, "a file", stderr);
	config_messages_clear(&messages);
	assert_non_null(config);
	return config;
}

static void what_a_name_stands_for_is_backends_of_its_group(void **state)
{
	static const char text[] =
		"interfaces: [eth0]\n"
		"services: [{name: s, address: 192.0.2.1, port: 5432, group: g}]\n"
		"failover_groups: [{name: g, backends: [b1]}]\n"
		"backends: [{name: b1, address: 10.0.0.1}]\n"
		"dns_backends:\n"
		"  - {domain: replica.example.com, protocol: postgres, port: 5432, group_name: g, refresh: 30s}\n"
		"  - {domain: primary.example.com, port: 5433, is_primary: true, group_name: g}\n";
	struct config_discovered_address primary[] = {{.priority = 0}, {.priority = 0}}, replica[] = {{.priority = 0}},
					 srv[] = {{.priority = 20, .port = 7000, .weight = 5}, {.priority = 10}, {.priority = 20}};
	const struct config_discovered both[] = {{"primary.example.com", "g", primary, 2}, {"replica.example.com", "g", replica, 1}},
				       ranks[] = {{"replica.example.com", "g", srv, 3}},
				       strangers[] = {{"primary.example.com", "other", primary, 2}, {"x.example.com", "g", replica, 1}};
	struct config *config;
	uint32_t tier;

	(void)state;
	address_parse("10.0.1.1", &primary[0].address);
	address_parse("2001:db8::1", &primary[1].address);
	address_parse("10.0.2.1", &replica[0].address);
	for (int i = 0; i < 3; i++)
		address_parse((const char *const[]){"10.0.3.1", "10.0.3.2", "10.0.3.3"}[i], &srv[i].address);

	config = parse_with(text, both, 2);
	assert_int_equal(config->n_backends, 4);
	assert_int_equal(config->n_dns, 2);
	assert_int_equal(config->dns[0].refresh_ms, 30000);
	assert_int_equal(member_named(config, "primary.example.com@10.0.1.1")->priority, 0);
	assert_int_equal(member_named(config, "primary.example.com@2001:db8::1")->priority, 0);
	assert_int_equal(config->backends[member_named(config, "primary.example.com@10.0.1.1")->backend].port, 5433);
	assert_true(config->groups[0].primary == member_named(config, "primary.example.com@10.0.1.1")->backend);
	assert_true(member_named(config, "replica.example.com@10.0.2.1")->priority > member_named(config, "b1")->priority);
	config_free(config);

	/* The port of the entry goes before that of SRV, which stands where there is none; priorities make tiers. */
	config = parse_with(text, ranks, 1);
	tier = member_named(config, "replica.example.com@10.0.3.2")->priority;
	assert_int_equal(member_named(config, "replica.example.com@10.0.3.1")->priority, tier + 1);
	assert_int_equal(member_named(config, "replica.example.com@10.0.3.3")->priority, tier + 1);
	assert_int_equal(config->backends[member_named(config, "replica.example.com@10.0.3.1")->backend].weight, 5);
	assert_int_equal(config->backends[member_named(config, "replica.example.com@10.0.3.1")->backend].port, 5432);
	assert_true(config->groups[0].primary == SIZE_MAX);
	config_free(config);

	config = parse_with(text, strangers, 2);
	assert_int_equal(config->n_backends, 1);
	config_free(config);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_wrong_is_told_by_line_with_the_remedy),
		cmocka_unit_test(the_example_means_what_it_says),
		cmocka_unit_test(what_is_left_out_has_its_default),
		cmocka_unit_test(a_check_is_the_groups_keys_over_the_defaults),
		cmocka_unit_test(what_follows_from_checks_is_the_groups_over_the_defaults),
		cmocka_unit_test(priorities_order_who_takes_over),
		cmocka_unit_test(what_is_valid_but_idle_is_noted),
		cmocka_unit_test(how_a_group_moves),
		cmocka_unit_test(the_forms_of_the_language_mean_the_same),
		cmocka_unit_test(packets_reach_a_group_and_its_fallbacks),
		cmocka_unit_test(gue_and_mss_are_the_services_over_the_defaults),
		cmocka_unit_test(a_file_that_cannot_be_read_is_told),
		cmocka_unit_test(a_change_is_one_line_of_old_and_new),
		cmocka_unit_test(hooks_have_defaults_and_tell_no_secret),
		cmocka_unit_test(a_service_may_have_a_whole_prefix),
		cmocka_unit_test(only_the_way_back_from_a_scheduler_scatters),
		cmocka_unit_test(a_change_of_gue_and_mss_is_told),
		cmocka_unit_test(a_group_says_who_came_and_went),
		cmocka_unit_test(clients_of_other_groups_are_found_and_told),
		cmocka_unit_test(quic_is_off_unless_given_and_server_ids_are_bytes),
		cmocka_unit_test(ids_that_living_connections_have_do_not_change),
		cmocka_unit_test(a_change_of_protection_is_told_in_numbers),
		cmocka_unit_test(what_a_name_stands_for_is_backends_of_its_group),
	};

	return cmocka_run_group_tests_name("config", tests, NULL, NULL);
}
