// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * xdp-pass INTERFACE: attaches, in native mode, an XDP program that passes everything. A veth takes frames from its peer's
 * XDP_TX and redirect only while it runs a program of its own. (`ip link set … xdp` would do, but leaves folders in bpffs.)
 */
#include <errno.h>
#include <linux/bpf.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

int main(int argc, char **argv)
{
	const struct bpf_insn pass[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = XDP_PASS },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	unsigned int ifindex = argc == 2 ? if_nametoindex(argv[1]) : 0;
	int fd, r;

	if (!ifindex) {
		fprintf(stderr, "usage: xdp-pass INTERFACE\n");
		return 2;
	}
	fd = bpf_prog_load(BPF_PROG_TYPE_XDP, "xdp_pass", "Dual BSD/GPL", pass, sizeof(pass) / sizeof(pass[0]), NULL);
	r = fd < 0 ? fd : bpf_xdp_attach((int)ifindex, fd, XDP_FLAGS_DRV_MODE, NULL);
	if (r < 0) {
		fprintf(stderr, "xdp-pass: %s: %s\n", argv[1], strerror(-r));
		return 1;
	}
	return 0; /* the interface keeps the program */
}
