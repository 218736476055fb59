/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * convert keepalived: a shunt.yaml that does what the virtual servers of a keepalived.conf do. What has no counterpart is
 * told in comments at the head of what is written, with file and line, never left out in silence.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/number.h"
#include "net/address.h"
#include "shunt/cli.h"
#include "shunt/keepalived.h"

#define INTERVAL_DEFAULT_S 60  /* keepalived's delay_loop */
#define TIMEOUT_DEFAULT_S 5    /* its connect_timeout */
#define RANGE_MAX 256

struct conversion {
	const char *path;
	const json_t *top;
	json_t *notes;             /* what was not carried over, a line each */
	json_t *backends;          /* by name */
	json_t *interfaces;        /* named by vrrp_instance */
	FILE *services, *groups;
	size_t n_services;
};

static void note(struct conversion *conversion, const json_t *statement, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
static void note(struct conversion *conversion, const json_t *statement, const char *format, ...)
{
	_cleanup_(freep) char *text = NULL;
	va_list arguments;

	va_start(arguments, format);
	if (vasprintf(&text, format, arguments) < 0)
		text = NULL;
	va_end(arguments);
	for (char *c = text; c && *c; c++)
		*c = *c == '\n' ? ' ' : *c;
	json_array_append_new(conversion->notes, json_sprintf("%s:%" PRId64 ": %s", conversion->path,
							      get_number(statement, "line"), text ?: ""));
}

static uint64_t seconds_of(const char *text, uint64_t otherwise)
{
	char *end;
	double seconds = strtod(text, &end);

	return *text && !*end && seconds > 0 ? (uint64_t)(seconds * 1000) : otherwise * 1000;
}

static void put_duration(FILE *to, const char *key, uint64_t ms)
{
	fprintf(to, ", %s: %" PRIu64 "%s", key, ms % 1000 ? ms : ms / 1000, ms % 1000 ? "ms" : "s");
}

/* In double quotes, as YAML reads it. */
static void put_quoted(FILE *to, const char *text)
{
	_cleanup_(freep) char *quoted = NULL;
	json_t *string = json_string(text);

	quoted = json_dumps(string, JSON_ENCODE_ANY);
	fputs(quoted ?: "\"\"", to);
	json_decref(string);
}

/* A name that the configuration takes. */
static void name_of(char *buffer, size_t size, const char *kind, const char *address, const char *port)
{
	snprintf(buffer, size, "%s-%s%s%s", kind, address, *port && strcmp(port, "0") != 0 ? "-" : "",
		 strcmp(port, "0") != 0 ? port : "");
	for (char *c = buffer; *c; c++)
		*c = *c == ':' ? '_' : *c;
}

/* ---- what is told and left ---- */

/* Statements of a block that are neither carried over nor without meaning here. */
static void note_rest(struct conversion *conversion, const json_t *block, const char *known, const char *of)
{
	json_t *statement;
	size_t i;

	json_array_foreach((json_t *)block, i, statement) {
		json_t *alone = json_pack("[O]", statement);

		if (!keepalived_find(alone, known))
			note(conversion, statement, "%s of %s is not carried over", keepalived_word(statement, 0), of);
		json_decref(alone);
	}
}

/* ---- checks ---- */

struct check_kind {
	const char *word, *type;
};

static const struct check_kind checks[] = {
	{"HTTP_GET", "http"}, {"SSL_GET", "https"}, {"TCP_CHECK", "tcp"}, {"DNS_CHECK", "dns"},
	{"PING_CHECK", "icmp"}, {"MISC_CHECK", "exec"}, {"SMTP_CHECK", "tcp"},
};

static const json_t *check_of(const json_t *real_server, const struct check_kind **ret_kind)
{
	for (size_t i = 0; i < sizeof(checks) / sizeof(*checks); i++) {
		const json_t *check = keepalived_find(json_object_get(real_server, "body"), checks[i].word);

		if (!check)
			continue;
		*ret_kind = &checks[i];
		return check;
	}
	return NULL;
}

static void put_http(struct conversion *conversion, const json_t *check, const json_t *server, FILE *to)
{
	const json_t *body = json_object_get(check, "body"), *url = json_object_get(keepalived_find(body, "url"), "body");
	const char *path = keepalived_value(url, "path"), *status = keepalived_value(url, "status_code");
	const char *host = keepalived_value(url, "virtualhost");

	host = *host ? host : keepalived_value(body, "virtualhost");
	host = *host ? host : keepalived_value(json_object_get(server, "body"), "virtualhost");
	fputs(", path: ", to);
	put_quoted(to, *path ? path : "/");
	if (*status)
		fprintf(to, ", status: \"%s\"", status);
	if (*host) {
		fputs(", host: ", to);
		put_quoted(to, host);
	}
	if (keepalived_find(url, "digest|regex"))
		note(conversion, check, "the page is not compared (digest, regex): its status decides");
}

static void put_command(const json_t *body, FILE *to)
{
	_cleanup_(freep) char *command = strdup(keepalived_value(body, "misc_path"));
	char *rest = NULL;
	const char *separator = "";

	fputs(", command: [", to);
	for (char *word = strtok_r(command, " \t", &rest); word; word = strtok_r(NULL, " \t", &rest)) {
		fputs(separator, to);
		put_quoted(to, word);
		separator = ", ";
	}
	fputc(']', to);
}

static void put_question(struct conversion *conversion, const struct check_kind *kind, const json_t *check, const json_t *server, FILE *to)
{
	const json_t *body = json_object_get(check, "body");

	fprintf(to, "type: %s", kind->type);
	if (strcmp(kind->type, "http") == 0 || strcmp(kind->type, "https") == 0)
		put_http(conversion, check, server, to);
	else if (strcmp(kind->type, "exec") == 0)
		put_command(body, to);
	else if (strcmp(kind->type, "dns") == 0) {
		fputs(", query: ", to);
		put_quoted(to, *keepalived_value(body, "name") ? keepalived_value(body, "name") : ".");
	}
	if (strcmp(kind->word, "SMTP_CHECK") == 0)
		note(conversion, check, "SMTP_CHECK becomes a tcp check: that the server greets is not asked");
	if (*keepalived_value(body, "connect_port"))
		fprintf(to, ", port: %s", keepalived_value(body, "connect_port"));
}

/* The first real server's; shunt checks all of a group alike. */
static void put_check(struct conversion *conversion, const json_t *server, const json_t *first, FILE *to)
{
	const struct check_kind *kind = NULL;
	const json_t *check = check_of(first, &kind), *body = json_object_get(check, "body");
	uint64_t interval = seconds_of(keepalived_value(json_object_get(server, "body"), "delay_loop"), INTERVAL_DEFAULT_S);
	uint64_t timeout = seconds_of(keepalived_value(body, "connect_timeout|misc_timeout"), TIMEOUT_DEFAULT_S);
	uint64_t again = seconds_of(keepalived_value(body, "delay_before_retry"), 0), retries;
	const char *retry = keepalived_value(body, "retry|nb_get_retry");

	if (!check) {
		fputs("    health_check: {type: none}\n", to);
		return;
	}
	fputs("    health_check: {", to);
	put_question(conversion, kind, check, server, to);
	put_duration(to, "interval", interval);
	put_duration(to, "timeout", timeout < interval ? timeout : interval);
	if (again && again < interval)
		put_duration(to, "fast_interval", again);
	if (number_parse(retry, 0, 999, &retries) == 0)
		fprintf(to, ", unhealthy_threshold: %" PRIu64, retries + 1);
	fputs("}\n", to);
}

static bool same_check(const json_t *a, const json_t *b)
{
	const struct check_kind *kind_a = NULL, *kind_b = NULL;
	const json_t *x = check_of(a, &kind_a), *y = check_of(b, &kind_b);
	_cleanup_(freep) char *text_x = NULL, *text_y = NULL;
	char *c, *d;

	if (!x || !y || kind_a != kind_b)
		return x == y;
	text_x = json_dumps(x, 0);
	text_y = json_dumps(y, 0);
	/* lines differ, all else must not */
	for (c = text_x, d = text_y; c && d && *c && *d;) {
		if (strncmp(c, "\"line\": ", 8) == 0 && strncmp(d, "\"line\": ", 8) == 0) {
			c += 8 + strspn(c + 8, "0123456789");
			d += 8 + strspn(d + 8, "0123456789");
		} else if (*c++ != *d++) {
			return false;
		}
	}
	return c && d && *c == *d;
}

/* ---- backends and groups ---- */

/* Returns the backend's name, in `buffer`. */
static const char *add_backend(struct conversion *conversion, const json_t *real, char *buffer, size_t size)
{
	const char *address = keepalived_word(real, 1), *port = keepalived_word(real, 2);
	const char *weight = keepalived_value(json_object_get(real, "body"), "weight");
	json_t *wanted = json_pack("{s:s, s:s, s:s}", "address", address, "port", port, "weight", *weight ? weight : "1");

	name_of(buffer, size, "rs", address, port);
	for (unsigned i = 2; json_object_get(conversion->backends, buffer) &&
			     !json_equal(json_object_get(conversion->backends, buffer), wanted); i++) {
		name_of(buffer, size, "rs", address, port);
		snprintf(buffer + strlen(buffer), size - strlen(buffer), "_%u", i);
	}
	json_object_set_new(conversion->backends, buffer, wanted);
	return buffer;
}

static void put_group(struct conversion *conversion, const json_t *server, const char *group, const char *sorry_group)
{
	const json_t *first = NULL;
	const char *separator = "";
	json_t *statement;
	char name[128];
	size_t i;

	fprintf(conversion->groups, "  - name: %s\n    mode: active-active\n    backends: [", group);
	json_array_foreach(json_object_get(server, "body"), i, statement) {
		if (strcmp(keepalived_word(statement, 0), "real_server") != 0)
			continue;
		fprintf(conversion->groups, "%s%s", separator, add_backend(conversion, statement, name, sizeof(name)));
		separator = ", ";
		if (first && !same_check(first, statement))
			note(conversion, statement, "real_server %s has another check than the first: shunt checks a group's backends alike",
			     keepalived_word(statement, 1));
		first = first ?: statement;
		note_rest(conversion, json_object_get(statement, "body"),
			  "weight|HTTP_GET|SSL_GET|TCP_CHECK|DNS_CHECK|PING_CHECK|MISC_CHECK|SMTP_CHECK", keepalived_word(statement, 1));
	}
	fputs("]\n", conversion->groups);
	if (*sorry_group)
		fprintf(conversion->groups, "    fallback: %s\n", sorry_group);
	put_check(conversion, server, first, conversion->groups);
}

static void put_sorry_group(struct conversion *conversion, const json_t *sorry, const char *group)
{
	char name[128];

	fprintf(conversion->groups, "  - name: %s\n    mode: active-active\n    backends: [%s]\n    health_check: {type: none}\n", group,
		add_backend(conversion, sorry, name, sizeof(name)));
}

/* ---- services ---- */

static const char *word_for(const char *const words[][2], size_t n, const char *word)
{
	for (size_t i = 0; i < n; i++)
		if (strcasecmp(words[i][0], word) == 0)
			return words[i][1];
	return NULL;
}

#define WORD_FOR(words, word) word_for(words, sizeof(words) / sizeof(*words), word)

static void put_how(struct conversion *conversion, const json_t *server)
{
	static const char *const kinds[][2] = {{"NAT", "nat"}, {"DR", "l2"}, {"TUN", "ipip"}};
	static const char *const algorithms[][2] = {
		{"rr", "round-robin"}, {"wrr", "round-robin"}, {"lc", "least-connections"}, {"wlc", "least-connections"},
		{"", "least-connections"}, {"sh", "maglev"}, {"mh", "maglev"}};
	const json_t *body = json_object_get(server, "body");
	const char *kind = WORD_FOR(kinds, keepalived_value(body, "lb_kind|lvs_method"));
	const char *word = keepalived_value(body, "lb_algo|lvs_sched"), *algorithm = WORD_FOR(algorithms, word);
	bool sticky = *keepalived_value(body, "persistence_timeout") || strcasecmp(word, "sh") == 0;

	fprintf(conversion->services, "    forward: %s\n", kind ?: "nat");
	if (!kind)
		note(conversion, server, "no lb_kind that is known: taken for NAT");
	if (!algorithm)
		note(conversion, server, "lb_algo %s has no counterpart: maglev", word);
	if (sticky)
		fputs("    hash: source-ip\n", conversion->services);
	else
		fprintf(conversion->services, "    scheduler: %s\n", algorithm ?: "maglev");
	if (*keepalived_value(body, "persistence_timeout"))
		note(conversion, server, "persistence_timeout becomes hash: source-ip, which keeps a client on its backend without a time limit");
}

static void put_service(struct conversion *conversion, const json_t *server, const char *address, const char *port, const char *group)
{
	const char *protocol = keepalived_value(json_object_get(server, "body"), "protocol");
	bool udp = strcasecmp(protocol, "UDP") == 0;
	char name[128];

	name_of(name, sizeof(name), udp ? "udp" : "tcp", address, port);
	fprintf(conversion->services, "  - name: %s\n    address: \"%s\"\n    protocol: %s\n    port: %s\n    group: %s\n", name, address,
		udp ? "udp" : "tcp", *port ? port : "0", group);
	put_how(conversion, server);
	conversion->n_services++;
}

/* Addresses of a line of a virtual_server_group: one, or "192.0.2.10-12". */
static void put_services_of_line(struct conversion *conversion, const json_t *server, const json_t *line, const char *group)
{
	const char *from = keepalived_word(line, 0), *port = keepalived_word(line, 1), *dash = strchr(from, '-');
	_cleanup_(freep) char *first = strndup(from, strcspn(from, "-"));
	char *dot = first ? strrchr(first, '.') : NULL;
	uint64_t low, high;

	if (strcmp(from, "fwmark") == 0) {
		note(conversion, line, "fwmark: shunt chooses by address, protocol and port; list the addresses");
	} else if (!dash) {
		put_service(conversion, server, from, port, group);
	} else if (dot && number_parse(dot + 1, 0, 255, &low) == 0 && number_parse(dash + 1, low, 255, &high) == 0) {
		*dot = '\0';
		for (uint64_t i = low; i <= high; i++) {
			char address[64];

			snprintf(address, sizeof(address), "%s.%" PRIu64, first, i);
			put_service(conversion, server, address, port, group);
		}
	} else {
		note(conversion, line, "the range %s is not carried over: list the addresses", from);
	}
}

static void put_services_of_group(struct conversion *conversion, const json_t *server, const char *group)
{
	const char *wanted = keepalived_word(server, 2);
	json_t *statement, *line;
	size_t i, j;

	json_array_foreach((json_t *)conversion->top, i, statement)
		if (strcmp(keepalived_word(statement, 0), "virtual_server_group") == 0 && strcmp(keepalived_word(statement, 1), wanted) == 0)
			json_array_foreach(json_object_get(statement, "body"), j, line)
				put_services_of_line(conversion, server, line, group);
}

static void convert_server(struct conversion *conversion, const json_t *server)
{
	static const char known[] = "delay_loop|lb_algo|lvs_sched|lb_kind|lvs_method|protocol|persistence_timeout|virtualhost|sorry_server|"
				    "real_server|alpha";
	const json_t *body = json_object_get(server, "body"), *sorry = keepalived_find(body, "sorry_server");
	const char *address = keepalived_word(server, 1), *port = keepalived_word(server, 2);
	bool of_group = strcmp(address, "group") == 0;
	char group[128], sorry_group[128] = "";

	if (strcmp(address, "fwmark") == 0) {
		note(conversion, server, "virtual_server fwmark %s is not carried over: shunt chooses by address, protocol and port; list the "
		     "addresses that are marked as services", port);
		return;
	}
	if (strcasecmp(keepalived_value(body, "protocol"), "SCTP") == 0) {
		note(conversion, server, "virtual_server %s %s is SCTP, which shunt does not forward", address, port);
		return;
	}
	if (!keepalived_find(body, "real_server") && !sorry) {
		note(conversion, server, "virtual_server %s %s has no real_server", address, port);
		return;
	}
	name_of(group, sizeof(group), "group", of_group ? port : address, of_group ? "" : port);
	if (strcasecmp(keepalived_value(body, "protocol"), "UDP") == 0)
		strncat(group, "-udp", sizeof(group) - strlen(group) - 1);
	note_rest(conversion, body, known, of_group ? port : address);
	if (sorry) {
		snprintf(sorry_group, sizeof(sorry_group), "sorry-%.100s", group + strlen("group-"));
		put_sorry_group(conversion, sorry, sorry_group);
	}
	put_group(conversion, server, group, sorry_group);
	if (of_group)
		put_services_of_group(conversion, server, group);
	else
		put_service(conversion, server, address, port, group);
}

static void convert_top(struct conversion *conversion)
{
	json_t *statement;
	size_t i;

	json_array_foreach((json_t *)conversion->top, i, statement) {
		const char *word = keepalived_word(statement, 0), *interface = keepalived_value(json_object_get(statement, "body"), "interface");

		if (strcmp(word, "virtual_server") == 0)
			convert_server(conversion, statement);
		else if (strcmp(word, "vrrp_instance") == 0 && *interface)
			json_object_set_new(conversion->interfaces, interface, json_true());
		if (strcmp(word, "vrrp_instance") == 0)
			note(conversion, statement, "vrrp_instance %s stays keepalived's: shunt does not speak VRRP", keepalived_word(statement, 1));
		else if (strcmp(word, "include") == 0)
			note(conversion, statement, "include %s was not read: convert it as well", keepalived_word(statement, 1));
	}
}

/* ---- the file ---- */

static void print_head(const struct conversion *conversion)
{
	const char *name;
	json_t *value;
	size_t i;

	printf("# Made by `shunt convert keepalived %s`.\n", conversion->path);
	if (json_array_size(conversion->notes))
		puts("# Not carried over, or not quite:");
	json_array_foreach(conversion->notes, i, value)
		printf("#   %s\n", json_string_value(value));
	if (!json_object_size(conversion->interfaces)) {
		puts("# The interface that traffic comes in by: keepalived.conf does not say it.\ninterfaces: [eth0]");
		return;
	}
	fputs("interfaces: [", stdout);
	json_object_foreach(conversion->interfaces, name, value)
		printf("%s%s", name == json_object_iter_key(json_object_iter(conversion->interfaces)) ? "" : ", ", name);
	puts("]");
}

static void print_backends(const struct conversion *conversion)
{
	const char *name;
	json_t *backend;

	puts("backends:");
	json_object_foreach(conversion->backends, name, backend) {
		const char *port = get_text(backend, "port");

		printf("  - {name: %s, address: \"%s\", weight: %s%s%s}\n", name, get_text(backend, "address"), get_text(backend, "weight"),
		       *port && strcmp(port, "0") != 0 ? ", port: " : "", strcmp(port, "0") != 0 ? port : "");
	}
}

static int convert(struct conversion *conversion)
{
	_cleanup_(freep) char *services = NULL, *groups = NULL;
	size_t length;

	conversion->services = open_memstream(&services, &length);
	conversion->groups = open_memstream(&groups, &length);
	if (!conversion->services || !conversion->groups)
		return cli_fail(EXIT_REFUSED, "out of memory");
	convert_top(conversion);
	fclose(conversion->services);
	fclose(conversion->groups);
	if (!conversion->n_services)
		return cli_fail(EXIT_REFUSED, "%s has no virtual_server that can be converted%s%s", conversion->path,
				json_array_size(conversion->notes) ? ": " : "",
				json_string_value(json_array_get(conversion->notes, 0)) ?: "");
	print_head(conversion);
	printf("services:\n%sfailover_groups:\n%s", services, groups);
	print_backends(conversion);
	return EXIT_DONE;
}

/* The same text, in a document with what stands at its head. */
static int convert_json(struct conversion *conversion)
{
	_cleanup_(freep) char *text = NULL;
	FILE *out = stdout, *to;
	json_t *document;
	size_t length;
	int r;

	to = open_memstream(&text, &length);
	if (!to)
		return cli_fail(EXIT_REFUSED, "out of memory");
	stdout = to;
	r = convert(conversion);
	stdout = out;
	fclose(to);
	if (r != EXIT_DONE)
		return r;
	document = json_pack("{s:s, s:O}", "configuration", text, "notes", conversion->notes);
	cli_print_json(document);
	json_decref(document);
	return EXIT_DONE;
}

int command_convert(struct cli *cli)
{
	struct conversion conversion = {.path = cli->positional[1]};
	json_t *top = NULL;
	int r;

	if (strcmp(cli->positional[0], "keepalived") != 0)
		return cli_fail(EXIT_USAGE, "only keepalived's files can be converted: shunt convert keepalived %s", cli->positional[1]);
	r = keepalived_read(cli->positional[1], &top);
	if (r < 0)
		return cli_fail(EXIT_REFUSED, "%s: %s", cli->positional[1], strerror(-r));
	conversion.top = top;
	conversion.notes = json_array();
	conversion.backends = json_object();
	conversion.interfaces = json_object();
	r = cli->json ? convert_json(&conversion) : convert(&conversion);
	json_decref(top);
	json_decref(conversion.notes);
	json_decref(conversion.backends);
	json_decref(conversion.interfaces);
	return r;
}
