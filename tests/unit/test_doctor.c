/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What doctor says of recorded facts: each row changes one fact of a host on which all is well. */
#include <libgen.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "doctor/doctor.h"
#include "base/file.h"
#include "net/address.h"
#include "shunt/doctor_print.h"

static struct doctor_link link_now;
static struct doctor_backend backends_now[2];
static struct doctor_facts facts_now;

static void all_is_well(void)
{
	link_now = (struct doctor_link){
		.name = "eth0", .exists = true, .up = true, .mtu = 1500, .driver = "ixgbe",
		.native = DOCTOR_YES, .redirect = DOCTOR_YES, .attached_native = true, .dispatcher = true,
		.programs = {{7, "xdp_shunt", true}}, .n_programs = 1,
		.lro = DOCTOR_NO, .gro = DOCTOR_YES, .gro_hw = DOCTOR_NO, .rx_checksum = DOCTOR_YES, .tx_checksum = DOCTOR_YES,
		.rx_queues = 8, .rx_queues_max = 63, .rx_ring = 4096, .rx_ring_max = 8192, .rp_filter = 2,
		.ipv4_forwarding = DOCTOR_YES, .ipv6_forwarding = DOCTOR_YES,
	};
	for (size_t i = 0; i < 2; i++) {
		backends_now[i] = (struct doctor_backend){
			.name = i ? "web2" : "web1", .modes = 1U << SHUNT_FORWARD_IPIP, .device = "eth1", .mtu = 1600,
			.route = {.kind = NETLINK_ROUTE_UNICAST, .ifindex = 3}, .neighbour = {.usable = true},
		};
		assert_int_equal(address_parse(i ? "10.0.1.12" : "10.0.1.11", &backends_now[i].address), 0);
	}
	facts_now = (struct doctor_facts){
		.host = {
			.major = 6, .minor = 12, .release = "6.12.1", .btf = true, .jit = DOCTOR_YES, .xdp = DOCTOR_YES,
			.ringbuf = DOCTOR_YES, .devmap = DOCTOR_YES, .lpm_trie = DOCTOR_YES,
			.caps = DOCTOR_CAP_BPF | DOCTOR_CAP_NET_ADMIN | DOCTOR_CAP_PERFMON, .bpffs = true,
			.data_path_pinned = true, .clock_synchronised = DOCTOR_YES, .wall_s = 1800000000, .cpus = 8,
			.neighbours_max = {1024, 1024}, .controller = true, .controller_version = "0.1.0",
		},
		.config_path = "shunt.yaml", .config_read = true, .links = &link_now, .n_links = 1,
		.backends = backends_now, .n_backends = 2, .memory_bytes = 64 << 20, .memory_free_bytes = 512 << 20,
	};
}

/* "level subject: text → remedy", a line each; those that are ok only on request. */
static char *said(bool with_ok)
{
	struct doctor_report report;
	size_t length;
	char *text;
	FILE *to = open_memstream(&text, &length);

	doctor_judge(&facts_now, &report);
	for (size_t i = 0; i < report.n; i++)
		if (with_ok || report.lines[i].level != DOCTOR_OK)
			fprintf(to, "%s %s: %s%s%s\n", doctor_level_text(report.lines[i].level), report.lines[i].subject,
				report.lines[i].text, report.lines[i].remedy ? " → " : "", report.lines[i].remedy ?: "");
	fclose(to);
	doctor_report_clear(&report);
	return text;
}

static void a_host_on_which_all_is_well(void **state)
{
	_cleanup_(freep) char *text = NULL;

	(void)state;
	all_is_well();
	text = said(true);
	assert_string_equal(text,
			    "ok configuration: shunt.yaml\n"
			    "ok controller: shuntd 0.1.0 answers\n"
			    "ok kernel: Linux 6.12.1\n"
			    "ok BPF: XDP programs, tries, device maps and ring buffers are there, and BTF\n"
			    "ok BPF: programs are compiled (JIT)\n"
			    "ok capabilities: CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON\n"
			    "ok memlock: maps are not counted as locked memory here\n"
			    "ok bpffs: mounted on /sys/fs/bpf; a data path of shunt is pinned there\n"
			    "ok memory: the maps take about 64 MB, 512 MB are free\n"
			    "ok clock: synchronised\n"
			    "ok eth0: native XDP in driver ixgbe\n"
			    "ok eth0: libxdp's dispatcher: others can share the interface\n"
			    "ok eth0: nothing merges packets before XDP (LRO off; GRO comes after it)\n"
			    "ok eth0: 8 receive queues, 8 CPUs\n"
			    "ok eth0: receive ring of 4096\n"
			    "ok eth0: rp_filter is loose\n"
			    "ok next hops: known for all 2 backends\n"
			    "ok MTU ipip: packets of 1500 bytes fit, with 20 more in front, within 1600 to web1\n");
}

static void old_kernel(void)
{
	facts_now.host.major = 5;
	facts_now.host.minor = 10;
	snprintf(facts_now.host.release, sizeof(facts_now.host.release), "5.10.0");
	facts_now.host.memlock_bytes = 65536;
}

static void not_root(void)
{
	facts_now.host.caps = DOCTOR_CAP_PERFMON;
	facts_now.host.xdp = facts_now.host.ringbuf = facts_now.host.devmap = facts_now.host.lpm_trie = DOCTOR_UNKNOWN;
}

static void bare_kernel(void)
{
	facts_now.host.ringbuf = facts_now.host.jit = DOCTOR_NO;
	facts_now.host.btf = facts_now.host.bpffs = false;
}

static void no_clsact(void)
{
	facts_now.via_service = true;
	facts_now.clsact = DOCTOR_NO;
}

static void no_controller(void)
{
	facts_now.host.controller = false;
}

static void clock_never_set(void)
{
	facts_now.host.wall_s = 86400;
}

static void clock_alone(void)
{
	facts_now.host.clock_synchronised = DOCTOR_NO;
}

static void little_memory(void)
{
	facts_now.host.data_path_pinned = false;
	facts_now.memory_bytes = 4ULL << 30;
}

static void wrong_config(void)
{
	facts_now.config_read = false;
	facts_now.config_errors = 2;
	facts_now.n_links = facts_now.n_backends = 0;
}

static void no_config(void)
{
	wrong_config();
	facts_now.config_path = NULL;
}

static void no_link(void)
{
	link_now = (struct doctor_link){.name = "eth7"};
}

static void link_down(void)
{
	link_now.up = false;
}

static void lro(void)
{
	link_now.attached_native = false;
	link_now.n_programs = 0;
	link_now.dispatcher = false;
	link_now.lro = DOCTOR_YES;
}

static void generic(void)
{
	link_now.attached_native = false;
	link_now.attached_generic = true;
	link_now.native = DOCTOR_NO;
}

static void native_impossible(void)
{
	lro();
	link_now.lro = link_now.native = link_now.gro = DOCTOR_NO;
	link_now.wanted = INTERFACE_MODE_NATIVE;
}

static void other_program(void)
{
	lro();
	link_now.lro = DOCTOR_NO;
	link_now.programs[0] = (struct doctor_program){12, "xdp_filter", false};
	link_now.n_programs = 1;
	link_now.attached_native = true;
}

static void veth(void)
{
	snprintf(link_now.driver, sizeof(link_now.driver), "veth");
	link_now.rx_queues = 1;
	link_now.rx_queues_max = 2;
	link_now.gro_hw = DOCTOR_YES;
}

static void small_ring(void)
{
	link_now.rx_ring = 256;
	link_now.rp_filter = 1;
}

static void translated(void)
{
	backends_now[0].modes = backends_now[1].modes = 1U << SHUNT_FORWARD_NAT;
	link_now.ipv4_forwarding = link_now.ipv6_forwarding = DOCTOR_NO;
}

static void translated_and_strict(void)
{
	backends_now[0].modes = 1U << SHUNT_FORWARD_NAT;
	link_now.rp_filter = 1;
}

static void translated_over_ipv6(void)
{
	translated();
	assert_int_equal(address_parse("fd00::1:11", &backends_now[0].address), 0);
	link_now.ipv4_forwarding = DOCTOR_YES;
}

static void no_route(void)
{
	backends_now[1].route = (struct netlink_route){.kind = NETLINK_ROUTE_NONE};
	backends_now[1].mtu = 0;
}

static void own_address(void)
{
	backends_now[0].route.kind = NETLINK_ROUTE_LOCAL;
}

static void unresolved(void)
{
	backends_now[0].neighbour.usable = false;
}

static void behind_a_gateway(void)
{
	backends_now[0].modes = 1U << SHUNT_FORWARD_L2;
	backends_now[0].route.has_gateway = true;
	assert_int_equal(address_parse("10.0.0.1", &backends_now[0].route.gateway), 0);
}

static void narrow(void)
{
	backends_now[1].mtu = 1500;
	backends_now[1].modes |= 1U << SHUNT_FORWARD_GUE;
}

static void few_neighbours(void)
{
	facts_now.host.neighbours_max[0] = 3;
}

static const struct {
	void (*change)(void);
	const char *said;
} rows[] = {
	{old_kernel, "fail kernel: Linux 5.10.0: older than 6.1, the program may not load → boot Linux 6.1 or later: apt install "
		     "linux-image-amd64\nfail memlock: maps may have 64 kB only → ulimit -l unlimited (systemd: "
		     "LimitMEMLOCK=infinity)\n"},
	{not_root, "warn BPF: only root may try what the kernel has → sudo shunt doctor\nfail capabilities: a program started as "
		   "this user cannot load the data path: it lacks CAP_BPF CAP_NET_ADMIN → start shuntd as root, and ask again: "
		   "sudo shunt doctor\n"},
	{bare_kernel, "fail BPF: this kernel has no ring buffers → boot a kernel with CONFIG_BPF_SYSCALL and CONFIG_XDP_SOCKETS, as "
		      "Debian's\nwarn BPF: the kernel has no BTF: libxdp's dispatcher is not to be had → boot a kernel with "
		      "CONFIG_DEBUG_INFO_BTF, as Debian's\nfail BPF: programs are interpreted: several times slower → sysctl -w "
		      "net.core.bpf_jit_enable=1\nfail bpffs: /sys/fs/bpf is not mounted, or hidden by `ip netns exec` → mount -t "
		      "bpf bpf /sys/fs/bpf\n"},
	{no_clsact, "fail BPF: no programs at clsact: checks with via: service cannot be sent as traffic is → modprobe sch_ingress "
		    "cls_bpf, or boot a kernel that has them (CONFIG_NET_SCH_INGRESS, CONFIG_NET_CLS_ACT, CONFIG_NET_CLS_BPF)\n"},
	{no_controller, "warn controller: shuntd does not answer: packets go on, but nobody checks the backends → systemctl start "
			"shuntd\n"},
	{clock_never_set, "fail clock: it was never set: certificates, maintenance windows and the audit trail will be wrong → apt "
			  "install systemd-timesyncd (or chrony); timedatectl set-ntp true\n"},
	{clock_alone, "warn clock: nothing keeps it: the audit trails of several hosts will not fit together → apt install "
		      "systemd-timesyncd (or chrony); timedatectl set-ntp true\n"},
	{little_memory, "fail memory: the maps take about 4096 MB, and 512 MB are free → a smaller flow_table_size or table_size in "
			"shunt.yaml\n"},
	{wrong_config, "fail configuration: shunt.yaml has 2 errors → shunt check shunt.yaml\n"},
	{no_config, "warn configuration: there is none yet, so interfaces and backends are not looked at → shunt doctor -c FILE\n"},
	{no_link, "fail eth7: there is no such interface → ip link; then mend interfaces: in shunt.yaml\n"},
	{link_down, "fail eth0: it is down, or has no carrier → ip link set dev eth0 up\n"},
	{lro, "fail eth0: LRO is on: drivers refuse native XDP with it, and merged packets fit no tunnel → ethtool -K eth0 lro off\n"},
	{generic, "warn eth0: generic XDP, several times slower: driver ixgbe had no native XDP when shunt was attached → mend LRO, "
		  "MTU and queues below, then: shunt detach; systemctl restart shuntd\nwarn eth0: GRO is on, and generic XDP comes "
		  "after it: merged packets exceed the MTU and are lost → ethtool -K eth0 gro off\n"},
	{native_impossible, "fail eth0: mode: native is asked for, and driver ixgbe has no native XDP → mode: auto, or a card whose "
			    "driver has it\n"},
	{other_program, "fail eth0: another XDP program is in the way: xdp_filter (id 12) → ip link set dev eth0 xdp off\n"},
	{veth, "warn eth0: the card merges packets (rx-gro-hw): most drivers turn it off with XDP, some refuse XDP → ethtool -K eth0 "
	       "rx-gro-hw off\nwarn eth0: veth: what leaves in native mode waits until the other end has an XDP program, too, and "
	       "its packets have unfinished checksums → at the other end: load an XDP program that passes all; ethtool -K DEV tx "
	       "off\nwarn eth0: 1 receive queue for 8 CPUs: the others cannot help → ethtool -L eth0 rx 2\n"},
	{small_ring, "warn eth0: receive ring of 256, the card has 8192: bursts are lost before XDP sees them → ethtool -G eth0 rx "
		     "8192\nwarn eth0: rp_filter is strict: what the kernel gets of clients by another way than back is dropped → "
		     "sysctl -w net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.eth0.rp_filter=2\n"},
	{translated, "fail eth0: the kernel does not forward IPv4: answers of nat backends are lost → sysctl -w net.ipv4.ip_forward=1\n"},
	{translated_and_strict, "warn eth0: rp_filter is strict: what the kernel gets of clients by another way than back is dropped, "
				"and nat's first answer to a next hop not yet resolved → sysctl -w net.ipv4.conf.all.rp_filter=0 "
				"net.ipv4.conf.eth0.rp_filter=2\n"},
	{translated_over_ipv6, "fail eth0: the kernel does not forward IPv6: answers of nat backends are lost → sysctl -w "
			       "net.ipv6.conf.all.forwarding=1\n"},
	{no_route, "fail backend web2: no next hop for 10.0.1.12: no route → ip route get 10.0.1.12\n"},
	{own_address, "fail backend web1: no next hop for 10.0.1.11: its address is this host's own → ip route get 10.0.1.11\n"},
	{unresolved, "warn backend web1: neighbour 10.0.1.11 on eth1 is not resolved: nothing talked to it yet, or it does not answer "
		     "→ ping -c 1 10.0.1.11; ip neighbour show dev eth1\n"},
	{behind_a_gateway, "fail backend web1: 10.0.1.11 is behind a gateway: forward: l2 reaches only the networks this host is on → "
			   "forward: ipip or gue, in the services that use it\n"},
	{narrow, "warn MTU ipip: clients may send 1500 bytes, and 1480 fit on the way to web2 (1500 less 20 in front): path MTU "
		 "discovery has to find out, in every connection → ip link set dev eth1 mtu 1520 (and behind it), or mss: auto in "
		 "the services\nwarn MTU gue: clients may send 1500 bytes, and 1468 fit on the way to web2 (1500 less 32 in front): "
		 "path MTU discovery has to find out, in every connection → ip link set dev eth1 mtu 1532 (and behind it), or mss: "
		 "auto in the services\n"},
	{few_neighbours, "warn neighbours: 2 backends are neighbours, and the kernel's table ends at 3 → sysctl -w "
			 "net.ipv4.neigh.default.gc_thresh3=8\n"},
};

static void each_fact_is_told_with_what_mends_it(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		_cleanup_(freep) char *text = NULL;

		all_is_well();
		rows[i].change();
		text = said(false);
		if (strcmp(text, rows[i].said) != 0)
			fail_msg("row %zu said:\n%s\nnot:\n%s", i, text, rows[i].said);
	}
}

/* ---- how it reads ---- */

static void assert_golden(const char *text, const char *name)
{
	_cleanup_(freep) char *path = NULL, *expected = NULL, *folder = strdup(__FILE__);
	size_t length;

	assert_true(asprintf(&path, "%s/../golden/cli/%s", dirname(folder), name) > 0);
	if (getenv("SHUNT_GOLDEN_UPDATE"))
		assert_int_equal(file_write_atomically(path, text, strlen(text), 0644), 0);
	assert_int_equal(file_read(path, 1 << 20, &expected, &length), 0);
	if (strcmp(text, expected) != 0)
		fail_msg("doctor printed:\n%s\nnot, as %s has it:\n%s", text, name, expected);
}

static void assert_reads(const char *name, const char *name_json)
{
	const struct style style = {.utf8 = true, .width = 80};
	_cleanup_(freep) char *text = NULL, *json = NULL;
	struct doctor_report report;
	json_t *document;
	size_t length;
	FILE *to = open_memstream(&text, &length);

	doctor_judge(&facts_now, &report);
	doctor_print(&report, &style, to);
	fclose(to);
	document = doctor_json(&report);
	json = json_dumps(document, JSON_INDENT(2));
	json_decref(document);
	doctor_report_clear(&report);
	assert_golden(text, name);
	assert_golden(json, name_json);
}

static void a_report_reads_as_it_did(void **state)
{
	(void)state;
	all_is_well();
	assert_reads("doctor", "doctor-json");
	old_kernel();
	narrow();
	unresolved();
	few_neighbours();
	assert_reads("doctor-troubled", "doctor-troubled-json");
}

static void overhead_is_what_the_packet_path_puts_in_front(void **state)
{
	(void)state;
	assert_int_equal(doctor_overhead(SHUNT_FORWARD_L2, true), 0);
	assert_int_equal(doctor_overhead(SHUNT_FORWARD_IPIP, true), 20);
	assert_int_equal(doctor_overhead(SHUNT_FORWARD_IPIP, false), 40);
	assert_int_equal(doctor_overhead(SHUNT_FORWARD_GUE, true), 32);
	assert_int_equal(doctor_overhead(SHUNT_FORWARD_GUE, false), 52);
}

/* This very host: whatever it is like, reading it must not fail, and the kernel that runs this test is known. */
static void reading_a_host_finds_its_kernel(void **state)
{
	struct doctor_facts facts;

	(void)state;
	assert_int_equal(doctor_read(NULL, "/nonexistent", &facts), 0);
	assert_true(facts.host.major >= 5);
	assert_true(facts.host.cpus >= 1);
	assert_false(facts.host.data_path_pinned);
	assert_int_equal(facts.n_links, 0);
	doctor_facts_clear(&facts);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_host_on_which_all_is_well),
		cmocka_unit_test(each_fact_is_told_with_what_mends_it),
		cmocka_unit_test(a_report_reads_as_it_did),
		cmocka_unit_test(overhead_is_what_the_packet_path_puts_in_front),
		cmocka_unit_test(reading_a_host_finds_its_kernel),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
