/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Bodies: what each route takes, and what becomes of it in the hands of somebody who wants to hurt a reader of JSON. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http_request.h"

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))
#define PICK(dice, list) ((list)[roll(dice, COUNT(list))])

/* What a route takes, by the end of its path; of the others an empty object. */
static const struct good {
	const char *end, *body;
} goods[] = {
	{"/primary", "{\"backend_id\": \"backend2\", \"for\": \"30m\", \"dry_run\": false}"},
	{"/failover", "{\"to\":\"backend3\",\"for\":\"5s\",\"dry_run\":true}"},
	{"/drain", "{\"timeout\": \"5m\", \"for\": \"30m\", \"dry_run\": false}"},
	{"/maint", "{\"for\":\"2h\"}"},
	{"/weight", "{\"weight\": 50, \"for\": \"10s\"}"},
	{"/reload", "{\"force\":true,\"dry_run\":true}"},
	{"/deny", "{\"prefixes\":[\"203.0.113.0/24\",\"2001:db8::/32\",\"10.0.0.1\"],\"for\":\"2m\",\"service\":\"web\"}"},
	{"/trace", "{\"service\":\"web\",\"backend\":\"b1\",\"client\":\"10.0.0.0/8\",\"reason\":\"denied\",\"bytes\":true}"},
	{"/groups", "{\"name\":\"posted\",\"mode\":\"active-passive\",\"backends\":[\"backend1\",\"backend2\"],\"primary\":\"backend1\",\"failback\":\"automatic\","
		    "\"health_check\":{\"type\":\"http\",\"path\":\"/\",\"interval\":\"2s\"}}"},
};

/* In the place of a value. */
static const char *const odd_values[] = {
	"null", "true", "\"\"", "[]", "{}", "-1", "0", "-0", "1.5", "1e3", "1e999", "-1e999", "1E-999", "4294967295", "4294967296",
	"9223372036854775807", "9223372036854775808", "-9223372036854775809", "18446744073709551616", "0x10", "01", "+1", ".5", "5.", "NaN",
	"Infinity", "\"\\u0000\"", "\"a\\u0000b\"", "\"\\ud800\"", "\"\\udc00\\ud800\"", "\"\\uZZZZ\"", "\"\\x41\"", "\"\xff\xfe\"", "\"\xc0\x80\"",
	"\"\xed\xa0\x80\"", "\"\xf4\x90\x80\x80\"", "\"\t\"", "\"unfinished", "'single'", "\"99999999999999999999s\"", "\"-5s\"", "\"1e9h\"",
	"\"5 m\"", "\"%s%n%s\"", "[[[[[]]]]]", "{\"a\":{\"a\":{}}}", "[\"10.0.0.1/33\"]", "[\"::/129\"]", "[\"10.0.0.1/8\"]", "[1,2,3]",
	"[null]", "\"../../etc/passwd\"", "\"<script>\"", "\"\xf0\x9f\x90\xb3\"", "\"\\\"\"", "tru", "/* */1", "",
};

/* Anywhere between bytes. */
static const struct bytes {
	const char *bytes;
	size_t length;
} odd_bytes[] = {
	{"\0", 1}, {"\xff", 1}, {"\xc3", 1}, {"\xef\xbb\xbf", 3}, {"\x1b[2J", 4}, {"\r\n\r\n", 4}, {"\"", 1}, {"\\", 1}, {"{", 1}, {"}", 1},
	{"[", 1}, {"]", 1}, {",", 1}, {":", 1}, {"\xe2\x80\xa8", 3}, {"\x7f", 1}, {"\0\0\0\0", 4}, {"\\u", 2}, {"9999999999999999999999", 22},
};

static const char *good_for(const char *path)
{
	for (size_t i = 0; i < COUNT(goods); i++)
		if (strlen(path) >= strlen(goods[i].end) && strcmp(path + strlen(path) - strlen(goods[i].end), goods[i].end) == 0)
			return goods[i].body;
	return "{}";
}

static void other_value(struct dice *dice, FILE *to, const char *body)
{
	const char *at = body;

	for (uint32_t n = 1 + roll(dice, 5); n && strchr(at, ':'); n--)
		at = strchr(at, ':') + 1;
	fwrite(body, 1, (size_t)(at - body), to);
	fputs(PICK(dice, odd_values), to);
	fputs(at + strcspn(at, ",}"), to);
}

static void deep(struct dice *dice, FILE *to, const char *body)
{
	static const char *const openings[] = {"[", "{\"a\":", "[[{\"weight\":"}, *const closings[] = {"]", "}", "}]]"};
	uint32_t kind = roll(dice, 3), depth = 1 + roll(dice, roll(dice, 20) ? 100 : 30000);

	fprintf(to, "%.*s", (int)strcspn(body, ":"), body);
	fputs(strchr(body, ':') ? ":" : "", to);
	for (uint32_t i = 0; i < depth; i++)
		fputs(openings[kind], to);
	for (uint32_t i = 0; i < depth - roll(dice, 2); i++)
		fputs(closings[kind], to);
	fputs("}", to);
}

static void cut(struct dice *dice, FILE *to, const char *body)
{
	fwrite(body, 1, roll(dice, (uint32_t)strlen(body)), to);
}

static void damaged(struct dice *dice, FILE *to, const char *body)
{
	for (const char *at = body; *at; at++) {
		if (roll(dice, 20) == 0) {
			struct bytes odd = PICK(dice, odd_bytes);

			fwrite(odd.bytes, 1, odd.length, to);
		}
		if (roll(dice, 30) == 0)
			fputc(*at ^ (1 << roll(dice, 8)), to);
		else if (roll(dice, 30))
			fputc(*at, to);
	}
}

static void any_document(struct dice *dice, FILE *to, unsigned depth)
{
	static const char *const keys[] = {"weight", "for", "timeout", "to", "backend_id", "prefixes", "service", "name", "backends", "dry_run",
					   "force", "a", "", "\\u00e9", "__proto__"};
	uint32_t n = roll(dice, 5), kind = depth < 6 ? roll(dice, 3) : 2;

	if (kind == 2) {
		fputs(PICK(dice, odd_values), to);
		return;
	}
	fputc(kind ? '{' : '[', to);
	for (uint32_t i = 0; i < n; i++) {
		fputs(i ? "," : "", to);
		if (kind)
			fprintf(to, "\"%s\":", PICK(dice, keys));
		any_document(dice, to, depth + 1);
	}
	fputc(kind ? '}' : ']', to);
}

static void many(struct dice *dice, FILE *to, const char *body)
{
	uint32_t n = roll(dice, roll(dice, 10) ? 50 : 12000), same = roll(dice, 4);

	(void)body;
	fputs(roll(dice, 2) ? "{\"prefixes\":[\"::/0\"" : "{\"name\":\"many\",\"backends\":[\"backend1\"", to);
	for (uint32_t i = 0; i < n; i++)
		fprintf(to, ",\"%u.%u.%u.0/24\"", same ? i % 200 : 10, i / 256 % 256, i % 256);
	fputs("]}", to);
}

static void twice(struct dice *dice, FILE *to, const char *body)
{
	(void)dice;
	fprintf(to, "%.*s,%s", (int)strlen(body) - 1, body, body + 1);
}

static void long_text(struct dice *dice, FILE *to, const char *body)
{
	fprintf(to, "%.*s", (int)strcspn(body, ":"), body);
	fprintf(to, ":\"%0*d\"}", 1 + (int)roll(dice, roll(dice, 10) ? 500 : 100000), 7);
}

char *http_body_make(struct dice *dice, const char *path, size_t *ret_length)
{
	static void (*const ways[])(struct dice *, FILE *, const char *) = {other_value, other_value, other_value, deep, cut, damaged, damaged,
									    many, twice, long_text};
	const char *good = good_for(path);
	uint32_t way = roll(dice, COUNT(ways) + 6);
	char *bytes = NULL;
	FILE *to = open_memstream(&bytes, ret_length);

	if (way < COUNT(ways))
		ways[way](dice, to, good);
	else if (way < COUNT(ways) + 2)
		any_document(dice, to, 0);
	else
		fputs(good, to);
	fclose(to);
	return bytes;
}
