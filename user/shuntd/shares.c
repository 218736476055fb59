// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * A share of the flow table for each service, when it is full: services are in classes, as many as a fingerprint tells
 * apart, one each while there are no more services than classes. While the table is nearly full, the established flows of a
 * class that has more than its share make room for new flows of others (shunt_flow_victim()).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shuntd/controller.h"

/* From three quarters on, lines are full by chance alone. */
#define SHARES_FULL 3
#define SHARES_FULL_OF 4

/* A service keeps the class that its flows are known by; a new one gets the class that the fewest have. */
void shares_assign(const struct controller *c, const struct shunt_service_key *keys, uint8_t *ret_classes)
{
	uint32_t members[SHUNT_FLOW_CLASSES] = {0};

	for (size_t i = 0; i < c->config->n_services; i++) {
		const struct shunt_service *line = datapath_peek_service(c->datapath, &keys[i]);

		ret_classes[i] = line ? line->flow_class : SHUNT_FLOW_CLASSES;
		if (line)
			members[line->flow_class % SHUNT_FLOW_CLASSES]++;
	}
	for (size_t i = 0; i < c->config->n_services; i++) {
		uint8_t least = 0;

		if (ret_classes[i] < SHUNT_FLOW_CLASSES)
			continue;
		for (uint8_t class = 1; class < SHUNT_FLOW_CLASSES; class++)
			if (members[class] < members[least])
				least = class;
		ret_classes[i] = least;
		members[least]++;
	}
}

void shares_begin(struct controller *c)
{
	memset(c->shares.flows, 0, sizeof(c->shares.flows));
}

void shares_see_flow(struct controller *c, struct shunt_flow flow)
{
	c->shares.flows[shunt_flow_class(flow.fingerprint)]++;
}

static void names_of(const struct controller *c, uint32_t class, char *text, size_t size)
{
	size_t used = 0;

	text[0] = '\0';
	for (size_t i = 0; i < c->config->n_services && used + 1 < size; i++) {
		struct shunt_service_key key = service_key_of(&c->config->services[i]);
		const struct shunt_service *line = datapath_peek_service(c->datapath, &key);

		if (line && line->flow_class == class)
			used += snprintf(text + used, size - used, "%s%s", used ? ", " : "", c->config->services[i].name);
	}
}

static void announce(struct controller *c, uint32_t before, uint32_t after)
{
	uint64_t capacity = datapath_flow_capacity(c->datapath);
	char names[200];

	for (uint32_t class = 0; class < SHUNT_FLOW_CLASSES; class++) {
		if (!((before ^ after) >> class & 1))
			continue;
		names_of(c, class, names, sizeof(names));
		if (after >> class & 1)
			events_add(c->events, "flows", "flow table", "controller",
				   "full, and %s has %u %% of it: what is beyond its share makes room for others' new flows",
				   names, (unsigned)(100 * c->shares.flows[class] / capacity));
		else
			events_add(c->events, "flows", "flow table", "controller", "%s is within its share again", names);
	}
}

static uint32_t crowded_now(const struct controller *c)
{
	uint64_t capacity = datapath_flow_capacity(c->datapath), all = 0;
	uint32_t crowded = 0, classes = c->config->n_services < SHUNT_FLOW_CLASSES ? c->config->n_services : SHUNT_FLOW_CLASSES;

	for (uint32_t class = 0; class < SHUNT_FLOW_CLASSES; class++)
		all += c->shares.flows[class];
	if (all < capacity / SHARES_FULL_OF * SHARES_FULL)
		return 0;
	for (uint32_t class = 0; class < SHUNT_FLOW_CLASSES; class++)
		if (classes > 1 && c->shares.flows[class] > capacity / classes)
			crowded |= 1U << class;
	return crowded;
}

void shares_end(struct controller *c)
{
	uint32_t crowded = crowded_now(c);

	datapath_set_crowded(c->datapath, crowded); /* each time: a program that was just loaded knows of none */
	announce(c, c->shares.crowded, crowded);
	c->shares.crowded = crowded;
}
