// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Loaded ahead of GnuTLS into ngtcp2's gtlsserver: puts the bytes of SERVER_ID (hexadecimal) behind the first byte of the
 * connection ids that it draws, as a server behind a balancer that reads them would. Those are the only random texts of 18
 * bytes there (its NGTCP2_SV_SCIDLEN).
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CONNECTION_ID_LEN 18

int gnutls_rnd(int level, void *data, size_t len);

int gnutls_rnd(int level, void *data, size_t len)
{
	static int (*draw)(int level, void *data, size_t len);
	const char *id = getenv("SERVER_ID");
	unsigned char *to = (unsigned char *)data + 1;
	int r;

	if (!draw)
		*(void **)&draw = dlsym(RTLD_NEXT, "gnutls_rnd");
	r = draw ? draw(level, data, len) : -1;
	for (; r == 0 && len == CONNECTION_ID_LEN && id && id[0] && id[1]; id += 2) {
		const char byte[] = {id[0], id[1], '\0'};

		*to++ = (unsigned char)strtoul(byte, NULL, 16);
	}
	return r;
}
