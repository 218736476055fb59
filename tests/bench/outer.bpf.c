// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The programs around the measured one. BPF_PROG_TEST_RUN does not restore the packet between repetitions, so
 * bench_outer first takes off the outer header that the last repetition put on, makes the packet one of another flow,
 * and then tail-calls the program that user/datapath loaded: what is measured is that program itself.
 *
 * Each field is written whole, by one store, so that no read of the measured program waits for two of them.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "outer.h"

#define PORTS_LEN 4

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} target SEC(".maps");

struct bench_run run; /* written by run.c before each measurement */

SEC("xdp")
int bench_empty(struct xdp_md *ctx)
{
	return XDP_TX;
}

/* What every forwarder must do at the least. */
SEC("xdp")
int bench_swap(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct ethhdr *eth = data;
	struct iphdr *ip = (void *)(eth + 1);
	struct tcphdr *tcp = (void *)(ip + 1);
	__u8 mac[ETH_ALEN];

	if ((void *)(tcp + 1) > end || eth->h_proto != bpf_htons(ETH_P_IP) || ip->ihl != 5 ||
	    ip->protocol != IPPROTO_TCP || tcp->dest != bpf_htons(80))
		return XDP_PASS;
	__builtin_memcpy(mac, eth->h_source, ETH_ALEN);
	__builtin_memcpy(eth->h_source, eth->h_dest, ETH_ALEN);
	__builtin_memcpy(eth->h_dest, mac, ETH_ALEN);
	return XDP_TX;
}

/* The IP header's checksum is right (RFC 1071); that of TCP is not, and nobody looks. */
static __always_inline void restore_ipv4(void *ip, __u32 flow, __u32 lowest)
{
	__u64 source = bpf_htonl(run.source ^ flow), destination = bpf_htonl(run.destination | lowest);
	__u64 sum = run.rest_sum + source + destination;

	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	*(__u32 *)(ip + 8) = run.ttl_word | (~sum & 0xffff) << 16;
	*(__u64 *)(ip + 12) = source | destination << 32;
	*(__u32 *)(ip + 20) = run.ports;
}

static __always_inline void restore_ipv6(void *ip, __u32 flow)
{
	*(__u32 *)(ip + 4) = run.ttl_word;
	*(__u64 *)(ip + 8) = run.source6[0];
	*(__u64 *)(ip + 16) = run.source6[1] ^ (__u64)flow << 32;
	*(__u64 *)(ip + 24) = run.destination6[0];
	*(__u64 *)(ip + 32) = run.destination6[1];
	*(__u32 *)(ip + 40) = run.ports;
}

SEC("xdp")
int bench_outer(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data;
	__u32 flow;

	if (ctx->data_end - ctx->data != run.frame_len && bpf_xdp_adjust_head(ctx, run.outer_len))
		return XDP_ABORTED;
	data = (void *)(long)ctx->data;
	if (data + ETH_HLEN + sizeof(struct iphdr) + PORTS_LEN > (void *)(long)ctx->data_end)
		return XDP_ABORTED;
	run.random = run.random * run.multiplier + run.increment;
	flow = run.random >> BENCH_FLOW_SHIFT & run.flow_mask;
	*(__u64 *)data = run.ethernet[0];
	*(__u32 *)(data + 8) = run.ethernet[1];
	if (run.ipv6) {
		if (data + ETH_HLEN + sizeof(struct ipv6hdr) + PORTS_LEN > (void *)(long)ctx->data_end)
			return XDP_ABORTED;
		*(__be16 *)(data + 12) = bpf_htons(ETH_P_IPV6);
		restore_ipv6(data + ETH_HLEN, flow);
	} else {
		*(__be16 *)(data + 12) = bpf_htons(ETH_P_IP);
		restore_ipv4(data + ETH_HLEN, flow, run.random >> BENCH_DESTINATION_SHIFT & run.destination_mask);
	}
	bpf_tail_call_static(ctx, &target, 0);
	return XDP_ABORTED;
}

char _license[] SEC("license") = "Dual BSD/GPL";
