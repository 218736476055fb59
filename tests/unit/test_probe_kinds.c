/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Every kind of check beside plain TCP and HTTP, against real sockets and real programs; and what schedules them all. */
#include <signal.h>

#include "probe_fixture.h"

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))
#define BYTES(text) {.data = (text), .length = sizeof(text) - 1}

static void run_once(const char *where, uint16_t port, struct config_check check, struct client *ret_client)
{
	*ret_client = (struct client){0};
	start_at(ret_client, where, port, check);
	wait_until(ret_client->calls);
	stop(ret_client);
}

static void assert_result(const struct client *client, enum probe_reason reason, const char *text)
{
	assert_string_equal(client->text, text);
	assert_string_equal(probe_reason_word(client->reason), probe_reason_word(reason));
}

/* ---- TCP with send and expect ---- */

static void tcp_judges_what_it_is_answered(void **state)
{
	static const struct {
		const char *answer;
		bool hangs_up, stays_open;
		enum probe_reason reason;
		const char *text;
	} rows[] = {
		{"+PONG\r\n", .stays_open = true, .reason = PROBE_OK, .text = "answered as expected"},
		{"-ERR\r\n", .reason = PROBE_WRONG_BODY, .text = "wrong answer: \"-ERR??\""},
		{"-ERR\r\n", .stays_open = true, .reason = PROBE_RESPONSE_TIMEOUT,
		 .text = "timeout reading the answer after 100ms"},
		{NULL, .reason = PROBE_RESPONSE_TIMEOUT, .text = "timeout waiting for the answer after 100ms"},
	};
	const struct config_check check = {.type = CHECK_TCP, .interval_ms = 1000, .timeout_ms = 100,
					   .send = BYTES("PING\r\n"), .expect = BYTES("+PONG")};

	(void)state;
	require_network();
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct server *target = server(rows[i].answer);
		struct client client;

		target->stays_open = rows[i].stays_open;
		run_once("127.0.0.1", target->port, check, &client);
		assert_result(&client, rows[i].reason, rows[i].text);
		assert_string_equal(target->request, "PING\r\n");
		server_free(target);
	}
}

/* ---- HTTP ---- */

static void http_asks_and_judges_as_it_is_told(void **state)
{
	static const struct {
		struct config_check check;
		const char *answer, *request, *text;
		enum probe_reason reason;
	} rows[] = {
		{{.n_status = 1, .status = {{404, 404}}}, "HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n", "GET / ",
		 "status 404", PROBE_OK},
		{{.n_status = 2, .status = {{200, 204}, {301, 301}}}, "HTTP/1.1 301 No\r\nContent-Length: 0\r\n\r\n", "GET / ",
		 "status 301", PROBE_OK},
		{{.n_status = 1, .status = {{200, 299}}}, "HTTP/1.1 302 No\r\nContent-Length: 0\r\n\r\n", "GET / ",
		 "status 302", PROBE_WRONG_STATUS},
		{{.method = "HEAD"}, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", "HEAD / ", "status 200", PROBE_OK},
		{{.method = "OPTIONS"}, OK_200, "OPTIONS / ", "status 200", PROBE_OK},
		{{.expect = BYTES("ok")}, OK_200, "GET / ", "status 200", PROBE_OK},
		{{.expect = BYTES("fine")}, OK_200, "GET / ", "status 200, body without \"fine\"", PROBE_WRONG_BODY},
		{{.expect = BYTES("fine")}, "HTTP/1.1 503 No\r\nContent-Length: 4\r\n\r\nfine", "GET / ", "status 503",
		 PROBE_WRONG_STATUS},
		{{.http_version = HTTP_VERSION_2}, OK_200, "PRI * HTTP/2.0", NULL, PROBE_RESPONSE_FAILED},
	};

	(void)state;
	require_network();
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct config_check check = rows[i].check;
		struct server *target = server(rows[i].answer);
		struct client client;

		check.type = CHECK_HTTP;
		check.path = "/";
		check.interval_ms = check.timeout_ms = 2000;
		run_once("127.0.0.1", target->port, check, &client);
		assert_ptr_equal(strstr(target->request, rows[i].request), target->request);
		if (rows[i].text)
			assert_string_equal(client.text, rows[i].text);
		assert_int_equal(client.reason, rows[i].reason);
		server_free(target);
	}
}

/* ---- datagrams ---- */

struct datagram_server {
	int fd;
	uint16_t port;
	sd_event_source *source;
	const void *answer;                 /* NULL: none */
	size_t answer_length;
	bool is_dns;                        /* the first two bytes are those of the question */
	uint8_t question[512];
	ssize_t question_length;
};

static int on_question(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	struct datagram_server *server = userdata;
	struct sockaddr_storage from;
	socklen_t length = sizeof(from);
	uint8_t answer[512];

	(void)source, (void)revents;
	server->question_length = recvfrom(fd, server->question, sizeof(server->question), 0, (struct sockaddr *)&from, &length);
	if (!server->answer || server->question_length < 0)
		return 0;
	memcpy(answer, server->answer, server->answer_length);
	if (server->is_dns)
		memcpy(answer, server->question, 2);
	assert_int_equal(sendto(fd, answer, server->answer_length, 0, (struct sockaddr *)&from, length), server->answer_length);
	return 0;
}

static void datagram_server_open(struct datagram_server *server)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t length = sizeof(at);

	server->fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	assert_return_code(bind(server->fd, (struct sockaddr *)&at, sizeof(at)), errno);
	assert_return_code(getsockname(server->fd, (struct sockaddr *)&at, &length), errno);
	server->port = ntohs(at.sin_port);
	assert_return_code(sd_event_add_io(event, &server->source, server->fd, EPOLLIN, on_question, server), 0);
}

static void datagram_server_close(struct datagram_server *server)
{
	sd_event_source_disable_unref(server->source);
	close(server->fd);
}

static void udp_takes_silence_for_up_and_unreachable_for_down(void **state)
{
	static const struct {
		const char *answer;
		struct config_bytes expect;
		enum probe_reason reason;
		const char *text;
	} rows[] = {
		{NULL, {}, PROBE_OK, "no answer, but nothing unreachable: taken for up"},
		{"hi", {}, PROBE_OK, "answered"},
		{"hi", BYTES("h"), PROBE_OK, "answered as expected"},
		{"no", BYTES("hi"), PROBE_WRONG_BODY, "wrong answer: \"no\""},
		{NULL, BYTES("hi"), PROBE_RESPONSE_TIMEOUT, "timeout waiting for the answer after 100ms"},
	};
	struct client client;

	(void)state;
	require_network();
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct datagram_server server = {.answer = rows[i].answer,
						 .answer_length = rows[i].answer ? strlen(rows[i].answer) : 0};
		const struct config_check check = {.type = CHECK_UDP, .interval_ms = 1000, .timeout_ms = 100,
						   .send = BYTES("\0\1"), .expect = rows[i].expect};

		datagram_server_open(&server);
		run_once("127.0.0.1", server.port, check, &client);
		assert_result(&client, rows[i].reason, rows[i].text);
		assert_int_equal(server.question_length, 2);
		assert_memory_equal(server.question, "\0\1", 2);
		datagram_server_close(&server);
	}
	run_once("127.0.0.1", 9, (struct config_check){.type = CHECK_UDP, .interval_ms = 1000, .timeout_ms = 900}, &client);
	assert_result(&client, PROBE_REFUSED, "connection refused");
	assert_true(client.latency_us < 900000);
}

#define DNS_QUESTION "\1a\7example\0\0\1\0\1"
#define DNS_ANSWER "\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\xc0\0\2\1" /* 192.0.2.1 */

static void dns_judges_rcode_and_address(void **state)
{
	static const char good[] = "..\x81\x80\0\1\0\1\0\0\0\0" DNS_QUESTION DNS_ANSWER;
	static const char nxdomain[] = "..\x81\x83\0\1\0\0\0\0\0\0" DNS_QUESTION;
	static const struct {
		const char *answer;
		size_t length;
		const char *wanted;
		uint8_t rcode;
		enum probe_reason reason;
		const char *text;
	} rows[] = {
		{good, sizeof(good) - 1, NULL, 0, PROBE_OK, "rcode NOERROR"},
		{good, sizeof(good) - 1, "192.0.2.1", 0, PROBE_OK, "rcode NOERROR"},
		{good, sizeof(good) - 1, "192.0.2.2", 0, PROBE_WRONG_BODY, "192.0.2.2 is not among the answers"},
		{nxdomain, sizeof(nxdomain) - 1, NULL, 0, PROBE_WRONG_STATUS, "rcode NXDOMAIN"},
		{nxdomain, sizeof(nxdomain) - 1, NULL, 3, PROBE_OK, "rcode NXDOMAIN"},
		{NULL, 0, NULL, 0, PROBE_RESPONSE_TIMEOUT, "timeout waiting for the answer after 100ms"},
	};

	(void)state;
	require_network();
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct datagram_server server = {.answer = rows[i].answer, .answer_length = rows[i].length, .is_dns = true};
		struct config_check check = {.type = CHECK_DNS, .interval_ms = 1000, .timeout_ms = 100,
					     .query = "a.example", .rcode = rows[i].rcode};
		struct client client;

		if (rows[i].wanted)
			check.answer = address_of(rows[i].wanted);
		datagram_server_open(&server);
		run_once("127.0.0.1", server.port, check, &client);
		assert_result(&client, rows[i].reason, rows[i].text);
		assert_int_equal(server.question_length, 12 + sizeof(DNS_QUESTION) - 1);
		datagram_server_close(&server);
	}
}

static void icmp_pings_both_families(void **state)
{
	const struct config_check check = {.type = CHECK_ICMP, .interval_ms = 1000, .timeout_ms = 300};
	static const char *const ranges[] = {"1 0", "0 2147483647"}; /* raw sockets, ping sockets */
	struct client client;

	(void)state;
	require_network();
	assert_int_equal(system("ip link add i0 type veth peer name i1 && ip addr add 10.8.0.1/24 dev i0 && "
				"ip link set i0 up && ip link set i1 up && "
				"ip neigh add 10.8.0.2 lladdr 02:00:00:00:00:08 dev i0 nud permanent"), 0);
	for (size_t i = 0; i < COUNT(ranges); i++) {
		char command[96];

		snprintf(command, sizeof(command), "sysctl -qw net.ipv4.ping_group_range='%s'", ranges[i]);
		assert_int_equal(system(command), 0);
		run_once("127.0.0.1", 0, check, &client);
		assert_result(&client, PROBE_OK, "echo reply");
		run_once("::1", 0, check, &client);
		assert_result(&client, PROBE_OK, "echo reply");
		run_once("10.8.0.2", 0, check, &client);
		assert_result(&client, PROBE_RESPONSE_TIMEOUT, "timeout waiting for the echo reply after 300ms");
		run_once("203.0.113.9", 0, check, &client);
		assert_result(&client, PROBE_UNREACHABLE, "network unreachable");
	}
}

/* ---- programs ---- */

static struct client run_program(const char *script)
{
	char *command[] = {"/bin/sh", "-c", (char *)script, NULL};
	const struct config_check check = {.type = CHECK_EXEC, .interval_ms = 2000, .timeout_ms = 400, .command = command};
	struct client client;

	run_once("192.0.2.7", 81, check, &client);
	return client;
}

static void exec_judges_by_exit_status(void **state)
{
	static char *const missing[] = {"/nonexistent/program", NULL};
	static const struct {
		const char *script;
		enum probe_reason reason;
		const char *text;
		uint32_t lag_ms;
	} rows[] = {
		{"exit 0", PROBE_OK, "exit status 0", PROBE_LAG_NONE},
		{"echo all well; exit 0", PROBE_OK, "exit status 0: all well", PROBE_LAG_NONE},
		{"echo replica lag=1500 of 9; exit 0", PROBE_OK, "exit status 0: replica lag=1500 of 9", 1500},
		{"echo disk full >&2; exit 3", PROBE_PROGRAM_FAILED, "exit status 3: disk full", PROBE_LAG_NONE},
		{"kill -9 $$", PROBE_PROGRAM_FAILED, "killed by signal 9", PROBE_LAG_NONE},
		{"sleep 60", PROBE_PROGRAM_TIMEOUT, "timeout of the program, killed after 400ms", PROBE_LAG_NONE},
		{"yes | head -c 1000000; exit 0", PROBE_OK, "exit status 0: y", PROBE_LAG_NONE},
		{"echo $SHUNT_BACKEND $SHUNT_ADDRESS $SHUNT_PORT $SHUNT_TIMEOUT_MS", PROBE_OK,
		 "exit status 0: a 192.0.2.7 81 400", PROBE_LAG_NONE},
		{"printf 'a\\033[1mb'", PROBE_OK, "exit status 0: a?[1mb", PROBE_LAG_NONE},
	};
	struct client client;

	(void)state;
	require_network();
	for (size_t i = 0; i < COUNT(rows); i++) {
		client = run_program(rows[i].script);
		assert_result(&client, rows[i].reason, rows[i].text);
		assert_int_equal(client.lag_ms, rows[i].lag_ms);
	}
	run_once("192.0.2.7", 81, (struct config_check){.type = CHECK_EXEC, .interval_ms = 1000, .timeout_ms = 900,
							 .command = (char **)missing}, &client);
	assert_result(&client, PROBE_PROGRAM_FAILED, "/nonexistent/program: No such file or directory");
}

/* A command that nobody else's processes are mistaken for. */
static const char *own_sleep(void)
{
	static char text[64];

	snprintf(text, sizeof(text), "sleep 61.%d", getpid());
	return text;
}

static bool sleeps(void)
{
	char command[128];

	snprintf(command, sizeof(command), "pgrep -f -x '%s' >/dev/null", own_sleep());
	return system(command) == 0;
}

/* The loop runs between two looks: each look is a child of this process, whose end alone would keep it busy. */
static void wait_until_it_sleeps(bool wanted)
{
	uint64_t deadline_ms = clock_monotonic_ms() + DEADLINE_MS;

	while (sleeps() != wanted) {
		if (clock_monotonic_ms() > deadline_ms)
			fail_msg("never: %s that %s", own_sleep(), wanted ? "runs" : "is over");
		run_loop_for(20);
	}
}

/* What a program leaves behind goes with it: at its end and when time is up, and whatever group or session it is in. */
static void exec_leaves_no_children(void **state)
{
	static const char *const scripts[] = {
		"$S & $S & exit 0",
		"$S & $S",
		"setsid $S & exit 0",
		"setsid -f $S; exit 1",
		"(setsid sh -c \"setsid $S & setsid $S & sleep 60\" &); sleep 60",
		"env -i /bin/sh -c \"setsid -f $S; setsid -f $S\"; exit 0",
	};
	char script[512];

	(void)state;
	require_network();
	for (size_t i = 0; i < COUNT(scripts); i++) {
		snprintf(script, sizeof(script), "S='%s'; %s", own_sleep(), scripts[i]);
		run_program(script);
		wait_until_it_sleeps(false);
	}
}

/* The end of one program is not the end of what another one, that runs, has begun. */
static void exec_ends_only_its_own(void **state)
{
	char script[256];
	char *command[] = {"/bin/sh", "-c", script, NULL};
	const struct config_check check = {.type = CHECK_EXEC, .interval_ms = 60000, .timeout_ms = 60000, .command = command};
	struct client other = {0};

	(void)state;
	require_network();
	snprintf(script, sizeof(script), "(setsid %s &); sleep 60", own_sleep());
	start_at(&other, "192.0.2.8", 81, check);
	wait_until_it_sleeps(true);
	for (int i = 0; i < 3; i++)
		run_program("exit 0");
	assert_true(sleeps());
	stop(&other);
	wait_until_it_sleeps(false);
}

/* ---- agents ---- */

/* HAProxy configuration manual, section 5.2, "agent-check"; the last rows are shunt's own. */
static void an_agents_words_are_haproxys(void **state)
{
	static const struct {
		const char *line;
		bool understood;
		enum probe_admin admin, operation;
		int weight_percent;
		const char *reason;
		uint32_t lag_ms;
	} rows[] = {
		{"up\n", true, PROBE_ADMIN_NONE, PROBE_ADMIN_UP, -1, "", PROBE_LAG_NONE},
		{"UP\r\n", true, PROBE_ADMIN_NONE, PROBE_ADMIN_UP, -1, "", PROBE_LAG_NONE},
		{"down", true, PROBE_ADMIN_NONE, PROBE_ADMIN_DOWN, -1, "", PROBE_LAG_NONE},
		{"down #going away\n", true, PROBE_ADMIN_NONE, PROBE_ADMIN_DOWN, -1, "going away", PROBE_LAG_NONE},
		{"fail# disk", true, PROBE_ADMIN_NONE, PROBE_ADMIN_DOWN, -1, "disk", PROBE_LAG_NONE},
		{"stopped", true, PROBE_ADMIN_NONE, PROBE_ADMIN_DOWN, -1, "", PROBE_LAG_NONE},
		{"75%", true, PROBE_ADMIN_NONE, PROBE_ADMIN_NONE, 75, "", PROBE_LAG_NONE},
		{"0%", true, PROBE_ADMIN_NONE, PROBE_ADMIN_NONE, 0, "", PROBE_LAG_NONE},
		{"200%", true, PROBE_ADMIN_NONE, PROBE_ADMIN_NONE, 200, "", PROBE_LAG_NONE},
		{"maxconn:30", true, PROBE_ADMIN_NONE, PROBE_ADMIN_NONE, -1, "", PROBE_LAG_NONE},
		{"drain", true, PROBE_ADMIN_DRAIN, PROBE_ADMIN_NONE, -1, "", PROBE_LAG_NONE},
		{"maint", true, PROBE_ADMIN_MAINT, PROBE_ADMIN_NONE, -1, "", PROBE_LAG_NONE},
		{"ready", true, PROBE_ADMIN_READY, PROBE_ADMIN_NONE, -1, "", PROBE_LAG_NONE},
		{"ready up 50%\n", true, PROBE_ADMIN_READY, PROBE_ADMIN_UP, 50, "", PROBE_LAG_NONE},
		{"up,drain\t20%", true, PROBE_ADMIN_DRAIN, PROBE_ADMIN_UP, 20, "", PROBE_LAG_NONE},
		{"up\rdown", true, PROBE_ADMIN_NONE, PROBE_ADMIN_UP, -1, "", PROBE_LAG_NONE},
		{"", true, PROBE_ADMIN_NONE, PROBE_ADMIN_NONE, -1, "", PROBE_LAG_NONE},
		{"hello", false, PROBE_ADMIN_NONE, PROBE_ADMIN_NONE, -1, "", PROBE_LAG_NONE},
		{"75", false, PROBE_ADMIN_NONE, PROBE_ADMIN_NONE, -1, "", PROBE_LAG_NONE},
		{"-5%", false, PROBE_ADMIN_NONE, PROBE_ADMIN_NONE, -1, "", PROBE_LAG_NONE},
		{"99999%", false, PROBE_ADMIN_NONE, PROBE_ADMIN_NONE, -1, "", PROBE_LAG_NONE},
		{"up lag=250", true, PROBE_ADMIN_NONE, PROBE_ADMIN_UP, -1, "", 250},
		{"down # lag=250", true, PROBE_ADMIN_NONE, PROBE_ADMIN_DOWN, -1, "lag=250", PROBE_LAG_NONE},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct probe_agent_words words = probe_agent_parse(rows[i].line);

		if (words.understood != rows[i].understood || words.admin != rows[i].admin ||
		    words.operation != rows[i].operation || words.weight_percent != rows[i].weight_percent ||
		    strcmp(words.reason, rows[i].reason) != 0 || words.lag_ms != rows[i].lag_ms)
			fail_msg("\"%s\": understood %d admin %d operation %d weight %d reason \"%s\" lag %u", rows[i].line,
				 words.understood, words.admin, words.operation, words.weight_percent, words.reason,
				 words.lag_ms);
	}
}

static struct config_check agent_check(uint16_t port)
{
	return (struct config_check){.type = CHECK_AGENT, .port = port, .interval_ms = 1000, .timeout_ms = 200};
}

static void an_agent_speaks_for_its_backend(void **state)
{
	static const struct {
		const char *answer;
		enum probe_reason reason;
		enum probe_admin admin;
		int weight_percent;
		const char *text;
	} rows[] = {
		{"up 50%\n", PROBE_OK, PROBE_ADMIN_UP, 50, "agent says \"up 50%\""},
		{"drain", PROBE_OK, PROBE_ADMIN_DRAIN, -1, "agent says \"drain\""},
		{"down #backup runs\n", PROBE_TOLD_DOWN, PROBE_ADMIN_DOWN, -1, "agent says \"down \": backup runs"},
		{"what?\n", PROBE_RESPONSE_FAILED, PROBE_ADMIN_NONE, -1, "not the agent protocol: \"what?\""},
	};

	(void)state;
	require_network();
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct config_check check = agent_check(0);
		struct server *target = server(rows[i].answer);
		struct client client;

		check.send = (struct config_bytes)BYTES("web1\n");
		run_once("127.0.0.1", target->port, check, &client);
		assert_result(&client, rows[i].reason, rows[i].text);
		assert_int_equal(client.admin, rows[i].admin);
		assert_int_equal(client.weight_percent, rows[i].weight_percent);
		assert_string_equal(target->request, "web1\n");
		server_free(target);
	}
}

/* ---- all and any ---- */

static void all_and_any_combine(void **state)
{
	struct server *good, *bad, *silent, *agent;
	struct client client;

	(void)state;
	require_network();
	good = server(OK_200);
	bad = server("HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n");
	silent = server(NULL);
	agent = server("up 30% lag=7\n");
	struct config_check http_good = {.type = CHECK_HTTP, .path = "/", .port = good->port, .timeout_ms = 200};
	struct config_check http_bad = {.type = CHECK_HTTP, .path = "/", .port = bad->port, .timeout_ms = 200};
	struct config_check late = {.type = CHECK_HTTP, .path = "/", .port = silent->port, .timeout_ms = 200};
	struct config_check refused = {.type = CHECK_TCP, .port = 9, .timeout_ms = 200};
	struct config_check told = agent_check(agent->port), untold = agent_check(9);
	struct config_check tcp = {.type = CHECK_TCP, .port = good->port, .timeout_ms = 200};
	told.send = (struct config_bytes)BYTES("\n"); /* these servers speak when spoken to */
	const struct {
		enum config_check_type type;
		struct config_check parts[2];
		enum probe_reason reason;
		int weight_percent;
		const char *text;
	} rows[] = {
		{CHECK_ALL, {tcp, http_good}, PROBE_OK, -1, "all 2 are good: http: status 200"},
		{CHECK_ALL, {tcp, http_bad}, PROBE_WRONG_STATUS, -1, "http: status 503"},
		{CHECK_ALL, {late, refused}, PROBE_REFUSED, -1, "tcp: connection refused"},
		{CHECK_ALL, {tcp, late}, PROBE_RESPONSE_TIMEOUT, -1,
		 "http: timeout waiting for the response after 200ms"},
		{CHECK_ANY, {refused, http_good}, PROBE_OK, -1, "http: status 200"},
		{CHECK_ANY, {late, tcp}, PROBE_OK, -1, "tcp: connected"},
		{CHECK_ANY, {refused, http_bad}, PROBE_WRONG_STATUS, -1, "http: status 503"},
		{CHECK_ANY, {refused, late}, PROBE_RESPONSE_TIMEOUT, -1,
		 "http: timeout waiting for the response after 200ms"},
		{CHECK_ALL, {tcp, told}, PROBE_OK, 30, "all 2 are good: agent: agent says \"up 30% lag=7\""},
		/* An agent that is not there is no failure, a check is what says that (HAProxy manual 5.2, "agent-check"). */
		{CHECK_ALL, {tcp, untold}, PROBE_OK, -1, "all 2 are good: tcp: connected"},
		{CHECK_ANY, {refused, untold}, PROBE_REFUSED, -1, "tcp: connection refused"},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct config_check parts[2] = {rows[i].parts[0], rows[i].parts[1]};
		const struct config_check check = {.type = rows[i].type, .interval_ms = 1000, .timeout_ms = 200,
						   .parts = parts, .n_parts = 2};

		run_once("127.0.0.1", 80, check, &client);
		assert_result(&client, rows[i].reason, rows[i].text);
		assert_int_equal(client.weight_percent, rows[i].weight_percent);
		assert_int_equal(client.lag_ms, rows[i].weight_percent == 30 ? 7 : PROBE_LAG_NONE); /* of the same words */
	}
	server_free(good);
	server_free(bad);
	server_free(silent);
	server_free(agent);
}

static void a_composite_may_be_freed_in_its_callback(void **state)
{
	struct config_check parts[] = {{.type = CHECK_TCP, .port = 9}, {.type = CHECK_TCP, .port = 10},
				       {.type = CHECK_EXEC, .command = (char *[]){"/bin/sleep", "9", NULL}}};
	const struct config_check check = {.type = CHECK_ALL, .interval_ms = 100, .timeout_ms = 100, .parts = parts,
					   .n_parts = 3};
	struct client client = {.free_when_called = true};

	(void)state;
	require_network();
	start_at(&client, "127.0.0.1", 80, check);
	wait_until(client.calls);
	run_loop_for(250);
	assert_int_equal(client.calls, 1);
	assert_int_equal(prober_stats(prober).in_flight, 0);
}

/* ---- turns and hurry ---- */

static void no_more_are_in_flight_than_allowed_and_all_get_their_turn(void **state)
{
	struct config_check check = {.type = CHECK_HTTP, .path = "/", .interval_ms = 100, .timeout_ms = 50};
	struct client client[6] = {0};
	struct server *silent;
	uint32_t most = 0;

	(void)state;
	require_network();
	silent = server(NULL);
	prober_set_max_in_flight(prober, 2);
	for (size_t i = 0; i < COUNT(client); i++)
		start(&client[i], silent, check);
	for (size_t i = 0; i < COUNT(client); i++)
		while (client[i].calls < 4) { /* two at a time, 50 ms each: six take 150 ms a round of 100 ms */
			assert_return_code(sd_event_run(event, 1000000), 0);
			if (prober_stats(prober).in_flight > most)
				most = prober_stats(prober).in_flight;
		}
	assert_int_equal(most, 2);
	for (size_t i = 0; i < COUNT(client); i++)
		assert_in_range(client[i].calls, 4, 7); /* nobody is served twice while another waits */
	stop(&client[0]); /* one of them may wait in line */
	stop(&client[1]);
	run_loop_for(100);
	for (size_t i = 2; i < COUNT(client); i++)
		stop(&client[i]);
	assert_int_equal(prober_stats(prober).in_flight, 0);
	assert_int_equal(prober_stats(prober).queued, 0);
	server_free(silent);
}

static struct client *hurried;

static void on_result_hurry(void *userdata, const struct probe_result *result)
{
	struct client *client = userdata;

	on_result(client, result);
	probe_hurry(client->probe, client->calls < 5); /* uncertain until the fifth */
	hurried = client;
}

static void hurried_probes_come_at_the_fast_interval(void **state)
{
	const struct config_check check = {.type = CHECK_TCP, .interval_ms = 600, .timeout_ms = 600, .fast_interval_ms = 20};
	const struct probe_target target = {.name = "a", .address = address_of("127.0.0.1"), .port = 9};
	struct client client = {0};
	uint64_t first_ms, fifth_ms, sixth_ms;

	(void)state;
	require_network();
	assert_return_code(probe_start(prober, &target, &check, on_result_hurry, &client, &client.probe), 0);
	wait_until(client.calls == 1);
	first_ms = clock_monotonic_ms();
	wait_until(client.calls == 5);
	fifth_ms = clock_monotonic_ms();
	wait_until(client.calls == 6);
	sixth_ms = clock_monotonic_ms();
	print_message("five probes in a hurry took %u ms, the next came %u ms later\n", (unsigned)(fifth_ms - first_ms),
		      (unsigned)(sixth_ms - fifth_ms));
	assert_in_range(fifth_ms - first_ms, 20, 500);   /* 80, less what the first was late by; four whole intervals: 2,400 */
	assert_in_range(sixth_ms - fifth_ms, 560, 1100); /* 600 */
	stop(&client);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(tcp_judges_what_it_is_answered),
		TEST(http_asks_and_judges_as_it_is_told),
		TEST(udp_takes_silence_for_up_and_unreachable_for_down),
		TEST(dns_judges_rcode_and_address),
		TEST(icmp_pings_both_families),
		TEST(exec_judges_by_exit_status),
		TEST(exec_leaves_no_children),
		TEST(exec_ends_only_its_own),
		TEST(an_agents_words_are_haproxys),
		TEST(an_agent_speaks_for_its_backend),
		TEST(all_and_any_combine),
		TEST(a_composite_may_be_freed_in_its_callback),
		TEST(no_more_are_in_flight_than_allowed_and_all_get_their_turn),
		TEST(hurried_probes_come_at_the_fast_interval),
	};

	return cmocka_run_group_tests(tests, enter_network, NULL);
}
