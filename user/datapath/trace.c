/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Tracing: another program of the same stages, on the same maps, takes the place of xdp_shunt while somebody watches. The
 * swap is the one of a reload, without a gap; when nobody watches the first program is back, which has not one
 * instruction of tracing.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "base/log.h"
#include "datapath/internal.h"

struct tracing {
	struct shunt_bpf *skeleton;         /* loaded; its maps are those of the data path, but for the three of tracing */
	struct ring_buffer *ring;
	struct shunt_trace_control *control; /* the map itself */
	void (*on_packet)(void *userdata, const struct shunt_trace *event);
	void *userdata;
};

int attached_program(const struct datapath *d)
{
	return bpf_program__fd(d->tracing ? d->tracing->skeleton->progs.xdp_shunt_trace : d->skeleton->progs.xdp_shunt);
}

const char *attached_program_name(const struct datapath *d)
{
	return d->tracing ? SHUNT_PROGRAM_TRACE : SHUNT_PROGRAM;
}

const struct shunt_bpf *attached_skeleton(const struct datapath *d)
{
	return d->tracing ? d->tracing->skeleton : d->skeleton;
}

static int on_sample(void *userdata, void *data, size_t size)
{
	struct tracing *tracing = userdata;

	if (size >= sizeof(struct shunt_trace))
		tracing->on_packet(tracing->userdata, data);
	return 0;
}

static void tracing_free(struct tracing *tracing)
{
	if (!tracing)
		return;
	ring_buffer__free(tracing->ring);
	if (tracing->control)
		munmap(tracing->control, (size_t)sysconf(_SC_PAGESIZE));
	shunt_bpf__destroy(tracing->skeleton);
	free(tracing);
}

static int load(const struct datapath *d, struct tracing *tracing)
{
	struct shunt_bpf *skeleton = skeleton_sharing_maps(d);
	void *control;
	int r;

	if (!skeleton)
		return -ENOMEM;
	tracing->skeleton = skeleton;
	bpf_program__set_autoload(skeleton->progs.xdp_shunt, false);
	bpf_program__set_autoload(skeleton->progs.xdp_explain, false);
	skeleton_use_trace(skeleton, true);
	r = shunt_bpf__load(skeleton);
	if (r < 0)
		return datapath_fail(r, "the kernel does not load the tracing program: %s", strerror(-r));
	control = mmap(NULL, (size_t)sysconf(_SC_PAGESIZE), PROT_READ | PROT_WRITE, MAP_SHARED,
		       bpf_map__fd(skeleton->maps.trace_control), 0);
	if (control == MAP_FAILED)
		return datapath_fail(-errno, "tracing: %s", strerror(errno));
	tracing->control = control;
	tracing->ring = ring_buffer__new(bpf_map__fd(skeleton->maps.trace_ring), on_sample, tracing, NULL);
	return tracing->ring ? 0 : datapath_fail(-errno, "tracing: %s", strerror(errno));
}

/* Puts the program that is now to run in the place of the one that does, on every interface. */
static int swap(struct datapath *d)
{
	int first_error = 0;

	for (size_t i = 0; i < d->n_attachments; i++) {
		struct datapath_attachment attachment = d->attachments[i];
		int r;

		d->attachments[i].program_id = 0; /* of the other one */
		r = datapath_attach(d, attachment.name, attachment.native ? INTERFACE_MODE_NATIVE : INTERFACE_MODE_GENERIC);
		first_error = first_error ? first_error : r;
	}
	return first_error;
}

void datapath_trace_stop(struct datapath *d)
{
	struct tracing *tracing = d->tracing;

	if (!tracing)
		return;
	tracing->control->until_ns = 0;
	d->tracing = NULL;
	if (swap(d) < 0)
		log_error("trace: its program goes on, and copies nothing any more: %s", datapath_error());
	tracing_free(tracing);
}

int datapath_trace_start(struct datapath *d, void (*on_packet)(void *userdata, const struct shunt_trace *event),
			 void *userdata)
{
	struct tracing *tracing = calloc(1, sizeof(*tracing));
	int r;

	if (!tracing)
		return -ENOMEM;
	tracing->on_packet = on_packet;
	tracing->userdata = userdata;
	r = load(d, tracing);
	if (r < 0) {
		tracing_free(tracing);
		return r;
	}
	d->tracing = tracing;
	r = swap(d);
	if (r < 0)
		datapath_trace_stop(d);
	return r;
}

bool datapath_is_traced(const struct datapath *d)
{
	return d->tracing;
}

void datapath_trace_forget(struct datapath *d)
{
	tracing_free(d->tracing);
	d->tracing = NULL;
}

void datapath_trace_control(struct datapath *d, const struct shunt_trace_control *wanted)
{
	struct shunt_trace_control *control = d->tracing->control;

	__atomic_store_n(&control->until_ns, 0, __ATOMIC_SEQ_CST); /* none by half a filter */
	control->interval_ns = wanted->interval_ns;
	control->burst_ns = wanted->burst_ns;
	control->filter = wanted->filter;
	__atomic_store_n(&control->until_ns, wanted->until_ns, __ATOMIC_SEQ_CST);
}

uint64_t datapath_trace_skipped(const struct datapath *d)
{
	return __atomic_load_n(&d->tracing->control->skipped, __ATOMIC_RELAXED);
}

int datapath_trace_fd(const struct datapath *d)
{
	return ring_buffer__epoll_fd(d->tracing->ring);
}

void datapath_trace_read(struct datapath *d)
{
	ring_buffer__consume(d->tracing->ring);
}
