// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What the kernel's number of ticks and its coarse clock are at one moment, for user/datapath/tick.c. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

__u64 ticks, coarse_ns;

SEC("xdp")
int read_clocks(struct xdp_md *ctx)
{
	ticks = bpf_jiffies64();
	coarse_ns = bpf_ktime_get_coarse_ns();
	return XDP_PASS;
}

char _license[] SEC("license") = "Dual BSD/GPL";
