// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <getopt.h>
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/duration.h"
#include "base/number.h"
#include "flows.h"

static const char usage_text[] =
	"usage: flows serve [--name NAME] PORT…                   echo server, TCP and UDP; says its name when asked\n"
	"       flows hold N ADDRESS PORT [--every D] [--block B] [--stall D] [--for D] [--list] [--udp]\n"
	"                                                         N flows with a checked stream, until SIGTERM\n"
	"       flows connect ADDRESS PORT [--every D] [--timeout D] [--count N] [--for D] [--http] [--udp]\n"
	"                                                         a new connection every D, a line for each\n"
	"       flows kill SIGNAL PID…                            prints the monotonic ns, then sends the signal\n"
	"       flows now                                         the monotonic ns\n"
	"SIGUSR1 prints the summary meanwhile. Exit status: 0 all well, 1 something broke or failed, 2 wrong usage.\n";

static _Noreturn void usage(void)
{
	fputs(usage_text, stderr);
	exit(2);
}

static uint64_t duration_ns(const char *text)
{
	uint64_t ms;

	if (duration_parse(text, &ms) < 0)
		usage();
	return ms * 1000000;
}

static unsigned count_of(const char *text, uint64_t max)
{
	uint64_t n;

	if (number_parse(text, 1, max, &n) < 0)
		usage();
	return (unsigned)n;
}

static void set_server(struct flows_options *options, const char *address, const char *port)
{
	struct addrinfo hints = { .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM }, *found;

	if (getaddrinfo(address, port, &hints, &found) != 0)
		usage();
	memcpy(&options->server, found->ai_addr, found->ai_addrlen);
	options->server_length = found->ai_addrlen;
	options->family = found->ai_family;
	freeaddrinfo(found);
}

static const char *parse_options(int argc, char **argv, struct flows_options *options)
{
	static const struct option names[] = {
		{ "name", required_argument, NULL, 'n' },  { "every", required_argument, NULL, 'e' },
		{ "block", required_argument, NULL, 'b' }, { "stall", required_argument, NULL, 's' },
		{ "for", required_argument, NULL, 'f' },   { "timeout", required_argument, NULL, 't' },
		{ "count", required_argument, NULL, 'c' }, { "udp", no_argument, NULL, 'u' },
		{ "http", no_argument, NULL, 'h' },	   { "list", no_argument, NULL, 'l' },
		{ NULL, 0, NULL, 0 },
	};
	const char *name = NULL;
	int c;

	while ((c = getopt_long(argc, argv, "", names, NULL)) >= 0) {
		switch (c) {
		case 'n': name = optarg; break;
		case 'e': options->every_ns = duration_ns(optarg); break;
		case 's': options->stall_ns = duration_ns(optarg); break;
		case 'f': options->for_ns = duration_ns(optarg); break;
		case 't': options->timeout_ns = duration_ns(optarg); break;
		case 'b': options->block_bytes = count_of(optarg, 32768); break;
		case 'c': options->count = count_of(optarg, UINT32_MAX); break;
		case 'u': options->udp = true; break;
		case 'h': options->http = true; break;
		case 'l': options->list = true; break;
		default: usage();
		}
	}
	return name;
}

static int kill_and_tell(char *const *arguments)
{
	int number = (int)count_of(arguments[0], 64), r = 0;

	printf("%llu\n", (unsigned long long)now_ns());
	for (arguments++; *arguments; arguments++) {
		if (kill((pid_t)count_of(*arguments, INT32_MAX), number) < 0) {
			perror("flows: kill");
			r = 1;
		}
	}
	return r;
}

int main(int argc, char **argv)
{
	struct flows_options options = { .every_ns = 20000000, .timeout_ns = 1000000000, .stall_ns = 5000000000,
					 .block_bytes = 256 };
	char host[FLOWS_NAME_MAX] = "server";
	const char *mode = argc > 1 ? argv[1] : "", *name;
	int rest;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc < 2)
		usage();
	name = parse_options(argc - 1, argv + 1, &options);
	argv += 1 + optind;
	rest = argc - 1 - optind;
	if (strcmp(mode, "now") == 0) {
		printf("%llu\n", (unsigned long long)now_ns());
		return 0;
	}
	if (strcmp(mode, "kill") == 0 && rest >= 2)
		return kill_and_tell(argv);
	if (strcmp(mode, "serve") == 0 && rest >= 1) {
		gethostname(host, sizeof(host) - 1);
		serve(name ? name : host, argv);
	}
	catch_signals();
	if (strcmp(mode, "hold") == 0 && rest == 3) {
		options.count = count_of(argv[0], 100000);
		set_server(&options, argv[1], argv[2]);
		return hold(&options);
	}
	if (strcmp(mode, "connect") == 0 && rest == 2) {
		set_server(&options, argv[0], argv[1]);
		return connect_repeatedly(&options);
	}
	usage();
}
