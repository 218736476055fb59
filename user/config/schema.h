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
	const char *standard;        /* the default as one would write it, which is what the reader takes; NULL: no one value */
	const char *otherwise;       /* what holds if the key is left out, in words, where there is no `standard` */
	const char *meaning;         /* for the reference and shunt.yaml(5); `…` marks what is typed as it stands */
};

struct schema {
	const char *noun;            /* what messages call one of it, before its name */
	size_t size;                 /* of the draft struct */
	bool bare_name;              /* one may be written as its first field (the name, mostly) alone */
	const struct field *fields;  /* ends with a NULL key; the first one holds the name, where things have names */
	const char *about;           /* for the reference: what it is. NULL: mostly written as its only field alone */
};

extern const struct schema config_schema, group_schema, service_schema, backend_schema, check_schema, gue_schema, prefix_schema, command_schema;

#define AT(type, member) .offset = offsetof(struct type, member)
#define SCHEMA(type, table) .size = sizeof(struct type), .fields = table
#define MS_PER_S 1000
#define MS_PER_HOUR (3600 * MS_PER_S)
#define PORT_MAX 65535
#define PREFIXES_MAX 250000 /* of one list; all lists of a kind share SHUNT_MAX_LISTED */
#define COMMAND_WORDS_MAX 64
#define TEXT_MAX 1024 /* bytes that a check sends, expects, or has as an argument */
#define BACKENDS_MAX (SHUNT_MAX_BACKENDS / 2) /* a reload holds the old and the new at once, hence the half */
#define PREFIX_LIST(type, member) FIELD_LIST, AT(type, member), .max = PREFIXES_MAX, .schema = &prefix_schema

#define EXPECTATION_MAX 512
#define FIELDS_MAX 48 /* of a schema */
#define FITS(table) _Static_assert(sizeof(table) / sizeof(table[0]) <= FIELDS_MAX, "raise FIELDS_MAX")

/*
 * A draft struct before the file says anything, all zero until now: each item of it, those of mappings within too, holds its field's
 * default (text, number, address) and is not `ok`, that is: not given.
 */
void schema_start(const struct schema *schema, void *draft);
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
