/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Which packets a watcher of `shunt trace` wants: the kernel asks it for all watchers together, the controller for each. */
#ifndef SHUNT_TRACE_FILTER_H
#define SHUNT_TRACE_FILTER_H

#include "hash.h"

static inline int shunt_trace_wanted(const struct shunt_trace_filter *filter, const struct shunt_trace *event)
{
	if (!event->what.service)
		return 0; /* it is for nobody here */
	if (filter->service && filter->service != event->what.service)
		return 0;
	if (filter->backend && filter->backend != event->what.backend)
		return 0;
	if (filter->drop && filter->drop != event->what.reason)
		return 0;
	if (filter->choice && (filter->choice != event->what.choice || event->what.reason))
		return 0;
	if ((shunt_addr_half(&event->source, 0) ^ filter->client[0]) & filter->client_mask[0])
		return 0;
	return !((shunt_addr_half(&event->source, 1) ^ filter->client[1]) & filter->client_mask[1]);
}

#endif
