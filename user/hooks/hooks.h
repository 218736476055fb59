/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Tells others what has happened: a program that reads a JSON document from its standard input, a URL that it is posted to, or
 * both. Each of the two has a queue and takes one document after the other, in order. What happens is told once the loop is
 * idle, never before a decision, and nothing here is waited for.
 */
#ifndef SHUNT_HOOKS_H
#define SHUNT_HOOKS_H

#include <jansson.h>

#include "loop/child.h"
#include "config/config.h"

struct hooks;

enum hook_kind { HOOK_EXEC, HOOK_WEBHOOK, HOOK_KINDS };

/* What became of a document, or of several: one sentence for the audit trail. Called from the loop. */
typedef void (*hooks_told)(void *userdata, enum hook_kind kind, const char *text);

/* Nobody is told before hooks_configure. 0 | -errno. */
int hooks_open(sd_event *event, struct children *children, hooks_told told, void *userdata, struct hooks **ret_hooks);
/* What is still waiting is not delivered, which is told. NULL is fine. */
void hooks_close(struct hooks *hooks);

/*
 * Copies `config`. Documents that wait go on waiting, for the new receiver; those of a hook that is no more are dropped, which is
 * told. `name_servers` as resolver_open takes them. 0 | -errno, then all is as before.
 */
int hooks_configure(struct hooks *hooks, const struct config_hooks *config, const char *name_servers);

bool hooks_want(const struct hooks *hooks, enum config_hook_event event);

/* `what`: "failover of group web", for people. `id`: of the event, told to receivers, as is `name`. Takes the document. */
void hooks_send(struct hooks *hooks, uint64_t id, const char *name, const char *what, json_t *take_document);

struct hook_figures {
	bool configured;
	uint64_t attempts, delivered, failed, dropped; /* documents, but for attempts; failed: given up after max_attempts */
	size_t waiting;                                /* the one under way among them */
};
struct hook_figures hooks_figures(const struct hooks *hooks, enum hook_kind kind);

const char *hook_kind_text(enum hook_kind kind); /* "exec" | "webhook" */

#endif
