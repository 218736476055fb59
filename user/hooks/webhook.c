/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The document is posted to a URL: any status of 2xx means delivered. Names are looked up by c-ares, each time anew; curl gets
 * an address, since its own resolver would be waited for. The URL, which may be a secret, is in no text.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "hooks/lane.h"
#include "net/address.h"
#include "version.h"

#define HEADER_MAX 512
#define TOKEN_BYTES_MAX 4096

/* One attempt. */
struct webhook {
	struct lane *lane;
	CURL *easy;
	struct http_end end;
	bool added;
	struct curl_slist *headers, *connect_to;
	struct lookup *lookup;
	char *host, *port;             /* of the URL; allocated by curl */
	char error[CURL_ERROR_SIZE];
};

static void stop(struct lane *lane)
{
	struct webhook *webhook = lane->webhook;

	lane->webhook = NULL;
	if (!webhook)
		return;
	lookup_forget(webhook->lookup);
	if (webhook->added)
		http_client_remove(lane->hooks->http, webhook->easy);
	curl_easy_cleanup(webhook->easy);
	curl_slist_free_all(webhook->headers);
	curl_slist_free_all(webhook->connect_to);
	curl_free(webhook->host);
	curl_free(webhook->port);
	free(webhook);
}

static void end(struct lane *lane, bool delivered, const char *text)
{
	stop(lane);
	lane_ended(lane, delivered, "%s", text);
}

static void on_end(void *userdata, CURLcode code)
{
	struct webhook *webhook = userdata;
	long status = 0;
	char text[CURL_ERROR_SIZE + 32];

	curl_easy_getinfo(webhook->easy, CURLINFO_RESPONSE_CODE, &status);
	if (code == CURLE_OK || status)
		snprintf(text, sizeof(text), "status %ld", status);
	else
		snprintf(text, sizeof(text), "%s", *webhook->error ? webhook->error : curl_easy_strerror(code));
	end(webhook->lane, status >= 200 && status < 300, text);
}

static size_t ignore_body(char *data, size_t size, size_t n, void *userdata)
{
	(void)data, (void)userdata;
	return size * n;
}

/* ---- an attempt ---- */

__attribute__((format(printf, 2, 3))) static int add_header(struct webhook *webhook, const char *format, ...)
{
	char header[TOKEN_BYTES_MAX + HEADER_MAX];
	struct curl_slist *longer;
	va_list args;

	va_start(args, format);
	vsnprintf(header, sizeof(header), format, args);
	va_end(args);
	longer = curl_slist_append(webhook->headers, header);
	if (longer)
		webhook->headers = longer;
	return longer ? 0 : -ENOMEM;
}

/* The file is read each time, so that a token may be changed at any time. */
static int add_token(struct webhook *webhook, const char *path)
{
	_cleanup_(freep) char *token = NULL;
	size_t length;
	int r = path ? file_read(path, TOKEN_BYTES_MAX, &token, &length) : 0;

	if (r < 0 || !path)
		return r;
	token[strcspn(token, "\r\n")] = '\0';
	r = *token ? add_header(webhook, "Authorization: Bearer %s", token) : -ENODATA;
	explicit_bzero(token, length);
	return r;
}

static int add_headers(struct webhook *webhook, const struct delivery *delivery)
{
	int r = add_header(webhook, "Content-Type: application/json");

	if (r == 0)
		r = add_header(webhook, "X-Shunt-Event: %s", delivery->name);
	if (r == 0)
		r = add_header(webhook, "X-Shunt-Event-Id: %llu", (unsigned long long)delivery->id);
	if (r == 0)
		r = add_header(webhook, "X-Shunt-Attempt: %u", delivery->attempts);
	return r ? r : add_header(webhook, "Expect:"); /* no waiting for "100 Continue" */
}

static void set_options(struct webhook *webhook, const struct config_hooks *config, const char *body)
{
	CURL *easy = webhook->easy;

	curl_easy_setopt(easy, CURLOPT_URL, config->webhook);
	curl_easy_setopt(easy, CURLOPT_CONNECT_TO, webhook->connect_to);
	curl_easy_setopt(easy, CURLOPT_POST, 1L);
	curl_easy_setopt(easy, CURLOPT_POSTFIELDS, body);
	curl_easy_setopt(easy, CURLOPT_HTTPHEADER, webhook->headers);
	curl_easy_setopt(easy, CURLOPT_USERAGENT, "shunt/" SHUNT_VERSION);
	curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, webhook->error);
	curl_easy_setopt(easy, CURLOPT_PROXY, ""); /* whatever the environment says */
	curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, ignore_body);
	if (config->ca_file)
		curl_easy_setopt(easy, CURLOPT_CAINFO, config->ca_file);
}

/* Everything but the address, which may come from a name server. */
static int post_to(struct webhook *webhook, const struct shunt_addr *address)
{
	struct lane *lane = webhook->lane;
	char where[ADDRESS_TEXT_MAX], text[ADDRESS_TEXT_MAX + 8];

	address_port_format(address, (uint16_t)strtoul(webhook->port, NULL, 10), where);
	snprintf(text, sizeof(text), "::%s", where);
	webhook->connect_to = curl_slist_append(NULL, text);
	if (!webhook->connect_to)
		return -ENOMEM;
	set_options(webhook, &lane->hooks->config, lane->queue->body);
	webhook->end = (struct http_end){on_end, webhook};
	webhook->added = http_client_add(lane->hooks->http, webhook->easy, &webhook->end) == 0;
	return webhook->added ? 0 : -ENOMEM;
}

static void on_address(void *userdata, const struct resolution *resolution)
{
	struct webhook *webhook = userdata;
	struct lane *lane = webhook->lane;
	char text[128];

	webhook->lookup = NULL;
	if (resolution->error) {
		snprintf(text, sizeof(text), "its host has no address: %s", resolution->error);
		end(lane, false, text);
	} else if (post_to(webhook, &resolution->list[arc4random_uniform(resolution->n)].address) < 0) {
		end(lane, false, "out of memory");
	}
}

/* What stands between the brackets of an IPv6 address. */
static bool is_address(const char *host, struct shunt_addr *ret_address)
{
	char bare[ADDRESS_TEXT_MAX];
	size_t length = strlen(host);

	if (host[0] != '[')
		return address_parse(host, ret_address) == 0;
	if (length < 3 || length - 2 >= sizeof(bare))
		return false;
	snprintf(bare, length - 1, "%s", host + 1);
	return address_parse(bare, ret_address) == 0;
}

static int find_host(struct webhook *webhook, const char *text)
{
	CURLU *url = curl_url();
	bool found = url && curl_url_set(url, CURLUPART_URL, text, 0) == CURLUE_OK &&
		     curl_url_get(url, CURLUPART_HOST, &webhook->host, 0) == CURLUE_OK &&
		     curl_url_get(url, CURLUPART_PORT, &webhook->port, CURLU_DEFAULT_PORT) == CURLUE_OK;

	curl_url_cleanup(url);
	return found ? 0 : -ENOMEM;
}

static int prepare(struct webhook *webhook)
{
	struct lane *lane = webhook->lane;
	int r;

	webhook->easy = curl_easy_init();
	if (!webhook->easy)
		return -ENOMEM;
	r = find_host(webhook, lane->hooks->config.webhook);
	return r < 0 ? r : add_headers(webhook, lane->queue);
}

static int ask_for_address(struct webhook *webhook)
{
	struct hooks *hooks = webhook->lane->hooks;
	int r = hooks->resolver ? 0 : resolver_open(hooks->event, hooks->name_servers, &hooks->resolver);

	return r < 0 ? r : resolver_lookup(hooks->resolver, webhook->host, false, on_address, webhook, &webhook->lookup);
}

static void start(struct lane *lane)
{
	struct webhook *webhook = calloc(1, sizeof(*webhook));
	struct shunt_addr address;
	char text[HEADER_MAX];
	int r;

	lane->webhook = webhook;
	if (webhook)
		webhook->lane = lane;
	r = webhook ? prepare(webhook) : -ENOMEM;
	if (r < 0) {
		end(lane, false, strerror(-r));
		return;
	}
	r = add_token(webhook, lane->hooks->config.token_file);
	if (r < 0) {
		snprintf(text, sizeof(text), "token_file %.400s: %s", lane->hooks->config.token_file,
			 r == -ENODATA ? "it is empty" : strerror(-r));
		end(lane, false, text);
		return;
	}
	r = is_address(webhook->host, &address) ? post_to(webhook, &address) : ask_for_address(webhook);
	if (r < 0)
		end(lane, false, strerror(-r));
}

const struct lane_kind lane_webhook = {.start = start, .stop = stop};
