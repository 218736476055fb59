/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Passive detection: which member of a group clients get no service from, judged by what they send. Under direct server
 * return nothing else is seen: who gets no answer sends its SYN again, who gets a wrong one resets. Pure.
 *
 * A member stands out when the share of SYNs, or of resets, among its TCP packets lies more than OUTLIER_DEVIATIONS robust
 * standard deviations above the group's median: 1.4826 × the median absolute deviation (Iglewicz and Hoaglin, "How to Detect
 * and Handle Outliers", 1993, who give 3.5), but never less than chance alone makes of a share of so few packets, and is at
 * least OUTLIER_RATIO times the median and OUTLIER_LEAST_SHARE more. Twice in a row, it is ejected, for a time that doubles
 * with each ejection, never more members than allowed at once: as Envoy's outlier detection does with what it sees.
 */
#ifndef SHUNT_OUTLIER_H
#define SHUNT_OUTLIER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OUTLIER_MEMBERS_MIN 3       /* of two that differ nobody can say which one is wrong */
#define OUTLIER_DEVIATIONS 3.5
#define OUTLIER_RATIO 2
#define OUTLIER_LEAST_SHARE 0.1
#define OUTLIER_ROUNDS 2            /* in a row */

struct outlier_policy {
	uint32_t min_packets;       /* TCP packets of a member since the last round: with fewer it is not judged */
	uint32_t base_ms, max_ms;   /* the first ejection, the longest */
	uint32_t max_percent;       /* of the members that may be ejected at once; one always may */
};

/* What a member has behind it, kept from round to round. Born zero. */
struct ejection {
	uint64_t until_ms;          /* monotonic; 0: not ejected */
	uint64_t back_ms;           /* when the last one ended */
	uint32_t times;             /* in close succession: each one doubles the time */
	uint32_t suspected;         /* rounds in a row that it stood out */
};

enum outlier_sign { OUTLIER_NONE, OUTLIER_SYNS, OUTLIER_RESETS };

struct outlier_member {
	uint64_t tcp, syns, resets; /* packets since the last round */
	bool judged;                /* takes new flows: fit and active */
	bool barred;                /* must not be ejected: another group that has it has no room */
	struct ejection ejection;   /* in and out */

	enum outlier_sign sign;     /* out: how it stands out in this round */
	double share, median, deviation;
	bool ejected, returned;     /* out: what this round did */
};

/* One round over the members of a group. Returns how many changed (ejected or returned). */
size_t outliers_next(struct outlier_member *members, size_t n, const struct outlier_policy *policy, uint64_t now_ms);

/* How many of n may be ejected at once. */
size_t outliers_most(size_t n, const struct outlier_policy *policy);

#endif
