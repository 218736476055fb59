/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What is different between one look at the controller and the next, as messages of the stream. Knows nothing of who reads them. */
#ifndef SHUNT_API_CHANGES_H
#define SHUNT_API_CHANGES_H

#include "api/snapshot.h"
#include "api/text.h"

#define CHANGES_MAX 2000 /* objects told one by one; more, or others than before, and the reader is to ask for all again */

/* What the last look found. All zero: none yet. */
struct changes {
	struct changes_seen *seen[3];
	size_t n[3];
	uint64_t drops[SHUNT_DROP_REASON_COUNT], flow_entries;
	bool any;
};

/*
 * Puts messages into `text`, none after the first look: service, group, backend (the document, when more than a counter of it is
 * different), reset (ask for all again) and traffic (counters that are different). false: no memory, and the next look is a first one.
 */
bool changes_look(struct changes *changes, const struct snapshot *snapshot, int64_t now_ms, struct text *text);
void changes_clear(struct changes *changes);

#endif
