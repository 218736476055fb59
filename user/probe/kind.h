/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Between the scheduler (prober.c) and the kinds of check, a file each: what a kind does and what it may say. */
#ifndef SHUNT_PROBE_KIND_H
#define SHUNT_PROBE_KIND_H

#include <stdbool.h>
#include <stdint.h>

#include <systemd/sd-event.h>

#include "probe/probe.h"

struct http_client;
struct http_transfer;

struct probe_stage {
	enum probe_reason late;          /* the reason if time is up now */
	const char *text;                /* after "timeout": "in connect" */
};

struct probe_kind {
	/* Begins one attempt; it ends by probe_finish or probe_skip, maybe at once, or by stop. */
	void (*start)(struct probe *probe);
	/* Breaks the attempt off, however far it came. */
	void (*stop)(struct probe *probe);
	/* What the attempt is at, for the result of a timeout. */
	struct probe_stage (*stage)(struct probe *probe);
	/* Of what the kind keeps between attempts; NULL: nothing. */
	void (*free)(struct probe *probe);
};

extern const struct probe_kind probe_tcp, probe_http;

struct probe {
	struct prober *prober;
	const struct probe_kind *kind;
	struct shunt_addr address;
	uint16_t port;                   /* host order */
	struct config_check check;       /* with copies of its strings */
	probe_callback callback;
	void *userdata;

	sd_event_source *timer;          /* of the next start, or of the timeout of the running attempt */
	uint64_t due_us;                 /* monotonic; start of the last attempt as planned, or of the next one */
	uint64_t started_ns;             /* monotonic */
	bool running;
	struct probe_result told;        /* what the running attempt learnt beside whether it is good: weight, admin, lag */
	bool skipping;                   /* the last attempt could not be made, which was said */

	int socket;                      /* tcp.c: -1 or of the running attempt */
	sd_event_source *connected;
	struct http_transfer *http;      /* http.c: kept between attempts */
};

/* Ends the attempt with a result, good if PROBE_OK. The callback may free the probe: do not touch it afterwards. */
void probe_finish(struct probe *probe, enum probe_reason reason, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* Ends it without: it failed for want of something on this host (-errno), which says nothing about the backend. */
void probe_skip(struct probe *probe, int error);
/* Ends it for an errno value of socket or connect, 0 being "connected": by either of the two. */
void probe_finish_connect(struct probe *probe, int error);

bool probe_error_is_local(int error);    /* an errno value for out of descriptors, memory, ports … */
const char *probe_error_text(int error); /* "connection refused" … */
/* Of an errno value: refused, unreachable, or `otherwise`. */
enum probe_reason probe_error_reason(int error, enum probe_reason otherwise);

sd_event *prober_event(struct prober *prober);
struct http_client *prober_http(struct prober *prober);

/* What the HTTP checks share: one curl multi handle in the loop. */
int http_client_open(sd_event *event, struct http_client **ret_client);
void http_client_close(struct http_client *client); /* NULL is fine */

#endif
