/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The live status page: one file made at build time (scripts/page.sh). It holds no data, so it is for everybody who can connect. */
#include <string.h>

#include "api/page.h"
#include "page_made.h"

void get_page(struct call *call)
{
	call->response->status = 200;
	call->response->content_type = "text/html; charset=utf-8";
	call->response->policy = page_policy;
	call->response->body = strdup(page_html);
	if (!call->response->body)
		api_response_error(call->response, 500, "out of memory");
}

bool page_is_asked(const char *method, const char *path)
{
	return strcmp(path, "/") == 0 && (strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0);
}
