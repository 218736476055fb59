/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Every kind of event of the audit trail. A test holds that events_add() is called with these and no other. */
#ifndef SHUNT_EVENT_KINDS_H
#define SHUNT_EVENT_KINDS_H

/* X(kind, text for people) */
#define EVENT_KINDS(X) \
	X("start", "shuntd has begun, or a group has decided for the first time who serves") \
	X("reload", "a configuration was applied: how many changes") \
	X("detach", "an operator took the data path off the interfaces") \
	X("backend", "checks call a backend up, degraded or down, with the result that decided") \
	X("warning", "a trend of latency or failures reaches the limit soon") \
	X("ejection", "passive detection takes a backend out for a time, or its time is over") \
	X("failover", "a group's new flows leave who took them, with the cause") \
	X("failback", "they return, or are about to") \
	X("rolling", "a shift in steps takes a step, or is over") \
	X("rolled-back", "a shift in steps was taken back, since its target's health fell") \
	X("proposal", "a group that does not decide by itself says what it would do, or takes that back") \
	X("group", "nobody fit takes a group's new flows; somebody does again") \
	X("fallback", "nobody of a group is fit: its fallback group serves") \
	X("fail-open", "nobody of a group is fit: its backends are used unchecked") \
	X("panic", "too few of a group are fit, so all are used; or that is over") \
	X("suppressed", "a backend or group that flaps is damped") \
	X("reused", "it has been quiet, and is used again") \
	X("switched", "groups have gone over to their new tables, how long that took, and when packets had left the backend that failed") \
	X("drain", "a backend gets no new flows; or its drain's timeout has passed, and flows are left") \
	X("maint", "a backend is out") \
	X("ready", "a backend is back") \
	X("weight", "a backend has another weight: an operator's, its agent's, or what health leaves of it") \
	X("window", "a maintenance window drains, begins, waits or ends") \
	X("posted", "the API was given a group") \
	X("deleted", "the API has removed one") \
	X("restore", "what people decided was taken from a backup") \
	X("deny", "an operator denies a prefix") \
	X("undeny", "a prefix is denied no more") \
	X("dns", "a name of `dns_backends` has other addresses, cannot be resolved, or can again") \
	X("flows", "a service has more than its share of a full flow table, or is within it again") \
	X("hook", "what became of a document for a hook")

#endif
