/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Who may use the API over TCP, and for what. */
#ifndef SHUNT_API_ACCESS_H
#define SHUNT_API_ACCESS_H

#include <stdbool.h>

enum api_access { API_NONE, API_READ, API_WRITE };

/* 0, or -errno: the file must be there and hold a token. */
int access_check_file(const char *token_file);
/*
 * What the token in the header (or NULL) allows: that of token_file everything, that of read_token_file (NULL: none) to read. The files
 * are read each time: a changed token counts at once; no file: nobody.
 */
enum api_access access_of_token(const char *token_file, const char *read_token_file, const char *authorization);
/*
 * Without a token, whoever is on this host may come in, but not a web page through this host's browser: Host must name
 * the address itself (a page's DNS name may be rebound to 127.0.0.1) and Origin, when present, must be that Host.
 */
bool access_is_local(const char *host, const char *origin, bool is_tls);

#endif
