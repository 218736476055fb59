/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What ETags and the stream compare: every field of a service, group, member or backend of the snapshot counts, or is named here as
 * one that does not. The names are read from snapshot.h, so that a new field fails until somebody has decided.
 */
#include <ctype.h>
#include <libgen.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "api/fingerprint.h"
#include "base/cleanup.h"
#include "base/file.h"

/* COUNTER: counters, measurements and what follows from time alone. THROUGH: what it points to is another struct of these, or how many. */
enum kind { TEXT, VALUE, COUNTER, THROUGH };

struct field {
	const char *name;
	size_t offset, size;
	enum kind kind;
};

#define F(type, kind, field) {#field, offsetof(struct type, field), sizeof(((struct type *)NULL)->field), kind}

#define S(kind, field) F(snapshot_service, kind, field)
static const struct field service_fields[] = {
	S(TEXT, name), S(TEXT, group), S(TEXT, forward), S(TEXT, hash), S(TEXT, tracking), S(TEXT, on_empty), S(TEXT, scheduler),
	S(VALUE, address), S(VALUE, prefix), S(VALUE, protocol), S(VALUE, port), S(THROUGH, clients), S(THROUGH, n_clients),
	S(TEXT, group_state), S(COUNTER, stats), {},
};

#define C(kind, field) F(snapshot_clients, kind, field)
static const struct field clients_fields[] = {C(TEXT, group), C(VALUE, prefixes), {}};

#define M(kind, field) F(snapshot_member, kind, field)
static const struct field member_fields[] = {
	M(TEXT, backend), M(TEXT, role), M(TEXT, why), M(VALUE, share), M(COUNTER, penalty), M(VALUE, suppressed_until),
	M(COUNTER, lag_ms), {},
};

#define G(kind, field) F(snapshot_group, kind, field)
static const struct field group_fields[] = {
	G(TEXT, name), G(TEXT, mode), G(TEXT, state), G(TEXT, primary), G(TEXT, last_resort), G(TEXT, forced), G(VALUE, forced_until),
	G(TEXT, forced_by), G(TEXT, failback), G(VALUE, failing_back_at), G(VALUE, failovers), G(VALUE, last_failover), G(VALUE, healthy), G(VALUE, failed),
	G(VALUE, mtu_detection_ms), G(VALUE, detection_ms), G(THROUGH, members), G(THROUGH, n_members), G(VALUE, slots),
	G(COUNTER, moving), G(COUNTER, resolving), G(TEXT, failover), G(VALUE, proposed), G(TEXT, proposed_why), G(VALUE, held_until),
	G(VALUE, rechecking), G(VALUE, panic), G(VALUE, shifted_percent), G(VALUE, suppressed_until), {},
};

#define B(kind, field) F(snapshot_backend, kind, field)
static const struct field backend_fields[] = {
	B(TEXT, name), B(VALUE, address), B(VALUE, port), B(VALUE, weight), B(VALUE, configured_weight), B(VALUE, effective_weight),
	B(COUNTER, score), B(VALUE, slow_start), B(VALUE, ejected_until), B(TEXT, ejected_why), B(TEXT, breaker), B(TEXT, health),
	B(TEXT, admin), B(VALUE, window_until), B(TEXT, admin_by), B(VALUE, admin_until), B(VALUE, weight_until), B(VALUE, drain_until),
	B(COUNTER, flows), B(VALUE, drained), B(VALUE, removed), B(TEXT, check_type), B(TEXT, check_last), B(TEXT, check_reason),
	B(COUNTER, check_latency_ms), B(COUNTER, check_lag_ms), B(VALUE, check_since), B(TEXT, next_hop), B(VALUE, next_hop_ok),
	B(COUNTER, stats), {},
};

static uint64_t of_service(const void *service)
{
	return fingerprint_service(service);
}

static uint64_t of_clients(const void *clients)
{
	return fingerprint_service(&(struct snapshot_service){.clients = (struct snapshot_clients *)clients, .n_clients = 1});
}

static uint64_t of_member(const void *member)
{
	return fingerprint_group(&(struct snapshot_group){.members = (struct snapshot_member *)member, .n_members = 1});
}

static uint64_t of_group(const void *group)
{
	return fingerprint_group(group);
}

static uint64_t of_backend(const void *backend)
{
	return fingerprint_backend(backend);
}

static const struct {
	const char *name;
	const struct field *fields;
	size_t size;
	uint64_t (*fingerprint)(const void *object);
} structs[] = {
	{"snapshot_service", service_fields, sizeof(struct snapshot_service), of_service},
	{"snapshot_clients", clients_fields, sizeof(struct snapshot_clients), of_clients},
	{"snapshot_member", member_fields, sizeof(struct snapshot_member), of_member},
	{"snapshot_group", group_fields, sizeof(struct snapshot_group), of_group},
	{"snapshot_backend", backend_fields, sizeof(struct snapshot_backend), of_backend},
};

#define N_STRUCTS (sizeof(structs) / sizeof(*structs))

static void change(char *object, const struct field *field)
{
	static const char *const other = "other";

	if (field->kind == TEXT)
		memcpy(object + field->offset, &other, sizeof(other));
	else
		object[field->offset] ^= 1;
}

static void each_field_counts_or_does_not_as_is_said(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_STRUCTS; i++) {
		for (const struct field *field = structs[i].fields; field->name; field++) {
			char *object = calloc(1, structs[i].size);
			uint64_t before = structs[i].fingerprint(object);
			bool changed;

			if (field->kind != THROUGH)
				change(object, field);
			changed = structs[i].fingerprint(object) != before;
			free(object);
			if (changed != (field->kind == TEXT || field->kind == VALUE))
				fail_msg("%s.%s %s the fingerprint", structs[i].name, field->name, changed ? "changes" : "does not change");
		}
	}
}

/* ---- the names of the header ---- */

static bool is_known(const struct field *fields, const char *name, size_t length)
{
	for (; fields->name; fields++)
		if (strlen(fields->name) == length && strncmp(fields->name, name, length) == 0)
			return true;
	return false;
}

static void blank_comments(char *text)
{
	for (char *begin; (begin = strstr(text, "/*"));) {
		char *end = strstr(begin, "*/");

		assert_non_null(end);
		memset(begin, ' ', (size_t)(end + 2 - begin));
	}
}

/* A name is the word before ';', ',' or '['. */
static size_t check_names(const char *body, const char *end, const char *of, const struct field *fields)
{
	size_t n = 0;

	for (const char *at = body; at < end; at++) {
		const char *begin = at;

		if (*at == '[')
			while (*++at != ']')
				;
		if ((*at != ';' && *at != ',' && *begin != '[') || (*begin != '[' && begin[-1] == ']'))
			continue;
		while (isalnum((unsigned char)begin[-1]) || begin[-1] == '_')
			begin--;
		if (!is_known(fields, begin, strcspn(begin, ";,[")))
			fail_msg("%s.%.*s: does another value of it make another service, group or backend? say so in this file and fingerprint.c",
				 of, (int)strcspn(begin, ";,["), begin);
		n++;
	}
	return n;
}

static void no_field_of_the_header_is_forgotten(void **state)
{
	_cleanup_(freep) char *here = strdup(__FILE__), *path = NULL, *text = NULL;
	size_t length;

	(void)state;
	assert_true(asprintf(&path, "%s/../../user/api/snapshot.h", dirname(here)) > 0);
	assert_int_equal(file_read(path, 1 << 20, &text, &length), 0);
	blank_comments(text);
	for (size_t i = 0; i < N_STRUCTS; i++) {
		_cleanup_(freep) char *head = NULL;
		size_t n = 0, found;
		char *body;

		assert_true(asprintf(&head, "\nstruct %s {", structs[i].name) > 0);
		body = strstr(text, head);
		assert_non_null(body);
		body += strlen(head);
		found = check_names(body, strstr(body, "\n};"), structs[i].name, structs[i].fields);
		while (structs[i].fields[n].name)
			n++;
		assert_int_equal(found, n);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_field_counts_or_does_not_as_is_said),
		cmocka_unit_test(no_field_of_the_header_is_forgotten),
	};

	return cmocka_run_group_tests_name("fingerprint", tests, NULL, NULL);
}
