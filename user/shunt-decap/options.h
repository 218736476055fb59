/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The command line of shunt-decap. Its --help and shunt-decap(8) come from it. */
#ifndef SHUNT_DECAP_OPTIONS_H
#define SHUNT_DECAP_OPTIONS_H

#include <argp.h>

#include "shunt-decap/decap.h"

struct decap_command {
	const char *name, *does;
	int (*run)(const struct decap_options *options);
};

struct decap_invocation {
	const struct decap_command *command;
	struct decap_options options;
};

extern const struct decap_command decap_commands[]; /* ends with a name of NULL */
extern const struct argp decap_argp; /* fills a struct decap_invocation */

#endif
