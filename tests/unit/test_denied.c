/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Prefixes that operators deny: each once, gone when their time is over, and over restarts and crashes what was told. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "net/address.h"
#include "state/denied_file.h"

#include "state_folder.h"

#define N(array) (sizeof(array) / sizeof((array)[0]))
#define NOW 1769860800000LL /* wall */
#define UP 5000000          /* monotonic */

static struct denied entry(struct denied_list *list, const char *prefix, const char *service, uint64_t for_ms)
{
	struct denied entry = {.service = denied_service(list, service), .since = NOW, .due_ms = DENIED_NEVER};

	assert_int_equal(config_prefix_parse(prefix, &entry.prefix), 0);
	if (for_ms) {
		entry.until = NOW + (int64_t)for_ms;
		entry.due_ms = UP + for_ms;
	}
	return entry;
}

static size_t add(struct denied_list *list, const char *prefix, const char *service, uint64_t for_ms)
{
	struct denied more = entry(list, prefix, service, for_ms);
	size_t changed;

	assert_int_equal(denied_add(list, &more, 1, &changed), 0);
	return changed;
}

/* "PREFIX[@SERVICE][+MS] …" in the order of the list. */
static void assert_list(const struct denied_list *list, const char *expected)
{
	char text[4096] = "", prefix[80];

	for (size_t i = 0; i < list->n; i++) {
		const struct denied *e = &list->list[i];
		size_t length = strlen(text);

		snprintf(text + length, sizeof(text) - length, "%s%s%s%s", i ? " " : "",
			 config_prefix_format(&e->prefix, prefix, sizeof(prefix)), *e->service ? "@" : "", e->service);
		length = strlen(text);
		if (e->until)
			snprintf(text + length, sizeof(text) - length, "+%lld", (long long)(e->until - NOW));
	}
	assert_string_equal(text, expected);
}

static void each_prefix_and_service_stands_once_and_the_last_counts(void **unused)
{
	struct denied_list list = {0};
	struct denied more[5];
	size_t changed;

	(void)unused;
	assert_int_equal(add(&list, "10.0.0.0/8", "", 0), 0);
	assert_int_equal(add(&list, "10.0.0.0/8", "web", 0), 0);
	assert_int_equal(add(&list, "10.0.0.0/9", "", 500), 0);
	assert_int_equal(add(&list, "10.0.0.0/8", "", 700), 1);
	more[0] = entry(&list, "::/0", "", 0);
	more[1] = entry(&list, "0.0.0.0/0", "", 0);
	more[2] = entry(&list, "10.0.0.0/9", "", 0);
	more[3] = entry(&list, "::/0", "", 9);
	more[4] = entry(&list, "2001:db8::/32", "web", 0);
	assert_int_equal(denied_add(&list, more, 5, &changed), 0);
	assert_int_equal(changed, 1);
	assert_list(&list, "::/0+9 0.0.0.0/0 10.0.0.0/8+700 10.0.0.0/8@web 10.0.0.0/9 2001:db8::/32@web");
	assert_true(denied_of_service(&list, "web"));
	assert_false(denied_of_service(&list, "mail"));
	assert_non_null(denied_find(&list, &more[4].prefix, "web"));
	assert_null(denied_find(&list, &more[4].prefix, ""));
	assert_int_equal(denied_remove(&list, &more[4], 1), 1);
	assert_int_equal(denied_remove(&list, &more[4], 1), 0);
	denied_clear(&list);
	assert_false(denied_of_service(&list, "web"));
}

static void what_is_due_goes_and_nothing_else(void **unused)
{
	struct denied_list list = {0};
	struct denied expired[1];

	(void)unused;
	assert_true(denied_next_due(&list) == DENIED_NEVER);
	add(&list, "10.0.0.1/32", "", 0);
	assert_true(denied_next_due(&list) == DENIED_NEVER);
	add(&list, "10.0.0.2/32", "", 2000);
	add(&list, "10.0.0.3/32", "", 1000);
	add(&list, "10.0.0.4/32", "web", 1000);
	assert_true(denied_next_due(&list) == UP + 1000);
	assert_int_equal(denied_expire(&list, UP + 999, expired, 1), 0);
	assert_int_equal(denied_expire(&list, UP + 1000, expired, 1), 2);
	assert_int_equal(expired[0].prefix.address.byte[15], 3);
	assert_list(&list, "10.0.0.1/32 10.0.0.2/32+2000");
	assert_false(denied_of_service(&list, "web"));
	denied_clear(&list);
}

/* ---- the file ---- */

struct kept {
	struct denied_list list;
	struct denied_file *file;
	bool damaged;
};

static void open_later(struct kept *kept, int64_t ms)
{
	*kept = (struct kept){0};
	assert_int_equal(denied_file_open(folder, NOW + ms, UP, &kept->list, &kept->file, &kept->damaged), 0);
}

static void close_kept(struct kept *kept)
{
	denied_file_close(kept->file);
	denied_clear(&kept->list);
}

static void keep(struct kept *kept, const char *prefix, const char *service, uint64_t for_ms)
{
	struct denied more = entry(&kept->list, prefix, service, for_ms);
	size_t changed;

	assert_int_equal(denied_file_add(kept->file, &more, 1), 0);
	assert_int_equal(denied_add(&kept->list, &more, 1, &changed), 0);
}

static void forget(struct kept *kept, const char *prefix, const char *service)
{
	struct denied which = entry(&kept->list, prefix, service, 0);

	assert_int_equal(denied_file_remove(kept->file, &which, 1), 0);
	denied_remove(&kept->list, &which, 1);
}

static void edit(const char *text, bool whole)
{
	_cleanup_(freep) char *path = path_join(folder, DENIED_FILE);
	FILE *file = fopen(path, whole ? "w" : "a");

	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static void start_afresh(void)
{
	_cleanup_(freep) char *path = path_join(folder, DENIED_FILE);

	unlink(path);
}

static void what_was_told_is_there_again(void **unused)
{
	struct kept kept;

	(void)unused;
	start_afresh();
	open_later(&kept, 0);
	keep(&kept, "203.0.113.0/24", "", 0);
	keep(&kept, "203.0.113.0/24", "web", 60000);
	keep(&kept, "2001:db8::/32", "", 1000);
	keep(&kept, "198.51.100.0/24", "", 0);
	keep(&kept, "192.0.2.1/32", "", 5000);
	keep(&kept, "192.0.2.1/32", "", 0);
	forget(&kept, "198.51.100.0/24", "");
	close_kept(&kept); /* as a crash would: nothing is written at the end */
	for (int times = 0; times < 2; times++) {
		open_later(&kept, 999);
		assert_list(&kept.list, "192.0.2.1/32 203.0.113.0/24 203.0.113.0/24@web+60000 2001:db8::/32+1000");
		assert_true(denied_next_due(&kept.list) == UP + 1);
		assert_true(kept.list.list[0].since == NOW);
		close_kept(&kept);
	}
	open_later(&kept, 1000);
	assert_list(&kept.list, "192.0.2.1/32 203.0.113.0/24 203.0.113.0/24@web+60000");
	assert_false(kept.damaged);
	close_kept(&kept);
}

static void a_line_that_a_crash_cut_off_is_left_out(void **unused)
{
	static const char line[] = "{\"add\":[\"10.0.0.0/8\",\"10.0.0.0/9\"],\"service\":\"web\",\"since\":5,\"until\":6}";
	struct kept kept;

	(void)unused;
	for (size_t length = 0; length <= strlen(line); length++) {
		char cut[sizeof(line)];

		snprintf(cut, length + 1, "%s", line);
		start_afresh();
		open_later(&kept, 0);
		keep(&kept, "203.0.113.0/24", "", 0);
		close_kept(&kept);
		edit(cut, false);
		open_later(&kept, 0);
		assert_false(kept.damaged);
		assert_list(&kept.list, "203.0.113.0/24");
		keep(&kept, "203.0.113.1/32", "", 0); /* and the next line is not spoilt */
		close_kept(&kept);
		open_later(&kept, 0);
		assert_false(kept.damaged);
		assert_list(&kept.list, "203.0.113.0/24 203.0.113.1/32");
		close_kept(&kept);
	}
}

static void anything_else_is_set_aside(void **unused)
{
	static const char *const contents[] = {
		"", "\n", "XXXX damaged XXXX\n", "{\"version\":2}\n", "{\"version\":1,\"more\":2}\n",
		"{\"version\":1}\n{}\n", "{\"version\":1}\n[]\n", "{\"version\":1}\nnull\n",
		"{\"version\":1}\n{\"add\":[\"10.0.0.0/8\"],\"remove\":[\"10.0.0.0/8\"]}\n",
		"{\"version\":1}\n{\"add\":\"10.0.0.0/8\"}\n", "{\"version\":1}\n{\"add\":[10]}\n",
		"{\"version\":1}\n{\"add\":[\"10.0.0.1/8\"]}\n", "{\"version\":1}\n{\"add\":[\"10.0.0.0/8\"],\"until\":-1}\n",
		"{\"version\":1}\n{\"add\":[\"10.0.0.0/8\"],\"until\":\"soon\"}\n",
		"{\"version\":1}\n{\"add\":[\"10.0.0.0/8\"],\"because\":\"so\"}\n",
		"{\"version\":1}\n{\"add\":[\"10.0.0.0/8\"]}\n\n{\"add\":[\"10.0.0.0/9\"]}\n",
	};
	struct kept kept;

	(void)unused;
	for (size_t i = 0; i < N(contents); i++) {
		_cleanup_(freep) char *aside = NULL, *path = path_join(folder, DENIED_FILE);
		struct stat there;

		assert_true(asprintf(&aside, "%s.damaged-%zu", path, i + 1) > 0);
		edit(contents[i], true);
		open_later(&kept, 0);
		if (!kept.damaged || kept.list.n || stat(aside, &there) < 0)
			fail_msg("taken for good, or lost: %s", contents[i]);
		close_kept(&kept);
		open_later(&kept, 0);
		assert_false(kept.damaged);
		close_kept(&kept);
	}
}

static size_t file_bytes(void)
{
	_cleanup_(freep) char *path = path_join(folder, DENIED_FILE);
	struct stat there;

	assert_int_equal(stat(path, &there), 0);
	return there.st_size;
}

static void a_file_that_grows_is_written_anew(void **unused)
{
	enum { MANY = 30000 };
	struct denied *more = calloc(MANY, sizeof(*more));
	struct kept kept;
	size_t changed, bytes;

	(void)unused;
	start_afresh();
	open_later(&kept, 0);
	for (uint32_t i = 0; i < MANY; i++) {
		more[i] = entry(&kept.list, "10.0.0.0/32", "", 0);
		more[i].prefix.address.byte[14] = i >> 8;
		more[i].prefix.address.byte[15] = i & 0xff;
	}
	assert_int_equal(denied_file_add(kept.file, more, MANY), 0);
	assert_int_equal(denied_add(&kept.list, more, MANY, &changed), 0);
	bytes = file_bytes();
	assert_int_equal(denied_file_tidy(kept.file, &kept.list), 0);
	assert_int_equal(file_bytes(), bytes); /* not needed yet */
	assert_int_equal(denied_file_remove(kept.file, more + 10, MANY - 10), 0);
	denied_remove(&kept.list, more + 10, MANY - 10);
	assert_int_equal(denied_file_tidy(kept.file, &kept.list), 0);
	assert_in_range(file_bytes(), 1, 1000);
	keep(&kept, "10.9.9.9/32", "", 0); /* the new file goes on */
	close_kept(&kept);
	open_later(&kept, 0);
	assert_int_equal(kept.list.n, 11);
	close_kept(&kept);
	free(more);
}

static void a_file_that_cannot_be_written_is_told(void **unused)
{
	struct denied_file *file;
	struct denied_list list = {0};
	bool damaged;

	(void)unused;
	assert_int_equal(denied_file_open("/proc/nowhere", NOW, UP, &list, &file, &damaged), -ENOENT);
	assert_int_equal(list.n, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_prefix_and_service_stands_once_and_the_last_counts),
		cmocka_unit_test(what_is_due_goes_and_nothing_else),
		cmocka_unit_test(what_was_told_is_there_again),
		cmocka_unit_test(a_line_that_a_crash_cut_off_is_left_out),
		cmocka_unit_test(anything_else_is_set_aside),
		cmocka_unit_test(a_file_that_grows_is_written_anew),
		cmocka_unit_test(a_file_that_cannot_be_written_is_told),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
