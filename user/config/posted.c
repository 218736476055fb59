/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Groups that the API was given, as if the file had them. JSON is YAML: the same tables decode it. */
#include <stdlib.h>
#include <string.h>

#include "config/document.h"
#include "config/draft.h"

void *draft_append(struct items *items, size_t bytes, struct report *report)
{
	void *list = realloc(items->list, (items->n + 1) * bytes);

	if (!list) {
		report->out_of_memory = true;
		return NULL;
	}
	items->list = list;
	items->ok = true;
	return memset((char *)list + items->n++ * bytes, 0, bytes);
}

static bool has_group(const struct draft *draft, const char *name)
{
	const struct draft_group *groups = draft->groups.list;

	for (size_t i = 0; name && i < draft->groups.n; i++)
		if (groups[i].name.text && strcmp(groups[i].name.text, name) == 0)
			return true;
	return false;
}

/* Its texts belong to the document, which lives as long as the draft. */
static void add_group(struct draft *draft, yaml_document_t *document, struct report *report)
{
	struct draft_group decoded = {.posted = true}, *group;

	config_decode_group(document, &decoded, report);
	group = has_group(draft, decoded.name.text) ? NULL : draft_append(&draft->groups, sizeof(*group), report);
	if (group)
		*group = decoded;
	else
		draft_release_group(&decoded);
}

void draft_add_posted(struct draft *draft, const char *const *groups, size_t n, struct report *report)
{
	draft->posted = n ? calloc(n, sizeof(*draft->posted)) : NULL;
	report->out_of_memory = report->out_of_memory || (n && !draft->posted);
	for (size_t i = 0; draft->posted && i < n; i++) {
		yaml_document_t *document = &draft->posted[draft->n_posted];

		if (!document_load(groups[i], strlen(groups[i]), document, report))
			continue;
		draft->n_posted++;
		add_group(draft, document, report);
	}
}
