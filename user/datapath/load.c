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
#include <unistd.h>

#include <bpf/bpf.h>
#include <xdp/libxdp.h>

#include "base/log.h"
#include "datapath/internal.h"
#include "datapath/tick.h"

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
	d->feature_bits = options->features;
	d->cfg.source_entropy_ipv4 = options->source_entropy_ipv4;
	d->cfg.flow_lag = flow_lag(options->flow_timeout_ms);
	d->cfg.flow_timeout = options->flow_timeout_ms ? flow_age_limit(options->flow_timeout_ms) : UINT16_MAX;
	d->cfg.client_lines = client_lines(options);
	bpf_map__set_max_entries(d->skeleton->maps.slots, d->tables * (options->table_size / SHUNT_SLOTS_PER_LINE));
	bpf_map__set_max_entries(d->skeleton->maps.flows, d->cfg.flow_lines);
	if (!(options->features & SHUNT_FEATURE_NAT)) {
		bpf_map__set_max_entries(d->skeleton->maps.answers, 1);
		bpf_map__set_max_entries(d->skeleton->maps.answer_seeds, 1);
		bpf_map__set_max_entries(d->skeleton->maps.service_answers, 1);
		bpf_map__set_max_entries(d->skeleton->maps.backend_answers, 1);
	}
	if (!(options->features & SHUNT_FEATURE_PASSIVE))
		bpf_map__set_max_entries(d->skeleton->maps.backend_signs, 1);
	if (!(options->features & SHUNT_FEATURE_SCHEDULERS))
		bpf_map__set_max_entries(d->skeleton->maps.turns, 1);
	bpf_map__set_max_entries(d->skeleton->maps.clients, d->cfg.client_lines);
}

/* Clients that no configuration sends elsewhere any more may have flows there still: as long, the program knows of them. */
static void keep_clients(struct datapath *d)
{
	struct shunt_list_key first;

	if (bpf_map_get_next_key(bpf_map__fd(d->skeleton->maps.client_groups), NULL, &first) < 0)
		return;
	d->feature_bits |= SHUNT_FEATURE_CLIENTS;
}

/* Who has no lists of the kind has no memory taken for them. */
static void configure_index(struct datapath *d, const struct datapath_options *options)
{
	const uint32_t users = SHUNT_FEATURE_ALLOW | SHUNT_FEATURE_ALLOW_ALL | SHUNT_FEATURE_CLIENTS;
	const struct shunt_bpf *s = d->skeleton;
	struct index *index = &d->index;

	index->is_used = d->feature_bits & users;
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
	int r = features_set(&d->features, bpf_object__btf(d->skeleton->obj), d->feature_bits);

	if (r < 0)
		return datapath_fail(r, "the description of the program's features cannot be made: %s", strerror(-r));
	r = shunt_bpf__load(d->skeleton);
	if (r < 0)
		return datapath_fail(r, "the kernel does not load the program: %s%s", strerror(-r),
				     r == -EPERM ? " (root or CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON are needed)" :
						   " (--log-level debug shows the verifier's words)");
	d->direct = &d->skeleton->bss->direct;
	d->cpus = libbpf_num_possible_cpus();
	d->neighbours = ring_buffer__new(bpf_map__fd(d->skeleton->maps.neighbours_wanted), neighbour_wanted, d, NULL);
	if (!d->neighbours)
		return datapath_fail(-errno, "map neighbours_wanted: cannot be read: %s", strerror(errno));
	return maps_open(d);
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

static int services_adopt(struct datapath *d)
{
	const struct shunt_bpf *s = d->skeleton;
	int r;

	d->services.n_lines = bpf_map__max_entries(s->maps.services);
	d->services.buckets = d->direct->service_buckets;
	d->services.hint = service_hint;
	d->services.is_rare = service_is_echo;
	d->services.n_buckets = SHUNT_SERVICE_BUCKETS;
	d->answers.n_lines = bpf_map__max_entries(s->maps.answers);
	d->answers.n_buckets = bpf_map__max_entries(s->maps.answer_seeds) * SHUNT_ANSWER_BUCKETS_PER_LINE;
	d->services.hash_key = d->answers.hash_key = d->cfg.hash_key;
	r = lines_adopt(&d->services);
	return r == 0 ? lines_adopt(&d->answers) : r;
}

struct shunt_bpf *skeleton_open(const struct datapath *d)
{
	LIBBPF_OPTS(bpf_object_open_opts, options, .btf_custom_path = d->features.path);

	return shunt_bpf__open_opts(&options);
}

static struct datapath *datapath_new(const struct datapath_options *options)
{
	struct datapath *d = calloc(1, sizeof(*d));

	libbpf_set_print(libbpf_log);
	libxdp_set_print(libxdp_log);
	if (!d)
		return NULL;
	d->features.fd = -1;
	d->bpf_dir = strdup(options->bpf_dir);
	d->skeleton = features_open(&d->features) == 0 ? skeleton_open(d) : NULL;
	d->tables = tables_for(options->groups);
	if (d->skeleton)
		skeleton_use_trace(d->skeleton, false);
	if (d->bpf_dir && d->skeleton)
		return d;
	datapath_close(d);
	return NULL;
}

static int find_tick(struct datapath *d)
{
	int r = tick_find(&d->cfg.tick);

	return r < 0 ? datapath_fail(r, "the kernel's clocks cannot be read by a program: %s", strerror(-r)) : 0;
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
		r = pins_reuse(d, !grow);
	if (r == 0 && pinned)
		keep_clients(d);
	configure_index(d, options);
	if (r == 0)
		r = find_tick(d);
	memcpy((void *)(uintptr_t)&d->skeleton->rodata->cfg, &d->cfg, sizeof(d->cfg));
	if (r == 0)
		r = load(d);
	if (r == 0 && grow)
		r = pins_copy_slots(d);
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
	return r < 0 ? r : pins_put(d);
}

int datapath_open(const struct datapath_options *options, struct datapath **ret_datapath)
{
	struct shunt_info pinned = {0};
	bool adopt;
	struct datapath *d;
	int r;

	last_error[0] = '\0';
	r = pins_make_folder(options->bpf_dir);
	if (r < 0)
		return r;
	r = pins_read_info(options->bpf_dir, &pinned);
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
	maps_close(d);
	ring_buffer__free(d->neighbours);
	shunt_bpf__destroy(d->skeleton);
	if (d->features.fd >= 0)
		close(d->features.fd);
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
	pins_remove(d->bpf_dir, d->skeleton);
	return 0;
}

/* Another instance of the program on the same maps, not loaded: the dispatcher loads its programs itself. */
struct shunt_bpf *skeleton_sharing_maps(const struct datapath *d)
{
	struct shunt_bpf *copy = skeleton_open(d);
	struct bpf_map *from, *to;

	if (!copy)
		return NULL;
	memcpy((void *)(uintptr_t)&copy->rodata->cfg, &d->cfg, sizeof(d->cfg));
	skeleton_use_trace(copy, d->tracing);
	bpf_object__for_each_map(from, attached_skeleton(d)->obj) {
		to = bpf_object__find_map_by_name(copy->obj, bpf_map__name(from));
		if (!to || to == copy->maps.rodata || bpf_map__fd(from) < 0)
			continue;
		if (bpf_map__reuse_fd(to, bpf_map__fd(from)) < 0) {
			shunt_bpf__destroy(copy);
			return NULL;
		}
	}
	return copy;
}

uint32_t datapath_listed(const struct datapath *d)
{
	return index_prefixes_in(d->index.n_entries);
}

uint32_t datapath_features(const struct datapath *d)
{
	return d->feature_bits;
}
