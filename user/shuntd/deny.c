/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Prefixes that an operator denies while shuntd runs. The order of each change: the program can do it, the file has it,
 * the list, the maps. A crash in between leaves a file that the next start brings the maps in line with.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "net/address.h"
#include "shuntd/controller.h"

#define PREFIX_TEXT_MAX (ADDRESS_TEXT_MAX + 4)
#define EXPIRED_TOLD 10            /* events of their own; what more ends at once is told in one */
#define EXPIRE_PAUSE_MS 250        /* ends that are nearer together are dealt with at once */
#define OVERLAPS_LOOKED_FOR 1000000 /* prefixes × backends, for the warning that a backend is among the denied */

/* ---- the packet path follows the list ---- */

/* `lines`: of services too, since their own lists came or went. */
static int follow(struct controller *c, bool lines)
{
	int r = lines ? services_publish(c) : protect_publish_denied(c);

	if (r < 0)
		log_error("deny: the packet path does not follow: %s", *datapath_error() ? datapath_error() : strerror(-r));
	return r;
}

static void tell_expired(struct controller *c, const struct denied *expired, size_t n)
{
	char prefix[PREFIX_TEXT_MAX], object[PREFIX_TEXT_MAX + 8];

	for (size_t i = 0; i < n && i < EXPIRED_TOLD; i++) {
		config_prefix_format(&expired[i].prefix, prefix, sizeof(prefix));
		snprintf(object, sizeof(object), "prefix %s", prefix);
		events_add(c->events, "undeny", object, "controller", "its time is over%s%s",
			   *expired[i].service ? ", of service " : "", expired[i].service);
	}
	if (n > EXPIRED_TOLD)
		events_add(c->events, "undeny", "deny", "controller", "the time of %zu more prefixes is over", n - EXPIRED_TOLD);
}

static int expire(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct controller *c = userdata;
	struct denied expired[EXPIRED_TOLD];
	size_t n = denied_expire(&c->denied, clock_monotonic_ms(), expired, EXPIRED_TOLD);

	(void)source, (void)usec;
	if (n && !c->detached) {
		follow(c, true);
		tell_expired(c, expired, n); /* the file knows it by the time of each */
	}
	deny_wake(c);
	return 0;
}

void deny_wake(struct controller *c)
{
	uint64_t due = denied_next_due(&c->denied), now = clock_monotonic_ms(), wait_ms;
	int r;

	if (due == DENIED_NEVER) {
		if (c->denied_timer)
			sd_event_source_set_enabled(c->denied_timer, SD_EVENT_OFF);
		return;
	}
	wait_ms = due > now + EXPIRE_PAUSE_MS ? due - now : EXPIRE_PAUSE_MS;
	if (!c->denied_timer)
		r = sd_event_add_time_relative(c->event, &c->denied_timer, CLOCK_MONOTONIC, wait_ms * 1000, 1000, expire, c);
	else if ((r = sd_event_source_set_time_relative(c->denied_timer, wait_ms * 1000)) >= 0)
		r = sd_event_source_set_enabled(c->denied_timer, SD_EVENT_ONESHOT);
	if (r < 0)
		log_error("deny: prefixes do not expire: %s", strerror(-r));
}

/* ---- start and stop ---- */

int deny_open(struct controller *c)
{
	bool damaged = false;
	int r = denied_file_open(c->options.state_dir, clock_wall_ms(), clock_monotonic_ms(), &c->denied, &c->denied_file,
				 &damaged);

	if (r < 0)
		log_error("state: %s/%s: %s", c->options.state_dir, DENIED_FILE, strerror(-r));
	c->state_damaged = damaged;
	return r;
}

void deny_close(struct controller *c)
{
	sd_event_source_disable_unref(c->denied_timer);
	denied_file_close(c->denied_file);
	denied_clear(&c->denied);
}

/* ---- what is asked of both ---- */

static bool is_configured(const struct controller *c, const struct config_prefix *prefix, const char *service)
{
	size_t i = *service ? config_find_service(c->config, service) : SIZE_MAX;
	const struct config_prefixes *list = i == SIZE_MAX ? &c->config->deny : &c->config->services[i].deny;

	return list->n && (i != SIZE_MAX || !*service) && bsearch(prefix, list->list, list->n, sizeof(*prefix), config_prefix_order);
}

/* Entries of what is asked, alike but for their prefixes. NULL: no memory. */
static struct denied *entries_of(struct controller *c, const struct api_deny *deny)
{
	struct denied *entries = calloc(deny->n, sizeof(*entries));
	struct denied like = {.service = denied_service(&c->denied, deny->service ?: ""), .due_ms = DENIED_NEVER};

	like.since = clock_wall_ms();
	if (deny->for_ms) {
		like.until = like.since + (int64_t)deny->for_ms;
		like.due_ms = clock_monotonic_ms() + deny->for_ms;
	}
	for (size_t i = 0; entries && like.service && i < deny->n; i++) {
		entries[i] = like;
		entries[i].prefix = deny->prefixes[i];
	}
	if (!like.service) {
		free(entries);
		return NULL;
	}
	return entries;
}

/* "prefix 203.0.113.0/24" or "5000 prefixes". */
static const char *object_of(const struct api_deny *deny, char object[PREFIX_TEXT_MAX + 8])
{
	char prefix[PREFIX_TEXT_MAX];

	if (deny->n == 1)
		snprintf(object, PREFIX_TEXT_MAX + 8, "prefix %s", config_prefix_format(deny->prefixes, prefix, sizeof(prefix)));
	else
		snprintf(object, PREFIX_TEXT_MAX + 8, "%zu prefixes", deny->n);
	return object;
}

static int saving_failed(const struct controller *c, struct api_reply *reply, int error)
{
	return api_refuse(reply, error, "nothing was changed: it cannot be kept: %s/%s: %s", c->options.state_dir, DENIED_FILE,
		      strerror(-error));
}

/* Who asked is answered when that is done (persist_open). */
static void keep(struct controller *c)
{
	int r = denied_file_sync(c->denied_file, c->kept.saver);

	if (r < 0)
		log_error("state: %s/%s: %s", c->options.state_dir, DENIED_FILE, strerror(-r));
}

static void tidy(struct controller *c)
{
	int r = denied_file_tidy(c->denied_file, &c->denied);

	if (r < 0)
		log_warn("state: %s/%s grows: it cannot be written anew: %s", c->options.state_dir, DENIED_FILE, strerror(-r));
	deny_wake(c);
}

/* ---- add ---- */

static bool covers(const struct config_prefix *prefix, const struct shunt_addr *address)
{
	struct config_prefix whole = {*address, address_is_ipv4(address) ? 32 : 128};

	return config_prefix_contains(prefix, &whole);
}

/* What an operator may not have meant. */
static json_t *warnings(const struct controller *c, const struct api_deny *deny)
{
	json_t *texts = json_array();
	char prefix[PREFIX_TEXT_MAX];

	for (size_t i = 0; i < deny->n; i++) {
		bool ipv4 = address_is_ipv4(&deny->prefixes[i].address);

		config_prefix_format(&deny->prefixes[i], prefix, sizeof(prefix));
		if (deny->prefixes[i].length == 0)
			json_array_append_new(texts, json_sprintf("%s: every IPv%d client is denied", prefix, ipv4 ? 4 : 6));
		for (size_t b = 0; deny->prefixes[i].length && deny->n * c->n_backends <= OVERLAPS_LOOKED_FOR && b < c->n_backends;
		     b++)
			if (covers(&deny->prefixes[i], &c->backends[b]->address) && !c->backends[b]->removed)
				json_array_append_new(texts, json_sprintf("%s: has backend %s, which cannot use services any more",
									  prefix, c->backends[b]->name));
	}
	return texts;
}

static int check_add(struct controller *c, const struct api_deny *deny, struct api_reply *reply)
{
	size_t n = c->denied.n + c->config->deny.n;

	for (size_t i = 0; i < c->config->n_services; i++)
		n += c->config->services[i].deny.n;
	if (c->detached)
		return api_refuse(reply, -EBUSY, "the data path is off the interfaces");
	if (deny->service && config_find_service(c->config, deny->service) == SIZE_MAX)
		return api_refuse(reply, -ENOENT, "service %s does not exist", deny->service);
	if (n + deny->n > SHUNT_MAX_LISTED)
		return api_refuse(reply, -EBUSY, "no room: %zu of %d prefixes are denied already", n, SHUNT_MAX_LISTED);
	return 0;
}

static void tell_added(struct controller *c, const struct api_deny *deny, const struct denied *entry)
{
	char object[PREFIX_TEXT_MAX + 8], until[CLOCK_TEXT_MAX];

	events_add(c->events, "deny", object_of(deny, object), "operator", "denied by %s%s, %s%s",
		   deny->service ? "service " : "all services", deny->service ?: "",
		   entry->until ? "until " : "until taken back", entry->until ? clock_rfc3339(entry->until, until) : "");
}

static int added(struct controller *c, const struct api_deny *deny, struct denied *entries, struct api_reply *reply)
{
	const struct denied like = entries[0];
	char until[CLOCK_TEXT_MAX];
	size_t changed, before = c->denied.n;
	int r = denied_add(&c->denied, entries, deny->n, &changed);

	if (r < 0)
		return r;
	r = follow(c, deny->service != NULL);
	tell_added(c, deny, &like);
	tidy(c);
	if (r < 0)
		return api_refuse(reply, r, "kept, but not in force: %s: the next reload or start tries again",
			      *datapath_error() ? datapath_error() : strerror(-r));
	reply->document = json_pack("{s:I, s:I, s:o, s:o}", "added", (json_int_t)(c->denied.n - before), "changed",
				    (json_int_t)changed, "until",
				    like.until ? json_string(clock_rfc3339(like.until, until)) : json_null(), "warnings",
				    warnings(c, deny));
	return 0;
}

int deny_add(void *userdata, const struct api_deny *deny, struct api_reply *reply)
{
	struct controller *c = userdata;
	_cleanup_(freep) struct denied *entries = NULL;
	int r = check_add(c, deny, reply);

	if (r < 0)
		return r;
	entries = entries_of(c, deny);
	if (!entries)
		return -ENOMEM;
	r = controller_need_features(c, SHUNT_FEATURE_DENY, &reply->error);
	if (r < 0)
		return r;
	r = denied_file_add(c->denied_file, entries, deny->n);
	if (r < 0)
		return saving_failed(c, reply, r);
	keep(c);
	return added(c, deny, entries, reply);
}

/* ---- remove ---- */

static int nothing_to_remove(const struct controller *c, const struct api_deny *deny, struct api_reply *reply)
{
	char object[PREFIX_TEXT_MAX + 8];

	object_of(deny, object);
	if (deny->n == 1 && is_configured(c, deny->prefixes, deny->service ?: ""))
		return api_refuse(reply, -EPERM, "%s is denied by the configuration: take it out of %s and reload", object,
			      c->options.config_path);
	return api_refuse(reply, -ENOENT, "%s: %s denied%s%s by an operator", object, deny->n == 1 ? "not" : "none of them is",
		      deny->service ? " for service " : "", deny->service ?: "");
}

static json_t *still_denied(const struct controller *c, const struct api_deny *deny)
{
	json_t *texts = json_array();
	char prefix[PREFIX_TEXT_MAX];

	for (size_t i = 0; i < deny->n; i++)
		if (is_configured(c, &deny->prefixes[i], deny->service ?: ""))
			json_array_append_new(texts, json_sprintf("%s: stays denied, by the configuration",
								  config_prefix_format(&deny->prefixes[i], prefix, sizeof(prefix))));
	return texts;
}

static size_t how_many_are_there(const struct controller *c, const struct denied *entries, size_t n)
{
	size_t there = 0;

	for (size_t i = 0; i < n; i++)
		there += denied_find(&c->denied, &entries[i].prefix, entries[i].service) != NULL;
	return there;
}

int deny_remove(void *userdata, const struct api_deny *deny, struct api_reply *reply)
{
	struct controller *c = userdata;
	_cleanup_(freep) struct denied *entries = entries_of(c, deny);
	char object[PREFIX_TEXT_MAX + 8];
	size_t removed;
	int r;

	if (!entries)
		return -ENOMEM;
	if (!how_many_are_there(c, entries, deny->n))
		return nothing_to_remove(c, deny, reply);
	for (size_t i = 0; i < deny->n; i++)
		entries[i].since = entries[i].until = 0;
	r = denied_file_remove(c->denied_file, entries, deny->n);
	if (r < 0)
		return saving_failed(c, reply, r);
	keep(c);
	removed = denied_remove(&c->denied, entries, deny->n);
	r = c->detached ? 0 : follow(c, deny->service != NULL);
	events_add(c->events, "undeny", object_of(deny, object), "operator", "taken back%s%s", deny->service ? ", of service " : "",
		   deny->service ?: "");
	tidy(c);
	if (r < 0)
		return api_refuse(reply, r, "taken back, but still in force: %s: the next reload or start tries again",
			      *datapath_error() ? datapath_error() : strerror(-r));
	reply->document = json_pack("{s:I, s:I, s:o}", "removed", (json_int_t)removed, "missing",
				    (json_int_t)(deny->n - removed), "warnings", still_denied(c, deny));
	return 0;
}

/* ---- all at once ---- */

int deny_replace(struct controller *c, const json_t *changes)
{
	struct denied_list list = {}, before = c->denied;
	char *error = NULL;
	int r = denied_read(changes, clock_wall_ms(), clock_monotonic_ms(), &list);

	if (r == 0 && list.n)
		r = controller_need_features(c, SHUNT_FEATURE_DENY, &error);
	if (r == 0)
		r = denied_file_replace(c->denied_file, &list);
	free(error);
	if (r < 0) {
		denied_clear(&list);
		return r;
	}
	c->denied = list;
	r = follow(c, true);
	denied_clear(&before);
	deny_wake(c);
	return r;
}

/* ---- list ---- */

struct row {
	struct config_prefix prefix;
	const char *service;           /* "" for all */
	const struct denied *operator; /* NULL: of the configuration */
};

static int by_row(const void *a, const void *b)
{
	const struct row *left = a, *right = b;
	int order = config_prefix_order(&left->prefix, &right->prefix);

	order = order ? order : strcmp(left->service, right->service);
	return order ? order : !!left->operator - !!right->operator;
}

static bool is_asked_for(const struct api_deny_query *query, const struct row *row)
{
	return (!query->after || config_prefix_order(&row->prefix, query->after) > 0) &&
	       (!query->overlaps || config_prefix_contains(query->overlaps, &row->prefix) ||
		config_prefix_contains(&row->prefix, query->overlaps)) &&
	       (!query->service || strcmp(query->service, row->service) == 0);
}

static void add_row(struct row *rows, size_t *n, const struct api_deny_query *query, struct row row)
{
	if (is_asked_for(query, &row))
		rows[(*n)++] = row;
}

/* All that are asked for, sorted. NULL: no memory. */
static struct row *rows_of(const struct controller *c, const struct api_deny_query *query, size_t *ret_n)
{
	size_t room = c->config->deny.n + c->denied.n + 1, n = 0;
	struct row *rows;

	for (size_t i = 0; i < c->config->n_services; i++)
		room += c->config->services[i].deny.n;
	rows = reallocarray(NULL, room, sizeof(*rows));
	if (!rows)
		return NULL;
	for (size_t i = 0; i < c->config->deny.n; i++)
		add_row(rows, &n, query, (struct row){c->config->deny.list[i], "", NULL});
	for (size_t s = 0; s < c->config->n_services; s++)
		for (size_t i = 0; i < c->config->services[s].deny.n; i++)
			add_row(rows, &n, query, (struct row){c->config->services[s].deny.list[i], c->config->services[s].name, NULL});
	for (size_t i = 0; i < c->denied.n; i++)
		add_row(rows, &n, query, (struct row){c->denied.list[i].prefix, c->denied.list[i].service, &c->denied.list[i]});
	qsort(rows, n, sizeof(*rows), by_row);
	*ret_n = n;
	return rows;
}

static json_t *row_json(const struct controller *c, const struct row *row)
{
	size_t i = *row->service ? config_find_service(c->config, row->service) : SIZE_MAX;
	bool in_force = !*row->service || i != SIZE_MAX;
	char prefix[PREFIX_TEXT_MAX], since[CLOCK_TEXT_MAX], until[CLOCK_TEXT_MAX];
	uint64_t packets = 0;

	if (in_force) {
		struct shunt_list_key key =
			datapath_prefix_key(&row->prefix.address, row->prefix.length, i == SIZE_MAX ? 0 : c->service_ids[i]);

		packets = datapath_prefix_packets(c->datapath, &key);
	}
	return json_pack("{s:s, s:s?, s:s, s:s?, s:s?, s:b, s:I}", "prefix",
			 config_prefix_format(&row->prefix, prefix, sizeof(prefix)), "service", *row->service ? row->service : NULL,
			 "from", row->operator ? "operator" : "file", "since",
			 row->operator ? clock_rfc3339(row->operator->since, since) : NULL, "until",
			 row->operator && row->operator->until ? clock_rfc3339(row->operator->until, until) : NULL, "in_force",
			 in_force, "packets", (json_int_t)packets);
}

int deny_list(void *userdata, const struct api_deny_query *query, struct api_reply *reply)
{
	struct controller *c = userdata;
	size_t n = 0;
	_cleanup_(freep) struct row *rows = rows_of(c, query, &n);

	if (!rows || !(reply->document = json_array()))
		return -ENOMEM;
	/* What has the same prefix comes in one answer, for the next begins behind it. */
	for (size_t i = 0; i < n && (i < API_DENY_MAX || config_prefix_order(&rows[i - 1].prefix, &rows[i].prefix) == 0); i++)
		if (json_array_append_new(reply->document, row_json(c, &rows[i])) < 0)
			return -ENOMEM;
	return 0;
}
