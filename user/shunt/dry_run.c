/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* --dry-run: what a command would move, as the controller foresees it. */
#include <inttypes.h>

#include "shunt/cli.h"

static void print_group(const json_t *group)
{
	const json_t *to = json_object_get(group, "to");
	json_t *part;
	size_t i;

	printf("%s: %" PRId64 " of %" PRId64 " slots (%.3g %%) would move", get_text(group, "name"), get_number(group, "slots"),
	       get_number(group, "of"), get_real(group, "percent"));
	json_array_foreach(to, i, part)
		printf("%s%s %" PRId64 " (%.3g %%)", i ? ", " : ": to ", *get_text(part, "backend") ? get_text(part, "backend") : "nobody",
		       get_number(part, "slots"), get_real(part, "percent"));
	printf("; it would be %s\n", get_text(group, "state"));
}

static void print_changes(const json_t *changed)
{
	json_t *line;
	size_t i;

	if (json_is_array(changed) && !json_array_size(changed))
		puts("nothing would change");
	json_array_foreach(changed, i, line)
		printf("%s\n", json_string_value(line) ?: "");
}

int cli_dry_run(struct cli *cli, const char *kind, const char *name, const char *action, json_t *take_body)
{
	json_t *body = take_body ? take_body : json_object(), *answer, *group;
	size_t i;
	int r;

	json_object_set_new(body, "dry_run", json_true());
	r = cli_call(cli, "POST", kind, name, action, body, &answer);
	if (r != EXIT_DONE)
		return r;
	if (cli->json) {
		cli_print_json(answer);
		json_decref(answer);
		return r;
	}
	print_changes(json_object_get(answer, "changed"));
	json_array_foreach(json_object_get(answer, "groups"), i, group)
		print_group(group);
	if (json_object_get(answer, "flows"))
		printf("%" PRId64 " pinned flow%s of the backend %s\n", get_number(answer, "flows"),
		       plural((uint64_t)get_number(answer, "flows")),
		       action && *action == 'm' ? "would move" : "would stay until they end");
	puts("dry run: nothing was changed");
	json_decref(answer);
	return r;
}
