/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * How long clients may take, in simulated time: the list alone, and the real server, whose clock (by the linker's --wrap) runs ahead by what
 * the test says.
 */
#include "api_fixture.h"

#include <poll.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "api/patience.h"

#define BACKENDS 10000             /* whose document is much larger than the buffers of a socket */
#define MOUTHFUL 8192              /* bytes that the slow one takes each 10 ms: it is never silent for long */

static atomic_uint_fast64_t ahead_ms;

uint64_t __real_clock_monotonic_ms(void);
uint64_t __wrap_clock_monotonic_ms(void);

uint64_t __wrap_clock_monotonic_ms(void)
{
	return __real_clock_monotonic_ms() + ahead_ms;
}

/* ---- the list ---- */

struct client {
	struct patience patience;
	int ours, theirs;
};

static void client_open(struct patience **list, struct client *client, int what, uint64_t now_ms)
{
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	client->ours = pair[0];
	client->theirs = pair[1];
	patience_add(list, &client->patience, client->ours, now_ms);
	client->patience.what = what;
}

static bool is_cut_off(int fd)
{
	char byte;
	ssize_t n = recv(fd, &byte, 1, MSG_DONTWAIT | MSG_PEEK);

	return n == 0 || (n < 0 && errno != EAGAIN);
}

static void each_has_the_time_of_what_it_does(void **state)
{
	static const struct {
		int what;
		uint64_t limit_ms;         /* 0: none */
	} kinds[] = {{PATIENCE_REQUEST, PATIENCE_REQUEST_MS}, {PATIENCE_ANSWER, PATIENCE_ANSWER_MS}, {PATIENCE_STREAM, 0}};
	const uint64_t start = 1000000;

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct patience *list = NULL;
		struct client client;
		uint64_t limit_ms = kinds[i].limit_ms ?: 365ULL * 24 * HOUR;

		client_open(&list, &client, kinds[i].what, start);
		patience_look(list, start + limit_ms);
		assert_false(is_cut_off(client.theirs));
		patience_look(list, start + limit_ms + 1);
		assert_int_equal(is_cut_off(client.theirs), kinds[i].limit_ms != 0);
		patience_remove(&client.patience);
		assert_null(list);
		close(client.ours);
		close(client.theirs);
	}
}

static void only_the_late_one_is_cut_off_and_the_list_stays_whole(void **state)
{
	struct patience *list = NULL;
	struct client clients[3];

	(void)state;
	for (size_t i = 0; i < 3; i++)
		client_open(&list, &clients[i], PATIENCE_ANSWER, i == 1 ? 0 : 50000);
	patience_look(list, PATIENCE_ANSWER_MS + 1);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(is_cut_off(clients[i].theirs), i == 1);
	patience_remove(&clients[1].patience);
	patience_look(list, 50000 + PATIENCE_ANSWER_MS + 1);
	for (size_t i = 0; i < 3; i++) {
		assert_true(is_cut_off(clients[i].theirs));
		if (i != 1)
			patience_remove(&clients[i].patience);
		close(clients[i].ours);
		close(clients[i].theirs);
	}
	assert_null(list);
}

/* ---- the server ---- */

static int ask_for(const struct fixture *fixture, const char *request)
{
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(name.sun_path, sizeof(name.sun_path), "%.100s", fixture->socket_path);
	assert_int_equal(connect(fd, (struct sockaddr *)&name, sizeof(name)), 0);
	assert_int_equal(write(fd, request, strlen(request)), strlen(request));
	return fd;
}

/* What could be taken in 10 ms; 0: the end. */
static size_t take_a_mouthful(int fd)
{
	static char mouth[MOUTHFUL];
	struct pollfd wait = {fd, POLLIN, 0};
	ssize_t n;

	poll(NULL, 0, 10); /* the eater's pace */
	assert_int_equal(poll(&wait, 1, 20000), 1);
	n = read(fd, mouth, sizeof(mouth));
	return n > 0 ? (size_t)n : 0;
}

/* The server has looked at who is late: a request that never comes to its end is cut off by it. The slow one eats meanwhile. */
static size_t eat_until_a_look(const struct fixture *fixture, int slow, uint64_t ahead)
{
	int witness = ask_for(fixture, "GET /hea");
	size_t eaten = 0, n;

	for (int i = 0; i < 10; i++) /* the server has seen the witness come */
		eaten += take_a_mouthful(slow);
	ahead_ms += ahead;
	while (!is_cut_off(witness)) {
		n = take_a_mouthful(slow);
		assert_true(n > 0);
		eaten += n;
	}
	close(witness);
	return eaten;
}

/* Whether all that has come is not the end. */
static bool goes_on(int fd)
{
	char bytes[4096];

	while (recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
		;
	return !is_cut_off(fd);
}

static void many_backends(struct fixture *fixture)
{
	struct snapshot_backend *many = calloc(BACKENDS, sizeof(*many));

	for (size_t i = 0; i < BACKENDS; i++)
		many[i] = fixture_backends[i % 6];
	fixture->snapshot.backends = many;
	fixture->snapshot.n_backends = BACKENDS;
}

/* It takes some of its answer all the time, and so is never silent; yet after a minute it is cut off. Who reads the stream is not. */
static void who_takes_an_answer_in_drops_is_cut_off(void **state)
{
	struct fixture fixture;
	int slow, reader;
	size_t eaten, n;

	(void)state;
	fixture_init(&fixture);
	many_backends(&fixture);
	assert_int_equal(fixture_start(&fixture), 0);
	reader = ask_for(&fixture, "GET /api/v1/events/stream HTTP/1.1\r\nHost: x\r\n\r\n");
	slow = ask_for(&fixture, "GET /api/v1/backends HTTP/1.1\r\nHost: x\r\n\r\n");
	eaten = take_a_mouthful(slow);
	eaten += eat_until_a_look(&fixture, slow, PATIENCE_ANSWER_MS / 2); /* which asserts that it is served on */
	ahead_ms += PATIENCE_ANSWER_MS / 2 + 1000;
	while ((n = take_a_mouthful(slow)) > 0)
		eaten += n;
	printf("# cut off after %zu bytes of an answer for %d backends\n", eaten, BACKENDS);
	assert_true(eaten < BACKENDS * 300); /* not at its end */
	assert_true(goes_on(reader));
	close(slow);
	close(reader);
	free(fixture.snapshot.backends);
	fixture_stop(&fixture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_has_the_time_of_what_it_does),
		cmocka_unit_test(only_the_late_one_is_cut_off_and_the_list_stays_whole),
		cmocka_unit_test(who_takes_an_answer_in_drops_is_cut_off),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
