/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What outlives the controller: the pinned maps and program, put in place, found again, adopted and taken away. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/vfs.h>
#include <linux/magic.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "base/file.h"
#include "datapath/internal.h"

void pinned_maps_of(const struct shunt_bpf *skeleton, struct bpf_map *ret_maps[PINNED_MAPS])
{
	struct bpf_map *maps[PINNED_MAPS] = {
		skeleton->maps.info,	 skeleton->maps.bss,	  skeleton->maps.services, skeleton->maps.groups,
		skeleton->maps.slots,	 skeleton->maps.backends, skeleton->maps.flows,
		skeleton->maps.service_stats, skeleton->maps.backend_stats, skeleton->maps.drop_stats,
		skeleton->maps.service_answers, skeleton->maps.backend_answers, skeleton->maps.backend_signs,
		skeleton->maps.fragments,
		skeleton->maps.answers,	 skeleton->maps.answer_seeds,
		skeleton->maps.deny,	 skeleton->maps.deny_filter, skeleton->maps.allow,	skeleton->maps.limits,
		skeleton->maps.client_groups, skeleton->maps.server_ids,
	};

	memcpy(ret_maps, maps, sizeof(maps));
}

const char *pin_name(const struct bpf_map *map)
{
	return bpf_map__is_internal(map) ? SHUNT_MAP_DIRECT : bpf_map__name(map);
}

void pins_path(const char *bpf_dir, const char *name, char path[256])
{
	snprintf(path, 256, "%s/%s", bpf_dir, name);
}

/* Makes the folder; it must be on a bpf filesystem, or nothing can be pinned there. */
int pins_make_folder(const char *bpf_dir)
{
	struct statfs fs;
	int r = file_make_directories(bpf_dir, 0700);

	if (r < 0)
		return datapath_fail(r, "%s: cannot make the folder: %s", bpf_dir, strerror(-r));
	if (statfs(bpf_dir, &fs) < 0)
		return datapath_fail(-errno, "%s: %s", bpf_dir, strerror(errno));
	if ((unsigned long)fs.f_type != BPF_FS_MAGIC) {
		rmdir(bpf_dir);
		return datapath_fail(-EINVAL,
				     "%s is not on a bpf filesystem: mount one with `mount -t bpf bpf /sys/fs/bpf` "
				     "(`ip netns exec` hides it: use `nsenter --net=` instead)", bpf_dir);
	}
	return 0;
}

/* Puts an object under its path, in place of what is there, at no moment without either. */
static int pin_fd(int fd, const char *bpf_dir, const char *name)
{
	char path[256], fresh[256];
	int r = 0;

	pins_path(bpf_dir, name, path);
	snprintf(fresh, sizeof(fresh), "%s/%s_next", bpf_dir, name);
	unlink(fresh);
	if (bpf_obj_pin(fd, fresh) < 0)
		return datapath_fail(-errno, "%s: cannot pin: %s", path, strerror(errno));
	if (rename(fresh, path) < 0) {
		r = datapath_fail(-errno, "%s: cannot pin: %s", path, strerror(errno));
		unlink(fresh);
	}
	return r;
}

/* What earlier layouts pinned and this one does not: it would stay, and the folder with it, when such a data path was replaced. */
static void remove_retired(const char *bpf_dir)
{
	static const char *const names[] = {"links", "service_seeds"}; /* until version 8 */
	char path[256];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		pins_path(bpf_dir, names[i], path);
		unlink(path);
	}
}

int pins_put(struct datapath *datapath)
{
	struct bpf_map *maps[PINNED_MAPS];
	int r = 0;

	pinned_maps_of(datapath->skeleton, maps);
	for (int i = 0; i < PINNED_MAPS && r == 0; i++)
		r = pin_fd(bpf_map__fd(maps[i]), datapath->bpf_dir, pin_name(maps[i]));
	if (r == 0)
		r = pin_fd(bpf_program__fd(datapath->skeleton->progs.xdp_shunt), datapath->bpf_dir, SHUNT_PROGRAM);
	if (r == 0)
		remove_retired(datapath->bpf_dir);
	return r;
}

void pins_remove(const char *bpf_dir, const struct shunt_bpf *skeleton)
{
	struct bpf_map *maps[PINNED_MAPS];
	char path[256];

	pinned_maps_of(skeleton, maps);
	for (int i = 0; i < PINNED_MAPS; i++) {
		pins_path(bpf_dir, pin_name(maps[i]), path);
		unlink(path);
	}
	pins_path(bpf_dir, SHUNT_PROGRAM, path);
	unlink(path);
	rmdir(bpf_dir);
}

/* 1 with *ret_info when a data path is pinned, 0 when none is. */
int pins_read_info(const char *bpf_dir, struct shunt_info *ret_info)
{
	char path[256];
	uint32_t first = 0;
	int fd, r;

	pins_path(bpf_dir, SHUNT_MAP_INFO, path);
	fd = bpf_obj_get(path);
	if (fd < 0)
		return errno == ENOENT ? 0 : datapath_fail(-errno, "%s: %s", path, strerror(errno));
	r = bpf_map_lookup_elem(fd, &first, ret_info);
	close(fd);
	return r < 0 ? datapath_fail(-EIO, "%s: cannot be read: %s", path, strerror(-r)) : 1;
}

/* Takes memory only while something uses it: the pinned map is then of another size. */
static bool is_for_some(const struct shunt_bpf *skeleton, const struct bpf_map *map)
{
	return map == skeleton->maps.answers || map == skeleton->maps.answer_seeds || map == skeleton->maps.service_answers ||
	       map == skeleton->maps.backend_answers || map == skeleton->maps.backend_signs;
}

static bool is_of_another_size(const struct bpf_map *map, int fd)
{
	struct bpf_map_info info = {0};
	uint32_t info_len = sizeof(info);

	return bpf_obj_get_info_by_fd(fd, &info, &info_len) == 0 && info.max_entries != bpf_map__max_entries(map);
}

/* Uses the pinned maps, all but `slots` when it has become too small. */
int pins_reuse(struct datapath *d, bool with_slots)
{
	struct bpf_map *maps[PINNED_MAPS];

	pinned_maps_of(d->skeleton, maps);
	for (int i = 0; i < PINNED_MAPS; i++) {
		char path[256];
		int fd, r;

		if (maps[i] == d->skeleton->maps.slots && !with_slots)
			continue;
		pins_path(d->bpf_dir, pin_name(maps[i]), path);
		fd = bpf_obj_get(path);
		if (fd < 0 && errno == ENOENT)
			continue; /* killed before all were pinned: this one is made */
		if (fd < 0)
			return datapath_fail(-errno, "%s: %s", path, strerror(errno));
		r = 0;
		if (!is_for_some(d->skeleton, maps[i]) || !is_of_another_size(maps[i], fd))
			r = bpf_map__reuse_fd(maps[i], fd);
		close(fd);
		if (r < 0)
			return datapath_fail(r, "%s: cannot be adopted: %s", path, strerror(-r));
	}
	return 0;
}

/* The tables in use go over into a larger map: the group with index g has tables 2g and 2g + 1 in both. */
int pins_copy_slots(struct datapath *d)
{
	struct bpf_map_info info = {0};
	uint32_t info_len = sizeof(info);
	char path[256];
	void *start;
	int fd, r = 0;

	pins_path(d->bpf_dir, SHUNT_MAP_SLOTS, path);
	fd = bpf_obj_get(path);
	if (fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &info_len) < 0) {
		r = datapath_fail(-errno, "%s: %s", path, strerror(errno));
		goto end;
	}
	start = mmap(NULL, (size_t)info.max_entries * info.value_size, PROT_READ, MAP_SHARED, fd, 0);
	if (start == MAP_FAILED) {
		r = datapath_fail(-errno, "%s: %s", path, strerror(errno));
		goto end;
	}
	memcpy(d->slots, start, (size_t)info.max_entries * info.value_size);
	munmap(start, (size_t)info.max_entries * info.value_size);
end:
	if (fd >= 0)
		close(fd);
	return r;
}
