/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* libcurl, tamed: one easy handle, kept alive between calls. Decides nothing about the answers. */
#include <curl/curl.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/client.h"
#include "base/cleanup.h"

#define CONNECT_TIMEOUT_MS 3000L
#define TIMEOUT_MS 30000L      /* a reload of a large configuration takes seconds */
#define ANSWER_MAX (256 << 20)
#define READ_BYTES (256L << 10) /* at once: the status of 10,000 backends has 10 MB */

struct client {
	CURL *curl;
	struct curl_slist *headers;
	char *base;                /* "http://shunt" or the URL without its last '/' */
	char *answer;
	size_t length, room;       /* bytes of the last answer, and that it may have */
	/* Takes an answer with status 200, instead; NULL: it is kept. */
	void (*take)(void *userdata, const char *bytes, size_t length);
	void *take_userdata;
	char reason[CURL_ERROR_SIZE];
	long connect_errno;
};

static size_t keep(struct client *client, const char *data, size_t length)
{
	size_t room = (client->length + length) * 2;
	char *grown;

	if (client->length + length > ANSWER_MAX)
		return 0;
	if (client->length + length > client->room) {
		grown = realloc(client->answer, room);
		if (!grown)
			return 0;
		client->answer = grown;
		client->room = room;
	}
	memcpy(client->answer + client->length, data, length);
	client->length += length;
	return length;
}

static size_t on_answer(char *data, size_t size, size_t n, void *userdata)
{
	struct client *client = userdata;
	long status = 0;

	if (client->take)
		curl_easy_getinfo(client->curl, CURLINFO_RESPONSE_CODE, &status);
	if (status != 200)
		return keep(client, data, size * n);
	client->take(client->take_userdata, data, size * n);
	return size * n;
}

static int set_up(struct client *client, const struct client_options *options)
{
	_cleanup_(freep) char *authorization = NULL;
	struct curl_slist *more;

	client->headers = curl_slist_append(NULL, "Content-Type: application/json");
	more = curl_slist_append(client->headers, "Expect:");
	if (!client->headers || !more)
		return -ENOMEM;
	if (options->token) {
		if (asprintf(&authorization, "Authorization: Bearer %s", options->token) < 0)
			return -ENOMEM;
		if (!curl_slist_append(client->headers, authorization))
			return -ENOMEM;
	}
	curl_easy_setopt(client->curl, CURLOPT_HTTPHEADER, client->headers);
	curl_easy_setopt(client->curl, CURLOPT_WRITEFUNCTION, on_answer);
	curl_easy_setopt(client->curl, CURLOPT_WRITEDATA, client);
	curl_easy_setopt(client->curl, CURLOPT_BUFFERSIZE, READ_BYTES);
	curl_easy_setopt(client->curl, CURLOPT_ERRORBUFFER, client->reason);
	curl_easy_setopt(client->curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(client->curl, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_TIMEOUT_MS);
	curl_easy_setopt(client->curl, CURLOPT_TIMEOUT_MS, TIMEOUT_MS);
	curl_easy_setopt(client->curl, CURLOPT_PROTOCOLS_STR, "http,https");
	if (options->ca_file)
		curl_easy_setopt(client->curl, CURLOPT_CAINFO, options->ca_file);
	if (!options->url) { /* a proxy of the environment must not be asked for the host "shunt" */
		curl_easy_setopt(client->curl, CURLOPT_NOPROXY, "*");
		curl_easy_setopt(client->curl, CURLOPT_UNIX_SOCKET_PATH, options->socket_path);
	}
	return 0;
}

int client_open(const struct client_options *options, struct client **ret_client)
{
	const char *url = options->url;
	struct client *client;
	size_t length;
	int r = -ENOMEM;

	if (url && strncmp(url, "http://", 7) != 0 && strncmp(url, "https://", 8) != 0)
		return -EINVAL;
	client = calloc(1, sizeof(*client));
	if (!client)
		return -ENOMEM;
	client->curl = curl_easy_init();
	client->base = strdup(url ?: "http://shunt");
	if (client->curl && client->base)
		r = set_up(client, options);
	if (r < 0) {
		client_close(client);
		return r;
	}
	length = strlen(client->base);
	if (client->base[length - 1] == '/')
		client->base[length - 1] = '\0';
	*ret_client = client;
	return 0;
}

void client_close(struct client *client)
{
	if (!client)
		return;
	curl_easy_cleanup(client->curl);
	curl_slist_free_all(client->headers);
	free(client->base);
	free(client->answer);
	free(client);
}

char *client_escape(struct client *client, const char *text)
{
	char *escaped = curl_easy_escape(client->curl, text, 0), *copy = escaped ? strdup(escaped) : NULL;

	curl_free(escaped);
	return copy;
}

char *client_path(struct client *client, const char *kind, const char *name, const char *action)
{
	_cleanup_(freep) char *escaped = name ? client_escape(client, name) : NULL;
	char *path;

	if (asprintf(&path, "/api/v1/%s%s%s%s%s", kind, name ? "/" : "", escaped ?: "", action ? "/" : "",
		     action ?: "") < 0)
		return NULL;
	return path;
}

static void set_method(struct client *client, const char *method, const char *body)
{
	curl_easy_setopt(client->curl, CURLOPT_CUSTOMREQUEST, NULL);
	if (strcmp(method, "GET") == 0) {
		curl_easy_setopt(client->curl, CURLOPT_HTTPGET, 1L);
		return;
	}
	curl_easy_setopt(client->curl, CURLOPT_POST, 1L);
	curl_easy_setopt(client->curl, CURLOPT_POSTFIELDSIZE, (long)strlen(body));
	curl_easy_setopt(client->curl, CURLOPT_POSTFIELDS, body);
	if (strcmp(method, "POST") != 0)
		curl_easy_setopt(client->curl, CURLOPT_CUSTOMREQUEST, method);
}

static int ask(struct client *client, const char *method, const char *path, const json_t *body, long *ret_status)
{
	_cleanup_(freep) char *url = NULL, *body_text = NULL;
	CURLcode code;

	client->connect_errno = 0;
	snprintf(client->reason, sizeof(client->reason), "out of memory");
	body_text = body ? json_dumps(body, JSON_COMPACT) : strdup("");
	if (!body_text || asprintf(&url, "%s%s", client->base, path) < 0)
		return -EHOSTUNREACH;
	client->length = 0;
	*client->reason = '\0';
	curl_easy_setopt(client->curl, CURLOPT_URL, url);
	set_method(client, method, body_text);
	code = curl_easy_perform(client->curl);
	if (code != CURLE_OK) {
		curl_easy_getinfo(client->curl, CURLINFO_OS_ERRNO, &client->connect_errno);
		if (!*client->reason)
			snprintf(client->reason, sizeof(client->reason), "%s", curl_easy_strerror(code));
		return -EHOSTUNREACH;
	}
	curl_easy_getinfo(client->curl, CURLINFO_RESPONSE_CODE, ret_status);
	return 0;
}

int client_call(struct client *client, const char *method, const char *path, const json_t *body, long *ret_status,
		json_t **ret_document)
{
	int r = ask(client, method, path, body, ret_status);

	if (r == 0)
		*ret_document = client->length ? json_loadb(client->answer, client->length, 0, NULL) : NULL;
	return r;
}

int client_get(struct client *client, const char *path, void (*take)(void *userdata, const char *bytes, size_t length),
	       void *userdata, long *ret_status, json_t **ret_document)
{
	int r;

	client->take = take;
	client->take_userdata = userdata;
	r = client_call(client, "GET", path, NULL, ret_status, ret_document);
	client->take = NULL;
	return r;
}

const char *client_reason(const struct client *client)
{
	return client->reason;
}

int client_errno(const struct client *client)
{
	return (int)client->connect_errno;
}
