/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A group of `shunt status`: its state in one sentence, and for each backend what it takes, or why it does not. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/duration.h"
#include "shunt/status.h"

const char *status_age(const struct status *status, int64_t since_ms, char buffer[HUMAN_TEXT_MAX])
{
	return since_ms ? human_age(status->now_ms - since_ms, buffer) : "?";
}

/* ---- the group's line ---- */

size_t status_members_out(const json_t *group)
{
	size_t i, out = 0;
	json_t *member;

	json_array_foreach(json_object_get(group, "backends"), i, member)
		out += strcmp(get_text(member, "role"), "out") == 0;
	return out;
}

static void put_state(const struct status *status, struct paragraph *line, const json_t *group)
{
	const char *name = get_text(group, "name"), *state = get_text(group, "state");
	const char *resort = get_text(group, "last_resort");
	const json_t *active = json_object_get(group, "active");
	const char *first = json_string_value(json_array_get(active, 0)) ?: "nobody";
	const char *others = json_array_size(active) > 1 ? " and others" : "";
	char age[HUMAN_TEXT_MAX];

	if (strcmp(state, "normal") == 0) {
		paragraph_put(line, GREEN, "normal");
	} else if (strcmp(state, "down") == 0 && strcmp(resort, "fail-open") == 0) {
		paragraph_put(line, RED, "DOWN, FAIL-OPEN: flows go to backends whatever their checks say");
	} else if (strcmp(state, "down") == 0 && *resort) {
		paragraph_put(line, RED, "DOWN: new flows go to %s", resort);
	} else if (strcmp(state, "down") == 0) {
		paragraph_put(line, RED, "DOWN: nobody takes new flows");
	} else if (strcmp(state, "degraded") == 0) {
		paragraph_put(line, YELLOW, "DEGRADED:");
		paragraph_put(line, PLAIN, " %zu of %zu out", status_members_out(group),
			      json_array_size(json_object_get(group, "backends")));
	} else if (strcmp(state, "failing-back") == 0) {
		paragraph_put(line, YELLOW, "FAILING BACK");
		paragraph_put(line, PLAIN, " to %s in %s", get_text(group, "primary"),
			      human_age(get_time(group, "failing_back_at") - status->now_ms + 999, age));
	} else {
		paragraph_put(line, YELLOW, "FAILED OVER");
		paragraph_put(line, PLAIN, " to %s%s %s ago", first, others,
			      status_age(status, get_time(group, "last_failover"), age));
		if (!*get_text(group, "forced") && strcmp(get_text(group, "failback"), "manual") == 0)
			paragraph_put(line, PLAIN, "; failback is manual: shunt failback %s", name);
	}
}

const char *holder_of(const json_t *group)
{
	return strcmp(get_text(group, "forced_by"), "window") == 0 ? "a maintenance window" : "an operator";
}

static void put_forced(const struct status *status, struct paragraph *line, const json_t *group)
{
	const char *name = get_text(group, "name"), *forced = get_text(group, "forced");
	int64_t until = get_time(group, "forced_until");
	char age[HUMAN_TEXT_MAX];

	if (!*forced)
		return;
	paragraph_put(line, YELLOW, "; held on %s by %s", forced, holder_of(group));
	if (until)
		paragraph_put(line, PLAIN, " for %s more", human_age(until - status->now_ms + 999, age));
	else
		paragraph_put(line, PLAIN, " until: shunt failback %s", name);
}

/* What the group would do, and what keeps it from it. */
static void put_held(const struct status *status, struct paragraph *line, const json_t *group)
{
	const json_t *proposal = json_object_get(group, "proposal");
	int64_t held_until = get_time(group, "held_until"), suppressed_until = get_time(group, "suppressed_until");
	int64_t shifted = get_number(group, "shifted_percent");
	char age[HUMAN_TEXT_MAX];

	if (get_flag(group, "panic"))
		paragraph_put(line, RED, "; PANIC: too few are fit, all in service are used");
	if (json_is_object(proposal)) {
		const json_t *names = json_object_get(proposal, "backends");

		paragraph_put(line, YELLOW, "; proposes %s%s (%s)", json_string_value(json_array_get(names, 0)) ?: "nobody",
			      json_array_size(names) > 1 ? " and others" : "", get_text(proposal, "why"));
		paragraph_put(line, PLAIN, " to confirm: %s", get_text(proposal, "confirm"));
	}
	if (held_until)
		paragraph_put(line, PLAIN, "; no move by itself for %s", human_age(held_until - status->now_ms + 999, age));
	if (get_flag(group, "rechecking"))
		paragraph_put(line, PLAIN, "; waits for one more good check");
	if (suppressed_until)
		paragraph_put(line, YELLOW, "; flaps: no failback by itself for %s",
			      human_age(suppressed_until - status->now_ms + 999, age));
	if (shifted > 0 && shifted < 100)
		paragraph_put(line, YELLOW, "; rolling: %" PRId64 " %% shifted", shifted);
}

static void put_moving(const struct status *status, struct paragraph *line, const json_t *group)
{
	const json_t *slots = json_object_get(group, "slots");
	int64_t total = get_number(slots, "total"), moving = get_number(slots, "moving");
	int64_t unsettled = moving + get_number(slots, "resolving");

	if (!unsettled || !total)
		return;
	paragraph_put(line, DIM, " %s %s%" PRId64 " %% of slots %s", sign_text(status->style, SIGN_DOT),
		      unsettled * 100 < total ? "under " : "", unsettled * 100 < total ? 1 : (unsettled * 100 + total / 2) / total,
		      moving ? "moving" : "settling");
}

/* The longest that the failure of one of its backends can go unnoticed, as its configuration has it (docs/checks.md). */
static void put_detection(const struct status *status, struct paragraph *line, const json_t *group)
{
	int64_t detection_ms = get_number(group, "detection_ms"), mtu_detection_ms = get_number(group, "mtu_detection_ms");
	char text[DURATION_TEXT_MAX];

	if (detection_ms > 0)
		paragraph_put(line, DIM, " %s a failure shows within %s", sign_text(status->style, SIGN_DOT),
			      duration_format(detection_ms, text));
	if (mtu_detection_ms > 0)
		paragraph_put(line, DIM, ", a short MTU within %s", duration_format(mtu_detection_ms, text));
}

/* ---- a backend's row ---- */

#define UNBROKEN_MAX 26        /* columns of a reason that is kept on one line */

/* Reasons collected as "a · b". */
struct why {
	char *text;
	const char *dot;
};

static void __attribute__((format(printf, 2, 3))) because(struct why *why, const char *format, ...)
{
	_cleanup_(freep) char *before = why->text;
	_cleanup_(freep) char *more = NULL;
	va_list arguments;

	va_start(arguments, format);
	if (vasprintf(&more, format, arguments) < 0)
		more = NULL;
	va_end(arguments);
	for (char *c = more; c && text_columns(more) <= UNBROKEN_MAX && (c = strchr(c, ' '));)
		*c = NO_BREAK;
	if (!more || (before ? asprintf(&why->text, "%s%c%s %s", before, NO_BREAK, why->dot, more)
			     : asprintf(&why->text, "%s", more)) < 0)
		abort(); /* a CLI without memory */
}

static void because_admin(const struct status *status, struct why *why, const json_t *backend)
{
	const char *name = get_text(backend, "name"), *admin = get_text(backend, "admin"), *by = get_text(backend, "admin_by");
	int64_t flows = get_number(backend, "flows"), until = get_time(backend, "drain_until");
	char age[HUMAN_TEXT_MAX];

	if (get_flag(backend, "drained")) {
		because(why, "no flow left, safe to stop");
	} else if (strcmp(admin, "drain") == 0) {
		if (flows)
			because(why, "%" PRId64 " flow%s left", flows, plural((uint64_t)flows));
		else
			because(why, "flows are counted as they send");
		if (until)
			because(why, "timeout in %s", human_age(until - status->now_ms + 999, age));
	} else if (strcmp(admin, "maint") == 0 && strcmp(by, "window") != 0 && strcmp(by, "agent") != 0) {
		because(why, "back by: shunt ready %s", name);
	}
	if (get_time(backend, "admin_until"))
		because(why, "back by itself in %s", human_age(get_time(backend, "admin_until") - status->now_ms + 999, age));
	if (strcmp(by, "window") == 0)
		because(why, "maintenance window, %s left",
			human_age(get_time(backend, "window_until") - status->now_ms + 999, age));
	else if (strcmp(by, "agent") == 0)
		because(why, "its agent says so");
	if (get_flag(backend, "removed"))
		because(why, "removed from the configuration, goes with its last flow");
}

/* What its score, its slow start and its agent make of its weight. */
static void because_weight(const struct status *status, struct why *why, const json_t *backend)
{
	int64_t ejected_until = get_time(backend, "ejected_until");
	char age[HUMAN_TEXT_MAX];

	const json_t *score = json_object_get(backend, "score");
	int64_t weight = get_number(backend, "weight"), left = get_number(backend, "effective_weight");

	if (strcmp(get_text(backend, "health"), "degraded") == 0)
		because(why, "score %" PRId64 " of 100: %" PRId64 " bad, %" PRId64 " slow of %" PRId64,
			get_number(score, "percent"), get_number(score, "bad"), get_number(score, "slow"),
			get_number(score, "results"));
	if (ejected_until)
		because(why, "%s for %s more", get_text(backend, "ejected_why"),
			human_age(ejected_until - status->now_ms + 999, age));
	if (left != weight)
		because(why, "%s%" PRId64 " of weight %" PRId64, get_flag(backend, "slow_start") ? "slow start: " : "", left,
			weight);
}

static void because_health(const struct status *status, struct why *why, const json_t *backend, const json_t *member)
{
	const json_t *check = json_object_get(backend, "check");
	const char *health = get_text(backend, "health"), *last = get_text(check, "last");
	const char *reason = get_text(member, "why"), *role = get_text(member, "role");
	int64_t weight = get_number(backend, "weight"), configured = get_number(backend, "configured_weight");
	bool ready = strcmp(get_text(backend, "admin"), "ready") == 0;

	if (json_is_false(json_object_get(backend, "next_hop_ok")))
		because(why, "no next hop: %s", get_text(backend, "next_hop"));
	because_weight(status, why, backend);
	if (strcmp(health, "up") != 0) {
		if (strcmp(health, "degraded") != 0 && strcmp(get_text(backend, "admin"), "maint") != 0)
			because(why, "%s", *last ? last : *reason ? reason : "not checked yet");
	} else if (ready && strcmp(role, "active") != 0 && strncmp(reason, role, strlen(role)) != 0 && *reason) {
		because(why, "%s", reason);
	}
	if (weight != configured)
		because(why, "weight %" PRId64 " (was %" PRId64 ")", weight, configured);
	else if (!weight)
		because(why, "weight 0");
	if (ready && strcmp(get_text(check, "type"), "none") == 0)
		because(why, "not checked");
	else if (ready && strcmp(health, "up") == 0 && *last)
		because(why, "%s %.1f ms", last, get_real(check, "latency_ms"));
}

struct look {
	enum sign sign;
	enum colour colour;
	const char *text;          /* before the age; NULL: health's own word */
};

static struct look look_of(const json_t *backend)
{
	const char *health = get_text(backend, "health"), *admin = get_text(backend, "admin");

	if (strcmp(admin, "maint") == 0)
		return (struct look){SIGN_OUT, YELLOW, "maint"};
	if (strcmp(health, "down") == 0)
		return (struct look){SIGN_DOWN, RED, NULL};
	if (strcmp(health, "unknown") == 0)
		return (struct look){SIGN_UNKNOWN, YELLOW, NULL};
	if (strcmp(admin, "drain") == 0 || strcmp(health, "degraded") == 0)
		return (struct look){SIGN_PARTLY, YELLOW, NULL};
	return (struct look){SIGN_UP, GREEN, NULL};
}

static void put_role(struct table *table, const json_t *backend, const json_t *member)
{
	const char *role = get_text(member, "role");
	double share = 100 * get_real(member, "share");

	if (share > 0)
		table_put(table, GREEN, share < 0.95 ? "%s %.1f %%" : "%s %.0f %%",
			  strcmp(role, "active") == 0 ? "ACTIVE" : role, share);
	else if (strcmp(role, "active") == 0)
		table_put(table, GREEN, "ACTIVE");
	else if (get_flag(backend, "drained"))
		table_put(table, YELLOW, "drained");
	else if (strcmp(get_text(backend, "admin"), "drain") == 0)
		table_put(table, YELLOW, "draining");
	else
		table_put(table, strcmp(role, "out") == 0 ? YELLOW : DIM, "%s", role);
}

static void put_backend(const struct status *status, struct table *table, const json_t *backend, const json_t *member,
			const char *primary)
{
	const char *name = get_text(member, "name"), *address = get_text(backend, "address");
	int64_t since = get_time(json_object_get(backend, "check"), "since"), port = get_number(backend, "port");
	int64_t flows = get_number(backend, "flows");
	struct why why = {NULL, sign_text(status->style, SIGN_DOT)};
	struct look look = look_of(backend);
	char age[HUMAN_TEXT_MAX];

	table_put(table, look.colour, "%s %s", sign_text(status->style, look.sign), name);
	if (port)
		table_put(table, PLAIN, strchr(address, ':') ? "[%s]:%" PRId64 : "%s:%" PRId64, address, port);
	else
		table_put(table, PLAIN, "%s", address);
	if (look.text)
		table_put(table, look.colour, "%s", look.text);
	else
		table_put(table, look.colour, "%s %s", get_text(backend, "health"), status_age(status, since, age));
	put_role(table, backend, member);
	because_admin(status, &why, backend);
	because_health(status, &why, backend, member);
	if (get_time(member, "suppressed_until"))
		because(&why, "reused in %s", human_age(get_time(member, "suppressed_until") - status->now_ms + 999, age));
	if (flows && strcmp(get_text(backend, "admin"), "drain") != 0)
		because(&why, "%" PRId64 " flow%s", flows, plural((uint64_t)flows));
	if (strcmp(name, primary) == 0)
		because(&why, "primary");
	table_put(table, PLAIN, "%s", why.text ?: "");
	free(why.text);
}

void status_print_group(const struct status *status, const json_t *group)
{
	struct table table = {.n_columns = 5, .indent = 2};
	const char *branch = sign_text(status->style, SIGN_BRANCH);
	struct paragraph line = {stdout, status->style, 0, 4, false};
	json_t *member;
	size_t i;

	paragraph_put(&line, DIM, "%s", branch);
	paragraph_put(&line, BOLD, " %s", get_text(group, "name"));
	paragraph_put(&line, PLAIN, " %s %s ", get_text(group, "mode"), sign_text(status->style, SIGN_DOT));
	put_state(status, &line, group);
	put_forced(status, &line, group);
	put_held(status, &line, group);
	put_moving(status, &line, group);
	put_detection(status, &line, group);
	paragraph_end(&line);
	json_array_foreach(json_object_get(group, "backends"), i, member)
		put_backend(status, &table, json_object_get(status->backends, get_text(member, "name")), member,
			    get_text(group, "primary"));
	table_print(&table, status->style, stdout);
}
