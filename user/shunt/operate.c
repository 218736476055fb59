/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * drain, maint, ready, weight, failover, failback: commands that change something, each followed by one sentence with
 * what came of it, taken from the controller's state after it.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/duration.h"
#include "base/number.h"
#include "shunt/cli.h"

#define WAIT_POLL_MS 250

static int duration_option(const struct cli *cli, int key, const char *name, uint64_t *ret_ms)
{
	*ret_ms = 0;
	if (!cli->option[key] || (duration_parse(cli->option[key], ret_ms) == 0 && *ret_ms))
		return EXIT_DONE;
	return cli_fail(EXIT_USAGE, "--%s takes a duration such as 30s, 5m or 2h, not \"%s\"", name, cli->option[key]);
}

/* ---- the sentence about a backend ---- */

static bool has_member(const json_t *group, const char *backend, const json_t **ret_member)
{
	json_t *member;
	size_t i;

	json_array_foreach(json_object_get(group, "backends"), i, member)
		if (strcmp(get_text(member, "name"), backend) == 0) {
			*ret_member = member;
			return true;
		}
	return false;
}

/* "a, b, c", at most five names. */
static void print_names(FILE *to, const json_t *names, const char *except)
{
	size_t i, n = 0;
	json_t *name;

	json_array_foreach((json_t *)names, i, name) {
		if (except && strcmp(json_string_value(name) ?: "", except) == 0)
			continue;
		if (n++ < 5)
			fprintf(to, "%s%s", n > 1 ? ", " : "", json_string_value(name) ?: "");
	}
	if (n > 5)
		fprintf(to, " and %zu more", n - 5);
}

static size_t count_except(const json_t *names, const char *except)
{
	size_t i, n = 0;
	json_t *name;

	json_array_foreach((json_t *)names, i, name)
		n += strcmp(json_string_value(name) ?: "", except) != 0;
	return n;
}

/* Where new flows go that it does not get. */
static void print_others(const json_t *groups, const char *name)
{
	const json_t *member, *active;
	json_t *group;
	size_t i;

	json_array_foreach((json_t *)groups, i, group) {
		if (!has_member(group, name, &member))
			continue;
		active = json_object_get(group, "active");
		if (count_except(active, name)) {
			fputs("; new flows go to ", stdout);
			print_names(stdout, active, name);
			if (json_array_size(groups) > 1)
				printf(" (%s)", get_text(group, "name"));
		} else {
			printf("; nobody else takes new flows of group %s", get_text(group, "name"));
		}
	}
}

/* What it takes of each group. */
static void print_shares(const json_t *groups, const char *name)
{
	const json_t *member;
	json_t *group;
	size_t i;

	json_array_foreach((json_t *)groups, i, group) {
		if (!has_member(group, name, &member))
			continue;
		if (strcmp(get_text(member, "role"), "active") == 0)
			printf("; takes %.3g %% of the new flows of %s", 100 * get_real(member, "share"),
			       get_text(group, "name"));
		else
			printf("; %s in %s", get_text(member, "role"), get_text(group, "name"));
	}
}

static void print_backend(const json_t *backend, const json_t *groups)
{
	const char *name = get_text(backend, "name"), *admin = get_text(backend, "admin");
	const char *health = get_text(backend, "health"), *last = get_text(json_object_get(backend, "check"), "last");
	int64_t flows = get_number(backend, "flows"), weight = get_number(backend, "weight");

	if (get_flag(backend, "drained"))
		printf("%s: drained, no flow is left, safe to stop", name);
	else if (strcmp(admin, "drain") == 0 && !flows)
		printf("%s: draining, its flows are counted as they send", name);
	else if (strcmp(admin, "drain") == 0)
		printf("%s: draining, %" PRId64 " flow%s left", name, flows, plural((uint64_t)flows));
	else if (strcmp(admin, "maint") == 0)
		printf("%s: in maintenance, no probes and no flows", name);
	else
		printf("%s: ready, %s%s%s", name, health, strcmp(health, "up") != 0 && *last ? ": " : "",
		       strcmp(health, "up") != 0 ? last : "");
	if (weight != get_number(backend, "configured_weight"))
		printf(", weight %" PRId64 " until the next reload (configured %" PRId64 ")", weight,
		       get_number(backend, "configured_weight"));
	if (strcmp(admin, "ready") == 0)
		print_shares(groups, name);
	else
		print_others(groups, name);
	putchar('\n');
}

static int tell_backend(struct cli *cli, const char *name)
{
	json_t *backend = NULL, *groups = NULL;
	int r = cli_get(cli, "backends", name, &backend);

	if (r == EXIT_DONE)
		r = cli_get(cli, "groups", NULL, &groups);
	if (r == EXIT_DONE)
		print_backend(backend, groups);
	json_decref(backend);
	json_decref(groups);
	return r;
}

/* --for, into a body that may be NULL yet. With a wrong one the body is gone. */
static int add_for(const struct cli *cli, json_t **body)
{
	uint64_t for_ms;
	int r = duration_option(cli, OPTION_FOR, "for", &for_ms);

	if (r != EXIT_DONE) {
		json_decref(*body);
		return r;
	}
	if (for_ms) {
		*body = *body ? *body : json_object();
		json_object_set_new(*body, "for", json_string(cli->option[OPTION_FOR]));
	}
	return EXIT_DONE;
}

/* Does it; then says what came of it, or with --json prints the answer. */
static int change_backend(struct cli *cli, const char *action, json_t *take_body)
{
	json_t *answer;
	int r = add_for(cli, &take_body);

	if (r != EXIT_DONE)
		return r;
	if (cli->option[OPTION_DRY_RUN])
		return cli_dry_run(cli, "backends", cli->positional[0], action, take_body);
	r = cli_call(cli, "POST", "backends", cli->positional[0], action, take_body, &answer);

	if (r != EXIT_DONE)
		return r;
	if (cli->json)
		cli_print_json(answer);
	else
		r = tell_backend(cli, cli->positional[0]);
	json_decref(answer);
	return r;
}

int command_maint(struct cli *cli)
{
	return change_backend(cli, "maint", NULL);
}

int command_ready(struct cli *cli)
{
	return change_backend(cli, "ready", NULL);
}

int command_weight(struct cli *cli)
{
	uint64_t weight;

	if (number_parse(cli->positional[1], 0, UINT32_MAX, &weight) < 0)
		return cli_fail(EXIT_USAGE, "the weight must be a whole number, not \"%s\"", cli->positional[1]);
	return change_backend(cli, "weight", json_pack("{s:I}", "weight", (json_int_t)weight));
}

/* ---- drain --wait ---- */

enum wait_state { WAIT_GO_ON, WAIT_DRAINED, WAIT_TAKEN_BACK };

static int wait_step(struct cli *cli, const char *name, enum wait_state *ret_state, int64_t *ret_flows)
{
	json_t *backend;
	int r = cli_get(cli, "backends", name, &backend);

	if (r != EXIT_DONE)
		return r;
	*ret_flows = get_number(backend, "flows");
	*ret_state = get_flag(backend, "drained")                             ? WAIT_DRAINED
		     : strcmp(get_text(backend, "admin"), "drain") == 0 ? WAIT_GO_ON
									     : WAIT_TAKEN_BACK;
	json_decref(backend);
	return EXIT_DONE;
}

/* Until the next look, or the deadline if that comes first. */
static void pause_until(uint64_t deadline)
{
	uint64_t now = clock_monotonic_ms(), ms = WAIT_POLL_MS;
	struct timespec pause;

	if (deadline <= now)
		return;
	if (deadline - now < ms)
		ms = deadline - now;
	pause = (struct timespec){0, (long)ms * 1000000L};
	nanosleep(&pause, NULL);
}

/* Passing the timeout ends the waiting, not the drain. */
static int wait_drained(struct cli *cli, const char *name, uint64_t timeout_ms)
{
	uint64_t deadline = timeout_ms ? clock_monotonic_ms() + timeout_ms : UINT64_MAX;
	enum wait_state state;
	int64_t flows = 0;
	int r;

	for (;;) {
		r = wait_step(cli, name, &state, &flows);
		if (r != EXIT_DONE)
			return r;
		if (state == WAIT_DRAINED)
			return EXIT_DONE;
		if (clock_monotonic_ms() >= deadline)
			return cli_fail(EXIT_REFUSED, "%s: %" PRId64 " flow%s left when the timeout of %s passed", name,
					flows, plural((uint64_t)flows), cli->option[OPTION_TIMEOUT]);
		if (state == WAIT_TAKEN_BACK)
			return cli_fail(EXIT_REFUSED, "%s: the drain was taken back, %" PRId64 " flow%s left", name,
					flows, plural((uint64_t)flows));
		pause_until(deadline);
	}
}

int command_drain(struct cli *cli)
{
	const char *name = cli->positional[0];
	json_t *answer, *body = NULL;
	uint64_t timeout_ms;
	int r = duration_option(cli, OPTION_TIMEOUT, "timeout", &timeout_ms);

	if (r != EXIT_DONE)
		return r;
	if (timeout_ms)
		body = json_pack("{s:s}", "timeout", cli->option[OPTION_TIMEOUT]);
	if (!cli->option[OPTION_WAIT] || cli->option[OPTION_DRY_RUN])
		return change_backend(cli, "drain", body);
	r = add_for(cli, &body);
	if (r != EXIT_DONE)
		return r;
	r = cli_call(cli, "POST", "backends", name, "drain", body, &answer);
	if (r != EXIT_DONE)
		return r;
	r = wait_drained(cli, name, timeout_ms);
	if (r == EXIT_DONE && cli->json)
		cli_print_json(answer);
	else if (r == EXIT_DONE)
		r = tell_backend(cli, name);
	json_decref(answer);
	return r;
}

/* ---- groups ---- */

static void print_group(const json_t *group)
{
	const char *name = get_text(group, "name"), *forced = get_text(group, "forced");
	int64_t until = get_time(group, "forced_until");
	const json_t *active = json_object_get(group, "active");
	char age[HUMAN_TEXT_MAX];

	printf("%s: %s; ", name, get_text(group, "state"));
	if (json_array_size(active)) {
		fputs("new flows go to ", stdout);
		print_names(stdout, active, NULL);
	} else {
		fputs("nobody takes new flows", stdout);
	}
	if (*forced && until)
		printf("; held on %s for %s more", forced, human_age(until - clock_wall_ms() + 999, age));
	else if (*forced)
		printf("; held on %s until 'shunt failback %s'", forced, name);
	putchar('\n');
}

static int change_group(struct cli *cli, const char *action, json_t *take_body)
{
	const char *name = cli->positional[0];
	json_t *answer, *group = NULL;
	int r = cli_call(cli, "POST", "groups", name, action, take_body, &answer);

	if (r != EXIT_DONE) {
		if (r == EXIT_REFUSED && cli->option[OPTION_TO])
			cli_suggest(cli, "backends", cli->option[OPTION_TO]);
		return r;
	}
	if (cli->json)
		cli_print_json(answer);
	else
		r = cli_get(cli, "groups", name, &group);
	if (group)
		print_group(group);
	json_decref(answer);
	json_decref(group);
	return r;
}

int command_failover(struct cli *cli)
{
	json_t *body = json_object();
	uint64_t for_ms;
	int r = duration_option(cli, OPTION_FOR, "for", &for_ms);

	if (r != EXIT_DONE) {
		json_decref(body);
		return r;
	}
	if (cli->option[OPTION_TO])
		json_object_set_new(body, "to", json_string(cli->option[OPTION_TO]));
	if (for_ms)
		json_object_set_new(body, "for", json_string(cli->option[OPTION_FOR]));
	if (cli->option[OPTION_DRY_RUN])
		return cli_dry_run(cli, "groups", cli->positional[0], "failover", body);
	return change_group(cli, "failover", body);
}

int command_failback(struct cli *cli)
{
	return change_group(cli, "failback", NULL);
}
