/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Backups: what is written is read again, whatever is no whole one is refused by name, and files are all of one or of the other. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "state/backup.h"

#include "state_folder.h"

#define CONFIGURATION                                                                                                                      \
	"interfaces: [lo]\n"                                                                                                               \
	"services: [{name: web, address: 192.0.2.10, port: 80, group: app}]\n"                                                             \
	"failover_groups: [{name: app, mode: active-active, backends: [b1, b2]}]\n"                                                        \
	"backends: [{name: b1, address: 10.0.0.1}, {name: b2, address: 10.0.0.2}]\n"

static json_t *parsed(const char *text)
{
	json_t *json = json_loads(text, 0, NULL);

	assert_non_null(json);
	return json;
}

/* Something of each part. */
static struct backup full(void)
{
	struct backup backup = {.configuration = strdup(CONFIGURATION),
				.groups = parsed("[{\"name\": \"spare\", \"mode\": \"active-active\", \"backends\": [\"b2\"]}]"),
				.denied = parsed("[{\"add\": [\"203.0.113.0/24\", \"2001:db8::/32\"], \"since\": 1769860800000}]")};

	state_backend(&backup.state, "b1")->admin = STATE_DRAIN;
	state_set_forced(state_group(&backup.state, "app"), "b2");
	return backup;
}

static char *text_of(struct backup *take_backup)
{
	json_t *document = backup_json(take_backup);
	char *text = json_dumps(document, JSON_INDENT(1) | JSON_SORT_KEYS);

	json_decref(document);
	backup_free(take_backup);
	assert_non_null(text);
	return text;
}

/* What it says of a file with this text. */
static int load(const char *text, size_t length, struct backup *ret_backup, char **ret_error)
{
	_cleanup_(freep) char *path = path_join(folder, "backup");

	assert_int_equal(file_write_atomically(path, text, length, 0600), 0);
	*ret_error = NULL;
	return backup_load(path, ret_backup, ret_error);
}

static void is_read_as_written(void **state)
{
	struct backup backup = full(), again = {};
	char *text = text_of(&backup), *error, *rewritten;
	json_t *a = parsed(text), *b;

	(void)state;
	assert_int_equal(load(text, strlen(text), &again, &error), 0);
	assert_non_null(strstr(again.about, "by shunt "));
	rewritten = text_of(&again);
	b = parsed(rewritten);
	json_object_del(a, "taken");
	json_object_del(b, "taken");
	assert_true(json_equal(a, b));
	json_decref(a);
	json_decref(b);
	free(text);
	free(rewritten);
}

/* Wherever it was cut off. */
static void a_part_is_refused(void **state)
{
	struct backup backup = full(), again = {};
	char *text = text_of(&backup), *error;

	(void)state;
	for (size_t length = 0; length < strlen(text); length++) {
		assert_int_equal(load(text, length, &again, &error), -EBADMSG);
		assert_non_null(strstr(error, "/backup:"));
		free(error);
	}
	free(text);
}

static const struct {
	const char *key, *value, *error;
} spoilt[] = {
	{"shunt_backup", "2", "a backup of version 2"},
	{"shunt_backup", "\"1\"", "no backup of shunt"},
	{"more", "1", "not whole"},
	{"state", "{}", "\"state\" is not what shunt wrote"},
	{"state", "{\"version\": 1, \"backends\": {\"b1\": {\"admin\": \"asleep\"}}, \"groups\": {}}", "\"state\" is not"},
	{"groups", "[{\"mode\": \"active-active\"}]", "\"groups\" is not what shunt wrote"},
	{"groups", "[{\"name\": \"spare\", \"mode\": \"sideways\", \"backends\": [\"b2\"]}]", "sideways"},
	{"denied", "[{\"add\": [\"203.0.113.0/99\"]}]", "\"denied\" is not what shunt wrote"},
	{"denied", "[7]", "\"denied\" is not what shunt wrote"},
	{"configuration", "\"\"", "backup:1:1"},
	{"configuration", "\"interfaces: [lo]\\nsurfaces: [lo]\\n\"", "surfaces"},
	{"configuration", "7", "not whole"},
};

static void what_is_spoilt_is_refused_by_name(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(spoilt) / sizeof(*spoilt); i++) {
		struct backup backup = full(), again = {};
		char *text = text_of(&backup), *error;
		json_t *document = parsed(text);
		char *other;

		json_object_set_new(document, spoilt[i].key, json_loads(spoilt[i].value, JSON_DECODE_ANY, NULL));
		other = json_dumps(document, 0);
		if (load(other, strlen(other), &again, &error) != -EBADMSG || !strstr(error, spoilt[i].error))
			fail_msg("%s %s: %s", spoilt[i].key, spoilt[i].value, error ? error : "taken");
		free(error);
		free(other);
		free(text);
		json_decref(document);
	}
}

/* Of what is not there, nothing; and written, it is there. */
static void files_are_read_and_written(void **state)
{
	_cleanup_(freep) char *state_dir = path_join(folder, "new/state"), *config = path_join(folder, "new/etc/shunt.yaml");
	struct backup nothing = {}, backup = full(), again = {};
	char *error = NULL;
	json_t *changes;

	(void)state;
	assert_int_equal(backup_of_files(config, state_dir, &nothing, &error), 0);
	assert_null(nothing.configuration);
	assert_int_equal(nothing.state.n_backends + nothing.state.n_groups, 0);
	changes = backup_changes(&nothing, &backup);
	assert_int_equal(json_array_size(changes), 5); /* no configuration; b1; app; spare; denied */
	json_decref(changes);
	assert_int_equal(backup_to_files(&backup, &nothing, config, state_dir, &error), 0);
	assert_int_equal(backup_of_files(config, state_dir, &again, &error), 0);
	assert_string_equal(again.configuration, CONFIGURATION);
	changes = backup_changes(&backup, &again);
	assert_int_equal(json_array_size(changes), 0);
	json_decref(changes);
	backup_free(&nothing);
	backup_free(&backup);
	backup_free(&again);
}

/* The folder of the state is a file: what was written before that is taken back. */
static void all_or_nothing(void **state)
{
	_cleanup_(freep) char *state_dir = path_join(folder, "occupied"), *config = path_join(folder, "shunt.yaml"), *text = NULL;
	struct backup before = {.configuration = strdup("# before\n")}, backup = full();
	char *error = NULL;
	size_t length;

	(void)state;
	assert_int_equal(file_write_atomically(config, "# before\n", 9, 0644), 0);
	assert_int_equal(file_write_atomically(state_dir, "", 0, 0644), 0);
	assert_true(backup_to_files(&backup, &before, config, state_dir, &error) < 0);
	assert_non_null(strstr(error, state_dir));
	assert_int_equal(file_read(config, 4096, &text, &length), 0);
	assert_string_equal(text, "# before\n");
	free(error);
	backup_free(&before);
	backup_free(&backup);
}

/* A link stays one, and the file that it leads to keeps its mode. */
static void the_configuration_stays_where_it_is(void **state)
{
	_cleanup_(freep) char *file = path_join(folder, "real.yaml"), *link = path_join(folder, "link.yaml"), *text = NULL;
	struct stat there;
	size_t length;

	(void)state;
	assert_int_equal(file_write_atomically(file, "# before\n", 9, 0604), 0);
	assert_int_equal(symlink(file, link), 0);
	assert_int_equal(backup_write_configuration(CONFIGURATION, link), 0);
	assert_int_equal(lstat(link, &there), 0);
	assert_true(S_ISLNK(there.st_mode));
	assert_int_equal(stat(file, &there), 0);
	assert_int_equal(there.st_mode & 07777, 0604);
	assert_int_equal(file_read(file, 4096, &text, &length), 0);
	assert_string_equal(text, CONFIGURATION);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(is_read_as_written, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(a_part_is_refused, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(what_is_spoilt_is_refused_by_name, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(files_are_read_and_written, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(all_or_nothing, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(the_configuration_stays_where_it_is, make_folder, remove_folder),
	};

	return cmocka_run_group_tests_name("backup", tests, NULL, NULL);
}
