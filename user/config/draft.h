/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Internal to config: the file as it was written, with the place of every value. schema.c says which key fills which
 * field; decode.c fills them; validate.c gives them meaning. Texts belong to the YAML document.
 */
#ifndef SHUNT_CONFIG_DRAFT_H
#define SHUNT_CONFIG_DRAFT_H

#include <yaml.h>

#include "config/report.h"

/* One value. If it is not given, or malformed, `text` and `number` are those of the field's default, where it has one. */
struct item {
	struct place at;             /* line 0: not given */
	bool ok;                     /* given and well formed: `address` holds */
	const char *text;            /* as written; also of a malformed value, NULL when it is no text at all */
	uint64_t number;             /* milliseconds, a word's enum, a port …: as the kind of field says */
	struct shunt_addr address;
};

struct items {
	struct place at;
	bool ok;                     /* given and a list; its elements may still be wrong */
	void *list;                  /* of the structs below */
	size_t n;
};

/* Every struct that a mapping fills begins with the place of the mapping. */

struct draft_interface {
	struct place at;
	struct item name, mode;
};

struct draft_source {
	struct place at;
	struct item ipv4, ipv6;
};

struct draft_api {
	struct place at;
	struct item listen, token_file, read_token_file, certificate_file, key_file;
};

struct draft_score {
	struct place at;
	struct item results, window;
};

struct draft_passive {
	struct place at;
	struct item enabled, interval, min_packets, base_time, max_time, max_ejected;
};

struct draft_health {
	struct item slow_threshold, degraded_weight, predict, slow_start, max_interval;
	struct draft_score score;
};

struct draft_check {
	struct place at;
	struct item type, port, interval, fast_interval, timeout, healthy_threshold, unhealthy_threshold;
	struct item path, host, method, status, http_version, keepalive, send, send_hex, expect, expect_hex;
	struct item sni, verify, ca_file, certificate_file, key_file;
	struct item query, query_type, rcode, answer;
	struct item via, padded_interval;
	struct draft_health health;
	struct items command;        /* struct draft_word */
	struct items all, any;       /* struct draft_check, of the keys that say what is asked */
};

struct draft_word {
	struct place at;
	struct item word;
};

struct draft_gue {
	struct place at;
	struct item port;
};

struct draft_defaults {
	struct place at;
	struct item forward;
	struct draft_gue gue;
	struct draft_check check;
};

struct draft_prefix {
	struct place at;
	struct item prefix;
};

struct draft_client {
	struct place at;
	struct item prefix, group;
};

struct draft_client_prefix {
	struct place at;
	struct item ipv4, ipv6;
};

struct draft_limits {
	struct place at;
	struct item new_flows, burst, per_client, client_burst;
	struct draft_client_prefix client_prefix;
};

struct draft_server_id {
	struct place at;
	struct item offset, length;
};

struct draft_quic {
	struct place at;
	struct item enabled;
	struct draft_server_id server_id;
};

struct draft_service {
	struct place at;
	struct item name, address, protocol, port, group, forward, hash, scheduler, tracking, on_empty, mss;
	struct draft_gue gue;
	struct items deny, allow;    /* struct draft_prefix */
	struct items clients;        /* struct draft_client */
	struct draft_limits limits;
	struct draft_quic quic;
};

struct draft_member {
	struct place at;
	struct item name, priority;
};

struct draft_damping {
	struct place at;
	struct item half_life, suppress, reuse, max_suppress;
};

struct draft_group {
	struct place at;
	struct item name, mode, primary, failover, failback, failback_delay, min_healthy, fallback;
	struct item hold_down, return_healthy, panic, overprovision, on_down, step, interval, max_lag;
	struct draft_damping damping;
	struct items members;        /* struct draft_member */
	size_t members_listed;       /* of these, in the file; the others are addresses of dns_backends */
	bool has_dns, has_dns_primary;
	struct draft_check check;
	struct draft_passive passive;
	bool posted;
};

struct draft_backend {
	struct place at;
	struct item name, address, weight, port, server_id;
};

struct draft_window {
	struct place at;
	struct item backend, group, start, cron, duration, drain, target;
};

struct draft_name_server {
	struct place at;
	struct item address;
};

struct draft_hook_event {
	struct place at;
	struct item event;
};

struct draft_hooks {
	struct place at;
	struct items exec;           /* struct draft_word */
	struct items on;             /* struct draft_hook_event */
	struct item webhook, token_file, ca_file, max_attempts, timeout, backoff, max_backoff, queue;
};

struct draft_dns {
	struct place at;
	struct item domain, protocol, port, is_primary, group, refresh, type, try_count;
};

struct draft {
	struct place at;
	struct items interfaces;     /* struct draft_interface */
	struct draft_source source;
	struct item hash_seed, table_size, flow_timeout, flow_table_size, on_exit, max_checks_in_flight;
	struct items deny, allow;    /* struct draft_prefix */
	struct item client_table_size;
	struct draft_api api;
	struct draft_defaults defaults;
	struct items services;       /* struct draft_service */
	struct items groups;         /* struct draft_group */
	struct items backends;       /* struct draft_backend */
	struct items dns;            /* struct draft_dns */
	struct items name_servers;   /* struct draft_name_server */
	struct items maintenance;    /* struct draft_window */
	struct draft_hooks hooks;
	yaml_document_t *posted;     /* groups that the API has been given, a document each */
	size_t n_posted;
	char **names;                /* of backends that dns_backends stand for */
	size_t n_names;
};

/* Both report what they find wrong and go on: only the report says whether all was good. */
void config_decode(yaml_document_t *document, struct draft *draft, struct report *report);
/* A document of one group into `group`; its places are POSTED_LINE and on. */
void config_decode_group(yaml_document_t *document, struct draft_group *group, struct report *report);
void draft_add_posted(struct draft *draft, const char *const *groups, size_t n, struct report *report);
void *draft_append(struct items *items, size_t bytes, struct report *report); /* one more, all zero; NULL without memory */
void draft_add_discovered(struct draft *draft, const struct config_discovered *discovered, size_t n, struct report *report);
void config_validate(const struct draft *draft, struct config *config, struct report *report);
void draft_release(struct draft *draft);
void draft_release_group(struct draft_group *group);

#endif
