/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* check, reload, detach, maps, explain: the whole installation and its program. */
#include <string.h>

#include "base/cleanup.h"
#include "config/config.h"
#include "net/address.h"
#include "shunt/cli.h"

static void print_messages_json(const char *path, bool ok, const struct config_messages *messages)
{
	json_t *list = json_array(), *document;

	for (size_t i = 0; i < messages->n; i++)
		json_array_append_new(list, json_pack("{s:i, s:i, s:b, s:s}", "line", messages->list[i].line, "column",
						      messages->list[i].column, "error", (int)messages->list[i].is_error, "text",
						      messages->list[i].text));
	document = json_pack("{s:s, s:b, s:o}", "file", path, "ok", (int)ok, "messages", list);
	cli_print_json(document);
	json_decref(document);
}

int command_check(struct cli *cli)
{
	struct config_messages messages = {};
	struct config *config = NULL;
	int r = config_load(cli->positional[0], &config, &messages);

	if (cli->json)
		print_messages_json(cli->positional[0], r == 0, &messages);
	else
		config_messages_print(&messages, cli->positional[0], stderr);
	if (r == 0 && !cli->json)
		printf("%s: ok\n", cli->positional[0]);
	config_messages_clear(&messages);
	config_free(config);
	return r == 0 ? EXIT_DONE : EXIT_REFUSED;
}

int command_reload(struct cli *cli)
{
	json_t *body = cli->option[OPTION_FORCE] ? json_pack("{s:b}", "force", 1) : NULL, *answer, *changed, *line;
	size_t i;
	int r;

	if (cli->option[OPTION_DRY_RUN])
		return cli_dry_run(cli, "reload", NULL, NULL, body);
	r = cli_call(cli, "POST", "reload", NULL, NULL, body, &answer);

	if (r != EXIT_DONE)
		return r;
	changed = json_object_get(answer, "changed");
	if (cli->json) {
		cli_print_json(answer);
	} else if (!json_array_size(changed)) {
		puts("reloaded: nothing changed");
	} else {
		printf("reloaded: %zu change%s\n", json_array_size(changed), plural(json_array_size(changed)));
		json_array_foreach(changed, i, line)
			printf("  %s\n", json_string_value(line) ?: "");
	}
	json_decref(answer);
	return EXIT_DONE;
}

int command_detach(struct cli *cli)
{
	json_t *answer;
	int r = cli_call(cli, "POST", "detach", NULL, NULL, NULL, &answer);

	if (r != EXIT_DONE)
		return r;
	if (cli->json)
		cli_print_json(answer);
	else
		puts("detached: the data path is off the interfaces, nothing is forwarded");
	json_decref(answer);
	return EXIT_DONE;
}

int command_maps(struct cli *cli)
{
	struct table table = {
		.n_columns = 7,
		.header = {"MAP", "TYPE", "ENTRIES", "KEY B", "VALUE B", "MEMORY", "PIN"},
		.right = {false, false, true, true, true, true, false},
	};
	char memory[HUMAN_TEXT_MAX];
	json_t *maps, *map;
	size_t i;
	int r = cli_get(cli, "maps", NULL, &maps);

	if (r != EXIT_DONE)
		return r;
	if (cli->json) {
		cli_print_json(maps);
		json_decref(maps);
		return EXIT_DONE;
	}
	json_array_foreach(maps, i, map) {
		table_put(&table, BOLD, "%s", get_text(map, "name"));
		table_put(&table, PLAIN, "%s", get_text(map, "type"));
		table_put(&table, PLAIN, "%lld", (long long)get_number(map, "entries"));
		table_put(&table, PLAIN, "%lld", (long long)get_number(map, "key_bytes"));
		table_put(&table, PLAIN, "%lld", (long long)get_number(map, "value_bytes"));
		table_put(&table, PLAIN, "%s", human_bytes((uint64_t)get_number(map, "memory_bytes"), memory));
		table_put(&table, PLAIN, "%s", get_text(map, "path"));
	}
	table_print(&table, &cli->style, stdout);
	putchar('\n');
	json_array_foreach(maps, i, map)
		printf("bpftool map dump pinned %s\n", get_text(map, "path"));
	json_decref(maps);
	return EXIT_DONE;
}

/* "if it failed    b2 (the group would be failed-over)" */
static void put_next(struct table *table, const char *if_what, const json_t *next)
{
	const char *flow = get_text(next, "backend"), *fresh = get_text(next, "new_flow_backend");
	const char *state = get_text(next, "group_state");

	if (!json_is_object(next))
		return;
	table_put(table, DIM, "%s", if_what);
	if (strcmp(flow, fresh) == 0)
		table_put(table, PLAIN, "this flow and new ones go to %s; the group is %s", *flow ? flow : "nobody", state);
	else
		table_put(table, PLAIN, "this flow %s %s, new ones go to %s; the group is %s", *flow ? "stays on" : "goes to",
			  *flow ? flow : "nobody", *fresh ? fresh : "nobody", state);
}

/* What is known of it, and then what would be. */
static void print_explanation(const json_t *answer, const struct style *style)
{
	const char *backend = get_text(answer, "backend");
	struct table table = {.n_columns = 2};
	char if_failed[160], if_drained[160];
	json_t *now = json_copy((json_t *)answer);

	json_object_del(now, "if_failed");
	json_object_del(now, "if_drained");
	print_object(now, style);
	json_decref(now);
	snprintf(if_failed, sizeof(if_failed), "if %s failed", backend);
	snprintf(if_drained, sizeof(if_drained), "if %s were drained", backend);
	put_next(&table, if_failed, json_object_get(answer, "if_failed"));
	put_next(&table, if_drained, json_object_get(answer, "if_drained"));
	if (table.n_cells)
		putchar('\n');
	table_print(&table, style, stdout);
}

int command_explain(struct cli *cli)
{
	_cleanup_(freep) char *source = client_escape(cli->client, cli->positional[1]);
	_cleanup_(freep) char *destination = client_escape(cli->client, cli->positional[2]);
	_cleanup_(freep) char *path = NULL;
	const char *protocol = cli->positional[0];
	json_t *answer = NULL;
	struct shunt_addr address;
	uint16_t port;
	long status;
	int r;

	if (strcmp(protocol, "tcp") != 0 && strcmp(protocol, "udp") != 0)
		return cli_fail(EXIT_USAGE, "the protocol must be tcp or udp, not \"%s\"", protocol);
	for (size_t i = 1; i <= 2; i++)
		if (address_port_parse(cli->positional[i], &address, &port) < 0)
			return cli_fail(EXIT_USAGE, "\"%s\" is not ADDRESS:PORT (IPv6: [ADDRESS]:PORT)",
					cli->positional[i]);
	if (asprintf(&path, "/api/v1/explain?proto=%s&src=%s&dst=%s", protocol, source ?: "", destination ?: "") < 0)
		return cli_fail(EXIT_REFUSED, "out of memory");
	r = cli_ask(cli, "GET", path, NULL, &status, &answer);
	if (r == EXIT_DONE && (status != 200 || !answer))
		r = cli_refused(cli, status, answer);
	else if (r == EXIT_DONE && cli->json)
		cli_print_json(answer);
	else if (r == EXIT_DONE)
		print_explanation(answer, &cli->style);
	json_decref(answer);
	return r;
}
