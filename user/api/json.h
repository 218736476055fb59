/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Documents of a whole kind, for the routes; the single ones are in api.h. */
#ifndef SHUNT_API_JSON_H
#define SHUNT_API_JSON_H

#include "api/api.h"
#include "api/text.h"

/* NULL when there is none (or no memory). */
json_t *api_service_by_name(const struct snapshot *snapshot, const char *name);
json_t *api_group_by_name(const struct snapshot *snapshot, const char *name);
json_t *api_backend_by_name(const struct snapshot *snapshot, const char *name);
/* GET /api/v1/status without services, groups and backends. */
json_t *api_status_json(const struct snapshot *snapshot);
/* One object each, into the text of many. */
void api_put_service(struct text *to, const struct snapshot_service *service);
void api_put_group(struct text *to, const struct snapshot_group *group);
void api_put_backend(struct text *to, const struct snapshot_backend *backend);
/* json_failover.c: how a group moves, members of the object that is open. */
void api_put_failover(struct text *to, const struct snapshot_group *group);
void api_put_member_failover(struct text *to, const struct snapshot_member *member);
/* {reason: packets} of counters by reason; with `before`, of those alone that are others than there. */
json_t *api_drops_json(const uint64_t *drops, const uint64_t *before);
json_t *api_map_json(const struct snapshot_map *map);
/* The ith metric with its samples, in Prometheus text format 0.0.4; false: there are not as many. */
bool api_put_metric(struct text *to, size_t i, const struct snapshot *snapshot);

#endif
