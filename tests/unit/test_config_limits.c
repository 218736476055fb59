/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Large, broken and hostile files: quick, told, and nothing leaks (which SANITIZE=1 sees). */
#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/file.h"
#include "config/config.h"

#define EXAMPLE "tests/unit/config/example.yaml"
#define MUTATIONS 20000
#define SERVICES 4096
#define BACKENDS (SHUNT_MAX_BACKENDS / 2 < 10000 ? SHUNT_MAX_BACKENDS / 2 : 10000)
#define GROUPS 2048
#define HUGE_BYTES (17 << 20)
#ifndef __has_feature
#define __has_feature(feature) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer) || !defined(__OPTIMIZE__)
#define FAST_MS 4000
#else
#define FAST_MS 1000 /* a busy machine counts too; the figure itself is printed */
#endif

/* Processor time, which other jobs of the machine do not stretch. */
static uint64_t cpu_ms(void)
{
	return (uint64_t)clock() * 1000 / CLOCKS_PER_SEC;
}

/* Whatever the text: an answer, with a message when it is no. */
static int try(const char *text, size_t length)
{
	struct config_messages messages = {};
	struct config *config = NULL;
	int r;

	r = config_parse(text, length, &config, &messages);
	if (r == 0)
		assert_non_null(config);
	else
		assert_true(r == -EINVAL && !config && messages.n);
	for (size_t i = 0; i < messages.n; i++)
		assert_true(messages.list[i].line >= 0 && messages.list[i].column >= 0 && *messages.list[i].text &&
			    !strchr(messages.list[i].text, '\n'));
	config_messages_clear(&messages);
	config_free(config);
	return r;
}

static void every_beginning_of_the_example_has_an_answer(void **state)
{
	char *text;
	size_t length;

	(void)state;
	assert_int_equal(file_read(EXAMPLE, 1 << 20, &text, &length), 0);
	for (size_t i = 0; i <= length; i++) {
		char *part = malloc(i + 1); /* its own block, so that a read behind it is seen */

		memcpy(part, text, i);
		try(part, i);
		free(part);
	}
	assert_int_equal(try(text, length), 0);
	free(text);
}

static void every_mutation_of_the_example_has_an_answer(void **state)
{
	static const char likely[] = "{}[]:,&*!|>'\"%@`#-? \t\n0x9a";
	char *text, *mutant;
	size_t length;

	(void)state;
	assert_int_equal(file_read(EXAMPLE, 1 << 20, &text, &length), 0);
	mutant = malloc(length);
	srandom(1);
	for (size_t i = 0; i < MUTATIONS; i++) {
		memcpy(mutant, text, length);
		for (long n = 1 + random() % 4; n > 0; n--)
			mutant[random() % length] =
				random() % 2 ? likely[random() % (sizeof(likely) - 1)] : random() % 256;
		try(mutant, length);
	}
	free(mutant);
	free(text);
}

static char *large_text(size_t n_services, size_t n_groups, size_t n_backends, unsigned weight, size_t *ret_length)
{
	char *text = NULL;
	FILE *to = open_memstream(&text, ret_length);

	fputs("interfaces: [eth0]\nservices:\n", to);
	for (size_t i = 0; i < n_services; i++)
		fprintf(to,
			"- {name: service-%zu, address: 192.0.%zu.%zu, port: 80, group: group-%zu, forward: ipip}\n", i,
			i / 256, i % 256, i % n_groups);
	fputs("failover_groups:\n", to);
	for (size_t i = 0; i < n_groups; i++) {
		fprintf(to, "- name: group-%zu\n  mode: active-active\n  backends: [", i);
		for (size_t j = i; j < n_backends; j += n_groups)
			fprintf(to, "backend-%zu, ", j);
		fputs("]\n", to);
	}
	fputs("backends:\n", to);
	for (size_t i = 0; i < n_backends; i++)
		fprintf(to, "- {name: backend-%zu, address: 10.0.%zu.%zu, weight: %u}\n", i, i / 256, i % 256, weight);
	fclose(to);
	return text;
}

static void the_largest_configuration_is_read_and_compared_at_once(void **state)
{
	struct config_messages messages = {};
	struct config_changes changes;
	struct config *old, *new;
	char *before, *after;
	size_t before_length, after_length;
	uint64_t start_ms, parsed_ms, compared_ms;

	(void)state;
	before = large_text(SERVICES, GROUPS, BACKENDS, 100, &before_length);
	after = large_text(SERVICES, GROUPS, BACKENDS, 50, &after_length);
	start_ms = cpu_ms();
	assert_int_equal(config_parse(before, before_length, &old, &messages), 0);
	parsed_ms = cpu_ms() - start_ms;
	assert_int_equal(config_parse(after, after_length, &new, &messages), 0);
	assert_int_equal(messages.n, 0);
	assert_int_equal(old->n_services, SERVICES);
	assert_int_equal(old->n_backends, BACKENDS);
	assert_in_range(parsed_ms, 0, FAST_MS);

	start_ms = cpu_ms();
	assert_int_equal(config_diff(old, new, &changes), 0);
	compared_ms = cpu_ms() - start_ms;
	assert_int_equal(changes.n, BACKENDS);
	assert_string_equal(changes.list[0].text, "backend backend-0: weight 100 -> 50");
	assert_in_range(compared_ms, 0, FAST_MS);
	print_message("parsed in %" PRIu64 " ms, compared in %" PRIu64 " ms\n", parsed_ms, compared_ms);

	config_changes_clear(&changes);
	config_free(old);
	config_free(new);
	free(before);
	free(after);
}

static void more_than_the_data_path_holds_is_refused(void **state)
{
	static const struct {
		size_t services, groups, backends;
		const char *message;
	} rows[] = {
		{SERVICES + 1, 1, 1, "services has 4097 elements: at most 4096 are possible"},
		{1, SHUNT_MAX_GROUPS, SHUNT_MAX_GROUPS, "failover_groups has 4096 elements: at most 4095 are possible"},
		{1, 2, SHUNT_MAX_BACKENDS / 2 + 1, "backends has "},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct config_messages messages = {};
		struct config *config;
		size_t length;
		char *text = large_text(rows[i].services, rows[i].groups, rows[i].backends, 1, &length);

		assert_int_equal(config_parse(text, length, &config, &messages), -EINVAL);
		assert_int_equal(messages.n, 1); /* no echo of everything that names what was refused */
		assert_memory_equal(messages.list[0].text, rows[i].message, strlen(rows[i].message));
		config_messages_clear(&messages);
		free(text);
	}
}

/* `start`, then `piece` until the text has `bytes`, parsed in no time. */
static void assert_quickly_refused(const char *start, const char *piece, size_t bytes, const char *message)
{
	struct config_messages messages = {};
	struct config *config = NULL;
	uint64_t start_ms = cpu_ms();
	char *text = NULL;
	size_t length;
	FILE *to = open_memstream(&text, &length);

	fputs(start, to);
	for (size_t i = strlen(start); i < bytes; i += strlen(piece))
		fputs(piece, to);
	fclose(to);
	assert_int_equal(config_parse(text, length, &config, &messages), -EINVAL);
	assert_string_equal(messages.list[0].text, message);
	assert_in_range(cpu_ms() - start_ms, 0, 20 * FAST_MS);
	config_messages_clear(&messages);
	free(text);
}

static void a_hostile_file_is_refused_in_time(void **state)
{
	(void)state;
	assert_quickly_refused("", "[", 1 << 20, "nested more than 32 deep: no configuration is");
	assert_quickly_refused("", "{a: ", 1 << 20, "nested more than 32 deep: no configuration is");
	assert_quickly_refused("", "- ", 1 << 20, "nested more than 32 deep: no configuration is");
	assert_quickly_refused("", "- &a x\n", 1 << 20, "more than 1000 anchors: write the values out");
	assert_quickly_refused("", "#", HUGE_BYTES, "larger than 16 MiB: no configuration is");
	assert_quickly_refused("interfaces: [eth0]\n", "servicse: 1\n", 1 << 20,
			       "unknown key \"servicse\": did you mean services?");
}

/* A list of all backends, by alias the members of every group, is small on disk and huge in memory. */
static void aliases_do_not_multiply_without_bound(void **state)
{
	struct config_messages messages = {};
	struct config *config = NULL;
	char *text = NULL, *members = NULL;
	size_t length, members_length;
	FILE *to = open_memstream(&text, &length), *list = open_memstream(&members, &members_length);

	(void)state;
	for (size_t i = 0; i < SHUNT_MAX_BACKENDS / 2; i++)
		fprintf(list, "b%zu, ", i);
	fclose(list);
	fprintf(to, "interfaces: [eth0]\nfailover_groups:\n- {name: g, mode: normal, backends: &all [%s]}\n", members);
	for (size_t i = 0; i < 4000; i++)
		fprintf(to, "- {name: g%zu, mode: normal, backends: *all}\n", i);
	fclose(to);
	assert_int_equal(config_parse(text, length, &config, &messages), -EINVAL);
	assert_true(messages.n <= 1001);
	config_messages_clear(&messages);
	free(text);
	free(members);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_beginning_of_the_example_has_an_answer),
		cmocka_unit_test(every_mutation_of_the_example_has_an_answer),
		cmocka_unit_test(the_largest_configuration_is_read_and_compared_at_once),
		cmocka_unit_test(more_than_the_data_path_holds_is_refused),
		cmocka_unit_test(a_hostile_file_is_refused_in_time),
		cmocka_unit_test(aliases_do_not_multiply_without_bound),
	};

	return cmocka_run_group_tests_name("config limits", tests, NULL, NULL);
}
