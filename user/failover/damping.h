/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Rollback protection: what flaps is suppressed until it has been quiet. Route flap damping (RFC 2439 section 4.2) for
 * backends and groups: each flap adds a penalty, which halves with every half-life; above `suppress` the flapping one is
 * out, below `reuse` it is back. Pure: no I/O, no clock.
 */
#ifndef SHUNT_DAMPING_H
#define SHUNT_DAMPING_H

#include "failover/failover.h"

#define DAMPING_PENALTY 1000           /* of one flap (RFC 2439 section 4.8.3 gives 1 to a withdrawal; routers count it as 1,000) */

struct damping_policy {
	uint32_t half_life_ms;         /* 0: nothing is ever suppressed */
	uint32_t max_suppress_ms;      /* nobody is suppressed for longer, however often it flapped before */
	uint32_t suppress, reuse;      /* penalties, reuse < suppress */
};

/* Zero is who never flapped. */
struct damping {
	double penalty;                /* at at_ms */
	uint64_t at_ms;
	bool suppressed;
};

/* The penalty now; ends a suppression that has decayed to `reuse`. */
struct damping damping_next(struct damping damping, const struct damping_policy *policy, uint64_t now_ms);
/* The same after one more flap. */
struct damping damping_flap(struct damping damping, const struct damping_policy *policy, uint64_t now_ms);
/* When it will be reused if it is quiet from now on; 0: it is not suppressed. */
uint64_t damping_reuse_ms(struct damping damping, const struct damping_policy *policy);

/* Takes out those of `members` that are suppressed (suppressed[i]), unless nobody fit would be left. */
void damping_apply(struct failover_member *members, const bool *suppressed, size_t n);

#endif
