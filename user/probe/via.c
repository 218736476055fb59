/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * `via: service`: a check that goes to the addresses which clients use, by the way that their packets take, and says what is
 * wrong with that way when it does not get there. Its parts: the check itself, once for each path; now and then the same as
 * large as traffic can be; and, after a bad result, two questions that tell one fault from another: whether the backend's own
 * address answers, and whether it does through the tunnel. Of those only that something comes back is of interest, so that for
 * TCP they are mere connections. How probes get on that way is not known here: marks do it (bpf/probe.bpf.c).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "net/address.h"
#include "probe/kind.h"

struct via {
	struct probe_path paths[CONFIG_VIA_ADDRESSES_MAX];
	size_t n_paths;
	uint64_t padded_due_ms;          /* of the monotonic clock */
	bool narrow;                     /* the last padded probes got no answer: they are made with every check now */
	bool suspect;                    /* the last result was bad, or there is none */
};

/* Places in probe->parts. */
enum { DIRECT, FIRST_PATH };
enum path_part { SERVICE, PADDED, TUNNEL, PATH_PARTS };

static struct probe *part_of(const struct probe *probe, size_t path, enum path_part part)
{
	return &probe->parts[FIRST_PATH + path * PATH_PARTS + part];
}

static bool is_padding_due(const struct via *via)
{
	return via->narrow || clock_monotonic_ms() >= via->padded_due_ms;
}

static void begin_path(struct probe *probe, size_t i, bool padded, bool suspect)
{
	const struct probe_path *path = &probe->via->paths[i];

	probe_begin(part_of(probe, i, SERVICE));
	if (padded && path->padded_mark && path->packet_bytes)
		probe_begin(part_of(probe, i, PADDED));
	if (suspect && path->tunnel_mark)
		probe_begin(part_of(probe, i, TUNNEL));
}

/* One bad result being enough, there is no second one to ask more by. */
static void start(struct probe *probe)
{
	const struct via *via = probe->via;
	bool suspect = via->suspect || probe->check.unhealthy_threshold == 1, padded = is_padding_due(via);

	probe->starting = true;
	parts_forget(probe);
	if (suspect)
		probe_begin(&probe->parts[DIRECT]);
	for (size_t i = 0; i < via->n_paths; i++)
		begin_path(probe, i, padded, suspect);
	probe->starting = false;
	probe->kind->decide(probe);
}

/* ---- what its parts say ---- */

/* Nothing came back, not even a refusal. */
static bool is_silent(const struct probe *part)
{
	bool datagrams = part->check.type == CHECK_UDP || part->check.type == CHECK_DNS;
	enum probe_reason reason = part->result.reason;

	return reason == PROBE_CONNECT_TIMEOUT || reason == PROBE_UNREACHABLE || (datagrams && reason == PROBE_RESPONSE_TIMEOUT);
}

static bool has_result(const struct probe *part)
{
	return part->ended && !part->skip_error;
}

static bool has_answered(const struct probe *part)
{
	return has_result(part) && !is_silent(part);
}

static bool is_bad(const struct probe *part)
{
	return has_result(part) && !part->result.good;
}

static void finish(struct probe *probe, const struct probe *part, const struct probe_path *path)
{
	char address[ADDRESS_TEXT_MAX];

	probe->via->suspect = !part->result.good;
	if (part->result.good && probe->via->n_paths > 1)
		probe_finish(probe, PROBE_OK, "%s via %zu service addresses", part->text, probe->via->n_paths);
	else
		probe_finish(probe, part->result.reason, "%s via %s", part->text, address_format(&path->service, address));
}

/* Nothing comes back from the service's address. */
static void explain_silence(struct probe *probe, size_t i)
{
	const struct probe_path *path = &probe->via->paths[i];
	const struct probe *tunnel = part_of(probe, i, TUNNEL);
	char address[ADDRESS_TEXT_MAX];

	address_format(&path->service, address);
	probe->via->suspect = true;
	if (!has_answered(&probe->parts[DIRECT]))
		finish(probe, part_of(probe, i, SERVICE), path);
	else if (has_answered(tunnel))
		probe_finish(probe, PROBE_PATH, "no answer from %s through %s, from the backend's own address yes: is it on its lo?",
			     address, path->mode);
	else if (has_result(tunnel))
		probe_finish(probe, PROBE_PATH, "nothing comes out of the %s tunnel, the backend answers without: is its end up?",
			     path->mode);
	else if (path->tunnelled)
		probe_finish(probe, PROBE_PATH, "no answer from %s through %s, without from the backend: is its end up, %s on its lo?",
			     address, path->mode, address);
	else
		probe_finish(probe, PROBE_PATH, "no answer from %s (%s), from the backend's own address yes: is it on its lo?", address,
			     path->mode);
}

/* A packet of another family than the backend's leaves by a route that has nothing to do with the backend. */
static bool has_no_way(const struct probe *service, const struct probe_path *path)
{
	return service->result.reason == PROBE_UNREACHABLE && !address_equal(&path->peer, &service->parent->address);
}

/* True: the check has ended, or waits for what it needs to say why it is bad. */
static bool decide_bad(struct probe *probe, size_t i)
{
	const struct probe *service = part_of(probe, i, SERVICE);

	if (!is_bad(service))
		return false;
	if (has_no_way(service, &probe->via->paths[i]))
		probe_skip(probe, -ENETUNREACH);
	else if (!is_silent(service))
		finish(probe, service, &probe->via->paths[i]);
	else if (!probe->parts[DIRECT].running && !part_of(probe, i, TUNNEL)->running)
		explain_silence(probe, i);
	return true;
}

/* The same for the path that takes small packets, but not those of its size. */
static bool decide_narrow(struct probe *probe, size_t i)
{
	const struct probe_path *path = &probe->via->paths[i];
	const struct probe *padded = part_of(probe, i, PADDED);
	char address[ADDRESS_TEXT_MAX];

	if (!is_bad(padded))
		return false;
	probe->via->narrow = probe->via->suspect = true;
	address_format(&path->service, address);
	if (is_silent(padded))
		probe_finish(probe, PROBE_PATH, "no answer to %u bytes (%s) to %s, but to a small packet: the path's MTU is too short",
			     path->packet_bytes, path->mode, address);
	else
		probe_finish(probe, padded->result.reason, "%s at %u bytes to %s", padded->text, path->packet_bytes, address);
	return true;
}

/* May free the probe. */
static void decide(struct probe *probe)
{
	struct via *via = probe->via;
	bool padded = false, running = false;
	int skip_error = 0;

	for (size_t i = 0; i < via->n_paths; i++)
		if (decide_bad(probe, i))
			return;
	for (size_t i = 0; i < via->n_paths; i++) {
		running = running || part_of(probe, i, SERVICE)->running || part_of(probe, i, PADDED)->running;
		padded = padded || has_result(part_of(probe, i, PADDED));
		if (part_of(probe, i, SERVICE)->skip_error)
			skip_error = part_of(probe, i, SERVICE)->skip_error;
	}
	if (running)
		return;
	for (size_t i = 0; i < via->n_paths; i++)
		if (decide_narrow(probe, i))
			return;
	if (padded) {
		via->narrow = false;
		via->padded_due_ms = probe->started_ns / 1000000 + probe->check.padded_interval_ms;
	}
	if (skip_error)
		probe_skip(probe, skip_error);
	else
		finish(probe, part_of(probe, 0, SERVICE), &via->paths[0]);
}

/* ---- made and unmade ---- */

static void via_free(struct probe *probe)
{
	free(probe->via);
	probe->via = NULL;
}

const struct probe_kind probe_via = {
	.start = start, .late = parts_late, .stop = parts_stop, .decide = decide, .free = via_free};

static int prepare_part(struct probe *probe, struct probe *part, bool whole, const struct shunt_addr *address, uint32_t mark)
{
	const struct config_check *check = &probe->check;
	bool datagrams = check->type == CHECK_UDP || check->type == CHECK_DNS;

	*part = (struct probe){.prober = probe->prober, .name = probe->name, .address = *address, .port = probe->port,
			       .check = *check, .parent = probe, .mark = mark};
	if (!whole && !datagrams)
		part->check = (struct config_check){.type = CHECK_TCP, .timeout_ms = check->timeout_ms};
	return probe_prepare(part);
}

static int prepare_path(struct probe *probe, size_t i)
{
	const struct probe_path *path = &probe->via->paths[i];
	int r = prepare_part(probe, part_of(probe, i, SERVICE), true, &path->peer, path->mark);

	if (r == 0)
		r = prepare_part(probe, part_of(probe, i, PADDED), false, &path->peer, path->padded_mark);
	if (r == 0)
		r = prepare_part(probe, part_of(probe, i, TUNNEL), false, &probe->address, path->tunnel_mark);
	part_of(probe, i, SERVICE)->named = path->service;
	return r;
}

void probe_update_paths(struct probe *probe, const struct probe_path *paths)
{
	if (probe && probe->via)
		memcpy(probe->via->paths, paths, probe->via->n_paths * sizeof(*paths));
}

int via_prepare(struct probe *probe, const struct probe_target *target)
{
	int r = 0;

	probe->kind = &probe_via;
	probe->socket = -1;
	probe->cost = target->n_paths; /* as a rule; only now and then are there more */
	probe->via = calloc(1, sizeof(*probe->via));
	probe->parts = calloc(FIRST_PATH + target->n_paths * PATH_PARTS, sizeof(*probe->parts));
	if (!probe->via || !probe->parts)
		return -ENOMEM;
	probe->n_parts = FIRST_PATH + target->n_paths * PATH_PARTS;
	probe->via->n_paths = target->n_paths;
	probe->via->suspect = true;
	memcpy(probe->via->paths, target->paths, target->n_paths * sizeof(*target->paths));
	r = prepare_part(probe, &probe->parts[DIRECT], false, &probe->address, 0);
	for (size_t i = 0; i < target->n_paths && r == 0; i++)
		r = prepare_path(probe, i);
	return r;
}
