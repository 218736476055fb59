/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Routes that only ask what would move: the same paths and bodies as of the commands, with "dry_run": true or ?dry_run=1. */
#include <errno.h>
#include <string.h>

#include "api/dry_run.h"

int dry_run_asked(struct call *call, bool *asked)
{
	const char *value;

	if (call_query(call, &value) < 0)
		return -EINVAL;
	if (value && strcmp(value, "1") != 0 && strcmp(value, "0") != 0) {
		api_response_error(call->response, 400, "\"dry_run\" must be 1 or 0");
		return -EINVAL;
	}
	*asked = *asked || (value && *value == '1');
	return 0;
}

void dry_run_answer(struct call *call, enum api_foresee_kind kind, const char *backend, bool force)
{
	struct api_reply reply = {};
	const struct api_foresee what = {.kind = kind, .name = call->name, .backend = backend, .force = force};

	call_reply(call, call->handlers->foresee(call->userdata, &what, &reply), &reply);
}
