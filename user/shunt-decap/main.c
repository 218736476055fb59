/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The command line of shunt-decap, which strips the tunnel header on a backend. Decides nothing about packets. */
#include <argp.h>
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <bpf/libbpf.h>
#include <linux/if_link.h>

#include "base/number.h"
#include "decap.h"
#include "net/address.h"

static const struct command {
	const char *name;
	int (*run)(const struct decap_options *options);
} commands[] = {
	{"load", decap_load},
	{"unload", decap_unload},
	{"status", decap_status},
};

#define N_COMMANDS (sizeof(commands) / sizeof(commands[0]))

enum { OPTION_MODE = 'm', OPTION_FROM = 'f', OPTION_GUE_PORT = 'g' };

static const struct argp_option option_table[] = {
	{"mode", OPTION_MODE, "MODE", 0, "native, generic, or auto (default): native, else generic with a warning", 0},
	{"from", OPTION_FROM, "PREFIX", 0, "only tunnel packets whose outer source is within PREFIX", 0},
	{"gue-port", OPTION_GUE_PORT, "PORT", 0, "UDP port at which GUE arrives, 6080 unless given; 0: no GUE", 0},
	{0},
};

struct invocation {
	const struct command *command;
	struct decap_options options;
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

static const struct command *find_command(const char *name, struct argp_state *state)
{
	for (size_t i = 0; i < N_COMMANDS; i++)
		if (!strcmp(commands[i].name, name))
			return &commands[i];
	argp_error(state, "%s: no such command", name);
	return NULL;
}

static error_t parse_option(int key, char *argument, struct argp_state *state)
{
	struct invocation *invocation = state->input;

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

static int print_warnings(enum libbpf_print_level level, const char *format, va_list arguments)
{
	return level == LIBBPF_WARN ? vfprintf(stderr, format, arguments) : 0;
}

int main(int argc, char **argv)
{
	static const struct argp argp = {
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
	struct invocation invocation = {.options.config.gue_port = htons(DECAP_GUE_PORT)};

	argp_program_version = "shunt-decap " SHUNT_VERSION;
	argp_err_exit_status = 2;
	argp_parse(&argp, argc, argv, 0, NULL, &invocation);
	libbpf_set_print(print_warnings);
	invocation.options.ifindex = if_nametoindex(invocation.options.interface);
	if (!invocation.options.ifindex) {
		fprintf(stderr, "shunt-decap: %s: %s\n", invocation.options.interface, strerror(errno));
		return 1;
	}
	return invocation.command->run(&invocation.options) < 0 ? 1 : 0;
}
