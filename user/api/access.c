/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Decides on headers and the token file alone; must not know what is asked for. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <gnutls/gnutls.h>

#include "api/access.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "net/address.h"

#define TOKEN_MAX 4096

static int read_token(const char *token_file, char **ret_token)
{
	_cleanup_(freep) char *text = NULL;
	size_t length;
	int r = file_read(token_file, TOKEN_MAX, &text, &length);

	if (r < 0)
		return r;
	while (length && isspace((unsigned char)text[length - 1]))
		text[--length] = '\0';
	if (!length || strlen(text) != length)
		return -EINVAL;
	*ret_token = text;
	text = NULL;
	return 0;
}

int access_check_file(const char *token_file)
{
	_cleanup_(freep) char *token = NULL;

	return read_token(token_file, &token);
}

/* How long it takes tells nothing of the token but its length. */
static bool is_equal(const char *token, const char *given)
{
	size_t length = strlen(token);

	return strlen(given) == length && gnutls_memcmp(token, given, length) == 0;
}

static bool has_token(const char *token_file, const char *given)
{
	_cleanup_(freep) char *token = NULL;

	return read_token(token_file, &token) == 0 && is_equal(token, given);
}

enum api_access access_of_token(const char *token_file, const char *read_token_file, const char *authorization)
{
	if (!authorization || strncasecmp(authorization, "Bearer ", 7) != 0)
		return API_NONE;
	if (has_token(token_file, authorization + 7))
		return API_WRITE;
	return read_token_file && has_token(read_token_file, authorization + 7) ? API_READ : API_NONE;
}

static bool names_an_address(const char *host)
{
	struct shunt_addr address;
	char bare[ADDRESS_TEXT_MAX];
	uint16_t port;
	size_t length = strlen(host);

	if (strncasecmp(host, "localhost", 9) == 0 && (!host[9] || host[9] == ':'))
		return true;
	if (address_port_parse(host, &address, &port) == 0 || address_parse(host, &address) == 0)
		return true;
	if (length < 3 || length >= sizeof(bare) || host[0] != '[' || host[length - 1] != ']')
		return false;
	snprintf(bare, sizeof(bare), "%.*s", (int)length - 2, host + 1);
	return address_parse(bare, &address) == 0;
}

bool access_is_local(const char *host, const char *origin, bool is_tls)
{
	const char *scheme = is_tls ? "https://" : "http://";

	if (host && !names_an_address(host))
		return false;
	return !origin || (host && strncmp(origin, scheme, strlen(scheme)) == 0 && strcmp(origin + strlen(scheme), host) == 0);
}
