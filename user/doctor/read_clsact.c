/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Whether programs can be put on interfaces by clsact, as checks with `via: service` need: tried in a network of its own. */
#include <linux/bpf.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "doctor/read.h"

#define LOOPBACK 1 /* the interface of every new network */

enum answer { ANSWER_YES, ANSWER_NO, ANSWER_UNKNOWN };

static enum answer try_clsact(void)
{
	static const struct bpf_insn pass[] = {{.code = BPF_ALU64 | BPF_MOV | BPF_K, .imm = -1}, {.code = BPF_JMP | BPF_EXIT}};
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = LOOPBACK, .attach_point = BPF_TC_EGRESS);
	LIBBPF_OPTS(bpf_tc_opts, filter, .prog_fd = -1);

	if (unshare(CLONE_NEWNET) < 0)
		return ANSWER_UNKNOWN;
	filter.prog_fd = bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "try", "GPL", pass, sizeof(pass) / sizeof(*pass), NULL);
	if (filter.prog_fd < 0)
		return ANSWER_NO;
	return bpf_tc_hook_create(&hook) < 0 || bpf_tc_attach(&hook, &filter) < 0 ? ANSWER_NO : ANSWER_YES;
}

enum doctor_known read_clsact(void)
{
	pid_t child = fork();
	int status;

	if (child == 0)
		_exit(try_clsact());
	if (child < 0 || waitpid(child, &status, 0) != child || !WIFEXITED(status))
		return DOCTOR_UNKNOWN;
	return WEXITSTATUS(status) == ANSWER_YES ? DOCTOR_YES : WEXITSTATUS(status) == ANSWER_NO ? DOCTOR_NO : DOCTOR_UNKNOWN;
}
