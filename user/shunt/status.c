/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * status: one screen that says what takes traffic, what does not and why. Problems first, then each group under the
 * services that use it.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "shunt/status.h"

#define PROBLEMS_SHOWN 10

static void print_header(const struct status *status)
{
	const json_t *document = status->document;
	size_t services = json_array_size(json_object_get(document, "services"));
	size_t groups = json_array_size(json_object_get(document, "groups"));
	size_t backends = json_array_size(json_object_get(document, "backends"));
	const char *dot = sign_text(status->style, SIGN_DOT);
	struct paragraph line = {stdout, status->style, 0, 2, false};
	char age[HUMAN_TEXT_MAX];
	json_t *interface;
	size_t i;

	paragraph_put(&line, BOLD, "shunt %s", get_text(document, "version"));
	paragraph_put(&line, PLAIN, " on %s", get_text(document, "node"));
	json_array_foreach(json_object_get(document, "interfaces"), i, interface)
		paragraph_put(&line, PLAIN, " %s %s %s, %s", dot, get_text(interface, "name"), get_text(interface, "mode"),
			      get_text(interface, "attach"));
	paragraph_put(&line, PLAIN, " %s up %s %s %zu service%s, %zu group%s, %zu backend%s", dot,
		      status_age(status, get_time(document, "started"), age), dot, services, plural(services), groups,
		      plural(groups), backends, plural(backends));
	paragraph_end(&line);
}

static void print_problems(const struct status *status, const struct problems *problems)
{
	struct paragraph title = {stdout, status->style, 0, 2, false};

	if (problems->n)
		paragraph_put(&title, RED, "%zu problem%s:", problems->n, plural(problems->n));
	else
		paragraph_put(&title, GREEN, "all well");
	paragraph_end(&title);
	for (size_t i = 0; i < problems->n && i < PROBLEMS_SHOWN; i++) {
		struct paragraph line = {stdout, status->style, 0, 4, false};

		paragraph_put(&line, problems->list[i].colour, " !");
		paragraph_put(&line, PLAIN, " %s", problems->list[i].text);
		paragraph_end(&line);
	}
	if (problems->n > PROBLEMS_SHOWN)
		printf(" ! and %zu more, below\n", problems->n - PROBLEMS_SHOWN);
}

/* How many prefixes of the service's clients the group takes, 0 of its own group. */
static int64_t client_prefixes(const json_t *service, const char *group)
{
	const json_t *clients;
	size_t i;

	json_array_foreach(json_object_get(service, "clients"), i, clients)
		if (strcmp(get_text(clients, "group"), group) == 0)
			return get_number(clients, "prefixes");
	return 0;
}

static void print_service(const struct status *status, const json_t *service, const char *group)
{
	const char *address = get_text(service, "address"), *dot = sign_text(status->style, SIGN_DOT);
	struct paragraph line = {stdout, status->style, 0, 4, false};
	int64_t port = get_number(service, "port");
	char count[HUMAN_TEXT_MAX];

	paragraph_put(&line, BOLD, "%s", get_text(service, "name"));
	if (port)
		paragraph_put(&line, PLAIN, strchr(address, ':') ? " [%s]:%" PRId64 : " %s:%" PRId64, address, port);
	else
		paragraph_put(&line, PLAIN, " %s, every port,", address);
	paragraph_put(&line, PLAIN, " %s %s %s %s", get_text(service, "protocol"), dot, get_text(service, "forward"),
		      dot);
	paragraph_put(&line, PLAIN, " %s packets", human_count((uint64_t)get_number(service, "packets"), count));
	if (strcmp(get_text(service, "group"), group) != 0)
		paragraph_put(&line, PLAIN, " %s here: clients of %" PRId64 " prefix%s", dot, client_prefixes(service, group),
			      client_prefixes(service, group) == 1 ? "" : "es");
	paragraph_end(&line);
}

static void add_to_group(json_t *of, const char *group, json_t *service)
{
	if (!json_object_get(of, group))
		json_object_set_new(of, group, json_array());
	json_array_append(json_object_get(of, group), service);
}

/* `of` groups all services by the names of their groups: one pass, however many there are. */
static json_t *services_by_group(const json_t *services)
{
	json_t *of = json_object(), *service, *clients;
	size_t i, j;

	json_array_foreach((json_t *)services, i, service) {
		add_to_group(of, get_text(service, "group"), service);
		json_array_foreach(json_object_get(service, "clients"), j, clients)
			if (strcmp(get_text(clients, "group"), get_text(service, "group")) != 0)
				add_to_group(of, get_text(clients, "group"), service);
	}
	return of;
}

/* The group of that name, or all with NULL. Returns how many were printed. */
static size_t print_groups(const struct status *status, const char *only)
{
	json_t *of = services_by_group(json_object_get(status->document, "services")), *group, *service;
	size_t i, j, n = 0;

	json_array_foreach(json_object_get(status->document, "groups"), i, group) {
		const json_t *services = json_object_get(of, get_text(group, "name"));

		if (only && strcmp(only, get_text(group, "name")) != 0)
			continue;
		if (!only)
			putchar('\n');
		json_array_foreach((json_t *)services, j, service)
			print_service(status, service, get_text(group, "name"));
		if (!json_array_size(services))
			puts("no service uses this group:");
		status_print_group(status, group);
		n++;
	}
	json_decref(of);
	return n;
}

static void print_drops(const struct status *status)
{
	struct paragraph line = {stdout, status->style, 0, 4, false};
	char count[HUMAN_TEXT_MAX];
	const char *label;
	json_t *packets;
	bool any = false;

	json_object_foreach(json_object_get(status->document, "drops"), label, packets) {
		if (!json_integer_value(packets))
			continue;
		if (!any)
			fputs("\n", stdout);
		paragraph_put(&line, YELLOW, any ? "," : "dropped:");
		paragraph_put(&line, PLAIN, " %s %s", label, human_count((uint64_t)json_integer_value(packets), count));
		any = true;
	}
	if (any) {
		paragraph_put(&line, DIM, " (shunt stats says why)");
		paragraph_end(&line);
	}
}

static json_t *backends_by_name(const json_t *backends)
{
	json_t *by_name = json_object(), *backend;
	size_t i;

	json_array_foreach((json_t *)backends, i, backend)
		json_object_set(by_name, get_text(backend, "name"), backend);
	return by_name;
}

static void print_status(const struct status *status)
{
	struct problems problems;

	status_problems(status, &problems);
	print_header(status);
	print_problems(status, &problems);
	problems_clear(&problems);
	print_groups(status, NULL);
	print_drops(status);
}

int command_status(struct cli *cli)
{
	struct status status = {.style = &cli->style, .now_ms = clock_wall_ms()};
	int r;

	if (cli->json)
		return cli->n_positional ? cli_show_json(cli, "groups", cli->positional[0]) : cli_show_json(cli, "status", NULL);
	r = cli_get(cli, "status", NULL, &status.document);
	if (r != EXIT_DONE)
		return r;
	status.backends = backends_by_name(json_object_get(status.document, "backends"));
	if (!cli->n_positional) {
		print_status(&status);
	} else if (!print_groups(&status, cli->positional[0])) {
		r = cli_fail(EXIT_REFUSED, "no group is named \"%s\"", cli->positional[0]);
		cli_suggest(cli, "groups", cli->positional[0]);
	}
	json_decref(status.backends);
	json_decref(status.document);
	return r;
}
