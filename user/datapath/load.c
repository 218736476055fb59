/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Loads the program and creates or adopts its maps. Order, so that a kill at any point leaves something that the next start
 * can adopt: maps are created, then pinned, then filled, and a program is attached last.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <linux/magic.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <xdp/libxdp.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/log.h"
#include "datapath/internal.h"

static char last_error[512];

const char *datapath_error(void)
{
	return last_error;
}

int datapath_fail(int error, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(last_error, sizeof(last_error), format, args);
	va_end(args);
	return error;
}

void pinned_maps_of(const struct shunt_bpf *skeleton, struct bpf_map *ret_maps[PINNED_MAPS])
{
	struct bpf_map *maps[PINNED_MAPS] = {
		skeleton->maps.info,	 skeleton->maps.services, skeleton->maps.service_seeds, skeleton->maps.groups,
		skeleton->maps.slots,	 skeleton->maps.backends, skeleton->maps.links,		skeleton->maps.flows,
		skeleton->maps.service_stats, skeleton->maps.backend_stats, skeleton->maps.drop_stats,
		skeleton->maps.fragments,
		skeleton->maps.answers,	 skeleton->maps.answer_seeds,
		skeleton->maps.deny,	 skeleton->maps.deny_filter, skeleton->maps.allow,	skeleton->maps.limits,
		skeleton->maps.client_groups, skeleton->maps.server_ids,
	};

	memcpy(ret_maps, maps, sizeof(maps));
}

/* What the libraries have to say is for debugging: what matters of it is in datapath_error(). */
static int log_library(const char *library, const char *format, va_list args)
{
	char *text, *rest, *line;

	if (vasprintf(&text, format, args) < 0)
		return 0;
	for (rest = text; (line = strsep(&rest, "\n"));) /* the verifier's words come as one piece of many lines */
		if (*line)
			log_debug("%s: %s", library, line);
	free(text);
	return 0;
}

static int libbpf_log(enum libbpf_print_level level, const char *format, va_list args)
{
	(void)level;
	return log_library("libbpf", format, args);
}

static int libxdp_log(enum libxdp_print_level level, const char *format, va_list args)
{
	(void)level;
	return log_library("libxdp", format, args);
}

/* ---- pins ---- */

static void pin_path(const char *bpf_dir, const char *name, char path[256])
{
	snprintf(path, 256, "%s/%s", bpf_dir, name);
}

/* Makes the folder; it must be on a bpf filesystem, or nothing can be pinned there. */
static int make_bpf_dir(const char *bpf_dir)
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

	pin_path(bpf_dir, name, path);
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

static int pin_all(struct datapath *datapath)
{
	struct bpf_map *maps[PINNED_MAPS];
	int r = 0;

	pinned_maps_of(datapath->skeleton, maps);
	for (int i = 0; i < PINNED_MAPS && r == 0; i++)
		r = pin_fd(bpf_map__fd(maps[i]), datapath->bpf_dir, bpf_map__name(maps[i]));
	if (r == 0)
		r = pin_fd(bpf_program__fd(datapath->skeleton->progs.xdp_shunt), datapath->bpf_dir, SHUNT_PROGRAM);
	return r;
}

static void unpin_all(const char *bpf_dir, const struct shunt_bpf *skeleton)
{
	struct bpf_map *maps[PINNED_MAPS];
	char path[256];

	pinned_maps_of(skeleton, maps);
	for (int i = 0; i < PINNED_MAPS; i++) {
		pin_path(bpf_dir, bpf_map__name(maps[i]), path);
		unlink(path);
	}
	pin_path(bpf_dir, SHUNT_PROGRAM, path);
	unlink(path);
	rmdir(bpf_dir);
}

/* ---- memory ---- */

static int map_into_memory(const struct bpf_map *map, struct mapped *ret_mapped, void **ret_start)
{
	size_t page = sysconf(_SC_PAGESIZE);
	size_t element = (bpf_map__value_size(map) + 7) & ~(size_t)7;
	size_t bytes = (element * bpf_map__max_entries(map) + page - 1) & ~(page - 1);
	void *start = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, bpf_map__fd(map), 0);

	if (start == MAP_FAILED)
		return datapath_fail(-errno, "map %s: cannot be mapped: %s", bpf_map__name(map), strerror(errno));
	*ret_mapped = (struct mapped){.start = start, .bytes = bytes};
	*ret_start = start;
	return 0;
}

static int map_all(struct datapath *d)
{
	const struct shunt_bpf *s = d->skeleton;
	const struct {
		const struct bpf_map *map;
		struct mapped *mapped;
		void *start;
	} all[] = {
		{s->maps.info, &d->info_map, &d->info},
		{s->maps.services, &d->services_map, &d->services.start},
		{s->maps.service_seeds, &d->seeds_map, &d->services.seeds},
		{s->maps.answers, &d->answers_map, &d->answers.start},
		{s->maps.answer_seeds, &d->answer_seeds_map, &d->answers.seeds},
		{s->maps.groups, &d->groups_map, &d->groups},
		{s->maps.slots, &d->slots_map, &d->slots},
		{s->maps.backends, &d->backends_map, &d->backends},
		{s->maps.links, &d->links_map, &d->links},
		{s->maps.flows, &d->flows_map, &d->flows},
		{s->maps.deny_filter, &d->filter_map, &d->filter},
		{s->maps.limits, &d->limits_map, &d->limits},
		{s->maps.prefix_roots, &d->roots_map, &d->index.roots},
		{s->maps.prefix_steps, &d->steps_map, &d->index.steps},
		{s->maps.prefix_seeds, &d->prefix_seeds_map, &d->index.seeds},
		{s->maps.prefix_entries, &d->entries_map, &d->index.entries},
	};
	int r = 0;

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]) && r == 0; i++)
		r = map_into_memory(all[i].map, all[i].mapped, all[i].start);
	return r;
}

static void unmap_all(struct datapath *d)
{
	struct mapped *all[] = {&d->info_map, &d->services_map, &d->seeds_map, &d->answers_map, &d->answer_seeds_map, &d->groups_map,
				&d->slots_map, &d->backends_map, &d->links_map, &d->flows_map,
				&d->filter_map, &d->limits_map, &d->roots_map, &d->steps_map, &d->prefix_seeds_map,
				&d->entries_map};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (all[i]->start)
			munmap(all[i]->start, all[i]->bytes);
}

/* ---- what is pinned already ---- */

/* 1 with *ret_info when a data path is pinned, 0 when none is. */
static int read_pinned_info(const char *bpf_dir, struct shunt_info *ret_info)
{
	char path[256];
	uint32_t first = 0;
	int fd, r;

	pin_path(bpf_dir, SHUNT_MAP_INFO, path);
	fd = bpf_obj_get(path);
	if (fd < 0)
		return errno == ENOENT ? 0 : datapath_fail(-errno, "%s: %s", path, strerror(errno));
	r = bpf_map_lookup_elem(fd, &first, ret_info);
	close(fd);
	return r < 0 ? datapath_fail(-EIO, "%s: cannot be read: %s", path, strerror(-r)) : 1;
}

#define FRESH_REMEDY "start shuntd with --fresh to replace it (living flows are scattered)"

static int check_adoptable(const struct shunt_info *info, const struct datapath_options *options)
{
	if (info->abi_version != SHUNT_ABI_VERSION)
		return datapath_fail(-EEXIST, "%s holds a data path of ABI version %u, this is %u: " FRESH_REMEDY,
				     options->bpf_dir, info->abi_version, SHUNT_ABI_VERSION);
	if (info->table_size != options->table_size)
		return datapath_fail(-EEXIST, "%s holds a data path with table_size %u, the configuration says %u: " FRESH_REMEDY,
				     options->bpf_dir, info->table_size, options->table_size);
	if (info->hash_seed != options->hash_seed)
		return datapath_fail(-EEXIST, "%s holds a data path with another hash_seed: " FRESH_REMEDY, options->bpf_dir);
	if (info->flow_lines != options->flow_table_size / SHUNT_FLOWS_PER_LINE)
		return datapath_fail(-EEXIST, "%s holds a data path with flow_table_size %u, the configuration says %u: " FRESH_REMEDY,
				     options->bpf_dir, info->flow_lines * SHUNT_FLOWS_PER_LINE, options->flow_table_size);
	return 0;
}

/* ---- loading ---- */

static uint32_t tables_for(uint32_t groups)
{
	uint32_t room = 2;

	while (room < groups)
		room *= 2;
	return room * 2;
}

/* Who does not limit has no memory taken for it. */
static uint32_t client_lines(const struct datapath_options *options)
{
	if (!(options->features & SHUNT_FEATURE_LIMIT) || options->client_table_size < SHUNT_CLIENTS_PER_LINE)
		return 1;
	return options->client_table_size / SHUNT_CLIENTS_PER_LINE;
}

static void configure(struct datapath *d, const struct datapath_options *options)
{
	shunt_hash_keys(options->hash_seed, d->cfg.hash_key);
	d->cfg.table_size = options->table_size;
	d->cfg.flow_lines = options->flow_table_size / SHUNT_FLOWS_PER_LINE;
	d->cfg.features = options->features;
	d->cfg.source_entropy_ipv4 = options->source_entropy_ipv4;
	d->cfg.flow_timeout = options->flow_timeout_ms ? coarse_units(options->flow_timeout_ms) : UINT16_MAX;
	d->cfg.client_lines = client_lines(options);
	bpf_map__set_max_entries(d->skeleton->maps.slots, d->tables * (options->table_size / SHUNT_SLOTS_PER_LINE));
	bpf_map__set_max_entries(d->skeleton->maps.flows, d->cfg.flow_lines);
	if (!(options->features & SHUNT_FEATURE_NAT)) {
		bpf_map__set_max_entries(d->skeleton->maps.answers, 1);
		bpf_map__set_max_entries(d->skeleton->maps.answer_seeds, 1);
	}
	if (!(options->features & SHUNT_FEATURE_SCHEDULERS))
		bpf_map__set_max_entries(d->skeleton->maps.turns, 1);
	bpf_map__set_max_entries(d->skeleton->maps.clients, d->cfg.client_lines);
}

/* Answers take memory only while some service uses nat: the pinned map is then of another size. */
static bool is_of_another_size(const struct bpf_map *map, int fd)
{
	struct bpf_map_info info = {0};
	uint32_t info_len = sizeof(info);

	return bpf_obj_get_info_by_fd(fd, &info, &info_len) == 0 && info.max_entries != bpf_map__max_entries(map);
}

/* Uses the pinned maps, all but `slots` when it has become too small. */
static int reuse_pinned(struct datapath *d, bool with_slots)
{
	struct bpf_map *maps[PINNED_MAPS];

	pinned_maps_of(d->skeleton, maps);
	for (int i = 0; i < PINNED_MAPS; i++) {
		char path[256];
		int fd, r;

		if (maps[i] == d->skeleton->maps.slots && !with_slots)
			continue;
		pin_path(d->bpf_dir, bpf_map__name(maps[i]), path);
		fd = bpf_obj_get(path);
		if (fd < 0 && errno == ENOENT)
			continue; /* killed before all were pinned: this one is made */
		if (fd < 0)
			return datapath_fail(-errno, "%s: %s", path, strerror(errno));
		r = 0;
		if (!(maps[i] == d->skeleton->maps.answers || maps[i] == d->skeleton->maps.answer_seeds) ||
		    !is_of_another_size(maps[i], fd))
			r = bpf_map__reuse_fd(maps[i], fd);
		close(fd);
		if (r < 0)
			return datapath_fail(r, "%s: cannot be adopted: %s", path, strerror(-r));
	}
	return 0;
}

/* Clients that no configuration sends elsewhere any more may have flows there still: as long, the program knows of them. */
static void keep_clients(struct datapath *d)
{
	struct shunt_list_key first;

	if (bpf_map_get_next_key(bpf_map__fd(d->skeleton->maps.client_groups), NULL, &first) < 0)
		return;
	d->cfg.features |= SHUNT_FEATURE_CLIENTS;
}

/* Who has no lists of the kind has no memory taken for them. */
static void configure_index(struct datapath *d, const struct datapath_options *options)
{
	const uint32_t users = SHUNT_FEATURE_ALLOW | SHUNT_FEATURE_ALLOW_ALL | SHUNT_FEATURE_CLIENTS;
	const struct shunt_bpf *s = d->skeleton;
	struct index *index = &d->index;

	index->is_used = d->cfg.features & users;
	index->n_roots = index->is_used ? bpf_map__max_entries(s->maps.prefix_roots) : 1;
	index->n_steps = index->is_used ? bpf_map__max_entries(s->maps.prefix_steps) : 1;
	index->n_entries = index->is_used ? index_entries_for(options->listed) : 1;
	index->n_seeds = index->is_used ? index_seeds_for(index->n_entries) : 1;
	index->hash_key = d->cfg.hash_key;
	d->cfg.index_entries = index->n_entries;
	d->cfg.index_buckets = index->n_seeds;
	bpf_map__set_max_entries(s->maps.prefix_roots, index->n_roots);
	bpf_map__set_max_entries(s->maps.prefix_steps, index->n_steps);
	bpf_map__set_max_entries(s->maps.prefix_seeds, (index->n_seeds + SHUNT_INDEX_SEEDS_PER_LINE - 1) / SHUNT_INDEX_SEEDS_PER_LINE);
	bpf_map__set_max_entries(s->maps.prefix_entries, index->n_entries);
}

void skeleton_use_trace(struct shunt_bpf *skeleton, bool trace)
{
	struct bpf_map *const maps[] = {skeleton->maps.trace_control, skeleton->maps.trace_scratch, skeleton->maps.trace_ring};

	bpf_program__set_autoload(skeleton->progs.xdp_shunt_trace, trace);
	for (size_t i = 0; i < sizeof(maps) / sizeof(maps[0]); i++)
		bpf_map__set_autocreate(maps[i], trace);
}

static int neighbour_wanted(void *userdata, void *record, size_t bytes)
{
	const struct datapath *d = userdata;

	if (bytes >= sizeof(struct shunt_neighbour_wanted) && d->neighbour_wanted)
		d->neighbour_wanted(d->neighbour_userdata, record);
	return 0;
}

int datapath_neighbours_fd(const struct datapath *d)
{
	return ring_buffer__epoll_fd(d->neighbours);
}

void datapath_take_neighbours(struct datapath *d,
			      void (*wanted)(void *userdata, const struct shunt_neighbour_wanted *neighbour), void *userdata)
{
	d->neighbour_wanted = wanted;
	d->neighbour_userdata = userdata;
	ring_buffer__consume(d->neighbours);
}

static int load(struct datapath *d)
{
	int r = shunt_bpf__load(d->skeleton);

	if (r < 0)
		return datapath_fail(r, "the kernel does not load the program: %s%s", strerror(-r),
				     r == -EPERM ? " (root or CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON are needed)" :
						   " (--log-level debug shows the verifier's words)");
	d->cpus = libbpf_num_possible_cpus();
	d->neighbours = ring_buffer__new(bpf_map__fd(d->skeleton->maps.neighbours_wanted), neighbour_wanted, d, NULL);
	if (!d->neighbours)
		return datapath_fail(-errno, "map neighbours_wanted: cannot be read: %s", strerror(errno));
	return map_all(d);
}

static void write_info(struct datapath *d, const struct datapath_options *options)
{
	*d->info = (struct shunt_info){
		.abi_version = SHUNT_ABI_VERSION,
		.table_size = options->table_size,
		.tables = d->tables,
		.flow_lines = d->cfg.flow_lines,
		.hash_seed = options->hash_seed,
	};
}

/* The tables in use go over into a larger map: the group with index g has tables 2g and 2g + 1 in both. */
static int copy_pinned_slots(struct datapath *d)
{
	struct bpf_map_info info = {0};
	uint32_t info_len = sizeof(info);
	char path[256];
	void *start;
	int fd, r = 0;

	pin_path(d->bpf_dir, SHUNT_MAP_SLOTS, path);
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

static int services_adopt(struct datapath *d)
{
	const struct shunt_bpf *s = d->skeleton;
	int r;

	d->services.n_lines = bpf_map__max_entries(s->maps.services);
	d->services.n_buckets = bpf_map__max_entries(s->maps.service_seeds);
	d->answers.n_lines = bpf_map__max_entries(s->maps.answers);
	d->answers.n_buckets = bpf_map__max_entries(s->maps.answer_seeds);
	d->services.hash_key = d->answers.hash_key = d->cfg.hash_key;
	r = lines_adopt(&d->services);
	return r == 0 ? lines_adopt(&d->answers) : r;
}

static struct datapath *datapath_new(const struct datapath_options *options)
{
	struct datapath *d = calloc(1, sizeof(*d));

	libbpf_set_print(libbpf_log);
	libxdp_set_print(libxdp_log);
	if (!d)
		return NULL;
	d->bpf_dir = strdup(options->bpf_dir);
	d->skeleton = shunt_bpf__open();
	d->tables = tables_for(options->groups);
	if (d->skeleton)
		skeleton_use_trace(d->skeleton, false);
	if (d->bpf_dir && d->skeleton)
		return d;
	datapath_close(d);
	return NULL;
}

/* Loads with what is pinned, or with maps of its own, and pins all. */
static int build(struct datapath *d, const struct datapath_options *options, const struct shunt_info *pinned)
{
	bool grow = false;
	int r = 0;

	if (pinned) {
		d->adopted = true;
		grow = pinned->tables < d->tables;
		if (!grow)
			d->tables = pinned->tables;
	}
	configure(d, options);
	if (pinned)
		r = reuse_pinned(d, !grow);
	if (r == 0 && pinned)
		keep_clients(d);
	configure_index(d, options);
	memcpy((void *)(uintptr_t)&d->skeleton->rodata->cfg, &d->cfg, sizeof(d->cfg));
	if (r == 0)
		r = load(d);
	if (r == 0 && grow)
		r = copy_pinned_slots(d);
	if (r < 0)
		return r;
	write_info(d, options);
	links_restore(d);
	r = services_adopt(d);
	if (r == 0)
		r = backends_adopt(d);
	if (r == 0)
		r = lists_adopt(d);
	if (r == 0)
		r = clients_adopt(d);
	if (r == 0)
		index_open(d);
	if (r == 0)
		r = server_ids_adopt(d);
	return r < 0 ? r : pin_all(d);
}

int datapath_open(const struct datapath_options *options, struct datapath **ret_datapath)
{
	struct shunt_info pinned = {0};
	bool adopt;
	struct datapath *d;
	int r;

	last_error[0] = '\0';
	r = make_bpf_dir(options->bpf_dir);
	if (r < 0)
		return r;
	r = read_pinned_info(options->bpf_dir, &pinned);
	if (r < 0)
		return r;
	adopt = pinned.abi_version != 0 && !options->fresh;
	r = adopt ? check_adoptable(&pinned, options) : 0;
	if (r < 0)
		return r;
	d = datapath_new(options);
	if (!d)
		return -ENOMEM;
	d->fresh = options->fresh;
	r = build(d, options, adopt ? &pinned : NULL);
	if (r < 0) {
		datapath_close(d);
		return r;
	}
	*ret_datapath = d;
	return 0;
}

void datapath_close(struct datapath *d)
{
	if (!d)
		return;
	datapath_trace_forget(d);
	backends_forget(d);
	lists_forget(d);
	unmap_all(d);
	ring_buffer__free(d->neighbours);
	shunt_bpf__destroy(d->skeleton);
	free(d->clients);
	free(d->server_ids);
	lines_close(&d->services);
	lines_close(&d->answers);
	free(d->bpf_dir);
	free(d);
}

bool datapath_adopted(const struct datapath *d)
{
	return d->adopted;
}

uint32_t datapath_room(const struct datapath *d)
{
	return d->tables / 2 < SHUNT_MAX_GROUPS ? d->tables / 2 : SHUNT_MAX_GROUPS;
}

int datapath_remove(struct datapath *d)
{
	int r = 0;

	while (d->n_attachments > 0 && r == 0)
		r = datapath_detach(d, d->attachments[0].name);
	if (r < 0)
		return r;
	unpin_all(d->bpf_dir, d->skeleton);
	return 0;
}

/* Another instance of the program on the same maps, not loaded: the dispatcher loads its programs itself. */
struct shunt_bpf *skeleton_sharing_maps(const struct datapath *d)
{
	struct shunt_bpf *copy = shunt_bpf__open();
	struct bpf_map *from, *to;

	if (!copy)
		return NULL;
	memcpy((void *)(uintptr_t)&copy->rodata->cfg, &d->cfg, sizeof(d->cfg));
	skeleton_use_trace(copy, d->tracing);
	bpf_object__for_each_map(from, attached_skeleton(d)->obj) {
		to = bpf_object__find_map_by_name(copy->obj, bpf_map__name(from));
		if (!to || bpf_map__is_internal(from) || bpf_map__fd(from) < 0)
			continue;
		if (bpf_map__reuse_fd(to, bpf_map__fd(from)) < 0) {
			shunt_bpf__destroy(copy);
			return NULL;
		}
	}
	return copy;
}

static const char *map_type_name(const struct bpf_map *map)
{
	switch (bpf_map__type(map)) {
	case BPF_MAP_TYPE_PERCPU_ARRAY:
		return "percpu_array";
	case BPF_MAP_TYPE_LRU_HASH:
		return "lru_hash";
	case BPF_MAP_TYPE_HASH:
		return "hash";
	case BPF_MAP_TYPE_LPM_TRIE:
		return "lpm_trie";
	default:
		return "array";
	}
}

static size_t prefixes_in(const struct datapath *d, const struct bpf_map *map)
{
	if (map == d->skeleton->maps.client_groups)
		return d->n_clients;
	return d->lists[map == d->skeleton->maps.deny ? DATAPATH_DENY : DATAPATH_ALLOW].n;
}

/* As the kernel counts it, but for the few pages of the map itself. */
static uint64_t map_memory(const struct datapath *d, const struct bpf_map *map)
{
	const uint64_t hash_element = 48, hash_bucket = 16, trie_node = 96;
	uint64_t value = (bpf_map__value_size(map) + 7) & ~7U, key = (bpf_map__key_size(map) + 7) & ~7U;

	switch (bpf_map__type(map)) {
	case BPF_MAP_TYPE_PERCPU_ARRAY:
		return value * bpf_map__max_entries(map) * (uint64_t)d->cpus;
	case BPF_MAP_TYPE_LPM_TRIE:
		return 2 * trie_node * prefixes_in(d, map);
	case BPF_MAP_TYPE_HASH:
		return (key + value + hash_element) * d->n_server_ids + hash_bucket * bpf_map__max_entries(map);
	case BPF_MAP_TYPE_LRU_HASH:
		return (key + value + hash_element + hash_bucket) * bpf_map__max_entries(map);
	default:
		return value * bpf_map__max_entries(map);
	}
}

size_t datapath_maps(struct datapath *d, struct datapath_map *ret_maps, size_t max)
{
	struct bpf_map *maps[PINNED_MAPS];
	size_t n = 0;

	pinned_maps_of(d->skeleton, maps);
	for (int i = 0; i < PINNED_MAPS && n < max; i++, n++) {
		pin_path(d->bpf_dir, bpf_map__name(maps[i]), d->paths[i]);
		ret_maps[n] = (struct datapath_map){
			.name = bpf_map__name(maps[i]),
			.path = d->paths[i],
			.type = map_type_name(maps[i]),
			.entries = bpf_map__max_entries(maps[i]),
			.key_bytes = bpf_map__key_size(maps[i]),
			.value_bytes = bpf_map__value_size(maps[i]),
			.memory_bytes = map_memory(d, maps[i]),
		};
	}
	return n;
}

uint32_t datapath_listed(const struct datapath *d)
{
	return index_prefixes_in(d->index.n_entries);
}

uint32_t datapath_features(const struct datapath *d)
{
	return d->cfg.features;
}
