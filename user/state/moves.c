/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a group was on its way to, as JSON and back: members by name, times of the wall clock. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "state/moves.h"

static bool copy(char **to, const char *from)
{
	*to = from ? strdup(from) : NULL;
	return *to || !from;
}

static bool is_penalty(const struct state_penalty *penalty)
{
	return isfinite(penalty->value) && penalty->value >= 0 && penalty->at >= 0;
}

void moves_free(struct state_moves *moves)
{
	free(moves->chosen);
	free(moves->from_chosen);
	free(moves->from_forced);
	for (size_t i = 0; i < moves->n_members; i++)
		free(moves->members[i].name);
	free(moves->members);
	*moves = (struct state_moves){0};
}

/* ---- reading ---- */

static int read_penalty(json_t *json, struct state_penalty *ret_penalty)
{
	json_int_t at;
	int suppressed;

	if (json_unpack(json, "{s:F, s:I, s:b !}", "value", &ret_penalty->value, "at", &at, "suppressed", &suppressed) < 0)
		return -EBADMSG;
	ret_penalty->at = at;
	ret_penalty->suppressed = suppressed;
	return is_penalty(ret_penalty) ? 0 : -EBADMSG;
}

static int read_members(struct state_moves *moves, json_t *json)
{
	const char *name;
	json_t *entry;

	if (!json_is_object(json))
		return -EBADMSG;
	moves->members = calloc(json_object_size(json) + 1, sizeof(*moves->members));
	if (!moves->members)
		return -ENOMEM;
	json_object_foreach(json, name, entry)
	{
		struct state_penalty *member = &moves->members[moves->n_members];
		int r = read_penalty(entry, member);

		if (r < 0)
			return r;
		if (!copy(&member->name, name))
			return -ENOMEM;
		moves->n_members++;
	}
	return 0;
}

static int read_shift(struct state_moves *moves, json_t *json)
{
	json_int_t percent, tier, forced_tier, fit, step_at;
	const char *chosen = NULL, *forced = NULL;

	if (json_unpack(json, "{s:I, s:I, s:I, s:I, s:I, s?s, s?s !}", "percent", &percent, "tier", &tier, "forced_tier",
			&forced_tier, "target_fit", &fit, "step_at", &step_at, "chosen", &chosen, "forced", &forced) < 0 ||
	    percent < 1 || percent > 99 || tier < 0 || tier > STATE_NO_TIER || forced_tier < 0 || forced_tier > STATE_NO_TIER ||
	    fit < 0 || fit > UINT32_MAX || step_at < 0)
		return -EBADMSG;
	moves->shifted_percent = percent;
	moves->from_tier = tier;
	moves->from_forced_tier = forced_tier;
	moves->target_fit = fit;
	moves->step_at = step_at;
	return copy(&moves->from_chosen, chosen) && copy(&moves->from_forced, forced) ? 0 : -ENOMEM;
}

int moves_read(struct state_moves *moves, json_t *json)
{
	json_t *shift = NULL, *own = NULL, *members = NULL;
	const char *chosen = NULL;
	json_int_t held = 0;
	int r = 0;

	if (json_unpack(json, "{s?I, s?s, s?o, s?o, s?o !}", "held_until", &held, "chosen", &chosen, "shift", &shift, "penalty",
			&own, "members", &members) < 0 ||
	    held < 0)
		return -EBADMSG;
	moves->held_until = held;
	if (!copy(&moves->chosen, chosen))
		return -ENOMEM;
	if (shift)
		r = read_shift(moves, shift);
	if (r == 0 && own)
		r = read_penalty(own, &moves->own);
	return r == 0 && members ? read_members(moves, members) : r;
}

/* ---- writing ---- */

static json_t *penalty_json(const struct state_penalty *penalty)
{
	return json_pack("{s:f, s:I, s:b}", "value", penalty->value, "at", (json_int_t)penalty->at, "suppressed",
			 (int)penalty->suppressed);
}

static json_t *shift_json(const struct state_moves *moves)
{
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:s*, s:s*}", "percent", (json_int_t)moves->shifted_percent, "tier",
			 (json_int_t)moves->from_tier, "forced_tier", (json_int_t)moves->from_forced_tier, "target_fit",
			 (json_int_t)moves->target_fit, "step_at", (json_int_t)moves->step_at, "chosen", moves->from_chosen,
			 "forced", moves->from_forced);
}

static json_t *members_json(const struct state_moves *moves)
{
	json_t *all = json_object();

	for (size_t i = 0; i < moves->n_members; i++)
		if (json_object_set_new(all, moves->members[i].name, penalty_json(&moves->members[i])) < 0) {
			json_decref(all);
			return NULL;
		}
	return all;
}

json_t *moves_json(const struct state_moves *moves, bool *ret_failed)
{
	json_t *json = json_object();
	int r = json ? 0 : -1;

	if (r == 0 && moves->held_until)
		r = json_object_set_new(json, "held_until", json_integer(moves->held_until));
	if (r == 0 && moves->chosen)
		r = json_object_set_new(json, "chosen", json_string(moves->chosen));
	if (r == 0 && moves->shifted_percent)
		r = json_object_set_new(json, "shift", shift_json(moves));
	if (r == 0 && moves->own.value > 0)
		r = json_object_set_new(json, "penalty", penalty_json(&moves->own));
	if (r == 0 && moves->n_members)
		r = json_object_set_new(json, "members", members_json(moves));
	*ret_failed = r < 0;
	if (r == 0 && json_object_size(json))
		return json;
	json_decref(json);
	return NULL;
}

/* ---- ejections ---- */

json_t *ejection_json(const struct state_ejection *ejection)
{
	return json_pack("{s:I, s:I, s:I, s:s*}", "until", (json_int_t)ejection->until, "back", (json_int_t)ejection->back, "times",
			 (json_int_t)ejection->times, "why", ejection->why);
}

int ejection_read(struct state_ejection *ejection, json_t *json)
{
	json_int_t until, back, times;
	const char *why = NULL;

	if (json_unpack(json, "{s:I, s:I, s:I, s?s !}", "until", &until, "back", &back, "times", &times, "why", &why) < 0 ||
	    until < 0 || back < 0 || times < 1 || times > UINT32_MAX)
		return -EBADMSG;
	*ejection = (struct state_ejection){.until = until, .back = back, .times = times};
	return copy(&ejection->why, why) ? 0 : -ENOMEM;
}

void ejection_free(struct state_ejection *ejection)
{
	free(ejection->why);
	*ejection = (struct state_ejection){0};
}
