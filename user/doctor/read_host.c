/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Facts about the kernel and this process. */
#include <linux/bpf.h>
#include <linux/capability.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/timex.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include <bpf/libbpf.h>

#include <shunt/names.h>

#include "doctor/read.h"

static unsigned int read_caps(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2] = {{0}};
	uint64_t effective;

	if (syscall(SYS_capget, &header, data) < 0)
		return 0;
	effective = (uint64_t)data[1].effective << 32 | data[0].effective;
	/* Before Linux 5.8, and since then still, CAP_SYS_ADMIN includes BPF and PERFMON. */
	return (effective & (1ULL << CAP_BPF | 1ULL << CAP_SYS_ADMIN) ? DOCTOR_CAP_BPF : 0) |
	       (effective & (1ULL << CAP_PERFMON | 1ULL << CAP_SYS_ADMIN) ? DOCTOR_CAP_PERFMON : 0) |
	       (effective & 1ULL << CAP_NET_ADMIN ? DOCTOR_CAP_NET_ADMIN : 0);
}

static enum doctor_known known(int probed)
{
	return probed < 0 ? DOCTOR_UNKNOWN : probed ? DOCTOR_YES : DOCTOR_NO;
}

static int silent(enum libbpf_print_level level, const char *format, va_list arguments)
{
	(void)level, (void)format, (void)arguments;
	return 0;
}

/* Tries what the kernel has: a map or program of the kind is made and thrown away. */
static void read_bpf(struct doctor_host *host)
{
	bool may = host->caps & DOCTOR_CAP_BPF && host->caps & DOCTOR_CAP_NET_ADMIN;

	libbpf_set_print(silent);
	host->xdp = may ? known(libbpf_probe_bpf_prog_type(BPF_PROG_TYPE_XDP, NULL)) : DOCTOR_UNKNOWN;
	host->ringbuf = may ? known(libbpf_probe_bpf_map_type(BPF_MAP_TYPE_RINGBUF, NULL)) : DOCTOR_UNKNOWN;
	host->devmap = may ? known(libbpf_probe_bpf_map_type(BPF_MAP_TYPE_DEVMAP, NULL)) : DOCTOR_UNKNOWN;
	host->lpm_trie = may ? known(libbpf_probe_bpf_map_type(BPF_MAP_TYPE_LPM_TRIE, NULL)) : DOCTOR_UNKNOWN;
}

static void read_clock(struct doctor_host *host)
{
	struct timex time_state = {0};
	int r = adjtimex(&time_state);

	host->clock_synchronised = r < 0 ? DOCTOR_UNKNOWN : r == TIME_ERROR || time_state.status & STA_UNSYNC ? DOCTOR_NO : DOCTOR_YES;
	host->clock_error_us = r < 0 ? 0 : time_state.esterror;
	host->wall_s = time(NULL);
}

void read_host(const char *bpf_dir, struct doctor_host *host)
{
	struct utsname name;
	struct statfs bpffs;
	struct rlimit limit;
	uint64_t number;
	char path[256];

	*host = (struct doctor_host){.jit = DOCTOR_UNKNOWN};
	if (uname(&name) == 0) {
		snprintf(host->release, sizeof(host->release), "%s", name.release);
		sscanf(name.release, "%u.%u", &host->major, &host->minor);
	}
	host->btf = access("/sys/kernel/btf/vmlinux", R_OK) == 0;
	if (read_number(&number, "/proc/sys/net/core/bpf_jit_enable") == 0)
		host->jit = number ? DOCTOR_YES : DOCTOR_NO;
	host->caps = read_caps();
	read_bpf(host);
	if (getrlimit(RLIMIT_MEMLOCK, &limit) == 0) {
		host->memlock_unlimited = limit.rlim_cur == RLIM_INFINITY;
		host->memlock_bytes = limit.rlim_cur;
	}
	host->bpffs = statfs("/sys/fs/bpf", &bpffs) == 0 && bpffs.f_type == BPF_FS_MAGIC;
	snprintf(path, sizeof(path), "%s/" SHUNT_PROGRAM, bpf_dir);
	host->data_path_pinned = access(path, F_OK) == 0;
	read_clock(host);
	host->cpus = (unsigned int)sysconf(_SC_NPROCESSORS_ONLN);
	for (int v6 = 0; v6 < 2; v6++)
		if (read_number(&number, "/proc/sys/net/ipv%d/neigh/default/gc_thresh3", v6 ? 6 : 4) == 0)
			host->neighbours_max[v6] = (uint32_t)number;
}
