/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* How the number of ticks that packets read becomes a time. */
#ifndef SHUNT_DATAPATH_TICK_H
#define SHUNT_DATAPATH_TICK_H

#include <shunt/abi.h>

/* What holds as long as this machine is up; found out once, which takes four ticks (4 to 40 ms). 0 or -errno. */
int tick_find(struct shunt_tick *ret_tick);

#endif
