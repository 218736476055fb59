/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * bpf/parse.h, compiled for this machine, beside the strict parser: both must read the same from any bytes. The
 * frame ends where a page ends behind which nothing may be read, so that a byte too many is a crash; xdp_md has
 * 32-bit pointers, hence MAP_32BIT.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <linux/types.h>
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

/* In place of the kernel: parsing needs one map, the room for what it finds. */
static __u64 room[64];
static void *only_map(const void *map, const void *key)
{
	(void)map;
	(void)key;
	return room;
}
#define bpf_map_lookup_elem(map, key) only_map(map, key)

#include "../../bpf/maps.h"
#include "../../bpf/packet.h"
#include "../../bpf/parse.h"

#include "../lib/strict_parser.h"

enum { FRAME_MOST = 4096 };
_Static_assert(sizeof(struct headers) <= sizeof(room), "there is room for what parsing finds");

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

static uint8_t *page_end;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	uint8_t *pages = mmap(NULL, 2 * FRAME_MOST, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT,
			      -1, 0);

	(void)argc;
	(void)argv;
	if (pages == MAP_FAILED || mprotect(pages + FRAME_MOST, FRAME_MOST, PROT_NONE) != 0) {
		perror("mmap");
		exit(1);
	}
	page_end = pages + FRAME_MOST;
	return 0;
}

static void must(bool holds, const char *what, const struct strict *s)
{
	if (holds)
		return;
	fprintf(stderr, "the parsers differ: %s (strict: kind %d, protocol %d, %s)\n", what, s->kind, s->protocol,
		s->refused ? s->refused : "not refused");
	abort();
}

static bool at_fault(const struct packet *p)
{
	return p->fault != 0;
}

/* Extension headers are read by policy: of such packets only that nothing refused has ports and no fault. */
static void compare(int verdict, const struct packet *p, const struct strict *s)
{
	must((verdict == XDP_PASS) == (s->kind == STRICT_FOREIGN), "whose packet it is", s);
	if (s->kind == STRICT_FOREIGN)
		return;
	must(memcmp(p->source.byte, s->source, 16) == 0, "source", s);
	must(memcmp(p->destination.byte, s->destination, 16) == 0, "destination", s);
	must(p->tags == s->n_tags && l3_offset(p) == s->l3, "tags", s);
	must(p->no_ports || !s->refused || at_fault(p), "what is refused has ports and no fault", s);
	if (s->n_extensions || s->kind == STRICT_FRAGMENT)
		return;
	must((uint16_t)p->ip_len == (uint16_t)s->ip_len, "length", s);
	must(p->protocol == s->protocol && !p->is_fragment, "protocol", s);
	if (s->kind == STRICT_BROKEN) {
		must(at_fault(p), "what is broken is no fault", s);
		return;
	}
	must(!p->no_ports == s->has_ports, "whether there are ports", s);
	must(!s->refused || at_fault(p), "what is refused is no fault", s);
	must(s->refused || s->suspicious || !at_fault(p), "a fault of what is right", s);
	if (!s->has_ports)
		return;
	must(p->l4_offset == s->l4, "place of the transport header", s);
	must(bpf_ntohs(source_port(p)) == s->source_port, "source port", s);
	must(bpf_ntohs(destination_port(p)) == s->destination_port, "destination port", s);
	must(p->starts_flow == s->starts_flow, "whether it starts a flow", s);
}

static void parse_both(const uint8_t *frame, size_t size)
{
	struct xdp_md ctx = {.data = (uintptr_t)frame, .data_end = (uintptr_t)frame + size};
	struct unusual unusual = {0};
	struct packet p = {.ctx = &ctx, .unusual = &unusual};
	struct strict s = strict_parse(frame, size);
	int verdict = parse(&p);

	compare(verdict, &p, &s);
}

/* Of an IPv4 header where one may be: chance does not find it, and behind a wrong one nothing is read. */
static void mend_checksum(uint8_t *frame, size_t size)
{
	size_t l3 = strict_parse(frame, size).l3, header = size > l3 ? frame[l3] % 16 * 4U : 0;
	uint32_t sum = 0;

	if (header < 20 || l3 + header > size)
		return;
	memset(frame + l3 + 10, 0, 2);
	for (size_t i = l3; i < l3 + header; i += 2)
		sum += (uint32_t)frame[i] * 256 + frame[i + 1];
	while (sum > 0xffff)
		sum = (sum >> 16) + sum % 0x10000;
	frame[l3 + 10] = (0xffff - sum) / 256;
	frame[l3 + 11] = (0xffff - sum) % 256;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *frame = page_end - size;

	if (size > FRAME_MOST)
		return -1;
	memcpy(frame, data, size);
	parse_both(frame, size);
	mend_checksum(frame, size);
	parse_both(frame, size);
	return 0;
}
