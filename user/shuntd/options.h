/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The command line of shuntd. Its --help and shuntd(8) come from it. */
#ifndef SHUNTD_OPTIONS_H
#define SHUNTD_OPTIONS_H

#include <argp.h>

extern const struct argp shuntd_argp; /* fills a struct controller_options, and sets the level of the log */

#endif
