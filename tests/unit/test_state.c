/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What was saved is loaded again; whatever else is in the file is set aside, never trusted and never lost. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "state/state.h"

#include "state_folder.h"

#define N(array) (sizeof(array) / sizeof((array)[0]))

static void write_state_file(const char *text, size_t length)
{
	_cleanup_(freep) char *path = path_join(folder, STATE_FILE);

	assert_int_equal(file_write_atomically(path, text, length, 0600), 0);
}

static uint32_t count_files(const char *prefix)
{
	DIR *directory = opendir(folder);
	struct dirent *entry;
	uint32_t n = 0;

	while ((entry = readdir(directory)))
		n += strncmp(entry->d_name, prefix, strlen(prefix)) == 0;
	closedir(directory);
	return n;
}

/* A rolling move of which 40 % are done, from who was chosen by lag; one member flaps. */
static void fill_moves(struct state_moves *moves)
{
	*moves = (struct state_moves){
		.held_until = 1769860860000,
		.chosen = strdup("web2"),
		.shifted_percent = 40,
		.from_tier = 0,
		.from_forced_tier = STATE_NO_TIER,
		.target_fit = 2,
		.from_chosen = strdup("web1"),
		.step_at = 1769860805000,
		.own = {.value = 1000.5, .at = 1769860800000},
		.members = calloc(1, sizeof(*moves->members)),
		.n_members = 1,
	};
	moves->members[0] = (struct state_penalty){strdup("web1"), 2500, 1769860790000, true};
}

static void assert_moves(const struct state_moves *moves)
{
	assert_true(moves->held_until == 1769860860000);
	assert_string_equal(moves->chosen, "web2");
	assert_int_equal(moves->shifted_percent, 40);
	assert_int_equal(moves->from_tier, 0);
	assert_int_equal(moves->from_forced_tier, STATE_NO_TIER);
	assert_int_equal(moves->target_fit, 2);
	assert_string_equal(moves->from_chosen, "web1");
	assert_null(moves->from_forced);
	assert_true(moves->step_at == 1769860805000);
	assert_true(moves->own.value > 1000.4 && moves->own.value < 1000.6 && !moves->own.suppressed);
	assert_int_equal(moves->n_members, 1);
	assert_string_equal(moves->members[0].name, "web1");
	assert_true(moves->members[0].at == 1769860790000 && moves->members[0].suppressed);
}

static void fill(struct state *state)
{
	struct state_backend *backend = state_backend(state, "web1");
	struct state_group *group;

	backend->admin = STATE_DRAIN;
	backend->drain_until = 1769860800123;
	backend->admin_until = 1769860800456;
	backend->weight_until = 1769860800789;
	backend = state_backend(state, "web \"2\" \xc3\xa9");
	backend->admin = STATE_MAINT;
	backend->has_weight = true;
	backend->weight = 0;
	state_backend(state, "web3")->has_weight = true;
	state_backend(state, "web3")->weight = UINT32_MAX;
	group = state_group(state, "app");
	assert_int_equal(state_set_forced(group, "web1"), 0);
	assert_int_equal(state_set_forced(group, "web2"), 0);
	group->forced_until = 1769860800456;
	group->tier = 1;
	group->failovers = 1ULL << 40;
	group->last_failover = 1769860800000;
	state_group(state, "db")->forced_tier = 2;
	state_group(state, "quiet");
	fill_moves(&state_group(state, "app")->moves);
	state_backend(state, "web1")->ejection =
		(struct state_ejection){.times = 3, .until = 1769860900000, .back = 1769860700000, .why = strdup("97 % SYNs, others 18 %")};
}

static void assert_filled(const struct state *state)
{
	const struct state_backend *backend = state_find_backend(state, "web1");
	const struct state_group *group = state_find_group(state, "app");

	assert_int_equal(state->n_backends, 3);
	assert_int_equal(state->n_groups, 3);
	assert_int_equal(backend->admin, STATE_DRAIN);
	assert_true(backend->drain_until == 1769860800123);
	assert_true(backend->admin_until == 1769860800456);
	assert_true(backend->weight_until == 1769860800789);
	assert_false(backend->has_weight);
	backend = state_find_backend(state, "web \"2\" \xc3\xa9");
	assert_int_equal(backend->admin, STATE_MAINT);
	assert_true(backend->has_weight);
	assert_int_equal(backend->weight, 0);
	assert_int_equal(state_find_backend(state, "web3")->weight, UINT32_MAX);
	assert_string_equal(group->forced, "web2");
	assert_int_equal(group->forced_tier, STATE_NO_TIER);
	assert_true(group->forced_until == 1769860800456);
	assert_int_equal(group->tier, 1);
	assert_true(group->failovers == 1ULL << 40);
	assert_true(group->last_failover == 1769860800000);
	assert_moves(&group->moves);
	backend = state_find_backend(state, "web1");
	assert_int_equal(backend->ejection.times, 3);
	assert_true(backend->ejection.until == 1769860900000 && backend->ejection.back == 1769860700000);
	assert_string_equal(backend->ejection.why, "97 % SYNs, others 18 %");
	group = state_find_group(state, "db");
	assert_null(group->forced);
	assert_int_equal(group->forced_tier, 2);
	assert_int_equal(state_find_group(state, "quiet")->tier, STATE_NO_TIER);
}

static void without_a_file_the_state_is_empty(void **unused)
{
	struct state state;

	(void)unused;
	assert_int_equal(state_load(folder, &state), 0);
	assert_int_equal(state.n_backends + state.n_groups, 0);
	assert_false(state.damaged);
	assert_null(state_find_backend(&state, "web1"));
	state_free(&state);
}

static void what_was_saved_is_loaded(void **unused)
{
	struct state state = {0}, loaded;

	(void)unused;
	fill(&state);
	assert_int_equal(state_save(folder, &state, NULL), 0);
	assert_int_equal(state_save(folder, &state, NULL), 0);
	assert_int_equal(state_load(folder, &loaded), 0);
	assert_false(loaded.damaged);
	assert_filled(&loaded);
	state_free(&loaded);
	state_free(&state);
	assert_int_equal(state.n_backends, 0);
	assert_int_equal(count_files(STATE_FILE ".damaged"), 0);
}

static void a_folder_that_is_not_there_is_an_error(void **unused)
{
	struct state state = {0};

	(void)unused;
	assert_int_equal(state_save("/nonexistent/folder", &state, NULL), -ENOENT);
}

static void a_file_that_is_cut_anywhere_is_set_aside(void **unused)
{
	_cleanup_(freep) char *path = path_join(folder, STATE_FILE), *text = NULL;
	struct state state = {0};
	size_t length;

	(void)unused;
	fill(&state);
	assert_int_equal(state_save(folder, &state, NULL), 0);
	state_free(&state);
	assert_int_equal(file_read(path, 100000, &text, &length), 0);
	for (size_t cut = 0; cut < length; cut++) {
		write_state_file(text, cut);
		assert_int_equal(state_load(folder, &state), 0);
		assert_true(state.damaged);
		assert_int_equal(state.n_backends + state.n_groups, 0);
		state_free(&state);
		assert_int_equal(access(path, F_OK), -1);
	}
	assert_int_equal(count_files(STATE_FILE ".damaged"), length);
	print_message("  cut at each of %zu bytes\n", length);
}

static void a_byte_that_changed_never_does_harm(void **unused)
{
	_cleanup_(freep) char *path = path_join(folder, STATE_FILE), *text = NULL;
	static const char bytes[] = {0, ' ', '"', '}', '-', '9', (char)0xff};
	struct state state = {0};
	size_t length;

	(void)unused;
	fill(&state);
	assert_int_equal(state_save(folder, &state, NULL), 0);
	state_free(&state);
	assert_int_equal(file_read(path, 100000, &text, &length), 0);
	for (size_t i = 0; i < length; i += 3) {
		char kept = text[i];

		text[i] = bytes[i % N(bytes)];
		write_state_file(text, length);
		assert_int_equal(state_load(folder, &state), 0);
		assert_true(!state.damaged || state.n_backends + state.n_groups == 0);
		state_free(&state);
		text[i] = kept;
	}
}

static void only_what_could_have_been_saved_is_trusted(void **unused)
{
	static const struct {
		const char *name, *text;
		bool trusted;
	} rows[] = {
		{"empty state", "{\"version\":1,\"backends\":{},\"groups\":{}}", true},
		{"a later version", "{\"version\":2,\"backends\":{},\"groups\":{}}", false},
		{"no version", "{\"backends\":{},\"groups\":{}}", false},
		{"unknown key", "{\"version\":1,\"backends\":{},\"groups\":{},\"more\":1}", false},
		{"not an object", "[1]", false},
		{"backends not an object", "{\"version\":1,\"backends\":[],\"groups\":{}}", false},
		{"two documents", "{\"version\":1,\"backends\":{},\"groups\":{}}{}", false},
		{"twice the same backend",
		 "{\"version\":1,\"backends\":{\"a\":{\"admin\":\"drain\"},\"a\":{\"admin\":\"ready\"}},\"groups\":{}}",
		 false},
		{"unknown admin", "{\"version\":1,\"backends\":{\"a\":{\"admin\":\"asleep\"}},\"groups\":{}}", false},
		{"no admin", "{\"version\":1,\"backends\":{\"a\":{}},\"groups\":{}}", false},
		{"negative weight",
		 "{\"version\":1,\"backends\":{\"a\":{\"admin\":\"ready\",\"weight\":-1}},\"groups\":{}}", false},
		{"weight too large",
		 "{\"version\":1,\"backends\":{\"a\":{\"admin\":\"ready\",\"weight\":4294967296}},\"groups\":{}}",
		 false},
		{"weight as text",
		 "{\"version\":1,\"backends\":{\"a\":{\"admin\":\"ready\",\"weight\":\"5\"}},\"groups\":{}}", false},
		{"weight as fraction",
		 "{\"version\":1,\"backends\":{\"a\":{\"admin\":\"ready\",\"weight\":1.5}},\"groups\":{}}", false},
		{"a ready backend",
		 "{\"version\":1,\"backends\":{\"a\":{\"admin\":\"ready\",\"weight\":5}},\"groups\":{}}", true},
		{"a quiet group",
		 "{\"version\":1,\"backends\":{},\"groups\":{\"g\":{\"failovers\":0,\"last_failover\":0}}}", true},
		{"negative failovers",
		 "{\"version\":1,\"backends\":{},\"groups\":{\"g\":{\"failovers\":-1,\"last_failover\":0}}}", false},
		{"negative tier",
		 "{\"version\":1,\"backends\":{},\"groups\":{\"g\":{\"tier\":-1,\"failovers\":0,\"last_failover\":0}}}",
		 false},
		{"binary", "\x7f\x45\x4c\x46", false},
	};

	(void)unused;
	for (size_t i = 0; i < N(rows); i++) {
		struct state state;

		print_message("  %s\n", rows[i].name);
		write_state_file(rows[i].text, strlen(rows[i].text));
		assert_int_equal(state_load(folder, &state), 0);
		assert_int_equal(state.damaged, !rows[i].trusted);
		state_free(&state);
	}
}

static void what_is_set_aside_is_kept_as_it_was(void **unused)
{
	_cleanup_(freep) char *first = path_join(folder, STATE_FILE ".damaged-1");
	_cleanup_(freep) char *second = path_join(folder, STATE_FILE ".damaged-2");
	_cleanup_(freep) char *text = NULL, *other = NULL;
	struct state state;
	size_t length;

	(void)unused;
	write_state_file("nonsense", 8);
	assert_int_equal(state_load(folder, &state), 0);
	write_state_file("other nonsense", 14);
	assert_int_equal(state_load(folder, &state), 0);
	assert_int_equal(file_read(first, 100, &text, &length), 0);
	assert_string_equal(text, "nonsense");
	assert_int_equal(file_read(second, 100, &other, &length), 0);
	assert_string_equal(other, "other nonsense");
	/* And the next save starts anew beside it. */
	assert_int_equal(state_save(folder, &state, NULL), 0);
	assert_int_equal(state_load(folder, &state), 0);
	assert_false(state.damaged);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, make_folder, remove_folder)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(without_a_file_the_state_is_empty),      TEST(what_was_saved_is_loaded),
		TEST(a_folder_that_is_not_there_is_an_error), TEST(a_file_that_is_cut_anywhere_is_set_aside),
		TEST(a_byte_that_changed_never_does_harm),    TEST(only_what_could_have_been_saved_is_trusted),
		TEST(what_is_set_aside_is_kept_as_it_was),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
