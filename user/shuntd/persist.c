/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What operators decided and what became of groups, to and from the state directory. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "shuntd/controller.h"

_Static_assert((int)ADMIN_READY == (int)STATE_READY && (int)ADMIN_DRAIN == (int)STATE_DRAIN &&
		       (int)ADMIN_MAINT == (int)STATE_MAINT, "the same words in the same order");

void persist_load(struct controller *c, struct state *ret_state)
{
	int r = state_load(c->options.state_dir, ret_state);

	if (r < 0) {
		log_error("state: %s/%s cannot be read: %s: starting without operators' decisions", c->options.state_dir,
			  STATE_FILE, strerror(-r));
		*ret_state = (struct state){.damaged = true};
	}
	c->state_damaged = c->state_damaged || ret_state->damaged;
}

static bool was_ejected(const struct backend *backend)
{
	for (const struct endpoint *endpoint = backend->endpoints; endpoint; endpoint = endpoint->next)
		if (endpoint->ejection.times)
			return true;
	return false;
}

static int add_backend(struct state *state, const struct backend *backend)
{
	struct state_backend *entry;

	if (backend->removed || (backend->admin[ADMIN_BY_OPERATOR] == ADMIN_READY &&
				 backend->weight == backend->configured_weight && !was_ejected(backend)))
		return 0;
	entry = state_backend(state, backend->name);
	if (!entry || kept_of_backend(backend, &entry->ejection) < 0)
		return -ENOMEM;
	entry->admin = (enum state_admin)backend->admin[ADMIN_BY_OPERATOR];
	entry->drain_until = backend->drain_until;
	entry->admin_until = backend->admin_until;
	entry->weight_until = backend->weight_until;
	entry->has_weight = backend->weight != backend->configured_weight;
	entry->weight = backend->weight;
	return 0;
}

static int add_group(struct state *state, const struct group *group)
{
	struct state_group *entry = state_group(state, group->name);
	const struct failover *failover = &group->failover;

	if (!entry)
		return -ENOMEM;
	entry->tier = failover->now.tier;
	entry->forced_tier = failover->now.forced_tier;
	entry->failovers = group->failovers;
	entry->last_failover = group->last_failover;
	if (kept_of_group(group, &entry->moves) < 0)
		return -ENOMEM;
	if (failover->now.forced_until_ms)
		entry->forced_until = clock_wall_ms() + (int64_t)(failover->now.forced_until_ms - clock_monotonic_ms());
	if (failover->now.forced < group->n_members) {
		entry->forced = strdup(group->members[failover->now.forced].endpoint->backend->name);
		if (!entry->forced)
			return -ENOMEM;
	}
	return 0;
}

int persist_collect(const struct controller *c, struct state *ret_state)
{
	struct state state = {0};
	int r = 0;

	for (size_t i = 0; i < c->n_backends && r == 0; i++)
		r = add_backend(&state, c->backends[i]);
	for (size_t i = 0; i < c->n_groups && r == 0; i++)
		r = add_group(&state, c->groups[i]);
	if (r < 0)
		state_free(&state);
	else
		*ret_state = state;
	return r;
}

int persist_save(const struct controller *c)
{
	struct state state = {0};
	int r = persist_collect(c, &state);

	if (r == 0)
		r = state_save(c->options.state_dir, &state, c->kept.saver);
	state_free(&state);
	return r;
}

static int save_now(sd_event_source *source, void *userdata)
{
	struct controller *c = userdata;
	int r = persist_save(c);

	(void)source;
	if (r < 0)
		log_error("state: cannot be saved in %s: %s: after a crash the last decisions are forgotten", c->options.state_dir,
			  strerror(-r));
	return 0;
}

#define HANGS_MS 5000

/* The first word has the API say that it is the state directory's (api_health_json). */
static void describe(struct controller *c)
{
	char *text = c->kept.problem;

	*text = '\0';
	if (c->kept.failed)
		snprintf(text, sizeof(c->kept.problem), "state: %s cannot be saved: %s: after a crash what is new in it is forgotten",
			 c->kept.failed, strerror(-c->kept.error));
	else if (c->kept.hangs)
		snprintf(text, sizeof(c->kept.problem), "state: the disk under %s takes nothing any more: after a crash what is new is forgotten",
			 c->options.state_dir);
	if (*text)
		log_error("%s", text);
	else
		log_info("state: all is saved again in %s", c->options.state_dir);
}

static void set_failed(struct controller *c, const char *path, int error)
{
	free(c->kept.failed);
	c->kept.failed = path ? strdup(path) : NULL;
	c->kept.error = error;
	describe(c);
}

/* Operators are told of all that they asked for, whoever began to save it. */
static void saved(void *userdata, const char *path, int r)
{
	struct controller *c = userdata;

	c->kept.fails = c->kept.fails || r < 0;
	if (r < 0 && !c->kept.failed)
		set_failed(c, path, r);
	if (c->api)
		api_saved(c->api, saver_done(c->kept.saver), path, r);
}

/* All there is: whoever fails by the disk has others fail, too. */
static void try_again(struct controller *c)
{
	c->kept.fails = false;
	persist_soon(c);
	posted_save(c->options.state_dir, c->posted, c->kept.saver);
	denied_file_sync(c->denied_file, c->kept.saver);
	discovery_save(c);
	events_unsynced(c->events);
}

void persist_watch(struct controller *c)
{
	uint64_t done = saver_done(c->kept.saver), now = clock_monotonic_ms();
	bool is_idle = saver_asked(c->kept.saver) == done, hung = c->kept.hangs;

	if (done != c->kept.seen || is_idle) {
		c->kept.seen = done;
		c->kept.seen_ms = now;
	}
	c->kept.hangs = now - c->kept.seen_ms >= HANGS_MS;
	if (c->kept.hangs != hung)
		describe(c);
	if (!c->kept.failed || !is_idle)
		return;
	if (c->kept.fails)
		try_again(c);
	else
		set_failed(c, NULL, 0);
}

int persist_open(struct controller *c)
{
	return saver_open(c->event, saved, c, &c->kept.saver);
}

void persist_finish(struct controller *c)
{
	int waits = SD_EVENT_OFF;

	if (c->save && sd_event_source_get_enabled(c->save, &waits) >= 0 && waits != SD_EVENT_OFF)
		save_now(c->save, c);
	c->save = sd_event_source_disable_unref(c->save);
}

void persist_close(struct controller *c)
{
	saver_close(c->kept.saver);
	c->kept.saver = NULL;
	free(c->kept.failed);
	c->kept.failed = NULL;
}

uint64_t persist_saving(void *userdata)
{
	const struct controller *c = userdata;

	if (c->detached) /* then the loop ends, with what it is about to say as the last */
		return 0;
	return saver_asked(c->kept.saver) > saver_done(c->kept.saver) ? saver_asked(c->kept.saver) : 0;
}

void persist_soon(struct controller *c)
{
	if (!c->save && sd_event_add_defer(c->event, &c->save, save_now, c) < 0)
		save_now(NULL, c);
	else
		sd_event_source_set_enabled(c->save, SD_EVENT_ONESHOT);
}

/* One that runs already is probed from now on, or not any more: match_endpoint() starts what has no probe. */
static void follow_admin(struct backend *backend)
{
	for (struct endpoint *endpoint = backend->endpoints; endpoint; endpoint = endpoint->next) {
		endpoint->in_slots = true; /* until a scan says otherwise */
		if (backend_is_probed(backend))
			continue;
		probe_free(endpoint->probe);
		endpoint->probe = NULL;
	}
}

void persist_restore_backend(const struct state *state, struct backend *backend)
{
	const struct state_backend nothing = {}, *entry = state_find_backend(state, backend->name) ?: &nothing;

	backend->admin[ADMIN_BY_OPERATOR] = (enum admin_state)entry->admin;
	backend->drain_until = entry->drain_until;
	backend->admin_until = entry->admin_until;
	if (entry->has_weight) {
		backend->weight = entry->weight;
		backend->weight_until = entry->weight_until;
	}
	follow_admin(backend);
}

static bool has_tier(const struct group *group, uint32_t tier)
{
	for (size_t i = 0; i < group->n_members; i++)
		if (group->members[i].priority == tier)
			return true;
	return false;
}

void persist_restore_group(const struct state *state, struct group *group)
{
	const struct state_group *entry = state_find_group(state, group->name);
	int64_t left;

	kept_restore_ejections(state, group);
	if (!entry)
		return;
	group->failover.now.forced = FAILOVER_NO_MEMBER;
	group->failover.now.forced_tier = FAILOVER_NO_TIER;
	group->failover.now.forced_until_ms = 0;
	group->failovers = entry->failovers;
	group->last_failover = entry->last_failover;
	if (has_tier(group, entry->tier))
		group->failover.now.tier = entry->tier;
	kept_restore_group(&entry->moves, group);
	left = entry->forced_until ? entry->forced_until - clock_wall_ms() : 0;
	if (left < 0)
		return; /* the override ran out meanwhile */
	if (has_tier(group, entry->forced_tier))
		group->failover.now.forced_tier = entry->forced_tier;
	for (size_t i = 0; entry->forced && i < group->n_members; i++)
		if (strcmp(group->members[i].endpoint->backend->name, entry->forced) == 0)
			group->failover.now.forced = i;
	if (left > 0 && failover_is_forced(&group->failover))
		group->failover.now.forced_until_ms = clock_monotonic_ms() + (uint64_t)left;
}
