/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The manual pages have what --help of the programs has, in the sections that readers look for, and man(1) has nothing to say of them. */
#include <libgen.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define OUTPUT_MAX_BYTES (1 << 18)

static const struct page {
	const char *name, *program;
	const char *sections; /* as they follow each other */
} pages[] = {
	{"shunt.1", "shunt", "NAME SYNOPSIS DESCRIPTION OPTIONS COMMANDS EXIT ENVIRONMENT FILES EXAMPLES SEE "},
	{"shuntd.8", "shuntd", "NAME SYNOPSIS DESCRIPTION OPTIONS SIGNALS EXIT FILES EXAMPLES SEE "},
	{"shunt-decap.8", "shunt-decap", "NAME SYNOPSIS DESCRIPTION COMMANDS OPTIONS EXIT EXAMPLES SEE "},
	{"shunt.yaml.5", NULL, NULL},
};

/* What the shell says to it, in the folder of the programs; to be freed. */
static char *output_of(const char *command)
{
	char *output = calloc(1, OUTPUT_MAX_BYTES);
	FILE *from = popen(command, "r");

	assert_non_null(from);
	assert_true(fread(output, 1, OUTPUT_MAX_BYTES - 1, from) < OUTPUT_MAX_BYTES - 1);
	if (pclose(from) != 0)
		fail_msg("%s: %s", command, output);
	return output;
}

static char *rendered(const char *page)
{
	char command[256];

	snprintf(command, sizeof(command), "./reference %s | scdoc | MANWIDTH=78 LC_ALL=C.UTF-8 man --nh -l - | col -b",
		 page);
	return output_of(command);
}

static void man_has_nothing_to_say_of_any_page(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(pages); i++) {
		char command[256], *said;

		snprintf(command, sizeof(command), "./reference %s | scdoc 2>&1 >/dev/null", pages[i].name);
		said = output_of(command);
		assert_string_equal(said, "");
		free(said);
		snprintf(command, sizeof(command),
			 "./reference %s | scdoc | LC_ALL=C.UTF-8 man --warnings=all -l - 2>&1 >/dev/null",
			 pages[i].name);
		said = output_of(command);
		assert_string_equal(said, "");
		free(said);
	}
}

static void pages_have_the_sections_that_readers_look_for(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(pages); i++) {
		char command[256], *sections;

		if (!pages[i].sections)
			continue;
		snprintf(command, sizeof(command), "./reference %s | sed -n 's/^# \\([A-Z]*\\).*/\\1/p' | tr '\\n' ' '",
			 pages[i].name);
		sections = output_of(command);
		assert_string_equal(sections, pages[i].sections);
		free(sections);
	}
}

/* Lines of `words`, each of which must be in the page. Returns how many there were. */
static size_t assert_all_in(char *words, const char *page, const char *name)
{
	size_t n = 0;

	for (char *rest = NULL, *word = strtok_r(words, "\n", &rest); word; word = strtok_r(NULL, "\n", &rest), n++)
		if (!strstr(page, word))
			fail_msg("%s has no \"%s\"", name, word);
	free(words);
	return n;
}

static void every_option_of_help_is_in_the_page(void **state)
{
	size_t n = 0;

	(void)state;
	for (size_t i = 0; i < COUNT(pages); i++) {
		char command[512], *page;

		if (!pages[i].program)
			continue;
		page = rendered(pages[i].name);
		snprintf(command, sizeof(command),
			 "{ ./%s --help; [ %s != shunt ] || ./shunt complete -- '' | cut -f1 | xargs -I@ ./shunt @ "
			 "--help; } | "
			 "sed -nE 's/^ *(-., *)?(--[a-z-]+(\\[?=[A-Z]+\\]?)?) .*/\\1\\2/p' | tr -s ' ' | sort -u",
			 pages[i].program, pages[i].program);
		n += assert_all_in(output_of(command), page, pages[i].name);
		free(page);
	}
	printf("%zu options\n", n);
	assert_true(n > 40);
}

static void every_command_of_help_is_in_the_page_with_its_arguments(void **state)
{
	char *page = rendered("shunt.1");
	size_t n = assert_all_in(
		output_of("./shunt --help | sed -nE '/^Commands:/,/^$/s/^  (\\S+( \\S+)*)  .*/       \\1/p'"), page,
		"shunt.1");

	(void)state;
	printf("%zu commands\n", n);
	assert_true(n > 20);
	free(page);
}

/* The folder of the programs is two above that of the tests. */
static int enter_folder_of_programs(void **state)
{
	char self[PATH_MAX] = {};

	(void)state;
	assert_true(readlink("/proc/self/exe", self, sizeof(self) - 1) > 0);
	assert_int_equal(chdir(dirname(self)), 0);
	return chdir("../..");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(man_has_nothing_to_say_of_any_page),
		cmocka_unit_test(pages_have_the_sections_that_readers_look_for),
		cmocka_unit_test(every_option_of_help_is_in_the_page),
		cmocka_unit_test(every_command_of_help_is_in_the_page_with_its_arguments),
	};

	return cmocka_run_group_tests(tests, enter_folder_of_programs, NULL);
}
