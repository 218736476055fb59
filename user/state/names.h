/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What names of dns_backends were last known to stand for, kept in STATE_DIR/names.json: a start finds its backends even when
 * no name server answers.
 */
#ifndef SHUNT_NAMES_STATE_H
#define SHUNT_NAMES_STATE_H

#include <stddef.h>

#include "config/config.h"
#include "loop/saver.h"

#define NAMES_FILE "names.json"

/*
 * A missing file gives none. A damaged one is set aside as names.json.damaged-N, with an error in the log, and gives none. The
 * list and all in it are the caller's: names_free. 0 | -errno.
 */
int names_load(const char *state_dir, struct config_discovered **ret_names, size_t *ret_n);
/* As state_save(). */
int names_save(const char *state_dir, const struct config_discovered *names, size_t n, struct saver *saver);
void names_free(struct config_discovered *names, size_t n);

#endif
