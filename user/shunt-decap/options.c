/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The one table of shunt-decap's options: parser, --help and shunt-decap(8) (reference/manual.c) come from it. */
#include "shunt-decap/options.h"

#include <arpa/inet.h>
#include <string.h>

#include <linux/if_link.h>

#include "base/number.h"
#include "net/address.h"

const struct decap_command decap_commands[] = {
	{"load", "Attaches the program, or replaces that of an earlier load without a gap; its counters go on.",
	 decap_load},
	{"unload", "Detaches it. Where it is not loaded that is said, and is no failure.", decap_unload},
	{"status", "Mode, program id and counters; status 1 where it is not loaded.", decap_status},
	{},
};

enum { OPTION_MODE = 'm', OPTION_FROM = 'f', OPTION_GUE_PORT = 'g' };

static const struct argp_option option_table[] = {
	{"mode", OPTION_MODE, "MODE", 0, "How it is attached: native, generic, or auto (default): native, else generic with a warning", 0},
	{"from", OPTION_FROM, "PREFIX", 0, "Only tunnel packets whose outer source is within PREFIX", 0},
	{"gue-port", OPTION_GUE_PORT, "PORT", 0, "UDP port at which GUE arrives, 6080 unless given; 0: no GUE", 0},
	{0},
};

static void parse_mode(const char *text, struct argp_state *state, struct decap_options *options)
{
	if (!strcmp(text, "auto"))
		options->mode_flags = 0;
	else if (!strcmp(text, "native"))
		options->mode_flags = XDP_FLAGS_DRV_MODE;
	else if (!strcmp(text, "generic"))
		options->mode_flags = XDP_FLAGS_SKB_MODE;
	else
		argp_error(state, "--mode %s: must be auto, native or generic", text);
}

static void parse_from(const char *text, struct argp_state *state, struct decap_options *options)
{
	uint8_t bits;

	if (address_prefix_parse(text, &options->config.from, &bits) < 0)
		argp_error(state, "--from %s: must be an address or ADDRESS/LENGTH", text);
	if (address_is_ipv4(&options->config.from))
		bits += 96;
	memset(&options->config.from_mask, 0, sizeof(options->config.from_mask));
	for (int i = 0; i < bits; i++)
		options->config.from_mask.byte[i / 8] |= 0x80 >> i % 8;
}

static void parse_gue_port(const char *text, struct argp_state *state, struct decap_options *options)
{
	uint64_t port;

	if (number_parse(text, 0, UINT16_MAX, &port) < 0)
		argp_error(state, "--gue-port %s: must be a port number, or 0", text);
	options->config.gue_port = htons(port);
}

static const struct decap_command *find_command(const char *name, struct argp_state *state)
{
	for (const struct decap_command *command = decap_commands; command->name; command++)
		if (!strcmp(command->name, name))
			return command;
	argp_error(state, "%s: no such command", name);
	return NULL;
}

static error_t parse_option(int key, char *argument, struct argp_state *state)
{
	struct decap_invocation *invocation = state->input;

	switch (key) {
	case OPTION_MODE:
		parse_mode(argument, state, &invocation->options);
		return 0;
	case OPTION_FROM:
		parse_from(argument, state, &invocation->options);
		return 0;
	case OPTION_GUE_PORT:
		parse_gue_port(argument, state, &invocation->options);
		return 0;
	case ARGP_KEY_ARG:
		if (state->arg_num == 0)
			invocation->command = find_command(argument, state);
		else if (state->arg_num == 1)
			invocation->options.interface = argument;
		else
			argp_error(state, "%s: one argument too many", argument);
		return 0;
	case ARGP_KEY_END:
		if (state->arg_num < 2)
			argp_error(state, "a command and an interface are needed");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

const struct argp decap_argp = {
	.options = option_table,
	.parser = parse_option,
	.args_doc = "load|unload|status INTERFACE",
	.doc = "Takes the outer header off IPv4 and IPv6 packets that a load balancer tunnelled to this host, "
	       "by an XDP program on INTERFACE, for kernels without tunnel modules. `load` again replaces the "
	       "program without a gap."
	       "\vEvery tunnel packet (protocols 4 and 41, and GUE) to a unicast address that arrives on INTERFACE is "
	       "taken for this host's; do not use it on a router. Give --from, so that nobody else can tunnel "
	       "into this host.",
};
