// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The packet path: a list of stages. Each decides or acts and says whether the packet goes on to the next. */
#include "maps.h"
#include "packet.h"
#include "parse.h"
#include "service.h"
#include "deny.h"
#include "limit.h"
#include "icmp_error.h"
#include "icmp.h"
#include "quic.h"
#include "slot.h"
#include "encap.h"
#include "note.h"
#include "trace.h"

/* What passive detection goes by. */
stage void count_signs(const struct packet *p)
{
	__u32 backend_id = p->backend_id;
	struct shunt_backend_signs *signs;

	if (!feature(PASSIVE) || p->protocol != IPPROTO_TCP || !(signs = bpf_map_lookup_elem(&backend_signs, &backend_id)))
		return;
	signs->tcp++;
	signs->syns += p->starts_flow;
	signs->resets += (p->tcp_flags & TCP_RST) != 0;
}

/* Counts what leaves towards a backend. */
stage void count(const struct packet *p)
{
	__u32 service_id = p->service->id, backend_id = p->backend_id;
	struct shunt_service_stats *service = bpf_map_lookup_elem(&service_stats, &service_id);
	struct shunt_backend_stats *backend = bpf_map_lookup_elem(&backend_stats, &backend_id);

	if (service) {
		service->packets++;
		service->bytes += p->frame_len;
		if (unlikely(p->starts_flow))
			service->new_flows++;
	}
	if (backend) {
		backend->packets++;
		backend->bytes += p->frame_len;
	}
	count_signs(p);
}

/* Keeps it there, whatever the compiler thinks. */
stage struct unusual *in_memory(struct unusual *unusual)
{
	asm volatile("" : "+r"(unusual) : : "memory");
	return unusual;
}

/* The flow of a packet that does not show it itself: of a later fragment, of an ICMP error. */
stage int find_flow(struct packet *p)
{
	if (is_unusual(p)) {
		recall_fragment(p);
		follow_icmp_error(p);
	}
	return SHUNT_NEXT;
}

/*
 * To keep a stage cheap to verify (tests/bpf/test_verifier.c prints what all cost, vmtest on other kernels): every branch
 * doubles what is walked behind it, unless the ways become the same again. So what few packets need goes into a global
 * function (`__noinline`, not static), which is walked once for any arguments: scalars, or a small struct on the stack, and
 * it gives back a scalar, not a pointer. What a stage finds out goes into a bit of `facts` (packet.h), and join_ways() behind
 * the stage lets the verifier forget on which way. Loops choose without branches (shunt/least.h). To keep it cheap to run:
 * no byte-wise copies (addresses by shunt_addr_half() and _word()), nothing read back that was just written in smaller
 * pieces, one branch for what is rare, no call where many packets come: of a global function or of the kernel (coarse_ns() is
 * none), its return costs up to 7 ns (maps.h). `make bench` says what it costs.
 */
stage int run_stages(struct packet *p)
{
	int verdict;

	(verdict = parse(p)) || (verdict = find_flow(p)) || (verdict = find_service(p)) || (verdict = note_flow(p)) ||
		(verdict = admit(p)) || (verdict = deny_client(p)) || (verdict = limit_flows(p)) ||
		(verdict = answer_icmp(p)) || (verdict = follow_connection(p)) || (verdict = pick_backend(p)) ||
		(verdict = note_choice(p)) || (verdict = remember_fragment(p)) || (verdict = send_on(p));
	return verdict;
}

SEC("xdp")
int xdp_shunt(struct xdp_md *ctx)
{
	struct unusual unusual = {};
	struct packet p = {.ctx = ctx, .dry = false, .unusual = in_memory(&unusual)};
	int verdict = run_stages(&p);

	if (p.service && p.backend && verdict != XDP_DROP)
		count(&p);
	return verdict;
}

/* The same stages on a packet that the controller made up: changes nothing, says what was found (`shunt explain`). */
SEC("xdp")
int xdp_explain(struct xdp_md *ctx)
{
	struct unusual unusual = {};
	struct packet p = {.ctx = ctx, .dry = true, .unusual = in_memory(&unusual)};
	struct shunt_explanation *answer = notes(&p);
	int verdict;

	if (!answer)
		return XDP_ABORTED;
	p.unknown = answer->unknown;
	__builtin_memset(answer, 0, sizeof(*answer)); /* in place: Linux 6.1's stack is used up */
	verdict = run_stages(&p);
	note_choice(&p); /* also of what has no backend */
	answer = notes(&p);
	if (!answer)
		return XDP_ABORTED;
	answer->verdict = verdict;
	answer->reason = p.reason;
	answer->link = p.link;
	return verdict;
}

/* The same stages while somebody watches (`shunt trace`): xdp_shunt does not have an instruction of it. */
SEC("xdp")
int xdp_shunt_trace(struct xdp_md *ctx)
{
	struct unusual unusual = {};
	struct packet p = {.ctx = ctx, .traced = true, .unusual = in_memory(&unusual)};
	int verdict;

	trace_begin(ctx);
	verdict = run_stages(&p);
	if (p.service && p.backend && verdict != XDP_DROP)
		count(&p);
	if (p.service)
		trace_end(ctx, verdict, p.reason);
	return verdict;
}

char _license[] SEC("license") = "Dual BSD/GPL";
