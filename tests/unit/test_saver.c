/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Files that are saved beside the loop, on a disk that takes its time: fsync() and fdatasync() are ours here. */
#include <errno.h>
#include <fcntl.h>
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/file.h"
#include "loop/saver.h"

#include "state_folder.h"

#define DEADLINE_MS 20000

static sem_t disk;           /* how often something may come onto it */
static bool is_slow, is_broken;

static int put_on_disk(void)
{
	while (is_slow && sem_wait(&disk) < 0)
		;
	errno = EIO;
	return is_broken ? -1 : 0;
}

int fsync(int fd)
{
	(void)fd;
	return put_on_disk();
}

int fdatasync(int fd)
{
	(void)fd;
	return put_on_disk();
}

struct world {
	sd_event *event;
	struct saver *saver;
	unsigned int n_told;
	char told[512];      /* "NAME RESULT;" of each */
};

static void on_saved(void *userdata, const char *path, int r)
{
	struct world *world = userdata;
	size_t length = strlen(world->told);

	world->n_told++;
	snprintf(world->told + length, sizeof(world->told) - length, "%s %d;", strrchr(path, '/') + 1, r);
}

static const char *in_folder(const char *name)
{
	static char path[512];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return path;
}

static bool is_idle(const struct world *world)
{
	assert_int_equal(saver_done(world->saver), world->n_told);
	return saver_asked(world->saver) == saver_done(world->saver);
}

static void open_world(struct world *world, bool slow)
{
	*world = (struct world){0};
	sem_init(&disk, 0, 0);
	is_slow = slow;
	is_broken = false;
	assert_true(sd_event_new(&world->event) >= 0);
	assert_int_equal(saver_open(world->event, on_saved, world, &world->saver), 0);
	assert_true(is_idle(world));
}

static void close_world(struct world *world)
{
	saver_close(world->saver);
	sd_event_unref(world->event);
}

static void run_until_told(struct world *world, unsigned int n)
{
	uint64_t deadline_ms = clock_monotonic_ms() + DEADLINE_MS;

	while (world->n_told < n) {
		assert_true(clock_monotonic_ms() < deadline_ms);
		assert_true(sd_event_run(world->event, 10000) >= 0);
	}
}

static void write_text(struct world *world, const char *name, const char *text)
{
	assert_int_equal(saver_write(world->saver, in_folder(name), strdup(text), 0640), 0);
}

static void assert_content(const char *name, const char *expected)
{
	char *text = NULL;

	assert_int_equal(file_read(in_folder(name), 1000, &text, NULL), 0);
	assert_string_equal(text, expected);
	free(text);
}

static void let_through(int n)
{
	for (int i = 0; i < n; i++)
		sem_post(&disk);
}

static void one_after_the_other(void **state)
{
	struct world world;
	struct stat status;

	(void)state;
	open_world(&world, false);
	write_text(&world, "a", "first");
	write_text(&world, "b", "second");
	assert_false(is_idle(&world));
	run_until_told(&world, 2);
	assert_string_equal(world.told, "a 0;b 0;");
	assert_true(is_idle(&world));
	assert_content("a", "first");
	assert_content("b", "second");
	assert_int_equal(stat(in_folder("a"), &status), 0);
	assert_int_equal(status.st_mode & 0777, 0640);
	close_world(&world);
}

/* The loop goes on, nothing is told of before it is on the disk, and of what waits for one path only the last is written, in its first place. */
static void a_slow_disk_delays_nobody(void **state)
{
	struct world world;

	(void)state;
	open_world(&world, true);
	write_text(&world, "slow", "old");
	write_text(&world, "waits", "x");
	write_text(&world, "other", "x");
	for (int i = 0; i < 100; i++) {
		char text[8];

		snprintf(text, sizeof(text), "%d", i);
		write_text(&world, "waits", text);
	}
	assert_true(sd_event_run(world.event, 50000) >= 0);
	assert_int_equal(world.n_told, 0);
	assert_false(is_idle(&world));
	assert_false(exists("slow"));
	let_through(6); /* of each a file and its folder */
	run_until_told(&world, 3);
	assert_string_equal(world.told, "slow 0;waits 0;other 0;");
	assert_true(is_idle(&world));
	assert_content("waits", "99");
	close_world(&world);
}

/* What is asked for while the same file is being written is written after it. */
static void what_is_being_written_is_not_the_last(void **state)
{
	struct world world;

	(void)state;
	open_world(&world, true);
	write_text(&world, "file", "one");
	while (!exists("file.new"))
		usleep(1000);
	write_text(&world, "file", "two");
	let_through(2);
	run_until_told(&world, 1);
	assert_content("file", "one");
	assert_false(is_idle(&world));
	let_through(2);
	run_until_told(&world, 2);
	assert_content("file", "two");
	close_world(&world);
}

static void a_disk_that_fails_is_told_of(void **state)
{
	struct world world;
	int fd;

	(void)state;
	open_world(&world, false);
	write_text(&world, "kept", "before");
	run_until_told(&world, 1);
	is_broken = true;
	write_text(&world, "kept", "after");
	fd = open(in_folder("log"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(saver_sync(world.saver, in_folder("log"), fd), 0);
	close(fd);
	assert_int_equal(saver_write(world.saver, "/nonexistent/folder/file", strdup("x"), 0600), 0);
	run_until_told(&world, 4);
	assert_string_equal(world.told, "kept 0;kept -5;log -5;file -2;");
	assert_content("kept", "before");
	assert_false(exists("kept.new"));
	assert_int_equal(saver_write(world.saver, in_folder("kept"), NULL, 0600), -ENOMEM);
	assert_int_equal(saver_sync(world.saver, in_folder("log"), -1), -EBADF);
	assert_true(is_idle(&world));
	close_world(&world);
}

static void nothing_is_lost_at_the_end(void **state)
{
	struct world world;

	(void)state;
	open_world(&world, true);
	write_text(&world, "a", "1");
	write_text(&world, "b", "2");
	let_through(4);
	close_world(&world);
	assert_string_equal(world.told, "a 0;b 0;");
	assert_content("a", "1");
	assert_content("b", "2");
}

static void without_a_saver_at_once(void **state)
{
	(void)state;
	is_slow = is_broken = false;
	assert_int_equal(saver_write(NULL, in_folder("now"), strdup("here"), 0600), 0);
	assert_content("now", "here");
	is_broken = true;
	assert_int_equal(saver_write(NULL, in_folder("now"), strdup("gone"), 0600), -EIO);
	assert_int_equal(saver_sync(NULL, in_folder("now"), 0), -EIO);
	assert_content("now", "here");
}

/* What the loop blocks waits for it, although the saver's thread could take it. */
static volatile sig_atomic_t is_taken;
static void on_signal(int number)
{
	(void)number;
	is_taken = 1;
}

static void signals_are_the_loop_s(void **state)
{
	struct world world;
	sigset_t set, before;

	(void)state;
	open_world(&world, false);
	signal(SIGUSR1, on_signal);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &set, &before);
	is_taken = 0;
	kill(getpid(), SIGUSR1);
	write_text(&world, "a", "1");
	run_until_told(&world, 1);
	assert_false(is_taken);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	assert_true(is_taken);
	close_world(&world);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, make_folder, remove_folder)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(one_after_the_other),
		TEST(a_slow_disk_delays_nobody),
		TEST(what_is_being_written_is_not_the_last),
		TEST(a_disk_that_fails_is_told_of),
		TEST(nothing_is_lost_at_the_end),
		TEST(without_a_saver_at_once),
		TEST(signals_are_the_loop_s),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
