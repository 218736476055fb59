/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The kernel, what this process may do, memory, clock, controller. No I/O. */
#include <stdlib.h>
#include <string.h>

#include "doctor/judge.h"

#define KERNEL_MAJOR 6             /* what shunt is tested on from: docs/proof.md */
#define KERNEL_MINOR 1
#define MEMLOCK_GONE_MAJOR 5       /* from 5.11 on the memory of maps is no locked memory any more */
#define MEMLOCK_GONE_MINOR 11
#define WALL_PLAUSIBLE_S 1704067200 /* 2024-01-01: earlier, nobody has set the clock */

static bool is_at_least(const struct doctor_host *host, unsigned int major, unsigned int minor)
{
	return host->major > major || (host->major == major && host->minor >= minor);
}

static void judge_kernel(const struct doctor_host *host, struct doctor_report *report)
{
	static const char remedy[] = "boot Linux 6.1 or later: apt install linux-image-amd64";

	if (is_at_least(host, KERNEL_MAJOR, KERNEL_MINOR))
		doctor_add(report, DOCTOR_OK, "kernel", doctor_say("Linux %s", host->release), NULL);
	else
		doctor_add(report, DOCTOR_FAIL, "kernel",
			   doctor_say("Linux %s: older than 6.1, the program may not load", host->release),
			   strdup(remedy));
}

static void judge_bpf(const struct doctor_host *host, struct doctor_report *report)
{
	const struct {
		enum doctor_known has;
		const char *what;
	} wanted[] = {
		{host->xdp, "XDP programs"},
		{host->lpm_trie, "LPM tries"},
		{host->devmap, "device maps"},
		{host->ringbuf, "ring buffers"},
	};
	bool all = true;

	for (size_t i = 0; i < sizeof(wanted) / sizeof(*wanted); i++) {
		all = all && wanted[i].has == DOCTOR_YES;
		if (wanted[i].has == DOCTOR_NO)
			doctor_add(report, DOCTOR_FAIL, "BPF", doctor_say("this kernel has no %s", wanted[i].what),
				   doctor_say("boot a kernel with CONFIG_BPF_SYSCALL and CONFIG_XDP_SOCKETS, as Debian's"));
	}
	if (all)
		doctor_add(report, DOCTOR_OK, "BPF",
			   doctor_say("XDP programs, tries, device maps and ring buffers are there%s",
				      host->btf ? ", and BTF" : ""), NULL);
	else if (host->xdp == DOCTOR_UNKNOWN)
		doctor_add(report, DOCTOR_WARN, "BPF", doctor_say("only root may try what the kernel has"),
			   doctor_say("sudo shunt doctor"));
	if (!host->btf)
		doctor_add(report, DOCTOR_WARN, "BPF",
			   doctor_say("the kernel has no BTF: libxdp's dispatcher is not to be had"),
			   doctor_say("boot a kernel with CONFIG_DEBUG_INFO_BTF, as Debian's"));
	if (host->jit == DOCTOR_NO)
		doctor_add(report, DOCTOR_FAIL, "BPF", doctor_say("programs are interpreted: several times slower"),
			   doctor_say("sysctl -w net.core.bpf_jit_enable=1"));
	else if (host->jit == DOCTOR_YES)
		doctor_add(report, DOCTOR_OK, "BPF", doctor_say("programs are compiled (JIT)"), NULL);
}

/* Programs on the way out and in, beside XDP, for `via: service`. */
static void judge_clsact(const struct doctor_facts *facts, struct doctor_report *report)
{
	if (facts->via_service && facts->clsact == DOCTOR_NO)
		doctor_add(report, DOCTOR_FAIL, "BPF",
			   doctor_say("no programs at clsact: checks with via: service cannot be sent as traffic is"),
			   doctor_say("modprobe sch_ingress cls_bpf, or boot a kernel that has them (CONFIG_NET_SCH_INGRESS, "
				      "CONFIG_NET_CLS_ACT, CONFIG_NET_CLS_BPF)"));
	else if (facts->via_service && facts->clsact == DOCTOR_YES)
		doctor_add(report, DOCTOR_OK, "BPF", doctor_say("checks can be sent as traffic is (clsact)"), NULL);
}

static void judge_rights(const struct doctor_host *host, struct doctor_report *report)
{
	bool bpf = host->caps & DOCTOR_CAP_BPF, net = host->caps & DOCTOR_CAP_NET_ADMIN,
	     perfmon = host->caps & DOCTOR_CAP_PERFMON;

	if (bpf && net && perfmon)
		doctor_add(report, DOCTOR_OK, "capabilities", doctor_say("CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON"), NULL);
	else
		doctor_add(report, DOCTOR_FAIL, "capabilities",
			   doctor_say("a program started as this user cannot load the data path: it lacks%s%s%s",
				      bpf ? "" : " CAP_BPF", net ? "" : " CAP_NET_ADMIN", perfmon ? "" : " CAP_PERFMON"),
			   doctor_say("start shuntd as root, and ask again: sudo shunt doctor"));
	if (is_at_least(host, MEMLOCK_GONE_MAJOR, MEMLOCK_GONE_MINOR))
		doctor_add(report, DOCTOR_OK, "memlock", doctor_say("maps are not counted as locked memory here"), NULL);
	else if (host->memlock_unlimited)
		doctor_add(report, DOCTOR_OK, "memlock", doctor_say("unlimited"), NULL);
	else
		doctor_add(report, DOCTOR_FAIL, "memlock",
			   doctor_say("maps may have %llu kB only", (unsigned long long)host->memlock_bytes / 1024),
			   doctor_say("ulimit -l unlimited (systemd: LimitMEMLOCK=infinity)"));
	if (host->bpffs)
		doctor_add(report, DOCTOR_OK, "bpffs", doctor_say("mounted on /sys/fs/bpf%s",
			   host->data_path_pinned ? "; a data path of shunt is pinned there" : ""), NULL);
	else
		doctor_add(report, DOCTOR_FAIL, "bpffs", doctor_say("/sys/fs/bpf is not mounted, or hidden by `ip netns exec`"),
			   doctor_say("mount -t bpf bpf /sys/fs/bpf"));
}

static void judge_memory(const struct doctor_facts *facts, struct doctor_report *report)
{
	unsigned long long need = facts->memory_bytes >> 20, room = facts->memory_free_bytes >> 20;

	if (!facts->memory_bytes || !facts->memory_free_bytes)
		return;
	if (facts->host.data_path_pinned || need < room)
		doctor_add(report, DOCTOR_OK, "memory", doctor_say("the maps take about %llu MB, %llu MB are free", need, room),
			   NULL);
	else
		doctor_add(report, DOCTOR_FAIL, "memory",
			   doctor_say("the maps take about %llu MB, and %llu MB are free", need, room),
			   doctor_say("a smaller flow_table_size or table_size in %s", facts->config_path));
}

static void judge_clock(const struct doctor_host *host, struct doctor_report *report)
{
	static const char remedy[] = "apt install systemd-timesyncd (or chrony); timedatectl set-ntp true";

	if (host->wall_s < WALL_PLAUSIBLE_S)
		doctor_add(report, DOCTOR_FAIL, "clock",
			   doctor_say("it was never set: certificates, maintenance windows and the audit trail will be wrong"),
			   strdup(remedy));
	else if (host->clock_synchronised == DOCTOR_NO)
		doctor_add(report, DOCTOR_WARN, "clock",
			   doctor_say("nothing keeps it: the audit trails of several hosts will not fit together"),
			   strdup(remedy));
	else if (host->clock_synchronised == DOCTOR_YES)
		doctor_add(report, DOCTOR_OK, "clock", doctor_say("synchronised"), NULL);
}

static void judge_controller(const struct doctor_host *host, struct doctor_report *report)
{
	if (!host->controller)
		doctor_add(report, host->data_path_pinned ? DOCTOR_WARN : DOCTOR_OK, "controller",
			   doctor_say(host->data_path_pinned
					      ? "shuntd does not answer: packets go on, but nobody checks the backends"
					      : "shuntd does not run, and no data path is in place"),
			   host->data_path_pinned ? doctor_say("systemctl start shuntd") : NULL);
	else if (*host->controller_problem)
		doctor_add(report, DOCTOR_WARN, "controller",
			   doctor_say("shuntd %s: %s", host->controller_version, host->controller_problem),
			   doctor_say("shunt status"));
	else
		doctor_add(report, DOCTOR_OK, "controller", doctor_say("shuntd %s answers", host->controller_version), NULL);
}

void judge_host(const struct doctor_facts *facts, struct doctor_report *report)
{
	judge_controller(&facts->host, report);
	judge_kernel(&facts->host, report);
	judge_bpf(&facts->host, report);
	judge_clsact(facts, report);
	judge_rights(&facts->host, report);
	judge_memory(facts, report);
	judge_clock(&facts->host, report);
}
