/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Internal to hooks: one receiver with its queue (lane.c), and how it is reached (exec.c, webhook.c). */
#ifndef SHUNT_HOOKS_LANE_H
#define SHUNT_HOOKS_LANE_H

#include "hooks/hooks.h"
#include "loop/http_client.h"
#include "net/resolver.h"

/* What sources of hooks have in the loop: everything else comes first. */
#define HOOK_PRIORITY SD_EVENT_PRIORITY_IDLE

struct delivery {
	uint64_t id;
	char *name, *what, *body;
	uint32_t attempts;
	uint64_t begun_ms;             /* monotonic, of the first attempt */
	struct delivery *prev, *next;
};

struct webhook;
struct lane;

struct lane_kind {
	/* Begins an attempt of lane->queue; it ends by lane_ended, maybe at once, or by stop. */
	void (*start)(struct lane *lane);
	void (*stop)(struct lane *lane); /* breaks it off, if there is one */
};

extern const struct lane_kind lane_exec, lane_webhook;

struct lane {
	struct hooks *hooks;
	enum hook_kind name;
	const struct lane_kind *kind;
	struct delivery *queue;        /* the first one is under way, or waits for its next attempt */
	size_t n;
	bool under_way;
	bool overflowing;              /* since the queue was empty last, documents have been dropped */
	uint64_t dropped_since;
	sd_event_source *timer;        /* of the timeout, or of the next attempt */
	struct hook_figures figures;

	struct child *child;           /* exec.c */
	struct webhook *webhook;       /* webhook.c */
};

struct hooks {
	sd_event *event;
	struct children *children;
	struct http_client *http;
	struct resolver *resolver;     /* of webhooks by name */
	char *name_servers;
	hooks_told told;
	void *userdata;
	struct config_hooks config;
	struct lane lanes[HOOK_KINDS];
};

void delivery_free(struct delivery *delivery);
int lane_open(struct lane *lane, struct hooks *hooks, enum hook_kind name);
void lane_close(struct lane *lane);
void lane_put(struct lane *lane, struct delivery *take_delivery);
void lane_stop(struct lane *lane);                   /* breaks an attempt off, which does not count … */
void lane_go_on(struct lane *lane);                  /* … and begins anew */
void lane_clear(struct lane *lane, const char *why); /* drops what waits, and tells so */
/* An attempt has ended: `text` says how. */
void lane_ended(struct lane *lane, bool delivered, const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif
