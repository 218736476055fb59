/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What of a group's document is about how it moves: fields beyond the contract's, behind them. */
#include <string.h>

#include "api/json.h"
#include "base/clock.h"

static json_t *time_or_null(int64_t wall_ms)
{
	char buffer[CLOCK_TEXT_MAX];

	return wall_ms > 0 ? json_string(clock_rfc3339(wall_ms, buffer)) : json_null();
}

/* The names of "a, b". */
static json_t *names_json(const char *text)
{
	json_t *names = json_array();

	while (*text) {
		size_t length = strcspn(text, ",");

		json_array_append_new(names, json_stringn(text, length));
		text += length + strspn(text + length, ", ");
	}
	return names;
}

static json_t *proposal_json(const struct snapshot_group *group)
{
	char confirm[128];

	if (!*group->proposed)
		return json_null();
	snprintf(confirm, sizeof(confirm), "shunt failover %s", group->name);
	return json_pack("{s:o, s:s, s:s}", "backends", names_json(group->proposed), "why", group->proposed_why, "confirm",
			 confirm);
}

void api_add_failover(json_t *json, const struct snapshot_group *group)
{
	json_object_set_new(json, "failover", group->failover ? json_string(group->failover) : json_null());
	json_object_set_new(json, "proposal", proposal_json(group));
	json_object_set_new(json, "held_until", time_or_null(group->held_until));
	json_object_set_new(json, "rechecking", json_boolean(group->rechecking));
	json_object_set_new(json, "panic", json_boolean(group->panic));
	json_object_set_new(json, "shifted_percent", json_integer(group->shifted_percent));
	json_object_set_new(json, "suppressed_until", time_or_null(group->suppressed_until));
}

void api_add_member_failover(json_t *json, const struct snapshot_member *member)
{
	json_object_set_new(json, "penalty", json_real(member->penalty));
	json_object_set_new(json, "suppressed_until", time_or_null(member->suppressed_until));
	json_object_set_new(json, "lag_ms", member->lag_ms >= 0 ? json_integer(member->lag_ms) : json_null());
}
