/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What an operator decided and what became of groups, kept over crashes in STATE_DIR/state.json. Saved before a command is
 * acknowledged. By name: whether a name still exists is the caller's to know. Times are Unix milliseconds.
 */
#ifndef SHUNT_STATE_H
#define SHUNT_STATE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "loop/saver.h"

#define STATE_FILE "state.json"
#define STATE_VERSION 1
#define STATE_NO_TIER UINT32_MAX

enum state_admin { STATE_READY, STATE_DRAIN, STATE_MAINT };

/* By passive detection. */
struct state_ejection {
	uint32_t times;               /* in close succession; 0: never, or long ago */
	int64_t until, back;          /* 0: not ejected; when the last one ended, 0: none has */
	char *why;                    /* or NULL */
};

struct state_backend {
	char *name;
	enum state_admin admin;
	int64_t drain_until;          /* when the drain's timeout passes; 0: none */
	int64_t admin_until;          /* when admin ends by itself; 0: an operator ends it */
	int64_t weight_until;         /* likewise the weight */
	bool has_weight;              /* an operator set weight, until the next reload */
	uint32_t weight;
	struct state_ejection ejection;
};

/* Of flap damping. */
struct state_penalty {
	char *name;                   /* of a member */
	double value;                 /* at `at` */
	int64_t at;
	bool suppressed;
};

/* What a group was on its way to, and what it and its members have behind them. */
struct state_moves {
	int64_t held_until;           /* no move by itself before; 0: none is held */
	char *chosen;                 /* member that max_lag chose, or NULL */
	uint32_t shifted_percent;     /* of a rolling move, 1 to 99; 0: none is on its way. From where: */
	uint32_t from_tier, from_forced_tier, target_fit;
	char *from_chosen, *from_forced;
	int64_t step_at;
	struct state_penalty own;
	struct state_penalty *members;
	size_t n_members;
};

struct state_group {
	char *name;
	char *forced;                 /* backend that an operator forced, NULL: none */
	uint32_t forced_tier;         /* tier that an operator forced, STATE_NO_TIER: none */
	int64_t forced_until;         /* 0: until failback */
	uint32_t tier;                /* in use, STATE_NO_TIER: none yet */
	uint64_t failovers;
	int64_t last_failover;        /* 0: never */
	struct state_moves moves;
};

/* Zero is an empty state. */
struct state {
	struct state_backend *backends;
	size_t n_backends;
	struct state_group *groups;
	size_t n_groups;
	bool damaged;                 /* what was there could not be used and was set aside */
};

/*
 * A missing file gives an empty state. One that is damaged or of another version is renamed to state.json.damaged-N, and
 * the state is empty and `damaged`. 0, or -errno when the file cannot be read or set aside.
 */
int state_load(const char *state_dir, struct state *ret_state);
/* Atomically: by the saver, which tells later how that went; at once with NULL. 0 | -errno. */
int state_save(const char *state_dir, const struct state *state, struct saver *saver);
void state_free(struct state *state);                             /* the contents; leaves an empty state */

/* The same as a document: NULL without memory; 0, -ENOMEM, or -EBADMSG for what state_json would not have made. */
json_t *state_json(const struct state *state);
int state_read(const json_t *root, struct state *ret_state);

/* The entry of a name, added with nothing decided when missing (NULL without memory), or only if it is there. */
struct state_backend *state_backend(struct state *state, const char *name);
struct state_group *state_group(struct state *state, const char *name);
const struct state_backend *state_find_backend(const struct state *state, const char *name);
const struct state_group *state_find_group(const struct state *state, const char *name);

int state_set_forced(struct state_group *group, const char *backend); /* copies the name; NULL: none. 0 | -ENOMEM */

const char *state_admin_text(enum state_admin admin);             /* "ready" | "drain" | "maint" */

#endif
