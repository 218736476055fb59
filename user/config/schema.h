/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Internal to config: what a mapping may hold, as data. */
#ifndef SHUNT_CONFIG_SCHEMA_H
#define SHUNT_CONFIG_SCHEMA_H

#include "config/draft.h"
#include "config/words.h"

enum field_kind {
	FIELD_NAME,                  /* of a service, group or backend */
	FIELD_INTERFACE,
	FIELD_NUMBER,                /* min … max */
	FIELD_POWER_OF_TWO,          /* min … max */
	FIELD_DURATION,              /* min … max milliseconds */
	FIELD_PERCENT,               /* min … max, written with its sign */
	FIELD_NUMBER_OR_PERCENT,     /* min … max, or 1 % … 100 %; which, item_is_percent says */
	FIELD_WORD,                  /* one of `words` */
	FIELD_WORD_OR_NUMBER,        /* one of `words`, or min … max */
	FIELD_ADDRESS,               /* unicast */
	FIELD_ADDRESS_OR_PREFIX,     /* unicast; number: length of the prefix, 32 or 128 for an address */
	FIELD_IPV4_PREFIX,           /* unicast; number: its length */
	FIELD_IPV6,                  /* unicast */
	FIELD_PREFIX,                /* of clients; number: its length */
	FIELD_LISTEN,                /* address:port; number: the port */
	FIELD_NAME_SERVER,           /* address or address:port; number: the port */
	FIELD_URL_PATH,
	FIELD_URL,                   /* of HTTP or HTTPS, without user and password */
	FIELD_HOST,
	FIELD_FILE,
	FIELD_SERVER_ID,             /* number: bytes; they stand first in the address */
	FIELD_TIME,                  /* number: Unix milliseconds */
	FIELD_CRON,
	FIELD_TEXT,                  /* min … max bytes */
	FIELD_HEX,                   /* an even number of digits */
	FIELD_METHOD,                /* of HTTP */
	FIELD_STATUS,                /* of HTTP: codes and ranges of them */
	FIELD_KINDS_OF_ITEM,         /* the kinds above fill a struct item, those below do not */
	FIELD_MAPPING,               /* a struct of `schema` */
	FIELD_LIST,                  /* struct items of `schema`, min … max of them */
};

struct field {
	const char *key;
	enum field_kind kind;
	size_t offset;               /* in the draft struct that the mapping fills */
	bool required;
	uint64_t min, max;
	const struct word *words;
	const struct schema *schema;
};

struct schema {
	const char *noun;            /* what messages call one of it, before its name */
	size_t size;                 /* of the draft struct */
	bool bare_name;              /* one may be written as its first field (the name, mostly) alone */
	const struct field *fields;  /* ends with a NULL key; the first one holds the name, where things have names */
};

extern const struct schema config_schema, group_schema;

#define EXPECTATION_MAX 512
#define FIELDS_MAX 48 /* of a schema */

/* "200-299,304" as ranges; 0 or -EINVAL. Writes at most CONFIG_STATUS_RANGES_MAX of them. */
int status_parse(const char *text, struct config_status_range *ret_ranges, size_t *ret_n);
/* Fills number and address of an item from its text: 0 | -EINVAL. */
int scalar_parse(const struct field *field, struct item *item);
bool item_is_percent(const struct item *item);
/* What a field takes, as words after "must be". Returns `buffer`. */
const char *field_expectation(const struct field *field, char buffer[EXPECTATION_MAX]);
/* The keys of a schema as an enumeration. Returns `buffer`. */
const char *schema_keys(const struct schema *schema, char buffer[EXPECTATION_MAX]);

#endif
