/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * HTTP within the loop: transfers of libcurl, none of which ever blocks. Their owner sets them up, tells when their time is up,
 * and gives addresses rather than names (CURLOPT_CONNECT_TO): curl's resolver is a thread, for whose end it waits.
 */
#ifndef SHUNT_HTTP_CLIENT_H
#define SHUNT_HTTP_CLIENT_H

#include <curl/curl.h>
#include <systemd/sd-event.h>

struct http_client;

/* Called from the loop when the transfer is over, unless it was removed; it may remove and free it, and others. */
struct http_end {
	void (*callback)(void *userdata, CURLcode code);
	void *userdata;
};

int http_client_open(sd_event *event, struct http_client **ret_client);
void http_client_close(struct http_client *client); /* after all transfers are removed; NULL is fine */

/* Begins it; `end` must live as long, and is CURLOPT_PRIVATE. 0 or -ENOMEM. */
int http_client_add(struct http_client *client, CURL *easy, const struct http_end *end);
void http_client_remove(struct http_client *client, CURL *easy); /* running or over */

#endif
