/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <errno.h>
#include <stdlib.h>
#include <time.h>
#include <linux/if_ether.h>

#include <bpf/bpf.h>

#include "tick.skel.h"
#include "datapath/tick.h"

#define SAMPLES 5

static int read_clocks(const struct tick_bpf *skeleton)
{
	uint8_t frame[ETH_ZLEN] = {0};
	LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = frame, .data_size_in = sizeof(frame));

	return bpf_prog_test_run_opts(bpf_program__fd(skeleton->progs.read_clocks), &run);
}

static int by_start(const void *a, const void *b)
{
	int64_t difference = *(const uint64_t *)a - *(const uint64_t *)b;

	return difference < 0 ? -1 : difference > 0;
}

/*
 * The median of several ticks: who reads while the kernel has counted a tick and not yet set the clock is one behind, and now and
 * then the clock is one ahead. It is never ahead of CLOCK_MONOTONIC, and up to two ticks behind.
 */
static int measure(const struct tick_bpf *skeleton, struct shunt_tick *ret_tick)
{
	struct timespec length;
	uint64_t start_ns[SAMPLES], length_ns;

	if (clock_getres(CLOCK_MONOTONIC_COARSE, &length) < 0)
		return -errno;
	length_ns = length.tv_sec * 1000000000ULL + length.tv_nsec;
	for (int i = 0; i < SAMPLES; i++) {
		int r;

		if (i > 0)
			(void)nanosleep(&length, NULL);
		r = read_clocks(skeleton);
		if (r < 0)
			return r;
		start_ns[i] = skeleton->bss->coarse_ns - skeleton->bss->ticks * length_ns;
	}
	qsort(start_ns, SAMPLES, sizeof(start_ns[0]), by_start);
	*ret_tick = (struct shunt_tick){.length_ns = length_ns, .start_ns = start_ns[SAMPLES / 2]};
	return 0;
}

int tick_find(struct shunt_tick *ret_tick)
{
	static struct shunt_tick known;
	int r = 0;

	if (!known.length_ns) {
		struct tick_bpf *skeleton = tick_bpf__open_and_load();

		if (!skeleton)
			return -errno;
		r = measure(skeleton, &known);
		tick_bpf__destroy(skeleton);
	}
	*ret_tick = known;
	return r;
}
