/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Asks the controller and says what went wrong, with the remedy. Must not know what a document means. */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "shunt/cli.h"
#include "shunt/indent.h"

#define TOKEN_MAX 4096

int cli_fail(int exit_status, const char *format, ...)
{
	va_list arguments;

	fputs("shunt: ", stderr);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
	return exit_status;
}

int cli_token(const char *file, char **ret_token)
{
	size_t length;
	int r = file_read(file, TOKEN_MAX, ret_token, &length);

	if (r == 0)
		(*ret_token)[strcspn(*ret_token, " \t\r\n")] = '\0';
	return r;
}

bool cli_json_lines;

int cli_print_json(const json_t *document)
{
	json_dumpf(document, stdout,
		   (cli_json_lines ? JSON_COMPACT : JSON_INDENT(2)) | JSON_REAL_PRECISION(6) | JSON_ENCODE_ANY);
	putchar('\n');
	return EXIT_DONE;
}

static int unreachable(const struct cli *cli)
{
	int error = client_errno(cli->client);

	if (cli->url)
		return cli_fail(EXIT_UNREACHABLE,
				"cannot reach the controller at %s: %s\n"
				"shunt: does shuntd run there, and does its api: listen: name this address?",
				cli->url, client_reason(cli->client));
	cli_fail(EXIT_UNREACHABLE, "cannot reach the controller at %s: %s", cli->socket_path,
		 error ? strerror(error) : client_reason(cli->client));
	if (error == EACCES)
		return cli_fail(EXIT_UNREACHABLE, "run this as root, or as a member of the socket's group");
	return cli_fail(EXIT_UNREACHABLE, "does shuntd run (systemctl status shuntd)? "
					  "One with another --run-dir is reached by --socket PATH");
}

int cli_ask(struct cli *cli, const char *method, const char *path, const json_t *body, long *ret_status,
	    json_t **ret_document)
{
	if (client_call(cli->client, method, path, body, ret_status, ret_document) < 0)
		return unreachable(cli);
	return EXIT_DONE;
}

int cli_ask_if_there(struct cli *cli, const char *method, const char *path, const json_t *body, long *ret_status,
		     json_t **ret_document, bool *ret_nobody)
{
	int error;

	*ret_nobody = false;
	if (client_call(cli->client, method, path, body, ret_status, ret_document) == 0)
		return EXIT_DONE;
	error = client_errno(cli->client);
	*ret_nobody = !cli->url && (error == ENOENT || error == ECONNREFUSED);
	return *ret_nobody ? EXIT_DONE : unreachable(cli);
}

/* Errors of a configuration file come as they are, a line each; others as a sentence of ours. */
int cli_refused(struct cli *cli, long status, const json_t *document)
{
	const char *error = get_text(document, "error");

	if (!*error)
		return cli_fail(EXIT_REFUSED, "the server answered %ld, but not as shuntd does", status);
	if (strchr(error, '\n'))
		fprintf(stderr, "%s%s", error, error[strlen(error) - 1] == '\n' ? "" : "\n");
	else
		cli_fail(EXIT_REFUSED, "%s", error);
	if (status == 401 && cli->token_file)
		cli_fail(EXIT_REFUSED, "the token in %s is not the controller's", cli->token_file);
	else if (status == 401)
		cli_fail(EXIT_REFUSED, "give the token's file: --token-file FILE");
	return EXIT_REFUSED;
}

/* ---- did you mean ---- */

/* Levenshtein distance, a row at a time. */
static size_t distance(const char *a, const char *b)
{
	size_t n = strlen(b), row[257];

	if (n > 256 || strlen(a) > 256)
		return SIZE_MAX;
	for (size_t j = 0; j <= n; j++)
		row[j] = j;
	for (size_t i = 1; a[i - 1]; i++) {
		size_t diagonal = row[0];

		row[0] = i;
		for (size_t j = 1; j <= n; j++) {
			size_t best = diagonal + (a[i - 1] != b[j - 1]);

			diagonal = row[j];
			if (row[j] + 1 < best)
				best = row[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			row[j] = best;
		}
	}
	return row[n];
}

const char *nearest_name(const char *name, const char *const *names, size_t n)
{
	size_t best = strlen(name) / 3 > 2 ? strlen(name) / 3 : 2;
	const char *nearest = NULL;

	for (size_t i = 0; i < n; i++) {
		size_t d = distance(name, names[i]);

		if (d < best || (d == best && !nearest && d < strlen(name))) {
			best = d;
			nearest = names[i];
		}
	}
	return nearest;
}

void cli_suggest(struct cli *cli, const char *kind, const char *name)
{
	_cleanup_(freep) char *path = client_path(cli->client, kind, NULL, NULL);
	_cleanup_(freep) const char **names = NULL;
	const char *nearest;
	json_t *list = NULL;
	long status;
	size_t n;

	if (!path || client_call(cli->client, "GET", path, NULL, &status, &list) < 0)
		return;
	n = json_array_size(list);
	names = calloc(n + 1, sizeof(*names));
	for (size_t i = 0; names && i < n; i++)
		names[i] = get_text(json_array_get(list, i), "name");
	nearest = names ? nearest_name(name, names, n) : NULL;
	if (nearest && strcmp(nearest, name) != 0)
		cli_fail(EXIT_REFUSED, "did you mean \"%s\"?", nearest);
	else if (!nearest && n)
		cli_fail(EXIT_REFUSED, "'shunt %s' lists the %zu that there %s", kind, n, n == 1 ? "is" : "are");
	json_decref(list);
}

/* ---- calls on the resources of the API ---- */

/* Says why it was refused, and which name may have been meant. */
static int refused(struct cli *cli, long status, json_t *take_document, const char *kind, const char *name)
{
	int r = cli_refused(cli, status, take_document);

	json_decref(take_document);
	if (status == 404 && name)
		cli_suggest(cli, kind, name);
	return r;
}

int cli_call(struct cli *cli, const char *method, const char *kind, const char *name, const char *action,
	     json_t *take_body, json_t **ret_document)
{
	_cleanup_(freep) char *path = client_path(cli->client, kind, name, action);
	json_t *document = NULL;
	long status = 0;
	int r = path ? cli_ask(cli, method, path, take_body, &status, &document)
		     : cli_fail(EXIT_REFUSED, "out of memory");

	json_decref(take_body);
	if (r != EXIT_DONE)
		return r;
	if (status != 200 || !document)
		return refused(cli, status, document, kind, name);
	*ret_document = document;
	return EXIT_DONE;
}

int cli_get(struct cli *cli, const char *kind, const char *name, json_t **ret_document)
{
	return cli_call(cli, "GET", kind, name, NULL, NULL, ret_document);
}

struct shown {
	struct indent indent;
	bool begun, foreign;
};

/* What is neither an object nor a list is not shuntd's. */
static void show_piece(void *userdata, const char *bytes, size_t length)
{
	struct shown *shown = userdata;

	if (!shown->begun && *bytes != '{' && *bytes != '[')
		shown->foreign = true;
	if (shown->foreign)
		return;
	shown->begun = true;
	if (cli_json_lines)
		fwrite(bytes, 1, length, stdout);
	else
		indent_put(&shown->indent, bytes, length);
}

int cli_show_json(struct cli *cli, const char *kind, const char *name)
{
	_cleanup_(freep) char *path = client_path(cli->client, kind, name, NULL);
	struct shown shown = {.indent.to = stdout};
	json_t *refusal = NULL;
	long status;
	int r;

	if (!path)
		return cli_fail(EXIT_REFUSED, "out of memory");
	r = client_get(cli->client, path, show_piece, &shown, &status, &refusal);
	if (shown.begun)
		indent_end(&shown.indent);
	if (r < 0)
		return unreachable(cli);
	return shown.begun ? EXIT_DONE : refused(cli, status, refusal, kind, name);
}
