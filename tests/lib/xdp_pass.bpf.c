// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Passes everything. A veth takes frames from its peer's XDP_TX and redirect only while it runs a program of its own. */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

SEC("xdp")
int xdp_pass(struct xdp_md *context)
{
	return XDP_PASS;
}

char _license[] SEC("license") = "Dual BSD/GPL";
