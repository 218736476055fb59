/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Loads probe.bpf.c and attaches it by clsact (tc-bpf(8)), which Linux has had since 4.5. Filters are known by their handle, a
 * hash of the bpf directory: a controller finds its own again after a kill, and several share an interface.
 */
#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "datapath/internal.h"
#include "datapath/paths.h"
#include "net/clsact.h"
#include "probe.skel.h"

#define PRIORITY 0x5348 /* of our filters among others': what passes them goes on to those behind */
#define INTERFACES_MAX 256
#define CLSACT_REMEDY "modprobe sch_ingress cls_bpf, or see `shunt doctor`"

struct paths {
	struct probe_bpf *skeleton;
	uint32_t tag;                   /* in marks; not 0 */
	int ifindex[INTERFACES_MAX];    /* that they are on */
	size_t n_interfaces;
};

static const struct direction {
	enum bpf_tc_attach_point point;
	const char *name;
} directions[] = {{BPF_TC_EGRESS, SHUNT_PROBE_EGRESS}, {BPF_TC_INGRESS, SHUNT_PROBE_INGRESS}};

#define N_DIRECTIONS (sizeof(directions) / sizeof(directions[0]))

static uint32_t tag_of(const char *bpf_dir)
{
	uint64_t hash = 1;

	for (; *bpf_dir; bpf_dir++)
		hash = shunt_mix64(hash + (uint8_t)*bpf_dir);
	return 1 + hash % ((1U << (32 - SHUNT_PROBE_TAG_SHIFT)) - 1);
}

/* ---- loading ---- */

/* Backends and variables, the links among them, are the data path's own; of the other maps in bpf/maps.h it has no use. */
static int share_maps(struct probe_bpf *skeleton, const struct datapath *d, const struct paths *old)
{
	const struct {
		struct bpf_map *to;
		const struct bpf_map *from;
	} shared[] = {
		{skeleton->maps.backends, d->skeleton->maps.backends},
		{skeleton->maps.bss, d->skeleton->maps.bss},
		{skeleton->maps.probe_paths, old ? old->skeleton->maps.probe_paths : NULL},
		{skeleton->maps.probe_flows, old ? old->skeleton->maps.probe_flows : NULL},
	};
	struct bpf_map *map;
	int r = 0;

	bpf_object__for_each_map(map, skeleton->obj)
		bpf_map__set_autocreate(map, bpf_map__is_internal(map));
	for (size_t i = 0; i < sizeof(shared) / sizeof(shared[0]) && r == 0; i++) {
		bpf_map__set_autocreate(shared[i].to, true);
		if (shared[i].from)
			r = bpf_map__reuse_fd(shared[i].to, bpf_map__fd(shared[i].from));
	}
	return r;
}

/* ---- on interfaces ---- */

static bool is_our_filter(int ifindex, const struct direction *direction, uint32_t tag)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex, .attach_point = direction->point);
	LIBBPF_OPTS(bpf_tc_opts, query, .handle = tag, .priority = PRIORITY);
	struct bpf_prog_info info = {0};
	uint32_t info_len = sizeof(info);
	bool ours = false;
	int fd;

	if (bpf_tc_query(&hook, &query) < 0 || (fd = bpf_prog_get_fd_by_id(query.prog_id)) < 0)
		return false;
	ours = bpf_obj_get_info_by_fd(fd, &info, &info_len) == 0 && strcmp(info.name, direction->name) == 0;
	close(fd);
	return ours;
}

/* With our last filter goes the hook itself, when nobody else has one at it. */
static void detach(int ifindex, uint32_t tag)
{
	LIBBPF_OPTS(bpf_tc_hook, both, .ifindex = ifindex, .attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS);
	bool detached = false;

	for (size_t i = 0; i < N_DIRECTIONS; i++) {
		LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex, .attach_point = directions[i].point);
		LIBBPF_OPTS(bpf_tc_opts, filter, .handle = tag, .priority = PRIORITY);

		if (is_our_filter(ifindex, &directions[i], tag))
			detached = bpf_tc_detach(&hook, &filter) == 0 || detached;
	}
	if (detached && clsact_is_empty(ifindex) == 1)
		bpf_tc_hook_destroy(&both);
}

int paths_attach(struct paths *paths, int ifindex)
{
	const struct bpf_program *const programs[] = {paths->skeleton->progs.probe_egress, paths->skeleton->progs.probe_ingress};
	char name[IF_NAMESIZE] = "?";
	int r = 0;

	for (size_t i = 0; i < paths->n_interfaces; i++)
		if (paths->ifindex[i] == ifindex)
			return 0;
	if_indextoname(ifindex, name);
	if (paths->n_interfaces == INTERFACES_MAX)
		return datapath_fail(-ENOSPC, "interface %s: via: service: no more than %d interfaces", name, INTERFACES_MAX);
	for (size_t i = 0; i < N_DIRECTIONS && r == 0; i++) {
		LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex, .attach_point = directions[i].point);
		LIBBPF_OPTS(bpf_tc_opts, filter, .handle = paths->tag, .priority = PRIORITY, .flags = BPF_TC_F_REPLACE,
			    .prog_fd = bpf_program__fd(programs[i]));

		r = bpf_tc_hook_create(&hook);
		if (r == -EEXIST) /* others have filters there */
			r = 0;
		if (r == 0)
			r = bpf_tc_attach(&hook, &filter);
	}
	if (r < 0) {
		detach(ifindex, paths->tag);
		return datapath_fail(r, "interface %s: via: service: probes cannot be sent as traffic goes: %s: " CLSACT_REMEDY, name,
				     strerror(-r));
	}
	paths->ifindex[paths->n_interfaces++] = ifindex;
	return 0;
}

/* ---- from open to close ---- */

static void free_paths(struct paths *paths)
{
	probe_bpf__destroy(paths->skeleton);
	free(paths);
}

int paths_open(const struct datapath *datapath, struct paths *old, struct paths **ret_paths)
{
	LIBBPF_OPTS(bpf_object_open_opts, options, .btf_custom_path = datapath->features.path);
	struct paths *paths = calloc(1, sizeof(*paths));
	int r = -ENOMEM;

	if (paths)
		paths->skeleton = probe_bpf__open_opts(&options);
	if (paths && paths->skeleton) {
		paths->tag = tag_of(datapath->bpf_dir);
		paths->skeleton->rodata->probe_tag = paths->tag;
		memcpy((void *)(uintptr_t)&paths->skeleton->rodata->cfg, &datapath->cfg, sizeof(datapath->cfg));
		r = share_maps(paths->skeleton, datapath, old);
		if (r == 0)
			r = probe_bpf__load(paths->skeleton);
	}
	if (r < 0) {
		paths_close(paths);
		return datapath_fail(r, "via: service: the kernel does not load the program that sends probes as traffic goes: %s",
				     strerror(-r));
	}
	for (size_t i = 0; old && i < old->n_interfaces; i++)
		paths_attach(paths, old->ifindex[i]); /* one that is gone since takes nothing with it */
	if (old)
		free_paths(old);
	*ret_paths = paths;
	return 0;
}

void paths_close(struct paths *paths)
{
	if (!paths)
		return;
	for (size_t i = 0; i < paths->n_interfaces; i++)
		detach(paths->ifindex[i], paths->tag);
	free_paths(paths);
}

void paths_sweep(const char *bpf_dir)
{
	struct if_nameindex *all = if_nameindex();

	for (struct if_nameindex *at = all; at && at->if_index; at++)
		detach(at->if_index, tag_of(bpf_dir));
	if_freenameindex(all);
}

/* ---- what marks stand for ---- */

int paths_set(struct paths *paths, uint32_t key, const struct shunt_probe_path *path)
{
	int fd = bpf_map__fd(paths->skeleton->maps.probe_paths);
	int r = path ? bpf_map_update_elem(fd, &key, path, BPF_ANY) : bpf_map_delete_elem(fd, &key);

	return r == -ENOENT ? 0 : r;
}

uint32_t paths_mark(const struct paths *paths, uint32_t key, enum shunt_probe_kind kind)
{
	return shunt_probe_mark(paths->tag, key, kind);
}
