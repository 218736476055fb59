/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Frames for people: what differs between two of them, and a pcap file of a failed case for Wireshark. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <sys/stat.h>
#include <arpa/inet.h>

#include "packet.h"
#include "net/address.h"

enum { BYTES_A_LINE = 16 };

bool frames_equal(const struct frame *a, const struct frame *b)
{
	return a->len == b->len && memcmp(a->byte, b->byte, a->len) == 0;
}

static void print_ip(const uint8_t *at, const uint8_t *end)
{
	struct shunt_addr source, destination;
	char from[ADDRESS_TEXT_MAX], to[ADDRESS_TEXT_MAX];
	bool ipv4 = at < end && at[0] >> 4 == 4;
	const uint8_t *next;
	uint8_t protocol;

	if (end - at < (ipv4 ? 20 : 40))
		return;
	protocol = at[ipv4 ? 9 : 6];
	next = at + (ipv4 ? (at[0] & 15) * 4 : 40);
	if (ipv4) {
		address_from_ipv4(at + 12, &source);
		address_from_ipv4(at + 16, &destination);
	} else {
		address_from_ipv6(at + 8, &source);
		address_from_ipv6(at + 24, &destination);
	}
	printf(" | %s > %s, protocol %d, ttl %d, length %d", address_format(&source, from),
	       address_format(&destination, to), protocol, at[ipv4 ? 8 : 7],
	       ipv4 ? at[2] << 8 | at[3] : at[4] << 8 | at[5]);
	if (protocol == IPPROTO_IPIP || protocol == IPPROTO_IPV6)
		print_ip(next, end);
	else if ((protocol == IPPROTO_TCP || protocol == IPPROTO_UDP) && end - next >= 4)
		printf(" | ports %d > %d", next[0] << 8 | next[1], next[2] << 8 | next[3]);
}

static void print_summary(const char *what, const struct frame *frame)
{
	const uint8_t *b = frame->byte;

	printf("  %-8s %4u bytes, to %02x:%02x:%02x:%02x:%02x:%02x from %02x:%02x:%02x:%02x:%02x:%02x, type %02x%02x",
	       what, frame->len, b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12],
	       b[13]);
	if ((b[12] << 8 | b[13]) == 0x0800 || (b[12] << 8 | b[13]) == 0x86dd)
		print_ip(b + ETHERNET_LEN, b + frame->len);
	printf("\n");
}

static bool differs(const struct frame *a, const struct frame *b, uint32_t i)
{
	return (i < a->len) != (i < b->len) || (i < a->len && a->byte[i] != b->byte[i]);
}

/* A line of bytes; those that differ from the other frame stand in brackets. */
static void print_line(char sign, const struct frame *frame, const struct frame *other, uint32_t start)
{
	printf("  %c %04u ", sign, start);
	for (uint32_t i = start; i < start + BYTES_A_LINE && i < frame->len; i++)
		printf(differs(frame, other, i) ? "[%02x]" : " %02x ", frame->byte[i]);
	printf("\n");
}

void frames_print_difference(const struct frame *expected, const struct frame *got)
{
	uint32_t len = expected->len > got->len ? expected->len : got->len;

	print_summary("expected", expected);
	print_summary("got", got);
	for (uint32_t start = 0; start < len; start += BYTES_A_LINE) {
		bool any = false;

		for (uint32_t i = start; i < start + BYTES_A_LINE && i < len; i++)
			any = any || differs(expected, got, i);
		if (!any)
			continue;
		print_line('-', expected, got, start);
		print_line('+', got, expected, start);
	}
	fflush(stdout);
}

/* ---- files ---- */

const char *build_path(const char *name, char path[512])
{
	ssize_t len = readlink("/proc/self/exe", path, 400);
	char *end;

	path[len > 0 ? len : 0] = '\0';
	for (int i = 0; i < 3; i++) { /* BUILD/tests/FOLDER/PROGRAM */
		end = strrchr(path, '/');
		if (end)
			*end = '\0';
	}
	snprintf(path + strlen(path), 512 - strlen(path), "/%s", name);
	return path;
}

static void write_name(const char *name, char file[160])
{
	size_t n = snprintf(file, 160, "tests/failures/%s-%.100s", program_invocation_short_name, name);

	for (size_t i = sizeof("tests/failures/") - 1; i < n; i++)
		if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.", file[i]))
			file[i] = '-';
	snprintf(file + n, 160 - n, ".pcap");
}

void frames_write_pcap(const char *name, const struct frame *const frames[], size_t n)
{
	const uint32_t header[] = {0xa1b2c3d4, 4 << 16 | 2, 0, 0, FRAME_MAX, 1 /* Ethernet */};
	char file[160], path[512];
	FILE *out;

	mkdir(build_path("tests/failures", path), 0755);
	write_name(name, file);
	out = fopen(build_path(file, path), "we");
	if (!out) {
		printf("  %s: cannot be written: %s\n", path, strerror(errno));
		return;
	}
	fwrite(header, sizeof(header), 1, out);
	for (size_t i = 0; i < n; i++) {
		const uint32_t record[] = {i, 0, frames[i]->len, frames[i]->len};

		fwrite(record, sizeof(record), 1, out);
		fwrite(frames[i]->byte, frames[i]->len, 1, out);
	}
	fclose(out);
	printf("  the packets of this case are in %s\n", path);
}
