/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The one table of shuntd's options: parser, --help and shuntd(8) (reference/manual.c) come from it. */
#include "shuntd/options.h"

#include <shunt/names.h>

#include "base/log.h"
#include "shuntd/controller.h"

enum { OPTION_RUN_DIR = 256, OPTION_STATE_DIR, OPTION_BPF_DIR, OPTION_LOG_LEVEL, OPTION_FRESH };

static const struct argp_option option_table[] = {
	{"config", 'c', "FILE", 0, "Configuration (default " SHUNT_CONFIG_FILE ")", 0},
	{"run-dir", OPTION_RUN_DIR, "DIR", 0, "Where the API's socket is (default " SHUNT_RUN_DIR ")", 0},
	{"state-dir", OPTION_STATE_DIR, "DIR", 0,
	 "Operators' decisions and the audit trail (default " SHUNT_STATE_DIR ")", 0},
	{"bpf-dir", OPTION_BPF_DIR, "DIR", 0, "Where maps and program are pinned (default " SHUNT_BPF_DIR ")", 0},
	{"log-level", OPTION_LOG_LEVEL, "LEVEL", 0, "What is logged: error, warn, info (default) or debug", 0},
	{"fresh", OPTION_FRESH, NULL, 0,
	 "Replace a running data path instead of adopting it; living flows are scattered", 0},
	{0},
};

static error_t parse_option(int key, char *argument, struct argp_state *state)
{
	struct controller_options *options = state->input;
	enum log_level level;

	switch (key) {
	case 'c':
		options->config_path = argument;
		return 0;
	case OPTION_RUN_DIR:
		options->run_dir = argument;
		return 0;
	case OPTION_STATE_DIR:
		options->state_dir = argument;
		return 0;
	case OPTION_BPF_DIR:
		options->bpf_dir = argument;
		return 0;
	case OPTION_LOG_LEVEL:
		if (log_level_parse(argument, &level) < 0)
			argp_error(state, "--log-level %s: use error, warn, info or debug", argument);
		log_set_level(level);
		return 0;
	case OPTION_FRESH:
		options->fresh = true;
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "unexpected argument %s: the configuration is given with -c", argument);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

const struct argp shuntd_argp = {
	.options = option_table,
	.parser = parse_option,
	.doc = "The controller of shunt: checks backends, decides failover, steers the XDP program.",
};
