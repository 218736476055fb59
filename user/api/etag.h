/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Entity tags (RFC 9110, section 8.8.3) of groups and backends: another one whenever more than a counter or a measurement of the document is
 * different. Who sends the tag with a command (If-Match) changes only what is still as they saw it.
 */
#ifndef SHUNT_API_ETAG_H
#define SHUNT_API_ETAG_H

#include <stdbool.h>

#include "api/snapshot.h"

#define ETAG_MAX 24

enum etag_kind { ETAG_NONE, ETAG_GROUP, ETAG_BACKEND };

/* Of a path such as "/api/v1/groups/NAME/primary". */
enum etag_kind etag_kind_of(const char *path);
/* false: nothing has this name. The text has its quotes. */
bool etag_of(const struct snapshot *snapshot, enum etag_kind kind, const char *name, char ret_etag[ETAG_MAX]);
/* Whether a list of tags as in If-Match has this one, or is "*". */
bool etag_is_in(const char *list, const char *etag);

#endif
