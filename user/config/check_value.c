/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A health check as a value: copied, compared, freed, and put into words. */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/duration.h"
#include "config/command.h"
#include "config/config.h"
#include "config/words.h"
#include "net/address.h"

#define STATUS_RANGE_TEXT_MAX 16

/* Where a check has its texts and its bytes. */
static const size_t texts[] = {
	offsetof(struct config_check, path),     offsetof(struct config_check, host),
	offsetof(struct config_check, method),   offsetof(struct config_check, sni),
	offsetof(struct config_check, ca_file),  offsetof(struct config_check, certificate_file),
	offsetof(struct config_check, key_file), offsetof(struct config_check, query),
	offsetof(struct config_check, scope),
};
static const size_t bytes[] = {offsetof(struct config_check, send), offsetof(struct config_check, expect)};

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

static char *text_of(const struct config_check *check, size_t i)
{
	return *(char *const *)((const char *)check + texts[i]);
}

static const struct config_bytes *bytes_of(const struct config_check *check, size_t i)
{
	return (const void *)((const char *)check + bytes[i]);
}

/* ---- equal ---- */

static bool text_equal(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

static bool bytes_equal(const struct config_bytes *a, const struct config_bytes *b)
{
	return a->length == b->length && (!a->length || !memcmp(a->data, b->data, a->length));
}

static bool numbers_equal(const struct config_check *a, const struct config_check *b)
{
	return a->type == b->type && a->on_down == b->on_down && a->port == b->port && a->interval_ms == b->interval_ms &&
	       a->timeout_ms == b->timeout_ms && a->healthy_threshold == b->healthy_threshold &&
	       a->unhealthy_threshold == b->unhealthy_threshold && a->fast_interval_ms == b->fast_interval_ms &&
	       a->n_status == b->n_status && a->http_version == b->http_version && a->keepalive == b->keepalive &&
	       a->no_verify == b->no_verify &&
	       a->via_service == b->via_service && a->padded_interval_ms == b->padded_interval_ms &&
	       a->query_type == b->query_type && a->rcode == b->rcode && a->n_parts == b->n_parts &&
	       !memcmp(&a->health, &b->health, sizeof(a->health)) && !memcmp(&a->answer, &b->answer, sizeof(a->answer)) &&
	       !memcmp(a->status, b->status, a->n_status * sizeof(a->status[0]));
}

/* NOLINTNEXTLINE(misc-no-recursion): parts have no parts */
bool config_check_equal(const struct config_check *a, const struct config_check *b)
{
	if (!numbers_equal(a, b) || !command_equal(a->command, b->command))
		return false;
	for (size_t i = 0; i < COUNT(texts); i++)
		if (!text_equal(text_of(a, i), text_of(b, i)))
			return false;
	for (size_t i = 0; i < COUNT(bytes); i++)
		if (!bytes_equal(bytes_of(a, i), bytes_of(b, i)))
			return false;
	for (size_t i = 0; i < a->n_parts; i++)
		if (!config_check_equal(&a->parts[i], &b->parts[i]))
			return false;
	return true;
}

/* ---- copy and free ---- */

/* NOLINTNEXTLINE(misc-no-recursion): parts have no parts */
void config_check_clear(struct config_check *check)
{
	for (size_t i = 0; i < COUNT(texts); i++)
		free(text_of(check, i));
	for (size_t i = 0; i < COUNT(bytes); i++)
		free(bytes_of(check, i)->data);
	command_free(check->command);
	for (size_t i = 0; i < check->n_parts; i++)
		config_check_clear(&check->parts[i]);
	free(check->parts);
	*check = (struct config_check){.type = check->type};
}

static char *copy_bytes(const struct config_bytes *from)
{
	char *to = from->length ? malloc(from->length) : NULL;

	return to ? memcpy(to, from->data, from->length) : NULL;
}

static bool copy_texts(const struct config_check *from, struct config_check *to)
{
	bool complete = true;

	for (size_t i = 0; i < COUNT(texts); i++) {
		char **text = (void *)((char *)to + texts[i]);

		*text = *text ? strdup(*text) : NULL;
		complete = complete && (*text || !text_of(from, i));
	}
	for (size_t i = 0; i < COUNT(bytes); i++) {
		struct config_bytes *copy = (void *)((char *)to + bytes[i]);

		copy->data = copy_bytes(bytes_of(from, i));
		complete = complete && (copy->data || !copy->length);
	}
	to->command = to->command ? command_copy(to->command) : NULL;
	return complete && (to->command || !from->command);
}

/* NOLINTNEXTLINE(misc-no-recursion): parts have no parts */
int config_check_copy(const struct config_check *from, struct config_check *ret_check)
{
	struct config_check copy = *from;
	bool complete = copy_texts(from, &copy);

	copy.parts = from->n_parts ? calloc(from->n_parts, sizeof(*copy.parts)) : NULL;
	copy.n_parts = 0;
	while (complete && copy.parts && copy.n_parts < from->n_parts) {
		complete = !config_check_copy(&from->parts[copy.n_parts], &copy.parts[copy.n_parts]);
		copy.n_parts += complete;
	}
	if (!complete || copy.n_parts < from->n_parts) {
		config_check_clear(&copy);
		return -ENOMEM;
	}
	*ret_check = copy;
	return 0;
}

uint64_t config_check_detection_ms(const struct config_check *check)
{
	uint64_t again_ms = check->fast_interval_ms ? check->fast_interval_ms : check->interval_ms;

	if (check->type == CHECK_NONE)
		return 0;
	if (again_ms < check->timeout_ms)
		again_ms = check->timeout_ms;
	return check->interval_ms + (check->unhealthy_threshold - 1) * again_ms + check->timeout_ms + CONFIG_CHECK_SLACK_MS;
}

/* The last good padded probe was made just before; the next one waits for the start of a check. */
uint64_t config_check_mtu_detection_ms(const struct config_check *check)
{
	return check->via_service ? check->padded_interval_ms + config_check_detection_ms(check) : 0;
}

/* ---- in words ---- */

static void describe_bytes(FILE *to, const char *key, const struct config_bytes *what)
{
	if (!what->length)
		return;
	fprintf(to, ", %s \"", key);
	for (size_t i = 0; i < what->length; i++) {
		unsigned char byte = what->data[i];

		fprintf(to, byte >= ' ' && byte < 127 && byte != '"' && byte != '\\' ? "%c" : "\\x%02x", byte);
	}
	fputc('"', to);
}

static void describe_web(FILE *to, const struct config_check *check)
{
	if (check->method)
		fprintf(to, " %s", check->method);
	if (check->path)
		fprintf(to, " %s", check->path);
	if (check->host)
		fprintf(to, ", host %s", check->host);
	for (size_t i = 0; i < check->n_status; i++)
		fprintf(to, check->status[i].first == check->status[i].last ? "%s %u" : "%s %u-%u",
			i ? "," : ", status", check->status[i].first, check->status[i].last);
	if (check->http_version == HTTP_VERSION_2)
		fprintf(to, ", http_version 2");
	if (check->keepalive)
		fprintf(to, ", keepalive on");
	if (check->sni)
		fprintf(to, ", sni %s", check->sni);
	if (check->no_verify)
		fprintf(to, ", verify off");
	if (check->ca_file)
		fprintf(to, ", ca_file %s", check->ca_file);
	if (check->certificate_file)
		fprintf(to, ", certificate_file %s", check->certificate_file);
	if (check->key_file)
		fprintf(to, ", key_file %s", check->key_file);
}

static void describe_query(FILE *to, const struct config_check *check)
{
	static const struct shunt_addr none;
	char address[ADDRESS_TEXT_MAX];

	fprintf(to, " %s %s, rcode %s", check->query, word_text(query_type_words, check->query_type),
		config_rcode_text(check->rcode));
	if (!address_equal(&check->answer, &none))
		fprintf(to, ", answer %s", address_format(&check->answer, address));
}

/* NOLINTNEXTLINE(misc-no-recursion): parts have no parts */
static void describe(FILE *to, const struct config_check *check)
{
	char padded[DURATION_TEXT_MAX];

	fprintf(to, "%s", config_check_type_text(check->type));
	describe_web(to, check);
	if (check->query)
		describe_query(to, check);
	for (size_t i = 0; check->command && check->command[i]; i++)
		fprintf(to, " %s", check->command[i]);
	describe_bytes(to, "send", &check->send);
	describe_bytes(to, "expect", &check->expect);
	if (check->via_service)
		fprintf(to, ", via service, padded every %s", duration_format(check->padded_interval_ms, padded));
	for (size_t i = 0; i < check->n_parts; i++) {
		fputs(i ? "; " : " of (", to);
		describe(to, &check->parts[i]);
		if (check->parts[i].port)
			fprintf(to, ", port %u", check->parts[i].port);
	}
	if (check->n_parts)
		fputc(')', to);
}

char *config_check_describe(const struct config_check *check)
{
	char *text = NULL;
	size_t size;
	FILE *to = open_memstream(&text, &size);

	if (!to)
		return NULL;
	describe(to, check);
	fclose(to);
	return text;
}
