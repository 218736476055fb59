/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SHUNT_DAMAGED_H
#define SHUNT_DAMAGED_H

/* Where damaged contents of `path` are put aside: PATH.damaged-N with the first N that is free; allocated. 0 | -errno. */
int damaged_name(const char *path, char **ret_name);
/* Puts the whole file there, and says so in the log: `what` was in it, and what follows. 0 | -errno. */
int damaged_set_aside(const char *path, const char *what, const char *follows);

#endif
