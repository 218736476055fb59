/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Configurations that are refused, each with all that is said about it: a row for every bug there ever was. */
#ifndef TESTS_UNIT_CONFIG_REFUSED_H
#define TESTS_UNIT_CONFIG_REFUSED_H

#define IFACE "interfaces: [eth0]\n"
#define SERVICE "services: [{name: s, address: 192.0.2.1, port: 80, group: g}]\n"
#define GROUP "failover_groups: [{name: g, mode: active-active, backends: [b1, b2]}]\n"
#define BACKENDS "backends: [{name: b1, address: 10.0.0.1}, {name: b2, address: 10.0.0.2}]\n"

static const struct refused {
	const char *about, *text, *messages;
} refused[] = {
	/* ---- YAML ---- */
	{"an empty file", "", "1:1: the file is empty: give at least interfaces\n"},
	{"a file of comments", "# nothing\n", "1:1: the file is empty: give at least interfaces\n"},
	{"a scalar for a file", "eth0\n",
	 "1:1: the file must be a mapping that begins with a key such as \"interfaces:\", not \"eth0\"\n"},
	{"a list for a file", "- eth0\n",
	 "1:1: the file must be a mapping that begins with a key such as \"interfaces:\", not a list\n"},
	{"two documents", IFACE "---\n" IFACE, "2:1: a second YAML document: keep the whole configuration in one\n"},
	{"a tab",
	 "interfaces:\n"
	 "\t- eth0\n",
	 "2:1: YAML does not indent with tabs: use spaces\n"},
	{"binary garbage", "interfaces: \001\377\n", "1:13: not a text in UTF-8: control characters are not allowed\n"},
	{"a bracket left open", "interfaces: [eth0\n" BACKENDS,
	 "2:9: not valid YAML: while parsing a flow sequence, did not find expected ',' or ']'\n"},
	{"an unknown alias", "interfaces: *x\n", "1:13: not valid YAML: found undefined alias\n"},
	{"a tag", "interfaces: [!name eth0]\n",
	 "1:14: interface: tags such as \"!name\" have no meaning here: remove it\n"},
	{"a merge key", IFACE "source: {<<: {ipv4: 10.0.0.9}}\n",
	 "2:10: source: merge keys (<<) are not supported: write the keys out, or alias whole values\n"},
	{"a NUL in a text", "interfaces: [\"eth\\0\"]\n",
	 "1:14: interface: name must be the name of a network interface such as eth0, not a text with NUL bytes\n"},
	{"a control character in a text", "interfaces: [\"eth\\e[1m\"]\n",
	 "1:14: interface: name must be the name of a network interface such as eth0, not \"eth?[1m\"\n"},
	{"a list that contains itself", "interfaces: &all [*all]\n",
	 "1:13: interface: name must be the name of a network interface such as eth0, not a list\n"},

	/* ---- hooks ---- */
	{"hooks of nobody", IFACE "hooks: {on: [failover]}\n",
	 "2:8: hooks: nobody is told: add \"exec: [PROGRAM, …]\" or \"webhook: URL\"\n"},
	{"a hook's URL of no web, which is not told", IFACE "hooks: {webhook: \"ftp://example.com/s3cret\"}\n",
	 "2:18: hooks: webhook must be a URL such as https://hooks.example.com/shunt, without user and password, not what stands here\n"},
	{"a hook's URL with a password", IFACE "hooks: {webhook: \"https://u:s3cret@example.com/\"}\n",
	 "2:18: hooks: webhook must be a URL such as https://hooks.example.com/shunt, without user and password, not what stands here\n"},
	{"a hook's URL without a host", IFACE "hooks: {webhook: \"https://\"}\n",
	 "2:18: hooks: webhook must be a URL such as https://hooks.example.com/shunt, without user and password, not what stands here\n"},
	{"a hook on nothing that happens", IFACE "hooks: {exec: [/bin/x], on: [reload]}\n",
	 "2:30: hooks: event: event must be failover, failback, backend or group, not \"reload\"\n"},
	{"a hook's pauses that shrink", IFACE "hooks: {exec: [/bin/x], backoff: 5s, max_backoff: 1s}\n",
	 "2:51: hooks: max_backoff is less than backoff: raise it\n"},

	/* ---- maintenance windows ---- */
	{"a window of nobody", IFACE BACKENDS "maintenance: [{cron: \"0 2 * * SUN\", duration: 1h}]\n",
	 "3:15: window: give backend or group\n"},
	{"a window of two", IFACE GROUP BACKENDS "maintenance: [{backend: b1, group: g, cron: \"0 2 * * SUN\", duration: 1h}]\n",
	 "4:36: window: backend and group do not go together: remove one of them\n"},
	{"a window at no time", IFACE GROUP BACKENDS "maintenance: [{backend: b1, duration: 1h}]\n",
	 "4:15: window: give start or cron\n"},
	{"a window at two times",
	 IFACE GROUP BACKENDS "maintenance: [{backend: b1, start: 2027-01-31T02:00:00Z, cron: \"* * * * *\", duration: 1h}]\n",
	 "4:64: window: start and cron do not go together: remove one of them\n"},
	{"a window without an end", IFACE GROUP BACKENDS "maintenance: [{backend: b1, cron: \"0 2 * * SUN\"}]\n",
	 "4:15: window: duration is missing: give a duration such as 500ms, 5s, 10m or 2h, from 1s to 168h\n"},
	{"a window at a time that is none",
	 IFACE GROUP BACKENDS "maintenance: [{backend: b1, start: tomorrow, duration: 1h}]\n",
	 "4:36: window: start must be a time such as 2027-01-31T02:00:00Z or 2027-01-31T02:00:00+01:00, not \"tomorrow\"\n"},
	{"a window by no crontab line", IFACE GROUP BACKENDS "maintenance: [{backend: b1, cron: \"0 25 * * *\", duration: 1h}]\n",
	 "4:35: window: cron must be five fields as in crontab(5), such as \"0 2 * * SUN\", not \"0 25 * * *\"\n"},
	{"a window of an unknown backend",
	 IFACE GROUP BACKENDS "maintenance: [{backend: b9, cron: \"0 2 * * SUN\", duration: 1h}]\n",
	 "4:25: window: \"b9\" is not in backends: define it there, or name another\n"},
	{"a window of an unknown group",
	 IFACE GROUP BACKENDS "maintenance: [{group: x, cron: \"0 2 * * SUN\", duration: 1h}]\n",
	 "4:23: window: \"x\" is not in failover_groups: define it there, or name another\n"},
	{"a target of a backend's window",
	 IFACE GROUP BACKENDS "maintenance: [{backend: b1, cron: \"0 2 * * SUN\", duration: 1h, target: b2}]\n",
	 "4:72: window: target is of a group's window: name the group instead of the backend, or remove it\n"},
	{"a target that is no member",
	 IFACE "failover_groups: [{name: g, mode: active-active, backends: [b1, b2]}]\n"
	       "backends: [{name: b1, address: 10.0.0.1}, {name: b2, address: 10.0.0.2}, {name: b3, address: 10.0.0.3}]\n"
	       "maintenance: [{group: g, cron: \"0 2 * * SUN\", duration: 1h, target: b3}]\n",
	 "4:69: window: target is not a backend of group \"g\": name one that is\n"},
	{"a drain of a group's window",
	 IFACE GROUP BACKENDS "maintenance: [{group: g, cron: \"0 2 * * SUN\", duration: 1h, drain: 5m}]\n",
	 "4:68: window: drain is of a backend's window; established flows of a group stay anyway: remove it\n"},
	{"a window of a group of one",
	 IFACE "failover_groups: [{name: g, mode: active-active, backends: [b1]}]\n"
	       "backends: [{name: b1, address: 10.0.0.1}]\n"
	       "maintenance: [{group: g, cron: \"0 2 * * SUN\", duration: 1h}]\n",
	 "4:23: window: group \"g\" has one backend: nobody could serve meanwhile: add one, or remove the window\n"},
	{"a window that leaves a group of one empty",
	 IFACE "failover_groups: [{name: g, mode: active-active, backends: [b1]}]\n"
	       "backends: [{name: b1, address: 10.0.0.1}]\n"
	       "maintenance: [{backend: b1, cron: \"0 2 * * SUN\", duration: 1h}]\n",
	 "4:15: window: it leaves group \"g\" without a backend while it lasts: move it, or another one\n"},
	{"two windows that leave a group empty",
	 IFACE GROUP BACKENDS "maintenance:\n"
	       "  - {backend: b1, cron: \"0 2 * * SUN\", duration: 2h}\n"
	       "  - {backend: b2, cron: \"0 3 29 * *\", duration: 1h}\n",
	 "6:5: window: it leaves group \"g\" without a backend while it lasts: move it, or another one\n"},
	{"a window that begins to drain while the other one is open",
	 IFACE GROUP BACKENDS "maintenance:\n"
	       "  - {backend: b1, start: 2027-01-31T02:00:00Z, duration: 2h}\n"
	       "  - {backend: b2, start: 2027-01-31T04:30:00Z, duration: 2h, drain: 1h}\n",
	 "6:5: window: it leaves group \"g\" without a backend while it lasts: move it, or another one\n"},

	/* ---- keys ---- */
	{"no interfaces", "backends: []\n", "1:1: interfaces is missing: give a list of interfaces\n"},
	{"an unknown key", IFACE "source: {shape: round}\n", "2:10: source: unknown key \"shape\": the keys are ipv4, ipv6\n"},
	{"a key misspelt", IFACE "failover_group: []\n",
	 "2:1: unknown key \"failover_group\": did you mean failover_groups?\n"},
	{"a key misspelt in a list", IFACE "backends: [{name: b1, address: 10.0.0.1, wieght: 5}]\n",
	 "2:42: backend \"b1\": unknown key \"wieght\": did you mean weight?\n"},
	{"a key that is a list",
	 IFACE "? [a, b]\n"
	       ": 1\n",
	 "2:3: a key must be a word, not a list\n"},
	{"a key twice",
	 IFACE "table_size: 16\n"
	       "table_size: 32\n",
	 "3:1: table_size is already given in line 2: remove one of them\n"},
	{"a key without value",
	 IFACE "hash_seed:\n"
	       "services: ~\n",
	 "2:11: hash_seed has no value: give one or remove the key\n"
	 "3:11: services has no value: give one or remove the key\n"},
	{"a name of no group", IFACE "dns_backends: [{domain: db.example.com}]\n",
	 "2:16: dns_backend: group_name is missing: give 1 to 63 letters, digits, _ . or -\n"},
	{"a name of an unknown group", IFACE "dns_backends: [{domain: db.example.com, group_name: g}]\n",
	 "2:53: dns_backend \"db.example.com\": group \"g\" is not in failover_groups: define it there, or name another\n"},
	{"a name twice",
	 IFACE "failover_groups: [{name: g, mode: active-active}]\n"
	       "dns_backends:\n"
	       "  - {domain: db.example.com, group_name: g}\n"
	       "  - {domain: db.example.com, group_name: g}\n",
	 "5:14: dns_backend \"db.example.com\" is already given in line 4: remove one of them\n"},
	{"two names that are primary",
	 IFACE "failover_groups: [{name: g}]\n"
	       "dns_backends:\n"
	       "  - {domain: a.example.com, group_name: g, is_primary: true}\n"
	       "  - {domain: b.example.com, group_name: g, is_primary: true}\n",
	 "5:56: dns_backend \"b.example.com\": the group's primary is given in line 4 already: one name can be it\n"},
	{"a truth that is none",
	 IFACE "failover_groups: [{name: g, mode: active-active}]\n"
	       "dns_backends: [{domain: a.example.com, group_name: g, is_primary: maybe}]\n",
	 "3:67: dns_backend: is_primary must be true or false, not \"maybe\"\n"},
	{"a name server that is none", IFACE "name_servers: [ns.example.com]\n",
	 "2:16: name_server: address must be an address such as 10.0.0.53 or \"[fd00::53]:5353\", not \"ns.example.com\"\n"},
	{"no name server", IFACE "name_servers: []\n", "2:15: name_servers has 0 elements: give one\n"},
	{"a group of nobody, without a name that stands for somebody", IFACE "failover_groups: [{name: g, mode: active-active}]\n",
	 "2:19: group \"g\": backends is missing: give a list of backends, or a name in dns_backends\n"},
	{"a backend without address", IFACE "backends: [{name: b1}]\n",
	 "2:12: backend \"b1\": address is missing: give an IPv4 or IPv6 unicast address\n"},
	{"a service without anything", IFACE "services: [{}]\n",
	 "2:12: service: address is missing: give an IPv4 or IPv6 unicast address, or a prefix such as 192.0.2.0/24 or "
	 "2001:db8::/64\n"
	 "2:12: service: group is missing: give 1 to 63 letters, digits, _ . or -\n"
	 "2:12: service: name is missing: give 1 to 63 letters, digits, _ . or -\n"
	 "2:12: service: port is missing: give a whole number from 0 to 65535\n"},

	/* ---- values ---- */
	{"a number with a rest", IFACE "backends: [{name: b1, address: 10.0.0.1, weight: 10x}]\n",
	 "2:50: backend \"b1\": weight must be a whole number from 0 to 65535, not \"10x\"\n"},
	{"a number in quotes", IFACE "backends: [{name: b1, address: 10.0.0.1, weight: \"10\"}]\n",
	 "2:50: backend \"b1\": weight must be a number, not the text \"10\": remove the quotes\n"},
	{"a negative number", IFACE "backends: [{name: b1, address: 10.0.0.1, weight: -1}]\n",
	 "2:50: backend \"b1\": weight must be a whole number from 0 to 65535, not \"-1\"\n"},
	{"a weight too large", IFACE "backends: [{name: b1, address: 10.0.0.1, weight: 65536}]\n",
	 "2:50: backend \"b1\": weight must be a whole number from 0 to 65535, not \"65536\"\n"},
	{"a list for a number", IFACE "hash_seed: [1]\n",
	 "2:12: hash_seed must be a whole number from 0 to 18446744073709551615, not a list\n"},
	{"yes for a number", IFACE "hash_seed: yes\n",
	 "2:12: hash_seed must be a whole number from 0 to 18446744073709551615, not \"yes\"\n"},
	{"a seed beyond 64 bits", IFACE "hash_seed: 0x10000000000000000\n",
	 "2:12: hash_seed must be a whole number from 0 to 18446744073709551615, not \"0x10000000000000000\"\n"},
	{"a table that is no power of two", IFACE "table_size: 65537\n",
	 "2:13: table_size must be a power of two from 16 to 1048576, not \"65537\"\n"},
	{"a table too small", IFACE "table_size: 8\n",
	 "2:13: table_size must be a power of two from 16 to 1048576, not \"8\"\n"},
	{"a table too large", IFACE "table_size: 2097152\n",
	 "2:13: table_size must be a power of two from 16 to 1048576, not \"2097152\"\n"},
	{"a flow table too small", IFACE "flow_table_size: 4\n",
	 "2:18: flow_table_size must be a power of two from 8 to 1073741824, not \"4\"\n"},
	{"a duration without unit", IFACE "flow_timeout: 900\n",
	 "2:15: flow_timeout must be a duration such as 500ms, 5s, 10m or 2h, from 1s to 2h, not \"900\"\n"},
	{"a duration too long", IFACE "flow_timeout: 3h\n",
	 "2:15: flow_timeout must be a duration such as 500ms, 5s, 10m or 2h, from 1s to 2h, not \"3h\"\n"},
	{"a duration too short", IFACE "flow_timeout: 999ms\n",
	 "2:15: flow_timeout must be a duration such as 500ms, 5s, 10m or 2h, from 1s to 2h, not \"999ms\"\n"},
	{"a mapping for a word", IFACE "on_exit: {keep: true}\n",
	 "2:10: on_exit must be keep or detach, not a mapping\n"},
	{"an unknown word", IFACE "on_exit: leave\n", "2:10: on_exit must be keep or detach, not \"leave\"\n"},
	{"an interface with a bad name", "interfaces: [\"eth 0\", an-interface-too-long]\n",
	 "1:14: interface: name must be the name of a network interface such as eth0, not \"eth 0\"\n"
	 "1:23: interface: name must be the name of a network interface such as eth0, not \"an-interface-too-long\"\n"},
	{"an interface twice",
	 "interfaces:\n"
	 "- eth0\n"
	 "- {name: eth0, mode: native}\n",
	 "3:10: interface \"eth0\" is already defined in line 2: rename or remove one of them\n"},
	{"an unknown interface mode", "interfaces: [{name: eth0, mode: offload}]\n",
	 "1:33: interface \"eth0\": mode must be auto, native or generic, not \"offload\"\n"},
	{"no interface in the list", "interfaces: []\n", "1:13: interfaces has 0 elements: give one\n"},
	{"a text for a list", "interfaces: eth0\n", "1:13: interfaces must be a list of interfaces, not \"eth0\"\n"},
	{"a text for a mapping", IFACE "source: 10.0.0.1\n",
	 "2:9: source must be a mapping with the keys ipv4, ipv6, not \"10.0.0.1\"\n"},
	{"a text for a backend", IFACE "backends: [b1]\n",
	 "2:12: backends must be a list of mappings with the keys name, address, weight, port, server_id; not of \"b1\"\n"},
	{"a name with a blank", IFACE "backends: [{name: b 1, address: 10.0.0.1}]\n",
	 "2:19: backend \"b 1\": name must be 1 to 63 letters, digits, _ . or -, not \"b 1\"\n"},
	{"a name too long",
	 IFACE "backends:\n"
	       "- name: nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn\n"
	       "  address: 10.0.0.1\n",
	 "3:9: backend \"nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn\": name must be 1 to 63 "
	 "letters, digits, _ . or -, not \"nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn\"\n"},
	{"an address that is none", IFACE "backends: [{name: b1, address: 10.0.0.256}]\n",
	 "2:32: backend \"b1\": address must be an IPv4 or IPv6 unicast address, not \"10.0.0.256\"\n"},
	{"a host name for an address", IFACE "backends: [{name: b1, address: localhost}]\n",
	 "2:32: backend \"b1\": address must be an IPv4 or IPv6 unicast address, not \"localhost\"\n"},
	{"a multicast address", IFACE "backends: [{name: b1, address: 224.0.0.1}]\n",
	 "2:32: backend \"b1\": address must be an IPv4 or IPv6 unicast address, not \"224.0.0.1\"\n"},
	{"the broadcast address", IFACE "backends: [{name: b1, address: 255.255.255.255}]\n",
	 "2:32: backend \"b1\": address must be an IPv4 or IPv6 unicast address, not \"255.255.255.255\"\n"},
	{"the unspecified address", IFACE "backends: [{name: b1, address: 0.0.0.0}]\n",
	 "2:32: backend \"b1\": address must be an IPv4 or IPv6 unicast address, not \"0.0.0.0\"\n"},
	{"an IPv6 multicast address", IFACE "backends: [{name: b1, address: \"ff02::1\"}]\n",
	 "2:32: backend \"b1\": address must be an IPv4 or IPv6 unicast address, not \"ff02::1\"\n"},

	/* ---- settings ---- */
	{"an IPv6 source for IPv4", IFACE "source: {ipv4: \"fd00::1\"}\n",
	 "2:16: source: ipv4 must be an IPv4 address such as 10.0.0.1, or a prefix such as 10.0.0.0/24, not "
	 "\"fd00::1\"\n"},
	{"an IPv4 source for IPv6", IFACE "source: {ipv6: 10.0.0.1}\n",
	 "2:16: source: ipv6 must be an IPv6 unicast address, not \"10.0.0.1\"\n"},
	{"a source prefix with host bits", IFACE "source: {ipv4: 10.0.0.1/24}\n",
	 "2:16: source: ipv4 \"10.0.0.1/24\" has bits beyond its prefix: clear them, or give the address alone\n"},
	{"a source prefix too short", IFACE "source: {ipv4: 0.0.0.0/0}\n",
	 "2:16: source: ipv4 must be an IPv4 address such as 10.0.0.1, or a prefix such as 10.0.0.0/24, not "
	 "\"0.0.0.0/0\"\n"},
	{"the API on every address without a token", IFACE "api: {listen: \"0.0.0.0:8080\"}\n",
	 "2:15: api: listen \"0.0.0.0:8080\" is not a loopback address: add a token_file and a certificate_file with its key_file, "
	 "or listen on 127.0.0.1 or [::1]\n"},
	{"the API on every address without a certificate", IFACE "api: {listen: \"0.0.0.0:8080\", token_file: /t}\n",
	 "2:15: api: listen \"0.0.0.0:8080\" is not a loopback address: add a certificate_file with its key_file, or listen on "
	 "127.0.0.1 or [::1]\n"},
	{"the API on every address with TLS and no token", IFACE "api: {listen: \"0.0.0.0:80\", certificate_file: /c, key_file: /k}\n",
	 "2:15: api: listen \"0.0.0.0:80\" is not a loopback address: add a token_file, or listen on 127.0.0.1 or [::1]\n"},
	{"a certificate without its key", IFACE "api: {listen: \"127.0.0.1:80\", certificate_file: /c}\n",
	 "2:49: api: certificate_file and key_file belong together: key_file is missing\n"},
	{"a key without its certificate", IFACE "api: {listen: \"127.0.0.1:80\", key_file: /k}\n",
	 "2:41: api: certificate_file and key_file belong together: certificate_file is missing\n"},
	{"a token to read and none to write", IFACE "api: {listen: \"127.0.0.1:80\", read_token_file: /r}\n",
	 "2:48: api: read_token_file needs a token_file for whoever may change things\n"},
	{"the API on an IPv6 address without a token", IFACE "api: {listen: \"[2001:db8::1]:8080\"}\n",
	 "2:15: api: listen \"[2001:db8::1]:8080\" is not a loopback address: add a token_file and a certificate_file with its "
	 "key_file, or listen on 127.0.0.1 or [::1]\n"},
	{"the API without a port", IFACE "api: {listen: 127.0.0.1}\n",
	 "2:15: api: listen must be an address and port such as \"127.0.0.1:8080\" or \"[::1]:8080\", not "
	 "\"127.0.0.1\"\n"},
	{"the API on port 0", IFACE "api: {listen: \"127.0.0.1:0\"}\n",
	 "2:15: api: listen must be an address and port such as \"127.0.0.1:8080\" or \"[::1]:8080\", not "
	 "\"127.0.0.1:0\"\n"},
	{"a token file of no name", IFACE "api: {listen: \"127.0.0.1:80\", token_file: \"\"}\n",
	 "2:43: api: token_file must be the path of a file, not \"\"\n"},
	{"GUE at port 0 by default", IFACE "defaults: {forward: gue, gue: {port: 0}}\n",
	 "2:38: defaults: gue: port must be a whole number from 1 to 65535, not \"0\"\n"},

	/* ---- services ---- */
	{"nat of a whole prefix",
	 IFACE "services: [{name: s, address: 192.0.2.0/24, port: 80, group: g, forward: nat}]\n" GROUP BACKENDS,
	 "2:31: service \"s\": nat needs one address, not a whole prefix, or answers could not be given their address back: give "
	 "one address, or use l2, ipip or gue\n"},
	{"nat between the families",
	 IFACE "defaults: {forward: nat}\n"
	 "services: [{name: s, address: \"2001:db8::1\", port: 80, group: g}]\n" GROUP BACKENDS,
	 "4:61: group \"g\": backend \"b1\" is known by its IPv4 address, and service \"s\" forwards IPv6 by nat, which does not "
	 "translate between them: give the backend's IPv6 address, or use ipip or gue\n"},
	{"two services by nat to one port of a backend",
	 IFACE "defaults: {forward: nat}\n"
	 "services:\n"
	 "- {name: s, address: 192.0.2.1, port: 80, group: g}\n"
	 "- {name: t, address: 192.0.2.2, port: 80, group: g}\n" GROUP BACKENDS,
	 "5:50: service \"t\": what backend \"b1\" of group \"g\" answers from tcp port 80 already belongs to service \"s\" of line "
	 "4, and nat tells services apart by that: give the backend another port for one of them, as a backend of its own\n"},
	{"a service of every port by nat beside one of a port",
	 IFACE "services:\n"
	 "- {name: s, address: 192.0.2.1, port: 80, group: g, forward: nat}\n"
	 "- {name: t, address: 192.0.2.2, port: 0, group: g, forward: nat}\n" GROUP
	 "backends: [{name: b1, address: 10.0.0.1, port: 8080}, {name: b2, address: 10.0.0.2, port: 8080}]\n",
	 "4:49: service \"t\": what backend \"b1\" of group \"g\" answers from every tcp port already belongs to service \"s\" of "
	 "line 3, and nat tells services apart by that: give the backend another port for one of them, as a backend of its own\n"},
	{"a port by nat beside a service of every port, in a fallback",
	 IFACE "services:\n"
	 "- {name: s, address: 192.0.2.1, port: 0, group: f, forward: nat}\n"
	 "- {name: t, address: 192.0.2.2, port: 80, group: g, forward: nat}\n"
	 "failover_groups:\n"
	 "- {name: f, mode: active-active, backends: [b2], health_check: {port: 80}}\n"
	 "- {name: g, mode: active-active, backends: [b1], fallback: f}\n" BACKENDS,
	 "4:50: service \"t\": what backend \"b2\" of group \"f\" answers from tcp port 80 already belongs to service \"s\" of "
	 "line 3, and nat tells services apart by that: give the backend another port for one of them, as a backend of its own\n"},
	{"unknown forwarding",
	 IFACE "services: [{name: s, address: 192.0.2.1, port: 80, group: g, forward: tunnel}]\n" GROUP BACKENDS,
	 "2:71: service \"s\": forward must be l2, ipip, gue or nat, not \"tunnel\"\n"},
	{"a prefix with bits beyond it",
	 IFACE "services: [{name: s, address: 192.0.2.1/24, port: 80, group: g}]\n" GROUP BACKENDS,
	 "2:31: service \"s\": address \"192.0.2.1/24\" has bits beyond its prefix: clear them, or give the address alone\n"},
	{"an IPv6 prefix with bits beyond it",
	 IFACE "services: [{name: s, address: \"2001:db8::8:0/109\", port: 80, group: g}, "
	       "{name: t, address: \"2001:db8::4:0/109\", port: 80, group: g}]\n" GROUP BACKENDS,
	 "2:92: service \"t\": address \"2001:db8::4:0/109\" has bits beyond its prefix: clear them, or give the address alone\n"},
	{"a prefix that is too short",
	 IFACE "services: [{name: s, address: 192.0.0.0/7, port: 80, group: g}]\n" GROUP BACKENDS,
	 "2:31: service \"s\": address must be an IPv4 or IPv6 unicast address, or a prefix such as 192.0.2.0/24 or "
	 "2001:db8::/64, not \"192.0.0.0/7\"\n"},
	{"a prefix twice, once for every port",
	 IFACE "services: [{name: s, address: 192.0.2.0/24, port: 80, group: g}, "
	       "{name: t, address: 192.0.2.0/24, port: 0, group: g}, {name: u, address: 192.0.2.0/25, port: 80, group: g}]\n"
	 GROUP BACKENDS,
	 "2:85: service \"t\" overlaps service \"s\" of line 2 (tcp, 192.0.2.0/24, port 80): give one of them another "
	 "address, protocol or port\n"},
	{"backends in a service's prefix",
	 IFACE "services: [{name: s, address: 10.0.0.2/31, port: 80, group: g}]\n" GROUP BACKENDS,
	 "4:63: backend \"b2\": address 10.0.0.2 is in the prefix of service \"s\": give it one outside\n"},
	{"an unknown scheduler",
	 IFACE "services: [{name: s, address: 192.0.2.1, port: 80, group: g, scheduler: fastest}]\n" GROUP BACKENDS,
	 "2:73: service \"s\": scheduler must be maglev, round-robin, random or least-connections, not \"fastest\"\n"},
	{"a scheduler that may remember nothing",
	 IFACE "services: [{name: s, address: 192.0.2.1, port: 80, group: g, scheduler: random, tracking: never}]\n" GROUP BACKENDS,
	 "2:91: service \"s\": scheduler random needs every flow remembered: remove tracking never, or use scheduler maglev\n"},
	{"GUE at port 0",
	 IFACE "services: [{name: s, address: 192.0.2.1, port: 80, group: g, forward: gue, gue: {port: 0}}]\n" GROUP BACKENDS,
	 "2:88: service \"s\": gue: port must be a whole number from 1 to 65535, not \"0\"\n"},
	{"GUE by its port alone",
	 IFACE "services: [{name: s, address: 192.0.2.1, port: 80, group: g, forward: gue, gue: 6080}]\n" GROUP BACKENDS,
	 "2:81: service \"s\": gue must be a mapping with the keys port, not \"6080\"\n"},
	{"a small MSS", IFACE "services: [{name: s, address: 192.0.2.1, port: 80, group: g, mss: 535}]\n" GROUP BACKENDS,
	 "2:67: service \"s\": mss must be auto or a whole number from 536 to 65495, not \"535\"\n"},
	{"an MSS that is not auto", IFACE "services: [{name: s, address: 192.0.2.1, port: 80, group: g, mss: automatic}]\n" GROUP BACKENDS,
	 "2:67: service \"s\": mss must be auto or a whole number from 536 to 65495, not \"automatic\"\n"},
	{"the MSS of UDP",
	 IFACE "services: [{name: s, address: 192.0.2.1, port: 80, group: g, protocol: udp, mss: auto}]\n" GROUP BACKENDS,
	 "2:82: service \"s\": mss is for TCP services: remove it\n"},
	{"an unknown reaction",
	 IFACE "services: [{name: s, address: 192.0.2.1, port: 80, group: g, on_empty: refuse}]\n" GROUP BACKENDS,
	 "2:72: service \"s\": on_empty must be drop, reject or fail-open, not \"refuse\"\n"},
	{"a fallback that is no group",
	 IFACE "failover_groups: [{name: g, mode: active-active, backends: [b1], fallback: h}]\n" BACKENDS,
	 "2:76: group \"g\": fallback \"h\" is not in failover_groups: define it there, or name another\n"},
	{"a group that falls back on itself",
	 IFACE "failover_groups: [{name: g, mode: active-active, backends: [b1], fallback: g}]\n" BACKENDS,
	 "2:76: group \"g\": fallback \"g\" leads back to it: name a group that does not fall back on this one\n"},
	{"a circle of fallbacks, and one that leads into it",
	 IFACE "failover_groups:\n"
	       "  - {name: a, mode: active-active, backends: [b1], fallback: b}\n"
	       "  - {name: b, mode: active-active, backends: [b1], fallback: c}\n"
	       "  - {name: c, mode: active-active, backends: [b1], fallback: b}\n" BACKENDS,
	 "4:62: group \"b\": fallback \"c\" leads back to it: name a group that does not fall back on this one\n"},
	{"an unknown protocol",
	 IFACE "services: [{name: s, address: 192.0.2.1, port: 80, group: g, protocol: sctp}]\n" GROUP BACKENDS,
	 "2:72: service \"s\": protocol must be tcp or udp, not \"sctp\"\n"},
	{"an unknown hash",
	 IFACE "services: [{name: s, address: 192.0.2.1, port: 80, group: g, hash: 4-tuple}]\n" GROUP BACKENDS,
	 "2:68: service \"s\": hash must be 5-tuple or source-ip, not \"4-tuple\"\n"},
	{"unknown tracking",
	 IFACE "services: [{name: s, address: 192.0.2.1, port: 80, group: g, tracking: sometimes}]\n" GROUP BACKENDS,
	 "2:72: service \"s\": tracking must be auto, always or never, not \"sometimes\"\n"},
	{"a port too large", IFACE "services: [{name: s, address: 192.0.2.1, port: 65536, group: g}]\n" GROUP BACKENDS,
	 "2:48: service \"s\": port must be a whole number from 0 to 65535, not \"65536\"\n"},
	{"a group that is not there",
	 IFACE "services: [{name: s, address: 192.0.2.1, port: 80, group: gg}]\n" GROUP BACKENDS,
	 "2:59: service \"s\": group \"gg\" is not in failover_groups: define it there, or name another\n"},
	{"a service twice",
	 IFACE "services:\n"
	       "- {name: s, address: 192.0.2.1, group: g, port: 80}\n"
	       "- {name: s, address: 192.0.2.1, group: g, port: 80}\n" GROUP BACKENDS,
	 "4:10: service \"s\" is already defined in line 3: rename or remove one of them\n"
	 "4:22: service \"s\" overlaps service \"s\" of line 3 (tcp, 192.0.2.1, port 80): give one of them another "
	 "address, protocol or port\n"},
	{"two services that overlap",
	 IFACE "services:\n"
	       "- {name: s, address: 192.0.2.1, group: g, port: 80}\n"
	       "- {name: t, address: 192.0.2.1, group: g, port: 80, protocol: tcp}\n" GROUP BACKENDS,
	 "4:22: service \"t\" overlaps service \"s\" of line 3 (tcp, 192.0.2.1, port 80): give one of them another "
	 "address, protocol or port\n"},
	{"every port after one port",
	 IFACE "services:\n"
	       "- {name: s, address: 192.0.2.1, group: g, port: 80}\n"
	       "- {name: t, address: 192.0.2.1, group: g, port: 0}\n" GROUP BACKENDS,
	 "4:22: service \"t\" overlaps service \"s\" of line 3 (tcp, 192.0.2.1, port 80): give one of them another "
	 "address, protocol or port\n"},
	{"one port after every port",
	 IFACE
	 "services:\n"
	 "- {name: s, address: 192.0.2.1, group: g, port: 0, protocol: udp}\n"
	 "- {name: t, address: 192.0.2.1, group: g, port: 53, protocol: udp}\n"
	 "failover_groups: [{name: g, mode: active-active, backends: [b1, b2], health_check: {port: 80}}]\n" BACKENDS,
	 "4:22: service \"t\" overlaps service \"s\" of line 3 (udp, 192.0.2.1, every port): give one of them another "
	 "address, protocol or port\n"},
	{"every port twice",
	 IFACE
	 "services:\n"
	 "- {name: s, address: 192.0.2.1, group: g, port: 0}\n"
	 "- {name: t, address: 192.0.2.1, group: g, port: 0}\n"
	 "failover_groups: [{name: g, mode: active-active, backends: [b1, b2], health_check: {port: 80}}]\n" BACKENDS,
	 "4:22: service \"t\" overlaps service \"s\" of line 3 (tcp, 192.0.2.1, every port): give one of them another "
	 "address, protocol or port\n"},
	{"a backend with a service's address",
	 IFACE SERVICE GROUP "backends:\n"
			     "- {name: b1, address: 192.0.2.1}\n"
			     "- {name: b2, address: 10.0.0.2}\n",
	 "5:23: backend \"b1\": address 192.0.2.1 is the address of service \"s\": give the backend's own\n"},
	{"no port to check",
	 IFACE "services: [{name: s, address: 192.0.2.1, port: 0, group: g}]\n" GROUP
	       "backends: [{name: b1, address: 10.0.0.1, port: 80}, {name: b2, address: 10.0.0.2}]\n",
	 "3:65: group \"g\": no port to check backend \"b2\" on, as service \"s\" takes every port: give the "
	 "health_check or the backend a port\n"},

	/* ---- groups ---- */
	{"an unknown mode", IFACE SERVICE "failover_groups: [{name: g, mode: active, backends: [b1, b2]}]\n" BACKENDS,
	 "3:35: group \"g\": mode must be active-passive, active-active, normal or rolling, not \"active\"\n"},
	{"no backends", IFACE SERVICE "failover_groups: [{name: g, mode: active-active, backends: []}]\n" BACKENDS,
	 "3:60: group \"g\": backends has 0 elements: give one\n"},
	{"no list of backends", IFACE SERVICE "failover_groups: [{name: g, mode: active-active}]\n" BACKENDS,
	 "3:19: group \"g\": backends is missing: give a list of backends, or a name in dns_backends\n"},
	{"a backend that is not there",
	 IFACE SERVICE "failover_groups: [{name: g, mode: active-active, backends: [b1, b2, b3]}]\n" BACKENDS,
	 "3:69: group \"g\": backend \"b3\" is not in backends: define it there, or remove it here\n"},
	{"a backend listed twice",
	 IFACE SERVICE "failover_groups: [{name: g, mode: active-active, backends: [b1, b2, {name: b1}]}]\n" BACKENDS,
	 "3:76: group \"g\": backend \"b1\" is listed twice: remove one of them\n"},
	{"no primary", IFACE SERVICE "failover_groups: [{name: g, backends: [b1, b2]}]\n" BACKENDS,
	 "3:19: group \"g\": mode active-passive needs a primary: add \"primary: NAME\", or \"mode: active-active\"\n"},
	{"a primary that is no member",
	 IFACE SERVICE "failover_groups: [{name: g, primary: b2, backends: [b1]}]\n" BACKENDS,
	 "3:38: group \"g\": primary \"b2\" is not one of its backends: add it to them, or name another\n"},
	{"a primary that is not there",
	 IFACE SERVICE "failover_groups: [{name: g, primary: b3, backends: [b1, b2]}]\n" BACKENDS,
	 "3:38: group \"g\": primary \"b3\" is not one of its backends: add it to them, or name another\n"},
	{"a primary that is not there, without effect",
	 IFACE SERVICE "failover_groups: [{name: g, mode: active-active, primary: b3, backends: [b1, b2]}]\n" BACKENDS,
	 "3:59: group \"g\": primary \"b3\" is not in backends: define it there, or remove the key\n"},
	{"a primary less preferred than another",
	 IFACE SERVICE "failover_groups: [{name: g, primary: b1, backends: [{name: b1, priority: 2}, {name: b2, "
		       "priority: 1}]}]\n" BACKENDS,
	 "3:85: group \"g\": backend \"b2\" is preferred (priority 1) to the primary (2): give the primary the lowest "
	 "priority\n"},
	{"a priority that is no number",
	 IFACE SERVICE
	 "failover_groups: [{name: g, primary: b1, backends: [b1, {name: b2, priority: low}]}]\n" BACKENDS,
	 "3:78: group \"g\": backend \"b2\": priority must be a whole number from 0 to 65535, not \"low\"\n"},
	{"more healthy ones than members",
	 IFACE SERVICE "failover_groups: [{name: g, primary: b1, backends: [b1, b2], min_healthy: 3}]\n" BACKENDS,
	 "3:75: group \"g\": min_healthy 3 is more than its 2 backend(s): lower it, or add backends\n"},
	{"a threshold that is no percentage",
	 IFACE SERVICE "failover_groups: [{name: g, primary: b1, backends: [b1, b2], panic: 30}]\n" BACKENDS,
	 "3:69: group \"g\": panic must be a percentage from 0% to 100%, not \"30\"\n"},
	{"a percentage of more than all",
	 IFACE SERVICE "failover_groups: [{name: g, primary: b1, backends: [b1, b2], min_healthy: 101%}]\n" BACKENDS,
	 "3:75: group \"g\": min_healthy must be a whole number from 1 to 16384, or a percentage from 1% to 100%, not \"101%\"\n"},
	{"a tier that is left as soon as it is returned to",
	 IFACE SERVICE "failover_groups: [{name: g, primary: b1, backends: [b1, b2], min_healthy: 2, return_healthy: 1}]\n" BACKENDS,
	 "3:94: group \"g\": return_healthy 1 is less than min_healthy 2: a tier would be left as soon as it is returned to: raise it\n"},
	{"more ones to return to than members",
	 IFACE SERVICE "failover_groups: [{name: g, primary: b1, backends: [b1, b2], return_healthy: 3}]\n" BACKENDS,
	 "3:78: group \"g\": return_healthy 3 is more than its 2 backend(s): lower it, or add backends\n"},
	{"steps without rolling",
	 IFACE SERVICE "failover_groups: [{name: g, primary: b1, backends: [b1, b2], step: 10%}]\n" BACKENDS,
	 "3:68: group \"g\": step is of mode rolling: remove it, or set the mode\n"},
	{"an interval without rolling",
	 IFACE SERVICE "failover_groups: [{name: g, primary: b1, backends: [b1, b2], interval: 5s}]\n" BACKENDS,
	 "3:72: group \"g\": interval is of mode rolling: remove it, or set the mode\n"},
	{"an unknown fate of flows",
	 IFACE SERVICE "failover_groups: [{name: g, primary: b1, backends: [b1, b2], on_down: drop}]\n" BACKENDS,
	 "3:71: group \"g\": on_down must be move or keep, not \"drop\"\n"},
	{"spill-over by itself, of a group that does nothing by itself",
	 IFACE SERVICE "failover_groups: [{name: g, primary: b1, backends: [b1, b2], failover: manual, overprovision: 140%}]\n" BACKENDS,
	 "3:95: group \"g\": overprovision moves flows to other tiers by itself: use failover: automatic, or remove it\n"},
	{"a factor below one",
	 IFACE SERVICE "failover_groups: [{name: g, primary: b1, backends: [b1, b2], overprovision: 90%}]\n" BACKENDS,
	 "3:77: group \"g\": overprovision must be a percentage from 100% to 10000%, not \"90%\"\n"},
	{"the least lagging of all at once",
	 IFACE SERVICE "failover_groups: [{name: g, mode: active-active, backends: [b1, b2], max_lag: 1s}]\n" BACKENDS,
	 "3:79: group \"g\": max_lag lets one backend serve at a time: use mode active-passive\n"},
	{"the least lagging of several",
	 IFACE SERVICE "failover_groups: [{name: g, primary: b1, backends: [b1, b2], max_lag: 1s, min_healthy: 2}]\n" BACKENDS,
	 "3:88: group \"g\": min_healthy and max_lag exclude each other: with max_lag one backend serves at a time\n"},
	{"spill-over to one that may lag",
	 IFACE SERVICE "failover_groups: [{name: g, primary: b1, backends: [b1, b2], max_lag: 1s, overprovision: 140%}]\n" BACKENDS,
	 "3:90: group \"g\": overprovision and max_lag exclude each other: with max_lag one backend serves at a time\n"},
	{"reuse above suppress",
	 IFACE SERVICE "failover_groups: [{name: g, primary: b1, backends: [b1, b2], damping: {suppress: 1000, reuse: 2000}}]\n" BACKENDS,
	 "3:71: group \"g\": damping: reuse 2000 must be below suppress 1000: lower it\n"},
	{"a suppression that cannot be",
	 IFACE SERVICE "failover_groups: [{name: g, primary: b1, backends: [b1, b2], damping: {half_life: 1h, max_suppress: 1h}}]\n" BACKENDS,
	 "3:71: group \"g\": damping: no penalty can reach suppress 6000 and decay to reuse 750 within max_suppress: raise max_suppress, or lower half_life\n"},
	{"unknown failover",
	 IFACE SERVICE "failover_groups: [{name: g, primary: b1, backends: [b1, b2], failover: auto}]\n" BACKENDS,
	 "3:72: group \"g\": failover must be automatic, semi-automatic or manual, not \"auto\"\n"},
	{"a group twice",
	 IFACE SERVICE "failover_groups:\n"
		       "- {name: g, mode: normal, backends: [b1, b2]}\n"
		       "- {name: g, mode: normal, backends: [b1, b2]}\n" BACKENDS,
	 "5:10: group \"g\" is already defined in line 4: rename or remove one of them\n"},
	{"a backend twice",
	 IFACE "backends:\n"
	       "- {name: b1, address: 10.0.0.1}\n"
	       "- {name: b1, address: 10.0.0.2}\n",
	 "4:10: backend \"b1\" is already defined in line 3: rename or remove one of them\n"},

	/* ---- health checks ---- */
	{"an unknown type",
	 IFACE SERVICE
	 "failover_groups: [{name: g, mode: normal, backends: [b1, b2], health_check: {type: smtp}}]\n" BACKENDS,
	 "3:84: group \"g\": health_check: type must be tcp, http, https, udp, icmp, dns, exec, agent or none, not "
	 "\"smtp\"\n"},
#define CHECK(text) \
	IFACE SERVICE "failover_groups: [{name: g, mode: normal, backends: [b1, b2], health_check: {" text "}}]\n" BACKENDS
	{"a status that is none", CHECK("type: http, status: 2xx"),
	 "3:98: group \"g\": health_check: status must be HTTP status codes such as 200, 200-399 or 200-299,304, not "
	 "\"2xx\"\n"},
	{"a range of status that is empty", CHECK("type: http, status: 399-200"),
	 "3:98: group \"g\": health_check: status must be HTTP status codes such as 200, 200-399 or 200-299,304, not "
	 "\"399-200\"\n"},
	{"a method in small letters", CHECK("type: http, method: get"),
	 "3:98: group \"g\": health_check: method must be an HTTP method such as GET or HEAD, not \"get\"\n"},
	{"half a byte", CHECK("type: udp, send_hex: 0d0"),
	 "3:99: group \"g\": health_check: send_hex must be bytes in hexadecimal, such as 0d0a, not \"0d0\"\n"},
	{"two things to send", CHECK("type: udp, send: a, send_hex: 0d"),
	 "3:108: group \"g\": health_check: send and send_hex say the same: remove one of them\n"},
	{"a certificate for HTTP", CHECK("type: http, certificate_file: /c"),
	 "3:108: group \"g\": health_check: certificate_file is for https checks: remove it, or give such a type\n"},
	{"a key without a certificate", CHECK("type: https, key_file: /k"),
	 "3:101: group \"g\": health_check: key_file has no certificate_file: add one, or remove it\n"},
	{"an authority for nothing", CHECK("type: https, verify: off, ca_file: /c"),
	 "3:113: group \"g\": health_check: ca_file has no meaning with verify off: remove one of them\n"},
	{"a program without a command", CHECK("type: exec"),
	 "3:84: group \"g\": health_check: type exec needs a command: add \"command: [PROGRAM, …]\"\n"},
	{"a command of another type", CHECK("type: tcp, command: [/bin/true]"),
	 "3:98: group \"g\": health_check: command is for exec checks: remove it, or give type: exec\n"},
	{"a command that is no list", CHECK("type: exec, command: /bin/true"),
	 "3:99: group \"g\": health_check: command must be a list of words, not \"/bin/true\"\n"},
	{"a query that is missing", CHECK("type: dns"),
	 "3:84: group \"g\": health_check: type dns needs a query: add \"query: NAME\"\n"},
	{"an address as the answer to MX", CHECK("type: dns, query: a.example, query_type: MX, answer: 10.0.0.9"),
	 "3:131: group \"g\": health_check: answer is an address: ask for it with query_type A or AAAA\n"},
	{"an agent nowhere", CHECK("type: agent"),
	 "3:84: group \"g\": health_check: type agent needs a port: the one that the agent listens on\n"},
	{"a port of ping", CHECK("type: icmp, port: 7"),
	 "3:96: group \"g\": health_check: port is for tcp, http, none, https, udp, dns, exec or agent checks: remove it, "
	 "or give such a type\n"},
	{"a hurry that is none", CHECK("interval: 1s, fast_interval: 2s"),
	 "3:107: group \"g\": health_check: fast_interval 2s is longer than interval 1s: shorten or remove it\n"},
	{"a way of another kind", CHECK("via: tunnel"),
	 "3:83: group \"g\": health_check: via must be backend or service, not \"tunnel\"\n"},
	{"a way for an echo", CHECK("type: icmp, via: service"),
	 "3:95: group \"g\": health_check: via is for tcp, http, https, udp or dns checks: remove it, or give such a type\n"},
	{"a way without an answer", CHECK("type: udp, via: service"),
	 "3:94: group \"g\": health_check: via: service needs an answer to wait for: add \"expect\"\n"},
	{"a way for a connection that stays", CHECK("path: /, keepalive: on, via: service"),
	 "3:98: group \"g\": health_check: keepalive on and via: service cannot stand together: each check goes the service's way from its "
	 "first packet on; remove one of them\n"},
	{"a connection that stays of what has none", CHECK("type: udp, keepalive: on"),
	 "3:100: group \"g\": health_check: keepalive is for http or https checks: remove it, or give such a type\n"},
	{"a padded probe without its way", CHECK("padded_interval: 5s"),
	 "3:95: group \"g\": health_check: padded_interval is for checks with via: service: remove it, or add that\n"},
	{"padded probes more often than others", CHECK("via: service, interval: 5s, padded_interval: 1s"),
	 "3:123: group \"g\": health_check: padded_interval 1s is shorter than interval 5s: lengthen it\n"},
	{"more ways than there are marks", IFACE
	 "services:\n"
	 "  - {name: a, address: 192.0.2.1, port: 80, group: g}\n  - {name: b, address: 192.0.2.2, port: 80, group: g}\n"
	 "  - {name: c, address: 192.0.2.3, port: 80, group: g}\n  - {name: d, address: 192.0.2.4, port: 80, group: g}\n"
	 "  - {name: e, address: 192.0.2.5, port: 80, group: g}\n  - {name: f, address: 192.0.2.6, port: 80, group: g}\n"
	 "  - {name: h, address: 192.0.2.7, port: 80, group: g}\n  - {name: i, address: 192.0.2.8, port: 80, group: g}\n"
	 "  - {name: j, address: 192.0.2.8, port: 81, group: g}\n  - {name: k, address: 192.0.2.9, port: 80, group: g}\n"
	 "failover_groups: [{name: g, mode: normal, backends: [b1, b2], health_check: {via: service}}]\n" BACKENDS,
	 "13:19: group \"g\": health_check: via: service would go to 9 addresses of services, at most 8 are possible: split the "
	 "group\n"},
	{"all and any", CHECK("all: [{type: tcp}], any: [{type: icmp}]"),
	 "3:103: group \"g\": health_check: all and any cannot stand together: remove one of them\n"},
	{"a type beside all", CHECK("type: tcp, all: [{type: tcp}]"),
	 "3:84: group \"g\": health_check: type has no place beside all or any: each of their checks has its own\n"},
	{"a part with an interval", CHECK("all: [{interval: 1s}]"),
	 "3:85: group \"g\": health_check: check: unknown key \"interval\": the keys are type, path, host, port, method, "
	 "status, http_version, keepalive, send, send_hex, expect, expect_hex, sni, verify, ca_file, certificate_file, key_file, query, "
	 "query_type, rcode, answer, command\n"},
	{"a part with what is not its own", CHECK("any: [{type: tcp, path: /x}]"),
	 "3:102: group \"g\": health_check: path is for http or https checks: remove it, or give such a type\n"},
	{"a path beside all", CHECK("path: /x, all: [{type: tcp}]"),
	 "3:84: group \"g\": health_check: path is for http or https checks: remove it, or give such a type\n"},
	{"no checks in flight", IFACE "max_checks_in_flight: 0\n",
	 "2:23: max_checks_in_flight must be a whole number from 1 to 100000, not \"0\"\n"},
	{"a path of a TCP check",
	 IFACE SERVICE "failover_groups: [{name: g, mode: normal, backends: [b1, b2], health_check: {type: tcp, path: "
		       "/health}}]\n" BACKENDS,
	 "3:95: group \"g\": health_check: path is for http or https checks: remove it, or give such a type\n"},
	{"a host of a TCP check",
	 IFACE SERVICE
	 "failover_groups: [{name: g, mode: normal, backends: [b1, b2], health_check: {host: example.com}}]\n" BACKENDS,
	 "3:84: group \"g\": health_check: host is for http or https checks: remove it, or give such a type\n"},
	{"a path that is none",
	 IFACE SERVICE
	 "failover_groups: [{name: g, mode: normal, backends: [b1, b2], health_check: {path: health}}]\n" BACKENDS,
	 "3:84: group \"g\": health_check: path must be a path such as /health, not \"health\"\n"},
	{"a timeout longer than the interval",
	 IFACE SERVICE "failover_groups: [{name: g, mode: normal, backends: [b1, b2], health_check: {interval: 1s, "
		       "timeout: 2s}}]\n" BACKENDS,
	 "3:101: group \"g\": health_check: timeout 2s is longer than interval 1s: shorten it, or give a longer "
	 "interval\n"},
	{"a timeout longer than the default interval",
	 IFACE SERVICE
	 "failover_groups: [{name: g, mode: normal, backends: [b1, b2], health_check: {timeout: 2s}}]\n" BACKENDS,
	 "3:87: group \"g\": health_check: timeout 2s is longer than interval 1s: shorten it, or give a longer "
	 "interval\n"},
	{"a default timeout longer than the interval", IFACE "defaults: {health_check: {timeout: 2s}}\n",
	 "2:36: defaults: health_check: timeout 2s is longer than interval 1s: shorten it, or give a longer "
	 "interval\n"},
	{"a default timeout longer than the interval of a group",
	 IFACE SERVICE
	 "failover_groups: [{name: g, mode: normal, backends: [b1, b2], health_check: {interval: 400ms}}]\n" BACKENDS
	 "defaults: {health_check: {timeout: 600ms}}\n",
	 "3:88: group \"g\": health_check: timeout 600ms is longer than interval 400ms: shorten it, or give a longer "
	 "interval\n"},
	{"no result at all",
	 IFACE SERVICE "failover_groups: [{name: g, mode: normal, backends: [b1, b2], health_check: "
		       "{healthy_threshold: 0}}]\n" BACKENDS,
	 "3:97: group \"g\": health_check: healthy_threshold must be a whole number from 1 to 1000, not \"0\"\n"},
	{"a misspelt key",
	 IFACE SERVICE
	 "failover_groups: [{name: g, mode: normal, backends: [b1, b2], health_check: {intervall: 1s}}]\n" BACKENDS,
	 "3:78: group \"g\": health_check: unknown key \"intervall\": did you mean interval?\n"},

	/* ---- protection ---- */
	{"a prefix with bits behind it", IFACE "deny: [203.0.113.0/24, 203.0.113.5/24]\n",
	 "2:24: client: prefix must be a prefix such as 203.0.113.0/24 or 2001:db8:bad::/48, no bits set behind it, not "
	 "\"203.0.113.5/24\"\n"},
	{"no prefix at all", IFACE "allow: [\"::/129\", web]\n",
	 "2:9: client: prefix must be a prefix such as 203.0.113.0/24 or 2001:db8:bad::/48, no bits set behind it, not "
	 "\"::/129\"\n"
	 "2:19: client: prefix must be a prefix such as 203.0.113.0/24 or 2001:db8:bad::/48, no bits set behind it, not "
	 "\"web\"\n"},
	{"one prefix that is no list", IFACE "deny: 203.0.113.0/24\n",
	 "2:7: deny must be a list of clients, not \"203.0.113.0/24\"\n"},
	{"limits without a limit",
	 IFACE "services: [{name: s, address: 192.0.2.1, port: 80, group: g, limits: {}}]\n" GROUP BACKENDS,
	 "2:70: service \"s\": limits has no limit: give new_flows or per_client\n"},
	{"a burst of nothing",
	 IFACE "services: [{name: s, address: 192.0.2.1, port: 80, group: g, limits: {burst: 5, client_burst: 6, "
	       "client_prefix: {ipv4: 24}, new_flows: 0}}]\n" GROUP BACKENDS,
	 "2:95: service \"s\": limits: client_burst means nothing without per_client: give that too, or remove it\n"
	 "2:113: service \"s\": limits: client_prefix means nothing without per_client: give that too, or remove it\n"
	 "2:136: service \"s\": limits: new_flows must be a whole number from 1 to 10000000, not \"0\"\n"},
	{"limits of UDP",
	 IFACE "services: [{name: s, address: 192.0.2.1, protocol: udp, port: 80, group: g, limits: {per_client: 5}}]\n"
	 GROUP BACKENDS,
	 "2:85: service \"s\": limits count the packets that begin a flow, and only TCP tells them: remove limits\n"},
	{"a client that is everybody",
	 IFACE "services: [{name: s, address: 192.0.2.1, port: 80, group: g, limits: {per_client: 5, client_prefix: "
	       "{ipv4: 0}}}]\n" GROUP BACKENDS,
	 "2:108: service \"s\": limits: client_prefix: ipv4 must be a whole number from 1 to 32, not \"0\"\n"},

	/* ---- clients of other groups ---- */
	{"clients of nobody",
	 IFACE "services: [{name: s, address: 192.0.2.1, port: 80, group: g, clients: [{prefix: 10.0.0.0/8, group: eu}]}]\n"
	 GROUP BACKENDS,
	 "2:100: service \"s\": clients: group \"eu\" is not in failover_groups: define it there, or name another\n"},
	{"clients twice",
	 IFACE "services: [{name: s, address: 192.0.2.1, port: 80, group: g, clients: [{prefix: 10.0.0.0/8, group: g},\n"
	       "  {prefix: 10.1.0.0/16, group: g}, {prefix: 10.0.0.0/8, group: g}]}]\n" GROUP BACKENDS,
	 "3:45: service \"s\": clients: prefix 10.0.0.0/8 is already given in line 2: remove one of them\n"},
	{"clients that cannot come",
	 IFACE "services: [{name: s, address: 192.0.2.1, port: 80, group: g, clients: [{prefix: \"::/0\", group: g}]},\n"
	       "  {name: t, address: \"2001:db8::1\", port: 80, group: g, clients: [{prefix: 0.0.0.0/0, group: g}]}]\n"
	 GROUP BACKENDS,
	 "2:81: service \"s\": clients: prefix ::/0 is none of a client of an IPv4 address: give an IPv4 prefix, or remove it\n"
	 "3:76: service \"t\": clients: prefix 0.0.0.0/0 is none of a client of an IPv6 address: give an IPv6 prefix, or "
	 "remove it\n"},
	{"clients by halves",
	 IFACE "services: [{name: s, address: 192.0.2.1, port: 80, group: g, clients: [{prefix: 10.0.0.1/8, group: g}, "
	       "{prefix: 10.0.0.0/8}, 10.0.0.0/8]}]\n" GROUP BACKENDS,
	 "2:81: service \"s\": client: prefix must be a prefix such as 203.0.113.0/24 or 2001:db8:bad::/48, no bits set "
	 "behind it, not \"10.0.0.1/8\"\n"
	 "2:104: service \"s\": client: group is missing: give 1 to 63 letters, digits, _ . or -\n"
	 "2:126: service \"s\": clients must be a list of mappings with the keys prefix, group; not of \"10.0.0.0/8\"\n"},
	/* ---- what follows from the results of checks ---- */
	{"a degraded weight without a percent sign",
	 IFACE SERVICE
	 "failover_groups: [{name: g, mode: normal, backends: [b1, b2], health_check: {degraded_weight: 20}}]\n" BACKENDS,
	 "3:95: group \"g\": health_check: degraded_weight must be a percentage from 1% to 100%, not \"20\"\n"},
	{"a degraded weight of nothing",
	 IFACE SERVICE
	 "failover_groups: [{name: g, mode: normal, backends: [b1, b2], health_check: {degraded_weight: 0%}}]\n" BACKENDS,
	 "3:95: group \"g\": health_check: degraded_weight must be a percentage from 1% to 100%, not \"0%\"\n"},
	{"an answer that would be slow only after the timeout",
	 IFACE SERVICE
	 "failover_groups: [{name: g, mode: normal, backends: [b1, b2], health_check: {timeout: 400ms, slow_threshold: 400ms}}]\n" BACKENDS,
	 "3:110: group \"g\": health_check: slow_threshold 400ms is not below timeout 400ms: no answer is ever slow: lower it\n"},
	{"a back-off to less than the interval",
	 IFACE SERVICE
	 "failover_groups: [{name: g, mode: normal, backends: [b1, b2], health_check: {interval: 2s, max_interval: 1s}}]\n" BACKENDS,
	 "3:106: group \"g\": health_check: max_interval 1s is below interval 2s: raise it, or remove it\n"},
	{"a score of too few results",
	 IFACE SERVICE
	 "failover_groups: [{name: g, mode: normal, backends: [b1, b2], health_check: {score: {results: 5}}}]\n" BACKENDS,
	 "3:95: group \"g\": health_check: score: results must be a whole number from 10 to 64, not \"5\"\n"},
	{"a window that holds too few results",
	 IFACE SERVICE
	 "failover_groups: [{name: g, mode: normal, backends: [b1, b2], health_check: {interval: 2s, score: {window: 10s}}}]\n" BACKENDS,
	 "3:108: group \"g\": health_check: score: window 10s holds fewer than 10 results of a check every 2s: give at least 20s\n"},
	{"a slow start that is a bare number",
	 IFACE SERVICE
	 "failover_groups: [{name: g, mode: normal, backends: [b1, b2], health_check: {slow_start: 30}}]\n" BACKENDS,
	 "3:90: group \"g\": health_check: slow_start must be a duration such as 500ms, 5s, 10m or 2h, from 0s to 24h, not \"30\"\n"},
	{"a prediction of what is no time at all",
	 IFACE SERVICE
	 "failover_groups: [{name: g, mode: normal, backends: [b1, b2], health_check: {predict: 10ms}}]\n" BACKENDS,
	 "3:87: group \"g\": health_check: predict must be a duration such as 500ms, 5s, 10m or 2h, from 1s to 24h, not \"10ms\"\n"},
	{"a key of the score misspelt",
	 IFACE SERVICE
	 "failover_groups: [{name: g, mode: normal, backends: [b1, b2], health_check: {score: {result: 20}}}]\n" BACKENDS,
	 "3:86: group \"g\": health_check: score: unknown key \"result\": did you mean results?\n"},
	/* ---- passive detection ---- */
	{"a passive detection that ends before it begins",
	 IFACE SERVICE
	 "failover_groups: [{name: g, mode: normal, backends: [b1, b2], passive: {base_time: 10m}}]\n" BACKENDS,
	 "3:84: group \"g\": passive: max_time 5m is below base_time 10m: raise it, or lower base_time\n"},
	{"ejecting more than there are",
	 IFACE SERVICE
	 "failover_groups: [{name: g, mode: normal, backends: [b1, b2], passive: {max_ejected: 101%}}]\n" BACKENDS,
	 "3:86: group \"g\": passive: max_ejected must be a percentage from 1% to 100%, not \"101%\"\n"},
	{"passive detection maybe",
	 IFACE SERVICE
	 "failover_groups: [{name: g, mode: normal, backends: [b1, b2], passive: {enabled: maybe}}]\n" BACKENDS,
	 "3:82: group \"g\": passive: enabled must be true or false, not \"maybe\"\n"},
	{"a round that is no time at all",
	 IFACE SERVICE
	 "failover_groups: [{name: g, mode: normal, backends: [b1, b2], passive: {interval: 100ms}}]\n" BACKENDS,
	 "3:83: group \"g\": passive: interval must be a duration such as 500ms, 5s, 10m or 2h, from 500ms to 5m, not \"100ms\"\n"},

	/* ---- QUIC ---- */
#define QUIC_SERVICE(quic) \
	IFACE "services: [{name: s, address: 192.0.2.1, protocol: udp, port: 443, group: g, quic: " quic "}]\n" GROUP
	{"QUIC over TCP",
	 IFACE "services: [{name: s, address: 192.0.2.1, port: 443, group: g, quic: true}]\n" GROUP BACKENDS,
	 "2:69: service \"s\": quic is for UDP services: remove it, or give protocol udp\n"},
	{"perhaps QUIC", QUIC_SERVICE("maybe") BACKENDS,
	 "2:84: service \"s\": quic: enabled must be true or false, not \"maybe\"\n"},
	{"a server id nowhere", QUIC_SERVICE("{server_id: {offset: 1}}") BACKENDS,
	 "2:96: service \"s\": quic: server_id: length is missing: give a whole number from 1 to 8\n"},
	{"a server id beyond connection ids", QUIC_SERVICE("{server_id: {offset: 15, length: 6}}") BACKENDS,
	 "2:96: service \"s\": quic: server_id ends behind byte 20, where connection ids end: lower offset or length\n"},
	{"server ids that are none", QUIC_SERVICE("true")
	 "backends: [{name: b1, address: 10.0.0.1, server_id: 7}, {name: b2, address: 10.0.0.2, server_id: 0x123}]\n",
	 "4:53: backend \"b1\": server_id must be 1 to 8 bytes in hexadecimal such as 0x0a01, not \"7\"\n"
	 "4:98: backend \"b2\": server_id must be 1 to 8 bytes in hexadecimal such as 0x0a01, not \"0x123\"\n"},
	{"server ids of another length, and twice", QUIC_SERVICE("{server_id: {offset: 0, length: 1}}")
	 "backends: [{name: b1, address: 10.0.0.1, server_id: 0x0102}, {name: b2, address: 10.0.0.2, server_id: 0x01}]\n",
	 "4:53: backend \"b1\": server_id 0x0102 is not the 1 byte that service \"s\" reads: give as many\n"},
	{"one server id for two", QUIC_SERVICE("{server_id: {offset: 0, length: 1}}")
	 "backends: [{name: b1, address: 10.0.0.1, server_id: 0x0a}, {name: b2, address: 10.0.0.2, server_id: 0x0A}]\n",
	 "4:101: backend \"b2\": server_id 0x0A is that of backend \"b1\" of line 4, and service \"s\" reaches both: give each "
	 "its own\n"},

	/* ---- many at once ---- */
	{"errors come sorted by line, all at once",
	 "backends: [{name: b1, address: 10.0.0}]\n"
	 "table_size: 3\n"
	 "interfaces: [eth0]\n"
	 "services: [{name: s, address: 192.0.2.1, port: 80, group: g}]\n"
	 "hash_sed: 1\n",
	 "1:32: backend \"b1\": address must be an IPv4 or IPv6 unicast address, not \"10.0.0\"\n"
	 "2:13: table_size must be a power of two from 16 to 1048576, not \"3\"\n"
	 "4:59: service \"s\": group \"g\" is not in failover_groups: define it there, or name another\n"
	 "5:1: unknown key \"hash_sed\": did you mean hash_seed?\n"},
};

#endif
