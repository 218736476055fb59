/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Who may use the API over TCP. */
#ifndef SHUNT_API_ACCESS_H
#define SHUNT_API_ACCESS_H

#include <stdbool.h>

/* 0, or -errno: the file must be there and hold a token. */
int access_check_file(const char *token_file);
/* authorization: the header or NULL. The file is read each time: a changed token counts at once; no file: nobody. */
bool access_has_token(const char *token_file, const char *authorization);
/*
 * Without a token, whoever is on this host may come in, but not a web page through this host's browser: Host must name
 * the address itself (a page's DNS name may be rebound to 127.0.0.1) and Origin, when present, must be that Host.
 */
bool access_is_local(const char *host, const char *origin);

#endif
