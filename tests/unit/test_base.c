/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Numbers, durations, times, files, log lines: what is accepted, what is refused, what is left after an error. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/duration.h"
#include "base/file.h"
#include "base/log.h"
#include "base/number.h"
#include "base/word.h"

#define N(array) (sizeof(array) / sizeof((array)[0]))

static char folder[] = "/tmp/shunt-test-base-XXXXXX";

static int make_folder(void **state)
{
	(void)state;
	return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf '%s'", folder);
	return system(command);
}

static void a_number_is_digits_and_nothing_else(void **state)
{
	static const struct {
		const char *text;
		uint64_t min, max;
		int r;
		uint64_t number;
	} rows[] = {
		{"0", 0, 10, 0, 0},
		{"10", 0, 10, 0, 10},
		{"010", 0, 10, 0, 10}, /* not octal */
		{"0x5eed", 0, UINT64_MAX, 0, 0x5eed},
		{"0XFF", 0, 255, 0, 255},
		{"18446744073709551615", 0, UINT64_MAX, 0, UINT64_MAX},
		{"18446744073709551616", 0, UINT64_MAX, -ERANGE, 0},
		{"0xffffffffffffffff", 0, UINT64_MAX, 0, UINT64_MAX},
		{"11", 0, 10, -ERANGE, 0},
		{"0", 1, 10, -ERANGE, 0},
		{"", 0, 10, -EINVAL, 0},
		{"-1", 0, UINT64_MAX, -EINVAL, 0},
		{"+1", 0, 10, -EINVAL, 0},
		{" 1", 0, 10, -EINVAL, 0},
		{"1 ", 0, 10, -EINVAL, 0},
		{"1x", 0, 10, -EINVAL, 0},
		{"0x", 0, 10, -EINVAL, 0},
		{"0x 1", 0, 10, -EINVAL, 0},
		{"0x-1", 0, UINT64_MAX, -EINVAL, 0},
		{"0x0x1", 0, 10, -EINVAL, 0},
		{"ff", 0, 255, -EINVAL, 0},
		{"1.5", 0, 10, -EINVAL, 0},
	};

	(void)state;
	for (size_t i = 0; i < N(rows); i++) {
		uint64_t number = 77;

		print_message("  \"%s\"\n", rows[i].text);
		assert_int_equal(number_parse(rows[i].text, rows[i].min, rows[i].max, &number), rows[i].r);
		assert_true(number == (rows[i].r ? 77 : rows[i].number));
	}
}

static void a_duration_has_a_unit(void **state)
{
	static const struct {
		const char *text;
		int r;
		uint64_t ms;
	} rows[] = {
		{"250ms", 0, 250},
		{"5s", 0, 5000},
		{"10m", 0, 600000},
		{"2h", 0, 7200000},
		{"0s", 0, 0},
		{"8760h", 0, 31536000000},
		{"8761h", -ERANGE, 0},
		{"99999999999999999999999s", -ERANGE, 0},
		{"18446744073709551615h", -ERANGE, 0},
		{"5", -EINVAL, 0},
		{"", -EINVAL, 0},
		{"s", -EINVAL, 0},
		{"-5s", -EINVAL, 0},
		{" 5s", -EINVAL, 0},
		{"5 s", -EINVAL, 0},
		{"5s ", -EINVAL, 0},
		{"1.5s", -EINVAL, 0},
		{"1m30s", -EINVAL, 0},
		{"5S", -EINVAL, 0},
		{"5d", -EINVAL, 0},
		{"0x5s", -EINVAL, 0},
	};

	(void)state;
	for (size_t i = 0; i < N(rows); i++) {
		uint64_t ms = 77;

		print_message("  \"%s\"\n", rows[i].text);
		assert_int_equal(duration_parse(rows[i].text, &ms), rows[i].r);
		assert_true(ms == (rows[i].r ? 77 : rows[i].ms));
	}
}

static void a_duration_is_written_exact_and_short(void **state)
{
	static const struct {
		uint64_t ms;
		const char *text;
	} rows[] = {
		{0, "0s"},
		{1, "1ms"},
		{250, "250ms"},
		{1000, "1s"},
		{1500, "1500ms"},
		{90000, "90s"},
		{600000, "10m"},
		{7200000, "2h"},
		{5400000, "90m"},
		{3600001, "3600001ms"},
		{UINT64_MAX, "18446744073709551615ms"},
	};
	char text[DURATION_TEXT_MAX];

	(void)state;
	for (size_t i = 0; i < N(rows); i++) {
		uint64_t back;

		assert_string_equal(duration_format(rows[i].ms, text), rows[i].text);
		if (rows[i].ms < UINT64_MAX) {
			assert_int_equal(duration_parse(text, &back), 0);
			assert_true(back == rows[i].ms);
		}
	}
}

static void a_time_is_written_in_utc_with_milliseconds(void **state)
{
	char text[CLOCK_TEXT_MAX];

	(void)state;
	assert_string_equal(clock_rfc3339(0, text), "1970-01-01T00:00:00.000Z");
	assert_string_equal(clock_rfc3339(1769860800123, text), "2026-01-31T12:00:00.123Z");
	assert_string_equal(clock_rfc3339(-1, text), "1969-12-31T23:59:59.999Z");
	assert_true(strlen(clock_rfc3339(INT64_MAX, text)) < CLOCK_TEXT_MAX);
	assert_true(strlen(clock_rfc3339(INT64_MIN, text)) < CLOCK_TEXT_MAX);
}

static void clocks_go_forward(void **state)
{
	uint64_t before = clock_monotonic_ns();

	(void)state;
	assert_true(clock_monotonic_ns() >= before);
	assert_true(clock_monotonic_ms() >= before / 1000000);
	assert_true(clock_wall_ms() > 1700000000000);
}

static void a_file_is_replaced_whole_and_nothing_is_left_beside_it(void **state)
{
	_cleanup_(freep) char *path = path_join(folder, "state.json");
	_cleanup_(freep) char *beside = path_join(folder, "state.json.new");
	_cleanup_(freep) char *text = NULL;
	struct stat there;
	size_t length;

	(void)state;
	assert_int_equal(file_write_atomically(beside, "left by a crash", 15, 0600), 0);
	assert_int_equal(file_write_atomically(path, "old", 3, 0640), 0);
	assert_int_equal(file_write_atomically(path, "new text", 8, 0640), 0);
	assert_int_equal(file_read(path, 8, &text, &length), 0);
	assert_int_equal(length, 8);
	assert_string_equal(text, "new text");
	assert_int_equal(stat(path, &there), 0);
	assert_int_equal(there.st_mode & 0777, 0640);
	assert_int_equal(access(beside, F_OK), -1);
}

static void a_file_that_cannot_be_written_is_an_error(void **state)
{
	_cleanup_(freep) char *path = path_join(folder, "no/such/folder");

	(void)state;
	assert_int_equal(file_write_atomically(path, "x", 1, 0600), -ENOENT);
}

static void a_file_larger_than_expected_is_refused(void **state)
{
	_cleanup_(freep) char *path = path_join(folder, "large");
	_cleanup_(freep) char *data = calloc(1, 100000);
	_cleanup_(freep) char *text = NULL;
	size_t length = 77;

	(void)state;
	assert_int_equal(file_write_atomically(path, data, 100000, 0600), 0);
	assert_int_equal(file_read(path, 99999, &text, &length), -EFBIG);
	assert_null(text);
	assert_int_equal(length, 77);
	assert_int_equal(file_read(path, 100000, &text, &length), 0);
	assert_int_equal(length, 100000);
	assert_memory_equal(text, data, 100000);
}

static void reading_what_is_no_file_is_an_error(void **state)
{
	_cleanup_(freep) char *path = path_join(folder, "missing");
	char *text = NULL;
	size_t length;

	(void)state;
	assert_int_equal(file_read(path, 100, &text, &length), -ENOENT);
	assert_int_equal(file_read(folder, 100, &text, &length), -EISDIR);
	assert_null(text);
}

static void directories_are_made_with_their_parents(void **state)
{
	_cleanup_(freep) char *path = path_join(folder, "a//b/c/");
	_cleanup_(freep) char *file = path_join(folder, "a/file");
	_cleanup_(freep) char *below = path_join(folder, "a/file/d");
	struct stat there;

	(void)state;
	assert_int_equal(file_make_directories(path, 0700), 0);
	assert_int_equal(file_make_directories(path, 0700), 0);
	assert_int_equal(stat(path, &there), 0);
	assert_int_equal(there.st_mode & 0777, 0700);
	assert_int_equal(file_write_atomically(file, "", 0, 0600), 0);
	assert_int_equal(file_make_directories(file, 0700), -ENOTDIR);
	assert_int_equal(file_make_directories(below, 0700), -ENOTDIR);
	assert_int_equal(file_make_directories("/", 0700), 0);
	assert_int_equal(file_make_directories("", 0700), -ENOENT);
}

static void paths_are_joined_by_one_slash(void **state)
{
	_cleanup_(freep) char *plain = path_join("/run", "x"), *slash = path_join("/run/", "x");

	(void)state;
	assert_string_equal(plain, "/run/x");
	assert_string_equal(slash, "/run/x");
}

/* Runs log_write with stderr in a file, and returns what was written. */
static char *logged(enum log_level shown, enum log_level level, const char *text)
{
	_cleanup_(freep) char *path = path_join(folder, "log");
	_cleanup_(closep) int kept = dup(STDERR_FILENO);
	_cleanup_(closep) int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	char *result = NULL;
	size_t length;

	dup2(fd, STDERR_FILENO);
	log_set_level(shown);
	log_write(level, "%s", text);
	dup2(kept, STDERR_FILENO);
	assert_int_equal(file_read(path, 10000, &result, &length), 0);
	return result;
}

static void an_event_is_one_line_with_its_level_first(void **state)
{
	_cleanup_(freep) char *line = logged(LOG_LEVEL_INFO, LOG_LEVEL_WARN, "group web: no backend");
	_cleanup_(freep) char *hostile = logged(LOG_LEVEL_INFO, LOG_LEVEL_INFO, "a\nerror: forged\033[2J\x7f");
	_cleanup_(freep) char *hidden = logged(LOG_LEVEL_INFO, LOG_LEVEL_DEBUG, "detail");
	_cleanup_(freep) char *shown = logged(LOG_LEVEL_DEBUG, LOG_LEVEL_DEBUG, "detail");

	(void)state;
	assert_string_equal(line, "warn: group web: no backend\n");
	assert_string_equal(hostile, "info: a error: forged [2J \n");
	assert_string_equal(hidden, "");
	assert_string_equal(shown, "debug: detail\n");
}

static void an_overlong_event_is_cut_and_still_one_line(void **state)
{
	char text[10000];
	_cleanup_(freep) char *line = NULL;

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	line = logged(LOG_LEVEL_INFO, LOG_LEVEL_INFO, text);
	assert_true(strlen(line) < sizeof(text));
	assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
}

static void levels_are_known_by_name(void **state)
{
	enum log_level level = LOG_LEVEL_WARN;

	(void)state;
	assert_int_equal(log_level_parse("debug", &level), 0);
	assert_int_equal(level, LOG_LEVEL_DEBUG);
	assert_int_equal(log_level_parse("loud", &level), -EINVAL);
	assert_int_equal(level, LOG_LEVEL_DEBUG);
}

static void an_object_that_begins_with_its_kind_is_known(void **unused)
{
	(void)unused;
	assert_true(begins_with_word("backend b2", "backend"));
	assert_true(begins_with_word("backend", "backend"));
	assert_false(begins_with_word("backends", "backend"));
	assert_false(begins_with_word("group web", "failover"));
	assert_false(begins_with_word("", "start"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_number_is_digits_and_nothing_else),
		cmocka_unit_test(a_duration_has_a_unit),
		cmocka_unit_test(a_duration_is_written_exact_and_short),
		cmocka_unit_test(a_time_is_written_in_utc_with_milliseconds),
		cmocka_unit_test(clocks_go_forward),
		cmocka_unit_test(a_file_is_replaced_whole_and_nothing_is_left_beside_it),
		cmocka_unit_test(a_file_that_cannot_be_written_is_an_error),
		cmocka_unit_test(a_file_larger_than_expected_is_refused),
		cmocka_unit_test(reading_what_is_no_file_is_an_error),
		cmocka_unit_test(directories_are_made_with_their_parents),
		cmocka_unit_test(paths_are_joined_by_one_slash),
		cmocka_unit_test(an_event_is_one_line_with_its_level_first),
		cmocka_unit_test(an_overlong_event_is_cut_and_still_one_line),
		cmocka_unit_test(levels_are_known_by_name),
		cmocka_unit_test(an_object_that_begins_with_its_kind_is_known),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
