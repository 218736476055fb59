/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What xdp_shunt_trace adds around the stages: the packet as it came is kept for a moment, and when it has left it is handed
 * to the controller with what was decided of it, if a watcher asks for it and the rate allows. Both are global functions:
 * the verifier judges them once. While nobody watches, this program is not loaded at all.
 */
#ifndef SHUNT_BPF_TRACE_H
#define SHUNT_BPF_TRACE_H

#include <shunt/trace_filter.h>

#include "packet.h"

/* Length of the frame, and as many of its first bytes in `to` as there is room for. */
static __always_inline __u32 trace_copy(struct xdp_md *ctx, __u8 to[SHUNT_TRACE_BYTES])
{
	__u32 length = ctx->data_end - ctx->data, copied = length < SHUNT_TRACE_BYTES ? length : SHUNT_TRACE_BYTES;

	/* Bounds that the verifier sees on the register that is used; of a comparison with 0 Linux 6.1 learns nothing. */
	asm volatile("" : "+r"(copied));
	copied = ((copied - 1) & (SHUNT_TRACE_BYTES - 1)) + 1;
	return bpf_xdp_load_bytes(ctx, 0, to, copied) < 0 ? 0 : length;
}

/* Whether there is room in this CPU's share of the rate: then the packet is kept as it is now. */
__noinline int trace_begin(struct xdp_md *ctx)
{
	__u32 first = 0;
	const struct shunt_trace_control *control = bpf_map_lookup_elem(&trace_control, &first);
	struct shunt_trace_scratch *scratch = bpf_map_lookup_elem(&trace_scratch, &first);
	__u64 now = bpf_ktime_get_ns();

	if (!control || !scratch)
		return 0;
	scratch->event.before_length = 0;
	__builtin_memset(&scratch->event.what, 0, sizeof(scratch->event.what)); /* in place: Linux 6.1's stack is used up */
	if (now > control->until_ns)
		return 0; /* the controller is gone: nobody reads */
	if (scratch->due_ns > now + control->burst_ns) {
		scratch->over_rate = 1;
		return 0;
	}
	scratch->over_rate = 0;
	scratch->event.time_ns = now;
	scratch->event.before_length = trace_copy(ctx, scratch->event.before);
	return 0;
}

/* Hands it over, with what the stages have written into the scratch. */
__noinline int trace_end(struct xdp_md *ctx, __u32 verdict, __u32 reason)
{
	__u32 first = 0;
	struct shunt_trace_control *control = bpf_map_lookup_elem(&trace_control, &first);
	struct shunt_trace_scratch *scratch = bpf_map_lookup_elem(&trace_scratch, &first);
	struct shunt_trace *event;

	if (!control || !scratch || (!scratch->event.before_length && !scratch->over_rate))
		return 0;
	event = &scratch->event;
	event->what.verdict = verdict;
	event->what.reason = reason;
	if (!shunt_trace_wanted(&control->filter, event))
		return 0;
	if (scratch->over_rate) {
		scratch->over_rate = 0;
		__sync_fetch_and_add(&control->skipped, 1);
		return 0;
	}
	event->after_length = 0;
	if (event->what.verdict == XDP_TX || event->what.verdict == XDP_REDIRECT)
		event->after_length = trace_copy(ctx, event->after);
	if (scratch->due_ns < event->time_ns)
		scratch->due_ns = event->time_ns;
	scratch->due_ns += control->interval_ns;
	if (bpf_ringbuf_output(&trace_ring, event, sizeof(*event), 0) < 0)
		__sync_fetch_and_add(&control->skipped, 1);
	return 0;
}

#endif
