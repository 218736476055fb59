/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What kinds of check do with the bytes they get. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "probe/kind.h"

bool probe_has(const struct config_bytes *wanted, const uint8_t *data, size_t length)
{
	return !wanted->length || memmem(data, length, wanted->data, wanted->length);
}

const char *probe_quote(const void *data, size_t length, char buffer[PROBE_QUOTE_MAX])
{
	const unsigned char *from = data;
	size_t at = 0;

	buffer[at++] = '"';
	for (size_t i = 0; i < length && at < PROBE_QUOTE_MAX - 6; i++) {
		bool plain = isascii(from[i]) && isprint(from[i]);

		at += snprintf(buffer + at, PROBE_QUOTE_MAX - at, "%c", plain ? from[i] : '?');
		if (at == PROBE_QUOTE_MAX - 6 && i + 1 < length)
			at += snprintf(buffer + at, PROBE_QUOTE_MAX - at, "…");
	}
	snprintf(buffer + at, PROBE_QUOTE_MAX - at, "\"");
	return buffer;
}

uint32_t probe_lag(const char *text)
{
	uint32_t lag = PROBE_LAG_NONE;

	for (const char *at = strstr(text, "lag="); at; at = strstr(at + 4, "lag=")) {
		size_t digits = strspn(at + 4, "0123456789");

		if ((at == text || isspace((unsigned char)at[-1]) || at[-1] == ',') && digits > 0 && digits < 10)
			lag = strtoul(at + 4, NULL, 10);
	}
	return lag;
}
