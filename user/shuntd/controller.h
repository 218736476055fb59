/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What runs: backends with their probes, groups with their failover state and tables. One thread, one loop; only
 * files are saved beside it (loop/saver.h). The files of this folder carry events from the edges (probe results, next hops,
 * operators, time) to the pure libraries and their answers to the data path; they decide nothing themselves.
 */
#ifndef SHUNT_CONTROLLER_H
#define SHUNT_CONTROLLER_H

#include <systemd/sd-event.h>
#include <uthash.h>

#include "api/api.h"
#include "config/config.h"
#include "datapath/datapath.h"
#include "failover/damping.h"
#include "failover/failover.h"
#include "health/health.h"
#include "health/outlier.h"
#include "hooks/hooks.h"
#include "net/next_hop.h"
#include "probe/probe.h"
#include "slots/slots.h"
#include "state/backup.h"
#include "state/denied_file.h"
#include "state/events.h"
#include "state/posted.h"
#include "state/state.h"

struct controller_options {
	const char *config_path, *run_dir, *state_dir, *bpf_dir;
	bool fresh;                        /* replace a data path laid out for another configuration */
};

enum admin_state { ADMIN_READY, ADMIN_DRAIN, ADMIN_MAINT }; /* the later, the stricter */
enum admin_source { ADMIN_BY_OPERATOR, ADMIN_BY_WINDOW, ADMIN_BY_AGENT, ADMIN_SOURCES };

/* What a backend's maintenance windows want of it now. */
struct backend_window {
	enum admin_state wanted;
	int64_t opens_ms, closes_ms;       /* Unix milliseconds */
};

struct backend_check {
	const struct config_check *check;
	uint16_t port;                     /* host order, 0: nobody has said one yet */
};

/* A backend as the operator names it. */
struct backend {
	char *name;
	struct shunt_addr address;
	uint16_t port;                     /* host order, 0: not given */
	uint32_t configured_weight, weight; /* weight: as the operator has it; endpoint_weight() is what follows */
	enum admin_state admin[ADMIN_SOURCES]; /* each one's word; backend_admin() is what holds */
	int64_t admin_until;               /* of an operator's drain or maint, Unix milliseconds: then it is ready again; 0: no limit */
	int64_t weight_until;              /* of an operator's weight, likewise */
	int64_t drain_until;               /* of an operator's drain, Unix milliseconds, 0: no limit */
	struct backend_window window;
	int64_t window_refused_ms;         /* opens_ms of one that would have left a group empty, which was told */
	bool removed;                      /* from the configuration; stays while flows live */
	bool l2;                           /* some service forwards to it by l2: must be on a connected network */
	struct next_hop next_hop;
	bool next_hop_known;
	char next_hop_text[96];
	struct endpoint *endpoints;        /* list, by endpoint.next */
	struct backend_check *checks;      /* scratch of a reload: its different checks so far */
	uint32_t n_checks;
	uint64_t identity;                 /* of name and address */
	UT_hash_handle hh_identity;        /* of controller.by_identity */
	UT_hash_handle hh;                 /* of controller.by_name, unless removed */
};

struct controller;
struct endpoint;

/* What a probe's callback needs. */
struct endpoint_context {
	struct controller *controller;
	struct endpoint *endpoint;
};

/* A backend as one kind of check sees it: groups that check it differently have an endpoint each. */
struct endpoint {
	struct backend *backend;
	uint32_t id;                       /* in the maps */
	uint32_t ordinal;                  /* of its check among the backend's different checks */
	struct config_check check;         /* strings borrowed from the configuration in force */
	uint16_t probe_port;
	struct probe *probe;
	struct via_paths *via;             /* via.c: the ways that its check goes; NULL: to the backend itself */
	struct health health;
	sd_event_source *health_timer;     /* of the next step of its slow start */
	struct ejection ejection;          /* by passive detection, of any of its groups */
	char ejected_why[128];
	int64_t health_since;              /* Unix milliseconds */
	char last[128];                    /* text of the last result */
	char why[128];                     /* text of the result that the health is due to */
	uint32_t latency_us;
	enum probe_reason reason;          /* of the last result */
	uint32_t lag_ms;                   /* as last told, PROBE_LAG_NONE: never */
	uint32_t health_percent;           /* of the weight: what its score and its slow start leave it */
	uint32_t agent_percent;            /* the same: what its own agent says */
	bool doubtful;                     /* the last result was bad */
	uint64_t checked_ms;               /* of the monotonic clock: when the last result came; 0: none yet */
	uint32_t opened;                   /* groups in panic that use it whatever its checks say */
	bool alive;                        /* as decided, and published unless leaving */
	bool leaving;                      /* not alive, but packets do not know it yet (follow.c) */
	bool wanted;                       /* some group of the configuration in force has it */
	uint32_t flows;                    /* live pinned ones, at the last scan */
	bool in_slots;                     /* some slot names it, at the last scan */
	struct endpoint_context context;
	struct endpoint *next;             /* of the same backend */
};

struct member {
	struct endpoint *endpoint;
	struct shunt_backend_signs counted; /* at the last round of passive detection */
	uint32_t priority;
	uint32_t slots;                    /* slots whose new flows it takes */
	bool fit;                          /* at the last decision: may take new flows of this group */
	bool was_up;                       /* at the last decision, by its checks */
	uint32_t lag_seen_ms;              /* at the last decision */
	struct damping damping;            /* of the backend in this group */
	bool told_suppressed;              /* as the trail has it */
};

/* The base table of the same part of many groups. */
struct base {
	uint64_t key;                      /* hash of what it was built from */
	size_t users;
	struct tables *of;
	UT_hash_handle hh;
	uint16_t ids[];                    /* of backends, per slot */
};

/* What a group keeps of one. */
struct base_use {
	struct base *base;                 /* NULL: never needed */
	uint64_t used;                     /* group.base_uses when it was used last */
};

/* One for all groups; a what-if has the same. */
struct tables {
	uint32_t size;
	struct base *bases;                /* hash, by key */
	uint16_t *targets, *more_targets;  /* scratch, size entries */
	struct shunt_slot *words, *last;   /* scratch; last: the ones made last */
	uint8_t *busy;                     /* scratch of transitions.c: a live flow of the slot is pinned elsewhere */
	uint64_t content;                  /* number of what is in `last`; 0: nothing yet */
	struct {
		uint64_t base_key;         /* what targets were made from; 0: of more than that */
		struct backend_set set;
		uint64_t number;           /* of what is in targets */
	} aim;
	struct {
		uint64_t from, aim;        /* numbers of what `last` was made from; from 0: of something else */
		struct backend_set alive;
		bool changed, moving;
	} made;
};

/* The next words of a group. */
struct table {
	const struct shunt_slot *words;    /* until the next is made */
	uint64_t content;
	bool changed, moving;              /* some word is another than before; some slot is moving */
};

/* What a group was before a decision, as far as it is told of. */
struct announcement {
	enum failover_state state;
	uint32_t proposed_tier;
	bool panic;
	uint32_t shifted_percent;
	char active[256], resort[80];
};

struct decision {
	bool made, switched;               /* to another table */
	struct announcement before;
	struct failover_step step;
};

/* Whether a group has followed; the later, the sooner it has to. */
enum group_stale { GROUP_FOLLOWS, GROUP_STALE, GROUP_STALE_FIRST };

/* Work on many groups is done in slices of so long, between which checks and the API have their turn. */
#define SLICE_NS (5 * 1000000ULL)
/* Of slices that can wait: after sockets and, which are one later, the timers of checks (probe/prober.c). */
#define SLICE_PRIORITY (SD_EVENT_PRIORITY_NORMAL + 2)

/* Groups on their way to follow what became of backends (follow.c); times of the monotonic clock. */
struct round {
	sd_event_source *timer;
	uint64_t begun_ns;                 /* 0: all have followed */
	uint64_t left_after_ns;            /* how long packets went on to a backend that had failed, at most; 0: none did */
	uint64_t last_ns;                  /* when the last table was switched to */
	uint64_t processor_ns, longest_ns; /* of slices */
	uint64_t ended_ms;                 /* of the last round */
	uint64_t number;                   /* of this round */
	size_t switched, others;           /* groups; further changes of backends */
	const struct endpoint *endpoint;   /* the first, not to be followed: it may be gone; NULL: of no endpoint */
	char object[128];                  /* its name, for the trail */
};

/* Who takes the new flows of a group of which nobody is fit. */
enum last_resort { RESORT_NONE, RESORT_FALLBACK, RESORT_FAIL_OPEN };

struct group {
	char *name;
	uint64_t judged_ms;                /* the last round of passive detection; 0: none yet, members are not counted */
	const struct config_group *config; /* of the configuration in force */
	uint32_t index;                    /* in the maps */
	struct member *members;
	size_t n_members;
	struct failover failover;
	bool started;                      /* decided once, or adopted: no need to wait for first checks */
	bool decided;                      /* by this controller */
	uint64_t failovers;
	int64_t last_failover;             /* Unix milliseconds, 0: never */
	struct base_use bases[FAILOVER_PARTS_MAX];
	uint64_t base_uses;
	size_t n_parts;                    /* of the last plan: so many bases are in use, one more is kept */
	uint64_t content;                  /* number of what its table in use has (tables.c), 0: unknown */
	bool uncounted;                    /* its table has changed since group_count */
	struct damping damping;            /* of the group itself: a flap is a failover */
	bool told_suppressed;              /* as the trail has it */
	bool panic;                        /* too few are fit: every backend in service is used */
	bool scheduled;                    /* by all its services: the place of a pinned flow says nothing of its slot */
	struct group *fallback;            /* of the configuration in force, NULL: none */
	bool may_fail_open;                /* some service that uses it says so */
	enum last_resort resort;           /* in use now */
	struct group *serving;             /* RESORT_FALLBACK: the group whose backends its slots have */
	char resort_text[80];
	uint32_t *moved_at;                /* per slot, seconds of the monotonic clock; NULL while none moves */
	bool to_advance;                   /* its turn in the pass that runs is to come */
	struct backend_set known;          /* ids that are or were members */
	uint32_t moving, resolving;
	int64_t window_opened_ms, window_tried_ms; /* opens_ms of its last window, that it failed over for or tried to */
	uint64_t window_until_ms;          /* monotonic: when the override that a window began will end, 0: none has */
	sd_event_source *timer;            /* failover's wake_ms */
	uint64_t switched_in;              /* number of the last round in which its table changed */
	enum group_stale stale;            /* whether it has followed what became of its backends */
	struct decision decision;          /* the last one, while it has not been told */
	struct controller *controller;
};

/* Clients, of whole services or of prefixes, on their way from one group to another. */
struct placements {
	bool moving, resolving;            /* some are */
	uint32_t moved_at;                 /* when the last ones began to, in ticks of transitions.c */
	bool busy;                         /* a live flow is pinned where its clients came from; scratch of a scan */
	struct backend_set left;           /* ids of the groups that they come from */
	uint16_t targets[SHUNT_MAX_GROUPS]; /* groups that they go to, indexes in the maps, each once */
	size_t n_targets;
	bool is_target[SHUNT_MAX_GROUPS];
	bool origins[SHUNT_MAX_GROUPS];    /* where flows of theirs may be that nobody pinned: these tables must stay */
};

/* A live flow of the flow table. */
struct pinned {
	uint32_t slot, backend;
};

/* A pass of transitions.c: the flow table has been counted, groups have their turn. */
struct pass {
	sd_event_source *timer;            /* of the next slice */
	bool running, unsettled, blind;    /* blind: there was no memory for all flows */
	struct pinned *pinned;             /* while some group is unsettled */
	size_t n_pinned, room;
};

struct tracer;

struct controller {
	struct controller_options options;
	sd_event *event;
	struct config *config;
	char *config_text;                 /* it, as it was read */
	const struct state *restoring;     /* while a backup is, else NULL */
	bool keep_weights;                 /* while what is applied is no operator's reload */
	struct discovery *discovery;
	json_t *posted;                    /* groups that the API was given, an array */
	struct datapath *datapath;
	struct prober *prober;
	struct next_hops *next_hops;
	struct paths *paths;               /* of checks with via: service; NULL: there are none */
	struct api *api;
	struct events *events;
	struct hooks *hooks;
	struct tracer *tracer;             /* NULL: nobody has watched yet */
	bool state_damaged;
	struct denied_list denied;         /* by operators */
	struct denied_file *denied_file;
	sd_event_source *denied_timer;
	bool detached;                     /* by `shunt detach`: nothing is published any more */
	int64_t started;                   /* Unix milliseconds */
	uint64_t generation;               /* grows when services, groups or backends come or go */
	int64_t wall_ahead;                /* of the monotonic clock, milliseconds, as last followed; 0: not yet */

	struct backend *by_name;           /* hash of those in the configuration */
	struct backend *by_identity;       /* hash of all */
	struct backend **backends;
	size_t n_backends;
	struct endpoint **endpoints;
	size_t n_endpoints;
	struct endpoint **endpoint_of;     /* by id, SHUNT_MAX_BACKENDS entries */
	struct group **groups;
	size_t n_groups;
	struct group **configured;         /* parallel to config->groups, NULL where there was no room */
	uint32_t *service_ids;             /* parallel to config->services */

	struct backend_set alive, fit;     /* of ids */
	struct backend_set in_service;     /* of ids: whatever their health, not in maintenance, with a weight */
	struct placements placements;
	struct {
		uint64_t flows[SHUNT_FLOW_CLASSES]; /* live pinned ones, at the last scan */
		uint32_t crowded;          /* bits of classes that have more than their share of a full table */
	} shares;
	sd_event_source *neighbours_wanted;
	sd_event_source *tick, *save;      /* save: once the loop has come round */
	struct {
		struct saver *saver;
		char *failed;              /* path of what could not be saved first; NULL: all is */
		int error;                 /* why not, -errno */
		uint64_t seen, seen_ms;    /* what was done by then, and since when no more is */
		bool fails;                /* something did since all was tried again */
		bool hangs;
		char problem[512];         /* in words, "" for none */
	} kept;                            /* the state directory */
	int64_t windows_seen_ms, windows_due_ms; /* when windows were last looked at, and must be again; Unix milliseconds */
	struct round round;
	struct pass pass;
	size_t n_leaving;                  /* endpoints that are (at least; some may have come alive again) */
	uint64_t leaving_since_ns;         /* the first of them, monotonic */
	uint64_t flow_entries;
	bool tracks_always;                /* some service does: flows are counted all the time */
	uint32_t table_size;               /* of the maps in use */
	struct tables *tables;
	uint32_t *counts;                  /* scratch, by id */
};

/* ---- controller.c: start, stop ---- */
int controller_start(sd_event *event, const struct controller_options *options, struct controller **ret_controller);
void controller_stop(struct controller *controller); /* as on_exit says */

/* ---- reload.c: from one configuration to the next ---- */
/* Applies `config` (taken over on success). all or nothing; *ret_error is allocated text. */
int controller_apply(struct controller *controller, struct config *config, bool fresh, char **ret_error);
/* The same unless something of it would scatter living flows (-EPERM), told in the trail. *ret_changed: what was done, a line each. */
int controller_apply_changes(struct controller *controller, struct config *config, bool force, json_t **ret_changed,
			     char **ret_error);
/* Reads the file again. 0, or -EINVAL / -EPERM with *ret_error; *ret_changed: what was done, a line each. */
int controller_reload(struct controller *controller, bool force, json_t **ret_changed, char **ret_error);

/*
 * Puts a program that can do `features` too in the place of one that cannot, as a reload would: no packet finds none. The
 * maps stay. *ret_error is allocated text.
 */
int controller_need_features(struct controller *controller, uint32_t features, char **ret_error);
char *reload_messages_text(const struct config_messages *messages, const char *path); /* allocated, a line each */

/* ---- foresee.c: what would move. 0 with a document, or what the command would be refused with ---- */
int foresee_admin(struct controller *controller, const struct backend *backend, enum admin_state admin, json_t **ret_document);
enum out_of { OUT_OF_NEW_FLOWS, OUT_OF_ORDER, OUT_OF_SERVICE }; /* drained, failed, in maintenance */
/* Who would have the slot of the group's table if the backend were out: its id, 0: nobody; and the group's state then. */
int foresee_slot(struct controller *controller, const struct backend *backend, enum out_of out, struct group *group, uint32_t slot,
		 uint32_t *ret_id, enum failover_state *ret_state);
int foresee_failover(struct controller *controller, struct group *group, struct failover_input input, json_t **ret_document);
int foresee_reload(struct controller *controller, const struct config *config, json_t **ret_document);

/* Reads it. */
int controller_load(struct controller *controller, char **ret_text, struct config **ret_config, struct config_messages *messages);
/* The configuration in force again, with the addresses that its names have now. 0 | -errno with *ret_error. */
int controller_rediscover(struct controller *controller, char **ret_error);

/* ---- discovery.c: dns_backends ---- */
int discovery_open(struct controller *controller);     /* with what was known when the last shuntd ended */
void discovery_close(struct controller *controller);
void discovery_follow(struct controller *controller);  /* the names of the configuration in force */
void discovery_ask(struct controller *controller);     /* for those that wait for no answer and no time */
void discovery_save(struct controller *controller);    /* what names stand for */
size_t discovery_known(const struct controller *controller, struct config_discovered *ret_known, size_t max); /* borrowed */
size_t discovery_count(const struct controller *controller);
void discovery_describe(const struct controller *controller, size_t index, struct snapshot_name *ret_name);

/* ---- posted.c: groups that the API was given ---- */
int groups_open(struct controller *controller);
/* What the configuration takes besides the file, with these groups; borrows from `controller`. */
void besides_of(const struct controller *controller, const json_t *posted, struct config_besides *ret_besides);
void besides_free(struct config_besides *besides);
int group_post(void *userdata, const json_t *group, struct api_reply *reply);
int group_delete(void *userdata, const char *name, struct api_reply *reply);

/* ---- services.c ---- */
struct shunt_service_key service_key_of(const struct config_service *service);
int services_publish(struct controller *controller);
/* Clients that are on their way become resolving, or (settle) settled, and are published. */
int services_advance(struct controller *controller, bool settle);
uint32_t services_features(const struct controller *controller, const struct config *config);

/* ---- placements.c: which group takes which clients ---- */
typedef struct shunt_client_group (*placement_step)(struct shunt_client_group placement);
/* What follows from the configuration and from what is published now, each placement taken a step further first. */
struct placement_plan {
	struct shunt_client_group *services; /* parallel to config->services */
	struct datapath_client *clients;     /* sorted */
	size_t n_clients;
	bool *has_clients;                   /* of each service: its line must say so */
	struct placements next;
};
int placements_plan(const struct controller *controller, const uint32_t *service_ids,
		    const struct shunt_service_key *keys, placement_step step, struct placement_plan *ret_plan);
void placement_plan_free(struct placement_plan *plan);
/* Of a service, by its index in the configuration: moving if any of its clients are. */
enum shunt_slot_state placements_state(const struct controller *controller, size_t service);
bool placements_need_flows(const struct controller *controller); /* a scan of the flow table */
void placements_see_flow(struct controller *controller, struct shunt_flow flow, uint32_t slot);
void placements_advance(struct controller *controller, uint32_t now_ticks, uint32_t timeout_ticks);

/* ---- shares.c: how much of a full flow table each service may have ---- */
void shares_assign(const struct controller *controller, const struct shunt_service_key *keys, uint8_t *ret_classes);
void shares_begin(struct controller *controller);     /* a scan of the flow table */
void shares_see_flow(struct controller *controller, struct shunt_flow flow);
void shares_end(struct controller *controller);

/* ---- quic.c: server ids ---- */
int quic_publish(struct controller *controller, const uint32_t *service_ids);

/* ---- protect.c: who is denied, who is allowed, how much each may ---- */
uint32_t protect_flags(const struct controller *controller, const struct config_service *service); /* of its line */
uint32_t protect_features(const struct controller *controller, const struct config *config);
/* Lists and limits of all services, with the ids they have. `keep`: what is not wanted any more stays for now. */
int protect_publish(struct controller *controller, const uint32_t *service_ids, bool keep);
uint32_t protect_listed(const struct config *config); /* prefixes of allow and of clients */
int protect_publish_denied(struct controller *controller); /* who is denied alone */

/* ---- deny.c: what operators deny while it runs ---- */
int deny_open(struct controller *controller); /* before the first configuration is applied */
void deny_close(struct controller *controller);
void deny_wake(struct controller *controller); /* the timer, for what ends next */
int deny_add(void *userdata, const struct api_deny *deny, struct api_reply *reply);
int deny_remove(void *userdata, const struct api_deny *deny, struct api_reply *reply);
int deny_list(void *userdata, const struct api_deny_query *query, struct api_reply *reply);

/* ---- answers.c: what backends of nat services answer for ---- */
/* With the ids that services have. What was answered for stays while flows of it may live; `keep`: all of it, for now. */
int answers_publish(struct controller *controller, const uint32_t *service_ids, bool keep);
/* Whether `config` would give another service the answers of flows that may live; then *ret_error says which. */
bool answers_taken(const struct controller *controller, const struct config *config, char **ret_error);
/* Has the kernel resolve the next hops that packets miss, which `datapath`, the next one, tells. */
void answers_watch_neighbours(struct controller *controller, const struct datapath *datapath);

/* ---- via.c: checks that go the way of traffic ---- */
/*
 * What the configuration needs of the programs; `other`: the data path is another one now. 0 | -errno with *ret_error: what ran
 * goes on.
 */
int via_open(struct controller *controller, const struct config *config, bool other, char **ret_error);
void via_follow(struct controller *controller); /* they go when the configuration in force has no use for them */
void via_close(struct controller *controller);
/* The ways of an endpoint's check; false: they have changed, its probe is gone and has to be started. */
bool via_match(struct controller *controller, struct endpoint *endpoint, const struct config *config, size_t group);
void via_forget(struct controller *controller, struct endpoint *endpoint);
/* Whether it is known where its probes leave: they are not started before. */
bool via_is_ready(const struct endpoint *endpoint);
void via_target(const struct endpoint *endpoint, struct probe_target *target);
void via_next_hop(struct controller *controller, struct endpoint *endpoint);
void via_stand_in_moved(struct controller *controller, const struct shunt_addr *address, const struct next_hop *hop);

/* ---- backends.c ---- */
/* (Re)starts its probe; in maintenance there is none, and its health is not known until it is back. */
int endpoint_start(struct controller *controller, struct endpoint *endpoint);
void endpoint_free(struct controller *controller, struct endpoint *endpoint);
/* What may be sent to it follows from its health and what the operator said. True: that changed, its groups must know. */
bool endpoint_refresh(struct controller *controller, struct endpoint *endpoint);
/* The same, and its groups follow. */
void endpoint_publish(struct controller *controller, struct endpoint *endpoint);
void backend_publish(struct controller *controller, struct backend *backend);
void backend_next_hop(struct controller *controller, struct backend *backend);
void next_hop_changed(void *userdata, const struct shunt_addr *address, const struct next_hop *hop);
void backend_free(struct controller *controller, struct backend *backend);
struct backend *backend_find(const struct controller *controller, const char *name);
void backends_note_drains(struct controller *controller);
void backends_end_overrides(struct controller *controller); /* those of operators whose time is over */
void backend_set_weight(struct controller *controller, struct backend *backend, uint32_t weight);
void backends_retire(struct controller *controller); /* frees removed backends that no slot and no flow has */

/* ---- admin.c: what takes a backend out, besides its checks ---- */
enum admin_state backend_admin(const struct backend *backend);               /* the strictest word */
enum admin_source backend_admin_source(const struct backend *backend);       /* whose it is */
bool backend_is_probed(const struct backend *backend);
/* Does what follows for its probes, for traffic and for its groups; telling and saving are the caller's. */
void backend_set_admin(struct controller *controller, struct backend *backend, enum admin_source source, enum admin_state admin);
const char *admin_text(enum admin_state admin);              /* "ready" | "drain" | "maint" */
const char *admin_source_text(enum admin_source source);     /* "operator" | "window" | "agent" */

/* ---- agent.c ---- */
/* Does what the backend's agent asks for. */
void agent_said(struct controller *controller, struct endpoint *endpoint, const struct probe_result *result);
/* Backends that no agent is asked about any more: what theirs said holds no longer. Publishing is the caller's. */
void agents_forget(struct controller *controller);

/* ---- wall.c ---- */
/* At the start and with each tick: has the wall clock been set? */
void wall_follow(struct controller *controller);
/* Unix milliseconds as last followed: what times that run are made from and compared with. */
int64_t wall_now(const struct controller *controller);

/* ---- windows.c ---- */
/* Does what maintenance windows ask for at this time. `anew`: they, or whose they are, may have changed. */
void windows_follow(struct controller *controller, bool anew);
bool group_is_held_by_window(const struct group *group);

/* ---- health.c: what follows from the results of its checks ---- */
void endpoint_probed(void *userdata, const struct probe_result *result); /* a probe_callback of an endpoint_context */
struct health_policy endpoint_policy(const struct endpoint *endpoint);
/* It was away, or is: `returning`: it will not have its whole weight at once. */
/* It comes back without having been down. */
void endpoint_return(struct controller *controller, struct endpoint *endpoint);
void endpoint_forget_health(struct endpoint *endpoint, bool returning);

/* ---- passive.c: who is ejected by what clients send ---- */
void passive_watch(struct controller *controller);
bool endpoint_is_ejected(const struct endpoint *endpoint);
/* An operator says that it is well. */
void endpoint_pardon(struct controller *controller, struct endpoint *endpoint);

/* ---- weight.c: what is left of a backend's weight ---- */
#define TABLE_WEIGHT_UNIT 100 /* so that a tenth of weight 1 is no less a tenth */
/* Weight × every percentage that applies, in units of 1 / TABLE_WEIGHT_UNIT: what tables are built from. Never 0 unless
 * the weight or a percentage is. */
uint32_t endpoint_table_weight(const struct endpoint *endpoint);
/* The same in whole units, rounded up, for people and least-connections. */
uint32_t endpoint_weight(const struct endpoint *endpoint);

/* ---- groups.c ---- */
struct group *group_find(const struct controller *controller, const char *name);
struct group *group_at(const struct controller *controller, uint32_t index); /* in the maps */
void group_free(struct group *group);
void group_free_bases(struct group *group);
bool group_has(const struct group *group, const struct endpoint *endpoint);
/* Decides and publishes. The step says what an operator's input came to. */
struct failover_step group_decide(struct controller *controller, struct group *group, struct failover_input input);
void group_update(struct controller *controller, struct group *group);
/* The same, but nothing is told, and nobody else follows, until group_tell. */
void group_decide_untold(struct controller *controller, struct group *group, struct failover_input input);
void group_tell(struct controller *controller, struct group *group);
void groups_recheck(struct controller *controller, const struct endpoint *endpoint); /* those to which its last result says something new */
bool group_member_is_active(const struct group *group, size_t member);
void group_count(struct controller *controller, struct group *group);
/* Switches to the words, if they are others than before. */
void group_publish(struct controller *controller, struct group *group, struct table next);

/* ---- follow.c: in which order, and how fast, groups follow what became of backends ---- */
/* To the end, and at a pace that leaves the loop its turn: all groups that know the endpoint, or only those that have it. */
void groups_follow(struct controller *controller, const struct endpoint *endpoint, bool members_only);
void groups_follow_paced(struct controller *controller, const struct endpoint *endpoint, bool members_only);
/*
 * The latter in two halves: what packets wait for, and, when the caller has told why, all else. Both end when the slice does, a
 * time of the monotonic clock.
 */
uint64_t groups_begin(struct controller *controller, const struct endpoint *endpoint, bool members_only);
void groups_go_on(struct controller *controller, uint64_t slice_ns);
uint64_t groups_slice(void);                           /* one that begins now */
/* Only marks them, for what comes next. */
void group_mark(struct controller *controller, struct group *group);
void groups_mark(struct controller *controller, const struct endpoint *endpoint, bool members_only);
void groups_mark_configured(struct controller *controller); /* all of the configuration in force, their tables first */
void groups_finish(struct controller *controller);     /* whoever is marked, at once; packets leave whom they are to leave */
void groups_catch_up(struct controller *controller, const struct endpoint *endpoint); /* those that know it, of what was before */

/* ---- tables.c: tables on their way to the maps ---- */
struct tables *tables_new(uint32_t size);
void tables_free(struct tables *tables); /* NULL too; no group has a base any more */
struct base *base_find(struct tables *tables, uint64_t key);  /* another use of it, or NULL */
struct base *base_new(struct tables *tables, uint64_t key);   /* to be filled; NULL without memory */
void base_release(struct base *base);
/* Fills targets (slots_targets), unless that is what they are. */
void tables_aim(struct tables *tables, const struct base *base, const struct backend_set *set);
void tables_aimed(struct tables *tables); /* somebody else has written targets */
/* What follows from `now`, of number `content`, with these targets and these backends alive. */
struct table tables_next(struct tables *tables, const struct shunt_slot *now, uint64_t content, const struct backend_set *alive);
struct table tables_take(struct tables *tables, bool changed); /* what somebody else has written to words */

/* ---- policy.c: a group's configuration and members as failover and damping see them ---- */
struct failover_policy group_policy(const struct group *group);
struct damping_policy group_damping_policy(const struct group *group);
/* Allocated, n_members + 1 of them; NULL without memory. */
struct failover_member *group_members(const struct controller *controller, const struct group *group);
/* How its new flows are to be shared out, as members are now. */
size_t group_plan(const struct controller *controller, const struct group *group,
		  struct failover_part ret_parts[FAILOVER_PARTS_MAX]);
/* Counts flaps of its backends since the last decision; who is suppressed or reused by that, or by a failover, is told apart. */
void group_damp(struct controller *controller, struct group *group, uint64_t now_ms);
void group_tell_damping(struct controller *controller, struct group *group);
/* The next time at which something suppressed is reused; 0: nothing is. */
uint64_t group_reuse_ms(const struct group *group);
void group_flapped(struct group *group, uint64_t now_ms); /* it has failed over */

/* ---- panic.c: too few are fit ---- */
/* Enters or leaves it, by who is fit among those that the plan gives flows to. */
void group_panic(struct controller *controller, struct group *group);
bool group_would_panic(const struct controller *controller, const struct group *group);
void group_panic_over(struct controller *controller, const struct group *group); /* once its table has changed */
void group_panic_forget(struct group *group);         /* its members are about to be others */

/* ---- announce.c: what a decision has changed, for the audit trail ---- */
void announcement_begin(const struct group *group, struct announcement *ret_before);
void announcement_end(struct controller *controller, const struct group *group, const struct announcement *before,
		      const struct failover_step *step);
void group_active_names(const struct group *group, char *text, size_t size);
void group_names_of_tier(const struct group *group, uint32_t tier, char *text, size_t size);

/* ---- hooks.c: the last event of the trail, told to programs and URLs ---- */
int controller_open_hooks(struct controller *controller);
/* A group's new flows go elsewhere; `before`: names of who took them, ", " between them. */
void hooks_tell_move(struct controller *controller, const struct group *group, bool is_failover, const char *before,
		     enum failover_cause cause);
void hooks_tell_group(struct controller *controller, const struct group *group);   /* it is down, or serves again */
void hooks_tell_backend(struct controller *controller, const struct endpoint *endpoint, enum health_state before);

/* ---- reserve.c: whom packets find where probing finds nobody ---- */
/* Whether there is somebody fit, who is chosen if need be. */
bool group_has_reserve(struct controller *controller, const struct group *group);

/* ---- targets.c: which backend each slot should have ---- */
void match_last_resorts(struct controller *controller, const struct config *config);
/* Fills controller->targets and notes the last resort, if it takes one. On failure (no memory) nothing has changed. */
int group_targets(struct controller *controller, struct group *group);
bool group_part_has(const struct group *group, const struct failover_part *part, size_t member);
/* Groups whose slots have, or could have, backends of this one are to follow. */
void group_mark_dependents(struct controller *controller, const struct group *group);
const char *group_resort_text(const struct group *group); /* "fail-open", "fallback NAME"; NULL: none is in use */

/* ---- transitions.c: moving → resolving → settled, by time and by what the flow table holds ---- */
int transitions_start(struct controller *controller);
uint32_t transitions_now(void);                       /* in ticks of half a second */
void transitions_moved(struct controller *controller, struct group *group, const struct shunt_slot *before,
		       const struct shunt_slot *after);
void transitions_scan(struct controller *controller); /* a whole pass, at once */
void transitions_stop(struct controller *controller); /* the one that runs: groups are about to be others */

/* ---- operator.c, snapshot.c: what the API asks ---- */
extern const struct api_handlers controller_handlers;
int controller_snapshot_begin(void *userdata, struct snapshot *ret_snapshot);
int controller_snapshot_go_on(void *userdata, struct snapshot *snapshot);
int controller_snapshot_of(void *userdata, const char *name, struct snapshot *ret_snapshot);
void controller_snapshot_free(void *userdata, struct snapshot *snapshot);
int controller_explain(void *userdata, uint8_t protocol, const struct shunt_addr *source, uint16_t source_port,
		       const struct shunt_addr *destination, uint16_t destination_port, struct api_reply *reply);

const struct config_service *explain_service(const struct controller *controller, uint32_t id); /* NULL: unknown */
const char *explain_service_name(const struct controller *controller, uint32_t id); /* NULL: unknown */
const char *explain_backend_name(const struct controller *controller, uint32_t id);

/* ---- explain_next.c ---- */
/* Adds "if_failed" and "if_drained" where that can be said. */
void explain_next(struct controller *controller, uint8_t protocol, const struct shunt_explanation *answer, json_t *document);

/* ---- flows.c ---- */
int controller_flows(void *userdata, const char *backend, struct api_reply *reply); /* NULL: of all */

/* ---- trace.c: who watches packets ---- */
int controller_trace_begin(void *userdata, const struct api_trace *wanted, struct api_reply *reply);
int controller_trace_fetch(void *userdata, const char *id, struct api_reply *reply);
int controller_trace_end(void *userdata, const char *id, struct api_reply *reply);
void trace_pause(struct controller *controller);      /* before its data path is closed */
void trace_resume(struct controller *controller);     /* when another one is in place */
void trace_close(struct controller *controller);

/* ---- trace_packet.c ---- */
json_t *trace_packet_json(const struct controller *controller, const struct shunt_trace *event, bool bytes); /* bytes: themselves, too */

/* ---- persist.c ---- */
int persist_open(struct controller *controller);      /* 0 | -errno */
void persist_finish(struct controller *controller);   /* asks for what was to be saved soon */
void persist_close(struct controller *controller);    /* once everything is saved */
uint64_t persist_saving(void *userdata);              /* of a controller: see struct api_handlers */
void persist_watch(struct controller *controller);    /* now and then: tries again what failed, notices a disk that hangs */
void persist_load(struct controller *controller, struct state *ret_state);
int persist_collect(const struct controller *controller, struct state *ret_state); /* 0 or -ENOMEM */
int persist_save(const struct controller *controller); /* 0, or -errno: it was not begun */
void persist_soon(struct controller *controller);     /* once the loop has come round, many decisions at once */
/* From nothing at a start; of one that runs, what is not in the state is taken back. */
void persist_restore_backend(const struct state *state, struct backend *backend);
void persist_restore_group(const struct state *state, struct group *group);

/* ---- restore.c: all that an operator decided, as one document, and back ---- */
int controller_backup(void *userdata, struct api_reply *reply);
int controller_restore(void *userdata, bool force, struct api_reply *reply);
int deny_replace(struct controller *controller, const json_t *changes); /* operators' prefixes, as denied_json() says them */

/* ---- kept.c: what goes on over a restart besides operators' words; 0 or -ENOMEM ---- */
int kept_of_group(const struct group *group, struct state_moves *moves);
void kept_restore_group(const struct state_moves *moves, struct group *group);
int kept_of_backend(const struct backend *backend, struct state_ejection *ret_ejection);
void kept_restore_ejections(const struct state *state, const struct group *group);

/* ---- match.c: a configuration with what runs and what the maps hold ---- */
struct backend **match_backends(struct controller *controller, const struct config *config, const struct state *restored);
void match_groups(struct controller *controller, const struct config *config, struct backend **backends,
		  const struct state *restored);
void match_strangers(struct controller *controller);      /* what only the adopted maps know */
void match_register_again(struct controller *controller); /* everything, in empty maps */
void drop_groups(struct controller *controller, const struct config *config);
void drop_tables(struct controller *controller);          /* those that no group has and no flow needs */
uint32_t groups_at_once(const struct controller *controller, const struct config *config); /* while one follows another */
void *must(void *memory);                                 /* the same, or the end: the data path goes on alone */
uint64_t identity_of(const char *kind, const char *name, const void *more, size_t more_bytes, uint32_t ordinal);

#endif
