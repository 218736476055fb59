/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* hooks: who is told what happens. Arguments and URLs may hold secrets, and are never put into words here. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <curl/curl.h>

#include "config/command.h"
#include "config/validate.h"


/* ---- from the draft ---- */

static void note_useless(struct validation *v, const struct item *item, const char *key)
{
	if (item->at.line && !v->draft->hooks.webhook.at.line)
		report_note(v->report, item->at, "hooks: %s has no effect without webhook", key);
}

static uint32_t events_of(const struct draft_hooks *draft)
{
	const struct draft_hook_event *events = draft->on.list;
	uint32_t on = draft->on.at.line ? 0 : HOOK_ON_ALL;

	for (size_t i = 0; i < draft->on.n; i++)
		on |= events[i].event.number;
	return on;
}

void validate_hooks(struct validation *v)
{
	const struct draft_hooks *draft = &v->draft->hooks;
	struct config_hooks *hooks = &v->config->hooks;

	*hooks = (struct config_hooks){
		.exec = draft->exec.n ? command_build(v->report, &draft->exec) : NULL,
		.webhook = copy_text(v->report, draft->webhook.ok ? draft->webhook.text : NULL),
		.token_file = copy_text(v->report, draft->token_file.ok ? draft->token_file.text : NULL),
		.ca_file = copy_text(v->report, draft->ca_file.ok ? draft->ca_file.text : NULL),
		.on = events_of(draft),
		.max_attempts = draft->max_attempts.number,
		.timeout_ms = draft->timeout.number,
		.backoff_ms = draft->backoff.number,
		.max_backoff_ms = draft->max_backoff.number,
		.queue = draft->queue.number,
	};
	if (draft->at.line && !draft->exec.at.line && !draft->webhook.at.line)
		report_error(v->report, draft->at, "hooks: nobody is told: add \"exec: [PROGRAM, …]\" or \"webhook: URL\"");
	if (draft->max_backoff.ok && hooks->max_backoff_ms < hooks->backoff_ms)
		report_error(v->report, draft->max_backoff.at, "hooks: max_backoff is less than backoff: raise it");
	else if (hooks->max_backoff_ms < hooks->backoff_ms)
		hooks->max_backoff_ms = hooks->backoff_ms;
	note_useless(v, &draft->token_file, "token_file");
	note_useless(v, &draft->ca_file, "ca_file");
}

/* ---- as a value ---- */

static bool texts_equal(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

bool config_hooks_equal(const struct config_hooks *a, const struct config_hooks *b)
{
	return command_equal(a->exec, b->exec) && texts_equal(a->webhook, b->webhook) &&
	       texts_equal(a->token_file, b->token_file) && texts_equal(a->ca_file, b->ca_file) && a->on == b->on &&
	       a->max_attempts == b->max_attempts && a->timeout_ms == b->timeout_ms && a->backoff_ms == b->backoff_ms &&
	       a->max_backoff_ms == b->max_backoff_ms && a->queue == b->queue;
}

void config_hooks_clear(struct config_hooks *hooks)
{
	command_free(hooks->exec);
	free(hooks->webhook);
	free(hooks->token_file);
	free(hooks->ca_file);
	*hooks = (struct config_hooks){};
}

static bool copy_to(char **to, const char *from)
{
	*to = from ? strdup(from) : NULL;
	return *to || !from;
}

int config_hooks_copy(const struct config_hooks *from, struct config_hooks *ret_hooks)
{
	struct config_hooks copy = *from;
	bool complete = copy_to(&copy.webhook, from->webhook);

	complete = copy_to(&copy.token_file, from->token_file) && complete;
	complete = copy_to(&copy.ca_file, from->ca_file) && complete;
	copy.exec = from->exec ? command_copy(from->exec) : NULL;
	if (!complete || (from->exec && !copy.exec)) {
		config_hooks_clear(&copy);
		return -ENOMEM;
	}
	*ret_hooks = copy;
	return 0;
}

/* ---- in words ---- */

/* FNV-1a, 32 bits, of a text and the NUL behind it. */
static uint32_t checksum(uint32_t sum, const char *text)
{
	do
		sum = (sum ^ (unsigned char)*text) * 16777619;
	while (*text++);
	return sum;
}

#define CHECKSUM_START 2166136261

const char *config_hook_exec_text(const struct config_hooks *hooks, char buffer[CONFIG_HOOK_TEXT_MAX])
{
	uint32_t sum = CHECKSUM_START;

	for (size_t i = 0; hooks->exec && hooks->exec[i]; i++)
		sum = checksum(sum, hooks->exec[i]);
	if (!hooks->exec)
		snprintf(buffer, CONFIG_HOOK_TEXT_MAX, "none");
	else
		snprintf(buffer, CONFIG_HOOK_TEXT_MAX, "%.90s (%08x)", hooks->exec[0], sum);
	return buffer;
}

const char *config_hook_webhook_text(const struct config_hooks *hooks, char buffer[CONFIG_HOOK_TEXT_MAX])
{
	CURLU *url = hooks->webhook ? curl_url() : NULL;
	char *scheme = NULL, *host = NULL;

	snprintf(buffer, CONFIG_HOOK_TEXT_MAX, hooks->webhook ? "a URL" : "none");
	if (url && curl_url_set(url, CURLUPART_URL, hooks->webhook, 0) == CURLUE_OK &&
	    curl_url_get(url, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
	    curl_url_get(url, CURLUPART_HOST, &host, 0) == CURLUE_OK)
		snprintf(buffer, CONFIG_HOOK_TEXT_MAX, "%s://%.80s/… (%08x)", scheme, host,
			 checksum(CHECKSUM_START, hooks->webhook));
	curl_free(scheme);
	curl_free(host);
	curl_url_cleanup(url);
	return buffer;
}
