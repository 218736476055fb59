/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* shunt-decap, which strips the tunnel header on a backend. Decides nothing about packets. */
#include <argp.h>
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <bpf/libbpf.h>

#include "options.h"
#include "version.h"

static int print_warnings(enum libbpf_print_level level, const char *format, va_list arguments)
{
	return level == LIBBPF_WARN ? vfprintf(stderr, format, arguments) : 0;
}

int main(int argc, char **argv)
{
	struct decap_invocation invocation = {.options.config.gue_port = htons(DECAP_GUE_PORT)};

	argp_program_version = "shunt-decap " SHUNT_VERSION;
	argp_err_exit_status = 2;
	argp_parse(&decap_argp, argc, argv, 0, NULL, &invocation);
	libbpf_set_print(print_warnings);
	invocation.options.ifindex = if_nametoindex(invocation.options.interface);
	if (!invocation.options.ifindex) {
		fprintf(stderr, "shunt-decap: %s: %s\n", invocation.options.interface, strerror(errno));
		return 1;
	}
	return invocation.command->run(&invocation.options) < 0 ? 1 : 0;
}
