/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* c-ares in the loop, and one lookup as the sum of its queries. Knows nothing of backends, nor of what an answer changes. */
#include <arpa/nameser.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <ares.h>
#include <uthash.h>

#include "net/address.h"
#include "net/resolver.h"

#define TRY_MS 2000 /* before the next server is asked */
#define TRIES 2

struct watch { /* of one of c-ares' sockets */
	int fd;
	sd_event_source *source;
	UT_hash_handle hh;
};

struct resolver {
	sd_event *event;
	ares_channel channel;
	struct watch *watches;       /* hash by fd */
	sd_event_source *timer;
	bool closing;
};

struct lookup {
	struct resolver *resolver;
	resolver_callback callback;  /* NULL: forgotten */
	void *userdata;
	int pending;                 /* queries under way, and one while they are being sent */
	int status;                  /* of the first query that failed as a query, ARES_SUCCESS */
	struct resolved list[RESOLVED_MAX];
	size_t n, beyond;
	uint32_t ttl_s;
};

/* The addresses of one name: of the lookup itself, or of a target of its SRV records. */
struct query {
	struct lookup *lookup;
	uint16_t port, priority, weight;
};

/* ---- c-ares in the loop ---- */

static void set_timer(struct resolver *resolver)
{
	struct timeval longest = {.tv_sec = 60}, next;

	if (resolver->closing)
		return;
	ares_timeout(resolver->channel, &longest, &next);
	sd_event_source_set_time_relative(resolver->timer, (uint64_t)next.tv_sec * 1000000 + next.tv_usec);
	sd_event_source_set_enabled(resolver->timer, resolver->watches ? SD_EVENT_ONESHOT : SD_EVENT_OFF);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct resolver *resolver = userdata;

	(void)source, (void)usec;
	ares_process_fd(resolver->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
	set_timer(resolver);
	return 0;
}

static int on_socket(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	struct resolver *resolver = userdata;

	(void)source;
	ares_process_fd(resolver->channel, revents & (EPOLLIN | EPOLLERR | EPOLLHUP) ? fd : ARES_SOCKET_BAD,
			revents & EPOLLOUT ? fd : ARES_SOCKET_BAD);
	set_timer(resolver);
	return 0;
}

static void forget(struct resolver *resolver, struct watch *watch)
{
	HASH_DEL(resolver->watches, watch);
	sd_event_source_disable_unref(watch->source);
	free(watch);
}

/* c-ares says what it waits for on a socket; neither: it is about to close it. */
static void want_socket(void *userdata, ares_socket_t fd, int readable, int writable)
{
	struct resolver *resolver = userdata;
	uint32_t events = (readable ? EPOLLIN : 0) | (writable ? EPOLLOUT : 0);
	struct watch *watch;

	HASH_FIND_INT(resolver->watches, &fd, watch);
	if (watch && !events)
		forget(resolver, watch);
	else if (watch)
		sd_event_source_set_io_events(watch->source, events);
	if (watch || !events)
		return;
	watch = calloc(1, sizeof(*watch));
	if (!watch)
		return; /* the query times out */
	watch->fd = fd;
	if (sd_event_add_io(resolver->event, &watch->source, fd, events, on_socket, resolver) < 0) {
		free(watch);
		return;
	}
	HASH_ADD_INT(resolver->watches, fd, watch);
}

int resolver_open(sd_event *event, const char *servers, struct resolver **ret_resolver)
{
	struct resolver *resolver = calloc(1, sizeof(*resolver));
	struct ares_options options = {.timeout = TRY_MS, .tries = TRIES, .sock_state_cb = want_socket, .sock_state_cb_data = resolver};
	int r;

	if (!resolver)
		return -ENOMEM;
	resolver->event = event;
	if (ares_library_init(ARES_LIB_INIT_ALL) != ARES_SUCCESS) {
		free(resolver);
		return -ENOMEM;
	}
	r = ares_init_options(&resolver->channel, &options, ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB) ==
	    ARES_SUCCESS ? 0 : -ENOMEM;
	if (r < 0)
		resolver->channel = NULL;
	if (r == 0 && servers && ares_set_servers_ports_csv(resolver->channel, servers) != ARES_SUCCESS)
		r = -EINVAL;
	if (r == 0)
		r = sd_event_add_time(event, &resolver->timer, CLOCK_MONOTONIC, 0, 1000, on_timer, resolver);
	if (r >= 0)
		r = sd_event_source_set_enabled(resolver->timer, SD_EVENT_OFF);
	if (r < 0) {
		resolver_close(resolver);
		return r;
	}
	*ret_resolver = resolver;
	return 0;
}

void resolver_close(struct resolver *resolver)
{
	struct watch *watch, *next;

	if (!resolver)
		return;
	resolver->closing = true;
	if (resolver->channel)
		ares_destroy(resolver->channel); /* ends every query: their lookups go, and tell nobody */
	HASH_ITER(hh, resolver->watches, watch, next)
		forget(resolver, watch);
	sd_event_source_disable_unref(resolver->timer);
	ares_library_cleanup();
	free(resolver);
}

/* ---- a lookup ---- */

static int order(const void *a, const void *b)
{
	const struct resolved *left = a, *right = b;
	int by_address = memcmp(&left->address, &right->address, sizeof(left->address));

	return by_address ? by_address : (left->port > right->port) - (left->port < right->port);
}

/* What is listed twice counts as it is preferred. */
static void sort_and_unite(struct lookup *lookup)
{
	size_t kept = 0;

	qsort(lookup->list, lookup->n, sizeof(lookup->list[0]), order);
	for (size_t i = 0; i < lookup->n; i++) {
		if (kept == 0 || order(&lookup->list[kept - 1], &lookup->list[i]))
			lookup->list[kept++] = lookup->list[i];
		else if (lookup->list[i].priority < lookup->list[kept - 1].priority)
			lookup->list[kept - 1] = lookup->list[i];
	}
	lookup->n = kept;
}

static const char *status_text(int status)
{
	switch (status) {
	case ARES_ENOTFOUND:
		return "no such name";
	case ARES_ENODATA:
		return "the name has no such records";
	case ARES_ETIMEOUT:
		return "timeout";
	case ARES_ECONNREFUSED:
		return "no name server answers, or all refuse to";
	case ARES_ESERVFAIL:
		return "the name server failed (SERVFAIL)";
	default:
		return ares_strerror(status);
	}
}

static void release(struct lookup *lookup)
{
	struct resolution resolution = {0};

	if (--lookup->pending > 0)
		return;
	sort_and_unite(lookup);
	if (lookup->status != ARES_SUCCESS)
		resolution.error = status_text(lookup->status);
	else if (lookup->n == 0)
		resolution.error = status_text(ARES_ENODATA);
	else
		resolution = (struct resolution){NULL, lookup->list, lookup->n, lookup->beyond, lookup->ttl_s};
	if (lookup->callback && !lookup->resolver->closing)
		lookup->callback(lookup->userdata, &resolution);
	free(lookup);
}

static void note_failure(struct lookup *lookup, int status)
{
	if (lookup->status == ARES_SUCCESS)
		lookup->status = status;
}

static void note_ttl(struct lookup *lookup, uint32_t ttl_s)
{
	if (ttl_s < lookup->ttl_s)
		lookup->ttl_s = ttl_s;
}

static void add(struct query *query, const struct ares_addrinfo_node *node)
{
	struct lookup *lookup = query->lookup;
	struct resolved *to = &lookup->list[lookup->n];

	if (lookup->n == RESOLVED_MAX) {
		lookup->beyond++;
		return;
	}
	*to = (struct resolved){.port = query->port, .priority = query->priority, .weight = query->weight};
	if (node->ai_family == AF_INET)
		address_from_ipv4(&((const struct sockaddr_in *)(const void *)node->ai_addr)->sin_addr, &to->address);
	else
		address_from_ipv6(&((const struct sockaddr_in6 *)(const void *)node->ai_addr)->sin6_addr, &to->address);
	note_ttl(lookup, node->ai_ttl);
	lookup->n++;
}

/* What a name stands for changes as soon as any of the CNAMEs on the way does. */
static void add_all(struct query *query, const struct ares_addrinfo *info)
{
	for (const struct ares_addrinfo_cname *cname = info->cnames; cname; cname = cname->next)
		note_ttl(query->lookup, cname->ttl);
	for (const struct ares_addrinfo_node *node = info->nodes; node; node = node->ai_next)
		add(query, node);
}

/* A name without addresses of one family is no failure: of the other it may have some. */
static void on_addresses(void *userdata, int status, int timeouts, struct ares_addrinfo *info)
{
	struct query *query = userdata;

	(void)timeouts;
	if (status == ARES_SUCCESS)
		add_all(query, info);
	else if (status != ARES_ENODATA)
		note_failure(query->lookup, status);
	if (info)
		ares_freeaddrinfo(info);
	release(query->lookup);
	free(query);
}

/* A and AAAA are asked apart, since c-ares takes an answer to one of them for an answer to both. */
static void ask_addresses(struct lookup *lookup, const char *name, struct query from)
{
	static const int families[] = {AF_INET, AF_INET6};

	for (int i = 0; i < 2; i++) {
		const struct ares_addrinfo_hints hints = {.ai_family = families[i], .ai_flags = ARES_AI_NOSORT};
		struct query *query = malloc(sizeof(*query));

		if (!query) {
			note_failure(lookup, ARES_ENOMEM);
			return;
		}
		*query = from;
		query->lookup = lookup;
		lookup->pending++;
		ares_getaddrinfo(lookup->resolver->channel, name, NULL, &hints, on_addresses, query);
	}
}

/* Behind the name at this place of the message; NULL: it does not end there. */
static const unsigned char *behind_name(const unsigned char *at, const unsigned char *answer, int length)
{
	char *name;
	long bytes;

	if (!at || at >= answer + length || ares_expand_name(at, answer, length, &name, &bytes) != ARES_SUCCESS)
		return NULL;
	ares_free_string(name);
	return at + bytes;
}

/* Of a message that ares_parse_srv_reply has read: it tells no TTL. The form is that of RFC 1035 section 4.1. */
static void note_ttls(struct lookup *lookup, const unsigned char *answer, int length)
{
	const unsigned char *counts = answer + 4, *at = answer + NS_HFIXEDSZ, *end = answer + length;
	uint16_t questions, records, data_bytes;
	uint32_t ttl_s;

	NS_GET16(questions, counts);
	NS_GET16(records, counts);
	for (; questions && at; questions--) {
		at = behind_name(at, answer, length);
		at = at ? at + NS_QFIXEDSZ : NULL;
	}
	for (; records; records--) {
		at = behind_name(at, answer, length);
		if (!at || end - at < NS_RRFIXEDSZ)
			return;
		at += 2 * NS_INT16SZ; /* type and class */
		NS_GET32(ttl_s, at);
		NS_GET16(data_bytes, at);
		note_ttl(lookup, ttl_s);
		at = end - at < data_bytes ? NULL : at + data_bytes;
	}
}

static void on_services(void *userdata, int status, int timeouts, unsigned char *answer, int length)
{
	struct lookup *lookup = userdata;
	struct ares_srv_reply *records = NULL;

	(void)timeouts;
	if (status == ARES_SUCCESS)
		status = ares_parse_srv_reply(answer, length, &records);
	if (status == ARES_SUCCESS)
		note_ttls(lookup, answer, length);
	else
		note_failure(lookup, status);
	for (const struct ares_srv_reply *record = records; record; record = record->next)
		if (*record->host) /* "." says that there is no such service */
			ask_addresses(lookup, record->host, (struct query){.port = record->port, .priority = record->priority,
									   .weight = record->weight});
	if (records)
		ares_free_data(records);
	release(lookup);
}

int resolver_lookup(struct resolver *resolver, const char *name, bool srv, resolver_callback callback, void *userdata,
		    struct lookup **ret_lookup)
{
	struct lookup *lookup = calloc(1, sizeof(*lookup));

	if (!lookup)
		return -ENOMEM;
	*lookup = (struct lookup){.resolver = resolver, .callback = callback, .userdata = userdata, .ttl_s = UINT32_MAX};
	*ret_lookup = lookup; /* before an answer that is known at once */
	lookup->pending = 1;
	if (srv) {
		lookup->pending++;
		ares_query(resolver->channel, name, ns_c_in, ns_t_srv, on_services, lookup);
	} else {
		ask_addresses(lookup, name, (struct query){0});
	}
	release(lookup);
	set_timer(resolver);
	return 0;
}

void lookup_forget(struct lookup *lookup)
{
	if (lookup)
		lookup->callback = NULL;
}
