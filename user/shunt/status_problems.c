/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Decides what of a status an operator must know first. The order of the rules is that of the list: worst first. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "shunt/status.h"

#define FLOW_TABLE_NEARLY_FULL 90 /* percent */

static void __attribute__((format(printf, 3, 4))) add(struct problems *problems, enum colour colour,
						      const char *format, ...)
{
	struct problem *grown = realloc(problems->list, (problems->n + 1) * sizeof(*grown));
	va_list arguments;
	char *text;

	va_start(arguments, format);
	if (vasprintf(&text, format, arguments) < 0)
		text = NULL;
	va_end(arguments);
	if (!grown || !text)
		abort(); /* a CLI without memory */
	problems->list = grown;
	problems->list[problems->n++] = (struct problem){colour, text};
}

void problems_clear(struct problems *problems)
{
	for (size_t i = 0; i < problems->n; i++)
		free(problems->list[i].text);
	free(problems->list);
	*problems = (struct problems){};
}

static void whole(const struct status *status, struct problems *problems)
{
	const json_t *flow_table = json_object_get(status->document, "flow_table");
	int64_t entries = get_number(flow_table, "entries"), capacity = get_number(flow_table, "capacity");
	const char *problem = get_text(status->document, "problem");

	if (json_is_false(json_object_get(status->document, "datapath_ok")))
		add(problems, RED, "the data path does not run: nothing is forwarded");
	if (*problem)
		add(problems, RED, "%s", problem);
	if (capacity && entries * 100 >= capacity * FLOW_TABLE_NEARLY_FULL)
		add(problems, YELLOW, "the flow table is nearly full, %" PRId64 " of %" PRId64
		    ": raise flow_table_size", entries, capacity);
}

static void groups_down(const struct status *status, struct problems *problems)
{
	json_t *group;
	size_t i;

	json_array_foreach(json_object_get(status->document, "groups"), i, group) {
		const char *name = get_text(group, "name"), *resort = get_text(group, "last_resort");

		if (strcmp(get_text(group, "state"), "down") != 0)
			continue;
		if (strcmp(resort, "fail-open") == 0)
			add(problems, RED, "group %s is down and FAILS OPEN: its backends take flows unchecked",
			    name);
		else if (*resort)
			add(problems, RED, "group %s is down: its new flows go to %s", name, resort);
		else
			add(problems, RED, "group %s is down: nobody takes its new flows", name);
	}
}

static void groups_waiting(const struct status *status, struct problems *problems)
{
	json_t *group;
	size_t i;

	json_array_foreach(json_object_get(status->document, "groups"), i, group) {
		const json_t *proposal = json_object_get(group, "proposal");

		if (get_flag(group, "panic"))
			add(problems, RED, "group %s PANICS: too few backends are fit, all in service are used",
			    get_text(group, "name"));
		if (json_is_object(proposal))
			add(problems, RED, "group %s proposes to move (%s): %s", get_text(group, "name"),
			    get_text(proposal, "why"), get_text(proposal, "confirm"));
	}
}

static void groups_impaired(const struct status *status, struct problems *problems)
{
	char age[HUMAN_TEXT_MAX];
	json_t *group;
	size_t i;

	json_array_foreach(json_object_get(status->document, "groups"), i, group) {
		const char *name = get_text(group, "name"), *state = get_text(group, "state");
		const char *forced = get_text(group, "forced");
		const char *active = json_string_value(json_array_get(json_object_get(group, "active"), 0)) ?: "nobody";

		if (strcmp(state, "down") == 0)
			continue;
		if (*forced)
			add(problems, YELLOW, "group %s is held on %s by %s", name, forced, holder_of(group));
		else if (strcmp(state, "failed-over") == 0 || strcmp(state, "failing-back") == 0)
			add(problems, YELLOW, "group %s failed over to %s%s %s ago", name, active,
			    json_array_size(json_object_get(group, "active")) > 1 ? " and others" : "",
			    status_age(status, get_time(group, "last_failover"), age));
		else if (strcmp(state, "degraded") == 0)
			add(problems, YELLOW, "group %s is degraded: %zu of %zu backends out", name,
			    status_members_out(group), json_array_size(json_object_get(group, "backends")));
	}
}

static void backends_bad(const struct status *status, struct problems *problems)
{
	char age[HUMAN_TEXT_MAX];
	json_t *backend;
	size_t i;

	json_array_foreach(json_object_get(status->document, "backends"), i, backend) {
		const char *name = get_text(backend, "name"), *health = get_text(backend, "health");
		const json_t *check = json_object_get(backend, "check");

		if (strcmp(get_text(backend, "admin"), "maint") == 0)
			continue;
		if (strcmp(health, "down") == 0)
			add(problems, RED, "backend %s down for %s: %s", name,
			    status_age(status, get_time(check, "since"), age), get_text(check, "last"));
		else if (strcmp(health, "degraded") == 0)
			add(problems, YELLOW, "backend %s degraded for %s: score %" PRId64 " of 100", name,
			    status_age(status, get_time(check, "since"), age),
			    get_number(json_object_get(backend, "score"), "percent"));
		if (json_is_false(json_object_get(backend, "next_hop_ok")))
			add(problems, YELLOW, "backend %s has no next hop: %s", name, get_text(backend, "next_hop"));
	}
}

static void names_unanswered(const struct status *status, struct problems *problems)
{
	const json_t *name;
	size_t i;

	json_array_foreach(json_object_get(status->document, "names"), i, name) {
		const char *why = get_text(name, "problem"), *domain = get_text(name, "domain");

		if (*why && get_flag(name, "given_up"))
			add(problems, YELLOW, "name %s does not resolve (%s): other names of group %s serve", domain, why,
			    get_text(name, "group"));
		else if (*why)
			add(problems, YELLOW, "name %s does not resolve (%s): its %" PRId64 " last addresses stay", domain, why,
			    get_number(name, "addresses"));
	}
}

static void interfaces_slow(const struct status *status, struct problems *problems)
{
	json_t *interface;
	size_t i;

	json_array_foreach(json_object_get(status->document, "interfaces"), i, interface)
		if (strcmp(get_text(interface, "mode"), "generic") == 0)
			add(problems, YELLOW, "%s runs in generic mode, several times slower than native",
			    get_text(interface, "name"));
}

/* Families of the services that translate: bit 0 IPv4, bit 1 IPv6. */
static unsigned int translated_families(const struct status *status)
{
	unsigned int families = 0;
	json_t *service;
	size_t i;

	json_array_foreach(json_object_get(status->document, "services"), i, service)
		if (strcmp(get_text(service, "forward"), "nat") == 0)
			families |= strchr(get_text(service, "address"), ':') ? 2 : 1;
	return families;
}

/* Answers of nat take the kernel's word for where they go, which it gives only where it forwards. */
static void answers_stuck(const struct status *status, struct problems *problems)
{
	static const char *const name[] = {"ipv4", "ipv6"}, *const text[] = {"IPv4", "IPv6"},
				 *const remedy[] = {"net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1"};
	unsigned int families = translated_families(status);
	json_t *interface;
	size_t i;

	json_array_foreach(json_object_get(status->document, "interfaces"), i, interface)
		for (size_t f = 0; f < 2; f++)
			if (families & 1U << f && json_is_false(json_object_get(json_object_get(interface, "forwards"), name[f])))
				add(problems, RED, "%s does not forward %s: answers of nat backends are lost (sysctl -w %s)",
				    get_text(interface, "name"), text[f], remedy[f]);
}

void status_problems(const struct status *status, struct problems *ret_problems)
{
	static void (*const rules[])(const struct status *, struct problems *) = {
		whole, groups_down, groups_waiting, groups_impaired, backends_bad, names_unanswered, interfaces_slow,
		answers_stuck,
	};

	*ret_problems = (struct problems){};
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
		rules[i](status, ret_problems);
}
