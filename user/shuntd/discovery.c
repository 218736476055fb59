/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * dns_backends at work: names are asked again and again; what they stand for becomes part of the configuration by the way that a
 * reload takes, so that an address which vanishes drains like any backend taken out of the file. No answer changes nothing.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "net/address.h"
#include "net/resolver.h"
#include "shuntd/controller.h"
#include "state/names.h"

#define REFRESH_DEFAULT_MS (30 * 1000) /* of what does not resolve, where the file does not say how often */
#define REFRESH_MIN_MS (5 * 1000)      /* for records that say "at once" */
#define REFRESH_MAX_MS (3600 * 1000)
#define RETRY_FIRST_MS 1000

/* A name of dns_backends. */
struct name {
	struct discovery *discovery;
	struct config_discovered known; /* texts and list are its own */
	bool srv;
	uint32_t refresh_ms, try_count;
	struct lookup *lookup;          /* under way, or NULL */
	sd_event_source *timer;         /* of the next one */
	uint32_t failures;              /* lookups in a row */
	bool concluded;                 /* asked at least once: answered, or not */
	bool given_up;                  /* after try_count of them: a later name serves, until this one answers */
	char problem[96];               /* why the last lookup failed, "" */
	int64_t answered_ms;            /* Unix milliseconds of the last answer, 0: none by this shuntd */
};

struct discovery {
	struct controller *controller;
	struct resolver *resolver;
	char *servers;
	struct name **names;
	size_t n;
	bool changed;                   /* what is known, since it was applied */
};

static void ask(struct name *name);

/* ---- what is known, as the configuration takes it ---- */

/* An entry is left out once it was given up and a later one of its group can serve. */
size_t discovery_known(const struct controller *c, struct config_discovered *ret_known, size_t max)
{
	const struct discovery *discovery = c->discovery;
	size_t n = 0;

	for (size_t i = 0; discovery && i < discovery->n && n < max; i++)
		if (!discovery->names[i]->given_up && discovery->names[i]->known.n > 0)
			ret_known[n++] = discovery->names[i]->known;
	return n;
}

size_t discovery_count(const struct controller *c)
{
	return c->discovery ? c->discovery->n : 0;
}

void discovery_describe(const struct controller *c, size_t index, struct snapshot_name *ret_name)
{
	const struct name *name = c->discovery->names[index];

	*ret_name = (struct snapshot_name){
		.domain = name->known.domain,
		.group = name->known.group,
		.addresses = name->known.n,
		.problem = name->problem[0] ? name->problem : NULL,
		.given_up = name->given_up,
		.answered = name->answered_ms,
	};
}

/* ---- from answers to the configuration ---- */

void discovery_save(struct controller *c)
{
	const struct discovery *discovery = c->discovery;
	struct config_discovered *names = must(calloc(discovery->n + 1, sizeof(*names)));
	int r;

	for (size_t i = 0; i < discovery->n; i++)
		names[i] = discovery->names[i]->known;
	r = names_save(c->options.state_dir, names, discovery->n, c->kept.saver);
	if (r < 0)
		log_error("names: cannot be saved in %s: %s: a start without a name server would not find them", c->options.state_dir,
			  strerror(-r));
	free(names);
}

/* Waits for the first answer, or none, to each name: or whoever answers first would be taken for the best of its group. */
static void apply_if_changed(struct discovery *discovery)
{
	char *error = NULL;

	for (size_t i = 0; i < discovery->n; i++)
		if (!discovery->names[i]->concluded && discovery->names[i]->known.n == 0)
			return;
	if (!discovery->changed)
		return;
	discovery->changed = false;
	if (controller_rediscover(discovery->controller, &error) < 0)
		log_error("names: what they stand for cannot be used, the backends stay as they are: %s", error ? error : "out of memory");
	free(error);
}

static bool same(const struct config_discovered *known, const struct resolution *resolution)
{
	if (known->n != resolution->n)
		return false;
	for (size_t i = 0; i < known->n; i++)
		if (!address_equal(&known->list[i].address, &resolution->list[i].address) ||
		    known->list[i].port != resolution->list[i].port || known->list[i].priority != resolution->list[i].priority ||
		    known->list[i].weight != resolution->list[i].weight)
			return false;
	return true;
}

static void take(struct name *name, const struct resolution *resolution)
{
	struct config_discovered_address *list = must(calloc(resolution->n + 1, sizeof(*list)));

	for (size_t i = 0; i < resolution->n; i++)
		list[i] = (struct config_discovered_address){
			.address = resolution->list[i].address,
			.port = resolution->list[i].port,
			.priority = resolution->list[i].priority,
			.weight = resolution->list[i].weight,
		};
	free((void *)name->known.list);
	name->known.list = list;
	name->known.n = resolution->n;
}

static void tell(const struct name *name, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void tell(const struct name *name, const char *format, ...)
{
	char object[320], text[256];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	snprintf(object, sizeof(object), "name %s", name->known.domain);
	events_add(name->discovery->controller->events, "dns", object, "dns", "group %s: %s", name->known.group, text);
}

/* Whether another name of the group has answered, and with what. */
static bool another_serves(const struct name *name)
{
	const struct discovery *discovery = name->discovery;

	for (size_t i = 0; i < discovery->n; i++) {
		const struct name *other = discovery->names[i];

		if (other != name && strcmp(other->known.group, name->known.group) == 0 && other->failures == 0 && other->known.n > 0)
			return true;
	}
	return false;
}

static void failed(struct name *name, const char *why)
{
	bool is_new = strcmp(name->problem, why) != 0;

	name->failures++;
	snprintf(name->problem, sizeof(name->problem), "%s", why);
	if (is_new)
		tell(name, "lookup failed: %s: its %zu address%s stay%s", why, name->known.n, name->known.n == 1 ? "" : "es",
		     name->known.n == 1 ? "s" : "");
	if (name->given_up || !name->try_count || name->failures < name->try_count || !another_serves(name))
		return;
	name->given_up = name->discovery->changed = true;
	tell(name, "given up after %u failed lookups: the group's other names serve until it answers", name->failures);
}

static void answered(struct name *name, const struct resolution *resolution)
{
	bool back = name->given_up, changed = !same(&name->known, resolution);
	size_t before = name->known.n;
	char beyond[64] = "";

	if (name->problem[0])
		tell(name, "answers again after %u failed lookups", name->failures);
	name->failures = 0;
	name->given_up = false;
	name->problem[0] = '\0';
	name->answered_ms = clock_wall_ms();
	if (resolution->beyond)
		snprintf(beyond, sizeof(beyond), "; %zu more are left out: %d is the most", resolution->beyond, RESOLVED_MAX);
	if (changed) {
		take(name, resolution);
		tell(name, "%zu address%s, before %zu%s", name->known.n, name->known.n == 1 ? "" : "es", before, beyond);
		discovery_save(name->discovery->controller);
	}
	name->discovery->changed = name->discovery->changed || changed || back;
}

/* ---- asking ---- */

static uint64_t next_ms(const struct name *name, const struct resolution *resolution)
{
	uint64_t usual = name->refresh_ms ? name->refresh_ms : REFRESH_DEFAULT_MS, retry = RETRY_FIRST_MS;

	if (!resolution->error && !name->refresh_ms)
		usual = resolution->ttl_s * 1000ULL;
	if (usual < REFRESH_MIN_MS && !name->refresh_ms)
		usual = REFRESH_MIN_MS;
	if (usual > REFRESH_MAX_MS && !name->refresh_ms)
		usual = REFRESH_MAX_MS;
	for (uint32_t i = 1; i < name->failures && retry < usual; i++)
		retry *= 2;
	return resolution->error && retry < usual ? retry : usual;
}

static void on_resolution(void *userdata, const struct resolution *resolution)
{
	struct name *name = userdata;

	name->lookup = NULL;
	name->concluded = true;
	if (resolution->error)
		failed(name, resolution->error);
	else
		answered(name, resolution);
	sd_event_source_set_time_relative(name->timer, next_ms(name, resolution) * 1000);
	sd_event_source_set_enabled(name->timer, SD_EVENT_ONESHOT);
	apply_if_changed(name->discovery);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
	(void)source, (void)usec;
	ask(userdata);
	return 0;
}

static void ask(struct name *name)
{
	if (name->lookup || !name->discovery->resolver)
		return;
	if (resolver_lookup(name->discovery->resolver, name->known.domain, name->srv, on_resolution, name, &name->lookup) == 0)
		return;
	sd_event_source_set_time_relative(name->timer, REFRESH_DEFAULT_MS * 1000ULL);
	sd_event_source_set_enabled(name->timer, SD_EVENT_ONESHOT);
}

/* ---- which names there are ---- */

static void name_free(struct name *name)
{
	if (!name)
		return;
	lookup_forget(name->lookup);
	sd_event_source_disable_unref(name->timer);
	free((void *)name->known.domain);
	free((void *)name->known.group);
	free((void *)name->known.list);
	free(name);
}

static struct name *name_new(struct discovery *discovery, const char *domain, const char *group)
{
	struct name *name = must(calloc(1, sizeof(*name)));

	name->discovery = discovery;
	name->known.domain = must(strdup(domain));
	name->known.group = must(strdup(group));
	if (sd_event_add_time_relative(discovery->controller->event, &name->timer, CLOCK_MONOTONIC, 0, 1000, on_timer, name) < 0)
		log_error("name %s: out of memory: it is not asked again", domain);
	else
		sd_event_source_set_enabled(name->timer, SD_EVENT_OFF);
	return name;
}

static struct name *take_name(struct discovery *discovery, const char *domain, const char *group)
{
	for (size_t i = 0; i < discovery->n; i++) {
		struct name *name = discovery->names[i];

		if (name && strcmp(name->known.domain, domain) == 0 && strcmp(name->known.group, group) == 0) {
			discovery->names[i] = NULL;
			return name;
		}
	}
	return name_new(discovery, domain, group);
}

/* Other servers than before: what is under way is asked again of those. */
static void open_resolver(struct discovery *discovery, const char *servers)
{
	bool is_same = discovery->resolver && (servers && discovery->servers ? strcmp(servers, discovery->servers) == 0 :
									      servers == discovery->servers);
	int r;

	if (is_same)
		return;
	for (size_t i = 0; i < discovery->n; i++) {
		lookup_forget(discovery->names[i]->lookup);
		discovery->names[i]->lookup = NULL;
	}
	resolver_close(discovery->resolver);
	discovery->resolver = NULL;
	free(discovery->servers);
	discovery->servers = servers ? must(strdup(servers)) : NULL;
	r = resolver_open(discovery->controller->event, servers, &discovery->resolver);
	if (r < 0)
		log_error("names: cannot be asked for: %s", strerror(-r));
}

void discovery_follow(struct controller *c)
{
	struct discovery *discovery = c->discovery;
	const struct config *config = c->config;
	struct name **names = must(calloc(config->n_dns + 1, sizeof(*names)));

	if (config->n_dns)
		open_resolver(discovery, config->name_servers);
	for (size_t i = 0; i < config->n_dns; i++) {
		const struct config_dns *dns = &config->dns[i];

		names[i] = take_name(discovery, dns->domain, config->groups[dns->group].name);
		if (names[i]->srv != dns->srv)
			names[i]->known.n = 0;
		names[i]->srv = dns->srv;
		names[i]->refresh_ms = dns->refresh_ms;
		names[i]->try_count = dns->try_count;
	}
	for (size_t i = 0; i < discovery->n; i++)
		name_free(discovery->names[i]);
	free(discovery->names);
	discovery->names = names;
	discovery->n = config->n_dns;
}

/* After discovery_follow: whoever is not being asked and has no time for it set. */
void discovery_ask(struct controller *c)
{
	struct discovery *discovery = c->discovery;

	for (size_t i = 0; i < discovery->n; i++) {
		int enabled = SD_EVENT_OFF;

		sd_event_source_get_enabled(discovery->names[i]->timer, &enabled);
		if (enabled == SD_EVENT_OFF)
			ask(discovery->names[i]);
	}
}

int discovery_open(struct controller *c)
{
	struct config_discovered *kept;
	size_t n;
	int r = names_load(c->options.state_dir, &kept, &n);

	if (r < 0)
		return r;
	c->discovery = must(calloc(1, sizeof(*c->discovery)));
	c->discovery->controller = c;
	c->discovery->names = must(calloc(n + 1, sizeof(*c->discovery->names)));
	for (size_t i = 0; i < n; i++) {
		struct name *name = name_new(c->discovery, kept[i].domain, kept[i].group);

		name->known.list = kept[i].list;
		name->known.n = kept[i].n;
		kept[i].list = NULL;
		c->discovery->names[c->discovery->n++] = name;
	}
	names_free(kept, n);
	return 0;
}

void discovery_close(struct controller *c)
{
	if (!c->discovery)
		return;
	for (size_t i = 0; i < c->discovery->n; i++)
		name_free(c->discovery->names[i]);
	resolver_close(c->discovery->resolver);
	free(c->discovery->servers);
	free(c->discovery->names);
	free(c->discovery);
	c->discovery = NULL;
}
