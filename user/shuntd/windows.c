/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Maintenance windows at work: what the clock says is brought to backends (their layer of admin) and groups (an override).
 * Nothing is remembered but which window of a group was opened: a restart, a reload or a clock that jumps finds what holds.
 */
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "shuntd/controller.h"

#define RETRY_MS 2000 /* for a window that would have left a group empty */
#define ENDING_MS 1000 /* an override that ends so soon ends by itself: two clocks never agree to the millisecond */

/* A time of day for people: the wall clock of this host. */
static const char *time_text(int64_t wall_ms, char buffer[CLOCK_TEXT_MAX])
{
	time_t seconds = wall_ms / 1000;
	struct tm local;

	localtime_r(&seconds, &local);
	strftime(buffer, CLOCK_TEXT_MAX, "%F %H:%M", &local);
	return buffer;
}

/* ---- backends ---- */

/* The group that would have nobody to take new flows without the backend; NULL: none. */
static const struct group *left_empty(const struct controller *c, const struct backend *backend)
{
	for (size_t g = 0; g < c->n_groups; g++) {
		const struct group *group = c->groups[g];
		bool has_it = false, has_another = false;

		for (size_t i = 0; i < group->n_members; i++) {
			const struct endpoint *endpoint = group->members[i].endpoint;

			if (endpoint->backend == backend)
				has_it = endpoint->alive;
			else
				has_another = has_another || backend_set_has(&c->fit, endpoint->id);
		}
		if (has_it && !has_another)
			return group;
	}
	return NULL;
}

/* What its windows want of each backend now; returns when that changes at the latest. */
static int64_t collect(struct controller *c, int64_t now_ms)
{
	int64_t due_ms = INT64_MAX;

	for (size_t i = 0; i < c->n_backends; i++)
		c->backends[i]->window = (struct backend_window){0};
	for (size_t i = 0; i < c->config->n_windows; i++) {
		const struct config_window *window = &c->config->windows[i];
		struct window_step step = window_at(&window->time, now_ms);
		enum admin_state wanted = step.phase == WINDOW_OPEN ? ADMIN_MAINT : ADMIN_DRAIN;
		struct backend *backend;

		if (step.until_ms < due_ms)
			due_ms = step.until_ms;
		if (window->backend == SIZE_MAX || step.phase == WINDOW_CLOSED)
			continue;
		backend = backend_find(c, c->config->backends[window->backend].name);
		if (backend && wanted > backend->window.wanted)
			backend->window = (struct backend_window){wanted, step.opens_ms, step.closes_ms};
	}
	return due_ms;
}

/* False: that would leave a group empty, and was not done. */
static bool follow(struct controller *c, struct backend *backend)
{
	enum admin_state wanted = backend->window.wanted, before = backend->admin[ADMIN_BY_WINDOW];
	const struct group *empty = wanted > before ? left_empty(c, backend) : NULL;
	char object[128], closes[CLOCK_TEXT_MAX], opens[CLOCK_TEXT_MAX];

	if (wanted == before)
		return true;
	snprintf(object, sizeof(object), "backend %s", backend->name);
	if (empty) {
		if (backend->window_refused_ms != backend->window.opens_ms)
			events_add(c->events, "window", object, "maintenance",
				   "not begun: group %s would be without a fit backend: begins as soon as another one is fit",
				   empty->name);
		backend->window_refused_ms = backend->window.opens_ms;
		return false;
	}
	backend->window_refused_ms = 0;
	backend_set_admin(c, backend, ADMIN_BY_WINDOW, wanted);
	if (wanted == ADMIN_READY)
		events_add(c->events, "window", object, "maintenance", "over: takes traffic again when healthy");
	else if (wanted == ADMIN_DRAIN)
		events_add(c->events, "window", object, "maintenance", "drains: no new flows, out at %s",
			   time_text(backend->window.opens_ms, opens));
	else
		events_add(c->events, "window", object, "maintenance", "out until %s",
			   time_text(backend->window.closes_ms, closes));
	return true;
}

/* ---- groups ---- */

bool group_is_held_by_window(const struct group *group)
{
	return failover_is_forced(&group->failover) && group->failover.now.forced_until_ms &&
	       group->failover.now.forced_until_ms == group->window_until_ms;
}

/* Whether the group was held like this before a restart: what is kept of it is a time by the wall clock. */
static bool is_restored(const struct group *group, uint64_t until_ms)
{
	const uint64_t forced_ms = group->failover.now.forced_until_ms, apart_ms = 1000;

	return forced_ms + apart_ms > until_ms && forced_ms < until_ms + apart_ms;
}

/* Forces the group over, once for each time the window opens: what an operator says after that holds. */
static bool open_group(struct controller *c, const struct config_window *window, struct group *group,
		       const struct window_step *step, int64_t now_ms)
{
	struct failover_input input = {.event = FAILOVER_EVENT_FORCE, .member = FAILOVER_NO_MEMBER, .scheduled = true};
	bool again = group->window_tried_ms == step->opens_ms;
	char object[128], closes[CLOCK_TEXT_MAX];
	int refused;

	for (size_t i = 0; i < group->n_members && window->target != SIZE_MAX; i++)
		if (strcmp(group->members[i].endpoint->backend->name, c->config->backends[window->target].name) == 0)
			input.member = i;
	input.until_ms = clock_monotonic_ms() + (uint64_t)(step->closes_ms - now_ms);
	refused = group_decide(c, group, input).refused;
	if (refused == 0)
		group->window_until_ms = input.until_ms;
	else if (refused == -EALREADY && is_restored(group, input.until_ms))
		group->window_until_ms = group->failover.now.forced_until_ms;
	group->window_tried_ms = step->opens_ms;
	if (refused == -EALREADY)
		refused = 0;
	snprintf(object, sizeof(object), "group %s", group->name);
	if (refused == 0)
		events_add(c->events, "window", object, "maintenance", "failed over until %s", time_text(step->closes_ms, closes));
	else if (!again)
		events_add(c->events, "window", object, "maintenance", "not begun: %s is not fit: begins as soon as it is",
			   window->target == SIZE_MAX ? "another backend" : c->config->backends[window->target].name);
	return refused == 0;
}

static bool has_open_window(const struct controller *c, const struct group *group, int64_t now_ms)
{
	for (size_t i = 0; i < c->config->n_windows; i++) {
		const struct config_window *window = &c->config->windows[i];

		if (window->group != SIZE_MAX && c->configured[window->group] == group &&
		    window_at(&window->time, now_ms).phase == WINDOW_OPEN)
			return true;
	}
	return false;
}

/* The override of a window that is not open any more, since the file or the clock has changed. An operator's holds. */
static void close_group(struct controller *c, struct group *group)
{
	char object[128];

	if (group_is_held_by_window(group)) {
		group->failover.now.forced_until_ms = clock_monotonic_ms();
		snprintf(object, sizeof(object), "group %s", group->name);
		events_add(c->events, "window", object, "maintenance", "over before its time");
		group_update(c, group);
	}
	group->window_until_ms = 0;
	group->window_opened_ms = 0;
}

static bool follow_groups(struct controller *c, int64_t now_ms)
{
	bool done = true;

	for (size_t i = 0; i < c->n_groups; i++)
		if (clock_monotonic_ms() + ENDING_MS < c->groups[i]->window_until_ms &&
		    !has_open_window(c, c->groups[i], now_ms))
			close_group(c, c->groups[i]);
	for (size_t i = 0; i < c->config->n_windows; i++) {
		const struct config_window *window = &c->config->windows[i];
		struct group *group = window->group == SIZE_MAX ? NULL : c->configured[window->group];
		struct window_step step;

		if (!group)
			continue;
		step = window_at(&window->time, now_ms);
		if (step.phase != WINDOW_OPEN || group->window_opened_ms == step.opens_ms)
			continue;
		if (open_group(c, window, group, &step, now_ms))
			group->window_opened_ms = step.opens_ms;
		else
			done = false;
	}
	return done;
}

void windows_follow(struct controller *c, bool anew)
{
	int64_t now_ms = clock_wall_ms();
	bool done = true;

	if (c->detached || (!anew && now_ms < c->windows_due_ms && now_ms >= c->windows_seen_ms))
		return;
	c->windows_seen_ms = now_ms;
	c->windows_due_ms = collect(c, now_ms);
	for (size_t i = 0; i < c->n_backends; i++)
		done = follow(c, c->backends[i]) && done;
	done = follow_groups(c, now_ms) && done;
	if (!done && c->windows_due_ms > now_ms + RETRY_MS)
		c->windows_due_ms = now_ms + RETRY_MS;
}
