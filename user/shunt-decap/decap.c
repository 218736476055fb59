/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Attaches, detaches and reads the decapsulator. Keeps no state and no pins: what is attached is asked of the
 * interface, the counters are found through the attached program. Touches no program but its own, told by its name.
 */
#include "decap.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/if_link.h>

#include "base/cleanup.h"
#include "decap.skel.h"

#define MAPS_MAX 8

/* What hangs on the interface. program_fd < 0: nothing. */
struct attachment {
	int program_fd;
	int stats_fd;                /* of our program's counters, else -1 */
	uint32_t program_id;
	uint32_t mode_flags;
	char name[BPF_OBJ_NAME_LEN];
	bool ours;
};

static __attribute__((format(printf, 2, 3))) void complain(const struct decap_options *options, const char *format, ...)
{
	va_list arguments;

	fprintf(stderr, "shunt-decap: %s: ", options->interface);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
}

static int failed(const struct decap_options *options, const char *what, int error)
{
	complain(options, "%s: %s", what, strerror(-error));
	return error;
}

static const char *mode_text(uint32_t mode_flags)
{
	return mode_flags & XDP_FLAGS_SKB_MODE ? "generic" : mode_flags & XDP_FLAGS_HW_MODE ? "offloaded" : "native";
}

/* ---- what is attached ---- */

static int open_stats(const uint32_t *map_ids, uint32_t n_maps)
{
	for (uint32_t i = 0; i < n_maps; i++) {
		struct bpf_map_info info = {0};
		uint32_t size = sizeof(info);
		int fd = bpf_map_get_fd_by_id(map_ids[i]);

		if (fd < 0)
			continue;
		if (!bpf_obj_get_info_by_fd(fd, &info, &size) && !strcmp(info.name, DECAP_MAP_STATS) &&
		    info.value_size == sizeof(struct decap_stats))
			return fd;
		close(fd);
	}
	return -1;
}

static int describe(struct attachment *attachment)
{
	struct bpf_prog_info info = {0};
	uint32_t map_ids[MAPS_MAX], size = sizeof(info);

	info.nr_map_ids = MAPS_MAX;
	info.map_ids = (uintptr_t)map_ids;
	if (bpf_obj_get_info_by_fd(attachment->program_fd, &info, &size))
		return -errno;
	memcpy(attachment->name, info.name, sizeof(attachment->name));
	attachment->ours = !strcmp(info.name, DECAP_PROGRAM);
	if (attachment->ours)
		attachment->stats_fd = open_stats(map_ids, info.nr_map_ids < MAPS_MAX ? info.nr_map_ids : MAPS_MAX);
	return 0;
}

static void attachment_close(struct attachment *attachment)
{
	closep(&attachment->program_fd);
	closep(&attachment->stats_fd);
}

static int look(const struct decap_options *options, struct attachment *ret_attachment)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, query);
	int r = bpf_xdp_query(options->ifindex, 0, &query);

	*ret_attachment = (struct attachment){.program_fd = -1, .stats_fd = -1};
	if (r < 0)
		return failed(options, "cannot ask for its XDP program", r);
	if (query.attach_mode == XDP_ATTACHED_NONE)
		return 0;
	if (query.attach_mode == XDP_ATTACHED_MULTI) {
		complain(options, "several XDP programs are attached; take them off first");
		return -EBUSY;
	}
	ret_attachment->program_id = query.prog_id;
	ret_attachment->mode_flags = query.attach_mode == XDP_ATTACHED_SKB ? XDP_FLAGS_SKB_MODE
				   : query.attach_mode == XDP_ATTACHED_HW ? XDP_FLAGS_HW_MODE : XDP_FLAGS_DRV_MODE;
	ret_attachment->program_fd = bpf_prog_get_fd_by_id(query.prog_id);
	r = ret_attachment->program_fd < 0 ? -errno : describe(ret_attachment);
	if (r < 0) {
		attachment_close(ret_attachment);
		return failed(options, "cannot look at its XDP program", r);
	}
	return 0;
}

static int refuse_foreign(const struct decap_options *options, const struct attachment *attachment)
{
	if (attachment->program_fd < 0 || attachment->ours)
		return 0;
	complain(options, "XDP program %s (id %u) is attached, which is not this one; take it off first",
		 attachment->name, attachment->program_id);
	return -EBUSY;
}

/* ---- commands ---- */

static int detach(const struct decap_options *options, const struct attachment *attachment)
{
	LIBBPF_OPTS(bpf_xdp_attach_opts, opts, .old_prog_fd = attachment->program_fd);
	int r = bpf_xdp_detach(options->ifindex, attachment->mode_flags, &opts);

	return r < 0 ? failed(options, "cannot detach", r) : 0;
}

static int attach_new(const struct decap_options *options, int program_fd, uint32_t *ret_mode_flags)
{
	uint32_t mode = options->mode_flags ? options->mode_flags : XDP_FLAGS_DRV_MODE;
	int r = bpf_xdp_attach(options->ifindex, program_fd, mode | XDP_FLAGS_UPDATE_IF_NOEXIST, NULL);

	if (r < 0 && r != -EBUSY && r != -EEXIST && r != -EPERM && !options->mode_flags) {
		complain(options, "warning: native mode failed (%s), using generic mode, which is slower",
			 strerror(-r));
		mode = XDP_FLAGS_SKB_MODE;
		r = bpf_xdp_attach(options->ifindex, program_fd, mode | XDP_FLAGS_UPDATE_IF_NOEXIST, NULL);
	}
	if (r < 0)
		return failed(options, "cannot attach", r);
	*ret_mode_flags = mode;
	return 0;
}

static int replace(const struct decap_options *options, const struct attachment *old, int program_fd)
{
	LIBBPF_OPTS(bpf_xdp_attach_opts, opts, .old_prog_fd = old->program_fd);
	int r = bpf_xdp_attach(options->ifindex, program_fd, old->mode_flags, &opts);

	return r < 0 ? failed(options, "cannot replace", r) : 0;
}

/* Another mode cannot be had at one stroke: the kernel refuses native and generic at once. */
static int attach(const struct decap_options *options, const struct attachment *old, int program_fd)
{
	bool other_mode = options->mode_flags && options->mode_flags != old->mode_flags;
	uint32_t mode_flags = old->mode_flags;
	int r = 0;

	if (old->ours && !other_mode)
		r = replace(options, old, program_fd);
	if (r >= 0 && old->ours && other_mode)
		r = detach(options, old);
	if (r >= 0 && (!old->ours || other_mode))
		r = attach_new(options, program_fd, &mode_flags);
	if (r >= 0)
		printf("%s: loaded, %s mode\n", options->interface, mode_text(mode_flags));
	return r;
}

int decap_load(const struct decap_options *options)
{
	_cleanup_(attachment_close) struct attachment old;
	struct decap_bpf *skeleton = NULL;
	int r = look(options, &old);

	if (r >= 0)
		r = refuse_foreign(options, &old);
	if (r < 0)
		return r;
	skeleton = decap_bpf__open();
	if (!skeleton)
		return failed(options, "cannot open the program", -errno);
	memcpy((void *)&skeleton->rodata->config, &options->config, sizeof(options->config));
	if (old.stats_fd >= 0)
		r = bpf_map__reuse_fd(skeleton->maps.decap_stats, old.stats_fd);
	if (r >= 0)
		r = decap_bpf__load(skeleton);
	if (r < 0)
		failed(options, "cannot load the program", r);
	else
		r = attach(options, &old, bpf_program__fd(skeleton->progs.shunt_decap));
	decap_bpf__destroy(skeleton);
	return r;
}

int decap_unload(const struct decap_options *options)
{
	_cleanup_(attachment_close) struct attachment old;
	int r = look(options, &old);

	if (r >= 0)
		r = refuse_foreign(options, &old);
	if (r >= 0 && old.ours)
		r = detach(options, &old);
	if (r >= 0)
		printf("%s: %s\n", options->interface, old.ours ? "unloaded" : "was not loaded");
	return r;
}

static int sum_stats(int fd, struct decap_stats *ret_stats)
{
	int n_cpus = libbpf_num_possible_cpus();
	_cleanup_(freep) struct decap_stats *each = n_cpus > 0 ? calloc(n_cpus, sizeof(*each)) : NULL;
	uint32_t key = 0;

	if (!each)
		return -ENOMEM;
	if (bpf_map_lookup_elem(fd, &key, each))
		return -errno;
	*ret_stats = (struct decap_stats){0};
	for (int i = 0; i < n_cpus; i++) {
#define X(name, counter, action, text) ret_stats->counter += each[i].counter;
		DECAP_OUTCOMES(X)
#undef X
	}
	return 0;
}

int decap_status(const struct decap_options *options)
{
	_cleanup_(attachment_close) struct attachment attached;
	struct decap_stats stats = {0};
	int r = look(options, &attached);

	if (r < 0)
		return r;
	if (!attached.ours) {
		complain(options, "the decapsulator is not loaded%s%s", *attached.name ? "; there is " : "",
			 attached.name);
		return -ENOENT;
	}
	r = sum_stats(attached.stats_fd, &stats);
	if (r < 0)
		return failed(options, "cannot read the counters", r);
	printf("%s: loaded, %s mode, program id %u\n", options->interface, mode_text(attached.mode_flags),
	       attached.program_id);
#define X(name, counter, action, text) \
	printf("  %-16s %12llu  %s\n", #counter, (unsigned long long)stats.counter, text);
	DECAP_OUTCOMES(X)
#undef X
	return 0;
}
