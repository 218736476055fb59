/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The API over TCP with TLS, a token for everything and one to read: the real server, asked by libcurl and by `shunt`. */
#include "api_fixture.h"

#include <curl/curl.h>
#include <libgen.h>
#include <sys/wait.h>

struct tls_fixture {
	struct fixture fixture;
	char certificate[160], key[160], read_token[160];
};

static int run(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* A shell command's exit status. */
static int run(const char *format, ...)
{
	char command[2048];
	va_list arguments;
	int status;

	va_start(arguments, format);
	vsnprintf(command, sizeof(command), format, arguments);
	va_end(arguments);
	status = system(command); /* NOLINT(bugprone-command-processor,cert-env33-c): of this test's own words */
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void make_certificate(const char *certificate, const char *key, const char *name)
{
	assert_int_equal(run("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=%s -addext "
			     "subjectAltName=IP:127.0.0.1 -keyout %s -out %s.new 2>/dev/null && mv %s.new %s", name, key, certificate,
			     certificate, certificate), 0);
}

static int setup(void **state)
{
	struct tls_fixture *all = calloc(1, sizeof(*all));
	struct fixture *fixture = &all->fixture;

	fixture_init(fixture);
	fixture_use_tcp(fixture);
	snprintf(all->certificate, sizeof(all->certificate), "%s/certificate.pem", fixture->directory);
	snprintf(all->key, sizeof(all->key), "%s/key.pem", fixture->directory);
	snprintf(all->read_token, sizeof(all->read_token), "%s/read", fixture->directory);
	make_certificate(all->certificate, all->key, "first");
	fixture_write_token(fixture, "s3cret\n");
	assert_int_equal(file_write_atomically(all->read_token, "l00k\n", 5, 0600), 0);
	fixture->read_token_file = all->read_token;
	fixture->certificate_file = all->certificate;
	fixture->key_file = all->key;
	*state = all;
	if (fixture_start(fixture) < 0)
		printf("# api_open: %d\n", fixture->opened);
	return fixture->opened;
}

static int teardown(void **state)
{
	struct tls_fixture *all = *state;

	unlink(all->certificate);
	unlink(all->key);
	unlink(all->read_token);
	fixture_stop(&all->fixture);
	free(all);
	return 0;
}

static size_t no_body(char *data, size_t size, size_t n, void *userdata)
{
	(void)data, (void)userdata;
	return size * n;
}

/* The status, or minus libcurl's error. versions: CURL_SSLVERSION_…, 0: any. */
static long ask(const struct tls_fixture *all, const char *scheme, const char *method, const char *path, const char *token, long versions)
{
	char url[256], header[128];
	struct curl_slist *headers = NULL;
	CURL *curl = curl_easy_init();
	long status = 0;
	CURLcode code;

	snprintf(url, sizeof(url), "%s://%s%s", scheme, all->fixture.listen, path);
	snprintf(header, sizeof(header), "Authorization: Bearer %s", token ?: "");
	if (token)
		headers = curl_slist_append(headers, header);
	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_CAINFO, all->certificate);
	curl_easy_setopt(curl, CURLOPT_SSLVERSION, versions);
	curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
	curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, 20000L);
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, no_body);
	curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
	code = curl_easy_perform(curl);
	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
	curl_slist_free_all(headers);
	curl_easy_cleanup(curl);
	return code == CURLE_OK ? status : -(long)code;
}

static void one_token_is_for_everything_and_one_to_read(void **state)
{
	static const struct {
		const char *method, *path, *token;
		long status;
	} rows[] = {
		{"GET", "/api/v1/status", NULL, 401}, {"GET", "/api/v1/status", "wrong", 401}, {"GET", "/api/v1/status", "", 401},
		{"GET", "/api/v1/status", "l00k", 200}, {"GET", "/metrics", "l00k", 200}, {"GET", "/api/v1/access", "l00k", 200},
		{"POST", "/api/v1/backends/backend2/ready", "l00k", 403}, {"POST", "/api/v1/reload", "l00k", 403},
		{"DELETE", "/api/v1/deny?prefix=::/0", "l00k", 403}, {"POST", "/api/v1/trace", "l00k", 403},
		{"POST", "/api/v1/nothing", "l00k", 404}, {"PUT", "/api/v1/reload", "l00k", 405},
		{"GET", "/api/v1/status", "s3cret", 200}, {"POST", "/api/v1/backends/backend2/ready", "s3cret", 200},
	};
	struct tls_fixture *all = *state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		long status = ask(all, "https", rows[i].method, rows[i].path, rows[i].token, 0);

		if (status != rows[i].status)
			fail_msg("%s %s with \"%s\": %ld, not %ld", rows[i].method, rows[i].path, rows[i].token ?: "no token", status,
				 rows[i].status);
		if (i == 11)
			assert_string_equal(all->fixture.told, "");
	}
	assert_string_equal(all->fixture.told, "ready backend2");
	assert_int_equal(file_write_atomically(all->read_token, "n3w", 3, 0600), 0);
	assert_int_equal(ask(all, "https", "GET", "/health", "l00k", 0), 401);
	assert_int_equal(ask(all, "https", "GET", "/health", "n3w", 0), 200);
}

static void what_is_not_tls_1_2_or_later_gets_nothing(void **state)
{
	assert_true(ask(*state, "http", "GET", "/health", "s3cret", 0) < 0);
	assert_true(ask(*state, "https", "GET", "/health", "s3cret", CURL_SSLVERSION_TLSv1_1 | CURL_SSLVERSION_MAX_TLSv1_1) < 0);
	assert_int_equal(ask(*state, "https", "GET", "/health", "s3cret", CURL_SSLVERSION_TLSv1_2 | CURL_SSLVERSION_MAX_TLSv1_2), 200);
	assert_int_equal(ask(*state, "https", "GET", "/health", "s3cret", CURL_SSLVERSION_TLSv1_3), 200);
}

/* What the client trusts is the file itself: the new certificate is answered with, or the client refuses. */
static void a_renewed_certificate_counts_at_once_and_a_broken_one_never(void **state)
{
	struct tls_fixture *all = *state;

	for (int i = 0; i < 3; i++) {
		make_certificate(all->certificate, all->key, "next");
		assert_int_equal(ask(all, "https", "GET", "/health", "s3cret", 0), 200);
	}
	assert_int_equal(run("cp %s %s.good && echo rubbish > %s", all->key, all->key, all->key), 0);
	assert_int_equal(ask(all, "https", "GET", "/health", "s3cret", 0), 200);
	assert_int_equal(run("mv %s.good %s", all->key, all->key), 0);
	assert_int_equal(ask(all, "https", "GET", "/health", "s3cret", 0), 200);
}

static int try_open(struct tls_fixture *all, const char *listen, const char *certificate, const char *key)
{
	struct api *api = NULL;
	char socket_path[192];
	sd_event *event;
	int r;

	snprintf(socket_path, sizeof(socket_path), "%s/other.sock", all->fixture.directory);
	assert_true(sd_event_new(&event) >= 0);
	r = api_open(event, &(struct api_options){.socket_path = socket_path, .listen = listen, .token_file = all->fixture.token_file,
						  .certificate_file = certificate, .key_file = key}, &fixture_handlers, NULL, &api);
	api_close(api);
	sd_event_unref(event);
	return r;
}

static void files_that_cannot_serve_are_refused_at_the_start(void **state)
{
	struct tls_fixture *all = *state;
	char other[192];

	fixture_stop(&all->fixture); /* one certificate at a time is served in a process */
	fixture_write_token(&all->fixture, "s3cret");
	snprintf(other, sizeof(other), "%s/other.pem", all->fixture.directory);
	assert_int_equal(run("openssl ecparam -name prime256v1 -genkey -noout -out %s 2>/dev/null", other), 0);
	assert_int_equal(try_open(all, "0.0.0.0:0", all->certificate, all->key), 0);
	assert_int_equal(try_open(all, "127.0.0.1:0", all->certificate, other), -EINVAL);
	assert_int_equal(try_open(all, "127.0.0.1:0", all->key, all->key), -EINVAL);
	assert_int_equal(try_open(all, "127.0.0.1:0", all->certificate, all->certificate), -EINVAL);
	assert_int_equal(try_open(all, "127.0.0.1:0", "/nowhere", all->key), -ENOENT);
	unlink(other);
	assert_int_equal(fixture_start(&all->fixture), 0);
}

/* Where `shunt` of the same build is: two folders up from this program. */
static const char *program_folder(void)
{
	static char self[4000], folder[4100];
	ssize_t length = readlink("/proc/self/exe", self, sizeof(self) - 1);

	assert_true(length > 0);
	self[length] = '\0';
	snprintf(folder, sizeof(folder), "%s/../..", dirname(self));
	return folder;
}

static void the_command_line_works_over_it(void **state)
{
	struct tls_fixture *all = *state;
	const char *build = program_folder(), *listen = all->fixture.listen;
	const char *token = all->fixture.token_file, *ca = all->certificate;

	assert_int_equal(run("%s/shunt --url https://%s --token-file %s --ca-file %s status >/dev/null", build, listen, token, ca), 0);
	assert_int_equal(run("%s/shunt --url https://%s --token-file %s --ca-file %s ready backend2 >/dev/null", build, listen, token, ca), 0);
	assert_int_equal(run("%s/shunt --url https://%s --token-file %s --ca-file %s ready backend2 2>&1 | grep -q 'may only read'", build,
			     listen, all->read_token, ca), 0);
	assert_int_equal(run("%s/shunt --url https://%s --token-file %s status >/dev/null 2>&1", build, listen, token), 3); /* unknown CA */
	assert_int_equal(run("%s/shunt --url https://%s --ca-file %s status >/dev/null 2>&1", build, listen, ca), 1);
}

#define WITH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH(one_token_is_for_everything_and_one_to_read),
		WITH(what_is_not_tls_1_2_or_later_gets_nothing),
		WITH(a_renewed_certificate_counts_at_once_and_a_broken_one_never),
		WITH(files_that_cannot_serve_are_refused_at_the_start),
		WITH(the_command_line_works_over_it),
	};

	curl_global_init(CURL_GLOBAL_ALL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
