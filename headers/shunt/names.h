/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Names that both sides and the operator see: programs, maps, pin paths. A map is pinned as BPF_DIR/NAME. */
#ifndef SHUNT_NAMES_H
#define SHUNT_NAMES_H

#define SHUNT_PROGRAM "xdp_shunt"
#define SHUNT_PROGRAM_TRACE "xdp_shunt_trace" /* in its place while somebody watches */
#define SHUNT_PROGRAM_EXPLAIN "xdp_explain"

#define SHUNT_MAP_INFO "info"
#define SHUNT_MAP_SERVICES "services"
#define SHUNT_MAP_DIRECT "direct"
#define SHUNT_MAP_ANSWERS "answers"
#define SHUNT_MAP_ANSWER_SEEDS "answer_seeds"
#define SHUNT_MAP_GROUPS "groups"
#define SHUNT_MAP_SLOTS "slots"
#define SHUNT_MAP_BACKENDS "backends"
#define SHUNT_MAP_FLOWS "flows"
#define SHUNT_MAP_FRAGMENTS "fragments"
#define SHUNT_MAP_DENY "deny"
#define SHUNT_MAP_DENY_FILTER "deny_filter"
#define SHUNT_MAP_ALLOW "allow"
#define SHUNT_MAP_LIMITS "limits"
#define SHUNT_MAP_CLIENT_GROUPS "client_groups"
#define SHUNT_MAP_SERVER_IDS "server_ids"
#define SHUNT_MAP_SERVICE_STATS "service_stats"
#define SHUNT_MAP_BACKEND_STATS "backend_stats"
#define SHUNT_MAP_SERVICE_ANSWERS "service_answers"
#define SHUNT_MAP_BACKEND_ANSWERS "backend_answers"
#define SHUNT_MAP_BACKEND_SIGNS "backend_signs"
#define SHUNT_MAP_DROP_STATS "drop_stats"
#define SHUNT_MAP_TX_PORTS "tx_ports"
#define SHUNT_MAP_EXPLANATION "explanation"

#define SHUNT_BPF_DIR "/sys/fs/bpf/shunt"
#define SHUNT_RUN_DIR "/run/shunt"
#define SHUNT_STATE_DIR "/var/lib/shunt"
#define SHUNT_CONFIG_FILE "/etc/shunt/shunt.yaml"
#define SHUNT_SOCKET "/run/shunt/shunt.sock"

#endif
