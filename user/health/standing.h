/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What may be sent to a backend: what its checks say, what operators say and what clients' packets say, taken together. Pure. */
#ifndef SHUNT_STANDING_H
#define SHUNT_STANDING_H

#include <stdbool.h>

#include "health/health.h"

struct standing_facts {
	enum health_state health;
	bool was_alive;                /* until now */
	bool keeps_flows;              /* a backend that checks call down keeps its established flows, as a drain does */
	bool opened;                   /* some group panics and uses it whatever its checks say */
	bool drained, maintained;      /* by an operator, a window or its agent */
	bool ejected;                  /* by passive detection */
	bool weighs;                   /* its weight is above 0, and some group wants it */
};

struct standing {
	bool alive;                    /* packets may be sent to it */
	bool fit;                      /* new flows should */
	bool in_service;               /* new flows may where nobody is fit: whatever its checks say */
};

static inline struct standing standing_of(struct standing_facts facts)
{
	bool up = health_serves(facts.health), kept = facts.was_alive && facts.health == HEALTH_DOWN && facts.keeps_flows;

	return (struct standing){
		.alive = (up || kept || facts.opened) && !facts.maintained,
		.fit = up && !facts.maintained && !facts.drained && facts.weighs && !facts.ejected,
		.in_service = !facts.maintained && facts.weighs,
	};
}

#endif
