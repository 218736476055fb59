/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Decides when a probe is made and when it has taken too long. Each probe keeps a phase of its own within the
 * interval, chosen at random once: probes neither drift nor bunch, also when the loop was held up. Must not know
 * what a check does (a file each: tcp.c, http.c), nor what follows from a result.
 */
#include "probe/probe.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/duration.h"
#include "base/log.h"
#include "net/address.h"
#include "probe/kind.h"

enum {
	JITTER_MAX_US = 200 * 1000,
	TIMER_ACCURACY_US = 1000,
	TEXT_MAX = 160,
};

struct prober {
	sd_event *event;
	struct http_client *http;
};

static uint64_t now_us(void)
{
	return clock_monotonic_ns() / 1000;
}

static uint64_t interval_us(const struct probe *probe)
{
	return probe->check.interval_ms ? (uint64_t)probe->check.interval_ms * 1000 : 1000;
}

static void arm(struct probe *probe, uint64_t at_us)
{
	sd_event_source_set_time(probe->timer, at_us);
	sd_event_source_set_enabled(probe->timer, SD_EVENT_ONESHOT);
}

/* The next time of the probe's phase that is still to come; those that passed meanwhile are not made up for. */
static void plan_next(struct probe *probe)
{
	uint64_t now = now_us(), interval = interval_us(probe);

	if (probe->check.type == CHECK_NONE)
		return;
	probe->due_us += interval;
	if (probe->due_us <= now)
		probe->due_us += ((now - probe->due_us) / interval + 1) * interval;
	arm(probe, probe->due_us);
}

void probe_next_in(struct probe *probe, uint32_t delay_ms)
{
	probe->due_us = now_us() + (uint64_t)delay_ms * 1000;
	arm(probe, probe->due_us);
}

static void end_attempt(struct probe *probe)
{
	if (probe->kind)
		probe->kind->stop(probe);
	probe->running = false;
	plan_next(probe);
}

void probe_finish(struct probe *probe, enum probe_reason reason, const char *format, ...)
{
	uint64_t latency_us = (clock_monotonic_ns() - probe->started_ns) / 1000;
	char text[TEXT_MAX]; /* outlives the probe, should the callback free it */
	struct probe_result result = probe->told;
	va_list arguments;

	result.good = reason == PROBE_OK;
	result.reason = reason;
	result.latency_us = latency_us < UINT32_MAX ? latency_us : UINT32_MAX;
	result.text = text;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	probe->skipping = false;
	end_attempt(probe);
	probe->callback(probe->userdata, &result);
}

void probe_skip(struct probe *probe, int error)
{
	char address[ADDRESS_TEXT_MAX];

	if (!probe->skipping)
		log_warn("probe of %s: cannot be made, its last result holds: %s",
			 address_port_format(&probe->address, probe->port, address), strerror(-error));
	probe->skipping = true;
	end_attempt(probe);
}

void probe_finish_connect(struct probe *probe, int error)
{
	if (!error)
		probe_finish(probe, PROBE_OK, "connected");
	else if (probe_error_is_local(error))
		probe_skip(probe, -error);
	else
		probe_finish(probe, probe_error_reason(error, PROBE_CONNECT_FAILED), "%s", probe_error_text(error));
}

static void begin(struct probe *probe)
{
	uint64_t now = now_us();

	/* Late by more than half an interval the loop was held up, and many others are late too: wait for the phase. */
	if (now > probe->due_us + interval_us(probe) / 2 && probe->check.type != CHECK_NONE) {
		plan_next(probe);
		return;
	}
	probe->running = true;
	probe->started_ns = clock_monotonic_ns();
	probe->told = (struct probe_result){.weight_percent = PROBE_WEIGHT_NONE, .lag_ms = PROBE_LAG_NONE};
	if (!probe->kind) {
		probe_finish(probe, PROBE_OK, "not checked");
		return;
	}
	arm(probe, now + (uint64_t)probe->check.timeout_ms * 1000);
	probe->kind->start(probe);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct probe *probe = userdata;
	char timeout[DURATION_TEXT_MAX];

	(void)source, (void)usec;
	if (probe->running) {
		struct probe_stage stage = probe->kind->stage(probe);

		probe_finish(probe, stage.late, "timeout %s after %s", stage.text,
			     duration_format(probe->check.timeout_ms, timeout));
	} else {
		begin(probe);
	}
	return 0;
}

static int copy_check(const struct config_check *from, struct config_check *to)
{
	*to = *from;
	to->path = from->path ? strdup(from->path) : NULL;
	to->host = from->host ? strdup(from->host) : NULL;
	return (from->path && !to->path) || (from->host && !to->host) ? -ENOMEM : 0;
}

static int add_timer(struct probe *probe)
{
	uint64_t half_us = interval_us(probe) / 2;
	uint32_t jitter_us = arc4random_uniform(half_us < JITTER_MAX_US ? half_us : JITTER_MAX_US);
	int r;

	probe->due_us = now_us() + (probe->check.type == CHECK_NONE ? 0 : jitter_us);
	r = sd_event_add_time(probe->prober->event, &probe->timer, CLOCK_MONOTONIC, probe->due_us, TIMER_ACCURACY_US,
			      on_timer, probe);
	if (r < 0)
		return r;
	/* After sockets: what arrived while the loop was held up counts before the timeout that passed meanwhile. */
	return sd_event_source_set_priority(probe->timer, SD_EVENT_PRIORITY_NORMAL + 1);
}

int probe_start(struct prober *prober, const struct shunt_addr *address, uint16_t port,
		const struct config_check *check, probe_callback callback, void *userdata, struct probe **ret_probe)
{
	struct probe *probe = calloc(1, sizeof(*probe));
	int r;

	if (!probe)
		return -ENOMEM;
	probe->prober = prober;
	probe->kind = check->type == CHECK_TCP ? &probe_tcp : check->type == CHECK_HTTP ? &probe_http : NULL;
	probe->address = *address;
	probe->port = port;
	probe->callback = callback;
	probe->userdata = userdata;
	probe->socket = -1;
	r = copy_check(check, &probe->check);
	if (r >= 0)
		r = add_timer(probe);
	if (r < 0) {
		probe_free(probe);
		return r;
	}
	*ret_probe = probe;
	return 0;
}

void probe_free(struct probe *probe)
{
	if (!probe)
		return;
	if (probe->kind)
		probe->kind->stop(probe);
	if (probe->kind && probe->kind->free)
		probe->kind->free(probe);
	sd_event_source_disable_unref(probe->timer);
	free(probe->check.path);
	free(probe->check.host);
	free(probe);
}

sd_event *prober_event(struct prober *prober)
{
	return prober->event;
}

struct http_client *prober_http(struct prober *prober)
{
	return prober->http;
}

int prober_open(sd_event *event, struct prober **ret_prober)
{
	struct prober *prober = calloc(1, sizeof(*prober));
	int r;

	if (!prober)
		return -ENOMEM;
	prober->event = sd_event_ref(event);
	r = http_client_open(event, &prober->http);
	if (r < 0) {
		prober_close(prober);
		return r;
	}
	*ret_prober = prober;
	return 0;
}

void prober_close(struct prober *prober)
{
	if (!prober)
		return;
	http_client_close(prober->http);
	sd_event_unref(prober->event);
	free(prober);
}
