/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Internal to state: what a group was on its way to, and what its backends have behind them, as JSON and back. */
#ifndef SHUNT_STATE_MOVES_H
#define SHUNT_STATE_MOVES_H

#include <jansson.h>

#include "state/state.h"

/* NULL: nothing to keep, or no memory, which *ret_failed tells. */
json_t *moves_json(const struct state_moves *moves, bool *ret_failed);
/* 0, -ENOMEM, or -EBADMSG for what moves_json would not have written. What was read so far is in *moves in any case. */
int moves_read(struct state_moves *moves, json_t *json);
void moves_free(struct state_moves *moves);

json_t *ejection_json(const struct state_ejection *ejection);
int ejection_read(struct state_ejection *ejection, json_t *json);
void ejection_free(struct state_ejection *ejection);

#endif
