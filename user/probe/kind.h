/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Between the scheduler (prober.c) and the kinds of check, a file each: what a kind does and what it may say. */
#ifndef SHUNT_PROBE_KIND_H
#define SHUNT_PROBE_KIND_H

#include <stdbool.h>
#include <stdint.h>

#include <systemd/sd-event.h>

#include "loop/http_client.h"
#include "probe/probe.h"

struct http_transfer;
struct child;
struct via;

#define PROBE_ANSWER_MAX 16384 /* bytes of an answer that are looked at */
#define PROBE_QUOTE_MAX 64

struct probe_stage {
	enum probe_reason late;          /* the reason if time is up now */
	const char *text;                /* after "timeout": "in connect"; with PROBE_OK the whole text */
};

struct probe_kind {
	/* Begins one attempt; it ends by probe_finish or probe_skip, maybe at once, or by stop. */
	void (*start)(struct probe *probe);
	/* Breaks the attempt off, however far it came. */
	void (*stop)(struct probe *probe);
	/* What the attempt is at, for the result of a timeout. */
	struct probe_stage (*stage)(struct probe *probe);
	/* Of a check that has parts: some have ended, by their `result` or, if `skip_error`, for want of something here. */
	void (*decide)(struct probe *probe);
	/* Time is up: ends the attempt; NULL: as `stage` says. */
	void (*late)(struct probe *probe);
	/* Of what the kind keeps between attempts; NULL: nothing. */
	void (*free)(struct probe *probe);
	/* stream.c: looks at the answer so far, of which no more comes if `ended`, and finishes if that is enough. */
	void (*judge)(struct probe *probe, bool ended);
	/* datagram.c: makes what is sent; 0 or -errno. NULL: check.send. */
	int (*compose)(struct probe *probe);
	/* datagram.c: looks at one datagram, finishes if it is the answer. */
	void (*take)(struct probe *probe, const uint8_t *data, size_t length);
};

extern const struct probe_kind probe_tcp, probe_agent, probe_http, probe_udp, probe_icmp, probe_dns, probe_exec;
extern const struct probe_kind probe_composite, probe_via;

struct probe {
	struct prober *prober;
	const struct probe_kind *kind;   /* NULL: none, always good */
	char *name;                      /* of the backend */
	struct shunt_addr address;
	uint16_t port;                   /* host order */
	struct config_check check;       /* a copy; of a part: its parent's */
	probe_callback callback;
	void *userdata;

	sd_event_source *timer;          /* of the next start, or of the timeout of the running attempt */
	uint64_t due_us;                 /* monotonic; start of the last attempt as planned, or of the next one */
	uint64_t started_ns;             /* monotonic */
	bool running, queued;
	bool hurried;                    /* its state is not certain: fast_interval */
	struct probe_result told;        /* what the running attempt learnt beside whether it is good: weight, admin, lag */
	bool skipping;                   /* the last attempt could not be made, which was said */
	struct probe *prev, *next;       /* in the queue of those that wait for their turn */

	struct probe *parent;            /* composite.c: whose part it is, or NULL */
	struct probe *parts;
	size_t n_parts;
	uint32_t cost;                   /* how many checks under way it counts for */
	bool starting;                   /* parts end while others are not started yet */
	bool ended;                      /* a part: with this result, or not made for this error */
	int skip_error;
	struct probe_result result;
	char text[160];

	int socket;                      /* stream.c, datagram.c: -1 or of the running attempt */
	bool raw;                        /* icmp.c: a raw socket */
	bool connected;                  /* stream.c */
	sd_event_source *io;
	uint8_t *answer;                 /* stream.c, datagram.c: PROBE_ANSWER_MAX bytes while the attempt needs them */
	size_t answer_length;
	uint8_t *question;               /* datagram.c: of compose */
	size_t question_length;
	uint64_t token;                  /* icmp.c, dns.c: what tells the answer to this attempt from others */
	struct http_transfer *http;      /* http.c: kept between attempts */
	struct via *via;                 /* via.c: its paths, and what they were last found to be like */
	uint32_t mark;                   /* via.c, of a part: SO_MARK of its sockets; 0: none */
	struct shunt_addr named;         /* via.c, of a part: the address that it is about, if it is not the socket's */
	struct child *program;           /* exec.c */
};

/* Ends the attempt with a result, good if PROBE_OK. The callback may free the probe: do not touch it afterwards. */
void probe_finish(struct probe *probe, enum probe_reason reason, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* Ends it without: it failed for want of something on this host (-errno), which says nothing about the backend. */
void probe_skip(struct probe *probe, int error);
/* Ends it for an errno value of socket, connect, send …: as a failure, or as one of this host. */
void probe_fail(struct probe *probe, int error, enum probe_reason otherwise);

/* composite.c: forgets how parts ended; ends those under way; breaks them off. For via.c, too. */
void parts_forget(struct probe *probe);
void parts_late(struct probe *probe);
void parts_stop(struct probe *probe);
/* via.c: makes its parts; 0 or -ENOMEM. */
int via_prepare(struct probe *probe, const struct probe_target *target);

/* prober.c, for composite.c: begins an attempt now, without timer or turn. */
void probe_begin(struct probe *probe);
void probe_time_is_up(struct probe *probe);
/* Fills a probe that is all zero, the parts of its check included; 0 or -ENOMEM. `check` must live as long. */
int probe_prepare(struct probe *probe);
void probe_release(struct probe *probe);

/* stream.c: TCP connections, for tcp.c and agent.c. */
void stream_start(struct probe *probe);
void stream_stop(struct probe *probe);
struct probe_stage stream_stage(struct probe *probe);

/* datagram.c: connected sockets of datagrams, for udp.c, dns.c and icmp.c. */
void datagram_start(struct probe *probe);
void datagram_on(struct probe *probe, int socket); /* with a socket already open and connected */
void datagram_stop(struct probe *probe);
struct probe_stage datagram_stage(struct probe *probe);

/* A socket of the address's family, not blocking; -errno. */
int probe_socket(const struct probe *probe, int type, int protocol);
/* Marks one that is made already, if the probe is so marked. 0 or -errno. */
int probe_mark_socket(const struct probe *probe, int fd, int family);
bool probe_has(const struct config_bytes *wanted, const uint8_t *data, size_t length);
/* Bytes as a harmless text in quotes, shortened. Returns `buffer`. */
const char *probe_quote(const void *data, size_t length, char buffer[PROBE_QUOTE_MAX]);
/* The number behind the last "lag=" in a text, a number of milliseconds; PROBE_LAG_NONE without one. */
uint32_t probe_lag(const char *text);

bool probe_error_is_local(int error);    /* an errno value for out of descriptors, memory, ports … */
const char *probe_error_text(int error); /* "connection refused" … */
/* Of an errno value: refused, unreachable, or `otherwise`. */
enum probe_reason probe_error_reason(int error, enum probe_reason otherwise);

sd_event *prober_event(struct prober *prober);
struct http_client *prober_http(struct prober *prober);

#endif
