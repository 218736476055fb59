/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The kept state as JSON and back. Decides whether a file can be trusted; knows nothing of what the values mean. */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/log.h"
#include "state/damaged.h"
#include "state/moves.h"
#include "state/state.h"

#define STATE_BYTES_MAX (64 * 1024 * 1024)

static const char *const admin_text[] = {
	[STATE_READY] = "ready",
	[STATE_DRAIN] = "drain",
	[STATE_MAINT] = "maint",
};

const char *state_admin_text(enum state_admin admin)
{
	return admin_text[admin];
}

/* ---- the entries ---- */

const struct state_backend *state_find_backend(const struct state *state, const char *name)
{
	for (size_t i = 0; i < state->n_backends; i++)
		if (strcmp(state->backends[i].name, name) == 0)
			return &state->backends[i];
	return NULL;
}

const struct state_group *state_find_group(const struct state *state, const char *name)
{
	for (size_t i = 0; i < state->n_groups; i++)
		if (strcmp(state->groups[i].name, name) == 0)
			return &state->groups[i];
	return NULL;
}

struct state_backend *state_backend(struct state *state, const char *name)
{
	struct state_backend *found = (struct state_backend *)state_find_backend(state, name), *more;
	char *copy;

	if (found)
		return found;
	more = reallocarray(state->backends, state->n_backends + 1, sizeof(*more));
	if (!more)
		return NULL;
	state->backends = more;
	copy = strdup(name);
	if (!copy)
		return NULL;
	more[state->n_backends] = (struct state_backend){.name = copy};
	return &more[state->n_backends++];
}

struct state_group *state_group(struct state *state, const char *name)
{
	struct state_group *found = (struct state_group *)state_find_group(state, name), *more;
	char *copy;

	if (found)
		return found;
	more = reallocarray(state->groups, state->n_groups + 1, sizeof(*more));
	if (!more)
		return NULL;
	state->groups = more;
	copy = strdup(name);
	if (!copy)
		return NULL;
	more[state->n_groups] = (struct state_group){.name = copy, .forced_tier = STATE_NO_TIER, .tier = STATE_NO_TIER};
	return &more[state->n_groups++];
}

int state_set_forced(struct state_group *group, const char *backend)
{
	char *copy = backend ? strdup(backend) : NULL;

	if (backend && !copy)
		return -ENOMEM;
	free(group->forced);
	group->forced = copy;
	return 0;
}

void state_free(struct state *state)
{
	for (size_t i = 0; i < state->n_backends; i++) {
		free(state->backends[i].name);
		ejection_free(&state->backends[i].ejection);
	}
	for (size_t i = 0; i < state->n_groups; i++) {
		free(state->groups[i].name);
		free(state->groups[i].forced);
		moves_free(&state->groups[i].moves);
	}
	free(state->backends);
	free(state->groups);
	*state = (struct state){0};
}

/* ---- reading: 0, -ENOMEM, or -EBADMSG for what state_save would not have written ---- */

static int read_backend(struct state *state, const char *name, json_t *json)
{
	json_int_t drain_until = 0, admin_until = 0, weight_until = 0, weight = -1;
	struct state_backend *backend;
	json_t *ejection = NULL;
	const char *admin;
	size_t i;

	if (json_unpack(json, "{s:s, s?I, s?I, s?I, s?I, s?o !}", "admin", &admin, "drain_until", &drain_until, "weight", &weight,
			"admin_until", &admin_until, "weight_until", &weight_until, "ejection", &ejection) < 0)
		return -EBADMSG;
	for (i = 0; i < 3; i++)
		if (strcmp(admin, admin_text[i]) == 0)
			break;
	if (i == 3 || drain_until < 0 || admin_until < 0 || weight_until < 0 || weight > UINT32_MAX || (json_object_get(json, "weight") && weight < 0))
		return -EBADMSG;
	backend = state_backend(state, name);
	if (!backend)
		return -ENOMEM;
	backend->admin = i;
	backend->drain_until = drain_until;
	backend->admin_until = admin_until;
	backend->weight_until = weight_until;
	backend->has_weight = weight >= 0;
	backend->weight = weight >= 0 ? weight : 0;
	return ejection ? ejection_read(&backend->ejection, ejection) : 0;
}

static bool is_tier(json_int_t tier)
{
	return tier >= 0 && tier <= STATE_NO_TIER;
}

static int read_group(struct state *state, const char *name, json_t *json)
{
	json_int_t forced_tier = STATE_NO_TIER, forced_until = 0, tier = STATE_NO_TIER, failovers, last;
	struct state_group *group;
	const char *forced = NULL;
	json_t *moves = NULL;

	if (json_unpack(json, "{s?s, s?I, s?I, s?I, s:I, s:I, s?o !}", "forced", &forced, "forced_tier", &forced_tier,
			"forced_until", &forced_until, "tier", &tier, "failovers", &failovers, "last_failover",
			&last, "moves", &moves) < 0)
		return -EBADMSG;
	if (!is_tier(forced_tier) || !is_tier(tier) || forced_until < 0 || failovers < 0 || last < 0)
		return -EBADMSG;
	group = state_group(state, name);
	if (!group || state_set_forced(group, forced) < 0)
		return -ENOMEM;
	group->forced_tier = forced_tier;
	group->forced_until = forced_until;
	group->tier = tier;
	group->failovers = failovers;
	group->last_failover = last;
	return moves ? moves_read(&group->moves, moves) : 0;
}

static int read_root(json_t *root, struct state *state)
{
	json_t *backends, *groups, *entry;
	const char *name;
	int version, r;

	if (json_unpack(root, "{s:i, s:o, s:o !}", "version", &version, "backends", &backends, "groups", &groups) < 0 ||
	    version != STATE_VERSION || !json_is_object(backends) || !json_is_object(groups))
		return -EBADMSG;
	json_object_foreach(backends, name, entry)
	{
		r = read_backend(state, name, entry);
		if (r < 0)
			return r;
	}
	json_object_foreach(groups, name, entry)
	{
		r = read_group(state, name, entry);
		if (r < 0)
			return r;
	}
	return 0;
}

int state_read(const json_t *root, struct state *ret_state)
{
	struct state state = {0};
	int r = read_root((json_t *)root, &state);

	if (r < 0)
		state_free(&state);
	else
		*ret_state = state;
	return r;
}

int state_load(const char *state_dir, struct state *ret_state)
{
	_cleanup_(freep) char *path = path_join(state_dir, STATE_FILE), *text = NULL;
	_cleanup_(json_decrefp) json_t *root = NULL;
	struct state state = {0};
	size_t length = 0;
	int r;

	if (!path)
		return -ENOMEM;
	r = file_read(path, STATE_BYTES_MAX, &text, &length);
	if (r == 0) {
		root = json_loadb(text, length, JSON_REJECT_DUPLICATES, NULL);
		r = state_read(root, &state);
	}
	if (r == -EBADMSG || r == -EFBIG) {
		state.damaged = true;
		r = damaged_set_aside(path, "state", "starting without it");
	} else if (r == -ENOENT) {
		r = 0;
	}
	if (r == 0)
		*ret_state = state;
	return r;
}

/* ---- writing ---- */

/* Takes `value`. */
static int put(json_t *object, const char *key, json_t *value)
{
	return json_object_set_new(object, key, value) < 0 ? -ENOMEM : 0;
}

static json_t *backend_json(const struct state_backend *backend)
{
	json_t *json = json_pack("{s:s}", "admin", admin_text[backend->admin]);

	if (json && ((backend->drain_until && put(json, "drain_until", json_integer(backend->drain_until)) < 0) ||
		     (backend->admin_until && put(json, "admin_until", json_integer(backend->admin_until)) < 0) ||
		     (backend->weight_until && put(json, "weight_until", json_integer(backend->weight_until)) < 0) ||
		     (backend->has_weight && put(json, "weight", json_integer(backend->weight)) < 0) ||
		     (backend->ejection.times && put(json, "ejection", ejection_json(&backend->ejection)) < 0))) {
		json_decref(json);
		return NULL;
	}
	return json;
}

static json_t *group_json(const struct state_group *group)
{
	json_t *json = json_pack("{s:I, s:I}", "failovers", (json_int_t)group->failovers, "last_failover",
				 (json_int_t)group->last_failover);
	bool failed;
	json_t *moves = moves_json(&group->moves, &failed);

	if (json &&
	    (failed || (moves && put(json, "moves", moves) < 0) ||
	     (group->forced && put(json, "forced", json_string(group->forced)) < 0) ||
	     (group->forced_tier != STATE_NO_TIER && put(json, "forced_tier", json_integer(group->forced_tier)) < 0) ||
	     (group->forced_until && put(json, "forced_until", json_integer(group->forced_until)) < 0) ||
	     (group->tier != STATE_NO_TIER && put(json, "tier", json_integer(group->tier)) < 0))) {
		json_decref(json);
		return NULL;
	}
	return json;
}

json_t *state_json(const struct state *state)
{
	json_t *root = json_pack("{s:i, s:{}, s:{}}", "version", STATE_VERSION, "backends", "groups");
	json_t *backends = json_object_get(root, "backends"), *groups = json_object_get(root, "groups");
	bool whole = root;

	for (size_t i = 0; whole && i < state->n_backends; i++)
		whole = put(backends, state->backends[i].name, backend_json(&state->backends[i])) == 0;
	for (size_t i = 0; whole && i < state->n_groups; i++)
		whole = put(groups, state->groups[i].name, group_json(&state->groups[i])) == 0;
	if (whole)
		return root;
	json_decref(root);
	return NULL;
}

int state_save(const char *state_dir, const struct state *state, struct saver *saver)
{
	_cleanup_(json_decrefp) json_t *root = state_json(state);
	_cleanup_(freep) char *path = path_join(state_dir, STATE_FILE);

	return path ? saver_write(saver, path, root ? json_dumps(root, JSON_INDENT(1)) : NULL, 0640) : -ENOMEM;
}
