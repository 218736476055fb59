/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What backends answer for: packets from a backend's address and port that some service is translated to go on as that
 * service's. Such an entry outlives the configuration that made it while flows may live that need it, and no reload gives
 * it to another service meanwhile, unless forced.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "base/log.h"
#include "net/address.h"
#include "shuntd/controller.h"

static struct shunt_service_key key_of(const struct config_service *service, const struct shunt_addr *address, uint16_t port)
{
	return (struct shunt_service_key){.address = *address, .port = htons(port), .protocol = service->protocol, .used = 1};
}

/* ---- flows that may live ---- */

static bool table_names(const struct controller *c, const struct group *group, const struct backend *backend)
{
	const struct shunt_slot *words = datapath_table(c->datapath, group->index);

	for (uint32_t slot = 0; slot < c->table_size; slot++)
		for (const struct endpoint *endpoint = backend->endpoints; endpoint; endpoint = endpoint->next)
			if (words[slot].now == endpoint->id || words[slot].was == endpoint->id)
				return true;
	return false;
}

/* Whether flows of the group may be on a backend with this address: a slot names it, or pinned flows are still waited for. */
static bool group_may_use(const struct controller *c, const struct group *group, const struct shunt_addr *address)
{
	for (size_t i = 0; i < c->n_backends; i++) {
		const struct backend *backend = c->backends[i];

		if (memcmp(&backend->address, address, sizeof(*address)) != 0 || !backend->endpoints)
			continue;
		if (group->moving + group->resolving > 0 || table_names(c, group, backend))
			return true;
	}
	return false;
}

static bool is_of(const struct shunt_answer *answer, const struct config_service *service)
{
	return service->forward == SHUNT_FORWARD_NAT && service->protocol == answer->key.protocol &&
	       htons(service->port) == answer->port && memcmp(&service->address, &answer->address, sizeof(answer->address)) == 0;
}

static const struct config_service *service_of(const struct config *config, const struct shunt_answer *answer)
{
	for (size_t s = 0; s < config->n_services; s++)
		if (is_of(answer, &config->services[s]))
			return &config->services[s];
	return NULL;
}

/* Whether flows of the service may live that the backend answers; of a service that is no more, none do. */
static bool may_be_needed(const struct controller *c, const struct shunt_answer *answer)
{
	const struct config_service *service = service_of(c->config, answer);

	if (!service || placements_need_flows(c)) /* flows stay with groups that the service had before */
		return service;
	for (size_t g = 0; g < c->config->n_groups; g++)
		if (c->configured[g] && config_service_reaches(c->config, service, g) &&
		    group_may_use(c, c->configured[g], &answer->key.address))
			return true;
	return false;
}

/* ---- publishing ---- */

struct answer_list {
	const struct controller *controller;
	struct shunt_answer *list;
	size_t n, room;
	bool keep, out_of_memory;
};

static void add_answer(struct answer_list *answers, const struct shunt_answer *answer)
{
	if (answers->n == answers->room) {
		size_t room = answers->room ? 2 * answers->room : 64;
		struct shunt_answer *list = realloc(answers->list, room * sizeof(*list));

		if (!list) {
			answers->out_of_memory = true;
			return;
		}
		answers->list = list;
		answers->room = room;
	}
	answers->list[answers->n++] = *answer;
}

static void add_members(struct answer_list *answers, const struct config_service *service, uint32_t id, const struct group *group)
{
	for (size_t m = 0; m < group->n_members; m++) {
		const struct endpoint *endpoint = group->members[m].endpoint;
		const struct config_backend backend = {.port = endpoint->backend->port};
		const struct shunt_answer answer = {
			.key = key_of(service, &endpoint->backend->address, config_nat_port(service, &backend)),
			.address = service->address,
			.port = htons(service->port),
			.mss = service->mss,
			.service = id,
			.backend = endpoint->id,
		};

		add_answer(answers, &answer);
	}
}

/* What was answered for by the configuration before; of one key the first in the list counts, and that is the new one. */
static void add_if_needed(void *userdata, const void *line)
{
	struct answer_list *answers = userdata;

	if (answers->keep ? service_of(answers->controller->config, line) != NULL : may_be_needed(answers->controller, line))
		add_answer(answers, line);
}

int answers_publish(struct controller *c, const uint32_t *service_ids, bool keep)
{
	const struct config *config = c->config;
	struct answer_list answers = {.controller = c, .keep = keep};
	int r = -ENOMEM;

	if (!(datapath_features(c->datapath) & SHUNT_FEATURE_NAT))
		return 0;
	for (size_t s = 0; s < config->n_services; s++)
		for (size_t g = 0; g < config->n_groups && config->services[s].forward == SHUNT_FORWARD_NAT; g++)
			if (c->configured[g] && config_service_reaches(config, &config->services[s], g))
				add_members(&answers, &config->services[s], service_ids[s], c->configured[g]);
	datapath_each_answer(c->datapath, add_if_needed, &answers);
	if (!answers.out_of_memory)
		r = datapath_set_answers(c->datapath, answers.list, answers.n);
	free(answers.list);
	return r;
}

/* ---- a reload that would give them to another service ---- */

static bool is_taken(const struct controller *c, const struct config *config, const struct config_service *service,
		     const struct config_backend *backend, char **ret_error)
{
	struct shunt_service_key key = key_of(service, &backend->address, config_nat_port(service, backend));
	const struct shunt_answer *answer = datapath_find_answer(c->datapath, &key);
	char address[ADDRESS_TEXT_MAX];

	if (!answer || is_of(answer, service) || !service_of(config, answer) || !may_be_needed(c, answer))
		return false;
	address_port_format(&answer->address, ntohs(answer->port), address);
	if (asprintf(ret_error, "service %s: flows of the service at %s may still be on backend %s, which could answer for one of "
		     "them only: refused until they have ended (reload --force ends them)", service->name, address,
		     backend->name) < 0)
		*ret_error = NULL;
	return true;
}

bool answers_taken(const struct controller *c, const struct config *config, char **ret_error)
{
	if (!(datapath_features(c->datapath) & SHUNT_FEATURE_NAT))
		return false;
	for (size_t s = 0; s < config->n_services; s++) {
		const struct config_service *service = &config->services[s];

		for (size_t g = 0; g < config->n_groups && service->forward == SHUNT_FORWARD_NAT; g++) {
			if (!config_service_reaches(config, service, g))
				continue;
			for (size_t m = 0; m < config->groups[g].n_members; m++)
				if (is_taken(c, config, service, &config->backends[config->groups[g].members[m].backend], ret_error))
					return true;
		}
	}
	return false;
}

/* ---- next hops that packets miss ---- */

static void neighbour_wanted(void *userdata, const struct shunt_neighbour_wanted *wanted)
{
	struct controller *c = userdata;

	next_hops_resolve(c->next_hops, wanted->ifindex, &wanted->address);
}

static int neighbours_wanted(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	struct controller *c = userdata;

	(void)source;
	(void)fd;
	(void)events;
	datapath_take_neighbours(c->datapath, neighbour_wanted, c);
	return 0;
}

void answers_watch_neighbours(struct controller *c, const struct datapath *datapath)
{
	int r;

	c->neighbours_wanted = sd_event_source_disable_unref(c->neighbours_wanted);
	if (!(datapath_features(datapath) & SHUNT_FEATURE_NAT))
		return;
	r = sd_event_add_io(c->event, &c->neighbours_wanted, datapath_neighbours_fd(datapath), EPOLLIN, neighbours_wanted, c);
	if (r < 0)
		log_error("nat: next hops of answers are not resolved: %s", strerror(-r));
}
