/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Opening, adopting and growing the maps, and that real frames leave by the right interface. */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <arpa/inet.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <cmocka.h>

#include <shunt/hash.h>
#include <shunt/names.h>

#include "../lib/fixture.h"
#include "base/cleanup.h"

#define CLIENT "198.51.100.7:4000"
#define VIP "192.0.2.10:80"

/* ---- adopting ---- */

static void a_second_opening_finds_everything_as_it_was(void **state)
{
	struct fixture *f = *state;
	uint32_t backend = fixture_backend(f, "10.0.1.1", LINK_IN), other = fixture_backend(f, "10.0.1.2", LINK_OUT),
		 id;
	uint32_t group = fixture_group(f, 0xabc), service;
	struct shunt_service_key key = service_key(IPPROTO_TCP, VIP);
	struct shunt_slot *words;
	bool found;

	fixture_group(f, 0xdef);
	assert_false(datapath_adopted(f->datapath));
	service = fixture_service(f, IPPROTO_TCP, VIP, group, SHUNT_FORWARD_IPIP, 0);
	for (uint32_t slot = 0; slot < f->options.table_size; slot++)
		fixture_slot(f, group, slot, slot % 2 ? moving(backend, other) : settled(other));
	words = malloc(f->options.table_size * sizeof(*words));
	assert_non_null(words);
	memcpy(words, datapath_table(f->datapath, group), f->options.table_size * sizeof(*words));
	for (int i = 0; i < 3; i++) {
		struct outcome before = fixture_run(f, tcp(CLIENT, VIP, ACK)), after;

		fixture_reopen(f);
		assert_true(datapath_adopted(f->datapath));
		after = fixture_run(f, tcp(CLIENT, VIP, ACK));
		assert_int_equal(before.verdict, after.verdict);
		assert_true(frames_equal(before.frame, after.frame));
		assert_memory_equal(words, datapath_table(f->datapath, group), f->options.table_size * sizeof(*words));
		assert_int_equal(datapath_service_id(f->datapath, &key), service);
		assert_int_equal(datapath_group(f->datapath, 0xabc, &id, &found), 0);
		assert_true(found && id == group);
		assert_int_equal(fixture_backend(f, "10.0.1.2", LINK_OUT), other);
	}
	assert_int_equal(fixture_counters(f).service.packets, 6);
	free(words);
}

static void a_group_or_backend_that_was_removed_is_not_found_again(void **state)
{
	struct fixture *f = *state;
	uint32_t backend = fixture_backend(f, "10.0.1.1", LINK_IN), group = fixture_group(f, 5), id;
	uint64_t identity = datapath_peek_backend(f->datapath, backend)->identity;
	bool found = true;

	fixture_slots(f, group, settled(backend));
	datapath_group_remove(f->datapath, group);
	datapath_backend_remove(f->datapath, backend);
	fixture_reopen(f);
	assert_int_equal(datapath_group(f->datapath, 5, &id, &found), 0);
	assert_false(found);
	for (uint32_t slot = 0; slot < f->options.table_size; slot++)
		assert_int_equal(datapath_table(f->datapath, id)[slot].now, 0);
	assert_int_equal(datapath_backend(f->datapath, identity, &id, &found), 0);
	assert_false(found);
	assert_int_equal(datapath_peek_backend(f->datapath, id)->flags, SHUNT_BACKEND_USED);
}

static void room_for_more_groups_keeps_the_tables_of_those_there_are(void **state)
{
	struct fixture f;
	struct datapath_options few = fixture_defaults;
	uint32_t group[2], backend, id;
	bool found;

	(void)state;
	few.groups = 2;
	fixture_open(&f, &few);
	backend = fixture_backend(&f, "10.0.1.1", LINK_IN);
	for (int g = 0; g < 2; g++) {
		group[g] = fixture_group(&f, 70 + g);
		for (uint32_t slot = 0; slot < few.table_size; slot++)
			fixture_slot(&f, group[g], slot, moving(backend + (slot + g) % 3, backend));
	}
	while (datapath_group(f.datapath, 1000 + datapath_room(f.datapath), &id, &found) == 0 && !found)
		if (id + 1 == datapath_room(f.datapath))
			break;
	f.options.groups = 40;
	fixture_reopen(&f);
	assert_true(datapath_adopted(f.datapath) && datapath_room(f.datapath) >= 40);
	for (int g = 0; g < 2; g++) {
		assert_int_equal(fixture_group(&f, 70 + g), group[g]);
		for (uint32_t slot = 0; slot < few.table_size; slot++) {
			struct shunt_slot word = datapath_table(f.datapath, group[g])[slot];

			assert_int_equal(word.now, backend + (slot + g) % 3);
			assert_int_equal(word.state, SHUNT_SLOT_MOVING);
		}
	}
	for (uint32_t i = 0; i < 38; i++)
		assert_int_equal(datapath_group(f.datapath, 5000 + i, &id, &found), 0);
	f.options.groups = 1; /* fewer are asked for: the room stays */
	fixture_reopen(&f);
	assert_true(datapath_room(f.datapath) >= 40);
	fixture_close(&f);
}

static void what_was_laid_out_otherwise_is_refused_with_a_reason(void **state)
{
	struct fixture *f = *state;
	struct datapath_options other[3] = {f->options, f->options, f->options};
	static const char *const word[] = {"table_size", "flow_table_size", "hash_seed"};
	struct datapath *datapath = NULL;

	other[0].table_size *= 2;
	other[1].flow_table_size *= 2;
	other[2].hash_seed++;
	for (size_t i = 0; i < N(other); i++) {
		assert_int_equal(datapath_open(&other[i], &datapath), -EEXIST);
		assert_null(datapath);
		print_message("  %s\n", datapath_error());
		assert_non_null(strstr(datapath_error(), word[i]));
		assert_non_null(strstr(datapath_error(), FIXTURE_BPF_DIR));
	}
	fixture_reopen(f);
	assert_true(datapath_adopted(f->datapath));
	datapath_close(f->datapath);
	f->options = other[0];
	f->options.fresh = true;
	assert_int_equal(datapath_open(&f->options, &f->datapath), 0);
	assert_false(datapath_adopted(f->datapath));
}

static void a_folder_that_is_not_on_bpffs_is_refused_with_a_remedy(void **state)
{
	struct datapath_options options = fixture_defaults;
	struct datapath *datapath = NULL;

	(void)state;
	options.bpf_dir = "/tmp/shunt-test-not-bpffs";
	assert_int_equal(datapath_open(&options, &datapath), -EINVAL);
	assert_non_null(strstr(datapath_error(), "mount -t bpf"));
	assert_int_not_equal(access(options.bpf_dir, F_OK), 0);
}

static void maps_are_pinned_by_name_and_go_with_the_data_path(void **state)
{
	struct fixture f;
	struct datapath_map maps[32];
	char program[] = FIXTURE_BPF_DIR "/" SHUNT_PROGRAM;
	size_t n;

	(void)state;
	fixture_open(&f, &fixture_defaults);
	n = datapath_maps(f.datapath, maps, N(maps));
	assert_true(n >= 8);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(access(maps[i].path, F_OK), 0);
		/* Any other variable of the program would be in it as well, and whoever adopts it would know nothing of that. */
		if (!strcmp(maps[i].name, SHUNT_MAP_DIRECT))
			assert_int_equal(maps[i].value_bytes, sizeof(struct shunt_direct));
	}
	assert_int_equal(access(program, F_OK), 0);
	fixture_close(&f);
	assert_int_not_equal(access(FIXTURE_BPF_DIR, F_OK), 0);
}

/* Of a data path that --fresh replaces. */
static void what_an_earlier_layout_pinned_goes_with_it(void **state)
{
	int map = bpf_map_create(BPF_MAP_TYPE_ARRAY, "links", 4, 16, 64, NULL);
	struct fixture f;

	(void)state;
	mkdir(FIXTURE_BPF_DIR, 0700);
	assert_return_code(bpf_obj_pin(map, FIXTURE_BPF_DIR "/links"), errno);
	fixture_open(&f, &fixture_defaults);
	assert_int_not_equal(access(FIXTURE_BPF_DIR "/links", F_OK), 0);
	fixture_close(&f);
	assert_int_not_equal(access(FIXTURE_BPF_DIR, F_OK), 0);
	close(map);
}

/* Kernels give up at a million instructions, old ones earlier; and what takes long to load takes long to replace. */
static void the_verifier_has_little_to_do(void **state)
{
	struct bpf_prog_info info = {0};
	uint32_t len = sizeof(info);

	assert_int_equal(bpf_obj_get_info_by_fd(fixture_program(*state), &info, &len), 0);
	print_message("  %u instructions, %u bytes jited, %u verified\n", info.xlated_prog_len / 8, info.jited_prog_len,
		      info.verified_insns);
	assert_true(info.verified_insns < 200000);
}

/* ---- real frames ---- */

/* A veth takes frames from its peer's XDP_TX and redirect only while it runs a program of its own. */
static void let_pass(const char *interface)
{
	const struct bpf_insn instructions[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = XDP_PASS},
		{.code = BPF_JMP | BPF_EXIT},
	};
	_cleanup_(closep) int program =
		bpf_prog_load(BPF_PROG_TYPE_XDP, "xdp_pass", "GPL", instructions, N(instructions), NULL);

	assert_true(program >= 0);
	assert_int_equal(bpf_xdp_attach(if_nametoindex(interface), program, 0, NULL), 0);
}

static void take_off(const char *interface)
{
	assert_int_equal(bpf_xdp_detach(if_nametoindex(interface), 0, NULL), 0);
}

static int packet_socket(const char *interface)
{
	struct sockaddr_ll address = {
		.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = if_nametoindex(interface)};
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL));

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

static bool arrives(int fd, const struct frame *expected)
{
	struct pollfd ready = {.fd = fd, .events = POLLIN};
	struct frame got = {0};

	while (poll(&ready, 1, 2000) == 1) {
		ssize_t len = recv(fd, got.byte, sizeof(got.byte), 0);

		got.len = len > 0 ? len : 0;
		if (frames_equal(&got, expected))
			return true;
	}
	return false;
}

static void frames_leave_by_the_link_of_their_backend(void **state)
{
	struct fixture *f = *state;
	uint32_t here = fixture_backend(f, "10.0.1.1", LINK_IN), there = fixture_backend(f, "10.0.1.2", LINK_OUT);
	uint32_t group = fixture_group(f, 1),
		 service = fixture_service(f, IPPROTO_TCP, VIP, group, SHUNT_FORWARD_IPIP, 0);
	struct frame *in = payload(tcp(CLIENT, VIP, ACK), 100), *not_ours = tcp(CLIENT, "192.0.2.99:80", SYN);
	_cleanup_(closep) int in0 = packet_socket("in0"), in1 = packet_socket("in1"), out1 = packet_socket("out1");

	let_pass("in1");
	let_pass("out1");
	assert_int_equal(datapath_attach(f->datapath, "in0", INTERFACE_MODE_NATIVE), 0);
	fixture_slots(f, group, settled(here));
	assert_int_equal(send(in1, in->byte, in->len, 0), in->len);
	assert_true(arrives(in1, sent(f, in, service, here)));
	fixture_slots(f, group, settled(there));
	assert_int_equal(send(in1, in->byte, in->len, 0), in->len);
	assert_true(arrives(out1, sent(f, in, service, there)));
	assert_int_equal(send(in1, not_ours->byte, not_ours->len, 0), not_ours->len);
	assert_true(arrives(in0, not_ours));
	assert_int_equal(fixture_counters(f).service.packets, 2);
	take_off("in1");
	take_off("out1");
}

static void a_new_program_takes_the_place_of_the_old_one(void **state)
{
	struct fixture *f = *state;
	struct datapath *next = NULL;
	const struct datapath_attachment *list;

	assert_int_equal(datapath_attach(f->datapath, "in0", INTERFACE_MODE_AUTO), 0);
	assert_int_equal(datapath_attachments(f->datapath, &list), 1);
	assert_true(list[0].native && strcmp(list[0].name, "in0") == 0);
	assert_int_equal(datapath_open(&f->options, &next), 0);
	datapath_take_attachments(next, f->datapath);
	datapath_close(f->datapath);
	f->datapath = next;
	assert_int_equal(datapath_attach(f->datapath, "in0", INTERFACE_MODE_AUTO), 0);
	assert_int_equal(datapath_attachments(f->datapath, &list), 1);
	assert_int_equal(datapath_detach(f->datapath, "in0"), 0);
	assert_int_equal(datapath_detach(f->datapath, "in0"), -ENOENT);
}

static void a_program_of_somebody_else_is_left_alone(void **state)
{
	struct fixture *f = *state;

	let_pass("in0");
	assert_int_equal(datapath_attach(f->datapath, "in0", INTERFACE_MODE_AUTO), -EBUSY);
	assert_non_null(strstr(datapath_error(), "xdp_pass"));
	take_off("in0");
	assert_int_equal(datapath_attach(f->datapath, "in9", INTERFACE_MODE_AUTO), -ENODEV);
	assert_non_null(strstr(datapath_error(), "in9"));
}

int main(void)
{
#define test(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		test(a_second_opening_finds_everything_as_it_was),
		test(a_group_or_backend_that_was_removed_is_not_found_again),
		cmocka_unit_test(room_for_more_groups_keeps_the_tables_of_those_there_are),
		test(what_was_laid_out_otherwise_is_refused_with_a_reason),
		cmocka_unit_test(a_folder_that_is_not_on_bpffs_is_refused_with_a_remedy),
		cmocka_unit_test(maps_are_pinned_by_name_and_go_with_the_data_path),
		cmocka_unit_test(what_an_earlier_layout_pinned_goes_with_it),
		test(the_verifier_has_little_to_do),
		test(frames_leave_by_the_link_of_their_backend),
		test(a_new_program_takes_the_place_of_the_old_one),
		test(a_program_of_somebody_else_is_left_alone),
	};

	fixture_isolate();
	return cmocka_run_group_tests_name("datapath", tests, NULL, NULL);
}
