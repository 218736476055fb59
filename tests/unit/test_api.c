/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The API from outside: the real server on a Unix socket and on TCP, asked by libcurl and by raw bytes. */
#include "api_fixture.h"

#include <curl/curl.h>
#include <poll.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <sys/un.h>

struct answer {
	long status;
	char *body;
	size_t length;
	char allow[64], type[64], authenticate[64], etag[64];
};

static size_t on_body(char *data, size_t size, size_t n, void *userdata)
{
	struct answer *answer = userdata;

	answer->body = realloc(answer->body, answer->length + size * n + 1);
	memcpy(answer->body + answer->length, data, size * n);
	answer->length += size * n;
	answer->body[answer->length] = '\0';
	return size * n;
}

static size_t on_header(char *data, size_t size, size_t n, void *userdata)
{
	struct answer *answer = userdata;
	char line[256];

	snprintf(line, sizeof(line), "%.*s", (int)(size * n), data);
	sscanf(line, "Allow: %63[^\r]", answer->allow);
	sscanf(line, "Content-Type: %63[^\r]", answer->type);
	sscanf(line, "ETag: %63[^\r]", answer->etag);
	sscanf(line, "WWW-Authenticate: %63[^\r]", answer->authenticate);
	return size * n;
}

/* base: a URL, or NULL for the Unix socket. header: one more, or NULL. */
static struct answer ask(const struct fixture *fixture, const char *base, const char *method, const char *path,
			 const char *header, const char *body, size_t length)
{
	CURL *curl = curl_easy_init();
	struct curl_slist *headers = header ? curl_slist_append(NULL, header) : NULL;
	struct answer answer = {};
	char url[512];

	snprintf(url, sizeof(url), "http://%s%s", base ?: "shunt", path);
	curl_easy_setopt(curl, CURLOPT_URL, url);
	if (!base)
		curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, fixture->socket_path);
	curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
	curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, 10000L);
	curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L);
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, &answer);
	curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(curl, CURLOPT_HEADERDATA, &answer);
	if (body) {
		curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, (long)length);
		curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
	}
	if (strcmp(method, "HEAD") == 0)
		curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
	else
		curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
	if (curl_easy_perform(curl) == CURLE_OK)
		curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &answer.status);
	curl_slist_free_all(headers);
	curl_easy_cleanup(curl);
	return answer;
}

static void assert_answer(const char *sentence, struct answer answer, long status, const char *contains)
{
	if (answer.status != status)
		fail_msg("%s: status %ld, not %ld: %s", sentence, answer.status, status, answer.body ?: "");
	if (contains && (!answer.body || !strstr(answer.body, contains)))
		fail_msg("%s: \"%s\" is not in %s", sentence, contains, answer.body ?: "nothing");
	free(answer.body);
}

static int setup(void **state)
{
	struct fixture *fixture = malloc(sizeof(*fixture));

	fixture_init(fixture);
	*state = fixture;
	return fixture_start(fixture);
}

static int setup_tcp(void **state)
{
	struct fixture *fixture = malloc(sizeof(*fixture));

	fixture_init(fixture);
	fixture_use_tcp(fixture);
	*state = fixture;
	return fixture_start(fixture);
}

static int setup_token(void **state)
{
	struct fixture *fixture = malloc(sizeof(*fixture));

	fixture_init(fixture);
	fixture_use_tcp(fixture);
	fixture_write_token(fixture, "s3cret\n");
	*state = fixture;
	return fixture_start(fixture);
}

static int teardown(void **state)
{
	fixture_stop(*state);
	free(*state);
	return 0;
}

#define B "/api/v1/backends/backend2"
#define G "/api/v1/groups/app-servers"
#define D "/api/v1/deny"

static const struct row {
	const char *sentence, *method, *path, *body;
	long status;
	const char *contains;      /* in the answer */
	const char *told;          /* what the handler was told; NULL: nothing */
	int result;                /* the handler's */
} rows[] = {
	{"the page", "GET", "/", NULL, 200, "<title>shunt</title>", NULL, 0},
	{"the page takes nothing", "POST", "/", NULL, 405, "/ is for GET, HEAD only", NULL, 0},
	{"health", "GET", "/health", NULL, 200, "\"cluster_role\":\"standalone\"", NULL, 0},
	{"metrics", "GET", "/metrics", NULL, 200, "# HELP shunt_build_info", NULL, 0},
	{"status", "GET", "/api/v1/status", NULL, 200, "\"flow_table\":{\"entries\":17,\"capacity\":1048576}", NULL, 0},
	{"services are an array", "GET", "/api/v1/services", NULL, 200, "[{\"name\":\"web\"", NULL, 0},
	{"a service is an object", "GET", "/api/v1/services/web", NULL, 200, "{\"name\":\"web\"", NULL, 0},
	{"groups are an array", "GET", "/api/v1/groups", NULL, 200, "[{\"name\":\"app-servers\"", NULL, 0},
	{"a group is an object", "GET", G, NULL, 200, "{\"name\":\"app-servers\"", NULL, 0},
	{"backends are an array", "GET", "/api/v1/backends", NULL, 200, "[{\"name\":\"backend1\"", NULL, 0},
	{"a backend is an object", "GET", B, NULL, 200, "{\"name\":\"backend2\"", NULL, 0},
	{"a name may be percent-encoded", "GET", "/api/v1/backends/backend%32", NULL, 200, "backend2", NULL, 0},
	{"events", "GET", "/api/v1/events", NULL, 200, "[{\"id\":1,\"time\":\"2026-01-31T12:00:01.000Z\"", NULL, 0},
	{"events after one", "GET", "/api/v1/events?since=2", NULL, 200, "[{\"id\":3,", NULL, 0},
	{"no events are an empty array", "GET", "/api/v1/events?since=3", NULL, 200, "[]", NULL, 0},
	{"maps", "GET", "/api/v1/maps", NULL, 200, "\"path\":\"/sys/fs/bpf/shunt/groups\"", NULL, 0},
	{"flows", "GET", "/api/v1/flows", NULL, 200, "\"moving\":10", "flows -", 0},
	{"flows of a backend", "GET", "/api/v1/flows?backend=backend2", NULL, 200, "\"capacity\":1048576", "flows backend2", 0},
	{"flows of an unknown backend", "GET", "/api/v1/flows?backend=b9", NULL, 404, "because", "flows b9", -ENOENT},
	{"a watcher begins", "POST", "/api/v1/trace", "{\"backend\": \"b1\", \"reason\": \"denied\", \"bytes\": true}", 200,
	 "\"watcher\":\"7\"", "trace - b1 - denied bytes", 0},
	{"a watcher of an unknown backend", "POST", "/api/v1/trace", "{\"backend\": \"b9\"}", 404, "because", "trace - b9 - -",
	 -ENOENT},
	{"a watcher with a wrong field", "POST", "/api/v1/trace", "{\"slot\": 7}", 400, "slot", NULL, 0},
	{"a watcher fetches", "GET", "/api/v1/trace/7", NULL, 200, "\"lost\":3", "trace fetch 7", 0},
	{"a watcher leaves", "DELETE", "/api/v1/trace/7", NULL, 200, "ok", "trace end 7", 0},
	{"a watcher that is not there", "GET", "/api/v1/trace/8", NULL, 404, "because", "trace fetch 8", -ENOENT},
	{"trace is not for GET", "GET", "/api/v1/trace", NULL, 405, "POST only", NULL, 0},
	{"explain", "GET", "/api/v1/explain?proto=tcp&src=198.51.100.7:4000&dst=192.0.2.10:80", NULL, 200,
	 "\"slot\":4711", "explain 6 198.51.100.7:4000 192.0.2.10:80", 0},
	{"explain of IPv6", "GET", "/api/v1/explain?proto=udp&src=[2001:db8::7]:4000&dst=%5B2001:db8::10%5D:53", NULL,
	 200,
	 "\"slot\":4711", "explain 17 [2001:db8::7]:4000 [2001:db8::10]:53", 0},

	{"forced failover", "POST", G "/primary", "{\"backend_id\": \"backend2\"}", 200, "{\"status\":\"ok\"}",
	 "failover app-servers backend2 0", 0},
	{"forced failover for a time", "POST", G "/primary", "{\"backend_id\": \"backend2\", \"for\": \"30m\"}", 200,
	 NULL,
	 "failover app-servers backend2 1800000", 0},
	{"failover to the next best", "POST", G "/failover", NULL, 200, NULL, "failover app-servers - 0", 0},
	{"failover to one", "POST", G "/failover", "{\"to\":\"backend3\",\"for\":\"5s\"}", 200, NULL,
	 "failover app-servers backend3 5000", 0},
	{"failback", "POST", G "/failback", NULL, 200, NULL, "failback app-servers", 0},
	{"drain", "POST", B "/drain", "{\"timeout\": \"5m\"}", 200, NULL, "drain backend2 300000", 0},
	{"drain without an end", "POST", B "/drain", NULL, 200, NULL, "drain backend2 0", 0},
	{"maint", "POST", B "/maint", "{}", 200, NULL, "maint backend2", 0},
	{"ready", "POST", B "/ready", NULL, 200, NULL, "ready backend2", 0},
	{"weight", "POST", B "/weight", "{\"weight\": 50}", 200, NULL, "weight backend2 50", 0},
	{"reload", "POST", "/api/v1/reload", NULL, 200, "{\"changed\":[\"backend backend4: added\"]}", "reload", 0},
	{"reload with force", "POST", "/api/v1/reload", "{\"force\":true}", 200, NULL, "reload force", 0},
	{"drain for a time", "POST", B "/drain", "{\"for\": \"30m\"}", 200, NULL, "drain backend2 0 for 1800000", 0},
	{"maint for a time", "POST", B "/maint", "{\"for\": \"2h\"}", 200, NULL, "maint backend2 for 7200000", 0},
	{"weight for a time", "POST", B "/weight", "{\"weight\": 5, \"for\": \"10s\"}", 200, NULL, "weight backend2 5 for 10000", 0},
	{"drain, only asked", "POST", B "/drain?dry_run=1", NULL, 200, "\"dry_run\":true", "foresee drain backend2 -", 0},
	{"maint, only asked", "POST", B "/maint", "{\"dry_run\": true}", 200, "\"slots\":100", "foresee maint backend2 -", 0},
	{"maint, not only asked", "POST", B "/maint?dry_run=0", NULL, 200, NULL, "maint backend2", 0},
	{"failover, only asked", "POST", G "/failover?dry_run=1", "{\"to\":\"backend3\"}", 200, NULL,
	 "foresee failover app-servers backend3", 0},
	{"failover, asked and refused", "POST", G "/primary?dry_run=1", "{\"backend_id\":\"backend3\"}", 409, "because",
	 "foresee failover app-servers backend3", -EHOSTDOWN},
	{"reload, only asked", "POST", "/api/v1/reload", "{\"force\":true,\"dry_run\":true}", 200, NULL, "foresee reload  - force", 0},
	{"asked in a way that may mean anything", "POST", B "/maint?dry_run=yes", NULL, 400, "must be 1 or 0", NULL, 0},
	{"backup", "POST", "/api/v1/backup", NULL, 200, "\"configuration_file\":\"/etc/shunt/shunt.yaml\"", "backup", 0},
	{"restore", "POST", "/api/v1/restore", NULL, 200, NULL, "restore", 0},
	{"restore all the same", "POST", "/api/v1/restore", "{\"force\": true}", 200, NULL, "restore force", 0},
	{"detach", "POST", "/api/v1/detach", NULL, 200, NULL, "detach", 0},

	{"post a group that is there then", "POST", "/api/v1/groups", "{\"name\":\"app-servers\",\"backends\":[\"b\"]}", 201,
	 "\"name\":\"app-servers\"", "group_post app-servers 2", 0},
	{"post a group that exists", "POST", "/api/v1/groups", "{\"name\":\"app-servers\"}", 409, NULL, "group_post app-servers 1", -EALREADY},
	{"post no object", "POST", "/api/v1/groups", "[1]", 400, "must be a JSON object", NULL, 0},
	{"post no JSON", "POST", "/api/v1/groups", "{", 400, "the body is no JSON", NULL, 0},
	{"post a key twice", "POST", "/api/v1/groups", "{\"name\":\"a\",\"name\":\"b\"}", 400, "the body is no JSON", NULL, 0},
	{"delete a group", "DELETE", "/api/v1/groups/app-servers", NULL, 200, NULL, "group_delete app-servers", 0},
	{"delete a group in use", "DELETE", "/api/v1/groups/app-servers", NULL, 409, NULL, "group_delete app-servers", -EBUSY},
	{"delete no group", "DELETE", "/api/v1/groups/none", NULL, 404, NULL, "group_delete none", -ENOENT},
	{"deny", "POST", D, "{\"prefixes\":[\"203.0.113.0/24\"]}", 200, NULL, "deny 1 203.0.113.0/24 - 0", 0},
	{"deny several, each once, for a time, by a service", "POST", D,
	 "{\"prefixes\":[\"2001:db8::/32\",\"10.0.0.1\",\"10.0.0.1/32\"],\"for\":\"2m\",\"service\":\"web\"}", 200, NULL,
	 "deny 2 10.0.0.1/32 web 120000", 0},
	{"deny nothing", "POST", D, "{\"prefixes\":[]}", 400, "must be a list of texts that is not empty", NULL, 0},
	{"deny a number", "POST", D, "{\"prefixes\":[10]}", 400, "must be a list of texts", NULL, 0},
	{"deny without prefixes", "POST", D, "{\"for\":\"2m\"}", 400, "\\\"prefixes\\\" is missing", NULL, 0},
	{"deny a name", "POST", D, "{\"prefixes\":[\"10.0.0.0/8\",\"bad.example\"]}", 400, "is no prefix: write one such as", NULL, 0},
	{"deny host bits", "POST", D, "{\"prefixes\":[\"10.0.0.1/8\"]}", 400,
	 "10.0.0.1/8 has bits set behind its length: write 10.0.0.0/8, or 10.0.0.1 for the one address", NULL, 0},
	{"deny what has no room", "POST", D, "{\"prefixes\":[\"::/0\"]}", 409, NULL, "deny 1 ::/0 - 0", -EBUSY},
	{"undeny by the query", "DELETE", D "?prefix=203.0.113.0%2F24", NULL, 200, NULL, "undeny 1 203.0.113.0/24 - 0", 0},
	{"undeny of a service by the query", "DELETE", D "?prefix=::/0&service=web", NULL, 200, NULL, "undeny 1 ::/0 web 0", 0},
	{"undeny by a body", "DELETE", D, "{\"prefixes\":[\"10.0.0.1\",\"10.0.0.2\"],\"service\":\"web\"}", 200, NULL,
	 "undeny 2 10.0.0.1/32 web 0", 0},
	{"undeny by both", "DELETE", D "?prefix=::/0", "{\"prefixes\":[\"::/0\"]}", 400, "either", NULL, 0},
	{"undeny by neither", "DELETE", D, NULL, 400, "is missing", NULL, 0},
	{"undeny what is not", "DELETE", D "?prefix=::/0", NULL, 404, NULL, "undeny 1 ::/0 - 0", -ENOENT},
	{"undeny what the file has", "DELETE", D "?prefix=::/0", NULL, 409, NULL, "undeny 1 ::/0 - 0", -EPERM},
	{"who is denied", "GET", D, NULL, 200, "[]", "denied - - -", 0},
	{"who is denied, a part", "GET", D "?after=10.0.0.0/8&prefix=10.1.2.3&service=web", NULL, 200, "[]",
	 "denied 10.0.0.0/8 10.1.2.3/32 web", 0},
	{"who is denied, of no prefix", "GET", D "?prefix=x", NULL, 400, "is no prefix", NULL, 0},
	{"who is denied, wrong method", "PUT", D, NULL, 405, "is for GET, HEAD, POST, DELETE only", NULL, 0},

	{"unknown path", "GET", "/api/v2/status", NULL, 404, "{\"error\":\"no such path: /api/v2/status\"}", NULL, 0},
	{"a path goes on after a route", "GET", "/api/v1/groups/app-servers/x", NULL, 404, "no such path", NULL, 0},
	{"an empty name", "GET", "/api/v1/groups/", NULL, 404, "no such path", NULL, 0},
	{"a way up", "GET", "/api/v1/../v1/status", NULL, 404, "no such path", NULL, 0},
	{"unknown name", "GET", "/api/v1/backends/nobody", NULL, 404, "no backend is named \\\"nobody\\\"", NULL, 0},
	{"unknown name in a command", "POST", "/api/v1/backends/nobody/maint", NULL, 404, "no backend", "maint nobody",
	 0},
	{"wrong method", "DELETE", "/api/v1/status", NULL, 405, "is for GET, HEAD only", NULL, 0},
	{"a command by GET", "GET", "/api/v1/reload", NULL, 405, "is for POST only", NULL, 0},
	{"refused by the handler", "POST", B "/ready", NULL, 409, "because", "ready backend2", -EALREADY},
	{"not fit", "POST", G "/failback", NULL, 409, "because", "failback app-servers", -EHOSTDOWN},
	{"busy", "POST", "/api/v1/detach", NULL, 409, "because", "detach", -EBUSY},
	{"not permitted", "POST", "/api/v1/reload", NULL, 409, "because", "reload", -EPERM},
	{"invalid for the handler", "POST", "/api/v1/reload", NULL, 400, "because", "reload", -EINVAL},
	{"failed otherwise", "POST", "/api/v1/detach", NULL, 500, "because", "detach", -EIO},

	{"not JSON", "POST", B "/weight", "{\"weight\": 50", 400, "the body is not JSON: line 1", NULL, 0},
	{"JSON and rest", "POST", B "/weight", "{\"weight\": 50} x", 400, "not JSON", NULL, 0},
	{"not an object", "POST", B "/weight", "[50]", 400, "must be a JSON object", NULL, 0},
	{"a missing key", "POST", B "/weight", "{}", 400, "\\\"weight\\\" is missing", NULL, 0},
	{"an unknown key", "POST", B "/weight", "{\"weight\":1,\"wait\":2}", 400, "unknown key \\\"wait\\\"", NULL, 0},
	{"an unknown key where none is known", "POST", B "/maint", "{\"x\":1}", 400, "unknown key \\\"x\\\"", NULL, 0},
	{"a key twice", "POST", B "/weight", "{\"weight\":1,\"weight\":2}", 400, "duplicate", NULL, 0},
	{"text for a number", "POST", B "/weight", "{\"weight\":\"50\"}", 400, "\\\"weight\\\" must be a whole", NULL,
	 0},
	{"a fraction for a number", "POST", B "/weight", "{\"weight\":50.5}", 400, "must be a whole number", NULL, 0},
	{"below zero", "POST", B "/weight", "{\"weight\":-1}", 400, "must be a whole number", NULL, 0},
	{"a bare number for a duration", "POST", B "/drain", "{\"timeout\":300}", 400, "must be a duration", NULL, 0},
	{"a duration without unit", "POST", B "/drain", "{\"timeout\":\"300\"}", 400, "must be a duration", NULL, 0},
	{"text for a flag", "POST", "/api/v1/reload", "{\"force\":\"yes\"}", 400, "true or false", NULL, 0},
	{"a number for a name", "POST", G "/primary", "{\"backend_id\":2}", 400, "\\\"backend_id\\\" must be", NULL, 0},
	{"a NUL in a name", "POST", G "/primary", "{\"backend_id\":\"a\\u0000b\"}", 400, "not JSON", NULL, 0},
	{"since is not a number", "GET", "/api/v1/events?since=x", NULL, 400, "\\\"since\\\" must be", NULL, 0},
	{"an unknown parameter", "GET", "/api/v1/events?after=1", NULL, 400, "unknown parameter \\\"after\\\"", NULL,
	 0},
	{"explain without src", "GET", "/api/v1/explain?proto=tcp&dst=192.0.2.10:80", NULL, 400,
	 "\\\"src\\\" is missing",
	 NULL, 0},
	{"explain of sctp", "GET", "/api/v1/explain?proto=sctp&src=1.1.1.1:1&dst=1.1.1.1:1", NULL, 400, "tcp or udp",
	 NULL, 0},
	{"explain without a port", "GET", "/api/v1/explain?proto=tcp&src=1.1.1.1&dst=1.1.1.1:1", NULL, 400,
	 "\\\"src\\\" must",
	 NULL, 0},
	{"explain of two families", "GET", "/api/v1/explain?proto=tcp&src=1.1.1.1:1&dst=[::1]:1", NULL, 400,
	 "one address family",
	 NULL, 0},
};

static void every_route_answers_as_the_contract_says(void **state)
{
	struct fixture *fixture = *state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct row *row = &rows[i];

		*fixture->told = '\0';
		fixture->result = row->result;
		fixture->error = "because";
		assert_answer(row->sentence,
			      ask(fixture, NULL, row->method, row->path, NULL, row->body,
				  row->body ? strlen(row->body) : 0),
			      row->status, row->contains);
		if (strcmp(fixture->told, row->told ?: "") != 0)
			fail_msg("%s: the handler was told \"%s\"", row->sentence, fixture->told);
	}
	fixture->result = 0;
}

static void wrong_method_names_the_right_one(void **state)
{
	struct answer answer = ask(*state, NULL, "PUT", "/api/v1/reload", NULL, NULL, 0);

	assert_string_equal(answer.allow, "POST");
	assert_answer("PUT", answer, 405, NULL);
}

/* Two operators look; what the first one does, the second did not know of. */
static void what_has_changed_since_it_was_seen_is_not_changed_again(void **state)
{
	static const char *const paths[] = {B, G}, *const commands[] = {B "/weight", G "/failover"};
	static const char *const bodies[] = {"{\"weight\":70}", "{\"to\":\"backend3\"}"};
	static const char posted[] = "{\"name\":\"app-servers\"}";
	struct fixture *fixture = *state;
	struct answer answer;
	char header[128];

	for (size_t i = 0; i < 2; i++) {
		struct answer seen = ask(fixture, NULL, "GET", paths[i], NULL, NULL, 0);

		assert_int_equal(strlen(seen.etag), 18);
		snprintf(header, sizeof(header), "If-Match: \"of-before\", %s", seen.etag);
		assert_answer("seen", seen, 200, NULL);
		fixture_backends[1].stats.packets++; /* which is no change */
		assert_answer("the first", ask(fixture, NULL, "POST", commands[i], header, bodies[i], strlen(bodies[i])), 200, NULL);
		*fixture->told = '\0';
		assert_answer("the second", ask(fixture, NULL, "POST", commands[i], header, bodies[i], strlen(bodies[i])), 412, "look again");
		assert_string_equal(fixture->told, "");
		assert_answer("whoever", ask(fixture, NULL, "POST", commands[i], "If-Match: *", bodies[i], strlen(bodies[i])), 200, NULL);
		assert_answer("without", ask(fixture, NULL, "POST", commands[i], NULL, bodies[i], strlen(bodies[i])), 200, NULL);
	}
	/* Who posts a group names it in the body. */
	answer = ask(fixture, NULL, "GET", G, NULL, NULL, 0);
	snprintf(header, sizeof(header), "If-Match: %s", answer.etag);
	assert_answer("seen", answer, 200, NULL);
	assert_answer("posted as seen", ask(fixture, NULL, "POST", "/api/v1/groups", header, posted, strlen(posted)), 201, NULL);
	fixture_groups[0].failovers++;
	*fixture->told = '\0';
	assert_answer("posted over another's", ask(fixture, NULL, "POST", "/api/v1/groups", header, posted, strlen(posted)), 412, "look again");
	assert_answer("deleted over another's", ask(fixture, NULL, "DELETE", G, header, NULL, 0), 412, "look again");
	assert_string_equal(fixture->told, "");
	assert_answer("of nobody", ask(fixture, NULL, "POST", "/api/v1/backends/nobody/ready", "If-Match: *", NULL, 0), 412, NULL);
}

static void head_is_get_without_a_body(void **state)
{
	struct answer answer = ask(*state, NULL, "HEAD", "/api/v1/status", NULL, NULL, 0);

	assert_int_equal(answer.length, 0);
	assert_string_equal(answer.type, "application/json");
	assert_answer("HEAD", answer, 200, NULL);
}

static void unhealthy_is_503_with_the_document(void **state)
{
	struct fixture *fixture = *state;

	fixture->snapshot.datapath_ok = false;
	assert_answer("unhealthy", ask(fixture, NULL, "GET", "/health", NULL, NULL, 0), 503,
		      "\"status\":\"unhealthy\"");
}

static void metrics_say_their_format(void **state)
{
	struct answer answer = ask(*state, NULL, "GET", "/metrics", NULL, NULL, 0);

	assert_string_equal(answer.type, "text/plain; version=0.0.4; charset=utf-8");
	assert_answer("metrics", answer, 200, NULL);
}

static void bodies_over_1_mib_are_refused_and_smaller_ones_read(void **state)
{
	static const struct {
		size_t length;
		const char *header;
		long status;
	} bodies[] = {
		{1 << 20, NULL, 200}, {1 << 20, "Transfer-Encoding: chunked", 200}, {(1 << 20) + 1, NULL, 413},
		{3 << 20, "Transfer-Encoding: chunked", 413}, {3 << 20, NULL, 413},
	};
	char *body = malloc(3 << 20);

	for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
		memset(body, ' ', bodies[i].length);
		memcpy(body, "{\"timeout\":\"5m\"}", 16);
		assert_answer("body", ask(*state, NULL, "POST", B "/drain", bodies[i].header, body, bodies[i].length),
			      bodies[i].status, NULL);
	}
	free(body);
}

static void the_last_answer_is_sent_before_the_loop_ends(void **state)
{
	struct fixture *fixture = *state;

	fixture->exit_on_detach = true;
	assert_answer("detach", ask(fixture, NULL, "POST", "/api/v1/detach", NULL, NULL, 0), 200, "ok");
}

static void many_events_come_in_pages(void **state)
{
	struct fixture *fixture = *state;
	struct answer answer;

	fixture->n_events = 2500;
	answer = ask(fixture, NULL, "GET", "/api/v1/events", NULL, NULL, 0);
	assert_non_null(strstr(answer.body, "{\"id\":1000,"));
	assert_null(strstr(answer.body, "{\"id\":1001,"));
	assert_answer("page", answer, 200, NULL);
}

/* ---- raw bytes ---- */

static int connect_raw(const struct fixture *fixture)
{
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(name.sun_path, sizeof(name.sun_path), "%.100s", fixture->socket_path);
	assert_int_equal(connect(fd, (struct sockaddr *)&name, sizeof(name)), 0);
	return fd;
}

/* Until the peer closes, at most 20 s. */
static size_t read_to_end(int fd, char *buffer, size_t size)
{
	struct pollfd wait = {fd, POLLIN, 0};
	size_t length = 0;
	ssize_t n = 0;

	do {
		assert_int_equal(poll(&wait, 1, 20000), 1);
		n = read(fd, buffer + length, size - 1 - length);
		length += n > 0 ? (size_t)n : 0;
	} while (n > 0);
	buffer[length] = '\0';
	return length;
}

/* The answer is made in turns of the loop: whoever hangs up meanwhile leaves nothing behind (fixture_stop counts the looks). */
static void who_hangs_up_while_the_answer_is_made_is_forgotten(void **state)
{
	static const char request[] = "GET /api/v1/status HTTP/1.1\r\nHost: shunt\r\n\r\n";
	struct fixture *fixture = *state;

	for (int i = 0; i < 40; i++) { /* as many as wait to be accepted */
		int fd = connect_raw(fixture);

		assert_int_equal(write(fd, request, sizeof(request) - 1), sizeof(request) - 1);
		close(fd);
	}
	assert_answer("after 40 that hung up", ask(fixture, NULL, "GET", "/api/v1/status", NULL, NULL, 0), 200, "\"backends\":[{");
}

/* Meanwhile others are answered, and who hangs up is forgotten. */
static void a_command_is_answered_when_it_is_saved(void **state)
{
	struct fixture *fixture = *state;
	uint64_t start = clock_monotonic_ms();
	int fd;

	fixture->save_ms = 300;
	fd = connect_raw(fixture);
	dprintf(fd, "POST " B "/maint HTTP/1.1\r\nHost: shunt\r\nContent-Length: 0\r\n\r\n");
	while (!__atomic_load_n(&fixture->saves, __ATOMIC_RELAXED))
		assert_true(clock_monotonic_ms() - start < 10000);
	assert_answer("a look", ask(fixture, NULL, "GET", "/api/v1/groups", NULL, NULL, 0), 200, NULL);
	assert_answer("refused", ask(fixture, NULL, "POST", B "/drain", NULL, "{\"timeout\":1}", 13), 400, NULL);
	assert_answer("HEAD", ask(fixture, NULL, "HEAD", B, NULL, NULL, 0), 200, NULL);
	assert_int_equal(fixture->saves, 1); /* looks wait for nothing */
	close(fd);
	start = clock_monotonic_ms();
	assert_answer("saved", ask(fixture, NULL, "POST", B "/drain", NULL, NULL, 0), 200, "ok");
	assert_true(clock_monotonic_ms() - start >= 250);
	fixture->save_result = -ENOSPC;
	assert_answer("not saved", ask(fixture, NULL, "POST", B "/drain", NULL, NULL, 0), 500,
		      "done, but not saved: after a crash it is forgotten: /state.json: No space left on device");
	fixture->result = -ENOENT;
	fixture->error = "there is none";
	assert_answer("nothing to save", ask(fixture, NULL, "POST", B "/drain", NULL, NULL, 0), 404, "there is none");
}

static void who_waits_for_a_disk_that_hangs_is_told_so(void **state)
{
	struct fixture *fixture = *state;
	uint64_t start = clock_monotonic_ms();

	fixture->save_ms = 60000;
	assert_answer("hangs", ask(fixture, NULL, "POST", B "/drain", NULL, NULL, 0), 500,
		      "done, but not saved yet: the disk has not taken it for 5 s: a crash now would forget it");
	assert_in_range(clock_monotonic_ms() - start, 4900, 15000);
}

/* A server that ends meanwhile does not wait for it. */
static void a_command_that_is_being_saved_ends_with_the_server(void **state)
{
	struct fixture *fixture = *state;
	uint64_t start = clock_monotonic_ms();
	int fd = connect_raw(fixture);

	fixture->save_ms = 60000;
	dprintf(fd, "POST " B "/maint HTTP/1.1\r\nHost: shunt\r\nContent-Length: 0\r\n\r\n");
	while (!__atomic_load_n(&fixture->saves, __ATOMIC_RELAXED))
		assert_true(clock_monotonic_ms() - start < 10000);
	close(fd);
}

static void what_is_not_http_gets_400_or_nothing(void **state)
{
	static const char *const texts[] = {
		"rubbish\r\n\r\n", "GET\r\n\r\n", "\x16\x03\x01\x02", "GET / HTTP/1.1\r\n\r\n",
		"POST /api/v1/reload HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
		"POST /api/v1/reload HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n",
		"GET /%00%ff HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
	};
	char answer[4096];

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		int fd = connect_raw(*state);

		assert_int_equal(write(fd, texts[i], strlen(texts[i])), strlen(texts[i]));
		shutdown(fd, SHUT_WR);
		if (read_to_end(fd, answer, sizeof(answer)) && strncmp(answer, "HTTP/1.1 4", 10) != 0 &&
		    strncmp(answer, "HTTP/1.0 4", 10) != 0)
			fail_msg("\"%s\" was answered by %s", texts[i], answer);
		close(fd);
	}
	assert_answer("still there", ask(*state, NULL, "GET", "/health", NULL, NULL, 0), 200, NULL);
}

static size_t heads_in(const char *answer)
{
	size_t n = 0;

	for (const char *at = answer; (at = strstr(at, "HTTP/1.")); at++)
		n++;
	return n;
}

/* What follows is no request: a proxy may have taken it for the body. */
static void a_length_said_in_two_ways_is_refused_and_the_connection_closed(void **state)
{
	static const char *const headers[] = {
		"Content-Length: 2\r\nTransfer-Encoding: chunked",
		"Transfer-Encoding: chunked\r\nContent-Length: 2",
		"Content-Length: 2\r\nContent-Length: 5",
		"Content-Length: 2\r\ncontent-length: 2",
		"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
		"Transfer-Encoding: gzip, chunked",
		"Transfer-Encoding: \013chunked",
	};
	struct fixture *fixture = *state;
	char request[512], answer[4096];

	for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
		int fd = connect_raw(fixture);

		snprintf(request, sizeof(request), "POST /api/v1/reload HTTP/1.1\r\nHost: x\r\n%s\r\n\r\n"
			 "0\r\n\r\nPOST /api/v1/detach HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", headers[i]);
		assert_int_equal(write(fd, request, strlen(request)), strlen(request));
		read_to_end(fd, answer, sizeof(answer)); /* to its end: the server closes */
		if (strncmp(answer, "HTTP/1.1 400", 12) != 0 || heads_in(answer) != 1)
			fail_msg("\"%s\" was answered by %s", headers[i], answer);
		assert_string_equal(fixture->told, "");
		close(fd);
	}
}

static void slow_clients_are_dropped_and_hold_nobody_up(void **state)
{
	int slow = connect_raw(*state), half = connect_raw(*state);
	uint64_t start = clock_monotonic_ms();
	char answer[4096];

	assert_int_equal(write(slow, "GET /hea", 8), 8);
	assert_int_equal(write(half, "POST /api/v1/reload HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{", 61), 61);
	assert_answer("beside them", ask(*state, NULL, "GET", "/health", NULL, NULL, 0), 200, NULL);
	assert_true(clock_monotonic_ms() - start < 2000);
	read_to_end(slow, answer, sizeof(answer));
	read_to_end(half, answer, sizeof(answer));
	assert_true(clock_monotonic_ms() - start < 15000);
	assert_string_equal(((struct fixture *)*state)->told, "");
	close(slow);
	close(half);
}

static void what_is_too_long_is_told_so(void **state)
{
	static const struct {
		const char *start, *rest, *status;
	} cases[] = {
		{"GET /api/v1/backends/", " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "HTTP/1.1 414"},
		{"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Long: ", "\r\n\r\n", "HTTP/1.1 431"},
	};
	char *request = malloc(80000), answer[4096];

	for (size_t i = 0; i < 2; i++) {
		size_t length = strlen(cases[i].start);
		int fd = connect_raw(*state);

		memcpy(request, cases[i].start, length);
		memset(request + length, 'x', 40000);
		strcpy(request + length + 40000, cases[i].rest);
		assert_true(send(fd, request, strlen(request), MSG_NOSIGNAL) > 0);
		read_to_end(fd, answer, sizeof(answer));
		if (strncmp(answer, cases[i].status, 12) != 0)
			fail_msg("%s was answered by %s", cases[i].start, answer);
		close(fd);
	}
	free(request);
}

/* One byte each quarter of a second is not silence: what counts is how long the whole request takes. */
static void who_sends_a_request_in_drops_is_cut_off(void **state)
{
	static const char *const starts[] = {"GET /health HTTP/1.1\r\nHost: x\r\nX-Long: ",
					     "POST /api/v1/reload HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n"};
	uint64_t start = clock_monotonic_ms(), lasted[2] = {0};
	struct pollfd wait[2];

	for (size_t i = 0; i < 2; i++) {
		wait[i] = (struct pollfd){connect_raw(*state), POLLIN, 0};
		assert_int_equal(write(wait[i].fd, starts[i], strlen(starts[i])), strlen(starts[i]));
	}
	while (!lasted[0] || !lasted[1]) {
		poll(NULL, 0, 250); /* the drops' pace */
		assert_true(clock_monotonic_ms() - start < 60000);
		for (size_t i = 0; i < 2; i++)
			if (!lasted[i] && (send(wait[i].fd, " ", 1, MSG_NOSIGNAL) < 0 || poll(&wait[i], 1, 0) == 1))
				lasted[i] = clock_monotonic_ms() - start;
	}
	printf("# cut off after %llu and %llu ms\n", (unsigned long long)lasted[0], (unsigned long long)lasted[1]);
	for (size_t i = 0; i < 2; i++) {
		assert_true(lasted[i] > 8000); /* not for silence */
		close(wait[i].fd);
	}
	assert_string_equal(((struct fixture *)*state)->told, "");
}

/* 64 idle ones fill the Unix socket's share: the next waits for one to leave, TCP does not. */
static void a_crowd_on_one_listener_leaves_the_other_alone(void **state)
{
	struct fixture *fixture = *state;
	int crowd[80];

	for (size_t i = 0; i < 80; i++)
		crowd[i] = connect_raw(fixture);
	assert_answer("over TCP", ask(fixture, fixture->listen, "GET", "/health", NULL, NULL, 0), 200, NULL);
	for (size_t i = 0; i < 80; i++)
		close(crowd[i]);
	assert_answer("after it", ask(fixture, NULL, "GET", "/health", NULL, NULL, 0), 200, NULL);
}

/* ---- who may come in ---- */

static void tcp_without_a_token_is_for_programs_on_this_host(void **state)
{
	struct fixture *fixture = *state;
	char origin[128];

	assert_answer("a program", ask(fixture, fixture->listen, "GET", "/health", NULL, NULL, 0), 200, NULL);
	assert_answer("a rebound name", ask(fixture, fixture->listen, "POST", "/api/v1/reload", "Host: evil.example",
		NULL, 0),
		      401, "this host");
	assert_answer("another site", ask(fixture, fixture->listen, "POST", "/api/v1/reload",
		"Origin: http://evil.example",
					  NULL, 0), 401, "this host");
	assert_string_equal(fixture->told, "");
	snprintf(origin, sizeof(origin), "Origin: http://%s", fixture->listen);
	assert_answer("its own page", ask(fixture, fixture->listen, "POST", "/api/v1/reload", origin, NULL, 0), 200,
		NULL);
}

static void tcp_with_a_token_wants_it(void **state)
{
	static const char *const wrong[] = {
		NULL, "Authorization: Bearer wrong", "Authorization: Bearer s3cre", "Authorization: Bearer s3cretx",
		"Authorization: Bearer ", "Authorization: Basic s3cret", "Authorization: s3cret",
	};
	struct fixture *fixture = *state;
	struct answer answer;

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		answer = ask(fixture, fixture->listen, "POST", "/api/v1/reload", wrong[i], "{}", 2);
		assert_string_equal(answer.authenticate, "Bearer");
		assert_answer(wrong[i] ?: "none", answer, 401, "{\"error\":");
	}
	assert_string_equal(fixture->told, "");
	assert_answer("the page holds no data", ask(fixture, fixture->listen, "GET", "/", NULL, NULL, 0), 200, "<title>shunt</title>");
	assert_answer("what it shows", ask(fixture, fixture->listen, "GET", "/api/v1/status", NULL, NULL, 0), 401, NULL);
	assert_answer("right", ask(fixture, fixture->listen, "GET", "/health", "Authorization: Bearer s3cret", NULL,
		0), 200,
		      NULL);
	assert_answer("Unix", ask(fixture, NULL, "GET", "/health", NULL, NULL, 0), 200, NULL);
}

/* How many tokens were compared by what takes the same time whether the first byte differs or the last one. */
static atomic_int compared_in_constant_time;

int __real_gnutls_memcmp(const void *a, const void *b, size_t length);
int __wrap_gnutls_memcmp(const void *a, const void *b, size_t length);

int __wrap_gnutls_memcmp(const void *a, const void *b, size_t length)
{
	compared_in_constant_time++;
	return __real_gnutls_memcmp(a, b, length);
}

static void how_much_of_a_token_is_right_cannot_be_timed(void **state)
{
	static const char *const tokens[] = {"Authorization: Bearer s3creT", "Authorization: Bearer S3cret", "Authorization: Bearer s3cret"};
	const struct fixture *fixture = *state;
	int before = compared_in_constant_time;

	for (int i = 0; i < 3; i++) {
		assert_answer(tokens[i], ask(fixture, fixture->listen, "GET", "/health", tokens[i], NULL, 0), i == 2 ? 200 : 401, NULL);
		assert_int_equal(compared_in_constant_time - before, i + 1);
	}
}

static void a_changed_token_counts_at_once(void **state)
{
	static const char old[] = "Authorization: Bearer s3cret", new[] = "Authorization: Bearer n3w";
	struct fixture *fixture = *state;

	fixture_write_token(fixture, "n3w");
	assert_answer("old", ask(fixture, fixture->listen, "GET", "/health", old, NULL, 0), 401, NULL);
	assert_answer("new", ask(fixture, fixture->listen, "GET", "/health", new, NULL, 0), 200, NULL);
	fixture_write_token(fixture, "");
	assert_answer("empty file", ask(fixture, fixture->listen, "GET", "/health", "Authorization: Bearer ", NULL, 0),
		401,
		      NULL);
	unlink(fixture->token_file);
	assert_answer("no file", ask(fixture, fixture->listen, "GET", "/health", new, NULL, 0), 401, NULL);
}

/* ---- opening ---- */

static int try_open(const struct fixture *fixture, const char *listen, const char *token_file)
{
	struct api *api = NULL;
	sd_event *event;
	int r;

	assert_true(sd_event_new(&event) >= 0);
	r = api_open(event, &(struct api_options){.socket_path = fixture->socket_path, .listen = listen, .token_file = token_file},
		     &fixture_handlers, NULL, &api);
	api_close(api);
	sd_event_unref(event);
	return r;
}

static void what_cannot_be_listened_on_is_refused(void **state)
{
	struct fixture fixture;

	(void)state;
	fixture_init(&fixture);
	assert_int_equal(try_open(&fixture, "0.0.0.0:0", NULL), -EPERM);
	assert_int_equal(try_open(&fixture, "[::]:0", NULL), -EPERM);
	assert_int_equal(try_open(&fixture, "127.0.0.1", NULL), -EINVAL);
	assert_int_equal(try_open(&fixture, "127.0.0.1:0", fixture.token_file), -ENOENT);
	fixture_write_token(&fixture, " \n");
	assert_int_equal(try_open(&fixture, "127.0.0.1:0", fixture.token_file), -EINVAL);
	fixture_write_token(&fixture, "s3cret");
	assert_int_equal(try_open(&fixture, "0.0.0.0:0", fixture.token_file), -EPERM); /* without TLS */
	assert_int_equal(try_open(&fixture, "127.0.0.1:0", NULL), 0);
	assert_int_equal(file_write_atomically(fixture.socket_path, "x", 1, 0600), 0);
	assert_int_equal(try_open(&fixture, NULL, NULL), -EEXIST);
	assert_int_equal(unlink(fixture.socket_path), 0);
	unlink(fixture.token_file);
	rmdir(fixture.directory);
}

static void the_socket_is_0660_and_goes_with_the_server(void **state)
{
	struct fixture fixture;
	struct stat status;

	(void)state;
	fixture_init(&fixture);
	assert_int_equal(fixture_start(&fixture), 0);
	assert_int_equal(stat(fixture.socket_path, &status), 0);
	assert_int_equal(status.st_mode & 07777, 0660);
	assert_int_equal(try_open(&fixture, NULL, NULL), -EADDRINUSE); /* and does not remove the other's */
	assert_answer("there", ask(&fixture, NULL, "GET", "/health", NULL, NULL, 0), 200, NULL);
	fixture_stop(&fixture);
	assert_int_equal(stat(fixture.socket_path, &status), -1);
}

static void a_socket_left_by_a_killed_server_is_replaced(void **state)
{
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	struct fixture fixture;

	(void)state;
	fixture_init(&fixture);
	snprintf(name.sun_path, sizeof(name.sun_path), "%.100s", fixture.socket_path);
	assert_int_equal(bind(fd, (struct sockaddr *)&name, sizeof(name)), 0);
	assert_int_equal(listen(fd, 1), 0);
	close(fd);
	assert_int_equal(fixture_start(&fixture), 0);
	assert_answer("there", ask(&fixture, NULL, "GET", "/health", NULL, NULL, 0), 200, NULL);
	fixture_stop(&fixture);
}

#define WITH(test, set_up) cmocka_unit_test_setup_teardown(test, set_up, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH(every_route_answers_as_the_contract_says, setup),
		WITH(wrong_method_names_the_right_one, setup),
		WITH(what_has_changed_since_it_was_seen_is_not_changed_again, setup),
		WITH(head_is_get_without_a_body, setup),
		WITH(who_hangs_up_while_the_answer_is_made_is_forgotten, setup),
		WITH(unhealthy_is_503_with_the_document, setup),
		WITH(metrics_say_their_format, setup),
		WITH(bodies_over_1_mib_are_refused_and_smaller_ones_read, setup),
		WITH(a_command_is_answered_when_it_is_saved, setup),
		WITH(who_waits_for_a_disk_that_hangs_is_told_so, setup),
		WITH(a_command_that_is_being_saved_ends_with_the_server, setup),
		WITH(the_last_answer_is_sent_before_the_loop_ends, setup),
		WITH(many_events_come_in_pages, setup),
		WITH(what_is_not_http_gets_400_or_nothing, setup),
		WITH(a_length_said_in_two_ways_is_refused_and_the_connection_closed, setup),
		WITH(slow_clients_are_dropped_and_hold_nobody_up, setup),
		WITH(what_is_too_long_is_told_so, setup),
		WITH(who_sends_a_request_in_drops_is_cut_off, setup),
		WITH(a_crowd_on_one_listener_leaves_the_other_alone, setup_tcp),
		WITH(tcp_without_a_token_is_for_programs_on_this_host, setup_tcp),
		WITH(tcp_with_a_token_wants_it, setup_token),
		WITH(how_much_of_a_token_is_right_cannot_be_timed, setup_token),
		WITH(a_changed_token_counts_at_once, setup_token),
		cmocka_unit_test(what_cannot_be_listened_on_is_refused),
		cmocka_unit_test(the_socket_is_0660_and_goes_with_the_server),
		cmocka_unit_test(a_socket_left_by_a_killed_server_is_replaced),
	};

	curl_global_init(CURL_GLOBAL_ALL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
