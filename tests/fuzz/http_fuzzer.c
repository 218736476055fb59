/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The real HTTP server, built with ASan and UBSan, before requests that nobody should send: it neither crashes nor stops answering,
 * and what is framed as HTTP wants has an answer with a documented status and, where it says so, JSON. SHUNT_REQUESTS=N sets how many
 * (`make fuzz-http`), SHUNT_SEED=N replays a run, SHUNT_REQUEST=N the one request of it with that number, and shows it.
 */
#include "../unit/api_fixture.h"

#include <inttypes.h>
#include <sanitizer/common_interface_defs.h>
#include <sys/un.h>

#include "http_client.h"

#define REQUESTS 100000
#define AT_ONCE 16
#define STAY 48
#define CROWD 90               /* more than a listener takes */
#define CROWD_EVERY 4000       /* requests */
#define LIMIT_MS 20000         /* for one that must be answered: enough for a machine that does much else, and no hang is shorter */
#define STATUS_MAX 600
#define ERRORS_SHOWN 20

/* docs/api.md; 201: a group was posted. */
static const unsigned documented[] = {200, 201, 400, 401, 403, 404, 405, 409, 412, 413, 414, 431, 503};

struct run {
	uint64_t seed, number, n;      /* number: of the next request; n: requests sent in all */
	struct fixture fixture;
	struct http_server server;
	uint64_t framed[STATUS_MAX], others[STATUS_MAX]; /* answers by status; others[0]: an end without one */
	uint64_t good, good_worst_ms, worst_ms;
	unsigned wrong;
	bool hangs;                    /* an answer did not come: nothing more is to be learnt */
};

static struct run run;

static bool is_documented(unsigned status)
{
	for (size_t i = 0; i < sizeof(documented) / sizeof(documented[0]); i++)
		if (documented[i] == status)
			return true;
	return false;
}

/* ---- the server ---- */

static char *config_text;

/* As the controller does: the group is read with the file, and there from then on. */
static int post_group(void *userdata, const json_t *group, struct api_reply *reply)
{
	struct fixture *fixture = userdata;
	struct config_messages messages = {0};
	struct config *config = NULL;
	const char *name = json_string_value(json_object_get(group, "name"));
	char *text = json_dumps(group, JSON_COMPACT);
	const char *groups[] = {text};
	const struct config_besides besides = {.groups = groups, .n_groups = 1};
	static char *posted;
	int r;

	if (!name || !text) {
		free(text);
		return api_refuse(reply, -EINVAL, "\"name\" is missing, or no text");
	}
	r = config_parse_with(config_text, strlen(config_text), &besides, &config, &messages);
	if (r < 0)
		api_refuse(reply, r, "%s", messages.n ? messages.list[0].text : "refused");
	if (r == 0 && fixture->result == 0) {
		free(posted);
		posted = strdup(name);
		fixture_groups[2].name = posted;
	}
	config_messages_clear(&messages);
	config_free(config);
	free(text);
	return r < 0 ? r : fixture_outcome(fixture, reply);
}

static void start_server(void)
{
	static struct api_handlers handlers;
	static char read_token_file[160];
	struct fixture *fixture = &run.fixture;
	struct sockaddr_un *unix_name = (struct sockaddr_un *)&run.server.unix_name;
	struct sockaddr_in *tcp_name = (struct sockaddr_in *)&run.server.tcp_name;

	assert(file_read("tests/unit/config/example.yaml", 1 << 20, &config_text, NULL) == 0);
	handlers = fixture_handlers;
	handlers.group_post = post_group;
	fixture_init(fixture);
	fixture->handlers = &handlers;
	fixture_use_tcp(fixture);
	fixture_write_token(fixture, HTTP_TOKEN);
	snprintf(read_token_file, sizeof(read_token_file), "%s/read", fixture->directory);
	assert(file_write_atomically(read_token_file, HTTP_READ_TOKEN, strlen(HTTP_READ_TOKEN), 0600) == 0);
	fixture->read_token_file = read_token_file;
	*unix_name = (struct sockaddr_un){.sun_family = AF_UNIX};
	snprintf(unix_name->sun_path, sizeof(unix_name->sun_path), "%.100s", fixture->socket_path);
	run.server.unix_length = sizeof(*unix_name);
	*tcp_name = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
					 .sin_port = htons((uint16_t)atoi(strchr(fixture->listen, ':') + 1))};
	run.server.tcp_length = sizeof(*tcp_name);
	assert(fixture_start(fixture) == 0);
}

static void stop_server(void)
{
	unlink(run.fixture.read_token_file);
	fixture_stop(&run.fixture);
	free(config_text);
}

/* What commands end with, for the requests of one round. */
static void set_outcome(uint64_t round)
{
	static const int results[] = {0, 0, 0, 0, -ENOENT, -EINVAL, -EBUSY, -EHOSTDOWN, -EALREADY, -EPERM};
	struct dice dice = dice_of(~run.seed, round);

	run.fixture.error = roll(&dice, 4) ? "because" : NULL;
	run.fixture.result = results[roll(&dice, sizeof(results) / sizeof(results[0]))];
	run.fixture.snapshot.datapath_ok = roll(&dice, 8) != 0;
}

/* ---- judging ---- */

static void show(const char *bytes, size_t length)
{
	for (size_t i = 0; i < length && i < 2000; i++)
		if (bytes[i] == '\n')
			fputs("\\n\n    ", stderr);
		else
			fprintf(stderr, bytes[i] >= ' ' && bytes[i] < 0x7f ? "%c" : "\\x%02x", (unsigned char)bytes[i]);
	fprintf(stderr, "%s (%zu bytes)\n", length > 2000 ? " …" : "", length);
}

static void wrong(const struct http_exchange *exchange, uint64_t number, const char *what, unsigned status)
{
	run.hangs = run.hangs || exchange->is_late;
	if (run.wrong++ >= ERRORS_SHOWN)
		return;
	fprintf(stderr, "%s: %s %u after %" PRIu64 " ms: SHUNT_SEED=%" PRIu64 " SHUNT_REQUEST=%" PRIu64 " shows it again\n    ",
		exchange->request->kind, what, status, exchange->took_ms, run.seed, number);
	show(exchange->request->bytes, exchange->request->length);
	fputs("  was answered\n    ", stderr);
	show(exchange->text ?: "", exchange->length);
}

static bool is_json(const struct http_answer *answer)
{
	json_t *document = json_loadb(answer->body, answer->body_length, JSON_REJECT_DUPLICATES, NULL);
	bool is_error = answer->status >= 400 && answer->status != 503;
	bool well = document && (!is_error || json_is_string(json_object_get(document, "error")));

	json_decref(document);
	return well;
}

static void judge_answers(const struct http_exchange *exchange, uint64_t number)
{
	const struct http_request *request = exchange->request;
	uint64_t *tally = request->n_answers ? run.framed : run.others;

	for (int i = 0; i < exchange->n_answers; i++) {
		const struct http_answer *answer = &exchange->answers[i];

		tally[answer->status < STATUS_MAX ? answer->status : STATUS_MAX - 1]++;
		if (request->n_answers && !is_documented(answer->status))
			wrong(exchange, number, "is not documented: status", answer->status);
		if (answer->status == 500)
			wrong(exchange, number, "failed: status", answer->status);
		if (answer->is_json && !request->is_head[i] && request->n_answers && !is_json(answer))
			wrong(exchange, number, "what says that it is JSON is none: status", answer->status);
	}
}

/*
 * Where nothing is promised only the first answer is judged: libmicrohttpd 0.9.75 sends the head of some of its own refusals twice, and
 * whether a method in disguise was HEAD, whose answer has no body, is not known here.
 */
static void judge(const struct http_exchange *exchange, uint64_t number)
{
	const struct http_request *request = exchange->request;

	if (exchange->is_late)
		wrong(exchange, number, "is not over; answers:", (unsigned)exchange->n_answers);
	else if (exchange->is_odd && (request->n_answers || !exchange->n_answers))
		wrong(exchange, number, "what came is no HTTP; answers before:", (unsigned)exchange->n_answers);
	else if (request->n_answers && exchange->n_answers != (int)request->n_answers)
		wrong(exchange, number, "answers are missing; there were", (unsigned)exchange->n_answers);
	if (request->n_answers && exchange->took_ms > run.worst_ms)
		run.worst_ms = exchange->took_ms;
	if (!request->n_answers && exchange->n_answers == 0)
		run.others[0]++;
	judge_answers(exchange, number);
}

/* ---- the run ---- */

/* Somebody who asks as one should. After the answer the server has looked at all that was sent before. */
static void ask_well(bool over_tcp)
{
	char text[] = "GET /api/v1/maps HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " HTTP_TOKEN "\r\nConnection: close\r\n\r\n";
	const struct http_request request = {.kind = "good", .bytes = text, .length = sizeof(text) - 1, .n_answers = 1, .over_tcp = over_tcp};
	struct http_exchange exchange = {.request = &request};

	http_exchange_all(&run.server, &exchange, 1, LIMIT_MS);
	run.good++;
	if (exchange.took_ms > run.good_worst_ms)
		run.good_worst_ms = exchange.took_ms;
	if (exchange.is_late || exchange.n_answers != 1 || exchange.answers[0].status != 200 || !is_json(&exchange.answers[0]))
		wrong(&exchange, run.number, "a good request was not answered by 200 but", exchange.n_answers == 1 ? exchange.answers[0].status : 0);
	http_exchange_clear(&exchange);
}

static void round_of(size_t n, bool stay)
{
	struct http_request requests[HTTP_AT_ONCE_MAX];
	struct http_exchange exchanges[HTTP_AT_ONCE_MAX];

	set_outcome(run.number / AT_ONCE);
	for (size_t i = 0; i < n; i++) {
		http_request_make(run.seed, run.number + i, &requests[i]);
		exchanges[i] = (struct http_exchange){.request = &requests[i]};
	}
	http_exchange_all(&run.server, exchanges, n, LIMIT_MS);
	ask_well(false);
	ask_well(true);
	http_exchange_leave(exchanges, n, stay, LIMIT_MS);
	for (size_t i = 0; i < n; i++) {
		judge(&exchanges[i], run.number + i);
		run.n += requests[i].n_answers ? requests[i].n_answers : 1;
		http_exchange_clear(&exchanges[i]);
		free(requests[i].bytes);
	}
	run.number += n;
}

/* More than there is room for begin to ask, and leave. */
static void crowd(void)
{
	struct dice dice = dice_of(run.seed, ~run.number);
	const char text[] = "POST /api/v1/reload HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{";
	int fds[CROWD];

	for (size_t i = 0; i < CROWD; i++) {
		fds[i] = http_connect(&run.server, i % 4 == 0);
		if (fds[i] >= 0 && send(fds[i], text, roll(&dice, sizeof(text) - 1), MSG_NOSIGNAL) < 0)
			run.others[0]++;
	}
	for (size_t i = 0; i < CROWD; i++)
		if (fds[i] >= 0)
			close(fds[i]);
	run.n += CROWD;
	ask_well(false);
	ask_well(true);
}

/* In so many requests none is left out by chance: the rarest comes dozens of times. */
static void expect_every_status(void)
{
	for (size_t i = 0; i < sizeof(documented) / sizeof(documented[0]); i++)
		if (!run.framed[documented[i]]) {
			fprintf(stderr, "status %u was never answered\n", documented[i]);
			run.wrong++;
		}
}

/* At the end those whom the server has to tell to go, all at once: its limit for silence is 5 s. */
static void run_all(uint64_t n)
{
	uint64_t next_crowd = CROWD_EVERY;

	while (run.n < n && run.wrong < ERRORS_SHOWN && !run.hangs) {
		round_of(AT_ONCE, false);
		if (run.n >= next_crowd) {
			crowd();
			next_crowd = run.n + CROWD_EVERY;
		}
	}
	if (!run.wrong)
		round_of(STAY, true);
	if (n >= REQUESTS && !run.wrong)
		expect_every_status();
}

static void run_one(uint64_t number)
{
	struct http_request request;

	http_request_make(run.seed, number, &request);
	fprintf(stderr, "%s, over %s:\n    ", request.kind, request.over_tcp ? "TCP" : "a Unix socket");
	show(request.bytes, request.length);
	free(request.bytes);
	run.number = number;
	round_of(1, false);
}

/* One of these was it. */
static void on_death(void)
{
	fprintf(stderr, "it ended between the requests %" PRIu64 " and %" PRIu64 " of SHUNT_SEED=%" PRIu64 "\n", run.number,
		run.number + AT_ONCE - 1, run.seed);
}

static void print_tally(const char *what, const uint64_t *tally)
{
	printf("%s:", what);
	if (tally[0])
		printf("  none %" PRIu64, tally[0]);
	for (unsigned status = 1; status < STATUS_MAX; status++)
		if (tally[status])
			printf("  %u %" PRIu64, status, tally[status]);
	printf("\n");
}

static void report(uint64_t took_ms)
{
	printf("%" PRIu64 " requests, %" PRIu64 " a second, from SHUNT_SEED=%" PRIu64 "\n", run.n, run.n * 1000 / (took_ms + 1), run.seed);
	print_tally("framed as HTTP wants, answered by", run.framed);
	print_tally("the others", run.others);
	printf("good requests in between: %" PRIu64 ", the slowest took %" PRIu64 " ms; the slowest of all %" PRIu64 " ms (limit %d ms)\n",
	       run.good, run.good_worst_ms, run.worst_ms, LIMIT_MS);
}

static uint64_t number_given(const char *variable, uint64_t otherwise)
{
	const char *text = getenv(variable);

	return text && *text ? strtoull(text, NULL, 0) : otherwise;
}

int main(void)
{
	uint64_t start;

	run.seed = number_given("SHUNT_SEED", clock_wall_ms());
	__sanitizer_set_death_callback(on_death);
	start_server();
	start = clock_monotonic_ms();
	if (getenv("SHUNT_REQUEST"))
		run_one(number_given("SHUNT_REQUEST", 0));
	else
		run_all(number_given("SHUNT_REQUESTS", REQUESTS));
	report(clock_monotonic_ms() - start);
	if (run.hangs) { /* and would not stop */
		on_death();
		fflush(stdout);
		_exit(1);
	}
	stop_server();
	printf("%u wrong\n", run.wrong);
	return run.wrong != 0;
}
