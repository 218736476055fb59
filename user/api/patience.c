/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Only shuts sockets down: their owner finds them at their end, and closes them. */
#include <sys/socket.h>

#include "api/patience.h"

void patience_add(struct patience **list, struct patience *one, int fd, uint64_t now_ms)
{
	*one = (struct patience){.fd = fd, .since_ms = now_ms, .next = *list, .at = list};
	if (*list)
		(*list)->at = &one->next;
	*list = one;
}

void patience_remove(struct patience *one)
{
	*one->at = one->next;
	if (one->next)
		one->next->at = one->at;
}

void patience_look(struct patience *list, uint64_t now_ms)
{
	static const uint64_t limits_ms[] = {
		[PATIENCE_REQUEST] = PATIENCE_REQUEST_MS, [PATIENCE_ANSWER] = PATIENCE_ANSWER_MS, [PATIENCE_STREAM] = UINT64_MAX};

	for (struct patience *one = list; one; one = one->next)
		if (now_ms - one->since_ms > limits_ms[one->what])
			shutdown(one->fd, SHUT_RDWR);
}
