/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* /api/v1/deny: the prefixes that are denied, and which an operator adds and removes. */
#include <errno.h>
#include <string.h>

#include "api/call.h"
#include "base/cleanup.h"

#define PROBLEM_MAX 512

/* The prefix of a query, if there is one. False: it is none, which was answered. */
static bool query_prefix(struct call *call, const char *text, struct config_prefix *prefix,
			 const struct config_prefix **ret_prefix)
{
	char problem[PROBLEM_MAX];

	*ret_prefix = NULL;
	if (!text)
		return true;
	if (config_prefix_parse(text, prefix) < 0) {
		api_response_error(call->response, 400, "%s", config_prefix_problem(text, problem, sizeof(problem)));
		return false;
	}
	*ret_prefix = prefix;
	return true;
}

void get_deny(struct call *call)
{
	struct config_prefix after, overlaps;
	struct api_deny_query query = {};
	struct api_reply reply = {};
	const char *values[3];

	if (call_query(call, values) < 0 || !query_prefix(call, values[0], &after, &query.after) ||
	    !query_prefix(call, values[1], &overlaps, &query.overlaps))
		return;
	query.service = values[2];
	call_reply(call, call->handlers->deny_list(call->userdata, &query, &reply), &reply);
}

/* All or nothing: a prefix that is none refuses them all. *ret_n: how many different ones there are. */
static int read_prefixes(struct call *call, const json_t *texts, struct config_prefix *ret_prefixes, size_t *ret_n)
{
	char problem[PROBLEM_MAX];
	const json_t *text;
	size_t i, n = 0;

	json_array_foreach((json_t *)texts, i, text) {
		if (config_prefix_parse(json_string_value(text), &ret_prefixes[i]) == 0)
			continue;
		api_response_error(call->response, 400, "%s",
				   config_prefix_problem(json_string_value(text), problem, sizeof(problem)));
		return -EINVAL;
	}
	qsort(ret_prefixes, i, sizeof(*ret_prefixes), config_prefix_order);
	for (size_t at = 0; at < i; at++)
		if (n == 0 || config_prefix_order(&ret_prefixes[n - 1], &ret_prefixes[at]) != 0)
			ret_prefixes[n++] = ret_prefixes[at];
	*ret_n = n;
	return 0;
}

static void change(struct call *call, const json_t *texts, struct api_deny *deny,
		   int (*command)(void *, const struct api_deny *, struct api_reply *))
{
	_cleanup_(freep) struct config_prefix *prefixes = NULL;
	struct api_reply reply = {};

	if (json_array_size(texts) > API_DENY_MAX) {
		api_response_error(call->response, 413, "%zu prefixes: at most %d in one request, so ask several times",
				   json_array_size(texts), API_DENY_MAX);
		return;
	}
	prefixes = calloc(json_array_size(texts), sizeof(*prefixes));
	if (!prefixes) {
		api_response_error(call->response, 500, "out of memory");
		return;
	}
	if (read_prefixes(call, texts, prefixes, &deny->n) < 0)
		return;
	deny->prefixes = prefixes;
	call_reply(call, command(call->userdata, deny, &reply), &reply);
}

void post_deny(struct call *call)
{
	struct api_deny deny = {};
	json_t *texts = NULL, *body;
	void *const values[] = {&texts, &deny.for_ms, &deny.service};

	if (call_decode(call, values, &body) < 0)
		return;
	change(call, texts, &deny, call->handlers->deny_add);
	json_decref(body);
}

/* One by the query ?prefix=…[&service=…], or several by the same body that adds them. */
void delete_deny(struct call *call)
{
	struct api_deny deny = {};
	json_t *texts = NULL, *body;
	void *const values[] = {&texts, &deny.service};
	const char *asked[2];

	if (call_query(call, asked) < 0 || call_decode(call, values, &body) < 0)
		return;
	if (!texts && !asked[0]) {
		api_response_error(call->response, 400, "\"prefixes\" is missing: several in the body, or one as \"prefix\" in the query");
	} else if (texts && (asked[0] || asked[1])) {
		api_response_error(call->response, 400, "either \"prefix\" in the query or \"prefixes\" in the body");
	} else if (texts) {
		change(call, texts, &deny, call->handlers->deny_remove);
	} else {
		texts = json_pack("[s]", asked[0]);
		deny.service = asked[1];
		change(call, texts, &deny, call->handlers->deny_remove);
		json_decref(texts);
	}
	json_decref(body);
}
