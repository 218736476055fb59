/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The agent check: a program on the backend that says in a line of words how its host is (HAProxy configuration manual,
 * section 5.2, "agent-check"): "up", "down", "fail" or "stopped", "ready", "drain", "maint", "75%", in any number and
 * order, parted by spaces, tabs or commas; what follows '#' is the reason. "maxconn:N" is read over: shunt does not count
 * connections. Beside HAProxy's words it takes "lag=MS".
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "probe/kind.h"

#define LINE_ENDS "\r\n"
#define WEIGHT_PERCENT_MAX 25600 /* HAProxy's own bound: 256 times the weight */

/* ---- words ---- */

static bool take_percent(const char *word, struct probe_agent_words *words)
{
	size_t digits = strspn(word, "0123456789");
	long percent = strtol(word, NULL, 10);

	if (!digits || digits > 5 || strcmp(word + digits, "%") != 0 || percent > WEIGHT_PERCENT_MAX)
		return false;
	words->weight_percent = (int)percent;
	return true;
}

static bool take_word(const char *word, struct probe_agent_words *words)
{
	static const struct {
		const char *word;
		enum probe_admin means;
		bool administrative;
	} known[] = {
		{"up", PROBE_ADMIN_UP, false},      {"down", PROBE_ADMIN_DOWN, false},
		{"fail", PROBE_ADMIN_DOWN, false},  {"stopped", PROBE_ADMIN_DOWN, false},
		{"ready", PROBE_ADMIN_READY, true}, {"drain", PROBE_ADMIN_DRAIN, true},
		{"maint", PROBE_ADMIN_MAINT, true},
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (strcasecmp(word, known[i].word) != 0)
			continue;
		if (known[i].administrative)
			words->admin = known[i].means;
		else
			words->operation = known[i].means;
		return true;
	}
	return strncasecmp(word, "maxconn:", 8) == 0 || strncmp(word, "lag=", 4) == 0 || take_percent(word, words);
}

struct probe_agent_words probe_agent_parse(const char *line)
{
	struct probe_agent_words words = {
		.weight_percent = PROBE_WEIGHT_NONE, .lag_ms = PROBE_LAG_NONE, .understood = true};
	char copy[512], *rest = copy, *word;
	size_t length = strcspn(line, LINE_ENDS), reason;

	snprintf(copy, sizeof(copy), "%.*s", (int)(length < sizeof(copy) ? length : sizeof(copy) - 1), line);
	reason = strcspn(copy, "#");
	if (copy[reason] == '#') {
		copy[reason] = '\0';
		reason += 1 + strspn(copy + reason + 1, " \t");
		snprintf(words.reason, sizeof(words.reason), "%s", copy + reason);
	}
	words.lag_ms = probe_lag(copy);
	while ((word = strsep(&rest, " \t,")))
		if (*word)
			words.understood = take_word(word, &words) && words.understood;
	return words;
}

/* ---- the answer ---- */

static void conclude(struct probe *probe, const char *line)
{
	struct probe_agent_words words = probe_agent_parse(line);
	char said[PROBE_QUOTE_MAX];

	if (!words.understood) {
		probe_finish(probe, PROBE_RESPONSE_FAILED, "not the agent protocol: %s",
			     probe_quote(line, strcspn(line, LINE_ENDS), said));
		return;
	}
	probe->told.weight_percent = words.weight_percent;
	probe->told.admin = words.admin != PROBE_ADMIN_NONE ? words.admin : words.operation;
	probe->told.lag_ms = words.lag_ms;
	probe_quote(line, strcspn(line, LINE_ENDS "#"), said);
	probe_finish(probe, words.operation == PROBE_ADMIN_DOWN ? PROBE_TOLD_DOWN : PROBE_OK, "agent says %s%s%s", said,
		     *words.reason ? ": " : "", words.reason);
}

/* A line ends with the first CR or LF, or with the connection. */
static void judge(struct probe *probe, bool ended)
{
	const char *line = (const char *)probe->answer;

	if (ended && !probe->answer_length)
		probe_finish(probe, PROBE_RESPONSE_FAILED, "connection closed without a word");
	else if (ended || line[strcspn(line, LINE_ENDS)])
		conclude(probe, line);
}

const struct probe_kind probe_agent = {
	.start = stream_start, .stop = stream_stop, .stage = stream_stage, .judge = judge};
