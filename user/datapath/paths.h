/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The programs that send probes the way traffic goes (bpf/probe.bpf.c): loaded on the maps of a data path, put on interfaces,
 * told what each mark stands for. They are the controller's: paths_close takes them off, and what one that was killed has left
 * is replaced by the next, or swept away.
 */
#ifndef SHUNT_DATAPATH_PATHS_H
#define SHUNT_DATAPATH_PATHS_H

#include <shunt/probe.h>

#include "datapath/datapath.h"

struct paths;

/*
 * On the maps of `datapath`, which may be closed before: they live on while they are used. In place of `old`, if there is one,
 * on its interfaces and with what it was told; it is freed then. -errno, see datapath_error(): `old` goes on.
 */
int paths_open(const struct datapath *datapath, struct paths *old, struct paths **ret_paths);
void paths_close(struct paths *paths); /* takes them off all interfaces; NULL is fine */
/* In both directions; when they are there already, nothing happens. -errno, see datapath_error(). */
int paths_attach(struct paths *paths, int ifindex);
/* What the marks of a key (shunt_probe_key) stand for; NULL: nothing any more. -errno. */
int paths_set(struct paths *paths, uint32_t key, const struct shunt_probe_path *path);
uint32_t paths_mark(const struct paths *paths, uint32_t key, enum shunt_probe_kind kind);
/* Takes off what a controller of this bpf_dir has left behind, as it can only when it was killed. */
void paths_sweep(const char *bpf_dir);

#endif
