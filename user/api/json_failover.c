/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What of a group's document is about how it moves: fields beyond the contract's, behind them. */
#include <string.h>

#include "api/json.h"
#include "api/put.h"

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

void api_put_failover(struct text *to, const struct snapshot_group *group)
{
	put_text(to, "failover", group->failover);
	put_value(to, "proposal", proposal_json(group));
	put_time(to, "held_until", group->held_until);
	put_flag(to, "rechecking", group->rechecking);
	put_flag(to, "panic", group->panic);
	put_number(to, "shifted_percent", group->shifted_percent);
	put_time(to, "suppressed_until", group->suppressed_until);
}

void api_put_member_failover(struct text *to, const struct snapshot_member *member)
{
	put_real(to, "penalty", member->penalty);
	put_time(to, "suppressed_until", member->suppressed_until);
	if (member->lag_ms >= 0)
		put_number(to, "lag_ms", (uint64_t)member->lag_ms);
	else
		put_null(to, "lag_ms");
}
