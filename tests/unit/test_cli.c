/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The command line from outside: the built `shunt` against the real API server before a fixed snapshot. */
#include "api_fixture.h"

#include <fcntl.h>
#include <libgen.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "base/cleanup.h"
#include "version.h"

struct run {
	int status;
	char out[16384], err[4096];
};

static char program[4096];
static const char *locale = "C.UTF-8";

static void read_back(const char *path, char *text, size_t size)
{
	char *content = NULL;
	size_t length;

	assert_int_equal(file_read(path, 1 << 20, &content, &length), 0);
	snprintf(text, size, "%s", content);
	free(content);
	unlink(path);
}

static int redirect(const char *path)
{
	return open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
}

/* `arguments` are split at blanks. */
static struct run run(const struct fixture *fixture, const char *arguments)
{
	char *argv[16] = {program, (char *)"--socket", (char *)fixture->socket_path}, out[160], err[160];
	char *copy = strdup(arguments), *rest = NULL;
	size_t n = strncmp(arguments, "complete ", 9) == 0 ? 1 : 3; /* what shells type has no option before it */
	struct run run;
	int wait_status;
	pid_t pid;

	snprintf(out, sizeof(out), "%s/out", fixture->directory);
	snprintf(err, sizeof(err), "%s/err", fixture->directory);
	for (char *word = strtok_r(copy, " ", &rest); word && n < 15; word = strtok_r(NULL, " ", &rest))
		argv[n++] = word;
	pid = fork();
	if (pid == 0) {
		setenv("LC_ALL", locale, 1);
		unsetenv("COLUMNS");
		unsetenv("ARGP_HELP_FMT");
		dup2(redirect(out), 1);
		dup2(redirect(err), 2);
		execv(program, argv);
		_exit(127);
	}
	assert_int_equal(waitpid(pid, &wait_status, 0), pid);
	run.status = WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : 128;
	read_back(out, run.out, sizeof(run.out));
	read_back(err, run.err, sizeof(run.err));
	free(copy);
	return run;
}

static int setup(void **state)
{
	struct fixture *fixture = malloc(sizeof(*fixture));

	fixture_init(fixture);
	fixture->error = "because";
	locale = "C.UTF-8";
	*state = fixture;
	return fixture_start(fixture);
}

static int teardown(void **state)
{
	fixture_stop(*state);
	free(*state);
	return 0;
}

static void assert_run(const struct fixture *fixture, const char *arguments, int status, const char *out,
		       const char *err)
{
	struct run result = run(fixture, arguments);

	if (result.status != status)
		fail_msg("shunt %s: exit status %d, not %d: %s%s", arguments, result.status, status, result.out,
			 result.err);
	if (strcmp(result.out, out) != 0)
		fail_msg("shunt %s printed:\n%s\nnot:\n%s", arguments, result.out, out);
	if (strcmp(result.err, err) != 0)
		fail_msg("shunt %s said:\n%s\nnot:\n%s", arguments, result.err, err);
}

static size_t widest_line(const char *text)
{
	size_t widest = 0, columns = 0;

	for (; *text; text++) {
		columns = *text == '\n' ? 0 : columns + ((*text & 0xc0) != 0x80);
		widest = columns > widest ? columns : widest;
	}
	return widest;
}

/* Times of the day of the test become ones of no day. */
static void forget_times(char *text)
{
	static const char shape[] = "0000-00-00T00:00:00.000Z";

	for (; *text; text++) {
		size_t i = 0;

		while (shape[i] && (shape[i] == '0' ? text[i] >= '0' && text[i] <= '9' : text[i] == shape[i]))
			i++;
		if (!shape[i])
			memcpy(text, shape, i);
	}
}

/* The whole output is that of tests/golden/cli/NAME; with SHUNT_GOLDEN_UPDATE=1 it becomes that. */
static void assert_golden(const struct fixture *fixture, const char *arguments, const char *name)
{
	_cleanup_(freep) char *path = NULL, *folder = strdup(__FILE__), *expected = NULL;
	struct run result = run(fixture, arguments);
	size_t length;

	assert_int_equal(result.status, 0);
	forget_times(result.out);
	assert_true(asprintf(&path, "%s/../golden/cli/%s", dirname(folder), name) > 0);
	if (getenv("SHUNT_GOLDEN_UPDATE"))
		assert_int_equal(file_write_atomically(path, result.out, strlen(result.out), 0644), 0);
	if (file_read(path, 1 << 20, &expected, &length) < 0)
		fail_msg("%s cannot be read; SHUNT_GOLDEN_UPDATE=1 writes it", path);
	if (strcmp(result.out, expected) != 0) {
		fprintf(stderr, "shunt %s printed:\n%s\nnot, as %s has it:\n%s", arguments, result.out, name, expected);
		fail_msg("shunt %s printed something else; is it right? SHUNT_GOLDEN_UPDATE=1 keeps it", arguments);
	}
	if (widest_line(result.out) > 80 && strncmp(arguments, "convert", 7) != 0)
		fail_msg("shunt %s is wider than a terminal:\n%s", arguments, result.out);
}

static void what_people_read_is_as_it_was(void **state)
{
	static const struct {
		const char *arguments, *name;
	} outputs[] = {
		{"status", "status"},
		{"status resolvers", "status-group"},
		{"--help", "help"},
		{"services web", "service"},
		{"groups app-servers", "group"},
		{"backends backend2", "backend"},
		{"backends dns2", "backend-draining"},
		{"explain tcp 198.51.100.7:4000 192.0.2.10:80", "explain"},
		{"stats", "stats"},
		{"groups", "groups"},
		{"services", "services"},
		{"backends", "backends"},
		{"maps", "maps"},
		{"flows", "flows"},
		{"deny list", "deny"},
		{"events", "events"},
	};

	for (size_t i = 0; i < sizeof(outputs) / sizeof(outputs[0]); i++)
		assert_golden(*state, outputs[i].arguments, outputs[i].name);
}

/* As completion offers them: those of the table. Calls `each` for every one; returns how many there are. */
static size_t for_each_command(const struct fixture *fixture,
			       void (*each)(const struct fixture *fixture, const char *command))
{
	size_t n = 0;

	for (int letter = 'a'; letter <= 'z'; letter++) {
		char complete[16], *rest = NULL;
		struct run names;

		snprintf(complete, sizeof(complete), "complete -- %c", letter);
		names = run(fixture, complete);
		for (char *line = strtok_r(names.out, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest), n++) {
			line[strcspn(line, "\t")] = '\0';
			each(fixture, line);
		}
	}
	return n;
}

static void assert_golden_help(const struct fixture *fixture, const char *command)
{
	char arguments[64], name[64];

	snprintf(arguments, sizeof(arguments), "%s --help", command);
	snprintf(name, sizeof(name), "help-%s", command);
	assert_golden(fixture, arguments, name);
}

static void what_people_read_of_each_command_is_as_it_was(void **state)
{
	assert_true(for_each_command(*state, assert_golden_help) > 20);
}

/* With --json everything that is printed is JSON, a document or one a line. */
static void assert_json(const struct fixture *fixture, const char *command)
{
	static const struct {
		const char *command, *arguments;
	} of[] = {
		{"check", "check /dev/null"},
		{"drain", "drain backend2"},
		{"maint", "maint backend2"},
		{"ready", "ready backend2"},
		{"weight", "weight backend2 5"},
		{"failover", "failover app-servers"},
		{"failback", "failback app-servers"},
		{"explain", "explain tcp 198.51.100.7:4000 192.0.2.10:80"},
		{"deny", "deny list"},
	};
	char arguments[512];
	struct run result;
	json_t *json;
	size_t n = 0;

	snprintf(arguments, sizeof(arguments), "%s --json", command);
	for (size_t i = 0; i < sizeof(of) / sizeof(of[0]); i++)
		if (strcmp(of[i].command, command) == 0)
			snprintf(arguments, sizeof(arguments), "%s --json", of[i].arguments);
	if (strcmp(command, "convert") == 0) {
		_cleanup_(freep) char *here = strdup(__FILE__);

		snprintf(arguments, sizeof(arguments), "convert keepalived %s/../golden/keepalived/nat.conf --json",
			 dirname(here));
	} else if (strcmp(command, "backup") == 0) {
		strcpy(arguments, "backup - --json");
	} else if (strcmp(command, "restore") == 0 || strcmp(command, "top") == 0 || strcmp(command, "trace") == 0) {
		return; /* of a file; without an end; of packets: system suites have them */
	}
	result = run(fixture, arguments);
	for (const char *at = result.out; *at; n++) {
		json_error_t error;

		json = json_loads(at, JSON_DISABLE_EOF_CHECK, &error);
		if (!json)
			fail_msg("shunt %s printed what is no JSON: %s: %.200s", arguments, error.text, at);
		json_decref(json);
		at += error.position;
		at += strspn(at, "\n");
	}
	if (!n)
		fail_msg("shunt %s printed nothing, exit status %d: %s", arguments, result.status, result.err);
}

static void json_is_everywhere(void **state)
{
	assert_true(for_each_command(*state, assert_json) > 20);
}

static void status_of_a_group_is_that_group_and_its_services(void **state)
{
	assert_run(*state, "status resolvers", 0,
		   "dns [2001:db8::10]:53 udp · l2 · 0 packets\n"
		   "└ resolvers active-active · DEGRADED: 1 of 2 out\n"
		   "  ✓ dns1  2001:db8::11  up 2d  ACTIVE 100 %  connected 0.4 ms\n"
		   "  ~ dns2  2001:db8::12  up 2d  draining      3 flows left\n",
		   "");
}

static void without_utf8_status_is_ascii(void **state)
{
	struct run result;

	locale = "C";
	result = run(*state, "status");
	for (const char *c = result.out; *c; c++)
		assert_true((unsigned char)*c < 0x80);
	assert_non_null(strstr(result.out, "  x backend1  10.0.1.11:8080  down 12m  out"));
}

static void when_all_is_well_status_says_so(void **state)
{
	struct fixture *fixture = *state;

	fixture->snapshot.n_groups = fixture->snapshot.n_services = 1;
	fixture->snapshot.n_backends = 3;
	memset(fixture->snapshot.drops, 0, sizeof(fixture->snapshot.drops));
	fixture_groups[0].state = "normal";
	fixture_groups[0].moving = fixture_groups[0].resolving = 0;
	fixture_groups[0].detection_ms = 3500;
	fixture_backends[0].health = "up";
	fixture_backends[0].check_last = "connected";
	assert_run(fixture, "status", 0,
		   "shunt 0.1.0 on edge1 · eth0 native, direct · up 3h · 1 service, 1 group, 3\n"
		   "  backends\n"
		   "all well\n"
		   "\n"
		   "web 192.0.2.10:80 tcp · ipip · 1.2 M packets\n"
		   "└ app-servers active-passive · normal · a failure shows within 3500ms\n"
		   "  ✓ backend1  10.0.1.11:8080  up 12m  out           down: connection refused ·\n"
		   "                                                    connected 0.1 ms · primary\n"
		   "  ✓ backend2  10.0.1.12:8080  up 3h   ACTIVE 100 %  connected 0.4 ms · 14 flows\n"
		   "  ✓ backend3  10.0.1.13       up 3h   standby       weight 50 (was 100) ·\n"
		   "                                                    connected 0.4 ms\n",
		   "");
}

static void assert_status_has(const struct fixture *fixture, const char *text)
{
	struct run result = run(fixture, "status");

	assert_int_equal(result.status, 0);
	if (!strstr(result.out, text)) {
		fprintf(stderr, "%s", result.out); /* longer than a message of cmocka */
		fail_msg("\"%s\" is not in it", text);
	}
}

static void status_says_what_an_operator_did_and_what_comes(void **state)
{
	struct fixture *fixture = *state;
	int64_t now = clock_wall_ms();

	fixture_backends[4].flows = 0;
	assert_status_has(fixture, "  ~ dns2  2001:db8::12  up 2d  drained       no flow left, safe to stop\n");
	fixture_backends[4].flows = 3;
	fixture_backends[4].drain_until = now + 10 * MINUTE + 30000;
	assert_status_has(fixture, "draining      3 flows left · timeout in 10m\n");
	fixture_backends[4].admin = "maint";
	assert_status_has(fixture,
			  "  – dns2  2001:db8::12  maint  out           back by: shunt ready dns2 · 3 flows\n");
	fixture_groups[0].state = "failing-back";
	fixture_groups[0].failing_back_at = now + 20 * MINUTE + 30000;
	assert_status_has(fixture, "FAILING BACK to backend1 in 20m");
	fixture_groups[0].forced = "backend2";
	fixture_groups[0].forced_by = "window";
	fixture_groups[0].forced_until = now / 1000 + 30 * 60 + 30;
	assert_status_has(fixture, " ! group app-servers is held on backend2 by a maintenance window\n");
	fixture_groups[0].forced_by = "operator";
	assert_status_has(fixture, "held on backend2\n    by an operator for 30m more");
	assert_status_has(fixture, " ! group app-servers is held on backend2 by an operator\n");
	fixture_groups[0].state = "down";
	assert_status_has(fixture, "DOWN: nobody takes new flows");
	assert_status_has(fixture, " ! group app-servers is down: nobody takes its new flows\n");
	fixture_groups[0].last_resort = "fallback sorry";
	assert_status_has(fixture, "DOWN: new flows go to fallback sorry");
	assert_status_has(fixture, " ! group app-servers is down: its new flows go to fallback sorry\n");
	fixture_groups[0].last_resort = "fail-open";
	assert_status_has(fixture, "DOWN, FAIL-OPEN: flows go to backends whatever");
	assert_status_has(fixture, " ! group app-servers is down and FAILS OPEN: its backends take flows unchecked\n");
	fixture_groups[0].last_resort = NULL;
	fixture_interfaces[0].mode = "generic";
	assert_status_has(fixture, " ! eth0 runs in generic mode, several times slower than native\n");
	fixture_interfaces[0].mode = "native";
	fixture_services[0].forward = "nat";
	fixture_interfaces[0].forwards[0] = 0;
	assert_status_has(fixture, " ! eth0 does not forward IPv4: answers of nat backends are lost (sysctl -w\n");
	fixture_services[0].forward = "ipip";
	fixture->snapshot.problem = "state directory: no space left on device";
	assert_status_has(fixture, " ! state directory: no space left on device\n");
	fixture->snapshot.flow_entries = 1000000;
	assert_status_has(fixture, " ! the flow table is nearly full, 1000000 of 1048576: raise flow_table_size\n");
	fixture_backends[1].check_last = "status 200 \033]0;evil\007";
	assert_status_has(fixture, "status 200 ?]0;evil?");
}

static void commands_say_what_came_of_them(void **state)
{
	struct fixture *fixture = *state;

	assert_run(fixture, "drain backend2 --timeout 5m", 0,
		   "backend2: draining, 14 flows left; nobody else takes new flows of group app-servers\n", "");
	assert_string_equal(fixture->told, "drain backend2 300000");
	assert_run(fixture, "maint backend3", 0,
		   "backend3: in maintenance, no probes and no flows, weight 50 until the next reload "
		   "(configured 100); new flows go to backend2 (app-servers)\n",
		   "");
	assert_run(fixture, "ready backend2", 0, "backend2: ready, up; takes 100 % of the new flows of app-servers\n",
		   "");
	assert_run(fixture, "ready backend1", 0, "backend1: ready, down: connection refused; out in app-servers\n", "");
	assert_run(fixture, "weight backend2 20", 0,
		   "backend2: ready, up, weight 20 until the next reload (configured 100); "
		   "takes 100 % of the new flows of app-servers\n",
		   "");
	assert_run(fixture, "failover app-servers --to backend2", 0,
		   "app-servers: failed-over; new flows go to backend2; held on backend2 until 'shunt failback "
		   "app-servers'\n",
		   "");
	assert_run(fixture, "failover app-servers --for 30m --json", 0, "{\n  \"status\": \"ok\"\n}\n", "");
	assert_string_equal(fixture->told, "failover app-servers - 1800000");
	fixture_groups[0].forced = NULL;
	assert_run(fixture, "failback app-servers", 0, "app-servers: failed-over; new flows go to backend2\n", "");
	assert_run(fixture, "reload --force", 0, "reloaded: 1 change\n  backend backend4: added\n", "");
	assert_string_equal(fixture->told, "reload force");
	assert_run(fixture, "detach", 0, "detached: the data path is off the interfaces, nothing is forwarded\n", "");
}

static void drain_waits_until_no_flow_is_left(void **state)
{
	struct fixture *fixture = *state;

	fixture->flows_per_look = 5;
	assert_run(fixture, "drain backend2 --wait", 0,
		   "backend2: drained, no flow is left, safe to stop; "
		   "nobody else takes new flows of group app-servers\n",
		   "");
}

static void drain_says_what_is_left_when_its_time_has_passed(void **state)
{
	assert_run(*state, "drain backend2 --wait --timeout 300ms", 1, "",
		   "shunt: backend2: 14 flows left when the timeout of 300ms passed\n");
}

static void other_documents_are_tables(void **state)
{
	assert_run(*state, "groups", 0,
		   "GROUP        MODE            STATE        PRIMARY    UP  FAILOVERS  ACTIVE\n"
		   "app-servers  active-passive  failed-over  backend1  2/3          1  backend2\n"
		   "resolvers    active-active   degraded               1/2          0  dns1\n"
		   "spare        active-active   normal                 1/1          0  spare1\n",
		   "");
	assert_run(*state, "services", 0,
		   "SERVICE  ADDRESS            PROTO  FORWARD  PACKETS  PKT/S  BYTES/S  GROUP\n"
		   "web      192.0.2.10:80      tcp    ipip       1.2 M      0      0 B  app-servers\n"
		   "dns      [2001:db8::10]:53  udp    l2             0      0      0 B  resolvers\n",
		   "");
	assert_run(*state, "maps", 0,
		   "MAP     TYPE   ENTRIES  KEY B  VALUE B  MEMORY  PIN\n"
		   "groups  array     4096      4       16   66 kB  /sys/fs/bpf/shunt/groups\n"
		   "slots   array     8192      4       64  524 kB  /sys/fs/bpf/shunt/slots\n"
		   "\n"
		   "bpftool map dump pinned /sys/fs/bpf/shunt/groups\n"
		   "bpftool map dump pinned /sys/fs/bpf/shunt/slots\n",
		   "");
	assert_run(*state, "events --since 2", 0,
		   "2026-01-31T12:00:03Z #3 failover group app-servers: from backend1 to backend2:\n"
		   "    connection refused (checks)\n",
		   "");
	assert_run(*state, "events --since 2026-01-31T13:00:03+01:00 --json --since 3", 0, "[]\n", "");
	assert_run(*state, "events --since 2026-01-31T13:00:03.5+01:00", 0, "", "");
}

static void all_events_come_however_many_pages(void **state)
{
	struct fixture *fixture = *state;
	struct run result;

	fixture->n_events = 2001;
	result = run(fixture, "events --since 2026-01-31T12:33:20Z");
	assert_int_equal(result.status, 0);
	assert_non_null(strstr(result.out, "#2000 "));
	assert_non_null(strstr(result.out, "#2001 "));
	assert_null(strstr(result.out, "#1999 "));
}

static void json_is_the_documents_of_the_api(void **state)
{
	static const struct {
		const char *arguments;
		bool is_array;
		const char *key;
	} documents[] = {
		{"--json status", false, "flow_table"},
		{"--json groups", true, "state"},
		{"--json groups spare", false, "state"},
		{"backends --json", true, "admin"},
		{"backends dns1 --json", false, "admin"},
		{"services --json", true, "protocol"},
		{"stats --json", false, "drops"},
		{"maps --json", true, "path"},
		{"events --json", true, "actor"},
		{"--json status spare", false, "backends"},
		{"explain udp [::1]:1 [::1]:2 --json", false, "slot"},
	};

	for (size_t i = 0; i < sizeof(documents) / sizeof(documents[0]); i++) {
		struct run result = run(*state, documents[i].arguments);
		json_t *document = json_loads(result.out, 0, NULL);
		const json_t *object = documents[i].is_array ? json_array_get(document, 0) : document;

		if (result.status || !json_object_get(object, documents[i].key))
			fail_msg("shunt %s printed %s", documents[i].arguments, result.out);
		json_decref(document);
	}
}

static const struct {
	const char *arguments;
	int status;
	const char *err;
} mistakes[] = {
	{"backends bakend2", 1, "shunt: no backend is named \"bakend2\"\nshunt: did you mean \"backend2\"?\n"},
	{"groups app-server", 1, "shunt: no group is named \"app-server\"\nshunt: did you mean \"app-servers\"?\n"},
	{"services wev", 1, "shunt: no service is named \"wev\"\nshunt: did you mean \"web\"?\n"},
	{"status spar", 1, "shunt: no group is named \"spar\"\nshunt: did you mean \"spare\"?\n"},
	{"drain nobody", 1, "shunt: no backend has this name\nshunt: 'shunt backends' lists the 6 that there are\n"},
	{"failover app-servers --to bakend3", 1,
	 "shunt: the group has no such member\nshunt: did you mean \"backend3\"?\n"},
	{"statsu", 2, "shunt: no command \"statsu\"; did you mean \"stats\"?\n"},
	{"drain --timeuot 5m backend2", 2, "shunt: no option \"--timeuot\"; did you mean \"--timeout\"?\n"},
	{"--sokcet /x status", 2, "shunt: no option \"--sokcet\"; did you mean \"--socket\"?\n"},
	{"drain --frobnicate", 2, "shunt: no option \"--frobnicate\"; 'shunt drain --help' lists them\n"},
	{"status --watch=5", 2, "shunt: --watch takes a duration such as 500ms or 5s, not \"5\"\n"},
	{"status spar --watch", 1, "shunt: no group is named \"spar\"\nshunt: did you mean \"spare\"?\n"},
	{"convert haproxy /etc/hosts", 2,
	 "shunt: only keepalived's files can be converted: shunt convert keepalived /etc/hosts\n"},
	{"convert keepalived /nowhere", 1, "shunt: /nowhere: No such file or directory\n"},
	{"convert keepalived /dev/null", 1, "shunt: /dev/null has no virtual_server that can be converted\n"},
	{"frobnicate", 2, "shunt: no command \"frobnicate\"; 'shunt --help' lists them\n"},
	{"drain", 2,
	 "shunt drain: it takes: BACKEND\n"
	 "Try `shunt drain --help' or `shunt drain --usage' for more information.\n"},
	{"weight a 1 b", 2,
	 "shunt weight: one argument too many: b\n"
	 "Try `shunt weight --help' or `shunt weight --usage' for more information.\n"},
	{"weight backend1 ten", 2, "shunt: the weight must be a whole number, not \"ten\"\n"},
	{"drain backend1 --timeout 5", 2, "shunt: --timeout takes a duration such as 30s, 5m or 2h, not \"5\"\n"},
	{"failover app-servers --for 0s", 2, "shunt: --for takes a duration such as 30s, 5m or 2h, not \"0s\"\n"},
	{"explain sctp 1.1.1.1:1 1.1.1.1:2", 2, "shunt: the protocol must be tcp or udp, not \"sctp\"\n"},
	{"explain tcp 1.1.1.1 1.1.1.1:2", 2, "shunt: \"1.1.1.1\" is not ADDRESS:PORT (IPv6: [ADDRESS]:PORT)\n"},
	{"explain tcp [::1]:1 1.1.1.1:2", 1, "shunt: \"src\" and \"dst\" must be of one address family\n"},
	{"events --since yesterday", 2,
	 "shunt: --since takes the id of an event, a duration such as 10m, or a time such as 2026-01-31T12:00:00Z, not "
	 "\"yesterday\"\n"},
	{"--url ftp://x status", 2, "shunt: --url must begin with http:// or https://, not ftp://x\n"},
	{"top", 2,
	 "shunt: top needs a terminal; 'shunt stats' prints the counters, 'shunt --json top' goes on doing so\n"},
	{"--token-file /nowhere status", 1, "shunt: cannot read /nowhere: No such file or directory\n"},
	{"--socket /nowhere/shunt.sock status", 3,
	 "shunt: cannot reach the controller at /nowhere/shunt.sock: No such file or directory\n"
	 "shunt: does shuntd run (systemctl status shuntd)? One with another --run-dir is reached by --socket PATH\n"},
};

static void mistakes_are_named_with_the_remedy(void **state)
{
	for (size_t i = 0; i < sizeof(mistakes) / sizeof(mistakes[0]); i++)
		assert_run(*state, mistakes[i].arguments, mistakes[i].status, "", mistakes[i].err);
}

static void what_the_controller_refuses_is_status_1_with_its_reason(void **state)
{
	struct fixture *fixture = *state;

	fixture->result = -EHOSTDOWN;
	fixture->error = "backend1 is not fit: connection refused";
	assert_run(fixture, "failback app-servers", 1, "", "shunt: backend1 is not fit: connection refused\n");
	fixture->result = -EINVAL;
	fixture->error = "shunt.yaml:3:4: unknown key\nshunt.yaml:9:1: unknown key";
	assert_run(fixture, "reload", 1, "", "shunt.yaml:3:4: unknown key\nshunt.yaml:9:1: unknown key\n");
}

/* Of options, too; and of a reason both why packets are dropped and why they are sent. */
static void what_an_option_may_have_meant_is_named(void **state)
{
	static const struct {
		const char *arguments;
		int result;
		const char *err;
	} rows[] = {
		{"trace --service wev", -ENOENT, "shunt: did you mean \"web\"?\n"},
		{"trace --backend bakend2", -ENOENT, "shunt: did you mean \"backend2\"?\n"},
		{"trace --reason lnad", -EINVAL, "shunt: did you mean \"land\"?\n"},
		{"trace --reason setled", -EINVAL, "shunt: did you mean \"settled\"?\n"},
		{"trace --reason land", -EINVAL, ""},
		{"flows --backend bakend2", -ENOENT, "shunt: did you mean \"backend2\"?\n"},
		{"deny add 10.0.0.0/8 --service wev", -ENOENT, "shunt: did you mean \"web\"?\n"},
		{"deny del 10.0.0.0/8 --service web", -ENOENT, ""},
	};
	struct fixture *fixture = *state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char expected[128];

		fixture->result = rows[i].result;
		snprintf(expected, sizeof(expected), "shunt: because\n%s", rows[i].err);
		assert_run(fixture, rows[i].arguments, 1, "", expected);
	}
}

static void a_trace_that_is_refused_leaves_the_file_that_is_there(void **state)
{
	struct fixture *fixture = *state;
	char path[200], arguments[256], content[64];

	snprintf(path, sizeof(path), "%s/kept.pcapng", fixture->directory);
	snprintf(arguments, sizeof(arguments), "trace --service web -w %s", path);
	assert_int_equal(file_write_atomically(path, "of yesterday", 12, 0600), 0);
	fixture->result = -EINVAL;
	assert_run(fixture, arguments, 1, "", "shunt: because\n");
	read_back(path, content, sizeof(content));
	assert_string_equal(content, "of yesterday");
	fixture->result = 0;
	assert_run(fixture, "trace -w /nowhere/x.pcapng", 1, "",
		   "shunt: cannot write /nowhere/x.pcapng: No such file or directory\n");
	assert_string_equal(fixture->told, "trace end 7"); /* and nobody is left watching */
}

static void check_needs_no_controller(void **state)
{
	static const char good[] = "interfaces: [eth0]\n"
				   "services: [{name: web, address: 192.0.2.10, protocol: tcp, port: 80, group: g}]\n"
				   "failover_groups: [{name: g, mode: active-active, backends: [b]}]\n"
				   "backends: [{name: b, address: 10.0.0.2}]\n";
	const struct fixture *fixture = *state;
	char path[200], arguments[256], expected[256];
	struct run result;

	snprintf(path, sizeof(path), "%s/c.yaml", fixture->directory);
	snprintf(arguments, sizeof(arguments), "--socket /nowhere check %s", path);
	snprintf(expected, sizeof(expected), "%s: ok\n", path);
	assert_int_equal(file_write_atomically(path, good, strlen(good), 0600), 0);
	result = run(fixture, arguments);
	assert_string_equal(result.out, expected);
	assert_int_equal(result.status, 0);
	assert_int_equal(file_write_atomically(path, "frob: 1\n", 8, 0600), 0);
	result = run(fixture, arguments);
	snprintf(expected, sizeof(expected), "%s:1:1: ", path);
	assert_int_equal(result.status, 1);
	assert_string_equal(result.out, "");
	assert_memory_equal(result.err, expected, strlen(expected));
	unlink(path);
}

/* What shells are told; the socket is the fixture's, as if it were typed. */
static void completion_knows_commands_options_and_names(void **state)
{
	static const struct {
		const char *typed, *candidates;
	} rows[] = {
		{"expl", "explain\twhich backend a flow goes to, and why\n"},
		{"services w", "web\t192.0.2.10\n"},
		{"status res", "resolvers\tdegraded\n"},
		{"drain dns", "dns1\tup\ndns2\tdrain\n"},
		{"drain --wait dns1", "dns1\tup\n"},
		{"drain --timeout 5m dns1", "dns1\tup\n"},
		{"failover app-servers --to b", "backend1\tout\nbackend2\tactive\nbackend3\tstandby\n"},
		{"failover app-servers --to=backend2", "--to=backend2\tactive\n"},
		{"drain --wa", "--wait\tReturn when no flow is left, or with status 1 when D has passed\n"},
		{"deny a", "add\t\n"},
		{"explain u", "udp\t\n"},
		{"trace --reason land", "land\tthe service's own address as the source\n"},
		{"trace --reason sett", "settled\tits slot is settled\n"},
		{"check x", ":files\n"},
		{"doctor -c x", ":files\n"},
		{"drain backend1 b", ""},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct fixture *fixture = *state;
		char arguments[512];

		snprintf(arguments, sizeof(arguments), "complete -- --socket %s %s", fixture->socket_path,
			 rows[i].typed);
		assert_run(fixture, arguments, 0, rows[i].candidates, "");
	}
}

/* It accepts, reads and never answers: the shell has its prompt back after two seconds, with nothing in the line. */
static void completion_gives_up_on_a_controller_that_hangs(void **state)
{
	const struct fixture *fixture = *state;
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	int listening = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	uint64_t before = clock_monotonic_ms(), taken;
	char arguments[512];

	snprintf(name.sun_path, sizeof(name.sun_path), "%.60s/hangs", fixture->directory);
	assert_int_equal(bind(listening, (struct sockaddr *)&name, sizeof(name)), 0);
	assert_int_equal(listen(listening, 8), 0); /* the kernel accepts, and nobody answers */
	snprintf(arguments, sizeof(arguments), "complete -- --socket %s drain b", name.sun_path);
	assert_run(fixture, arguments, 0, "", "");
	taken = clock_monotonic_ms() - before;
	assert_in_range(taken, 1000, 4000);
	close(listening);
	unlink(name.sun_path);
}

/* A child that gives this answer to the first who asks at the socket. */
static pid_t answer_once(const char *path, const char *answer)
{
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	int listening = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), connection;
	char request[4096];
	pid_t pid;

	snprintf(name.sun_path, sizeof(name.sun_path), "%s", path);
	assert_int_equal(bind(listening, (struct sockaddr *)&name, sizeof(name)), 0);
	assert_int_equal(listen(listening, 8), 0);
	pid = fork();
	if (pid == 0) {
		connection = accept(listening, NULL, NULL);
		_exit(read(connection, request, sizeof(request)) <= 0 || write(connection, answer, strlen(answer)) < 0);
	}
	close(listening);
	return pid;
}

static void answers_that_break_off_or_are_no_ones_are_said_to_be(void **state)
{
	static const struct {
		const char *answer;
		int status;
		const char *out, *said;
	} rows[] = {
		{"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n{\"a\":1}", 0, "{\n  \"a\": 1\n}\n", ""},
		{"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{\"a\":1", 3, "{\n  \"a\": 1\n",
		 "cannot reach the controller"},
		{"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>", 1, "", "answered 200, but not as shuntd does"},
		{"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 1, "", "answered 200, but not as shuntd does"},
		{"HTTP/1.1 418 Short\r\nContent-Length: 15\r\n\r\n{\"error\":\"pot\"}", 1, "", "shunt: pot\n"},
	};
	const struct fixture *fixture = *state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char path[100], arguments[200];
		struct run result;
		int wait_status;
		pid_t pid;

		snprintf(path, sizeof(path), "%.60s/once", fixture->directory);
		snprintf(arguments, sizeof(arguments), "--socket %s --json status", path);
		pid = answer_once(path, rows[i].answer);
		result = run(fixture, arguments);
		unlink(path);
		assert_int_equal(waitpid(pid, &wait_status, 0), pid);
		assert_int_equal(wait_status, 0);
		assert_string_equal(result.out, rows[i].out);
		if (result.status != rows[i].status || !strstr(result.err, rows[i].said))
			fail_msg("to %s: exit status %d, said: %s", rows[i].answer, result.status, result.err);
	}
}

static bool says(const struct fixture *fixture, const char *arguments, const char *word)
{
	struct run result = run(fixture, arguments);

	if (result.status != 0)
		fail_msg("shunt %s: exit status %d: %s", arguments, result.status, result.err);
	return strstr(result.out, word);
}

/* Answers pass here in nat alone: elsewhere "0 answers" would say that something is missing. Documents have them always. */
static void answers_are_shown_where_they_can_pass(void **state)
{
	const struct fixture *fixture = *state;
	struct snapshot_service *web = &fixture_services[0];

	web->stats.answer_packets = web->stats.answer_bytes = 0;
	for (size_t i = 0; i < fixture->snapshot.n_backends; i++)
		fixture_backends[i].stats.answer_packets = fixture_backends[i].stats.answer_bytes = 0;
	assert_false(says(fixture, "services web", "answer_"));
	assert_false(says(fixture, "backends backend1", "answer_"));
	assert_false(says(fixture, "stats", "ANSWER"));
	assert_true(says(fixture, "--json services web", "\"answer_packets\": 0"));
	assert_true(says(fixture, "--json backends backend1", "\"answer_bytes\": 0"));
	web->forward = "nat"; /* none yet, and that is worth knowing */
	assert_true(says(fixture, "services web", "answer_packets"));
	assert_true(says(fixture, "backends backend1", "answer_bytes"));
	assert_false(says(fixture, "services dns", "answer_"));
	assert_false(says(fixture, "stats", "ANSWER"));
	web->stats.answer_packets = 4711;
	assert_true(says(fixture, "stats", "ANSWERS"));
	assert_true(says(fixture, "stats", "4711"));
	web->forward = "l2"; /* counted before a reload made it so */
	assert_true(says(fixture, "services web", "answer_packets"));
}

/* Files as people have them become configurations that check accepts. */
static void keepalived_is_converted(void **state)
{
	static const char *const names[] = {"nat", "dr"};
	_cleanup_(freep) char *here = strdup(__FILE__), *folder = strdup(dirname(here));

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char arguments[512], golden[64];
		struct run result;

		snprintf(arguments, sizeof(arguments), "convert keepalived %s/../golden/keepalived/%s.conf", folder,
			 names[i]);
		snprintf(golden, sizeof(golden), "../keepalived/%s.yaml", names[i]);
		assert_golden(*state, arguments, golden);
		snprintf(arguments, sizeof(arguments), "check %s/../golden/keepalived/%s.yaml", folder, names[i]);
		result = run(*state, arguments);
		if (result.status != 0)
			fail_msg("what %s.conf became is not accepted: %s", names[i], result.err);
	}
}

static void version_is_that_of_the_build(void **state)
{
	assert_run(*state, "--version", 0, "shunt " SHUNT_VERSION "\n", "");
}

static void help_of_a_command_has_its_options(void **state)
{
	struct run result = run(*state, "failover --help");

	assert_int_equal(result.status, 0);
	assert_non_null(strstr(result.out, "Usage: shunt failover [OPTION...] GROUP\n"));
	assert_non_null(strstr(result.out, "      --for=D "));
	assert_non_null(strstr(result.out, "      --to=BACKEND "));
}

static int setup_token(void **state)
{
	struct fixture *fixture = malloc(sizeof(*fixture));

	fixture_init(fixture);
	fixture_use_tcp(fixture);
	fixture_write_token(fixture, "s3cret\n");
	*state = fixture;
	return fixture_start(fixture);
}

static void over_tcp_the_token_is_read_from_a_file(void **state)
{
	const struct fixture *fixture = *state;
	char arguments[256];

	snprintf(arguments, sizeof(arguments), "--url http://%s/ maint backend3", fixture->listen);
	assert_run(fixture, arguments, 1, "",
		   "shunt: this needs the token: Authorization: Bearer TOKEN\n"
		   "shunt: give the token's file: --token-file FILE\n");
	snprintf(arguments, sizeof(arguments), "--url http://%s/ --token-file %s drain dns2", fixture->listen,
		 fixture->token_file);
	assert_run(fixture, arguments, 0, "dns2: draining, 3 flows left; new flows go to dns1 (resolvers)\n", "");
}

/* `shunt` of the same build: two folders up from this program. */
static void find_program(void)
{
	char self[4000];
	ssize_t length = readlink("/proc/self/exe", self, sizeof(self) - 1);

	assert(length > 0);
	self[length] = '\0';
	snprintf(program, sizeof(program), "%s/../../shunt", dirname(self));
}

#define WITH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

static void flows_are_a_histogram_and_a_table(void **state)
{
	assert_run(*state, "flows", 0,
		   "14 live pinned flows, room for 1048576; flows of settled slots need no pin\n"
		   "\n"
		   "SILENT FOR  FLOWS\n"
		   "     < 5 s     10  ▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇\n"
		   "     < 1 m      4  ▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇\n"
		   "    longer      0\n"
		   "\n"
		   "BACKEND   FLOWS  ONE PACKET  SETTLED  MOVING  RESOLVING\n"
		   "backend2     14           2        1      10          3\n",
		   "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH(flows_are_a_histogram_and_a_table),
		WITH(what_people_read_is_as_it_was),
		WITH(what_people_read_of_each_command_is_as_it_was),
		WITH(json_is_everywhere),
		WITH(status_of_a_group_is_that_group_and_its_services),
		WITH(without_utf8_status_is_ascii),
		WITH(when_all_is_well_status_says_so),
		WITH(status_says_what_an_operator_did_and_what_comes),
		WITH(commands_say_what_came_of_them),
		WITH(drain_waits_until_no_flow_is_left),
		WITH(drain_says_what_is_left_when_its_time_has_passed),
		WITH(other_documents_are_tables),
		WITH(all_events_come_however_many_pages),
		WITH(json_is_the_documents_of_the_api),
		WITH(mistakes_are_named_with_the_remedy),
		WITH(what_the_controller_refuses_is_status_1_with_its_reason),
		WITH(what_an_option_may_have_meant_is_named),
		WITH(a_trace_that_is_refused_leaves_the_file_that_is_there),
		WITH(check_needs_no_controller),
		WITH(version_is_that_of_the_build),
		WITH(keepalived_is_converted),
		WITH(completion_knows_commands_options_and_names),
		WITH(completion_gives_up_on_a_controller_that_hangs),
		WITH(answers_that_break_off_or_are_no_ones_are_said_to_be),
		WITH(answers_are_shown_where_they_can_pass),
		WITH(help_of_a_command_has_its_options),
		cmocka_unit_test_setup_teardown(over_tcp_the_token_is_read_from_a_file, setup_token, teardown),
	};

	find_program();
	if (access(program, X_OK) != 0) {
		fprintf(stderr, "%s is not built\n", program);
		return 1;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
