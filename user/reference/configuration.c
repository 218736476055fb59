/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The configuration file, as a page of Markdown and as shunt.yaml(5). */
#include <ctype.h>
#include <string.h>

#include "reference/reference.h"

/* ---- Markdown ---- */

/* As GitHub makes the anchor of a heading: small letters, blanks to hyphens, no punctuation. */
static void write_anchor(FILE *to, const char *heading)
{
	for (; *heading; heading++)
		if (isalnum((unsigned char)*heading) || *heading == '_')
			fputc(tolower(*heading), to);
		else if (*heading == ' ')
			fputc('-', to);
}

static const char *heading(const struct section *section)
{
	return *section->path ? section->path : "The file";
}

static void write_row(FILE *to, const struct section *sections, size_t n, const struct field *field)
{
	const struct section *below = section_of(sections, n, field->schema);
	char type[TYPE_MAX], standard[TYPE_MAX];

	fprintf(to, "| `%s` | ", field->key);
	if (below) {
		fprintf(to, "[%s](#", type_text(field, type));
		write_anchor(to, heading(below));
		fputc(')', to);
	} else
		fputs(type_text(field, type), to);
	fprintf(to, " | %s | %s |\n", default_text(field, standard), field->meaning);
}

static void write_section(FILE *to, const struct section *sections, size_t n, const struct section *section)
{
	const struct section *before = section_before(sections, section);

	fprintf(to, "\n## %s\n", heading(section));
	if (section->schema->about)
		fprintf(to, "%s%s%s%s\n\n", section->schema->about, *section->also ? " Also at " : "", section->also,
			*section->also ? "." : "");
	if (before) {
		const char *comma = "";

		fprintf(to, "The keys, as in [%s](#", heading(before));
		write_anchor(to, heading(before));
		fputs("): ", to);
		for (const struct field *field = section->schema->fields; field->key; field++, comma = ", ")
			fprintf(to, "%s`%s`", comma, field->key);
		fputs(".\n", to);
		return;
	}
	fputs("| key | takes | default | meaning |\n| --- | --- | --- | --- |\n", to);
	for (const struct field *field = section->schema->fields; field->key; field++)
		write_row(to, sections, n, field);
}

void write_configuration(FILE *to)
{
	struct section sections[SECTIONS_MAX];
	size_t n = sections_find(sections);

	fputs("<!-- Written by `make reference` from the tables in user/config/schema*.c. -->\n"
	      "# The configuration file\n"
	      "YAML, `/etc/shunt/shunt.yaml` where the package puts it; `man shunt.yaml` is this page. `shunt check FILE` validates a file and\n"
	      "names what is wrong by line and column; nothing is applied unless everything is valid. Durations are written `250ms`, `5s`, `10m`,\n"
	      "`2h`, percentages with their sign; names are 1 to 63 letters, digits, `_`, `.` or `-`. A default that is a value may as well be\n"
	      "written out: it changes nothing.\n",
	      to);
	for (size_t i = 0; i < n; i++)
		write_section(to, sections, n, &sections[i]);
}

/* ---- shunt.yaml(5), for scdoc ---- */

static void write_entry(FILE *to, const struct field *field)
{
	char type[TYPE_MAX], standard[TYPE_MAX];

	fputc('*', to);
	write_marked(to, field->key);
	fputs("*: ", to);
	write_marked(to, type_text(field, type));
	fputs("\n\t", to);
	write_marked(to, field->meaning);
	fputs(field->required ? ". It " : ". Default: ", to);
	write_marked(to, default_text(field, standard));
	fputs(".\n\n", to);
}

static void write_manual_section(FILE *to, const struct section *sections, const struct section *section)
{
	const struct section *before = section_before(sections, section);

	fputs("# ", to);
	write_marked(to, *section->path ? section->path : "KEYS");
	fputs("\n\n", to);
	if (section->schema->about)
		write_marked(to, section->schema->about);
	if (*section->also) {
		fputs(" Also at ", to);
		write_marked(to, section->also);
		fputc('.', to);
	}
	if (before) {
		fputs(" It has the keys of ", to);
		write_marked(to, heading(before));
		fputs(" from ", to);
		write_marked(to, section->schema->fields->key);
		fputs(" to ", to);
		for (const struct field *field = section->schema->fields; field->key; field++)
			if (!field[1].key)
				write_marked(to, field->key);
		fputc('.', to);
	}
	fputs("\n\n", to);
	for (const struct field *field = section->schema->fields; field->key && !before; field++)
		write_entry(to, field);
}

void write_configuration_manual(FILE *to)
{
	struct section sections[SECTIONS_MAX];
	size_t n = sections_find(sections);

	fputs("shunt.yaml(5) \"\" \"shunt\"\n\n# NAME\n\nshunt.yaml - configuration of the shunt load balancer\n\n# DESCRIPTION\n\n"
	      "*shuntd*(8) reads it, mostly from /etc/shunt/shunt.yaml. It is YAML. *shunt check* _FILE_ validates a file and names what is "
	      "wrong by line and column; nothing is applied unless everything is valid. *shunt reload* applies it to the running controller, "
	      "all or nothing.\n\nDurations are written 250ms, 5s, 10m or 2h, percentages with their sign; names are 1 to 63 letters, digits, "
	      "underscores, dots or hyphens. A default that is a value may as well be written out: it changes nothing.\n\n",
	      to);
	for (size_t i = 0; i < n; i++)
		write_manual_section(to, sections, &sections[i]);
	fputs("# FILES\n\n/etc/shunt/shunt.yaml\n\n/usr/share/doc/shunt/examples/shunt.yaml\n\n# SEE ALSO\n\n"
	      "*shunt*(1), *shuntd*(8)\n",
	      to);
}
