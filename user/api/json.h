/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Documents of a whole kind, for the routes; the single ones are in api.h. */
#ifndef SHUNT_API_JSON_H
#define SHUNT_API_JSON_H

#include "api/api.h"

/* name NULL: an array of all; else the object of that name, NULL when there is none (or no memory). */
json_t *api_services_json(const struct snapshot *snapshot, const char *name);
json_t *api_groups_json(const struct snapshot *snapshot, const char *name);
json_t *api_backends_json(const struct snapshot *snapshot, const char *name);
/* json_failover.c: how a group moves. */
void api_add_failover(json_t *json, const struct snapshot_group *group);
void api_add_member_failover(json_t *json, const struct snapshot_member *member);
json_t *api_map_json(const struct snapshot_map *map);

#endif
