/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One receiver's queue: the first document is tried, again and again with growing pauses, until it is delivered or has been tried
 * often enough; then the next. A full queue drops the oldest that waits: the newest is nearest to what is.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "base/backoff.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "hooks/lane.h"

#define MS_PER_S 1000.0

void delivery_free(struct delivery *delivery)
{
	free(delivery->name);
	free(delivery->what);
	free(delivery->body);
	free(delivery);
}

static void drop(struct lane *lane, struct delivery *delivery)
{
	DL_DELETE(lane->queue, delivery);
	lane->n--;
	delivery_free(delivery);
}

__attribute__((format(printf, 2, 3))) static void tell(struct lane *lane, const char *format, ...)
{
	_cleanup_(freep) char *text = NULL;
	va_list args;

	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		text = NULL;
	va_end(args);
	if (text)
		lane->hooks->told(lane->hooks->userdata, lane->name, text);
}

static void set_timer(struct lane *lane, uint64_t in_ms)
{
	sd_event_source_set_time_relative(lane->timer, in_ms * 1000);
	sd_event_source_set_enabled(lane->timer, SD_EVENT_ONESHOT);
}

static void begin(struct lane *lane)
{
	struct delivery *delivery = lane->queue;

	lane->under_way = true;
	lane->figures.attempts++;
	if (delivery->attempts++ == 0)
		delivery->begun_ms = clock_monotonic_ms();
	set_timer(lane, lane->hooks->config.timeout_ms);
	lane->kind->start(lane);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct lane *lane = userdata;

	(void)source, (void)usec;
	if (!lane->queue)
		return 0;
	if (!lane->under_way) {
		begin(lane);
		return 0;
	}
	lane->kind->stop(lane);
	lane_ended(lane, false, "timeout after %g s", lane->hooks->config.timeout_ms / MS_PER_S);
	return 0;
}

int lane_open(struct lane *lane, struct hooks *hooks, enum hook_kind name)
{
	static const struct lane_kind *const kinds[] = {[HOOK_EXEC] = &lane_exec, [HOOK_WEBHOOK] = &lane_webhook};
	int r;

	*lane = (struct lane){.hooks = hooks, .name = name, .kind = kinds[name]};
	r = sd_event_add_time(hooks->event, &lane->timer, CLOCK_MONOTONIC, 0, 1000, on_timer, lane);
	if (r >= 0)
		r = sd_event_source_set_priority(lane->timer, HOOK_PRIORITY);
	return r < 0 ? r : sd_event_source_set_enabled(lane->timer, SD_EVENT_OFF);
}

void lane_stop(struct lane *lane)
{
	if (lane->under_way) {
		lane->kind->stop(lane);
		lane->queue->attempts--;
	}
	lane->under_way = false;
	if (lane->timer)
		sd_event_source_set_enabled(lane->timer, SD_EVENT_OFF);
}

void lane_clear(struct lane *lane, const char *why)
{
	size_t n = lane->n;

	lane_stop(lane);
	while (lane->queue)
		drop(lane, lane->queue);
	lane->figures.dropped += n;
	if (n)
		tell(lane, "%zu document%s not delivered: %s", n, n == 1 ? "" : "s", why);
}

void lane_close(struct lane *lane)
{
	if (!lane->hooks)
		return;
	lane_clear(lane, "shuntd ends");
	sd_event_source_disable_unref(lane->timer);
}

/* The oldest but the one that is under way. */
static void make_room(struct lane *lane)
{
	struct delivery *oldest = lane->under_way && lane->queue ? lane->queue->next : lane->queue;

	if (!lane->overflowing)
		tell(lane, "its queue of %u is full: the oldest documents are dropped from %s on", lane->hooks->config.queue,
		     oldest ? oldest->what : "the next");
	lane->overflowing = true;
	if (!oldest)
		return;
	drop(lane, oldest);
	lane->dropped_since++;
	lane->figures.dropped++;
}

void lane_put(struct lane *lane, struct delivery *take_delivery)
{
	DL_APPEND(lane->queue, take_delivery);
	lane->n++;
	while (lane->n > lane->hooks->config.queue && lane->n > 1)
		make_room(lane);
	if (lane->n == 1 && !lane->under_way)
		set_timer(lane, 0);
}

void lane_go_on(struct lane *lane)
{
	if (lane->queue)
		set_timer(lane, 0);
}

/* ---- the end of an attempt ---- */

static void finish(struct lane *lane)
{
	drop(lane, lane->queue);
	if (lane->queue) {
		set_timer(lane, 0);
		return;
	}
	if (lane->overflowing)
		tell(lane, "its queue is empty again: %llu documents were dropped", (unsigned long long)lane->dropped_since);
	lane->overflowing = false;
	lane->dropped_since = 0;
}

static void try_again(struct lane *lane, const char *text)
{
	const struct config_hooks *config = &lane->hooks->config;
	const struct delivery *delivery = lane->queue;
	uint64_t most_ms = backoff_ceiling(config->backoff_ms, delivery->attempts - 1, config->max_backoff_ms);
	uint32_t in_ms = backoff_between(most_ms / 2, most_ms, arc4random());

	log_warn("hook %s: %s: attempt %u of %u: %s: again in %u ms", hook_kind_text(lane->name), delivery->what,
		 delivery->attempts, config->max_attempts, text, in_ms);
	set_timer(lane, in_ms);
}

void lane_ended(struct lane *lane, bool delivered, const char *format, ...)
{
	_cleanup_(freep) char *text = NULL;
	const struct delivery *delivery = lane->queue;
	va_list args;

	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		text = NULL;
	va_end(args);
	lane->under_way = false;
	sd_event_source_set_enabled(lane->timer, SD_EVENT_OFF);
	if (!delivered && delivery->attempts < lane->hooks->config.max_attempts) {
		try_again(lane, text ? text : "failed");
		return;
	}
	*(delivered ? &lane->figures.delivered : &lane->figures.failed) += 1;
	tell(lane, "%s (event %llu): %s after %u attempt%s, %llu ms: %s", delivery->what, (unsigned long long)delivery->id,
	     delivered ? "delivered" : "given up", delivery->attempts, delivery->attempts == 1 ? "" : "s",
	     (unsigned long long)(clock_monotonic_ms() - delivery->begun_ms), text ? text : "");
	finish(lane);
}
