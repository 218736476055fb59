/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The reference, written from the tables that the programs themselves use. A tool of the build; nothing of it is installed. */
#ifndef SHUNT_REFERENCE_H
#define SHUNT_REFERENCE_H

#include <stdio.h>

#include "config/schema.h"

#define PATH_MAX_BYTES 256
#define TYPE_MAX (EXPECTATION_MAX + 64)

/* A mapping of the configuration and where it may stand. */
struct section {
	const struct schema *schema;
	char path[PATH_MAX_BYTES];     /* "services › limits"; "" for the file itself */
	char also[PATH_MAX_BYTES];     /* another place for it, or "" */
};

enum { SECTIONS_MAX = 64 };

/* All of them, each once, a mapping before those within it; returns how many. */
size_t sections_find(struct section sections[SECTIONS_MAX]);
const struct section *section_of(const struct section *sections, size_t n, const struct schema *schema); /* NULL: it has none */
/* The earlier section that describes all its keys in the very same words; NULL: none does. */
const struct section *section_before(const struct section *sections, const struct section *section);
/* What the field takes, in a few words. Returns `buffer`. */
const char *type_text(const struct field *field, char buffer[TYPE_MAX]);
const char *default_text(const struct field *field, char buffer[TYPE_MAX]);

/* For scdoc: `code` becomes bold, argp's \v a new paragraph, and what would be taken for markup is escaped. */
void write_marked(FILE *to, const char *text);

/* Each writes a page: Markdown for docs/reference, or the source of a manual page for scdoc. */
void write_configuration(FILE *to);
void write_configuration_manual(FILE *to);
void write_drop_reasons(FILE *to);
void write_metrics(FILE *to);
void write_events(FILE *to);
void write_exit_status(FILE *to);
void write_http(FILE *to);
void write_shunt_manual(FILE *to);
void write_shuntd_manual(FILE *to);
void write_decap_manual(FILE *to);

#endif
