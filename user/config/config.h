/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The configuration as the operator meant it: decoded, validated, names resolved to indexes, defaults filled in.
 * Nothing here knows of BPF, sockets or time.
 */
#ifndef SHUNT_CONFIG_H
#define SHUNT_CONFIG_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <shunt/abi.h>

#include "maintenance/window.h"

enum config_xdp_mode { INTERFACE_MODE_AUTO, INTERFACE_MODE_NATIVE, INTERFACE_MODE_GENERIC };
enum config_on_exit { ON_EXIT_KEEP, ON_EXIT_DETACH };
enum config_tracking { TRACKING_AUTO, TRACKING_ALWAYS, TRACKING_NEVER };
enum config_on_empty { ON_EMPTY_DROP, ON_EMPTY_REJECT, ON_EMPTY_FAIL_OPEN };
enum config_hash { HASH_5_TUPLE, HASH_SOURCE_IP };
enum config_check_type {
	CHECK_TCP,
	CHECK_HTTP,
	CHECK_NONE,
	CHECK_HTTPS,
	CHECK_UDP,
	CHECK_ICMP,
	CHECK_DNS,
	CHECK_EXEC,
	CHECK_AGENT,
	CHECK_ALL,                    /* good if each of its parts is */
	CHECK_ANY,                    /* good if one of them is */
	CHECK_TYPE_COUNT,
};
enum config_http_version { HTTP_VERSION_1_1, HTTP_VERSION_2 };
enum config_group_mode { GROUP_ACTIVE_PASSIVE, GROUP_ACTIVE_ACTIVE, GROUP_ROLLING };
enum config_failover { CONFIG_FAILOVER_AUTOMATIC, CONFIG_FAILOVER_SEMI_AUTOMATIC, CONFIG_FAILOVER_MANUAL };
enum config_on_down { ON_DOWN_MOVE, ON_DOWN_KEEP };

#define CONFIG_WEIGHT_MAX 65535
#define CONFIG_SCORE_RESULTS_MIN 10
#define CONFIG_SCORE_RESULTS_MAX 64

#define CONFIG_ADDRESS_TEXT_MAX 64

struct config_interface {
	char name[IF_NAMESIZE];
	enum config_xdp_mode mode;
};

/* What follows from the results of checks besides up and down. */
struct config_health {
	uint32_t slow_ms;             /* a good answer that takes longer is slow; 0: none is */
	uint32_t degraded_percent;    /* of the weight, that the lowest score leaves; 100: the weight stays */
	uint32_t predict_ms;          /* how far ahead trends are followed; 0: not at all */
	uint32_t slow_start_ms;       /* 0: a returning backend has its whole weight at once */
	uint32_t max_interval_ms;     /* to which probes of a backend that is down back off; 0: they do not */
	uint32_t score_results;
	uint32_t score_window_ms;     /* 0: twice as long as so many results take */
};

/* Judging the backends of a group by what clients send them. */
struct config_passive {
	bool enabled;
	uint32_t interval_ms, min_packets, base_time_ms, max_time_ms, max_ejected_percent;
};

#define CONFIG_STATUS_RANGES_MAX 8
#define CONFIG_VIA_ADDRESSES_MAX 8    /* of services, that one check goes to */

struct config_status_range {
	uint16_t first, last;
};

struct config_bytes {
	char *data;
	size_t length;                /* 0: not given */
};

/* Texts that a check of another type has no use for are NULL. check_value.c copies, compares and frees it. */
struct config_check {
	enum config_check_type type;
	uint16_t port;                /* 0: the backend's port, else the port of the first service that uses the group */
	char *path;                   /* HTTP(S), begins with '/' */
	char *host;                   /* HTTP(S) Host header; NULL: the address */
	uint32_t interval_ms, timeout_ms;
	uint32_t healthy_threshold, unhealthy_threshold;
	struct config_health health;
	uint32_t fast_interval_ms;    /* while the state is not certain; 0: interval_ms */
	char *method;                 /* HTTP(S) */
	struct config_status_range status[CONFIG_STATUS_RANGES_MAX];
	size_t n_status;              /* 0: as 200-399 */
	enum config_http_version http_version;
	bool keepalive;               /* the connection stays for the next check */
	struct config_bytes send;     /* TCP, UDP, agent: what is sent */
	struct config_bytes expect;   /* TCP, UDP, HTTP(S): what the answer, or the body, must have in it */
	char *sni;                    /* HTTPS; NULL: host, without one the address */
	bool no_verify;               /* HTTPS: any certificate will do */
	char *ca_file;                /* HTTPS; NULL: the system's */
	char *certificate_file, *key_file; /* HTTPS: shown to the server */
	char *query;                  /* DNS: the name */
	uint16_t query_type;          /* DNS: as RFC 1035 section 3.2.2 and its successors number them */
	uint8_t rcode;                /* DNS: the response code wanted */
	struct shunt_addr answer;     /* DNS: an address that must be among the answers; all zero: none in particular */
	char **command;               /* exec: program and arguments, ends with NULL */
	bool via_service;             /* it goes to the services' addresses, as traffic does */
	uint32_t padded_interval_ms;  /* of via_service: how often it is as large as traffic can be */
	char *scope;                  /* of via_service: the group whose services those are, with no other of which it is shared */
	struct config_check *parts;   /* of all and any */
	size_t n_parts;
	enum config_on_down on_down;  /* of the group: what becomes of the established flows of who fails the check */
};

/* So many, or a percentage of a tier's members. */
struct config_least {
	uint32_t count;
	uint32_t percent;             /* 0: count says it */
};

/* A penalty that decays by half in half_life_ms (RFC 2439 section 4.2); half_life_ms 0: no damping. */
struct config_damping {
	uint32_t half_life_ms, max_suppress_ms;
	uint32_t suppress, reuse;     /* penalties; one flap adds 1000 */
};

struct config_prefix {
	struct shunt_addr address;
	uint8_t length;               /* of the address's family: 0…32, 0…128 */
};

struct config_prefixes {
	struct config_prefix *list;   /* sorted, each once */
	size_t n;
	bool given;                   /* a list of who is allowed may be empty: nobody is */
};

/* Clients of a prefix that another group takes; the longest prefix wins. */
struct config_client {
	struct config_prefix prefix;
	size_t group;                 /* index into groups */
};

struct config_clients {
	struct config_client *list;   /* sorted by prefix */
	size_t n;
	size_t *groups;               /* those of the list, each once */
	size_t n_groups;
};

/* New flows (TCP connections) a second; 0: no limit. */
struct config_limits {
	uint32_t new_flows, burst;
	uint32_t per_client, client_burst;
	uint8_t client_ipv4, client_ipv6; /* length of the prefix that makes one client */
};

/* What is known of a UDP service that is QUIC. */
struct config_quic {
	bool on;
	uint8_t server_id_offset, server_id_len; /* bytes of the connection id; length 0: no server id in it */
};

/* As it stands in connection ids; length 0: none. */
struct config_server_id {
	uint8_t byte[SHUNT_SERVER_ID_MAX];
	uint8_t len;
};

struct config_service {
	char *name;
	struct shunt_addr address;    /* the first one of a prefix */
	uint8_t prefix;               /* its length; 0: the one address */
	uint8_t protocol;             /* IPPROTO_TCP | IPPROTO_UDP */
	uint16_t port;                /* host order; 0: every port */
	size_t group;                 /* index into groups */
	enum shunt_forward forward;
	uint16_t gue_port;            /* host order; default 6080 */
	uint16_t mss;                 /* 0: none, SHUNT_MSS_AUTO; only of TCP */
	enum config_hash hash;
	enum shunt_scheduler scheduler;
	enum config_tracking tracking; /* with a scheduler other than maglev always TRACKING_ALWAYS */
	enum config_on_empty on_empty; /* what becomes of packets when nobody of the group is fit */
	struct config_prefixes deny, allow;
	struct config_clients clients;
	struct config_limits limits;
	struct config_quic quic;
};

struct config_member {
	size_t backend;               /* index into backends */
	uint32_t priority;            /* lower is preferred, equal ones share a tier */
};

struct config_group {
	char *name;
	bool posted;                  /* by the API, not in the file */
	enum config_group_mode mode;
	struct config_member *members;
	size_t n_members;
	size_t primary;               /* index into backends; SIZE_MAX: none */
	size_t fallback;              /* index into groups: who serves when nobody of this one is fit; SIZE_MAX: none */
	enum config_failover failover;
	bool failback_automatic;      /* default false */
	uint32_t failback_delay_ms;   /* default 30 s */
	uint32_t hold_down_ms;        /* default 0 */
	struct config_least min_healthy; /* default 1 */
	struct config_least return_healthy; /* both 0: as min_healthy */
	uint32_t panic_percent;       /* default 0: never */
	uint32_t overprovision_percent; /* 0: no spill-over */
	uint32_t step_percent, step_interval_ms; /* of mode rolling; else 0 */
	uint32_t max_lag_ms;          /* 0: lag does not matter */
	struct config_damping damping;
	struct config_check check;    /* complete: defaults merged in */
	struct config_passive passive;
};

struct config_backend {
	char *name;
	struct shunt_addr address;
	uint32_t weight;              /* default 100; 0: no new flows */
	uint16_t port;                /* host order: where nat delivers, and checks go; 0: not given */
	struct config_server_id server_id;
};

/* When somebody works on a backend, or on who of a group serves. */
struct config_window {
	size_t backend;               /* index into backends: drained, then in maintenance; SIZE_MAX: of a group */
	size_t group;                 /* index into groups: fails over; SIZE_MAX: of a backend */
	size_t target;                /* index into backends: who serves the group meanwhile; SIZE_MAX: the next best */
	struct window time;
	char *cron_text;              /* as written; NULL: once */
};

/* A name whose addresses are backends of a group. */
struct config_dns {
	char *domain;
	char *protocol;               /* of the application, for people; or NULL */
	size_t group;                 /* index into groups */
	uint16_t port;                /* host order; 0: as SRV says, or none */
	bool srv;
	bool is_primary;
	uint32_t refresh_ms;          /* how often it is asked; 0: as the records' TTL says */
	uint32_t try_count;           /* failed lookups in a row after which a later name of the group takes over; 0: never */
};

/* What a name of dns_backends is known to stand for. */
struct config_discovered_address {
	struct shunt_addr address;
	uint16_t port;                /* host order; 0: the entry's */
	uint16_t priority, weight;    /* of SRV; weight 0: the default */
};

struct config_discovered {
	const char *domain, *group;   /* names the entry */
	const struct config_discovered_address *list;
	size_t n;
};

/* What a hook is called for; bits of config_hooks.on. */
enum config_hook_event {
	HOOK_ON_FAILOVER = 1,         /* a group leaves who served it */
	HOOK_ON_FAILBACK = 2,         /* it returns */
	HOOK_ON_BACKEND = 4,          /* a backend's health is another */
	HOOK_ON_GROUP = 8,            /* nobody of a group is fit, or somebody is again */
	HOOK_ON_ALL = 15,
};

/* Who is told what happens, by a program, by HTTP, or both. hooks.c compares, copies and frees it. */
struct config_hooks {
	char **exec;                  /* program and arguments, ends with NULL; NULL: none */
	char *webhook;                /* URL; NULL: none. Perhaps a secret: shown by config_hook_webhook_text alone */
	char *token_file, *ca_file;   /* of the webhook; or NULL */
	uint32_t on;                  /* enum config_hook_event */
	uint32_t max_attempts;
	uint32_t timeout_ms;          /* of an attempt */
	uint32_t backoff_ms, max_backoff_ms;
	uint32_t queue;               /* documents that may wait, of each of the two */
};

/*
 * What there is besides the file. The addresses that its dns_backends stand for: each is a backend "DOMAIN@ADDRESS" of the entry's
 * group; entries that nothing is known of have none, and what is known of others is left out. And groups, each a JSON object
 * of the keys that one of failover_groups has; those of a name that the file has, too, are left out.
 */
struct config_besides {
	const struct config_discovered *discovered;
	size_t n_discovered;
	const char *const *groups;
	size_t n_groups;
};

/* The API over TCP; NULL: not given. */
struct config_api {
	char *listen;                 /* "address:port" */
	char *token_file, *read_token_file;
	char *certificate_file, *key_file; /* both or none */
};

struct config {
	struct config_interface *interfaces;
	size_t n_interfaces;
	struct shunt_addr source_ipv4, source_ipv6; /* all zero: the interface's own address */
	uint8_t source_ipv4_prefix;   /* length of the outer source prefix, 32 for a single address (10.0.0.0/24 spreads
	                                 tunnelled flows over the receive queues of backends) */
	uint64_t hash_seed;
	uint32_t table_size;
	uint32_t flow_timeout_ms;
	uint32_t flow_table_size;     /* flows; a power of two */
	struct config_prefixes deny, allow; /* of all services */
	uint32_t client_table_size;   /* clients whose limits are kept; a power of two */
	enum config_on_exit on_exit;
	uint32_t max_checks_in_flight; /* at a time, of all backends */
	struct config_api api;

	struct config_service *services;
	size_t n_services;
	struct config_group *groups;
	size_t n_groups;
	struct config_backend *backends;
	size_t n_backends;
	struct config_dns *dns;
	size_t n_dns;
	char *name_servers;           /* that are asked for them, "10.0.0.53:53,[fd00::53]:5353"; NULL: those of the system */
	struct config_window *windows;
	size_t n_windows;
	struct config_hooks hooks;
};

/* One thing to tell the operator about a file. Lines and columns count from 1. */
struct config_message {
	int line, column;
	bool is_error;                /* false: a note, the configuration is valid */
	char *text;                   /* names the thing and the remedy */
};

struct config_messages {
	struct config_message *list;
	size_t n;
};

/*
 * Reads, decodes and validates a file. 0 with *ret_config set and perhaps notes in `messages`; -EINVAL with at least one
 * error in `messages`, as many as can be told at once; -errno when the file cannot be read (also told in `messages`).
 */
int config_load(const char *path, struct config **ret_config, struct config_messages *messages);
/* The same from memory; `text` need not end in a NUL. */
/* The same with what is known besides, as below. *ret_text (may be NULL) is what was read, allocated. */
int config_load_with(const char *path, const struct config_besides *besides, char **ret_text, struct config **ret_config,
		     struct config_messages *messages);
int config_parse(const char *text, size_t length, struct config **ret_config, struct config_messages *messages);
int config_parse_with(const char *text, size_t length, const struct config_besides *besides, struct config **ret_config,
		      struct config_messages *messages);
void config_free(struct config *config);

void config_messages_print(const struct config_messages *messages, const char *path, FILE *to); /* FILE:LINE:COLUMN: … */
void config_messages_clear(struct config_messages *messages);

/*
 * What a reload from `old` to `new` would change, a line of text each for the operator ("backend web3: added", "service
 * web: forward l2 -> ipip"). `scatters` of a change: it would move living flows and is refused without --force
 * (hash_seed, table_size, flow_table_size, a service's hash). Empty when they mean the same.
 */
struct config_change {
	char *text;
	bool scatters;
};
struct config_changes {
	struct config_change *list;
	size_t n;
};
int config_diff(const struct config *old, const struct config *new, struct config_changes *ret_changes);
void config_changes_clear(struct config_changes *changes);

/* Whether packets of the service may come to the group: it is its own one, one of its clients', or a fallback of those. */
bool config_service_reaches(const struct config *config, const struct config_service *service, size_t group);
/*
 * The services whose ways a check of the group with via: service takes: the first one of each address, forwarding mode and GUE
 * port. Indexes; returns how many there are, of which no more than fit are given.
 */
size_t config_via_services(const struct config *config, size_t group, size_t ret_services[CONFIG_VIA_ADDRESSES_MAX]);

/* The longest prefix of the service's clients that the address is in; NULL: none, the service's own group takes it. */
const struct config_client *config_client_of(const struct config_service *service, const struct shunt_addr *address);

/* Where nat delivers to the backend, host order; 0: the port that the client used. */
uint16_t config_nat_port(const struct config_service *service, const struct config_backend *backend);

/* "192.0.2.10", "192.0.2.0/24". Returns `buffer`. */
const char *config_service_address(const struct config_service *service, char buffer[CONFIG_ADDRESS_TEXT_MAX]);

size_t config_find_backend(const struct config *config, const char *name); /* SIZE_MAX: none; likewise below */
size_t config_find_group(const struct config *config, const char *name);
size_t config_find_service(const struct config *config, const char *name);

bool config_check_equal(const struct config_check *a, const struct config_check *b);
int config_check_copy(const struct config_check *from, struct config_check *ret_check); /* deep; 0 or -ENOMEM */
void config_check_clear(struct config_check *check); /* frees what it points to */
/*
 * The longest that a failure can go unnoticed, in milliseconds: interval + (unhealthy_threshold − 1) × max(fast_interval,
 * timeout) + timeout, and CONFIG_CHECK_SLACK_MS, within which the prober's timers and the controller come to their turn. It
 * happens just after a good check has begun; every later one may take its whole timeout, and the next begins no sooner than
 * that. 0: never noticed (type none).
 */
#define CONFIG_CHECK_SLACK_MS 5
uint64_t config_check_detection_ms(const struct config_check *check);
/* The same of a path that has become too narrow for the largest packet; 0: never noticed. */
uint64_t config_check_mtu_detection_ms(const struct config_check *check);
/* What it asks for, as words after "health_check": "http /health, status 200-299". NULL without memory; to be freed. */
char *config_check_describe(const struct config_check *check);

int config_hooks_copy(const struct config_hooks *from, struct config_hooks *ret_hooks); /* deep; 0 or -ENOMEM */
void config_hooks_clear(struct config_hooks *hooks);
bool config_hooks_equal(const struct config_hooks *a, const struct config_hooks *b);
#define CONFIG_HOOK_TEXT_MAX 128
/*
 * A hook in words that tell no secret: the program without its arguments, or scheme and host of the URL, and a checksum of all
 * of it, by which one tells that it has changed. "none". Returns `buffer`.
 */
const char *config_hook_exec_text(const struct config_hooks *hooks, char buffer[CONFIG_HOOK_TEXT_MAX]);
const char *config_hook_webhook_text(const struct config_hooks *hooks, char buffer[CONFIG_HOOK_TEXT_MAX]);

/* As deny and allow have them: 0, -EINVAL for no prefix, -ERANGE for bits set behind it (*ret_prefix is without them). */
int config_prefix_parse(const char *text, struct config_prefix *ret_prefix);
const char *config_prefix_format(const struct config_prefix *prefix, char *buffer, size_t size); /* returns `buffer` */
const char *config_prefix_problem(const char *text, char *buffer, size_t size); /* why it is refused, and the remedy */
bool config_prefix_contains(const struct config_prefix *outer, const struct config_prefix *inner); /* or is the same */
int config_prefix_order(const void *a, const void *b);             /* for qsort */
bool config_prefix_has(const struct config_prefix *prefix, const struct shunt_addr *address);

const char *config_group_mode_text(enum config_group_mode mode);   /* "active-passive" | "active-active" */
const char *config_failover_text(enum config_failover failover);   /* "automatic" | "semi-automatic" | "manual" */
const char *config_forward_text(enum shunt_forward forward);       /* "l2" | "ipip" | "gue" | "nat" */
const char *config_check_type_text(enum config_check_type type);   /* "tcp" | "http" | … | "all" | "any" */
const char *config_rcode_text(uint8_t rcode);                      /* "NOERROR" | "NXDOMAIN" … */
const char *config_tracking_text(enum config_tracking tracking);
const char *config_scheduler_text(enum shunt_scheduler scheduler);
const char *config_on_empty_text(enum config_on_empty on_empty);
const char *config_hash_text(enum config_hash hash);

#endif
