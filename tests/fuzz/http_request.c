/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Heads and framing. The routes are those of the server's table, read from its source when this is built. Kinds whose framing is right
 * promise an answer; what is a lie about framing promises nothing.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http_request.h"

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))
#define PICK(dice, list) ((list)[roll(dice, COUNT(list))])
#define DIGITS_100 "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"

static const struct route {
	const char *method, *path;
} routes[] = {
#include "tests/fuzz/http_routes.h"
};

/* splitmix64 */
static uint64_t next(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15ULL;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

struct dice dice_of(uint64_t seed, uint64_t number)
{
	uint64_t state = seed;

	return (struct dice){next(&state) ^ (number * 0xd1342543de82ef95ULL)};
}

uint32_t roll(struct dice *dice, uint32_t n)
{
	return n ? (uint32_t)((next(&dice->state) >> 32) * n >> 32) : 0;
}

/* ---- heads ---- */

static const char *name_for(struct dice *dice, const char *path)
{
	static const char too_long[] = DIGITS_100 DIGITS_100 DIGITS_100;
	static const char *const odd[] = {
		"nobody", "%ff%fe", "a%00b", "%", "%zz", "%2f", "..", "%2e%2e", "a%20b", "%22%5c", "%0d%0aX:%20y", "~", ";", "a&b", "*", "%c3%a9", "a+b", too_long};
	static const char *const backends[] = {"backend1", "backend2", "backend3", "dns1"};

	if (roll(dice, 4) == 0)
		return PICK(dice, odd);
	if (strstr(path, "/groups/"))
		return "app-servers";
	if (strstr(path, "/backends/"))
		return PICK(dice, backends);
	return strstr(path, "/trace/") ? "7" : "web";
}

static void put_path(struct dice *dice, FILE *to, const char *path)
{
	const char *star = strchr(path, '*');

	if (star)
		fprintf(to, "%.*s%s%s", (int)(star - path), path, name_for(dice, path), star + 1);
	else
		fputs(path, to);
}

static void put_query(struct dice *dice, FILE *to)
{
	static const char *const queries[] = {
		"dry_run=1", "dry_run=0", "dry_run=yes", "dry_run", "since=2", "since=-1", "since=99999999999999999999", "since=", "backend=backend2",
		"prefix=10.0.0.0/8", "prefix=%3a%3a/0&service=web", "after=10.0.0.0%2F8&prefix=x", "service=%ff", "=", "&&&", "=&=", "a=%00", "%ff=%fe",
		"proto=tcp&src=198.51.100.7:4000&dst=192.0.2.10:80", "proto=udp&src=[2001:db8::7]:4000&dst=[2001:db8::10]:53",
		"proto=tcp&src=1.1.1.1:99999&dst=[::1]:1", "proto=&src=&dst=", "a=1&b=2&c=3&d=4&e=5&f=6&g=7&h=8&i=9&j=10", "dry_run=1&dry_run=0", "?", "%",
	};

	if (roll(dice, 3) == 0)
		fprintf(to, "?%s", PICK(dice, queries));
}

static void put_headers(struct dice *dice, FILE *to)
{
	static const char *const headers[] = {
		"If-Match: \"0123456789abcdef\"", "If-Match: *", "If-Match: \"", "If-Match: ,,,\"a\",", "If-Match: \xff", "Last-Event-ID: 2", "Last-Event-ID: x",
		"Last-Event-ID: 99999999999999999999", "Accept: */*", "Cookie: a=b; c; =d", "Origin: null", "Origin: http://evil.example",
		"Range: bytes=0-0,-1", "Accept-Encoding: gzip", "X-Empty:", "Content-Type: application/x-www-form-urlencoded",
		"Content-Type: multipart/form-data; boundary=x", "Upgrade: h2c", "TE: trailers", "X-Odd: \x01\x02\x7f\xff", "Expect: 200-ok"};

	fputs("Host: 127.0.0.1\r\n", to);
	for (uint32_t n = roll(dice, 3); n; n--)
		fprintf(to, "%s\r\n", PICK(dice, headers));
}

static void put_token(struct dice *dice, FILE *to)
{
	static const char *const words[] = {"Bearer " HTTP_TOKEN, "Bearer " HTTP_TOKEN, "Bearer " HTTP_READ_TOKEN, "Bearer wrong", "Bearer ", "Bearer",
					    "Basic czNjcmV0", "bearer  " HTTP_TOKEN, HTTP_TOKEN, "Bearer \xff\xff"};

	if (roll(dice, 12))
		fprintf(to, "Authorization: %s\r\n", PICK(dice, words));
}

static const struct route *route_with_body(struct dice *dice)
{
	const struct route *route = &PICK(dice, routes);

	while (strcmp(route->method, "GET") == 0)
		route = &PICK(dice, routes);
	return route;
}

/* What ends a connection is for the last of those in a pipeline. */
static void put_head(struct dice *dice, FILE *to, const struct http_request *request, const char *method, const char *path, bool is_last)
{
	fprintf(to, "%s ", method);
	put_path(dice, to, path);
	put_query(dice, to);
	fputs(" HTTP/1.1\r\n", to);
	put_headers(dice, to);
	if (request->over_tcp)
		put_token(dice, to);
	if (is_last)
		fputs("Connection: close\r\n", to);
}

/* ---- framed as HTTP wants ---- */

static void put_with_length(struct dice *dice, FILE *to, const struct http_request *request, const struct route *route, bool is_last)
{
	size_t length;
	char *body = http_body_make(dice, route->path, &length);

	put_head(dice, to, request, route->method, route->path, is_last);
	fprintf(to, "Content-Length: %zu\r\n\r\n", length);
	fwrite(body, 1, length, to);
	free(body);
}

static void make_json(struct dice *dice, FILE *to, struct http_request *request)
{
	put_with_length(dice, to, request, route_with_body(dice), true);
}

static void make_head(struct dice *dice, FILE *to, struct http_request *request)
{
	static const char *const methods[] = {"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "get", "BREW", "GETGETGETGETGETGETGET"};
	const struct route *route = &PICK(dice, routes);
	const char *method = roll(dice, 2) ? PICK(dice, methods) : route->method;

	request->is_head[0] = strcmp(method, "HEAD") == 0;
	put_head(dice, to, request, method, route->path, true);
	fputs("\r\n", to);
}

static void put_chunks(struct dice *dice, FILE *to, const char *body, size_t length)
{
	for (size_t at = 0; at < length;) {
		size_t n = 1 + roll(dice, roll(dice, 2) ? 8 : 3000);

		n = n < length - at ? n : length - at;
		fprintf(to, roll(dice, 2) ? "%zx\r\n" : "%04zX\r\n", n);
		fwrite(body + at, 1, n, to);
		fputs("\r\n", to);
		at += n;
	}
	fputs("0\r\n\r\n", to);
}

static void make_chunked(struct dice *dice, FILE *to, struct http_request *request)
{
	const struct route *route = route_with_body(dice);
	size_t length;
	char *body = http_body_make(dice, route->path, &length);

	put_head(dice, to, request, route->method, route->path, true);
	fputs("Transfer-Encoding: chunked\r\n\r\n", to);
	put_chunks(dice, to, body, length);
	free(body);
}

static void make_pipeline(struct dice *dice, FILE *to, struct http_request *request)
{
	request->n_answers = 2 + roll(dice, HTTP_PIPELINE_MAX - 1);
	for (unsigned i = 0; i < request->n_answers; i++)
		put_with_length(dice, to, request, route_with_body(dice), i == request->n_answers - 1);
}

static void make_stream(struct dice *dice, FILE *to, struct http_request *request)
{
	put_head(dice, to, request, "GET", "/api/v1/events/stream", true);
	fputs("\r\n", to);
}

/* More than a head or a body may have: on the Unix socket, where an end with bytes unread does not take the answer along. */
static void make_oversize(struct dice *dice, FILE *to, struct http_request *request)
{
	uint32_t kind = roll(dice, 4), length = 33000 + roll(dice, 60000);

	request->over_tcp = false;
	if (kind == 0) {
		fprintf(to, "GET /api/v1/backends/%0*d HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", (int)length, 7);
	} else if (kind == 1) {
		fprintf(to, "GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Long: %0*d\r\n\r\n", (int)length, 7);
	} else {
		length = (1 << 20) - 5 + roll(dice, roll(dice, 4) ? 10 : 4 << 20);
		fprintf(to, "POST /api/v1/backends/backend2/drain HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %u\r\n\r\n{}%*s", length,
			(int)length - 2, "");
	}
}

/* ---- framed by a liar ---- */

static void make_lie(struct dice *dice, FILE *to, struct http_request *request)
{
	static const char *const lies[] = {
		"Content-Length: 5", "Content-Length: 0", "Content-Length: 1000000", "Content-Length: 5000000", "Content-Length: -5", "Content-Length: +5",
		"Content-Length: 0x10", "Content-Length: 99999999999999999999", "Content-Length: 18446744073709551615", "Content-Length: 5\r\nContent-Length: 7",
		"Content-Length: 5, 5", "Content-Length: ", "Content-Length: 5 5", "Content-Length : 5", "Transfer-Encoding: chunked\r\nContent-Length: 5",
		"Content-Length: 3\r\nTransfer-Encoding: chunked", "Transfer-Encoding: gzip, chunked", "Transfer-Encoding: xchunked",
		"Transfer-Encoding:\tchunked", " Transfer-Encoding: chunked", "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
		"Expect: 100-continue\r\nContent-Length: 2", "Connection: Content-Length\r\nContent-Length: 2", "X: y\r\n folded\r\nContent-Length: 2",
		"No colon", ": no name", "Content-Length: 2\r\nX-Nothing", "Connection: upgrade\r\nUpgrade: websocket"};
	static const char *const bodies[] = {
		"{}", "", "5\r\n{}\r\n0\r\n\r\n", "-1\r\n{}\r\n", "ffffffffffffffff\r\n{}\r\n0\r\n\r\n", "fffffffffffffffff\r\n{}", "7fffffff\r\n{}\r\n0\r\n\r\n",
		"0x2\r\n{}\r\n0\r\n\r\n", "2\r\n{}X0\r\n\r\n", "2;a=\"b\r\n{}\r\n0\r\n\r\n", "2\n{}\n0\n\n", "zz\r\n{}\r\n0\r\n\r\n", "0\r\nTrailer: x\r\n\r\n",
		"0\r\nTrailer", "00000000000000000000000000000000000000000002\r\n{}\r\n0\r\n\r\n", "\r\n{}\r\n", "2 \r\n{}\r\n0\r\n\r\n", "2\r\n{}\r\n0\r\n\r\nGET / HTTP/1.1\r\n\r\n",
		"{}GET /health HTTP/1.1\r\nHost: x\r\n\r\n", "1\r\n{\r\n1\r\n}\r\n"};

	put_head(dice, to, request, "POST", route_with_body(dice)->path, roll(dice, 2));
	fprintf(to, "%s\r\n", PICK(dice, lies));
	if (roll(dice, 4) == 0)
		fprintf(to, "%s\r\n", PICK(dice, lies));
	fprintf(to, "\r\n%s", PICK(dice, bodies));
}

static void make_line(struct dice *dice, FILE *to, struct http_request *request)
{
	static const char *const lines[] = {
		"GET", "GET ", "GET /", "GET / ", "GET / HTTP", "GET / HTTP/", "GET / HTTP/1", "GET / HTTP/1.", "GET / HTTP/9.9", "GET / HTTP/2.0", "GET / HTTP/0.9",
		"GET / HTTP/1.0", "GET / HTTP/1.1 x", "GET  /  HTTP/1.1", "GET\t/\tHTTP/1.1", " GET / HTTP/1.1", "\r\nGET / HTTP/1.1", "GET http://x/health HTTP/1.1",
		"GET //health HTTP/1.1", "GET health HTTP/1.1", "GET * HTTP/1.1", "OPTIONS * HTTP/1.1", "CONNECT x:443 HTTP/1.1", "PRI * HTTP/2.0",
		"GET /\xff\xfe HTTP/1.1", "GET /%00 HTTP/1.1", "GET /%u1234 HTTP/1.1", "GET /?\x01 HTTP/1.1", "GET /health#x HTTP/1.1", "\x16\x03\x01\x02\x05\x01",
		"GET /health HTTP/1.1\rX: y", "POST /api/v1/reload HTTP/1.0", "\0", "GET /a b c HTTP/1.1", "GET /health HTTP/1.1\nHost: y"};
	static const char *const ends[] = {"\r\nHost: x\r\n\r\n", "\r\n\r\n", "\n\n", "\n\r\n", "\r\r", "\r\nHost: x\r\nHost: y\r\n\r\n", "\r\nHost:\r\n\r\n", ""};

	(void)request;
	fputs(PICK(dice, lines), to);
	fputs(PICK(dice, ends), to);
}

static void make_raw(struct dice *dice, FILE *to, struct http_request *request)
{
	(void)request;
	for (uint32_t n = 1 + roll(dice, roll(dice, 50) ? 200 : 60000); n; n--)
		fputc((int)roll(dice, 256), to);
}

static void make_good(struct dice *dice, FILE *to, struct http_request *request)
{
	if (roll(dice, 2))
		make_json(dice, to, request);
	else
		make_head(dice, to, request);
}

/* A good one, or the beginning of it, with bytes turned, left out, doubled and put in. */
static void make_mutated(struct dice *dice, FILE *to, struct http_request *request)
{
	static const char odd[] = "\0\r\n\t :;,%?&=#/\\\"{}[]\x7f\x80\xff";
	struct http_request good = *request;
	char *bytes = NULL;
	size_t length;
	uint32_t one_in = 5 + roll(dice, 200);
	FILE *good_to = open_memstream(&bytes, &length);

	make_good(dice, good_to, &good);
	fclose(good_to);
	for (size_t i = 0; i < length; i++) {
		uint32_t what = roll(dice, one_in);

		if (what == 0)
			fputc(odd[roll(dice, sizeof(odd) - 1)], to);
		if (what == 1)
			fputc(bytes[i] ^ (1 << roll(dice, 8)), to);
		else if (what == 2)
			fwrite(bytes + i, 1, roll(dice, (uint32_t)(length - i)), to);
		else if (what != 3)
			fputc(bytes[i], to);
	}
	free(bytes);
}

static void make_half(struct dice *dice, FILE *to, struct http_request *request)
{
	struct http_request good = *request;
	char *bytes = NULL;
	size_t length;
	FILE *good_to = open_memstream(&bytes, &length);

	make_good(dice, good_to, &good);
	fclose(good_to);
	fwrite(bytes, 1, roll(dice, (uint32_t)length), to);
	free(bytes);
}

/* ---- one of all ---- */

static const struct kind {
	const char *name;
	unsigned share;                /* of a thousand */
	unsigned n_answers;
	void (*make)(struct dice *dice, FILE *to, struct http_request *request);
} kinds[] = {
	{"json", 300, 1, make_json},       {"head", 160, 1, make_head}, {"chunked", 80, 1, make_chunked}, {"pipeline", 60, 2, make_pipeline},
	{"stream", 15, 1, make_stream},    {"oversize", 5, 1, make_oversize}, {"lie", 120, 0, make_lie},        {"line", 60, 0, make_line},
	{"raw", 40, 0, make_raw},          {"mutated", 100, 0, make_mutated}, {"half", 60, 0, make_half},
};

static const struct kind *pick_kind(struct dice *dice)
{
	const struct kind *kind = kinds;

	for (uint32_t at = roll(dice, 1000); at >= kind->share; kind++)
		at -= kind->share;
	return kind;
}

void http_request_make(uint64_t seed, uint64_t number, struct http_request *ret_request)
{
	struct dice dice = dice_of(seed, number);
	const struct kind *kind = pick_kind(&dice);
	FILE *to;

	*ret_request = (struct http_request){.kind = kind->name, .n_answers = kind->n_answers, .over_tcp = roll(&dice, 8) == 0};
	to = open_memstream(&ret_request->bytes, &ret_request->length);
	kind->make(&dice, to, ret_request);
	fclose(to);
	if (!ret_request->n_answers)
		ret_request->then = roll(&dice, 5) == 0 ? HTTP_CLOSE : roll(&dice, 2) ? HTTP_HALF_CLOSE : HTTP_LEAVE;
}
