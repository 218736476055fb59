/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SHUNT_DAMAGED_H
#define SHUNT_DAMAGED_H

/* Where damaged contents of `path` are put aside: PATH.damaged-N with the first N that is free; allocated. 0 | -errno. */
int damaged_name(const char *path, char **ret_name);

#endif
