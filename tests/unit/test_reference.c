/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * docs/reference/ is what the tables in the code say, and what they say of the configuration is so: every key has a meaning, a default
 * that is written out changes nothing, and another value does.
 */
#include <inttypes.h>
#include <glob.h>
#include <libgen.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/file.h"
#include "base/number.h"
#include "api/large.h"
#include "api_fixture.h"
#include "config/schema.h"
#include "state/event_kinds.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define PAGE_MAX_BYTES (1 << 20)

/* ---- pages ---- */

static void pages_are_what_the_code_says(void **state)
{
	static const char *const pages[] = {"configuration.md", "drop-reasons.md", "metrics.md", "events.md", "exit-status.md", "api.md"};
	char source[] = __FILE__, program[PATH_MAX], self[PATH_MAX] = {};
	const char *folder = dirname(source);

	(void)state;
	assert_true(readlink("/proc/self/exe", self, sizeof(self) - 1) > 0);
	for (size_t i = 0; i < COUNT(pages); i++) {
		char path[PATH_MAX], copy[PATH_MAX], *made = calloc(1, PAGE_MAX_BYTES), *kept = NULL;
		size_t length;
		FILE *from;

		strcpy(copy, self);
		snprintf(program, sizeof(program), "%.2000s/../../reference %s", dirname(copy), pages[i]);
		snprintf(path, sizeof(path), "%.2000s/../../docs/reference/%s", folder, pages[i]);
		from = popen(program, "r");
		assert_non_null(from);
		assert_true(fread(made, 1, PAGE_MAX_BYTES - 1, from) > 100);
		assert_int_equal(pclose(from), 0);
		assert_int_equal(file_read(path, PAGE_MAX_BYTES, &kept, &length), 0);
		if (strcmp(made, kept) != 0)
			fail_msg("docs/reference/%s is not what the code says: run `make reference` and look at the diff", pages[i]);
		free(made);
		free(kept);
	}
}

/* What a key takes and means is said in one place, which cannot be wrong: other pages link there. */
static void no_other_page_has_a_table_of_keys(void **state)
{
	char source[] = __FILE__, pattern[PATH_MAX];
	glob_t pages;

	(void)state;
	snprintf(pattern, sizeof(pattern), "%.2000s/../../docs/*.md", dirname(source));
	assert_int_equal(glob(pattern, 0, NULL, &pages), 0);
	assert_true(pages.gl_pathc > 15);
	for (size_t i = 0; i < pages.gl_pathc; i++) {
		char *text = NULL;
		size_t length;

		assert_int_equal(file_read(pages.gl_pathv[i], PAGE_MAX_BYTES, &text, &length), 0);
		if (strstr(text, "| key |"))
			fail_msg("%s has a table of keys: let it link to docs/reference", pages.gl_pathv[i]);
		free(text);
	}
	globfree(&pages);
}

/* ---- every key ---- */

static void assert_described(const struct field *field)
{
	bool is_value = field->kind < FIELD_KINDS_OF_ITEM;
	struct item item = {.text = field->standard};

	if (!field->meaning || !*field->meaning)
		fail_msg("%s has no meaning", field->key);
	if (!!field->required + !!field->standard + !!field->otherwise != 1)
		fail_msg("%s: not just one of required, a default, and what else holds", field->key);
	if (field->standard && (!is_value || scalar_parse(field, &item) < 0))
		fail_msg("%s: its default %s is none of its values", field->key, field->standard);
}

static size_t assert_all_described(const struct schema *schema) // NOLINT(misc-no-recursion): as deep as the tables
{
	size_t n = 0;

	for (const struct field *field = schema->fields; field->key; field++, n++) {
		assert_described(field);
		if (field->schema)
			n += assert_all_described(field->schema);
	}
	return n;
}

static void every_key_has_a_meaning_and_says_what_holds_without_it(void **state)
{
	size_t n = assert_all_described(&config_schema);

	(void)state;
	printf("%zu keys, counted at every place that they may stand at\n", n);
	assert_true(n > 150);
}

/* ---- every default ---- */

#define GROUP(keys) "\"failover_groups\": [{\"name\": \"g\", \"backends\": [{\"name\": \"b\"}, {\"name\": \"c\"}], " keys "}],"
#define SERVICE(keys) "\"services\": [{\"name\": \"s\", \"address\": \"192.0.2.1\", \"port\": 80, \"group\": \"g\"" keys "}],"
#define ACTIVE GROUP("\"primary\": \"b\", \"health_check\": {\"send\": \"x\", \"score\": {}}, \"passive\": {}, \"damping\": {}")
#define CHECK(keys) GROUP("\"primary\": \"b\", \"health_check\": {" keys "}")
#define BASE(more) \
	"{\"interfaces\": [{\"name\": \"eth0\"}], " more \
	"\"backends\": [{\"name\": \"b\", \"address\": \"10.0.0.1\"}, {\"name\": \"c\", \"address\": \"10.0.0.2\"}]}"

/*
 * Configurations in which keys may stand; each key that has a default in one of them at least. Where no type is given, `send` holds the
 * check to be tcp: a path alone would mean http.
 */
static const char *const bases[] = {
	BASE("\"defaults\": {\"gue\": {}, \"health_check\": {\"send\": \"x\", \"score\": {}}}, " SERVICE(", \"forward\": \"gue\"") ACTIVE),
	BASE(SERVICE(", \"limits\": {\"per_client\": 9, \"client_prefix\": {}}") GROUP("\"mode\": \"rolling\"")),
	BASE("\"services\": [{\"name\": \"s\", \"address\": \"2001:db8::1\", \"port\": 80, \"group\": \"g\", "
	     "\"limits\": {\"per_client\": 9, \"client_prefix\": {}}}]," ACTIVE),
	BASE(SERVICE(", \"protocol\": \"udp\", \"quic\": {}") CHECK("\"via\": \"service\", \"type\": \"tcp\"")),
	BASE(SERVICE("") CHECK("\"type\": \"http\"")),
	BASE(SERVICE("") CHECK("\"type\": \"https\"")),
	BASE(SERVICE("") CHECK("\"type\": \"dns\", \"query\": \"a.example\"")),
	BASE(SERVICE("") CHECK("\"all\": [{\"type\": \"tcp\"}]")),
	BASE(SERVICE("") CHECK("\"any\": [{\"type\": \"http\"}]")),
	BASE(SERVICE("") CHECK("\"any\": [{\"type\": \"https\"}]")),
	BASE(SERVICE("") CHECK("\"any\": [{\"type\": \"dns\", \"query\": \"a.example\"}]")),
	BASE(SERVICE("") CHECK("\"all\": [{\"send\": \"x\"}]")),
	BASE("\"defaults\": {}, \"maintenance\": [{\"backend\": \"b\", \"cron\": \"0 2 * * *\", \"duration\": \"1h\"}], " SERVICE("") ACTIVE),
	BASE("\"hooks\": {\"webhook\": \"https://a.example/\"}, " SERVICE("") ACTIVE),
	BASE("\"dns_backends\": [{\"domain\": \"a.example\", \"group_name\": \"g\"}], " SERVICE("") ACTIVE),
};

enum { KEYS_MAX = 128 };

/* What was seen of a key, over all bases. */
struct seen {
	const struct field *field;
	bool stands, matters;
};

struct judged {
	const char *base;
	json_t *document;
	struct config *without;
	struct seen *seen;
	size_t *n;
};

static struct config *parse(const json_t *document)
{
	char *text = json_dumps(document, 0);
	struct config_messages messages = {};
	struct config *config = NULL;

	assert_non_null(text);
	if (config_parse(text, strlen(text), &config, &messages) < 0)
		config = NULL;
	config_messages_clear(&messages);
	free(text);
	return config;
}

static json_t *value_of(const struct field *field, const char *text)
{
	uint64_t number;
	bool is_number = field->kind == FIELD_NUMBER || field->kind == FIELD_POWER_OF_TWO || field->kind == FIELD_NUMBER_OR_PERCENT;

	return is_number && number_parse(text, 0, INT64_MAX, &number) == 0 ? json_integer((json_int_t)number) : json_string(text);
}

/* What a reload from the base to the same with the key would change, as text: "" for nothing. NULL: it may not be so. To be freed. */
static char *effect(const struct judged *judged, json_t *mapping, const struct field *field, const char *text)
{
	struct config_changes changes;
	struct config *with;
	char *said = NULL;

	json_object_set_new(mapping, field->key, value_of(field, text));
	with = parse(judged->document);
	json_object_del(mapping, field->key);
	if (!with)
		return NULL;
	assert_int_equal(config_diff(judged->without, with, &changes), 0);
	said = strdup(changes.n ? changes.list[0].text : "");
	config_changes_clear(&changes);
	config_free(with);
	return said;
}

static bool another_value_matters(const struct judged *judged, json_t *mapping, const struct field *field)
{
	static const char *const others[] = {"1",   "2",   "40",   "90",  "4096", "131072", "60ms", "700ms", "2s",   "20m", "2h", "50%",
					     "150%", "/x", "HEAD", "204", "automatic"};
	bool matters = false;

	for (size_t i = 0; i < COUNT(others) && !matters; i++) {
		struct item item = {.text = others[i]};
		char *said = scalar_parse(field, &item) < 0 ? NULL : effect(judged, mapping, field, others[i]);

		matters = said && *said;
		free(said);
	}
	for (const struct word *word = field->words; word && word->text && !matters; word++) {
		char *said = effect(judged, mapping, field, word->text);

		matters = said && *said;
		free(said);
	}
	return matters;
}

static struct seen *seen_of(const struct judged *judged, const struct field *field)
{
	for (size_t i = 0; i < *judged->n; i++)
		if (judged->seen[i].field == field)
			return &judged->seen[i];
	assert_true(*judged->n < KEYS_MAX);
	judged->seen[*judged->n] = (struct seen){.field = field};
	return &judged->seen[(*judged->n)++];
}

static void judge_key(const struct judged *judged, json_t *mapping, const struct field *field)
{
	struct seen *seen = seen_of(judged, field);
	char *said = effect(judged, mapping, field, field->standard);

	if (said && *said)
		fail_msg("%s: %s is no default: written out in %s it changes: %s", field->key, field->standard, judged->base, said);
	seen->stands = seen->stands || said;
	seen->matters = seen->matters || another_value_matters(judged, mapping, field);
	free(said);
}

static void judge(const struct judged *judged, json_t *mapping, const struct schema *schema) // NOLINT(misc-no-recursion): as deep as the tables
{
	for (const struct field *field = schema->fields; field->key; field++) {
		json_t *value = json_object_get(mapping, field->key);

		if (field->standard && !value)
			judge_key(judged, mapping, field);
		else if (field->standard)
			seen_of(judged, field);
		if (json_is_object(value))
			judge(judged, value, field->schema);
		else if (json_is_array(value) && json_is_object(json_array_get(value, 0)))
			judge(judged, json_array_get(value, 0), field->schema);
	}
}

static void a_default_that_is_written_out_changes_nothing_and_another_value_does(void **state)
{
	struct seen seen[KEYS_MAX];
	size_t n = 0;

	(void)state;
	for (size_t i = 0; i < COUNT(bases); i++) {
		struct judged judged = {.base = bases[i], .document = json_loads(bases[i], 0, NULL), .seen = seen, .n = &n};

		assert_non_null(judged.document);
		judged.without = parse(judged.document);
		if (!judged.without)
			fail_msg("no configuration: %s", bases[i]);
		judge(&judged, judged.document, &config_schema);
		config_free(judged.without);
		json_decref(judged.document);
	}
	for (size_t i = 0; i < n; i++)
		if (!seen[i].stands || !seen[i].matters)
			fail_msg("%s: %s", seen[i].field->key,
				 seen[i].stands ? "no value of it changes anything" : "may stand in none of this test's configurations");
	printf("%zu defaults judged in %zu configurations\n", n, COUNT(bases));
	assert_true(n > 60);
}

/* ---- metrics ---- */

/* Names of the labels of a sample, as "group, backend". Returns `buffer`. */
static const char *labels_of(const char *sample, char buffer[128])
{
	const char *at = strchr(sample, '{'), *end = strpbrk(sample, " \n");
	size_t length = 0;

	*buffer = '\0';
	while (at && at < end && *at != '}') {
		const char *equals = strchr(++at, '=');

		length += snprintf(buffer + length, 128 - length, "%s%.*s", length ? ", " : "", (int)(equals - at), at);
		at = strchr(equals + 2, '"') + 1;
		end = strchr(at, ' ');
	}
	return buffer;
}

static void metrics_have_the_labels_that_the_reference_says(void **state)
{
	struct snapshot snapshot;
	size_t samples = 0;
	char *text;

	(void)state;
	fixture_fill(&snapshot);
	text = large_text(&large_metrics, &snapshot);
	for (size_t i = 0; api_metric(i); i++) {
		const struct api_metric *metric = api_metric(i);
		size_t length = strlen(metric->name);
		char labels[128];

		for (char *line = text; line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL) {
			const char *rest = line + length;

			if (strncmp(line, metric->name, length) != 0)
				continue;
			if (strcmp(metric->type, "histogram") == 0)
				rest = strncmp(rest, "_bucket", 7) == 0 ? rest + 7 : "none";
			if (*rest != '{' && *rest != ' ')
				continue;
			samples++;
			if (strcmp(labels_of(line, labels), metric->labels) != 0)
				fail_msg("%s: labels are \"%s\", not \"%s\"", metric->name, labels, metric->labels);
		}
	}
	printf("%zu samples looked at\n", samples);
	assert_true(samples > 100);
	free(text);
}

/* ---- events ---- */

static const char *const event_kinds[] = {
#define X(kind, text) kind,
	EVENT_KINDS(X)
#undef X
};

/* The words in quotes of an argument that ends with a comma on its own level; each must be a kind. Returns the comma. */
static const char *check_kinds(const char *at, bool used[COUNT(event_kinds)])
{
	for (; *at && *at != ','; at++) {
		size_t length = *at == '"' ? strcspn(at + 1, "\"") : 0, i = 0;

		if (*at != '"')
			continue;
		while (i < COUNT(event_kinds) && (strncmp(event_kinds[i], at + 1, length) != 0 || event_kinds[i][length]))
			i++;
		if (i < COUNT(event_kinds))
			used[i] = true;
		else
			fail_msg("\"%.*s\" is not in state/event_kinds.h", (int)length, at + 1);
		at += length + 1;
	}
	return at;
}

/* Kinds are told in words where events are added, but for those that follow from a state or a command (CHOSEN). */
static void kinds_of_events_are_those_of_the_table(void **state)
{
	static const char *const chosen[] = {"drain", "maint", "ready", "posted", "deleted"};
	char command[PATH_MAX], source[] = __FILE__, *text = calloc(1, PAGE_MAX_BYTES);
	bool used[COUNT(event_kinds)] = {};
	size_t n = 0;
	FILE *from;

	(void)state;
	snprintf(command, sizeof(command), "cat %.2000s/../../user/shuntd/*.c", dirname(source));
	from = popen(command, "r");
	assert_non_null(from);
	assert_true(fread(text, 1, PAGE_MAX_BYTES - 1, from) < PAGE_MAX_BYTES - 1);
	assert_int_equal(pclose(from), 0);
	for (const char *at = text; (at = strstr(at, "events_add(")); n++)
		at = check_kinds(strchr(at, ',') + 1, used);
	for (size_t i = 0; i < COUNT(event_kinds); i++) {
		for (size_t j = 0; j < COUNT(chosen); j++)
			used[i] = used[i] || strcmp(chosen[j], event_kinds[i]) == 0;
		if (!used[i])
			fail_msg("no event is a \"%s\"", event_kinds[i]);
	}
	printf("%zu kinds, %zu places that add events\n", COUNT(event_kinds), n);
	assert_true(n > 30);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pages_are_what_the_code_says),
		cmocka_unit_test(no_other_page_has_a_table_of_keys),
		cmocka_unit_test(every_key_has_a_meaning_and_says_what_holds_without_it),
		cmocka_unit_test(a_default_that_is_written_out_changes_nothing_and_another_value_does),
		cmocka_unit_test(metrics_have_the_labels_that_the_reference_says),
		cmocka_unit_test(kinds_of_events_are_those_of_the_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
