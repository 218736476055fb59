/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Who has filters at an interface's clsact hook (tc-bpf(8)). */
#ifndef SHUNT_CLSACT_H
#define SHUNT_CLSACT_H

/* 1: the hook has no filter in either direction; 0: it has some, or it cannot be told; -errno: it could not be asked. */
int clsact_is_empty(int ifindex);

#endif
