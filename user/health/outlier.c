/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Median, deviation, and whose turn to be ejected it is. Knows members by their counts only. */
#include "health/outlier.h"

#include <stdlib.h>

#define MAD_TO_DEVIATION 1.4826 /* of a normal distribution */
#define DOUBLINGS_MAX 20

static int smaller_first(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Sorts the values. */
static double median(double *values, size_t n)
{
	qsort(values, n, sizeof(*values), smaller_first);
	return n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

static double share_of(const struct outlier_member *member, enum outlier_sign sign)
{
	return (double)(sign == OUTLIER_SYNS ? member->syns : member->resets) / (double)member->tcp;
}

static bool is_judged(const struct outlier_member *member, const struct outlier_policy *policy)
{
	return member->judged && !member->ejection.until_ms && member->tcp > 0 && member->tcp >= policy->min_packets;
}

/* Whether `distance` is more than OUTLIER_DEVIATIONS of the larger deviation: of the group, or of so many packets. */
static bool is_far(const struct outlier_member *member, double middle, double deviation)
{
	double distance = member->share - middle, by_chance = middle * (1 - middle) / (double)member->tcp;
	double limit = OUTLIER_DEVIATIONS * deviation;

	return distance > limit && distance * distance > OUTLIER_DEVIATIONS * OUTLIER_DEVIATIONS * by_chance &&
	       distance >= OUTLIER_LEAST_SHARE && member->share >= OUTLIER_RATIO * middle;
}

/* Notes who stands out by this sign and does not by another one already. */
static void look_for(struct outlier_member *members, size_t n, const struct outlier_policy *policy, enum outlier_sign sign,
		     double *values)
{
	double middle, deviation;
	size_t judged = 0;

	for (size_t i = 0; i < n; i++)
		if (is_judged(&members[i], policy))
			values[judged++] = share_of(&members[i], sign);
	if (judged < OUTLIER_MEMBERS_MIN)
		return;
	middle = median(values, judged);
	for (size_t i = 0; i < judged; i++)
		values[i] = values[i] < middle ? middle - values[i] : values[i] - middle;
	deviation = MAD_TO_DEVIATION * median(values, judged);
	for (size_t i = 0; i < n; i++) {
		struct outlier_member *member = &members[i];

		if (member->sign != OUTLIER_NONE || !is_judged(member, policy))
			continue;
		member->share = share_of(member, sign);
		member->median = middle;
		member->deviation = deviation;
		if (is_far(member, middle, deviation))
			member->sign = sign;
	}
}

size_t outliers_most(size_t n, const struct outlier_policy *policy)
{
	size_t most = n * policy->max_percent / 100;

	return most ? most : 1;
}

static void eject(struct outlier_member *member, const struct outlier_policy *policy, uint64_t now_ms)
{
	struct ejection *ejection = &member->ejection;
	uint64_t time_ms;

	if (ejection->times && now_ms - ejection->back_ms > policy->max_ms)
		ejection->times = 0; /* long ago */
	time_ms = (uint64_t)policy->base_ms << (ejection->times < DOUBLINGS_MAX ? ejection->times : DOUBLINGS_MAX);
	ejection->until_ms = now_ms + (time_ms < policy->max_ms ? time_ms : policy->max_ms);
	ejection->times++;
	ejection->suspected = 0;
	member->ejected = true;
}

/* The farthest out of those whose time it is, NULL: nobody's. */
static struct outlier_member *worst(struct outlier_member *members, size_t n)
{
	struct outlier_member *found = NULL;

	for (size_t i = 0; i < n; i++)
		if (members[i].ejection.suspected >= OUTLIER_ROUNDS && !members[i].ejection.until_ms && !members[i].barred &&
		    (!found || members[i].share - members[i].median > found->share - found->median))
			found = &members[i];
	return found;
}

static size_t let_return(struct outlier_member *members, size_t n, uint64_t now_ms)
{
	size_t returned = 0;

	for (size_t i = 0; i < n; i++) {
		members[i].sign = OUTLIER_NONE;
		members[i].ejected = false;
		members[i].returned = members[i].ejection.until_ms && now_ms >= members[i].ejection.until_ms;
		if (!members[i].returned)
			continue;
		members[i].ejection.until_ms = 0;
		members[i].ejection.back_ms = now_ms;
		members[i].judged = false; /* what it was sent while it was out says nothing of it */
		returned++;
	}
	return returned;
}

size_t outliers_next(struct outlier_member *members, size_t n, const struct outlier_policy *policy, uint64_t now_ms)
{
	double *values = calloc(n + 1, sizeof(*values));
	size_t changed = let_return(members, n, now_ms), out = 0;
	struct outlier_member *next;

	if (!values)
		return changed; /* this round sees nobody */
	look_for(members, n, policy, OUTLIER_SYNS, values);
	look_for(members, n, policy, OUTLIER_RESETS, values);
	free(values);
	for (size_t i = 0; i < n; i++) {
		out += members[i].ejection.until_ms != 0;
		if (members[i].sign == OUTLIER_NONE)
			members[i].ejection.suspected = 0;
		else
			members[i].ejection.suspected++;
	}
	for (; out < outliers_most(n, policy) && (next = worst(members, n)); out++, changed++)
		eject(next, policy, now_ms);
	return changed;
}
