/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The one table of commands: parser and help (main.c), completion (complete.c) and shunt(1) (reference/manual.c) come from it. */
#include <string.h>

#include <shunt/names.h>

#include "shunt/cli.h"

const struct argp_option global_options[] = {
	{"socket", OPTION_SOCKET, "PATH", 0, "Unix socket of the controller (default " SHUNT_SOCKET ")", -2},
	{"url", OPTION_URL, "URL", 0, "Ask the controller at http://HOST:PORT or https://HOST:PORT instead", -2},
	{"token-file", OPTION_TOKEN_FILE, "FILE", 0, "File with the bearer token for --url", -2},
	{"ca-file", OPTION_CA_FILE, "FILE", 0, "Certificates (PEM) that https:// of --url is trusted by, instead of the system's", -2},
	{"json", OPTION_JSON, NULL, 0, "Print the API's own document", -2},
	{},
};

#define DRY_RUN {"dry-run", OPTION_DRY_RUN, NULL, 0, "Say what would move, in slots and percent, and change nothing", 0}

#define FOR_A_TIME {"for", OPTION_FOR, "D", 0, "After D (30s, 5m, 2h) it is as before; default: no end", 0}

#define WATCH {"watch", OPTION_WATCH, "D", OPTION_ARG_OPTIONAL, "Again every D (default 1s), until interrupted", 0}

static const struct argp_option watch_options[] = {
	WATCH,
	{},
};

static const struct argp_option top_options[] = {
	{"interval", OPTION_WATCH, "D", 0, "Look again every D (default 1s)", 0},
	{},
};

static const struct argp_option weight_options[] = {
	FOR_A_TIME,
	{},
};

static const struct argp_option maint_options[] = {
	DRY_RUN,
	FOR_A_TIME,
	{},
};

static const struct argp_option drain_options[] = {
	DRY_RUN,
	FOR_A_TIME,
	{"timeout", OPTION_TIMEOUT, "D", 0, "End the drain after D (30s, 5m, 2h)", 0},
	{"wait", OPTION_WAIT, NULL, 0, "Return when no flow is left, or with status 1 when D has passed", 0},
	{},
};

static const struct argp_option failover_options[] = {
	DRY_RUN,
	{"to", OPTION_TO, "BACKEND", 0, "Onto this member; default: the next best one", 0},
	{"for", OPTION_FOR, "D", 0, "Held for D (30s, 5m, 2h); default: until failback", 0},
	{},
};

static const struct argp_option events_options[] = {
	{"follow", OPTION_FOLLOW, NULL, 0, "Go on with new ones as they come", 0},
	{"since", OPTION_SINCE, "T", 0, "After the event of id T, or in the last T (10m, 2h), or from T as RFC 3339",
	 0},
	{},
};

static const struct argp_option flows_options[] = {
	{"backend", OPTION_BACKEND, "BACKEND", 0, "Of this backend only", 0},
	WATCH,
	{},
};

static const struct argp_option trace_options[] = {
	{"service", OPTION_SERVICE, "SERVICE", 0, "Packets to this service", 0},
	{"backend", OPTION_BACKEND, "BACKEND", 0, "Packets sent to this backend", 0},
	{"client", OPTION_CLIENT, "PREFIX", 0, "Packets of these clients: an address or a prefix", 0},
	{"reason", OPTION_REASON, "REASON", 0, "Dropped for it (`shunt stats` has the reasons), or sent on because of it: "
	 "settled, untracked, new, old, pinned, probed, reserve, scheduled, rejected, fail-open, server-id, answer", 0},
	{"count", OPTION_COUNT_OF, "N", 0, "End after N packets", 0},
	{"write", OPTION_WRITE, "FILE", 0, "Write a pcapng file instead: each packet as it came and as it left", 0},
	{},
};

static const struct argp_option doctor_options[] = {
	{"config", OPTION_CONFIG, "FILE", 0, "Configuration to look at (default " SHUNT_CONFIG_FILE ")", 0},
	{"bpf-dir", OPTION_BPF_DIR, "DIR", 0, "Where the data path is pinned (default " SHUNT_BPF_DIR ")", 0},
	{},
};

static const struct argp_option reload_options[] = {
	DRY_RUN,
	{"force", OPTION_FORCE, NULL, 0,
	 "Also what would scatter living flows (hash_seed, table_size, a service's hash)", 0},
	{},
};

#define FILES_OF_ITS_OWN \
	{"config", OPTION_CONFIG, "FILE", 0, "Where no controller runs: its configuration (default " SHUNT_CONFIG_FILE ")", 0}, \
	{"state-dir", OPTION_STATE_DIR, "DIR", 0, "Where no controller runs: its state (default " SHUNT_STATE_DIR ")", 0}

static const struct argp_option backup_options[] = {
	FILES_OF_ITS_OWN,
	{},
};

static const struct argp_option restore_options[] = {
	{"dry-run", OPTION_DRY_RUN, NULL, 0, "Say what would change, and change nothing", 0},
	{"force", OPTION_FORCE, NULL, 0,
	 "Also what would scatter living flows (hash_seed, table_size, a service's hash)", 0},
	FILES_OF_ITS_OWN,
	{},
};

static const struct argp_option deny_options[] = {
	{"for", OPTION_FOR, "D", 0, "add: until D has passed (30s, 5m, 2h); default: until 'deny del'", 0},
	{"service", OPTION_SERVICE, "SERVICE", 0, "By this service alone; default: by all", 0},
	{"file", OPTION_FILE, "FILE", 0, "add, del: the prefixes that FILE has, one a line (- for stdin)", 0},
	{},
};

const struct command commands[] = {
	{"check", "FILE", 1, 1, "validate a configuration, touch nothing",
	 "Prints \"FILE: ok\", or one line per error: FILE:LINE:COLUMN: message.",
	 "shunt check /etc/shunt/shunt.yaml", NULL, true, command_check},
	{"status", "[GROUP]", 0, 1, "what takes traffic, what does not and why",
	 "Services, groups and backends on one screen, problems first.",
	 "shunt status --watch\n"
	 "shunt --url https://lb2:8080 --token-file token status", watch_options, false, command_status},
	{"services", "[SERVICE]", 0, 1, "services with rates and counters", NULL, NULL, watch_options, false, command_services},
	{"groups", "[GROUP]", 0, 1, "failover groups: state and who is active", NULL, NULL, watch_options, false, command_groups},
	{"backends", "[BACKEND]", 0, 1, "backends: health, flows, rates and counters", NULL,
	 "shunt --json backends web2 | jq .flows", watch_options, false, command_backends},
	{"drain", "BACKEND", 1, 1, "no new flows; established ones stay",
	 "The backend gets no new flows and keeps the ones it has. 'shunt ready' takes it back.",
	 "shunt drain web2 --dry-run\n"
	 "shunt drain web2 --timeout 30m --wait && ssh web2 reboot", drain_options, false, command_drain},
	{"maint", "BACKEND", 1, 1, "out at once: no probes, no flows", "Its established flows move to others.", NULL, maint_options,
	 false, command_maint},
	{"ready", "BACKEND", 1, 1, "take back drain and maint", NULL, NULL, NULL, false, command_ready},
	{"weight", "BACKEND N", 2, 2, "change a weight until the next reload", "0: no new flows.", "shunt weight web1 150 --for 2h",
	 weight_options, false, command_weight},
	{"failover", "GROUP", 1, 1, "force a group onto another backend", NULL, "shunt failover database --to db2 --for 30m",
	 failover_options, false, command_failover},
	{"failback", "GROUP", 1, 1, "return to the primary now, if it is fit", NULL, NULL, NULL, false, command_failback},
	{"explain", "PROTO SRC:PORT DST:PORT", 3, 3, "which backend a flow goes to, and why",
	 "Asks the loaded program itself. PROTO is tcp or udp, IPv6 addresses stand in brackets.",
	 "shunt explain tcp 198.51.100.7:4000 192.0.2.10:80\n"
	 "shunt explain udp [2001:db8::7]:4000 [2001:db8::10]:53", NULL, false, command_explain},
	{"deny", "add|del|list [PREFIX]", 1, 2, "keep clients out, without a reload",
	 "Packets of denied clients to services are dropped. What is added here stays over restarts and reloads, "
	 "beside 'deny' of the configuration, which only a reload changes. 'list PREFIX' shows what overlaps it.",
	 "shunt deny add 203.0.113.0/24 --for 2h\n"
	 "shunt deny list 203.0.113.7\n"
	 "shunt deny del 203.0.113.0/24", deny_options, false, command_deny},
	{"stats", "", 0, 0, "all counters once", NULL, NULL, watch_options, false, command_stats},
	{"top", "", 0, 0, "all of it live, full screen",
	 "Rates, health, moving slots, drops and events; sorts, filters, pauses; drains and fails over, after asking. "
	 "? shows the keys.", NULL, top_options, false, command_top},
	{"events", "", 0, 0, "the audit trail: what happened, and why", NULL, "shunt events --since 10m --follow", events_options, false,
	 command_events},
	{"flows", "", 0, 0, "live pinned flows, by backend and slot",
	 "How many flows the data path remembers, how long they have been silent, and the state of their slots.", NULL,
	 flows_options, false, command_flows},
	{"trace", "", 0, 0, "packets, and what was decided of each",
	 "Shows packets to the services as the data path decides, a sample when there are more than "
	 "1,000 a second for a CPU. Costs nothing while nobody watches.",
	 "shunt trace --client 198.51.100.0/24\n"
	 "shunt trace --reason denied -c 100 -w dropped.pcapng", trace_options, false, command_trace},
	{"doctor", "", 0, 0, "what keeps shunt from running well here",
	 "Kernel, capabilities, memory, clock; of each interface driver, mode, offloads and "
	 "queues; MTU and next hops. Each line is ok, warn or fail, with what mends it; exit "
	 "status 1 on a fail. Needs no controller.", NULL, doctor_options, true, command_doctor},
	{"reload", "", 0, 0, "apply the configuration file again",
	 "All or nothing: with an error nothing is applied, and the errors are printed.", "shunt reload --dry-run", reload_options, false,
	 command_reload},
	{"backup", "FILE", 1, 1, "configuration and decisions, to a file",
	 "One JSON document ('-': stdout) with the configuration's text, drains, maintenance, weights, forced failovers and "
	 "what groups are on their way to, groups that the API was given, denied prefixes. Not in it: files that the "
	 "configuration names (tokens, keys, certificates, scripts), and the audit trail. Where no controller runs: of its files.",
	 "shunt backup /root/shunt.json", backup_options, false, command_backup},
	{"restore", "FILE", 1, 1, "all of a backup again, or nothing",
	 "The file is checked whole before anything is written. A running controller takes it as a reload that brings "
	 "state along: where nothing differs, no flow moves. Where none runs, its files are written, for the next start.",
	 "shunt restore /root/shunt.json --dry-run", restore_options, false, command_restore},
	{"convert", "keepalived FILE", 2, 2, "a configuration from another's",
	 "Prints a shunt.yaml for the virtual servers of a keepalived.conf. What is not carried over stands in comments at its head.",
	 "shunt convert keepalived /etc/keepalived/keepalived.conf > shunt.yaml", NULL, true, command_convert},
	{"maps", "", 0, 0, "the pinned maps, and how to dump them", NULL, NULL, NULL, false, command_maps},
	{"detach", "", 0, 0, "take the data path off the interfaces",
	 "Traffic to the services is not forwarded any more.", NULL, NULL, false, command_detach},
	{},
};

const struct command *command_find(const char *name)
{
	for (const struct command *command = commands; command->name; command++)
		if (strcmp(command->name, name) == 0)
			return command;
	return NULL;
}

const struct argp_option help_options[] = {
	{"help", '?', NULL, 0, "Give this help list", 0},
	{"usage", OPTION_COUNT, NULL, 0, "Give a short usage message", 0},
	{"version", 'V', NULL, 0, "Print program version", 0},
	{},
};

/* The whole name, or the first one that begins so. */
static const struct argp_option *find_in(const struct argp_option *options, const char *name, size_t length)
{
	const struct argp_option *begun = NULL;

	for (; options && options->name; options++) {
		if (strncmp(options->name, name, length) != 0)
			continue;
		if (!options->name[length])
			return options;
		begun = begun ?: options;
	}
	return begun;
}

const struct argp_option *option_find(const struct command *command, const char *name, size_t length)
{
	const struct argp_option *found = command ? find_in(command->options, name, length) : NULL;

	return found ?: find_in(global_options, name, length) ?: find_in(help_options, name, length);
}
