/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The TCP check: whether a connection is accepted, by the backend's kernel at least; with `send` and `expect`, whether
 * what listens there answers as expected.
 */
#include "probe/kind.h"

static void judge(struct probe *probe, bool ended)
{
	char answer[PROBE_QUOTE_MAX];

	if (probe_has(&probe->check.expect, probe->answer, probe->answer_length))
		probe_finish(probe, PROBE_OK, "answered as expected");
	else if (ended && !probe->answer_length)
		probe_finish(probe, PROBE_RESPONSE_FAILED, "connection closed without an answer");
	else if (ended)
		probe_finish(probe, PROBE_WRONG_BODY, "wrong answer: %s",
			     probe_quote(probe->answer, probe->answer_length, answer));
}

const struct probe_kind probe_tcp = {
	.start = stream_start, .stop = stream_stop, .stage = stream_stage, .judge = judge};
