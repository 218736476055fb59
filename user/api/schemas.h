/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SHUNT_API_SCHEMAS_H
#define SHUNT_API_SCHEMAS_H

#include <stdbool.h>

/*
 * A member of a document. `type`: a word of JSON Schema, "time" (RFC 3339), or the name of another document; behind it "?" for
 * "or null", then "[]" for a list or "{}" for an object of them by name.
 */
struct schema_field {
	const char *of, *key, *type;
	const char *meaning; /* NULL: as the key says */
	bool optional;       /* it may be left out */
};

extern const struct schema_field api_schema_fields[]; /* those of a document stand together; ends with NULL */

#endif
