/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Maintenance windows: whose they are, and that no group is left without a backend by them. */
#include <stdlib.h>
#include <string.h>

#include "config/validate.h"

#define OCCURRENCES_MAX 2000 /* of a group's windows, that are looked at for an overlap */
#define YEAR_MS (366ULL * 24 * 3600 * 1000)

static const struct draft_window *draft_of(const struct validation *v, size_t index)
{
	return (const struct draft_window *)v->draft->maintenance.list + index;
}

/* Exactly one of two keys. */
static void one_of(struct validation *v, const struct draft_window *draft, const struct item *a, const char *a_key,
		   const struct item *b, const char *b_key)
{
	if (a->at.line && b->at.line)
		report_error(v->report, b->at, "window: %s and %s do not go together: remove one of them", a_key, b_key);
	else if (!a->at.line && !b->at.line)
		report_error(v->report, draft->at, "window: give %s or %s", a_key, b_key);
}

static size_t find(struct validation *v, const struct item *name, const struct keymap *names, const char *list)
{
	size_t found = find_name(names, name);
	char quoted[QUOTE_MAX];

	if (found == KEYMAP_NONE && name->ok)
		report_error(v->report, name->at, "window: %s is not in %s: define it there, or name another",
			     quote(name->text, quoted), list);
	return found == KEYMAP_NONE ? SIZE_MAX : found;
}

static bool is_member(const struct config_group *group, size_t backend)
{
	for (size_t i = 0; i < group->n_members; i++)
		if (group->members[i].backend == backend)
			return true;
	return false;
}

static void validate_group_window(struct validation *v, const struct draft_window *draft, struct config_window *window)
{
	const struct config_group *group;
	char name[QUOTE_MAX];

	window->group = find(v, &draft->group, &v->groups, "failover_groups");
	if (draft->drain.at.line)
		report_error(v->report, draft->drain.at,
			     "window: drain is of a backend's window; established flows of a group stay anyway: remove it");
	if (window->group == SIZE_MAX)
		return;
	group = &v->config->groups[window->group];
	if (group->n_members == 1)
		report_error(v->report, draft->group.at,
			     "window: group %s has one backend: nobody could serve meanwhile: add one, or remove the window",
			     quote(group->name, name));
	if (draft->target.at.line)
		window->target = find(v, &draft->target, &v->backends, "backends");
	if (window->target != SIZE_MAX && !is_member(group, window->target))
		report_error(v->report, draft->target.at, "window: target is not a backend of group %s: name one that is",
			     quote(group->name, name));
}

static void validate_window(struct validation *v, size_t index)
{
	const struct draft_window *draft = draft_of(v, index);
	struct config_window *window = &v->config->windows[index];

	*window = (struct config_window){.backend = SIZE_MAX, .group = SIZE_MAX, .target = SIZE_MAX};
	window->time.duration_ms = number_or(&draft->duration, 1);
	window->time.drain_ms = draft->drain.number;
	window->time.start_ms = draft->start.number;
	window->time.recurs = draft->cron.ok && cron_parse(draft->cron.text, &window->time.cron) == 0;
	window->cron_text = copy_text(v->report, draft->cron.ok ? draft->cron.text : NULL);
	one_of(v, draft, &draft->backend, "backend", &draft->group, "group");
	one_of(v, draft, &draft->start, "start", &draft->cron, "cron");
	if (draft->group.at.line) {
		validate_group_window(v, draft, window);
		return;
	}
	window->backend = find(v, &draft->backend, &v->backends, "backends");
	if (draft->target.at.line)
		report_error(v->report, draft->target.at,
			     "window: target is of a group's window: name the group instead of the backend, or remove it");
}

/* ---- never a group without a backend ---- */

/* Whether a window of the backend keeps new flows away at the time; *ret_index: which. */
static bool is_out(const struct validation *v, size_t backend, int64_t wall_ms, size_t *ret_index)
{
	for (size_t i = 0; i < v->config->n_windows; i++)
		if (v->config->windows[i].backend == backend &&
		    window_at(&v->config->windows[i].time, wall_ms).phase != WINDOW_CLOSED) {
			*ret_index = i;
			return true;
		}
	return false;
}

static bool all_out(const struct validation *v, const struct config_group *group, int64_t wall_ms, size_t *ret_last)
{
	size_t last = 0, index;

	for (size_t i = 0; i < group->n_members; i++) {
		if (!is_out(v, group->members[i].backend, wall_ms, &index))
			return false;
		last = index > last ? index : last;
	}
	*ret_last = last;
	return group->n_members > 0;
}

/* Whether all members of the group are out at some time of a year when this window begins. */
static bool empties(const struct validation *v, const struct config_group *group, const struct window *window, size_t *ret_last)
{
	/* When nothing says which year: the first one of the epoch has every date but 29 February. */
	int64_t now_ms = window->recurs ? 0 : window->start_ms - 1, end_ms = now_ms + YEAR_MS;

	for (int i = 0; i < OCCURRENCES_MAX && now_ms < end_ms; i++) {
		struct window_step step = window_at(window, now_ms);

		if (step.opens_ms == INT64_MAX)
			return false;
		if (all_out(v, group, step.opens_ms - (int64_t)window->drain_ms, ret_last))
			return true;
		now_ms = step.closes_ms;
	}
	return false;
}

static bool each_has_a_window(const struct validation *v, const struct config_group *group)
{
	for (size_t i = 0; i < group->n_members; i++) {
		bool found = false;

		for (size_t w = 0; w < v->config->n_windows; w++)
			found = found || v->config->windows[w].backend == group->members[i].backend;
		if (!found)
			return false;
	}
	return true;
}

static void refuse_empty_group(struct validation *v, const struct config_group *group)
{
	char name[QUOTE_MAX];
	size_t last;

	if (!each_has_a_window(v, group))
		return;
	for (size_t i = 0; i < v->config->n_windows; i++) {
		if (v->config->windows[i].backend == SIZE_MAX || !is_member(group, v->config->windows[i].backend) ||
		    !empties(v, group, &v->config->windows[i].time, &last))
			continue;
		report_error(v->report, draft_of(v, last)->at,
			     "window: it leaves group %s without a backend while it lasts: move it, or another one",
			     quote(group->name, name));
		return;
	}
}

void validate_windows(struct validation *v)
{
	struct config *config = v->config;

	config->windows = new_list(v->report, v->draft->maintenance.n, sizeof(*config->windows), &config->n_windows);
	for (size_t i = 0; i < config->n_windows; i++)
		validate_window(v, i);
	for (size_t i = 0; i < config->n_groups && !v->report->n_errors && config->n_windows; i++)
		refuse_empty_group(v, &config->groups[i]);
}
