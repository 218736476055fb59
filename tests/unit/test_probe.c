/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Probes against real sockets, in a network namespace of this process. The servers live in the same loop as the probes;
 * what they answer is a canned text.
 */
#include "probe/kind.h"

#include "probe_fixture.h"

static struct config_check tcp_check(void)
{
	return (struct config_check){.type = CHECK_TCP, .interval_ms = 50, .timeout_ms = 2000};
}

static struct config_check http_check(char *path)
{
	return (struct config_check){.type = CHECK_HTTP, .path = path, .interval_ms = 50, .timeout_ms = 2000};
}

static struct config_check quick(struct config_check check)
{
	check.timeout_ms = 100;
	return check;
}

/* Waits for the next result from now on. */
static void expect(struct client *client, bool good, const char *text)
{
	unsigned int before = client->calls;

	wait_until(client->calls > before);
	assert_string_equal(client->text, text);
	assert_int_equal(client->good, good);
}

/* One probe, one result. */
static void expect_of(struct server *server, struct config_check check, bool good, const char *text)
{
	struct client client = {0};

	start(&client, server, check);
	expect(&client, good, text);
	stop(&client);
	server_free(server);
}

/* ---- TCP ---- */

static void tcp_to_a_listening_port_is_good(void **state)
{
	struct client client = {0};
	struct server *target;

	(void)state;
	require_network();
	target = server(NULL);
	start(&client, target, tcp_check());
	expect(&client, true, "connected");
	assert_true(client.latency_us > 0 && client.latency_us < 2000000);
	expect(&client, true, "connected");
	stop(&client);
	server_free(target);
}

static void tcp_over_ipv6_is_good(void **state)
{
	struct client client = {0};
	struct server *target;

	(void)state;
	require_network();
	target = server_on("::1", 0, NULL);
	start_at(&client, "::1", target->port, tcp_check());
	expect(&client, true, "connected");
	stop(&client);
	server_free(target);
}

static void tcp_to_a_closed_port_is_refused(void **state)
{
	struct client client = {0};

	(void)state;
	require_network();
	start_at(&client, "127.0.0.1", 9, tcp_check());
	expect(&client, false, "connection refused");
	assert_int_equal(client.reason, PROBE_REFUSED);
	stop(&client);
}

static void tcp_without_a_way_says_so(void **state)
{
	struct client client[2] = {0};

	(void)state;
	require_network();
	assert_int_equal(system("ip route replace unreachable 192.0.2.0/24"), 0);
	start_at(&client[0], "192.0.2.1", 80, tcp_check());
	start_at(&client[1], "198.51.100.1", 80, tcp_check());
	expect(&client[0], false, "no route to host");
	expect(&client[1], false, "network unreachable");
	assert_true(client[0].reason == PROBE_UNREACHABLE && client[1].reason == PROBE_UNREACHABLE);
	stop(&client[0]);
	stop(&client[1]);
}

static void tcp_to_a_full_backlog_times_out(void **state)
{
	struct client client = {0};
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct server *target;
	int filler[2];

	(void)state;
	require_network();
	target = listener("127.0.0.1", 0, 0);
	to.sin_port = htons(target->port);
	for (int i = 0; i < 2; i++) {
		filler[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		assert_int_equal(connect(filler[i], (struct sockaddr *)&to, sizeof(to)) && errno != EINPROGRESS, 0);
	}
	start(&client, target, quick(tcp_check()));
	expect(&client, false, "timeout in connect after 100ms");
	assert_int_equal(client.reason, PROBE_CONNECT_TIMEOUT);
	stop(&client);
	for (int i = 0; i < 2; i++)
		close(filler[i]);
	server_free(target);
}

static void tcp_into_a_black_hole_times_out_in_time(void **state)
{
	struct client tcp = {0}, http = {0};

	(void)state;
	require_network();
	assert_int_equal(system("ip link add b0 type veth peer name b1 && ip addr add 10.9.0.1/24 dev b0 && "
				"ip link set b0 up && ip link set b1 up && "
				"ip neigh add 10.9.0.2 lladdr 02:00:00:00:00:09 dev b0 nud permanent"), 0);
	start_at(&tcp, "10.9.0.2", 80, quick(tcp_check()));
	start_at(&http, "10.9.0.2", 80, quick(http_check("/")));
	expect(&tcp, false, "timeout in connect after 100ms");
	assert_in_range(tcp.latency_us, 98000, 1000000); /* a late start takes up to a 50th off */
	expect(&http, false, "timeout in connect after 100ms");
	assert_in_range(http.latency_us, 98000, 1000000);
	stop(&tcp);
	stop(&http);
}

static void a_server_that_dies_and_returns_is_noticed(void **state)
{
	struct client tcp = {0}, http = {0};
	struct server *target;
	uint16_t port;

	(void)state;
	require_network();
	target = server(OK_200);
	port = target->port;
	start(&tcp, target, tcp_check());
	start(&http, target, http_check("/"));
	wait_until(tcp.calls >= 2 && tcp.good && http.calls >= 2 && http.good);
	server_free(target);
	wait_until(!tcp.good && !http.good);
	expect(&tcp, false, "connection refused");
	expect(&http, false, "connection refused");
	target = server_on("127.0.0.1", port, OK_200);
	wait_until(tcp.good && http.good);
	stop(&tcp);
	stop(&http);
	server_free(target);
}

/* ---- HTTP ---- */

static void http_tells_its_reasons_apart(void **state)
{
	static const struct {
		const char *answer;
		enum probe_reason reason;
	} rows[] = {
		{OK_200, PROBE_OK},
		{"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n", PROBE_WRONG_STATUS},
		{"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", PROBE_RESPONSE_FAILED},
		{"SSH-2.0-OpenSSH_9.2\r\n", PROBE_RESPONSE_FAILED},
		{NULL, PROBE_RESPONSE_TIMEOUT},
	};

	(void)state;
	require_network();
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct client client = {0};
		struct server *target = server(rows[i].answer);

		start(&client, target, quick(http_check("/")));
		wait_until(client.calls);
		assert_int_equal(client.reason, rows[i].reason);
		stop(&client);
		server_free(target);
	}
}

static void http_status_decides(void **state)
{
	(void)state;
	require_network();
	expect_of(server(OK_200), http_check("/"), true, "status 200");
	expect_of(server("HTTP/1.1 204 No Content\r\n\r\n"), http_check("/"), true, "status 204");
	expect_of(server("HTTP/1.0 302 Found\r\nLocation: http://127.0.0.1:1/\r\n\r\n"), http_check("/"), true,
		  "status 302");
	expect_of(server("HTTP/1.1 404 Not Found\r\n\r\n"), http_check("/"), false, "status 404");
	expect_of(server("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"), http_check("/"), false, "status 503");
}

static void https_tells_what_is_wrong_with_the_handshake(void **state)
{
	struct config_check check = http_check("/");
	struct client client = {0};

	(void)state;
	require_network();
	check.type = CHECK_HTTPS;
	check.timeout_ms = 1000;
	expect_of(server(NULL), check, false, "timeout in the TLS handshake after 1s");
	expect_of(listener("127.0.0.1", 0, 10), check, false, "timeout in the TLS handshake after 1s");
	for (int i = 0; i < 2; i++) {
		struct server *target = server(i ? OK_200 : NULL); /* no TLS at all, or silence */

		client = (struct client){0};
		start(&client, target, i ? check : quick(check));
		wait_until(client.calls);
		assert_int_equal(client.reason, i ? PROBE_TLS_FAILED : PROBE_TLS_TIMEOUT);
		stop(&client);
		server_free(target);
	}
	client = (struct client){0};
	start_at(&client, "127.0.0.1", 9, check);
	expect(&client, false, "connection refused");
	assert_int_equal(client.reason, PROBE_REFUSED);
	stop(&client);
}

static void http_asks_for_the_path_and_host_given(void **state)
{
	struct config_check check = http_check("/a/../b?c=d%20e");
	struct client client = {0};
	struct server *target;
	char host[64];

	(void)state;
	require_network();
	setenv("http_proxy", "http://127.0.0.1:1", 1);
	target = server(OK_200);
	start(&client, target, check);
	expect(&client, true, "status 200");
	stop(&client);
	assert_ptr_equal(strstr(target->request, "GET /a/../b?c=d%20e HTTP/1.1\r\n"), target->request);
	snprintf(host, sizeof(host), "\r\nHost: 127.0.0.1:%u\r\n", target->port);
	assert_non_null(strstr(target->request, host));
	check.host = "www.example.com";
	client = (struct client){0};
	start(&client, target, check);
	expect(&client, true, "status 200");
	assert_non_null(strstr(target->request, "\r\nHost: www.example.com\r\n"));
	stop(&client);
	unsetenv("http_proxy");
	server_free(target);
}

static void http_without_an_answer_times_out(void **state)
{
	(void)state;
	require_network();
	expect_of(server(NULL), quick(http_check("/")), false, "timeout waiting for the response after 100ms");
	/* The kernel takes the connection, the program does not. */
	expect_of(listener("127.0.0.1", 0, 10), quick(http_check("/")), false,
		  "timeout waiting for the response after 100ms");
}

static void http_with_half_an_answer_times_out(void **state)
{
	struct server *target;

	(void)state;
	require_network();
	target = server("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
	target->stays_open = true;
	expect_of(target, quick(http_check("/")), false, "timeout reading the response after 100ms");
	expect_of(server("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"), http_check("/"), false,
		  "response cut short");
}

static void http_nonsense_is_bad(void **state)
{
	(void)state;
	require_network();
	expect_of(server("SSH-2.0-OpenSSH_9.2\r\n"), http_check("/"), false, "not an HTTP response");
	expect_of(server("\001\002\003\004 what?"), http_check("/"), false, "not an HTTP response");
}

static void http_to_a_server_that_hangs_up_is_bad(void **state)
{
	struct client client = {0};
	struct server *target;

	(void)state;
	require_network();
	target = server(NULL);
	target->hangs_up = true;
	start(&client, target, http_check("/"));
	wait_until(client.calls);
	assert_false(client.good);
	/* Which of the two depends on whether the request was under way already. */
	if (strcmp(client.text, "connection reset"))
		assert_string_equal(client.text, "connection closed without a response");
	stop(&client);
	server_free(target);
}

static void http_reads_no_more_of_a_long_body_than_it_must(void **state)
{
	char *answer = malloc(200001);
	struct server *target;

	(void)state;
	require_network();
	memset(answer, 'x', 200000);
	answer[200000] = '\0';
	memcpy(answer, "HTTP/1.1 200 OK\r\n\r\n", 19);
	target = server(answer);
	target->stays_open = true; /* and never ends it */
	expect_of(target, http_check("/"), true, "status 200");
	free(answer);
}

static void http_makes_a_connection_for_each_probe(void **state)
{
	struct client client = {0};
	struct server *target;

	(void)state;
	require_network();
	target = server("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: keep-alive\r\n\r\n");
	target->stays_open = true;
	start(&client, target, http_check("/"));
	wait_until(client.calls == 5);
	assert_in_range(target->connections, 5, 6);
	stop(&client);
	server_free(target);
}

/* ---- scheduling ---- */

static void no_check_reports_good_once(void **state)
{
	struct client client = {0};

	(void)state;
	require_network();
	start_at(&client, "127.0.0.1", 0,
		 (struct config_check){.type = CHECK_NONE, .interval_ms = 10, .timeout_ms = 10});
	expect(&client, true, "not checked");
	run_loop_for(100);
	assert_int_equal(client.calls, 1);
	stop(&client);
}

/* Those that begin together, as at a start, are not made together: half an interval apart, 200 ms at most. */
static void first_probes_are_spread(void **state)
{
	static const struct {
		uint32_t interval_ms, most_ms;
	} rows[] = {{100, 50}, {1000, 200}, {60000, 200}};
	struct client client[200] = {0};

	(void)state;
	require_network();
	for (size_t row = 0; row < sizeof(rows) / sizeof(rows[0]); row++) {
		uint64_t first_us = UINT64_MAX, last_us = 0, start_us = clock_monotonic_ns() / 1000, end_us;
		struct config_check check = tcp_check();

		check.interval_ms = rows[row].interval_ms;
		for (int i = 0; i < 200; i++) {
			start_at(&client[i], "127.0.0.1", 9, check);
			first_us = client[i].probe->due_us < first_us ? client[i].probe->due_us : first_us;
			last_us = client[i].probe->due_us > last_us ? client[i].probe->due_us : last_us;
		}
		end_us = clock_monotonic_ns() / 1000;
		for (int i = 0; i < 200; i++)
			stop(&client[i]);
		print_message("  every %u ms: the first ones within %u ms\n", rows[row].interval_ms, (unsigned)((last_us - first_us) / 1000));
		assert_in_range(first_us, start_us, end_us + rows[row].most_ms * 1000 / 4);
		assert_in_range(last_us, start_us + rows[row].most_ms * 1000 * 3 / 4, end_us + rows[row].most_ms * 1000);
	}
}

/* `via: service`, over loopback: besides each check a connection of its own, as large as traffic can be, once a padded_interval. */
static void a_padded_probe_is_made_once_a_padded_interval(void **state)
{
	const struct shunt_addr here = address_of("127.0.0.1");
	const struct probe_path path = {.service = here, .peer = here, .mark = 1, .padded_mark = 2, .mode = "l2", .packet_bytes = 1500};
	struct config_check check = tcp_check();
	struct client client = {0};
	struct server *target;
	uint64_t start_ms, elapsed_ms;
	unsigned int padded;

	(void)state;
	require_network();
	target = server(NULL);
	check.via_service = true;
	check.unhealthy_threshold = 3;
	check.padded_interval_ms = 500;
	const struct probe_target to = {.name = "a", .address = here, .port = target->port, .paths = &path, .n_paths = 1};
	assert_return_code(probe_start(prober, &to, &check, on_result, &client, &client.probe), 0);
	start_ms = clock_monotonic_ms();
	expect(&client, true, "connected via 127.0.0.1");
	wait_until(target->connections == 3); /* the check, a padded one, and since nothing is known yet the backend itself */
	wait_until(client.calls >= 40);
	run_loop_for(20); /* what the last one began is over */
	elapsed_ms = clock_monotonic_ms() - start_ms;
	padded = target->connections - client.calls - 1;
	print_message("  %u checks in %u ms, padded: %u\n", client.calls, (unsigned)elapsed_ms, padded);
	assert_in_range(padded, 3, elapsed_ms / check.padded_interval_ms + 2);
	assert_true(client.good);
	stop(&client);
	server_free(target);
}

static void the_interval_is_kept(void **state)
{
	struct client tcp = {0}, http = {0};
	struct server *tcp_target, *http_target;
	uint64_t start_ms;
	unsigned int most;

	(void)state;
	require_network();
	tcp_target = server(NULL);
	http_target = server(OK_200);
	start_ms = clock_monotonic_ms();
	start(&tcp, tcp_target, tcp_check());
	start(&http, http_target, http_check("/"));
	run_loop_for(2000);
	most = (clock_monotonic_ms() - start_ms) / 50 + 1;
	assert_in_range(tcp_target->connections, most / 2, most);
	assert_in_range(http_target->connections, most / 2, most);
	stop(&tcp);
	stop(&http);
	server_free(tcp_target);
	server_free(http_target);
}

static void a_slow_probe_is_never_doubled(void **state)
{
	struct config_check check = http_check("/");
	struct client client = {0};
	struct server *target;

	(void)state;
	require_network();
	check.timeout_ms = 330; /* several intervals long */
	target = server(NULL);
	start(&client, target, check);
	wait_until(client.calls == 3);
	assert_in_range(target->connections, 3, 4);
	assert_string_equal(client.text, "timeout waiting for the response after 330ms");
	stop(&client);
	server_free(target);
}

static void a_loop_held_up_makes_up_for_nothing(void **state)
{
	struct client client[20] = {0};
	struct server *target;

	(void)state;
	require_network();
	target = server(NULL);
	for (int i = 0; i < 20; i++)
		start(&client[i], target, tcp_check());
	for (int i = 0; i < 20; i++)
		wait_until(client[i].calls);
	for (int i = 0; i < 20; i++)
		client[i].calls = 0;
	hold_up_loop_for(1000); /* twenty intervals */
	run_loop_for(100);
	for (int i = 0; i < 20; i++)
		assert_in_range(client[i].calls, 0, 4);
	stop(&client[0]);
	for (int i = 1; i < 20; i++)
		stop(&client[i]);
	server_free(target);
}

static void an_answer_counts_before_the_timeout_of_a_loop_held_up(void **state)
{
	struct server *target;

	(void)state;
	require_network();
	target = server(OK_200);
	target->held_up_ms = 300;
	expect_of(target, quick(http_check("/")), true, "status 200");
}

static int count_descriptors(void)
{
	DIR *directory = opendir("/proc/self/fd");
	int n = 0;

	while (readdir(directory))
		n++;
	closedir(directory);
	return n - 3; /* ".", ".." and the directory itself */
}

static void want_of_descriptors_says_nothing_of_the_backend(void **state)
{
	struct client tcp = {0}, http = {0};
	struct rlimit old, none;
	struct server *target;

	(void)state;
	require_network();
	target = server(OK_200);
	start(&tcp, target, tcp_check());
	start(&http, target, http_check("/"));
	wait_until(tcp.good && http.good);
	sd_event_source_set_enabled(target->source, SD_EVENT_OFF);
	getrlimit(RLIMIT_NOFILE, &old);
	none = old;
	none.rlim_cur = 0;
	assert_return_code(setrlimit(RLIMIT_NOFILE, &none), errno);
	run_loop_for(300);
	assert_true(tcp.good);
	assert_return_code(setrlimit(RLIMIT_NOFILE, &old), errno);
	sd_event_source_set_enabled(target->source, SD_EVENT_ON);
	tcp.calls = http.calls = 0;
	wait_until(tcp.calls > 1 && tcp.good && http.calls > 1 && http.good);
	stop(&tcp);
	stop(&http);
	server_free(target);
}

static void a_probe_may_be_freed_in_its_callback(void **state)
{
	struct client tcp = {.free_when_called = true}, http = {.free_when_called = true};
	struct client none = {.free_when_called = true}, late = {.free_when_called = true};
	struct client refused = {.free_when_called = true}, other = {0};
	struct client both = {.free_when_called = true, .free_too = &other};
	struct server *target, *silent;

	(void)state;
	require_network();
	target = server(OK_200);
	silent = server(NULL);
	start(&other, silent, http_check("/")); /* in the middle of its attempt when freed */
	wait_until(silent->connections);
	start(&tcp, target, tcp_check());
	start(&http, target, http_check("/"));
	start(&none, target, (struct config_check){.type = CHECK_NONE});
	start(&late, silent, quick(http_check("/")));
	start_at(&refused, "127.0.0.1", 9, http_check("/"));
	start(&both, target, http_check("/"));
	wait_until(tcp.calls && http.calls && none.calls && late.calls && refused.calls && both.calls);
	run_loop_for(150);
	assert_int_equal(tcp.calls + http.calls + none.calls + late.calls + refused.calls + both.calls, 6);
	assert_int_equal(other.calls, 0);
	assert_string_equal(http.text, "status 200");
	server_free(target);
	server_free(silent);
}

static void nothing_is_left_open(void **state)
{
	struct client tcp = {0}, http = {0};
	struct server *target;
	int before;

	(void)state;
	require_network();
	before = count_descriptors();
	target = server(OK_200);
	start(&tcp, target, tcp_check());
	start(&http, target, http_check("/"));
	wait_until(tcp.calls >= 10 && http.calls >= 10);
	stop(&tcp);
	stop(&http);
	server_free(target);
	assert_int_equal(count_descriptors(), before);
	assert_int_equal(system("! ss -tanH state time-wait | grep -q ."), 0);
}

static unsigned int cpu_ms(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000 +
	       (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1000;
}

static unsigned int not_good(const struct client *client, int n)
{
	unsigned int bad = 0;

	for (int i = 0; i < n; i++)
		bad += client[i].calls < 1 || !client[i].good;
	return bad;
}

static void a_thousand_probes_a_second_are_made(void **state)
{
	static const char *const name[] = {"TCP", "HTTP"};
	struct config_check check[] = {tcp_check(), http_check("/")};
	struct client *client = calloc(1000, sizeof(*client));
	struct server *target;

	(void)state;
	require_network();
	for (int kind = 0; kind < 2; kind++) {
		unsigned int cpu_start_ms;

		target = server(OK_200);
		memset(client, 0, 1000 * sizeof(*client));
		check[kind].interval_ms = 1000;
		check[kind].timeout_ms = 60000; /* on a busy machine they queue up */
		for (int i = 0; i < 1000; i++)
			start(&client[i], target, check[kind]);
		cpu_start_ms = cpu_ms();
		run_loop_for(2000);
		print_message("%s: %u ms of CPU for %u probes, the server's part included\n", name[kind],
			      cpu_ms() - cpu_start_ms, target->connections);
		wait_until(not_good(client, 1000) == 0);
		for (int i = 0; i < 1000; i++)
			stop(&client[i]);
		server_free(target);
	}
	free(client);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(tcp_to_a_listening_port_is_good),
		TEST(tcp_over_ipv6_is_good),
		TEST(tcp_to_a_closed_port_is_refused),
		TEST(tcp_without_a_way_says_so),
		TEST(tcp_to_a_full_backlog_times_out),
		TEST(tcp_into_a_black_hole_times_out_in_time),
		TEST(a_server_that_dies_and_returns_is_noticed),
		TEST(http_status_decides),
		TEST(http_tells_its_reasons_apart),
		TEST(https_tells_what_is_wrong_with_the_handshake),
		TEST(http_asks_for_the_path_and_host_given),
		TEST(http_without_an_answer_times_out),
		TEST(http_with_half_an_answer_times_out),
		TEST(http_nonsense_is_bad),
		TEST(http_to_a_server_that_hangs_up_is_bad),
		TEST(http_reads_no_more_of_a_long_body_than_it_must),
		TEST(http_makes_a_connection_for_each_probe),
		TEST(no_check_reports_good_once),
		TEST(first_probes_are_spread),
		TEST(a_padded_probe_is_made_once_a_padded_interval),
		TEST(the_interval_is_kept),
		TEST(a_slow_probe_is_never_doubled),
		TEST(a_loop_held_up_makes_up_for_nothing),
		TEST(an_answer_counts_before_the_timeout_of_a_loop_held_up),
		TEST(want_of_descriptors_says_nothing_of_the_backend),
		TEST(a_probe_may_be_freed_in_its_callback),
		TEST(nothing_is_left_open),
		TEST(a_thousand_probes_a_second_are_made),
	};

	return cmocka_run_group_tests(tests, enter_network, NULL);
}
