/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* From one backup to another, in words. What time alone changes (penalties, holds, counts) is not told. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "config/config.h"
#include "state/backup.h"
#include "state/denied_file.h"

__attribute__((format(printf, 2, 3))) static void tell(json_t *lines, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	json_array_append_new(lines, json_vsprintf(format, arguments));
	va_end(arguments);
}

/* ---- the configuration ---- */

static struct config *parse(const char *text)
{
	struct config_messages messages = {0};
	struct config *config = NULL;

	config_parse(text, strlen(text), &config, &messages);
	config_messages_clear(&messages);
	return config;
}

static void configurations(const struct backup *now, const struct backup *then, json_t *lines)
{
	struct config_changes changes = {0};
	struct config *old, *new;

	if (!now->configuration)
		tell(lines, "configuration: there is none yet");
	if (!now->configuration || !then->configuration || strcmp(now->configuration, then->configuration) == 0)
		return;
	old = parse(now->configuration);
	new = parse(then->configuration);
	if (old && new && config_diff(old, new, &changes) == 0)
		for (size_t i = 0; i < changes.n; i++)
			tell(lines, "%s%s", changes.list[i].text, changes.list[i].scatters ? " (would scatter living flows: needs --force)" : "");
	if (!changes.n)
		tell(lines, "configuration: another text%s", old && new ? " of the same meaning" : "");
	config_changes_clear(&changes);
	config_free(old);
	config_free(new);
}

/* ---- what was decided ---- */

static const char *admin_of(const struct state_backend *backend)
{
	return state_admin_text(backend ? backend->admin : STATE_READY);
}

static void weight_text(const struct state_backend *backend, char *text, size_t size)
{
	snprintf(text, size, backend && backend->has_weight ? "%" PRIu32 : "as configured", backend ? backend->weight : 0);
}

static void compare_backend(const char *name, const struct state *now, const struct state *then, json_t *lines)
{
	const struct state_backend *before = state_find_backend(now, name), *after = state_find_backend(then, name);
	char weight[32], other[32];

	if (strcmp(admin_of(before), admin_of(after)) != 0)
		tell(lines, "backend %s: %s -> %s", name, admin_of(before), admin_of(after));
	weight_text(before, weight, sizeof(weight));
	weight_text(after, other, sizeof(other));
	if (strcmp(weight, other) != 0)
		tell(lines, "backend %s: weight %s -> %s", name, weight, other);
}

static void compare_group(const struct state_group *before, const struct state_group *after, json_t *lines)
{
	const char *forced = before && before->forced ? before->forced : "nobody", *other = after->forced ?: "nobody";

	if (strcmp(forced, other) != 0)
		tell(lines, "group %s: forced onto %s -> %s", after->name, forced, other);
	if (before && before->tier != after->tier && before->tier != STATE_NO_TIER && after->tier != STATE_NO_TIER)
		tell(lines, "group %s: in use are members of priority %" PRIu32 " -> %" PRIu32, after->name, before->tier, after->tier);
}

static void states(const struct state *now, const struct state *then, json_t *lines)
{
	for (size_t i = 0; i < then->n_backends; i++)
		compare_backend(then->backends[i].name, now, then, lines);
	for (size_t i = 0; i < now->n_backends; i++)
		if (!state_find_backend(then, now->backends[i].name))
			compare_backend(now->backends[i].name, now, then, lines);
	for (size_t i = 0; i < then->n_groups; i++)
		compare_group(state_find_group(now, then->groups[i].name), &then->groups[i], lines);
}

/* ---- what was posted and denied ---- */

static const json_t *named(const json_t *groups, const char *name)
{
	for (size_t i = 0; i < json_array_size(groups); i++)
		if (strcmp(json_string_value(json_object_get(json_array_get(groups, i), "name")), name) == 0)
			return json_array_get(groups, i);
	return NULL;
}

static void posted(const json_t *from, const json_t *to, const char *missing, const char *other, json_t *lines)
{
	for (size_t i = 0; i < json_array_size(from); i++) {
		json_t *group = json_array_get(from, i);
		const char *name = json_string_value(json_object_get(group, "name"));
		const json_t *there = named(to, name);

		if (!there)
			tell(lines, "posted group %s: %s", name, missing);
		else if (other && !json_equal(group, (json_t *)there))
			tell(lines, "posted group %s: %s", name, other);
	}
}

static size_t missing_in(const struct denied_list *from, const struct denied_list *to)
{
	size_t n = 0;

	for (size_t i = 0; i < from->n; i++) {
		const struct denied *entry = &from->list[i], *there = denied_find(to, &entry->prefix, entry->service);

		n += !there || there->until != entry->until;
	}
	return n;
}

static void denied(const json_t *now, const json_t *then, json_t *lines)
{
	struct denied_list before = {}, after = {};
	int64_t wall_ms = clock_wall_ms();
	uint64_t monotonic_ms = clock_monotonic_ms();
	size_t added, removed;

	if ((!now || denied_read(now, wall_ms, monotonic_ms, &before) == 0) &&
	    (!then || denied_read(then, wall_ms, monotonic_ms, &after) == 0)) {
		added = missing_in(&after, &before);
		removed = missing_in(&before, &after);
		if (added || removed)
			tell(lines, "denied prefixes: %zu added or for another time, %zu taken back or for another time", added, removed);
	}
	denied_clear(&before);
	denied_clear(&after);
}

json_t *backup_changes(const struct backup *now, const struct backup *then)
{
	json_t *lines = json_array();

	configurations(now, then, lines);
	states(&now->state, &then->state, lines);
	posted(then->groups, now->groups, "added", "changed", lines);
	posted(now->groups, then->groups, "removed", NULL, lines);
	denied(now->denied, then->denied, lines);
	return lines;
}
