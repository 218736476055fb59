/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The HTTP and HTTPS checks: one request on a connection of its own, so that a server which no longer accepts shows; with `keepalive`
 * on the connection of the request before, which curl opens anew when the server has closed it.
 * Without `status`, 2xx and 3xx are good; redirects are not followed, since the question is whether this backend answers. Time
 * is up when prober.c says so, not curl.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <curl/curl.h>

#include "net/address.h"
#include "probe/kind.h"
#include "version.h"

#define BODY_MAX_BYTES 65536 /* of a longer body no more is read: the server has answered */
#define HEADER_MAX 512
#define CA_CACHE_S 60L       /* for so long a changed ca_file is not noticed; to load one costs more than a handshake */

struct http_transfer {
	CURL *easy;
	CURLSH *kept;                /* the connection of the check before, which ends with this; NULL without `keepalive` */
	struct http_end end;
	struct curl_slist *headers;
	bool running;                /* `easy` is in the client's multi handle */
	struct curl_slist *connect_to;
	size_t body_bytes;
	uint8_t *body;               /* BODY_MAX_BYTES of it, while something is expected in it */
	int socket;                  /* curl's own, which closes it; -1: none was opened for this check */
	int socket_error;            /* errno of socket(), else 0 */
	char error[CURL_ERROR_SIZE];
};

/* ---- one transfer ---- */

/*
 * As in tcp.c, no TIME_WAIT: the response has been read, or is of no interest any more, when curl closes the socket,
 * and "Connection: close" has the server close first.
 */
static curl_socket_t open_socket(void *userdata, curlsocktype purpose, struct curl_sockaddr *to)
{
	struct probe *probe = userdata;
	struct http_transfer *transfer = probe->http;
	const struct linger linger = {.l_onoff = 1, .l_linger = 0};
	int fd = socket(to->family, to->socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, to->protocol), r;

	(void)purpose;
	if (fd < 0) {
		transfer->socket_error = errno;
		return CURL_SOCKET_BAD;
	}
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	r = probe_mark_socket(probe, fd, to->family);
	if (r < 0) {
		close(fd);
		transfer->socket_error = -r;
		return CURL_SOCKET_BAD;
	}
	transfer->socket = fd;
	return fd;
}

static size_t take_body(char *data, size_t size, size_t n, void *userdata)
{
	struct http_transfer *transfer = userdata;

	if (transfer->body && transfer->body_bytes + size * n <= BODY_MAX_BYTES)
		memcpy(transfer->body + transfer->body_bytes, data, size * n);
	transfer->body_bytes += size * n;
	return transfer->body_bytes > BODY_MAX_BYTES ? 0 : size * n; /* 0 breaks the transfer off */
}

static int append(struct curl_slist **list, const char *text)
{
	struct curl_slist *longer = curl_slist_append(*list, text);

	if (!longer)
		return -ENOMEM;
	*list = longer;
	return 0;
}

static bool is_https(const struct probe *probe)
{
	return probe->check.type == CHECK_HTTPS;
}

static int add_headers(struct probe *probe)
{
	char host[HEADER_MAX];
	int r = 0;

	if (!probe->check.keepalive && probe->check.http_version == HTTP_VERSION_1_1) /* HTTP/2 has no such header (RFC 9113 section 8.2.2) */
		r = append(&probe->http->headers, "Connection: close");
	if (r < 0 || !probe->check.host)
		return r;
	if (snprintf(host, sizeof(host), "Host: %s", probe->check.host) >= (int)sizeof(host))
		return -ENAMETOOLONG;
	return append(&probe->http->headers, host);
}

/* The URL names the host that the certificate is for, which is also the SNI; connected is to the backend all the same. */
static int set_url(struct probe *probe)
{
	const struct config_check *check = &probe->check;
	const char *name = is_https(probe) ? (check->sni ? check->sni : check->host) : NULL;
	char where[ADDRESS_TEXT_MAX], url[HEADER_MAX];
	const struct shunt_addr *named = address_is_zero(&probe->named) ? &probe->address : &probe->named;
	bool has_port = name && (*name == '[' ? strstr(name, "]:") : strchr(name, ':')) != NULL;

	address_port_format(named, probe->port, where);
	if (!name)
		snprintf(url, sizeof(url), "%s://%s/", is_https(probe) ? "https" : "http", where);
	else if (snprintf(url, sizeof(url), has_port ? "https://%s/" : "https://%s:%u/", name, probe->port) >=
		 (int)sizeof(url))
		return -ENAMETOOLONG;
	curl_easy_setopt(probe->http->easy, CURLOPT_URL, url);
	snprintf(url, sizeof(url), "::%s", address_port_format(&probe->address, probe->port, where));
	if (append(&probe->http->connect_to, url) < 0)
		return -ENOMEM;
	curl_easy_setopt(probe->http->easy, CURLOPT_CONNECT_TO, probe->http->connect_to);
	return 0;
}

/* Each handshake is a whole one, so that the certificate is looked at each time. */
static void set_tls(CURL *easy, const struct config_check *check)
{
	curl_easy_setopt(easy, CURLOPT_SSL_SESSIONID_CACHE, 0L);
	curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, check->no_verify ? 0L : 1L);
	curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, check->no_verify ? 0L : 2L);
	curl_easy_setopt(easy, CURLOPT_CA_CACHE_TIMEOUT, CA_CACHE_S);
	if (check->ca_file)
		curl_easy_setopt(easy, CURLOPT_CAINFO, check->ca_file);
	if (check->certificate_file)
		curl_easy_setopt(easy, CURLOPT_SSLCERT, check->certificate_file);
	if (check->certificate_file)
		curl_easy_setopt(easy, CURLOPT_SSLKEY, check->key_file ? check->key_file : check->certificate_file);
}

static long http_version(const struct probe *probe)
{
	if (probe->check.http_version == HTTP_VERSION_1_1)
		return CURL_HTTP_VERSION_1_1;
	return is_https(probe) ? CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE;
}

/* A cache of one connection: that of the multi handle would be walked through for each check, and keep those of backends that are gone. */
static int keep_connection(struct http_transfer *transfer)
{
	transfer->kept = curl_share_init();
	if (!transfer->kept || curl_share_setopt(transfer->kept, CURLSHOPT_SHARE, CURL_LOCK_DATA_CONNECT) != CURLSHE_OK)
		return -ENOMEM;
	curl_easy_setopt(transfer->easy, CURLOPT_SHARE, transfer->kept);
	return 0;
}

static void set_options(struct probe *probe)
{
	struct http_transfer *transfer = probe->http;
	const char *method = probe->check.method;
	CURL *easy = transfer->easy;

	curl_easy_setopt(easy, CURLOPT_REQUEST_TARGET, probe->check.path); /* as written, not normalized */
	curl_easy_setopt(easy, CURLOPT_HTTPHEADER, transfer->headers);
	curl_easy_setopt(easy, CURLOPT_USERAGENT, "shunt/" SHUNT_VERSION);
	curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, http_version(probe));
	if (method && !strcmp(method, "HEAD"))
		curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
	else if (method)
		curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, method);
	if (is_https(probe))
		set_tls(easy, &probe->check);
	curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer->error);
	curl_easy_setopt(easy, CURLOPT_PROXY, ""); /* whatever the environment says */
	curl_easy_setopt(easy, CURLOPT_DNS_CACHE_TIMEOUT, 0L); /* only addresses are asked for, and each question walks through the cache */
	curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, probe->check.keepalive ? 0L : 1L);
	curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, probe->check.keepalive ? 0L : 1L);
	curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, 4096L);
	curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, open_socket);
	curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, probe);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_body);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer);
}

static void transfer_free(struct probe *probe)
{
	if (!probe->http)
		return;
	curl_easy_cleanup(probe->http->easy);
	curl_share_cleanup(probe->http->kept);
	curl_slist_free_all(probe->http->headers);
	curl_slist_free_all(probe->http->connect_to);
	free(probe->http->body);
	free(probe->http);
	probe->http = NULL;
}

static void conclude(void *userdata, CURLcode code);

static int transfer_new(struct probe *probe)
{
	int r;

	probe->http = calloc(1, sizeof(*probe->http));
	if (!probe->http)
		return -ENOMEM;
	probe->http->easy = curl_easy_init();
	r = probe->http->easy ? add_headers(probe) : -ENOMEM;
	if (r == 0)
		r = set_url(probe);
	if (r == 0 && probe->check.keepalive)
		r = keep_connection(probe->http);
	if (r < 0) {
		transfer_free(probe);
		return r;
	}
	set_options(probe);
	probe->http->end = (struct http_end){conclude, probe};
	return 0;
}

static void start(struct probe *probe)
{
	int r = probe->http ? 0 : transfer_new(probe);

	if (r == 0 && probe->check.expect.length && !(probe->http->body = malloc(BODY_MAX_BYTES)))
		r = -ENOMEM;
	if (r < 0) {
		probe_skip(probe, r);
		return;
	}
	probe->http->body_bytes = 0;
	probe->http->socket = -1;
	probe->http->socket_error = 0;
	probe->http->error[0] = '\0';
	if (http_client_add(prober_http(probe->prober), probe->http->easy, &probe->http->end) < 0) {
		probe_skip(probe, -ENOMEM);
		return;
	}
	probe->http->running = true;
}

static void stop(struct probe *probe)
{
	if (!probe->http)
		return;
	free(probe->http->body);
	probe->http->body = NULL;
	if (!probe->http->running)
		return;
	probe->http->running = false;
	http_client_remove(prober_http(probe->prober), probe->http->easy);
}

/* On the connection of the check before: curl opens another one at once, or not at all. */
static bool is_kept(const struct probe *probe)
{
	return probe->check.keepalive && probe->http->socket < 0;
}

/* Asked of the kernel: CURLINFO_CONNECT_TIME_T is 0 until the handshake of TLS is over, too (curl 7.88). */
static bool is_connected(const struct http_transfer *transfer)
{
	struct sockaddr_storage peer;
	socklen_t length = sizeof(peer);

	return transfer->socket >= 0 && getpeername(transfer->socket, (struct sockaddr *)&peer, &length) == 0;
}

static struct probe_stage stage(struct probe *probe)
{
	curl_off_t secured_us = 0, answered_us = 0;

	curl_easy_getinfo(probe->http->easy, CURLINFO_APPCONNECT_TIME_T, &secured_us);
	curl_easy_getinfo(probe->http->easy, CURLINFO_STARTTRANSFER_TIME_T, &answered_us);
	if (!is_kept(probe) && !is_connected(probe->http))
		return (struct probe_stage){PROBE_CONNECT_TIMEOUT, "in connect"};
	if (is_https(probe) && !is_kept(probe) && !secured_us)
		return (struct probe_stage){PROBE_TLS_TIMEOUT, "in the TLS handshake"};
	return (struct probe_stage){PROBE_RESPONSE_TIMEOUT,
				    answered_us ? "reading the response" : "waiting for the response"};
}

const struct probe_kind probe_http = {.start = start, .stop = stop, .stage = stage, .free = transfer_free};

/* ---- its end ---- */

static bool is_tls_failure(CURLcode code)
{
	return code == CURLE_SSL_CONNECT_ERROR || code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CERTPROBLEM ||
	       code == CURLE_SSL_CIPHER || code == CURLE_SSL_CACERT_BADFILE || code == CURLE_SSL_ISSUER_ERROR ||
	       code == CURLE_SSL_CRL_BADFILE || code == CURLE_SSL_INVALIDCERTSTATUS;
}

static const char *failure_text(const struct http_transfer *transfer, CURLcode code, int error)
{
	if (is_tls_failure(code))
		return *transfer->error ? transfer->error : curl_easy_strerror(code);
	switch (code) {
	case CURLE_GOT_NOTHING:
		return "connection closed without a response";
	case CURLE_PARTIAL_FILE:
		return "response cut short";
	case CURLE_UNSUPPORTED_PROTOCOL: /* taken for HTTP/0.9, which has no status */
	case CURLE_WEIRD_SERVER_REPLY:
		return "not an HTTP response";
	default:
		return error ? probe_error_text(error) : curl_easy_strerror(code);
	}
}

static void fail(struct probe *probe, CURLcode code, int error)
{
	enum probe_reason reason = is_tls_failure(code)		  ? PROBE_TLS_FAILED
				   : code == CURLE_COULDNT_CONNECT ? PROBE_CONNECT_FAILED
								   : PROBE_RESPONSE_FAILED;

	if (!is_tls_failure(code) && probe_error_is_local(error))
		probe_skip(probe, -error);
	else
		probe_finish(probe, is_tls_failure(code) ? reason : probe_error_reason(error, reason), "%s",
			     failure_text(probe->http, code, error));
}

static bool is_wanted(const struct config_check *check, long status)
{
	bool wanted = !check->n_status && status >= 200 && status < 400;

	for (size_t i = 0; i < check->n_status; i++)
		wanted = wanted || (status >= check->status[i].first && status <= check->status[i].last);
	return wanted;
}

static bool has_body(const struct http_transfer *transfer, const struct config_bytes *expect)
{
	size_t length = transfer->body_bytes < BODY_MAX_BYTES ? transfer->body_bytes : BODY_MAX_BYTES;

	return !expect->length || (transfer->body && probe_has(expect, transfer->body, length));
}

/* A whole response, or as much of one as is read. */
static void judge(struct probe *probe, long status)
{
	const struct config_check *check = &probe->check;
	char expected[PROBE_QUOTE_MAX];
	long version = 0;

	curl_easy_getinfo(probe->http->easy, CURLINFO_HTTP_VERSION, &version);
	if (check->http_version == HTTP_VERSION_2 && version != CURL_HTTP_VERSION_2_0)
		probe_finish(probe, PROBE_RESPONSE_FAILED, "status %ld, but not by HTTP/2", status);
	else if (!is_wanted(check, status))
		probe_finish(probe, PROBE_WRONG_STATUS, "status %ld", status);
	else if (!has_body(probe->http, &check->expect))
		probe_finish(probe, PROBE_WRONG_BODY, "status %ld, body without %s", status,
			     probe_quote(check->expect.data, check->expect.length, expected));
	else
		probe_finish(probe, PROBE_OK, "status %ld", status);
}

static void conclude(void *userdata, CURLcode code)
{
	struct probe *probe = userdata;
	struct http_transfer *transfer = probe->http;
	long status = 0, os_error = 0;
	int error;

	curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_getinfo(transfer->easy, CURLINFO_OS_ERRNO, &os_error);
	error = transfer->socket_error ? transfer->socket_error : code == CURLE_OUT_OF_MEMORY ? ENOMEM : (int)os_error;
	if (transfer->body_bytes > BODY_MAX_BYTES)
		code = CURLE_OK;
	if (status && (code == CURLE_OK || !is_wanted(&probe->check, status)))
		judge(probe, status);
	else
		fail(probe, code, error);
}
