/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What names stood for is there after a restart; a damaged file is set aside and trusted in nothing. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "net/address.h"
#include "state/names.h"
#include "state_folder.h"

static void names_are_there_again(void **state)
{
	struct config_discovered_address list[] = {{.port = 5432, .priority = 10, .weight = 65535}, {.port = 0}};
	const struct config_discovered names[] = {{"db.example.com", "g", list, 2}, {"none.example.com", "h", NULL, 0}};
	struct config_discovered *again;
	size_t n;

	(void)state;
	address_parse("10.0.0.1", &list[0].address);
	address_parse("2001:db8::1", &list[1].address);
	assert_int_equal(names_save(folder, names, 2, NULL), 0);
	assert_int_equal(names_load(folder, &again, &n), 0);
	assert_int_equal(n, 2);
	assert_string_equal(again[0].domain, "db.example.com");
	assert_string_equal(again[0].group, "g");
	assert_int_equal(again[0].n, 2);
	assert_memory_equal(again[0].list, list, sizeof(list));
	assert_int_equal(again[1].n, 0);
	names_free(again, n);
}

static void without_a_file_there_are_none(void **state)
{
	struct config_discovered *names;
	size_t n;

	(void)state;
	assert_int_equal(names_load(folder, &names, &n), 0);
	assert_int_equal(n, 0);
	names_free(names, n);
}

static void a_damaged_file_is_set_aside(void **state)
{
	static const char *const damaged[] = {
		"",
		"{}",
		"[1]",
		"[{\"domain\": \"a\", \"group\": \"g\", \"addresses\": [{\"address\": \"10.0.0.300\", \"port\": 1, \"priority\": 1, \"weight\": 1}]}]",
		"[{\"domain\": \"a\", \"group\": \"g\", \"addresses\": [{\"address\": \"10.0.0.3\", \"port\": 70000, \"priority\": 1, \"weight\": 1}]}]",
		"[{\"domain\": \"a\", \"group\": \"g\", \"addresses\": 1}]",
		"[{\"domain\": \"a\", \"group\": \"g\"",
	};
	struct config_discovered *names;
	char aside[128];
	size_t n;

	(void)state;
	for (size_t i = 0; i < sizeof(damaged) / sizeof(damaged[0]); i++) {
		_cleanup_(freep) char *path = path_join(folder, NAMES_FILE);

		assert_int_equal(file_write_atomically(path, damaged[i], strlen(damaged[i]), 0640), 0);
		assert_int_equal(names_load(folder, &names, &n), 0);
		assert_int_equal(n, 0);
		names_free(names, n);
		assert_false(exists(NAMES_FILE));
		snprintf(aside, sizeof(aside), NAMES_FILE ".damaged-%zu", i + 1);
		assert_true(exists(aside));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(names_are_there_again, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(without_a_file_there_are_none, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(a_damaged_file_is_set_aside, make_folder, remove_folder),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
