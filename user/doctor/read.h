/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the readers of facts share. Each leaves a fact unknown that the kernel does not tell. */
#ifndef SHUNT_DOCTOR_READ_H
#define SHUNT_DOCTOR_READ_H

#include "doctor/doctor.h"

void read_host(const char *bpf_dir, struct doctor_host *host);
void read_link(struct doctor_link *link); /* its name and wanted mode are there */
enum doctor_known read_clsact(void); /* tried in a network of its own */
/* The driver's own word on native XDP: netdev family of generic netlink, Linux 6.3. Leaves them unknown without it. */
void read_native(int ifindex, enum doctor_known *native, enum doctor_known *redirect);
/* A number in a file below /proc/sys or /sys; -ENOENT … */
int read_number(uint64_t *ret_number, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
