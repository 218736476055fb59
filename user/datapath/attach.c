/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Puts the program on interfaces: through libxdp, so that other XDP programs can share the interface, and directly where
 * its dispatcher is not to be had. A program of ours that is there already is replaced without a gap.
 */
#include <errno.h>
#include <net/if.h>
#include <string.h>
#include <unistd.h>
#include <linux/if_link.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <xdp/libxdp.h>

#include "base/log.h"
#include "datapath/internal.h"

#define USED_MAPS_MAX 64 /* of one program: the kernel's MAX_USED_MAPS */

/* ---- what is there ---- */

static bool is_our_name(const char *name)
{
	return strcmp(name, SHUNT_PROGRAM) == 0 || strcmp(name, SHUNT_PROGRAM_TRACE) == 0;
}

/* Whether a loaded program is an xdp_shunt, or the tracing one, on our maps; on any maps when we start afresh. */
static bool is_ours(const struct datapath *d, uint32_t program_id)
{
	struct bpf_prog_info info = {0};
	struct bpf_map_info flows = {0};
	uint32_t info_len = sizeof(info), flows_len = sizeof(flows), maps[USED_MAPS_MAX];
	int fd = bpf_prog_get_fd_by_id(program_id);
	bool ours = false;

	if (fd < 0)
		return false;
	info.nr_map_ids = sizeof(maps) / sizeof(maps[0]);
	info.map_ids = (uintptr_t)maps;
	if (bpf_obj_get_info_by_fd(fd, &info, &info_len) == 0 && is_our_name(info.name) &&
	    bpf_obj_get_info_by_fd(bpf_map__fd(d->skeleton->maps.flows), &flows, &flows_len) == 0) {
		ours = d->fresh;
		for (uint32_t i = 0; i < info.nr_map_ids && i < sizeof(maps) / sizeof(maps[0]); i++)
			ours = ours || maps[i] == flows.id;
	}
	close(fd);
	return ours;
}

/* False: it cannot be told. The kernel lets only CAP_SYS_ADMIN look at a program by its id. */
static bool name_of(uint32_t program_id, char name[BPF_OBJ_NAME_LEN])
{
	struct bpf_prog_info info = {0};
	uint32_t info_len = sizeof(info);
	int fd = bpf_prog_get_fd_by_id(program_id);

	name[0] = '\0';
	if (fd >= 0 && bpf_obj_get_info_by_fd(fd, &info, &info_len) == 0)
		memcpy(name, info.name, BPF_OBJ_NAME_LEN);
	if (fd < 0)
		return errno != EPERM;
	close(fd);
	return true;
}

struct present {
	uint32_t program_id;    /* 0: none */
	uint32_t flags;         /* XDP_FLAGS_DRV_MODE | XDP_FLAGS_SKB_MODE */
};

static int query(int ifindex, struct present *ret_present)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, opts);
	int r = bpf_xdp_query(ifindex, 0, &opts);

	if (r < 0)
		return r;
	*ret_present = (struct present){0};
	if (opts.drv_prog_id)
		*ret_present = (struct present){opts.drv_prog_id, XDP_FLAGS_DRV_MODE};
	else if (opts.skb_prog_id)
		*ret_present = (struct present){opts.skb_prog_id, XDP_FLAGS_SKB_MODE};
	return 0;
}

/* ---- directly ---- */

static int attach_direct(const struct datapath *d, int ifindex, uint32_t flags)
{
	return bpf_xdp_attach(ifindex, attached_program(d), flags | XDP_FLAGS_UPDATE_IF_NOEXIST, NULL);
}

/* One netlink message puts the new program in the old one's place, if that is still the one. */
static int replace_direct(const struct datapath *d, int ifindex, const struct present *present)
{
	LIBBPF_OPTS(bpf_xdp_attach_opts, opts);
	int fd = bpf_prog_get_fd_by_id(present->program_id), r;

	if (fd < 0)
		return -errno;
	opts.old_prog_fd = fd;
	r = bpf_xdp_attach(ifindex, attached_program(d), present->flags | XDP_FLAGS_REPLACE, &opts);
	close(fd);
	return r;
}

/* ---- through the dispatcher ---- */

static enum xdp_attach_mode libxdp_mode(uint32_t flags)
{
	return flags == XDP_FLAGS_DRV_MODE ? XDP_MODE_NATIVE : XDP_MODE_SKB;
}

static int attach_dispatcher(const struct datapath *d, int ifindex, uint32_t flags)
{
	struct shunt_bpf *copy = skeleton_sharing_maps(d);
	struct xdp_program *program;
	int r;

	if (!copy)
		return -ENOMEM;
	DECLARE_LIBXDP_OPTS(xdp_program_opts, opts, .obj = copy->obj, .prog_name = attached_program_name(d));
	program = xdp_program__create(&opts);
	r = libxdp_get_error(program);
	if (r == 0) {
		r = xdp_program__attach(program, ifindex, libxdp_mode(flags), 0);
		xdp_program__close(program);
	}
	shunt_bpf__destroy(copy);
	return r;
}

/* The newest of our programs on the interface's dispatcher, 0: none. */
static uint32_t newest_on_dispatcher(const struct datapath *d, int ifindex)
{
	struct xdp_multiprog *list = xdp_multiprog__get_from_ifindex(ifindex);
	struct xdp_program *program = NULL;
	uint32_t newest = 0;

	if (libxdp_get_error(list))
		return 0;
	while ((program = xdp_multiprog__next_prog(program, list)))
		if (xdp_program__id(program) > newest && is_ours(d, xdp_program__id(program)))
			newest = xdp_program__id(program);
	xdp_multiprog__close(list);
	return newest;
}

/* Whether somebody else's program is on the interface's dispatcher as well. */
static bool is_shared(const struct datapath *d, int ifindex)
{
	struct xdp_multiprog *list = xdp_multiprog__get_from_ifindex(ifindex);
	struct xdp_program *program = NULL;
	bool shared = false;

	if (libxdp_get_error(list))
		return false;
	while ((program = xdp_multiprog__next_prog(program, list)))
		shared = shared || !is_ours(d, xdp_program__id(program));
	xdp_multiprog__close(list);
	return shared;
}

/* Takes our programs off an interface's dispatcher, all but the one with the id `keep`. */
static int detach_dispatcher(const struct datapath *d, int ifindex, uint32_t keep)
{
	struct xdp_multiprog *list = xdp_multiprog__get_from_ifindex(ifindex);
	struct xdp_program *program = NULL;
	int r = 0;

	if (libxdp_get_error(list))
		return libxdp_get_error(list);
	while (r == 0 && (program = xdp_multiprog__next_prog(program, list)))
		if (xdp_program__id(program) != keep && is_ours(d, xdp_program__id(program)))
			r = xdp_program__detach(program, ifindex, xdp_multiprog__attach_mode(list), 0);
	xdp_multiprog__close(list);
	return r;
}

static bool has_dispatcher(int ifindex)
{
	struct xdp_multiprog *list = xdp_multiprog__get_from_ifindex(ifindex);
	bool found = !libxdp_get_error(list) && !xdp_multiprog__is_legacy(list);

	if (!libxdp_get_error(list))
		xdp_multiprog__close(list);
	return found;
}

/* ---- attach and detach ---- */

/* On an interface without a program, or with a dispatcher: through libxdp, which falls back to attaching directly. */
static int attach_new(const struct datapath *d, int ifindex, uint32_t flags)
{
	int r = attach_dispatcher(d, ifindex, flags);
	struct present present = {0};

	if (r == 0)
		return 0;
	log_debug("libxdp: not attached: %s; attaching directly", strerror(-r));
	if (query(ifindex, &present) == 0 && present.program_id)
		return -EBUSY;
	return attach_direct(d, ifindex, flags);
}

/* Which of our programs the interface runs, 0: none. */
static uint32_t ours_on(const struct datapath *d, int ifindex, const struct present *present)
{
	if (!present->program_id)
		return 0;
	return is_ours(d, present->program_id) ? present->program_id : newest_on_dispatcher(d, ifindex);
}

static int take_off(const struct datapath *d, int ifindex, const struct present *present)
{
	if (is_ours(d, present->program_id))
		return bpf_xdp_detach(ifindex, present->flags, NULL);
	return detach_dispatcher(d, ifindex, 0);
}

static int attach_mode(const struct datapath *d, int ifindex, const struct present *present, uint32_t flags)
{
	uint32_t ours = ours_on(d, ifindex, present);
	int r;

	if (ours && present->flags != flags) { /* another mode: that needs a gap, and nobody else may suffer it */
		if (is_shared(d, ifindex))
			return -EBUSY;
		r = take_off(d, ifindex, present);
		return r < 0 ? r : attach_new(d, ifindex, flags);
	}
	if (ours && ours == present->program_id)
		return replace_direct(d, ifindex, present);
	if (present->program_id && !has_dispatcher(ifindex))
		return -EBUSY;
	r = attach_new(d, ifindex, flags);
	return r == 0 && ours ? detach_dispatcher(d, ifindex, newest_on_dispatcher(d, ifindex)) : r;
}

static struct datapath_attachment *find_attachment(struct datapath *d, const char *interface)
{
	for (size_t i = 0; i < d->n_attachments; i++)
		if (strcmp(d->attachments[i].name, interface) == 0)
			return &d->attachments[i];
	return NULL;
}

static int remember(struct datapath *d, const char *interface, int ifindex)
{
	struct datapath_attachment *attachment = find_attachment(d, interface);
	struct present present;
	bool direct;
	int r = query(ifindex, &present);

	if (r < 0)
		return r;
	direct = is_ours(d, present.program_id);
	if (!attachment) {
		attachment = &d->attachments[d->n_attachments++];
		if (direct)
			log_info("interface %s: attached directly, other XDP programs cannot share it: "
				 "libxdp's dispatcher is not to be had (--log-level debug says why)", interface);
	}
	*attachment = (struct datapath_attachment){
		.ifindex = ifindex,
		.native = present.flags == XDP_FLAGS_DRV_MODE,
		.dispatcher = !direct,
		.program_id = ours_on(d, ifindex, &present),
	};
	snprintf(attachment->name, sizeof(attachment->name), "%s", interface);
	return 0;
}

static int refuse_other(const char *interface, uint32_t program_id)
{
	char name[BPF_OBJ_NAME_LEN];

	if (!name_of(program_id, name))
		return datapath_fail(-EPERM, "interface %s: whose the program with id %u is that is attached cannot be told: give "
				     "shuntd CAP_SYS_ADMIN", interface, program_id);
	if (is_our_name(name))
		return datapath_fail(-EBUSY, "interface %s: a data path of shunt is attached that is not pinned here (id %u): start "
				     "with its --bpf-dir, or with --fresh to replace it", interface, program_id);
	return datapath_fail(-EBUSY, "interface %s: another XDP program is attached (%s, id %u): take it off with "
			     "`ip link set dev %s xdp off`", interface, name, program_id, interface);
}

/* Whether the interface runs what we have attached to it: then there is nothing to do. */
static bool is_current(struct datapath *d, const char *interface, const struct present *present,
		       enum config_xdp_mode mode)
{
	const struct datapath_attachment *attachment = find_attachment(d, interface);

	return attachment && attachment->program_id && attachment->native == (present->flags == XDP_FLAGS_DRV_MODE) &&
	       mode != (attachment->native ? INTERFACE_MODE_GENERIC : INTERFACE_MODE_NATIVE) &&
	       attachment->program_id == ours_on(d, attachment->ifindex, present);
}

int datapath_attach(struct datapath *d, const char *interface, enum config_xdp_mode mode)
{
	int ifindex = if_nametoindex(interface), r;
	struct present present;

	if (!ifindex)
		return datapath_fail(-ENODEV, "interface %s does not exist (`ip link` lists them)", interface);
	if (d->n_attachments == ATTACHMENTS_MAX)
		return datapath_fail(-ENOSPC, "interface %s: %d interfaces are the most", interface, ATTACHMENTS_MAX);
	r = query(ifindex, &present);
	if (r < 0)
		return datapath_fail(r, "interface %s: %s", interface, strerror(-r));
	if (is_current(d, interface, &present, mode))
		return 0;
	/* Trying the other mode would take off what runs. So `auto` stays with what it once found. */
	if (mode == INTERFACE_MODE_AUTO && ours_on(d, ifindex, &present))
		mode = present.flags == XDP_FLAGS_DRV_MODE ? INTERFACE_MODE_NATIVE : INTERFACE_MODE_GENERIC;
	r = -EOPNOTSUPP;
	if (mode != INTERFACE_MODE_GENERIC)
		r = attach_mode(d, ifindex, &present, XDP_FLAGS_DRV_MODE);
	if (r == -EOPNOTSUPP && mode != INTERFACE_MODE_NATIVE)
		r = attach_mode(d, ifindex, &present, XDP_FLAGS_SKB_MODE);
	if (r == -EBUSY || r == -EEXIST)
		return refuse_other(interface, present.program_id);
	if (r < 0)
		return datapath_fail(r, "interface %s: cannot attach: %s%s", interface, strerror(-r),
				     r == -EOPNOTSUPP ? " (the driver has no native XDP: use mode: generic)" : "");
	return remember(d, interface, ifindex);
}

void datapath_take_attachments(struct datapath *d, struct datapath *old)
{
	memcpy(d->attachments, old->attachments, sizeof(d->attachments));
	d->n_attachments = old->n_attachments;
	old->n_attachments = 0;
	for (size_t i = 0; i < d->n_attachments; i++)
		d->attachments[i].program_id = 0; /* of the old one */
}

int datapath_detach(struct datapath *d, const char *interface)
{
	struct datapath_attachment *attachment = find_attachment(d, interface);
	struct present present;
	int r;

	if (!attachment)
		return -ENOENT;
	r = query(attachment->ifindex, &present);
	if (r == 0 && ours_on(d, attachment->ifindex, &present))
		r = take_off(d, attachment->ifindex, &present);
	if (r < 0 && r != -ENODEV)
		return datapath_fail(r, "interface %s: cannot detach: %s", interface, strerror(-r));
	*attachment = d->attachments[--d->n_attachments];
	return 0;
}

size_t datapath_attachments(const struct datapath *d, const struct datapath_attachment **ret_list)
{
	*ret_list = d->attachments;
	return d->n_attachments;
}
