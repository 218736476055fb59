/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Decides when a probe is made and when it has taken too long. Each probe keeps a phase of its own within the
 * interval, chosen at random once: probes neither drift nor bunch, also when the loop was held up. No more than so many are
 * in flight at a time; the others wait in line, first come, first served. Must not know what a check does (a file each:
 * tcp.c, http.c …), nor what follows from a result.
 */
#include "probe/probe.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utlist.h>

#include "loop/child.h"
#include "base/clock.h"
#include "base/duration.h"
#include "base/log.h"
#include "net/address.h"
#include "probe/kind.h"

enum {
	JITTER_MAX_US = 200 * 1000,
	TIMER_ACCURACY_MIN_US = 100,
	TIMER_ACCURACY_MAX_US = 4000,    /* part of CONFIG_CHECK_SLACK_MS, which the stated worst case has */
	TIMER_ACCURACY_SHARE = 200,      /* of the interval: checks that are due together are made in one round of the loop */
	LATE_START_SHARE = 50,           /* of the timeout: what a late start may take off the time of a check */
	IN_FLIGHT_DEFAULT = 1000,
};

static const uint32_t late_classes_ms[PROBER_N_LATE] = PROBER_LATE_CLASSES;

struct prober {
	sd_event *event;
	struct http_client *http;
	struct children *children;
	uint32_t max_in_flight;
	struct probe *queue;             /* who waits for a turn */
	sd_event_source *turn;           /* lets them in, once the loop has come round */
	struct prober_stats stats;
};

static uint64_t now_us(void)
{
	return clock_monotonic_ns() / 1000;
}

static uint64_t interval_us(const struct probe *probe)
{
	uint32_t fast_ms = probe->check.fast_interval_ms;
	uint32_t interval_ms = probe->hurried && fast_ms ? fast_ms : probe->check.interval_ms;

	return interval_ms ? (uint64_t)interval_ms * 1000 : 1000;
}

static uint64_t accuracy_us(const struct probe *probe)
{
	uint64_t us = interval_us(probe) / TIMER_ACCURACY_SHARE;

	return us < TIMER_ACCURACY_MIN_US ? TIMER_ACCURACY_MIN_US : us > TIMER_ACCURACY_MAX_US ? TIMER_ACCURACY_MAX_US : us;
}

static void arm(struct probe *probe, uint64_t at_us)
{
	sd_event_source_set_time(probe->timer, at_us);
	sd_event_source_set_enabled(probe->timer, SD_EVENT_ONESHOT);
}

/*
 * The next time of the probe's phase; those that passed meanwhile are not made up for. The last of them is, while less than
 * half an interval has passed since: after an attempt that took its whole timeout, as long as the interval, the next comes
 * at once.
 */
static void plan_next(struct probe *probe)
{
	uint64_t now = now_us(), interval = interval_us(probe);

	if (probe->check.type == CHECK_NONE)
		return;
	probe->due_us += interval;
	if (probe->due_us < now)
		probe->due_us += (now - probe->due_us) / interval * interval;
	if (probe->due_us + interval / 2 < now)
		probe->due_us += interval;
	arm(probe, probe->due_us);
}

void probe_next_in(struct probe *probe, uint32_t delay_ms)
{
	probe->due_us = now_us() + (uint64_t)delay_ms * 1000;
	arm(probe, probe->due_us);
}

void probe_hurry(struct probe *probe, bool hurry)
{
	uint64_t now = now_us();

	if (!probe || hurry == probe->hurried || !probe->check.fast_interval_ms)
		return;
	probe->due_us -= interval_us(probe);
	probe->hurried = hurry;
	probe->due_us += interval_us(probe);
	if (probe->due_us < now)
		probe->due_us = now;
	sd_event_source_set_time_accuracy(probe->timer, accuracy_us(probe));
	if (!probe->running && !probe->queued)
		arm(probe, probe->due_us);
}

/* ---- turns ---- */

static bool may_begin(const struct prober *prober, const struct probe *probe)
{
	const struct prober_stats *stats = &prober->stats;

	return stats->in_flight == 0 || stats->in_flight + probe->cost <= prober->max_in_flight;
}

static void note_late(struct prober *prober, const struct probe *probe, uint64_t now)
{
	uint64_t late_us = now > probe->due_us ? now - probe->due_us : 0;
	size_t class = 0;

	while (class < PROBER_N_LATE && late_us > late_classes_ms[class] * 1000ULL)
		class++;
	prober->stats.late[class]++;
	prober->stats.late_total_us += late_us;
}

void probe_begin(struct probe *probe)
{
	probe->running = true;
	probe->started_ns = clock_monotonic_ns();
	probe->told = (struct probe_result){.weight_percent = PROBE_WEIGHT_NONE, .lag_ms = PROBE_LAG_NONE};
	if (!probe->kind)
		probe_finish(probe, PROBE_OK, "not checked");
	else
		probe->kind->start(probe);
}

/*
 * A start that is late by what timers are late by does not put off the end: what several checks in a row, each of which takes
 * its whole timeout, are late by would add up, and the stated worst case be exceeded.
 */
static uint64_t time_is_up_us(const struct probe *probe, uint64_t now)
{
	uint64_t timeout_us = (uint64_t)probe->check.timeout_ms * 1000;
	uint64_t late_us = now > probe->due_us ? now - probe->due_us : 0;

	return timeout_us + (late_us <= timeout_us / LATE_START_SHARE ? now - late_us : now);
}

static void launch(struct probe *probe)
{
	uint64_t now = now_us();

	note_late(probe->prober, probe, now);
	probe->prober->stats.started++;
	probe->prober->stats.in_flight += probe->cost;
	if (probe->kind)
		arm(probe, time_is_up_us(probe, now));
	probe_begin(probe);
}

static void leave_queue(struct probe *probe)
{
	if (!probe->queued)
		return;
	DL_DELETE(probe->prober->queue, probe);
	probe->queued = false;
	probe->prober->stats.queued--;
}

static void begin(struct probe *probe)
{
	struct prober *prober = probe->prober;
	uint64_t now = now_us();

	/* Late by more than half an interval the loop was held up, and many others are late too: wait for the phase. */
	if (now > probe->due_us + interval_us(probe) / 2 && probe->check.type != CHECK_NONE) {
		note_late(prober, probe, now);
		prober->stats.skipped++;
		plan_next(probe);
	} else if (!prober->queue && may_begin(prober, probe)) {
		launch(probe);
	} else {
		DL_APPEND(prober->queue, probe);
		probe->queued = true;
		prober->stats.queued++;
	}
}

static int let_in(sd_event_source *source, void *userdata)
{
	struct prober *prober = userdata;

	(void)source;
	while (prober->queue && may_begin(prober, prober->queue)) {
		struct probe *probe = prober->queue;

		leave_queue(probe);
		launch(probe);
	}
	return 0;
}

/* ---- ends ---- */

static void end_attempt(struct probe *probe)
{
	struct prober *prober = probe->prober;

	if (probe->kind)
		probe->kind->stop(probe);
	probe->running = false;
	if (probe->parent)
		return;
	prober->stats.in_flight -= probe->cost;
	if (prober->queue)
		sd_event_source_set_enabled(prober->turn, SD_EVENT_ONESHOT);
	plan_next(probe);
}

static void end_part(struct probe *part)
{
	part->ended = true;
	if (!part->parent->starting)
		part->parent->kind->decide(part->parent);
}

void probe_finish(struct probe *probe, enum probe_reason reason, const char *format, ...)
{
	uint64_t latency_us = (clock_monotonic_ns() - probe->started_ns) / 1000;
	char text[sizeof(probe->text)]; /* outlives the probe, should the callback free it */
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
	if (!probe->parent) {
		probe->callback(probe->userdata, &result);
		return;
	}
	memcpy(probe->text, text, sizeof(text));
	probe->result = result;
	probe->result.text = probe->text;
	end_part(probe);
}

void probe_skip(struct probe *probe, int error)
{
	char address[ADDRESS_TEXT_MAX];

	if (!probe->skipping && !probe->parent)
		log_warn("probe of %s: cannot be made, its last result holds: %s",
			 address_port_format(&probe->address, probe->port, address), strerror(-error));
	probe->skipping = true;
	end_attempt(probe);
	if (!probe->parent)
		return;
	probe->skip_error = error;
	end_part(probe);
}

void probe_fail(struct probe *probe, int error, enum probe_reason otherwise)
{
	if (probe_error_is_local(error))
		probe_skip(probe, -error);
	else
		probe_finish(probe, probe_error_reason(error, otherwise), "%s", probe_error_text(error));
}

void probe_time_is_up(struct probe *probe)
{
	char timeout[DURATION_TEXT_MAX];
	struct probe_stage stage;

	if (probe->kind->late) {
		probe->kind->late(probe);
		return;
	}
	stage = probe->kind->stage(probe);
	if (stage.late == PROBE_OK)
		probe_finish(probe, PROBE_OK, "%s", stage.text);
	else
		probe_finish(probe, stage.late, "timeout %s after %s", stage.text,
			     duration_format(probe->check.timeout_ms, timeout));
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct probe *probe = userdata;

	(void)source, (void)usec;
	if (probe->running)
		probe_time_is_up(probe);
	else
		begin(probe);
	return 0;
}

/* ---- a probe ---- */

static const struct probe_kind *const kinds[CHECK_TYPE_COUNT] = {
	[CHECK_TCP] = &probe_tcp,     [CHECK_HTTP] = &probe_http, [CHECK_HTTPS] = &probe_http,
	[CHECK_UDP] = &probe_udp,     [CHECK_ICMP] = &probe_icmp, [CHECK_DNS] = &probe_dns,
	[CHECK_EXEC] = &probe_exec,   [CHECK_AGENT] = &probe_agent, [CHECK_ALL] = &probe_composite,
	[CHECK_ANY] = &probe_composite,
};

int probe_prepare(struct probe *probe)
{
	const struct config_check *check = &probe->check;

	probe->kind = kinds[check->type];
	probe->socket = -1;
	probe->cost = check->n_parts ? check->n_parts : 1;
	probe->parts = check->n_parts ? calloc(check->n_parts, sizeof(*probe->parts)) : NULL;
	if (check->n_parts && !probe->parts)
		return -ENOMEM;
	for (; probe->n_parts < check->n_parts; probe->n_parts++) {
		struct probe *part = &probe->parts[probe->n_parts];
		int r;

		*part = (struct probe){.prober = probe->prober, .name = probe->name, .address = probe->address,
				       .check = check->parts[probe->n_parts], .parent = probe};
		part->port = part->check.port ? part->check.port : probe->port;
		r = probe_prepare(part); /* no deeper: parts have no parts */
		if (r < 0)
			return r;
	}
	return 0;
}

void probe_release(struct probe *probe)
{
	for (size_t i = 0; i < probe->n_parts; i++)
		probe_release(&probe->parts[i]);
	if (probe->kind)
		probe->kind->stop(probe);
	if (probe->kind && probe->kind->free)
		probe->kind->free(probe);
	free(probe->parts);
	probe->parts = NULL;
	probe->n_parts = 0;
}

static int add_timer(struct probe *probe)
{
	uint64_t half_us = interval_us(probe) / 2;
	uint32_t jitter_us = arc4random_uniform(half_us < JITTER_MAX_US ? half_us : JITTER_MAX_US);
	int r;

	probe->due_us = now_us() + (probe->check.type == CHECK_NONE ? 0 : jitter_us);
	r = sd_event_add_time(probe->prober->event, &probe->timer, CLOCK_MONOTONIC, probe->due_us,
			      accuracy_us(probe), on_timer, probe);
	if (r < 0)
		return r;
	/* After sockets: what arrived while the loop was held up counts before the timeout that passed meanwhile. */
	return sd_event_source_set_priority(probe->timer, SD_EVENT_PRIORITY_NORMAL + 1);
}

int probe_start(struct prober *prober, const struct probe_target *target, const struct config_check *check,
		probe_callback callback, void *userdata, struct probe **ret_probe)
{
	struct probe *probe = calloc(1, sizeof(*probe));
	int r;

	if (!probe)
		return -ENOMEM;
	probe->prober = prober;
	probe->address = target->address;
	probe->port = target->port;
	probe->callback = callback;
	probe->userdata = userdata;
	probe->name = strdup(target->name);
	r = probe->name ? config_check_copy(check, &probe->check) : -ENOMEM;
	if (r >= 0)
		r = target->n_paths ? via_prepare(probe, target) : probe_prepare(probe);
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
	leave_queue(probe);
	if (probe->running)
		probe->prober->stats.in_flight -= probe->cost;
	probe_release(probe);
	sd_event_source_disable_unref(probe->timer);
	config_check_clear(&probe->check);
	free(probe->name);
	free(probe);
}

int probe_socket(const struct probe *probe, int type, int protocol)
{
	int family = address_is_ipv4(&probe->address) ? AF_INET : AF_INET6;
	int fd = socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol), r;

	if (fd < 0)
		return -errno;
	r = probe_mark_socket(probe, fd, family);
	if (r < 0)
		close(fd);
	return r < 0 ? r : fd;
}

/*
 * Bound to a port of its own as well: of sockets that only connect the kernel gives one port to several, when their backends
 * differ, and to the service's address those would be the same flow.
 */
int probe_mark_socket(const struct probe *probe, int fd, int family)
{
	const struct sockaddr_storage any = {.ss_family = family};
	socklen_t length = family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);

	if (!probe->mark)
		return 0;
	if (setsockopt(fd, SOL_SOCKET, SO_MARK, &probe->mark, sizeof(probe->mark)) < 0 ||
	    bind(fd, (const struct sockaddr *)&any, length) < 0)
		return -errno;
	return 0;
}

/* ---- all of them ---- */

sd_event *prober_event(struct prober *prober)
{
	return prober->event;
}

struct http_client *prober_http(struct prober *prober)
{
	return prober->http;
}

struct children *prober_children(struct prober *prober)
{
	return prober->children;
}

void prober_set_max_in_flight(struct prober *prober, uint32_t max)
{
	prober->max_in_flight = max;
	sd_event_source_set_enabled(prober->turn, SD_EVENT_ONESHOT);
}

struct prober_stats prober_stats(const struct prober *prober)
{
	return prober->stats;
}

int prober_open(sd_event *event, struct prober **ret_prober)
{
	struct prober *prober = calloc(1, sizeof(*prober));
	int r;

	if (!prober)
		return -ENOMEM;
	prober->event = sd_event_ref(event);
	prober->max_in_flight = IN_FLIGHT_DEFAULT;
	r = sd_event_add_defer(event, &prober->turn, let_in, prober);
	if (r >= 0)
		r = http_client_open(event, &prober->http);
	if (r >= 0)
		r = children_open(event, &prober->children);
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
	children_close(prober->children);
	sd_event_source_disable_unref(prober->turn);
	sd_event_unref(prober->event);
	free(prober);
}
