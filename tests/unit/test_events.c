/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The audit trail goes on after any end: ids only grow, damaged tails are set aside, old files rotate away. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <signal.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"
#include "state/events.h"

#include "state_folder.h"

#define N(array) (sizeof(array) / sizeof((array)[0]))

static struct events *open_events(void)
{
	struct events *events = NULL;

	assert_int_equal(events_open(folder, &events), 0);
	return events;
}

static void add(struct events *events, uint32_t n)
{
	while (n--)
		assert_int_equal(events_add(events, "backend", "backend web1", "checks", "went down: %s", "refused"),
				 0);
}

static void assert_ids(const struct events *events, uint64_t since, uint64_t first, uint64_t last)
{
	static struct event found[EVENTS_KEPT];
	size_t n = events_since(events, since, found, N(found));

	assert_int_equal(n, last - first + 1);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(found[i].id, first + i);
}

static void events_come_back_oldest_first_with_growing_ids(void **state)
{
	struct events *events = open_events();
	struct event found[2];
	int64_t before = clock_wall_ms();

	(void)state;
	assert_int_equal(events_last_id(events), 0);
	assert_int_equal(events_since(events, 0, found, 2), 0);
	assert_int_equal(events_add(events, "failover", "group web", "checks", "web%d is down, web%d takes over", 1, 2),
			 0);
	add(events, 4);
	assert_ids(events, 0, 1, 5);
	assert_ids(events, 3, 4, 5);
	assert_int_equal(events_since(events, 5, found, 2), 0);
	assert_int_equal(events_since(events, 0, found, 2), 2);
	assert_int_equal(found[0].id, 1);
	assert_string_equal(found[0].kind, "failover");
	assert_string_equal(found[0].object, "group web");
	assert_string_equal(found[0].actor, "checks");
	assert_string_equal(found[0].text, "web1 is down, web2 takes over");
	assert_true(found[0].time >= before && found[0].time <= clock_wall_ms());
	events_close(events);
	events_close(NULL);
}

static void ids_and_texts_survive_a_restart(void **state)
{
	struct events *events = open_events();
	struct event before[1], after[1];

	(void)state;
	assert_int_equal(events_add(events, "drain", "backend \"x\"", "operator", "a\nb\t\xc3\xa9 \xff\xfe"), 0);
	assert_int_equal(events_since(events, 0, before, 1), 1);
	events_close(events);
	events = open_events();
	assert_int_equal(events_since(events, 0, after, 1), 1);
	assert_true(after[0].time == before[0].time);
	assert_string_equal(after[0].object, "backend \"x\"");
	assert_string_equal(after[0].text, "a\nb\t?? ??"); /* one bad byte, and the text is written as ASCII */
	add(events, 2);
	assert_ids(events, 1, 2, 3);
	events_close(events);
}

static void an_event_is_in_the_file_when_add_returns(void **state)
{
	pid_t child = fork();
	struct events *events;
	int status;

	(void)state;
	if (child == 0) {
		events = open_events();
		add(events, 3);
		kill(getpid(), SIGKILL);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status));
	events = open_events();
	assert_ids(events, 0, 1, 3);
	events_close(events);
}

static void each_line_is_one_document_of_the_contract(void **state)
{
	_cleanup_(freep) char *path = path_join(folder, EVENTS_FILE), *text = NULL;
	struct events *events = open_events();
	size_t length;

	(void)state;
	add(events, 1);
	events_close(events);
	assert_int_equal(file_read(path, 1000, &text, &length), 0);
	assert_non_null(strstr(text, "{\"id\":1,\"time\":\"20"));
	assert_non_null(strstr(text, "\"kind\":\"backend\",\"object\":\"backend web1\",\"actor\":\"checks\","
				     "\"text\":\"went down: refused\"}\n"));
}

static void a_tail_cut_anywhere_is_set_aside_and_the_rest_kept(void **state)
{
	_cleanup_(freep) char *path = path_join(folder, EVENTS_FILE), *whole = NULL;
	struct events *events = open_events();
	size_t length, aside = 0;

	(void)state;
	add(events, 3);
	events_close(events);
	assert_int_equal(file_read(path, 10000, &whole, &length), 0);
	for (size_t cut = 0; cut <= length; cut++) {
		_cleanup_(freep) char *name = NULL, *damaged = NULL;
		size_t good = 0, damaged_length;
		uint64_t lines = 0;

		for (size_t i = 0; i < cut; i++)
			if (whole[i] == '\n') {
				lines++;
				good = i + 1;
			}
		assert_int_equal(file_write_atomically(path, whole, cut, 0600), 0);
		events = open_events();
		assert_int_equal(events_last_id(events), lines);
		add(events, 1);
		assert_ids(events, 0, 1, lines + 1);
		events_close(events);
		events = open_events(); /* the new line is good */
		assert_ids(events, 0, 1, lines + 1);
		events_close(events);
		if (good == cut)
			continue;
		assert_true(asprintf(&name, "%s.damaged-%zu", path, ++aside) > 0);
		assert_int_equal(file_read(name, 10000, &damaged, &damaged_length), 0);
		assert_int_equal(damaged_length, cut - good);
		assert_memory_equal(damaged, whole + good, damaged_length);
	}
	print_message("  cut at each of %zu bytes\n", length);
}

static void lines_that_cannot_be_ours_are_not_trusted(void **state)
{
	static const char good[] = "{\"id\":7,\"time\":\"2026-01-31T12:00:00.123Z\",\"kind\":\"k\",\"object\":\"o\","
				   "\"actor\":\"a\",\"text\":\"t\"}\n";
	static const char *const rows[] = {
		"\n",
		"nonsense\n",
		"{}\n",
		"[]\n",
		"{\"id\":7,\"time\":\"2026-01-31T12:00:00.123Z\",\"kind\":\"k\",\"object\":\"o\",\"actor\":\"a\","
		"\"text\":\"t\"}\n",
		"{\"id\":6,\"time\":\"2026-01-31T12:00:00.123Z\",\"kind\":\"k\",\"object\":\"o\",\"actor\":\"a\","
		"\"text\":\"t\"}\n",
		"{\"id\":-8,\"time\":\"2026-01-31T12:00:00.123Z\",\"kind\":\"k\",\"object\":\"o\",\"actor\":\"a\","
		"\"text\":\"t\"}\n",
		"{\"id\":8,\"time\":\"2026-02-31T12:00:00.123Z\",\"kind\":\"k\",\"object\":\"o\",\"actor\":\"a\","
		"\"text\":\"t\"}\n",
		"{\"id\":8,\"time\":\"noon\",\"kind\":\"k\",\"object\":\"o\",\"actor\":\"a\",\"text\":\"t\"}\n",
		"{\"id\":8,\"time\":\"2026-01-31T12:00:00.123Z\",\"kind\":1,\"object\":\"o\",\"actor\":\"a\",\"text\":"
		"\"t\"}\n",
		"{\"id\":8,\"time\":\"2026-01-31T12:00:00.123Z\",\"kind\":\"k\",\"object\":\"o\",\"actor\":\"a\"}\n",
	};
	_cleanup_(freep) char *path = path_join(folder, EVENTS_FILE);

	(void)state;
	for (size_t i = 0; i < N(rows); i++) {
		_cleanup_(freep) char *text = NULL;
		struct events *events;
		int length = asprintf(&text, "%s%s", good, rows[i]);

		print_message("  %s", rows[i]);
		assert_int_equal(file_write_atomically(path, text, length, 0600), 0);
		events = open_events();
		assert_ids(events, 0, 7, 7);
		events_close(events);
	}
}

static void memory_keeps_the_latest_ten_thousand(void **state)
{
	struct events *events = open_events();

	(void)state;
	add(events, EVENTS_KEPT + 500);
	assert_ids(events, 0, 501, EVENTS_KEPT + 500);
	events_close(events);
	events = open_events();
	assert_ids(events, 0, 501, EVENTS_KEPT + 500);
	events_close(events);
}

static void files_rotate_and_ids_go_on(void **state)
{
	static char text[200 * 1024];
	struct events *events = open_events();
	struct stat there;
	uint64_t last;

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	for (uint32_t i = 0; i < 6 * EVENTS_FILE_BYTES_MAX / sizeof(text); i++)
		assert_int_equal(events_add(events, "test", "shuntd", "controller", "%s", text), 0);
	last = events_last_id(events);
	events_close(events);
	assert_true(exists(EVENTS_FILE ".1") && exists(EVENTS_FILE ".4"));
	assert_false(exists(EVENTS_FILE ".5"));
	for (int n = 1; n <= 4; n++) {
		_cleanup_(freep) char *path = NULL;

		assert_true(asprintf(&path, "%s/%s.%d", folder, EVENTS_FILE, n) > 0);
		assert_int_equal(stat(path, &there), 0);
		assert_true(there.st_size <= EVENTS_FILE_BYTES_MAX);
	}
	/* Even when the end came between rotation and the next event. */
	_cleanup_(freep) char *path = path_join(folder, EVENTS_FILE), *previous = path_join(folder, EVENTS_FILE ".1");

	assert_int_equal(rename(path, previous), 0);
	events = open_events();
	assert_int_equal(events_last_id(events), last);
	add(events, 1);
	assert_int_equal(events_last_id(events), last + 1);
	events_close(events);
}

static void a_file_that_has_grown_old_rotates(void **state)
{
	static const char old[] = "{\"id\":7,\"time\":\"2020-01-31T12:00:00.000Z\",\"kind\":\"start\",\"object\":\"shuntd\","
				  "\"actor\":\"controller\",\"text\":\"long ago\"}\n";
	_cleanup_(freep) char *path = path_join(folder, EVENTS_FILE), *previous = path_join(folder, EVENTS_FILE ".1");
	_cleanup_(freep) char *kept = NULL;
	struct events *events;
	size_t length;

	(void)state;
	assert_int_equal(file_write_atomically(path, old, strlen(old), 0640), 0);
	events = open_events();
	add(events, 2); /* the second stays in the new file */
	assert_int_equal(events_last_id(events), 9);
	events_close(events);
	assert_int_equal(file_read(previous, 4096, &kept, &length), 0);
	assert_string_equal(kept, old);
	assert_false(exists(EVENTS_FILE ".2"));
}

static void a_full_disk_costs_the_file_an_event_but_not_the_memory(void **state)
{
	struct rlimit unlimited, limit;
	struct events *events = open_events();

	(void)state;
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &unlimited), 0);
	add(events, 2);
	limit = unlimited;
	limit.rlim_cur = 300; /* in the middle of the third line */
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	assert_true(events_add(events, "test", "shuntd", "controller", "cannot be written: %0500d", 1) < 0);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &unlimited), 0);
	assert_ids(events, 0, 1, 3);
	add(events, 1);
	assert_int_equal(events_sync(events, NULL), 0);
	events_close(events);
	events = open_events();
	assert_int_equal(events_last_id(events), 4);
	assert_ids(events, 2, 4, 4);
	assert_false(exists(EVENTS_FILE ".damaged-1"));
	events_close(events);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, make_folder, remove_folder)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(events_come_back_oldest_first_with_growing_ids),
		TEST(ids_and_texts_survive_a_restart),
		TEST(an_event_is_in_the_file_when_add_returns),
		TEST(each_line_is_one_document_of_the_contract),
		TEST(a_tail_cut_anywhere_is_set_aside_and_the_rest_kept),
		TEST(lines_that_cannot_be_ours_are_not_trusted),
		TEST(memory_keeps_the_latest_ten_thousand),
		TEST(files_rotate_and_ids_go_on),
		TEST(a_file_that_has_grown_old_rotates),
		TEST(a_full_disk_costs_the_file_an_event_but_not_the_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
