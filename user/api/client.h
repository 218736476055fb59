/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The API as its client sees it: over the Unix socket, or over TCP by URL. For the CLI; blocks. */
#ifndef SHUNT_API_CLIENT_H
#define SHUNT_API_CLIENT_H

#include <jansson.h>

struct client;

struct client_options {
	const char *socket_path, *url; /* url, when given, is asked */
	const char *token;             /* NULL: none */
	const char *ca_file;           /* PEM: whose certificates are trusted; NULL: those that the system trusts */
};

/* 0 | -ENOMEM | -EINVAL (not an http or https URL). */
int client_open(const struct client_options *options, struct client **ret_client);
void client_close(struct client *client);

/*
 * "/api/v1/<kind>/<name>/<action>", with name and action NULL where there is none; the name is percent-encoded.
 * Allocated, NULL without memory.
 */
char *client_path(struct client *client, const char *kind, const char *name, const char *action);
char *client_escape(struct client *client, const char *text); /* for a value in a query; allocated */

/*
 * Asks; body NULL: none. 0 whenever the server answered, also with an error: *ret_status, and *ret_document (a new
 * reference, NULL when the answer is not JSON). -EHOSTUNREACH when there was no answer: client_reason() says why.
 */
int client_call(struct client *client, const char *method, const char *path, const json_t *body, long *ret_status,
		json_t **ret_document);
/*
 * The same of a GET whose answer may be large: with status 200 it goes to take() as it comes, cut anywhere, none of the pieces empty; nobody
 * has looked whether it is JSON, and *ret_document is NULL. It may break off behind some of them: -EHOSTUNREACH.
 */
int client_get(struct client *client, const char *path, void (*take)(void *userdata, const char *bytes, size_t length),
	       void *userdata, long *ret_status, json_t **ret_document);

const char *client_reason(const struct client *client);  /* of the last failed call, for people */
int client_errno(const struct client *client);           /* of its connect(); 0: not known */

#endif
