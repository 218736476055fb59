/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * `shunt trace`: watchers with a filter each, who fetch what came since they last did. The first one has the tracing program
 * put in place, the last one's leaving takes it away; who does not fetch for LEASE_MS has left. A watcher that is slow loses
 * packets of its own, which it is told, and disturbs nobody.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/choice.h"
#include "base/clock.h"
#include "base/drop_reason.h"
#include "base/log.h"
#include "net/address.h"
#include "shuntd/controller.h"

#include <shunt/trace_filter.h>

#define LEASE_MS 3000
#define WATCHERS_MAX 16
#define QUEUE_MAX 1024               /* packets that wait for a watcher */
#define AT_ONCE_MAX 256              /* in one answer */
#define RATE_PER_CPU 1000            /* packets a second */
#define BURST 200

struct watcher {
	uint64_t id;
	struct shunt_trace_filter filter;
	char *backend;               /* its name; NULL: any */
	bool bytes;                  /* wants the packets themselves */
	uint64_t fetched_ms;
	struct shunt_trace *queue;   /* a ring of QUEUE_MAX */
	uint32_t first, n;
	uint64_t lost;               /* for want of room in the queue */
	uint64_t skipped_before;     /* the data path's count when it last fetched */
};

struct tracer {
	struct watcher *watchers[WATCHERS_MAX];
	size_t n;
	uint64_t next_id;
	sd_event_source *ring, *timer;
};

/* ---- the data path serves all watchers at once ---- */

static uint32_t common(uint32_t a, uint32_t b)
{
	return a == b ? a : 0;
}

/* What all of them want, or more. */
static struct shunt_trace_filter filter_of_all(const struct tracer *tracer)
{
	struct shunt_trace_filter all = tracer->watchers[0]->filter;

	for (size_t i = 1; i < tracer->n; i++) {
		const struct shunt_trace_filter *one = &tracer->watchers[i]->filter;

		all.service = common(all.service, one->service);
		all.backend = common(all.backend, one->backend);
		all.drop = common(all.drop, one->drop);
		all.choice = common(all.choice, one->choice);
		if (memcmp(all.client, one->client, sizeof(all.client)) != 0 ||
		    memcmp(all.client_mask, one->client_mask, sizeof(all.client_mask)) != 0) {
			memset(all.client, 0, sizeof(all.client));
			memset(all.client_mask, 0, sizeof(all.client_mask));
		}
	}
	return all;
}

/* Tracing ends by itself when nobody renews this. */
static void renew(struct controller *c)
{
	struct shunt_trace_control control = {
		.until_ns = clock_monotonic_ns() + LEASE_MS * 1000000ULL,
		.interval_ns = 1000000000ULL / RATE_PER_CPU,
		.burst_ns = BURST * (1000000000ULL / RATE_PER_CPU),
		.filter = filter_of_all(c->tracer),
	};

	datapath_trace_control(c->datapath, &control);
}

/* A backend that is checked in several ways has several ids. */
static bool is_of_backend(const struct controller *c, const struct shunt_trace *event, const char *name)
{
	const char *its = explain_backend_name(c, event->what.backend);

	return its && strcmp(its, name) == 0;
}

static void deliver(void *userdata, const struct shunt_trace *event)
{
	struct controller *c = userdata;

	for (size_t i = 0; i < c->tracer->n; i++) {
		struct watcher *watcher = c->tracer->watchers[i];

		if (!shunt_trace_wanted(&watcher->filter, event) ||
		    (watcher->backend && !is_of_backend(c, event, watcher->backend)))
			continue;
		if (watcher->n == QUEUE_MAX)
			watcher->lost++;
		else
			watcher->queue[(watcher->first + watcher->n++) % QUEUE_MAX] = *event;
	}
}

static int on_ring(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	struct controller *c = userdata;

	(void)source, (void)fd, (void)events;
	datapath_trace_read(c->datapath);
	return 0;
}

static void watcher_free(struct watcher *watcher)
{
	if (watcher)
		free(watcher->queue);
	if (watcher)
		free(watcher->backend);
	free(watcher);
}

static void forget(struct tracer *tracer, size_t i)
{
	watcher_free(tracer->watchers[i]);
	tracer->watchers[i] = tracer->watchers[--tracer->n];
}

/* To be called before a data path is closed, or replaced by another. */
void trace_pause(struct controller *c)
{
	if (c->tracer)
		c->tracer->ring = sd_event_source_disable_unref(c->tracer->ring);
}

/* While the kernel verified the program, for seconds on a slow machine, nobody could ask: it is no sign of having left. */
static void excuse_silence(struct tracer *tracer)
{
	for (size_t i = 0; i < tracer->n; i++)
		tracer->watchers[i]->fetched_ms = clock_monotonic_ms();
}

static int switch_on(struct controller *c)
{
	uint64_t started = clock_monotonic_ms();
	int r = datapath_trace_start(c->datapath, deliver, c);

	if (r < 0)
		return r;
	renew(c);
	r = sd_event_add_io(c->event, &c->tracer->ring, datapath_trace_fd(c->datapath), EPOLLIN, on_ring, c);
	if (r < 0) {
		datapath_trace_stop(c->datapath);
		return r;
	}
	excuse_silence(c->tracer);
	log_info("trace: on, after %" PRIu64 " ms", clock_monotonic_ms() - started);
	return 0;
}

static void switch_off(struct controller *c)
{
	trace_pause(c);
	datapath_trace_stop(c->datapath);
	log_info("trace: off");
}

void trace_resume(struct controller *c)
{
	if (c->tracer && c->tracer->n && !datapath_is_traced(c->datapath) && switch_on(c) < 0)
		log_error("trace: %s", datapath_error());
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct controller *c = userdata;
	struct tracer *tracer = c->tracer;
	uint64_t now = clock_monotonic_ms();

	(void)usec;
	for (size_t i = tracer->n; i-- > 0;)
		if (now - tracer->watchers[i]->fetched_ms > LEASE_MS)
			forget(tracer, i);
	if (tracer->n) {
		if (datapath_is_traced(c->datapath))
			renew(c);
		sd_event_source_set_time_relative(source, LEASE_MS * 1000 / 3);
		return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
	}
	if (datapath_is_traced(c->datapath))
		switch_off(c);
	return 0;
}

static int tracer_open(struct controller *c)
{
	int r;

	if (c->tracer)
		return 0;
	c->tracer = calloc(1, sizeof(*c->tracer));
	if (!c->tracer)
		return -ENOMEM;
	r = sd_event_add_time_relative(c->event, &c->tracer->timer, CLOCK_MONOTONIC, 0, 0, on_timer, c);
	return r < 0 ? r : sd_event_source_set_enabled(c->tracer->timer, SD_EVENT_OFF);
}

void trace_close(struct controller *c)
{
	if (!c->tracer)
		return;
	trace_pause(c);
	if (c->datapath)
		datapath_trace_stop(c->datapath);
	sd_event_source_disable_unref(c->tracer->timer);
	while (c->tracer->n)
		forget(c->tracer, 0);
	free(c->tracer);
	c->tracer = NULL;
}

/* ---- what a watcher wants ---- */

static int parse_reason(const char *word, struct shunt_trace_filter *filter)
{
	uint32_t drop = drop_reason_find(word);

	if (drop < SHUNT_DROP_REASON_COUNT)
		filter->drop = drop; /* the first, "none", is 0 as no filter is */
	else
		filter->choice = choice_find(word); /* likewise */
	return filter->drop || filter->choice ? 0 : -EINVAL;
}

static int parse_client(const char *text, struct shunt_trace_filter *filter)
{
	struct shunt_addr address, mask = {{0}};
	uint8_t length;

	if (address_prefix_parse(text, &address, &length) < 0)
		return -EINVAL;
	length += address_is_ipv4(&address) ? 96 : 0;
	for (uint8_t bit = 0; bit < length; bit++)
		mask.byte[bit / 8] |= 0x80 >> bit % 8;
	for (int half = 0; half < 2; half++) {
		filter->client[half] = shunt_addr_half(&address, half);
		filter->client_mask[half] = shunt_addr_half(&mask, half);
	}
	return 0;
}

static int parse_filter(const struct controller *c, const struct api_trace *wanted, struct shunt_trace_filter *filter,
			struct api_reply *reply)
{
	const struct backend *backend;
	size_t service;

	if (wanted->service) {
		service = config_find_service(c->config, wanted->service);
		if (service == SIZE_MAX)
			return api_refuse(reply, -ENOENT, "no service is named \"%s\"", wanted->service);
		filter->service = c->service_ids[service];
	}
	if (wanted->backend) {
		backend = backend_find(c, wanted->backend);
		if (!backend)
			return api_refuse(reply, -ENOENT, "no backend is named \"%s\"", wanted->backend);
		if (!backend->endpoints)
			return api_refuse(reply, -EBUSY, "no group uses backend %s", wanted->backend);
		filter->backend = backend->endpoints->next ? 0 : backend->endpoints->id;
	}
	if (wanted->client && parse_client(wanted->client, filter) < 0)
		return api_refuse(reply, -EINVAL, "\"client\" must be an address or a prefix, not \"%s\"", wanted->client);
	if (wanted->reason && parse_reason(wanted->reason, filter) < 0)
		return api_refuse(reply, -EINVAL,
				    "\"reason\" must be a drop reason of `shunt stats`, or settled, untracked, new, old, pinned, "
				    "probed, reserve, scheduled, rejected, fail-open, server-id or answer; not \"%s\"", wanted->reason);
	return 0;
}

int controller_trace_begin(void *userdata, const struct api_trace *wanted, struct api_reply *reply)
{
	struct controller *c = userdata;
	struct shunt_trace_filter filter = {0};
	struct watcher *watcher;
	int r = parse_filter(c, wanted, &filter, reply);

	if (r == 0)
		r = tracer_open(c);
	if (r < 0)
		return r;
	if (c->tracer->n == WATCHERS_MAX)
		return api_refuse(reply, -EBUSY, "%d watch already", WATCHERS_MAX);
	watcher = calloc(1, sizeof(*watcher));
	if (watcher) {
		watcher->queue = calloc(QUEUE_MAX, sizeof(*watcher->queue));
		watcher->backend = wanted->backend ? strdup(wanted->backend) : NULL;
	}
	if (!watcher || !watcher->queue || (wanted->backend && !watcher->backend)) {
		watcher_free(watcher);
		return -ENOMEM;
	}
	watcher->id = ++c->tracer->next_id;
	watcher->filter = filter;
	watcher->bytes = wanted->bytes;
	watcher->fetched_ms = clock_monotonic_ms();
	c->tracer->watchers[c->tracer->n++] = watcher;
	if (!datapath_is_traced(c->datapath) && (r = switch_on(c)) < 0) {
		forget(c->tracer, c->tracer->n - 1);
		return api_refuse(reply, r, "%s", *datapath_error() ? datapath_error() : strerror(-r));
	}
	renew(c);
	watcher->skipped_before = datapath_trace_skipped(c->datapath);
	sd_event_source_set_time_relative(c->tracer->timer, LEASE_MS * 1000 / 3);
	sd_event_source_set_enabled(c->tracer->timer, SD_EVENT_ONESHOT);
	reply->document = json_pack("{s:o}", "watcher", json_sprintf("%" PRIu64, watcher->id));
	return 0;
}

/* ---- what it gets ---- */

static size_t watcher_find(const struct controller *c, const char *id)
{
	char text[24];

	for (size_t i = 0; c->tracer && i < c->tracer->n; i++) {
		snprintf(text, sizeof(text), "%" PRIu64, c->tracer->watchers[i]->id);
		if (strcmp(text, id) == 0)
			return i;
	}
	return SIZE_MAX;
}

static int no_watcher(struct api_reply *reply, const char *id)
{
	return api_refuse(reply, -ENOENT, "no watcher \"%s\": who does not ask for %d s has left", id, LEASE_MS / 1000);
}

int controller_trace_fetch(void *userdata, const char *id, struct api_reply *reply)
{
	struct controller *c = userdata;
	size_t i = watcher_find(c, id);
	struct watcher *watcher;
	json_t *packets;
	uint64_t skipped;

	if (i == SIZE_MAX)
		return no_watcher(reply, id);
	watcher = c->tracer->watchers[i];
	watcher->fetched_ms = clock_monotonic_ms();
	packets = json_array();
	for (uint32_t n = 0; watcher->n && n < AT_ONCE_MAX; n++) {
		json_array_append_new(packets, trace_packet_json(c, &watcher->queue[watcher->first], watcher->bytes));
		watcher->first = (watcher->first + 1) % QUEUE_MAX;
		watcher->n--;
	}
	skipped = datapath_is_traced(c->datapath) ? datapath_trace_skipped(c->datapath) : 0;
	if (skipped < watcher->skipped_before) /* a reload began to count anew */
		watcher->skipped_before = 0;
	reply->document = json_pack("{s:o, s:I}", "packets", packets, "lost",
				    (json_int_t)(watcher->lost + skipped - watcher->skipped_before));
	watcher->lost = 0;
	watcher->skipped_before = skipped;
	return reply->document ? 0 : -ENOMEM;
}

int controller_trace_end(void *userdata, const char *id, struct api_reply *reply)
{
	struct controller *c = userdata;
	size_t i = watcher_find(c, id);

	if (i == SIZE_MAX)
		return no_watcher(reply, id);
	forget(c->tracer, i);
	if (c->tracer->n)
		renew(c);
	else if (datapath_is_traced(c->datapath))
		switch_off(c);
	return 0;
}
