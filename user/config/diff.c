/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a reload would change. A thing is described as a list of facts, label and text; things of one name are compared
 * fact by fact. A new field needs its line in a describe_…() and nothing else.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/duration.h"
#include "config/keymap.h"
#include "config/words.h"
#include "net/address.h"

#include "config/config.h"

#define FACTS_MAX 64
#define FACT_TEXT_MAX 512 /* the longest is what a health check asks */

struct fact {
	const char *label, *text; /* text: `room`, or of the configuration */
	char room[FACT_TEXT_MAX];
	bool scatters; /* a change of it moves living flows */
};

struct facts {
	struct fact list[FACTS_MAX];
	size_t n;
};

struct diff {
	struct config_changes *changes;
	int error; /* -ENOMEM: given up */
};

/* A kind of thing that has names. */
struct kind {
	const char *noun;
	size_t (*count)(const struct config *config);
	const char *(*name)(const struct config *config, size_t index);
	void (*describe)(const struct config *config, size_t index, struct facts *facts);
	/* What facts cannot hold; NULL: nothing. */
	void (*compare)(struct diff *diff, const struct config *old, size_t old_index, const struct config *new,
			size_t new_index);
};

__attribute__((format(printf, 3, 4))) static void add_change(struct diff *diff, bool scatters, const char *format, ...)
{
	struct config_changes *changes = diff->changes;
	struct config_change *list = changes->list;
	size_t n = changes->n;
	va_list args;
	char *text;

	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		text = NULL;
	va_end(args);
	if (text && (n & (n - 1)) == 0) /* the capacity is the next power of two */
		list = realloc(list, (n ? 2 * n : 1) * sizeof(*list));
	if (!text || !list) {
		free(text);
		diff->error = -ENOMEM;
		return;
	}
	list[n] = (struct config_change){.text = text, .scatters = scatters};
	changes->list = list;
	changes->n++;
}

static struct fact *add_text(struct facts *facts, const char *label, const char *text)
{
	struct fact *fact = &facts->list[facts->n++];

	fact->label = label;
	fact->text = text;
	fact->scatters = false;
	return fact;
}

__attribute__((format(printf, 3, 4))) static struct fact *add_fact(struct facts *facts, const char *label,
								   const char *format, ...)
{
	struct fact *fact = add_text(facts, label, NULL);
	va_list args;

	va_start(args, format);
	vsnprintf(fact->room, sizeof(fact->room), format, args);
	va_end(args);
	fact->text = fact->room;
	return fact;
}

static void add_duration(struct facts *facts, const char *label, uint64_t ms)
{
	char text[DURATION_TEXT_MAX];

	add_fact(facts, label, "%s", duration_format(ms, text));
}

static void add_address(struct facts *facts, const char *label, const struct shunt_addr *address, uint8_t prefix)
{
	char text[ADDRESS_TEXT_MAX];

	if (address_is_zero(address))
		add_text(facts, label, "of the interface");
	else if (address_is_ipv4(address) && prefix < 32)
		add_fact(facts, label, "%.50s/%u", address_format(address, text), prefix);
	else
		add_fact(facts, label, "%s", address_format(address, text));
}

static void compare_facts(struct diff *diff, const char *noun, const char *name, const struct facts *old,
			  const struct facts *new)
{
	for (size_t i = 0; i < old->n; i++)
		if (strcmp(old->list[i].text, new->list[i].text))
			add_change(diff, old->list[i].scatters || new->list[i].scatters, "%s%s%s%s%s %s -> %s", noun, *noun ? " " : "", name,
				   *noun ? ": " : "", old->list[i].label, old->list[i].text, new->list[i].text);
}

static void add_limit(struct facts *facts, const char *label, uint32_t rate, uint32_t burst, uint8_t prefix)
{
	if (!rate)
		add_text(facts, label, "unlimited");
	else if (prefix)
		add_fact(facts, label, "%" PRIu32 "/s, burst %" PRIu32 ", a client is a /%u", rate, burst, prefix);
	else
		add_fact(facts, label, "%" PRIu32 "/s, burst %" PRIu32, rate, burst);
}

/* ---- what each kind is ---- */

static const char *port_text(uint16_t port, const char *none, char buffer[8])
{
	if (!port)
		return none;
	snprintf(buffer, 8, "%u", port);
	return buffer;
}

static void describe_hooks(const struct config_hooks *hooks, struct facts *facts)
{
	char text[CONFIG_HOOK_TEXT_MAX];

	add_fact(facts, "hooks exec", "%s", config_hook_exec_text(hooks, text));
	add_fact(facts, "hooks webhook", "%s", config_hook_webhook_text(hooks, text));
	add_text(facts, "hooks token_file", hooks->token_file ? hooks->token_file : "none");
	add_text(facts, "hooks ca_file", hooks->ca_file ? hooks->ca_file : "of the system");
	for (const struct word *word = hook_event_words; word->text; word++)
		add_fact(facts, "hooks on", "%s%s", hooks->on & word->value ? "" : "not ", word->text);
	add_fact(facts, "hooks max_attempts", "%" PRIu32, hooks->max_attempts);
	add_duration(facts, "hooks timeout", hooks->timeout_ms);
	add_duration(facts, "hooks backoff", hooks->backoff_ms);
	add_duration(facts, "hooks max_backoff", hooks->max_backoff_ms);
	add_fact(facts, "hooks queue", "%" PRIu32, hooks->queue);
}

static void describe_settings(const struct config *config, struct facts *facts)
{
	add_address(facts, "source ipv4", &config->source_ipv4, config->source_ipv4_prefix);
	add_address(facts, "source ipv6", &config->source_ipv6, 0);
	add_fact(facts, "hash_seed", "%#" PRIx64, config->hash_seed)->scatters = true;
	add_fact(facts, "table_size", "%" PRIu32, config->table_size)->scatters = true;
	add_duration(facts, "flow_timeout", config->flow_timeout_ms);
	add_fact(facts, "flow_table_size", "%" PRIu32, config->flow_table_size)->scatters = true;
	add_text(facts, "allow", config->allow.given ? "only its list" : "everybody");
	add_fact(facts, "client_table_size", "%" PRIu32, config->client_table_size);
	add_fact(facts, "max_checks_in_flight", "%" PRIu32, config->max_checks_in_flight);
	add_text(facts, "name_servers", config->name_servers ? config->name_servers : "of the system");
	describe_hooks(&config->hooks, facts);
	add_text(facts, "on_exit", word_text(on_exit_words, config->on_exit));
	add_text(facts, "api listen", config->api.listen ? config->api.listen : "off");
	add_text(facts, "api token_file", config->api.token_file ? config->api.token_file : "none");
	add_text(facts, "api read_token_file", config->api.read_token_file ? config->api.read_token_file : "none");
	add_text(facts, "api certificate_file", config->api.certificate_file ? config->api.certificate_file : "none");
	add_text(facts, "api key_file", config->api.key_file ? config->api.key_file : "none");
}

static size_t count_interfaces(const struct config *config)
{
	return config->n_interfaces;
}

static const char *name_interface(const struct config *config, size_t index)
{
	return config->interfaces[index].name;
}

static void describe_interface(const struct config *config, size_t index, struct facts *facts)
{
	add_text(facts, "mode", word_text(xdp_mode_words, config->interfaces[index].mode));
}

static size_t count_services(const struct config *config)
{
	return config->n_services;
}

static const char *name_service(const struct config *config, size_t index)
{
	return config->services[index].name;
}

static const char *mss_text(uint16_t mss, char buffer[8])
{
	return mss == SHUNT_MSS_AUTO ? "auto" : port_text(mss, "any", buffer);
}

/* Where connections are whose client has changed its address, the server id alone says. */
static void add_quic(struct facts *facts, const struct config_quic *quic)
{
	if (quic->server_id_len)
		add_fact(facts, "quic", "server_id at %u, %u bytes", quic->server_id_offset, quic->server_id_len)->scatters = true;
	else
		add_text(facts, "quic", quic->on ? "true" : "false");
}

static void add_server_id(struct facts *facts, const struct config_server_id *id)
{
	char text[2 * SHUNT_SERVER_ID_MAX + 1] = "";

	for (size_t i = 0; i < id->len; i++)
		snprintf(text + 2 * i, 3, "%02x", id->byte[i]);
	if (id->len)
		add_fact(facts, "server_id", "0x%s", text)->scatters = true;
	else
		add_text(facts, "server_id", "none");
}

static void describe_service(const struct config *config, size_t index, struct facts *facts)
{
	const struct config_service *service = &config->services[index];
	char port[8], mss[8], address[CONFIG_ADDRESS_TEXT_MAX];

	add_fact(facts, "address", "%s", config_service_address(service, address));
	add_text(facts, "protocol", word_text(protocol_words, service->protocol));
	add_fact(facts, "port", "%s", port_text(service->port, "every", port));
	add_text(facts, "group", config->groups[service->group].name);
	/* The backends of flows that nat translated know them under their own address and port. */
	add_text(facts, "forward", config_forward_text(service->forward))->scatters = service->forward == SHUNT_FORWARD_NAT;
	add_fact(facts, "gue port", "%u", service->gue_port);
	add_fact(facts, "mss", "%s", mss_text(service->mss, mss));
	add_text(facts, "hash", config_hash_text(service->hash))->scatters = true;
	add_text(facts, "tracking", config_tracking_text(service->tracking));
	add_text(facts, "on_empty", config_on_empty_text(service->on_empty));
	add_quic(facts, &service->quic);
	add_text(facts, "allow", service->allow.given ? "only its list" : "everybody");
	add_limit(facts, "new flows", service->limits.new_flows, service->limits.burst, 0);
	add_limit(facts, "new flows of a client", service->limits.per_client, service->limits.client_burst,
		  address_is_ipv4(&service->address) ? service->limits.client_ipv4 : service->limits.client_ipv6);
}

static size_t count_groups(const struct config *config)
{
	return config->n_groups;
}

static const char *name_group(const struct config *config, size_t index)
{
	return config->groups[index].name;
}

static void add_health(struct facts *facts, const struct config_health *health)
{
	add_duration(facts, "health_check slow_threshold", health->slow_ms);
	add_fact(facts, "health_check degraded_weight", "%" PRIu32 "%%", health->degraded_percent);
	add_duration(facts, "health_check predict", health->predict_ms);
	add_duration(facts, "health_check slow_start", health->slow_start_ms);
	add_duration(facts, "health_check max_interval", health->max_interval_ms);
	add_fact(facts, "health_check score results", "%" PRIu32, health->score_results);
	if (health->score_window_ms)
		add_duration(facts, "health_check score window", health->score_window_ms);
	else
		add_text(facts, "health_check score window", "as results take");
}

static void add_least(struct facts *facts, const char *label, const struct config_least *least)
{
	if (least->percent)
		add_fact(facts, label, "%" PRIu32 "%%", least->percent);
	else if (least->count)
		add_fact(facts, label, "%" PRIu32, least->count);
	else
		add_text(facts, label, "as min_healthy");
}

static void describe_failover(const struct config_group *group, struct facts *facts)
{
	const struct config_damping *damping = &group->damping;

	add_least(facts, "min_healthy", &group->min_healthy);
	add_least(facts, "return_healthy", &group->return_healthy);
	add_duration(facts, "hold_down", group->hold_down_ms);
	add_fact(facts, "panic", "%" PRIu32 "%%", group->panic_percent);
	add_text(facts, "on_down", word_text(on_down_words, group->check.on_down));
	add_fact(facts, "overprovision", "%" PRIu32 "%%", group->overprovision_percent);
	add_fact(facts, "step", "%" PRIu32 "%%", group->step_percent);
	add_duration(facts, "interval", group->step_interval_ms);
	add_duration(facts, "max_lag", group->max_lag_ms);
	add_duration(facts, "damping half_life", damping->half_life_ms);
	add_duration(facts, "damping max_suppress", damping->max_suppress_ms);
	add_fact(facts, "damping suppress", "%" PRIu32, damping->suppress);
	add_fact(facts, "damping reuse", "%" PRIu32, damping->reuse);
}

static void add_passive(struct facts *facts, const struct config_passive *passive)
{
	add_text(facts, "passive", passive->enabled ? "on" : "off");
	add_duration(facts, "passive interval", passive->interval_ms);
	add_fact(facts, "passive min_packets", "%" PRIu32, passive->min_packets);
	add_duration(facts, "passive base_time", passive->base_time_ms);
	add_duration(facts, "passive max_time", passive->max_time_ms);
	add_fact(facts, "passive max_ejected", "%" PRIu32 "%%", passive->max_ejected_percent);
}

static void describe_group(const struct config *config, size_t index, struct facts *facts)
{
	const struct config_group *group = &config->groups[index];
	const struct config_check *check = &group->check;
	_cleanup_(freep) char *question = config_check_describe(check);
	char port[8];

	add_text(facts, "mode", config_group_mode_text(group->mode));
	add_text(facts, "primary", group->primary == SIZE_MAX ? "none" : config->backends[group->primary].name);
	add_text(facts, "failover", word_text(failover_words, group->failover));
	add_text(facts, "failback", word_text(failback_words, group->failback_automatic));
	add_duration(facts, "failback_delay", group->failback_delay_ms);
	add_text(facts, "fallback", group->fallback == SIZE_MAX ? "none" : config->groups[group->fallback].name);
	describe_failover(group, facts);
	add_fact(facts, "health_check", "%s", question ? question : "?");
	add_fact(facts, "health_check port", "%s", port_text(check->port, "of the backend or service", port));
	add_duration(facts, "health_check interval", check->interval_ms);
	add_duration(facts, "health_check fast_interval",
		     check->fast_interval_ms ? check->fast_interval_ms : check->interval_ms);
	add_duration(facts, "health_check timeout", check->timeout_ms);
	add_fact(facts, "health_check healthy_threshold", "%" PRIu32, check->healthy_threshold);
	add_fact(facts, "health_check unhealthy_threshold", "%" PRIu32, check->unhealthy_threshold);
	add_health(facts, &check->health);
	add_passive(facts, &group->passive);
}

static size_t count_backends(const struct config *config)
{
	return config->n_backends;
}

static const char *name_backend(const struct config *config, size_t index)
{
	return config->backends[index].name;
}

static void describe_backend(const struct config *config, size_t index, struct facts *facts)
{
	const struct config_backend *backend = &config->backends[index];

	add_address(facts, "address", &backend->address, 32);
	add_fact(facts, "weight", "%" PRIu32, backend->weight);
	add_server_id(facts, &backend->server_id);
}

/* ---- comparing ---- */

/* Where flows that a scheduler placed are is known to the flow table alone, which maglev does not ask. */
static void compare_schedulers(struct diff *diff, const struct config *old, size_t old_index, const struct config *new,
			       size_t new_index)
{
	const struct config_service *before = &old->services[old_index], *after = &new->services[new_index];

	if (before->scheduler != after->scheduler)
		add_change(diff, after->scheduler == SHUNT_SCHEDULER_MAGLEV, "service %s: scheduler %s -> %s", before->name,
			   config_scheduler_text(before->scheduler), config_scheduler_text(after->scheduler));
}

static int index_members(const struct config *config, const struct config_group *group, struct keymap *ret_members)
{
	int error = 0;

	for (size_t i = 0; i < group->n_members; i++) {
		const char *name = config->backends[group->members[i].backend].name;

		keymap_put(ret_members, name, strlen(name), i, &error);
	}
	return error;
}

/* The order of members means nothing beyond their priorities. */
static void compare_members(struct diff *diff, const struct config *old, size_t old_index, const struct config *new,
			    size_t new_index)
{
	const struct config_group *before = &old->groups[old_index], *after = &new->groups[new_index];
	struct keymap old_members = {}, new_members = {};

	if (index_members(old, before, &old_members) || index_members(new, after, &new_members))
		diff->error = -ENOMEM;
	for (size_t i = 0; i < before->n_members; i++) {
		const char *name = old->backends[before->members[i].backend].name;
		uint32_t priority = before->members[i].priority;
		size_t found = keymap_get(&new_members, name, strlen(name));

		if (found == KEYMAP_NONE)
			add_change(diff, false, "group %s: backend %s removed", before->name, name);
		else if (after->members[found].priority != priority)
			add_change(diff, false, "group %s: backend %s priority %" PRIu32 " -> %" PRIu32, before->name,
				   name, priority, after->members[found].priority);
	}
	for (size_t i = 0; i < after->n_members; i++) {
		const char *name = new->backends[after->members[i].backend].name;

		if (keymap_get(&old_members, name, strlen(name)) == KEYMAP_NONE)
			add_change(diff, false, "group %s: backend %s added", before->name, name);
	}
	keymap_clear(&old_members);
	keymap_clear(&new_members);
}

/* Lists may be long: how many came and went is enough. */
static void compare_prefixes(struct diff *diff, const char *noun, const char *name, const char *key,
			     const struct config_prefixes *old, const struct config_prefixes *new)
{
	size_t i = 0, j = 0, added = 0, removed = 0;

	while (i < old->n || j < new->n) {
		int order = i == old->n ? 1 : j == new->n ? -1 : config_prefix_order(&old->list[i], &new->list[j]);

		removed += order < 0;
		added += order > 0;
		i += order <= 0;
		j += order >= 0;
	}
	if (added || removed)
		add_change(diff, false, "%s%s%s%s: %zu added, %zu removed", noun, name, *noun ? ": " : "", key, added,
			   removed);
}

/* Flows of clients that go to another group stay where they began, as when a service's group changes. */
static void compare_clients(struct diff *diff, const struct config *old, const struct config_service *before,
			    const struct config *new, const struct config_service *after)
{
	size_t i = 0, j = 0, added = 0, removed = 0, changed = 0;

	while (i < before->clients.n || j < after->clients.n) {
		const struct config_client *left = &before->clients.list[i], *right = &after->clients.list[j];
		int order = i == before->clients.n ? 1 : j == after->clients.n ? -1 :
			    config_prefix_order(&left->prefix, &right->prefix);

		removed += order < 0;
		added += order > 0;
		if (order == 0)
			changed += strcmp(old->groups[left->group].name, new->groups[right->group].name) != 0;
		i += order <= 0;
		j += order >= 0;
	}
	if (added || removed || changed)
		add_change(diff, false, "service %s: clients: %zu added, %zu removed, %zu to another group", before->name, added,
			   removed, changed);
}

static void compare_services(struct diff *diff, const struct config *old, size_t old_index, const struct config *new,
			     size_t new_index)
{
	const struct config_service *before = &old->services[old_index], *after = &new->services[new_index];

	compare_schedulers(diff, old, old_index, new, new_index);
	compare_prefixes(diff, "service ", before->name, "deny", &before->deny, &after->deny);
	compare_prefixes(diff, "service ", before->name, "allow", &before->allow, &after->allow);
	compare_clients(diff, old, before, new, after);
}

static bool is_translated(const struct config *config, size_t backend)
{
	for (size_t s = 0; s < config->n_services; s++)
		for (size_t g = 0; g < config->n_groups && config->services[s].forward == SHUNT_FORWARD_NAT; g++)
			for (size_t m = 0; m < config->groups[g].n_members; m++)
				if (config->groups[g].members[m].backend == backend &&
				    config_service_reaches(config, &config->services[s], g))
					return true;
	return false;
}

/* Flows that nat delivered to the old port would be sent to the new one. */
static void compare_backends(struct diff *diff, const struct config *old, size_t old_index, const struct config *new,
			     size_t new_index)
{
	const struct config_backend *before = &old->backends[old_index], *after = &new->backends[new_index];
	char was[8], is[8];

	if (before->port != after->port)
		add_change(diff, is_translated(old, old_index) && is_translated(new, new_index), "backend %s: port %s -> %s",
			   before->name, port_text(before->port, "none", was), port_text(after->port, "none", is));
}

static const struct kind kinds[] = {
	{"interface", count_interfaces, name_interface, describe_interface, NULL},
	{"service", count_services, name_service, describe_service, compare_services},
	{"group", count_groups, name_group, describe_group, compare_members},
	{"backend", count_backends, name_backend, describe_backend, compare_backends},
};

static int index_things(const struct kind *kind, const struct config *config, struct keymap *ret_names)
{
	int error = 0;

	for (size_t i = 0; i < kind->count(config); i++)
		keymap_put(ret_names, kind->name(config, i), strlen(kind->name(config, i)), i, &error);
	return error;
}

static void compare_things(struct diff *diff, const struct kind *kind, const struct config *old, size_t old_index,
			   const struct config *new, size_t new_index)
{
	struct facts before = {}, after = {};

	kind->describe(old, old_index, &before);
	kind->describe(new, new_index, &after);
	compare_facts(diff, kind->noun, kind->name(old, old_index), &before, &after);
	if (kind->compare)
		kind->compare(diff, old, old_index, new, new_index);
}

static void compare_kind(struct diff *diff, const struct kind *kind, const struct config *old, const struct config *new)
{
	struct keymap old_names = {}, new_names = {};

	if (index_things(kind, old, &old_names) || index_things(kind, new, &new_names))
		diff->error = -ENOMEM;
	for (size_t i = 0; i < kind->count(old); i++) {
		const char *name = kind->name(old, i);
		size_t found = keymap_get(&new_names, name, strlen(name));

		if (found == KEYMAP_NONE)
			add_change(diff, false, "%s %s: removed", kind->noun, name);
		else
			compare_things(diff, kind, old, i, new, found);
	}
	for (size_t i = 0; i < kind->count(new); i++) {
		const char *name = kind->name(new, i);

		if (keymap_get(&old_names, name, strlen(name)) == KEYMAP_NONE)
			add_change(diff, false, "%s %s: added", kind->noun, name);
	}
	keymap_clear(&old_names);
	keymap_clear(&new_names);
}

/* ---- what has no name of its own is compared by what it says ---- */

#define NAMELESS_TEXT_MAX 512

struct nameless {
	size_t (*count)(const struct config *config);
	const char *(*text)(const struct config *config, size_t index, char buffer[NAMELESS_TEXT_MAX]); /* returns buffer */
};

static size_t count_windows(const struct config *config)
{
	return config->n_windows;
}

static const char *window_text(const struct config *config, size_t index, char buffer[NAMELESS_TEXT_MAX])
{
	const struct config_window *window = &config->windows[index];
	char start[CLOCK_TEXT_MAX], duration[DURATION_TEXT_MAX], drain[DURATION_TEXT_MAX];

	snprintf(buffer, NAMELESS_TEXT_MAX, "window of %s %s: %s for %s%s%s%s%s",
		 window->backend != SIZE_MAX ? "backend" : "group",
		 window->backend != SIZE_MAX ? config->backends[window->backend].name : config->groups[window->group].name,
		 window->cron_text ? window->cron_text : clock_rfc3339(window->time.start_ms, start),
		 duration_format(window->time.duration_ms, duration), window->time.drain_ms ? ", drained " : "",
		 window->time.drain_ms ? duration_format(window->time.drain_ms, drain) : "",
		 window->target != SIZE_MAX ? ", to " : "",
		 window->target != SIZE_MAX ? config->backends[window->target].name : "");
	return buffer;
}

static size_t count_dns(const struct config *config)
{
	return config->n_dns;
}

static const char *dns_text(const struct config *config, size_t index, char buffer[NAMELESS_TEXT_MAX])
{
	const struct config_dns *dns = &config->dns[index];
	char refresh[DURATION_TEXT_MAX], port[8];

	snprintf(buffer, NAMELESS_TEXT_MAX, "name %s%s: group %s%s, port %s, asked every %s, try_count %" PRIu32, dns->domain,
		 dns->srv ? " (SRV)" : "", config->groups[dns->group].name, dns->is_primary ? ", its primary" : "",
		 port_text(dns->port, "of the service", port), dns->refresh_ms ? duration_format(dns->refresh_ms, refresh) : "TTL",
		 dns->try_count);
	return buffer;
}

static const struct nameless nameless[] = {{count_windows, window_text}, {count_dns, dns_text}};

static bool has(const struct nameless *kind, const struct config *config, const char *text)
{
	char buffer[NAMELESS_TEXT_MAX];

	for (size_t i = 0; i < kind->count(config); i++)
		if (strcmp(kind->text(config, i, buffer), text) == 0)
			return true;
	return false;
}

static void tell_those_not_in(struct diff *diff, const struct nameless *kind, const struct config *of, const struct config *other,
			      const char *what)
{
	char text[NAMELESS_TEXT_MAX];

	for (size_t i = 0; i < kind->count(of); i++)
		if (!has(kind, other, kind->text(of, i, text)))
			add_change(diff, false, "%s: %s", text, what);
}

int config_diff(const struct config *old, const struct config *new, struct config_changes *ret_changes)
{
	struct config_changes changes = {};
	struct diff diff = {.changes = &changes};
	struct facts before = {}, after = {};

	describe_settings(old, &before);
	describe_settings(new, &after);
	compare_facts(&diff, "", "", &before, &after);
	compare_prefixes(&diff, "", "", "deny", &old->deny, &new->deny);
	compare_prefixes(&diff, "", "", "allow", &old->allow, &new->allow);
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		compare_kind(&diff, &kinds[i], old, new);
	for (size_t i = 0; i < sizeof(nameless) / sizeof(nameless[0]); i++) {
		tell_those_not_in(&diff, &nameless[i], old, new, "removed");
		tell_those_not_in(&diff, &nameless[i], new, old, "added");
	}
	if (diff.error) {
		config_changes_clear(&changes);
		return diff.error;
	}
	*ret_changes = changes;
	return 0;
}

void config_changes_clear(struct config_changes *changes)
{
	for (size_t i = 0; i < changes->n; i++)
		free(changes->list[i].text);
	free(changes->list);
	*changes = (struct config_changes){};
}
