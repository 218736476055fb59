/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* GET /api/v1/events/stream: by raw bytes from the real server, and its queue on its own. */
#include "api_fixture.h"

#include <poll.h>
#include <sys/un.h>

#include "api/fingerprint.h"
#include "api/stream.h"

#define PATIENCE_MS 20000 /* for what comes within a second or so */

struct reader {
	int fd;
	char *text;
	size_t length, room;
};

static struct reader dial(const struct fixture *fixture, const char *request)
{
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	struct reader reader = {.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};

	snprintf(name.sun_path, sizeof(name.sun_path), "%.100s", fixture->socket_path);
	assert_int_equal(connect(reader.fd, (struct sockaddr *)&name, sizeof(name)), 0);
	assert_int_equal(write(reader.fd, request, strlen(request)), strlen(request));
	return reader;
}

/* Reads what there is, waiting for it; false: the end. */
static bool read_on(struct reader *reader)
{
	struct pollfd wait = {reader->fd, POLLIN, 0};
	ssize_t n;

	if (reader->room < reader->length + 65536)
		reader->text = realloc(reader->text, reader->room = 2 * reader->length + 131072);
	assert_int_equal(poll(&wait, 1, PATIENCE_MS), 1);
	n = read(reader->fd, reader->text + reader->length, reader->room - reader->length - 1);
	reader->length += n > 0 ? (size_t)n : 0;
	reader->text[reader->length] = '\0';
	return n > 0;
}

static void await(struct reader *reader, const char *words)
{
	while (!reader->text || !strstr(reader->text, words))
		if (!read_on(reader))
			fail_msg("the stream ended before \"%s\": %s", words, reader->text);
}

static void forget(struct reader *reader)
{
	reader->length = 0;
	*reader->text = '\0';
}

static void hang_up(struct reader *reader)
{
	close(reader->fd);
	free(reader->text);
}

#define STREAM(query, headers) "GET /api/v1/events/stream" query " HTTP/1.1\r\nHost: x\r\n" headers "\r\n"

static struct reader follow(const struct fixture *fixture)
{
	struct reader reader = dial(fixture, STREAM("", ""));

	await(&reader, "event: open\ndata: {\"last_event\":3}\n\n");
	return reader;
}

/* A turn of the server's loop, as every decision of the controller is made in one. */
static void turn(const struct fixture *fixture)
{
	struct reader reader = dial(fixture, "GET /api/v1/maps HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");

	await(&reader, "HTTP/1.1 200");
	hang_up(&reader);
}

static int setup(void **state)
{
	struct fixture *fixture = malloc(sizeof(*fixture));

	fixture_init(fixture);
	*state = fixture;
	return fixture_start(fixture);
}

static int teardown(void **state)
{
	fixture_stop(*state);
	free(*state);
	return 0;
}

/* ---- the trail ---- */

static void what_happens_comes_at_once(void **state)
{
	struct fixture *fixture = *state;
	struct reader reader = follow(fixture);
	uint64_t start;

	assert_non_null(strstr(reader.text, "Content-Type: text/event-stream\r\n"));
	assert_null(strstr(reader.text, "event: event"));
	start = clock_monotonic_ms();
	fixture->n_events = 4;
	turn(fixture);
	await(&reader, "event: event\nid: 4\ndata: {\"id\":4,\"time\":\"2026-01-31T12:00:04.000Z\",\"kind\":\"failover\"");
	printf("# an event came after %llu ms\n", (unsigned long long)(clock_monotonic_ms() - start));
	hang_up(&reader);
}

static void a_reader_goes_on_where_it_was(void **state)
{
	static const char *const requests[] = {STREAM("?since=1", ""), STREAM("", "Last-Event-ID: 1\r\n"),
					       STREAM("?since=1", "Last-Event-ID: 3\r\n")};

	for (size_t i = 0; i < 3; i++) {
		struct reader reader = dial(*state, requests[i]);

		await(&reader, "id: 3\n");
		assert_non_null(strstr(reader.text, "id: 2\n"));
		assert_null(strstr(reader.text, "id: 1\n"));
		hang_up(&reader);
	}
}

static void a_long_trail_comes_whole_and_in_order(void **state)
{
	struct fixture *fixture = *state;
	struct reader reader;
	const char *at;

	fixture->n_events = 5000;
	reader = dial(fixture, STREAM("?since=0", ""));
	await(&reader, "\nid: 5000\n");
	at = reader.text;
	for (int id = 1; id <= 5000; id++) {
		char line[32];

		snprintf(line, sizeof(line), "{\"id\":%d,", id);
		at = at ? strstr(at, line) : NULL;
		if (!at)
			fail_msg("event %d is missing, or not in its place", id);
	}
	fixture->n_events = 5001;
	turn(fixture);
	await(&reader, "\nid: 5001\n");
	hang_up(&reader);
}

static void what_is_no_id_is_refused(void **state)
{
	static const char *const requests[] = {STREAM("?since=x", ""), STREAM("?since=-1", ""), STREAM("?after=1", ""),
					       STREAM("", "Last-Event-ID: seven\r\n")};

	for (size_t i = 0; i < 4; i++) {
		struct reader reader = dial(*state, requests[i]);

		await(&reader, "{\"error\":\"");
		assert_memory_equal(reader.text, "HTTP/1.1 400", 12);
		hang_up(&reader);
	}
}

/* ---- what changes ---- */

static void what_changes_comes_and_nothing_else(void **state)
{
	struct fixture *fixture = *state;
	struct reader reader = follow(fixture);

	await(&reader, "event: traffic\n");
	forget(&reader);
	fixture_backends[1].health = "degraded";
	fixture_backends[2].stats.packets = 77;
	fixture_services[0].stats.bytes = 88;
	fixture_groups[1].moving = 99;
	fixture->snapshot.drops[SHUNT_DROP_NO_NEXT_HOP] = 13;
	await(&reader, "event: backend\ndata: {\"name\":\"backend2\",");
	await(&reader, "\"web\":[1234567,88,4321]"); /* in one message, or in two when a look came in between */
	await(&reader, "\"resolvers\":[99,0]");
	await(&reader, "\"backend3\":[77,64000,0,0.4]");
	await(&reader, "\"no_next_hop\":13},\"flow_table\":17}\n\n");
	forget(&reader);
	await(&reader, "\"services\":{},\"groups\":{},\"backends\":{},\"drops\":{},");
	assert_null(strstr(reader.text, "event: backend"));
	assert_null(strstr(reader.text, "event: group"));
	assert_null(strstr(reader.text, "event: service"));
	hang_up(&reader);
}

static void other_objects_than_before_are_a_reset(void **state)
{
	struct fixture *fixture = *state;
	struct reader reader = follow(fixture);

	await(&reader, "event: traffic\n");
	fixture->snapshot.n_backends--;
	await(&reader, "event: reset\ndata: {}\n\n");
	forget(&reader);
	await(&reader, "event: traffic\n");
	assert_null(strstr(reader.text, "event: reset"));
	hang_up(&reader);
}

/* Each field of a document but the counters, one after the other. */
static void a_fingerprint_is_of_what_is_told(void **state)
{
	struct snapshot_backend backend = fixture_backends[1];
	struct snapshot_group group = fixture_groups[0];
	struct snapshot_service service = fixture_services[0];
	uint64_t before;
	char last[] = "connected";

	(void)state;
	backend.check_last = last;
	before = fingerprint_backend(&backend);
	backend.stats.packets++, backend.stats.bytes++, backend.flows++, backend.check_latency_ms++;
	assert_true(fingerprint_backend(&backend) == before);
	last[0] = 'C';
	assert_false(fingerprint_backend(&backend) == before);
	last[0] = 'c';
	backend.weight_until++;
	assert_false(fingerprint_backend(&backend) == before);
	before = fingerprint_group(&group);
	group.moving++, group.resolving++;
	assert_true(fingerprint_group(&group) == before);
	group.members[1].why = "";
	assert_false(fingerprint_group(&group) == before);
	group.members[1].why = NULL;
	group.members[1].share /= 2;
	assert_false(fingerprint_group(&group) == before);
	group.members[1].share *= 2;
	before = fingerprint_service(&service);
	service.stats.packets++;
	assert_true(fingerprint_service(&service) == before);
	service.group_state = "moving";
	assert_false(fingerprint_service(&service) == before);
}

/* ---- many, and slow ones ---- */

static void many_read_and_one_more_is_told_to_wait(void **state)
{
	struct fixture *fixture = *state;
	struct reader readers[STREAM_READERS_MAX], one_more;

	for (size_t i = 0; i < STREAM_READERS_MAX; i++)
		readers[i] = follow(fixture);
	one_more = dial(fixture, STREAM("", ""));
	await(&one_more, "read the stream already: ask again later");
	assert_memory_equal(one_more.text, "HTTP/1.1 503", 12);
	assert_non_null(strstr(one_more.text, "Retry-After: 10\r\n"));
	hang_up(&one_more);
	fixture->n_events = 4;
	turn(fixture);
	for (size_t i = 0; i < STREAM_READERS_MAX; i++)
		await(&readers[i], "id: 4\n");
	hang_up(&readers[7]);
	do { /* until it is found to be gone, by what is sent each second */
		one_more = dial(fixture, STREAM("", ""));
		while (read_on(&one_more) && !strstr(one_more.text, "\r\n\r\n"))
			;
	} while (strncmp(one_more.text, "HTTP/1.1 200", 12) != 0 && (hang_up(&one_more), usleep(20000), true));
	hang_up(&one_more);
	for (size_t i = 0; i < STREAM_READERS_MAX; i++)
		if (i != 7)
			hang_up(&readers[i]);
}

static void who_does_not_read_is_cut_off_and_disturbs_nobody(void **state)
{
	struct fixture *fixture = *state;
	struct reader slow, reader;
	struct pollfd wait;

	fixture->n_events = 200000; /* 30 MB, more than sockets hold */
	slow = dial(fixture, STREAM("?since=0", ""));
	wait = (struct pollfd){slow.fd, 0, 0};
	await(&slow, "event: open");
	reader = dial(fixture, STREAM("", ""));
	await(&reader, "event: traffic\n");
	while (!(poll(&wait, 1, 0) == 1 && wait.revents & POLLHUP)) {
		forget(&reader);
		await(&reader, "event: traffic\n");
	}
	while (read_on(&slow))
		;
	assert_null(strstr(slow.text, "id: 200000\n"));
	hang_up(&slow);
	hang_up(&reader);
}

static void the_server_stops_while_they_read(void **state)
{
	struct fixture fixture;
	struct reader readers[3];

	(void)state;
	fixture_init(&fixture);
	assert_int_equal(fixture_start(&fixture), 0);
	for (size_t i = 0; i < 3; i++)
		readers[i] = follow(&fixture);
	fixture_stop(&fixture);
	for (size_t i = 0; i < 3; i++) {
		while (read_on(&readers[i]))
			;
		hang_up(&readers[i]);
	}
}

/* ---- the queue on its own ---- */

static void woken(void *userdata)
{
	(*(int *)userdata)++;
}

static void a_reader_too_far_behind_is_let_go(void **state)
{
	struct fixture fixture = {.n_events = 0};
	struct stream_reader *slow, *quick;
	struct survey *survey;
	struct stream *stream;
	int wakes[2] = {0};
	char buffer[65536];
	size_t read = 0;
	ssize_t n;
	sd_event *event;

	(void)state;
	fixture_fill(&fixture.snapshot);
	assert_true(sd_event_new(&event) >= 0);
	assert_int_equal(survey_new(event, &fixture_handlers, &fixture, &survey), 0);
	assert_int_equal(stream_new(event, &fixture_handlers, &fixture, survey, &stream), 0);
	assert_int_equal(stream_join(stream, UINT64_MAX, woken, &wakes[0], &slow), 0);
	assert_int_equal(stream_join(stream, UINT64_MAX, woken, &wakes[1], &quick), 0);
	while (stream_read(slow, buffer, sizeof(buffer)) > 0)
		;
	for (int i = 0; i < 5; i++) {
		while ((n = stream_read(quick, buffer, sizeof(buffer))) > 0)
			read += (size_t)n;
		assert_int_equal(n, 0);
		fixture.n_events += 20000;
		assert_true(sd_event_run(event, 5000000) >= 0); /* the timer's turn, after which the trail is asked */
	}
	assert_int_equal(wakes[0], 1);
	assert_true(wakes[1] >= 4);
	assert_true(read > STREAM_BYTES_MAX);
	assert_int_equal(stream_read(slow, buffer, sizeof(buffer)), -EPIPE);
	stream_leave(slow);
	stream_leave(quick);
	stream_free(stream);
	survey_free(survey);
	assert_int_equal(fixture.snapshots_alive, 0);
	sd_event_unref(event);
}

#define WITH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH(what_happens_comes_at_once),
		WITH(a_reader_goes_on_where_it_was),
		WITH(a_long_trail_comes_whole_and_in_order),
		WITH(what_is_no_id_is_refused),
		WITH(what_changes_comes_and_nothing_else),
		WITH(other_objects_than_before_are_a_reset),
		WITH(a_fingerprint_is_of_what_is_told),
		WITH(many_read_and_one_more_is_told_to_wait),
		WITH(who_does_not_read_is_cut_off_and_disturbs_nobody),
		cmocka_unit_test(the_server_stops_while_they_read),
		cmocka_unit_test(a_reader_too_far_behind_is_let_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
