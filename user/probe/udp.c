/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The UDP check: sends one datagram. With `expect` an answer must come that has it. Without, silence is taken for good and
 * only an ICMP unreachable for bad: most servers do not answer what they do not understand. An answer ends it early.
 */
#include "probe/kind.h"

static void take(struct probe *probe, const uint8_t *data, size_t length)
{
	char answer[PROBE_QUOTE_MAX];

	if (!probe->check.expect.length)
		probe_finish(probe, PROBE_OK, "answered");
	else if (probe_has(&probe->check.expect, data, length))
		probe_finish(probe, PROBE_OK, "answered as expected");
	else
		probe_finish(probe, PROBE_WRONG_BODY, "wrong answer: %s", probe_quote(data, length, answer));
}

static struct probe_stage stage(struct probe *probe)
{
	if (probe->check.expect.length)
		return datagram_stage(probe);
	return (struct probe_stage){PROBE_OK, "no answer, but nothing unreachable: taken for up"};
}

const struct probe_kind probe_udp = {.start = datagram_start, .stop = datagram_stop, .stage = stage, .take = take};
