/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the tests of probes share: a network namespace, servers that live in the loop of the probes, a probe's results. */
#ifndef TESTS_UNIT_PROBE_FIXTURE_H
#define TESTS_UNIT_PROBE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "net/address.h"
#include "probe/probe.h"

#define DEADLINE_MS 20000
#define CONNECTIONS_MAX 1024
#define OK_200 "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

static bool have_network;
static sd_event *event;
static struct prober *prober;

#define wait_until(condition) \
	do { \
		uint64_t deadline_ms = clock_monotonic_ms() + DEADLINE_MS; \
		while (!(condition)) { \
			if (clock_monotonic_ms() > deadline_ms) \
				fail_msg("never: %s", #condition); \
			assert_return_code(sd_event_run(event, 100000), 0); \
		} \
	} while (0)

static void run_loop_for(unsigned int ms)
{
	uint64_t end_ms = clock_monotonic_ms() + ms, now_ms;

	while ((now_ms = clock_monotonic_ms()) < end_ms)
		assert_return_code(sd_event_run(event, (end_ms - now_ms) * 1000), 0);
}

static void hold_up_loop_for(unsigned int ms)
{
	usleep(ms * 1000);
}

/* ---- a server ---- */

struct server {
	int fd;
	uint16_t port;
	sd_event_source *source;
	const char *answer;             /* NULL: reads the request and is silent */
	bool hangs_up;                  /* closes at once */
	bool stays_open;                /* after the answer */
	unsigned int held_up_ms;        /* blocks the loop before it answers */
	unsigned int connections;
	char request[1024];
	struct connection {
		int fd;
		sd_event_source *source;
		struct server *server;
	} connection[CONNECTIONS_MAX];
};

static void connection_close(struct connection *connection)
{
	connection->source = sd_event_source_disable_unref(connection->source);
	if (connection->server)
		close(connection->fd);
	connection->server = NULL;
}

static int on_request(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	struct connection *connection = userdata;
	struct server *server = connection->server;
	ssize_t n = read(fd, server->request, sizeof(server->request) - 1);

	(void)source, (void)revents;
	if (n <= 0) {
		connection_close(connection);
		return 0;
	}
	server->request[n] = '\0';
	if (server->held_up_ms)
		hold_up_loop_for(server->held_up_ms);
	if (!server->answer)
		return 0;
	assert_int_equal(send(fd, server->answer, strlen(server->answer), MSG_NOSIGNAL), strlen(server->answer));
	if (!server->stays_open)
		connection_close(connection);
	return 0;
}

static int on_connection(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	struct server *server = userdata;
	struct connection *connection = server->connection;

	(void)source, (void)revents;
	while (connection->server)
		connection++;
	assert_true(connection < server->connection + CONNECTIONS_MAX);
	connection->fd = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (connection->fd < 0)
		return 0;
	connection->server = server;
	server->connections++;
	if (server->hangs_up)
		connection_close(connection);
	else
		assert_return_code(sd_event_add_io(event, &connection->source, connection->fd, EPOLLIN, on_request,
						   connection), 0);
	return 0;
}

static struct shunt_addr address_of(const char *text)
{
	struct shunt_addr address;

	assert_return_code(address_parse(text, &address), 0);
	return address;
}

/* Listens without anybody who accepts. */
static struct server *listener(const char *where, uint16_t port, int backlog)
{
	struct server *server = calloc(1, sizeof(*server));
	struct shunt_addr address = address_of(where);
	struct sockaddr_storage at;
	socklen_t length = address_to_sockaddr(&address, port, &at);
	const int on = 1;

	server->fd = socket(at.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	assert_return_code(setsockopt(server->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)), errno);
	assert_return_code(bind(server->fd, (struct sockaddr *)&at, length), errno);
	assert_return_code(listen(server->fd, backlog), errno);
	assert_return_code(getsockname(server->fd, (struct sockaddr *)&at, &length), errno);
	server->port = ntohs(((struct sockaddr_in *)&at)->sin_port); /* at the same place in sockaddr_in6 */
	return server;
}

static struct server *server_on(const char *where, uint16_t port, const char *answer)
{
	struct server *server = listener(where, port, CONNECTIONS_MAX);

	server->answer = answer;
	assert_return_code(sd_event_add_io(event, &server->source, server->fd, EPOLLIN, on_connection, server), 0);
	return server;
}

static struct server *server(const char *answer)
{
	return server_on("127.0.0.1", 0, answer);
}

static void server_free(struct server *server)
{
	for (size_t i = 0; i < CONNECTIONS_MAX; i++)
		connection_close(&server->connection[i]);
	sd_event_source_disable_unref(server->source);
	close(server->fd);
	free(server);
}

/* ---- a probe and what it said ---- */

struct client {
	struct probe *probe;
	unsigned int calls;
	bool good;
	enum probe_reason reason;
	int weight_percent;
	enum probe_admin admin;
	uint32_t lag_ms;
	uint32_t latency_us;
	char text[160];
	bool free_when_called;
	struct client *free_too;
};

static void on_result(void *userdata, const struct probe_result *result)
{
	struct client *client = userdata;

	client->calls++;
	if (client->free_when_called) {
		probe_free(client->probe);
		client->probe = NULL;
	}
	if (client->free_too) {
		probe_free(client->free_too->probe);
		client->free_too->probe = NULL;
	}
	client->good = result->good;
	client->reason = result->reason;
	client->weight_percent = result->weight_percent;
	client->admin = result->admin;
	client->lag_ms = result->lag_ms;
	assert_int_equal(result->good, result->reason == PROBE_OK);
	client->latency_us = result->latency_us;
	snprintf(client->text, sizeof(client->text), "%s", result->text);
}

static void start_at(struct client *client, const char *where, uint16_t port, struct config_check check)
{
	const struct probe_target target = {.name = "a", .address = address_of(where), .port = port};

	assert_return_code(probe_start(prober, &target, &check, on_result, client, &client->probe), 0);
	assert_int_equal(client->calls, 0);
}

static void start(struct client *client, const struct server *server, struct config_check check)
{
	start_at(client, "127.0.0.1", server->port, check);
}

static void stop(struct client *client)
{
	probe_free(client->probe);
	client->probe = NULL;
}

/* ---- fixtures ---- */

static int enter_network(void **state)
{
	(void)state;
	have_network = !geteuid() && !unshare(CLONE_NEWNET) && !system("ip link set lo up");
	return 0;
}

static int setup(void **state)
{
	(void)state;
	if (!have_network)
		return 0; /* the test says so */
	assert_true(sd_event_new(&event) >= 0);
	assert_return_code(prober_open(event, &prober), 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	prober_close(prober);
	prober = NULL;
	event = sd_event_unref(event);
	return 0;
}

static void require_network(void)
{
	if (have_network)
		return;
	print_message("skipped: needs root and network namespaces\n");
	skip();
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
