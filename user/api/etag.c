/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The tag is the fingerprint that the stream compares by, too. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "api/etag.h"
#include "api/fingerprint.h"

enum etag_kind etag_kind_of(const char *path)
{
	if (strncmp(path, "/api/v1/groups/", 15) == 0)
		return ETAG_GROUP;
	return strncmp(path, "/api/v1/backends/", 17) == 0 ? ETAG_BACKEND : ETAG_NONE;
}

bool etag_of(const struct snapshot *snapshot, enum etag_kind kind, const char *name, char ret_etag[ETAG_MAX])
{
	for (size_t i = 0; kind == ETAG_GROUP && i < snapshot->n_groups; i++)
		if (strcmp(snapshot->groups[i].name, name) == 0)
			return snprintf(ret_etag, ETAG_MAX, "\"%016" PRIx64 "\"", fingerprint_group(&snapshot->groups[i])) > 0;
	for (size_t i = 0; kind == ETAG_BACKEND && i < snapshot->n_backends; i++)
		if (strcmp(snapshot->backends[i].name, name) == 0)
			return snprintf(ret_etag, ETAG_MAX, "\"%016" PRIx64 "\"", fingerprint_backend(&snapshot->backends[i])) > 0;
	return false;
}

bool etag_is_in(const char *list, const char *etag)
{
	size_t length = strlen(etag);

	for (const char *at = list; *at; at += strcspn(at, ",")) {
		at += strspn(at, ", \t");
		if (*at == '*' || strncmp(at, etag, length) == 0)
			return true;
	}
	return false;
}
