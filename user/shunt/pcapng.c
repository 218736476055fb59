/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Blocks of draft-ietf-opsawg-pcapng: a section header (4.1), two interfaces (4.2), "came" and "left", and an enhanced
 * packet (4.3) for each of the two. The byte order is the writer's own, as the magic number tells the reader.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shunt/cli.h"
#include "shunt/pcapng.h"

enum block { BLOCK_SECTION = 0x0a0d0d0a, BLOCK_INTERFACE = 1, BLOCK_PACKET = 6 };
enum code { CODE_END = 0, CODE_COMMENT = 1, CODE_IF_NAME = 2, CODE_EPB_FLAGS = 2, CODE_IF_TSRESOL = 9 };
enum interface { CAME = 0, LEFT = 1 };

#define BYTE_ORDER_MAGIC 0x1a2b3c4d
#define LINKTYPE_ETHERNET 1
#define PACKET_BYTES_MAX 4096
#define MICROSECONDS 6
#define DIRECTION_INBOUND 1
#define DIRECTION_OUTBOUND 2

struct pcapng {
	FILE *to;
};

/* The body of one block while it is put together. */
struct body {
	uint8_t bytes[PACKET_BYTES_MAX + 1024];
	size_t n;
};

static void put(struct body *body, const void *data, size_t length)
{
	if (body->n + length > sizeof(body->bytes))
		return;
	memcpy(body->bytes + body->n, data, length);
	body->n += length;
}

static void put_u16(struct body *body, uint16_t value)
{
	put(body, &value, sizeof(value));
}

static void put_u32(struct body *body, uint32_t value)
{
	put(body, &value, sizeof(value));
}

static void put_padded(struct body *body, const void *data, size_t length)
{
	static const uint8_t zero[4];

	put(body, data, length);
	put(body, zero, -length & 3);
}

static void put_option(struct body *body, enum code code, const void *data, size_t length)
{
	put_u16(body, (uint16_t)code);
	put_u16(body, (uint16_t)length);
	put_padded(body, data, length);
}

static int write_block(struct pcapng *file, enum block type, const struct body *body)
{
	const uint32_t head[] = {type, (uint32_t)body->n + 12}, tail = (uint32_t)body->n + 12;

	if (fwrite(head, sizeof(head), 1, file->to) != 1 || fwrite(body->bytes, body->n, 1, file->to) != 1 ||
	    fwrite(&tail, sizeof(tail), 1, file->to) != 1)
		return -EIO;
	return 0;
}

static int write_section(struct pcapng *file)
{
	struct body body = {.n = 0};
	const int64_t length_unknown = -1;

	put_u32(&body, BYTE_ORDER_MAGIC);
	put_u16(&body, 1);
	put_u16(&body, 0);
	put(&body, &length_unknown, sizeof(length_unknown));
	return write_block(file, BLOCK_SECTION, &body);
}

static int write_interface(struct pcapng *file, const char *name)
{
	const uint8_t resolution = MICROSECONDS;
	struct body body = {.n = 0};

	put_u16(&body, LINKTYPE_ETHERNET);
	put_u16(&body, 0);
	put_u32(&body, 0); /* no snap length of its own */
	put_option(&body, CODE_IF_NAME, name, strlen(name));
	put_option(&body, CODE_IF_TSRESOL, &resolution, 1);
	put_u32(&body, CODE_END);
	return write_block(file, BLOCK_INTERFACE, &body);
}

static int write_packet(struct pcapng *file, enum interface interface, uint64_t time_us, const uint8_t *bytes,
			size_t captured, uint32_t length, const char *comment)
{
	const uint32_t direction = interface == CAME ? DIRECTION_INBOUND : DIRECTION_OUTBOUND;
	struct body body = {.n = 0};

	put_u32(&body, interface);
	put_u32(&body, (uint32_t)(time_us >> 32));
	put_u32(&body, (uint32_t)time_us);
	put_u32(&body, (uint32_t)captured);
	put_u32(&body, length);
	put_padded(&body, bytes, captured);
	put_option(&body, CODE_COMMENT, comment, strlen(comment));
	put_option(&body, CODE_EPB_FLAGS, &direction, sizeof(direction));
	put_u32(&body, CODE_END);
	return write_block(file, BLOCK_PACKET, &body);
}

static int digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static size_t from_hex(const char *text, uint8_t bytes[PACKET_BYTES_MAX])
{
	size_t n = 0;

	for (; n < PACKET_BYTES_MAX && digit(text[0]) >= 0 && digit(text[1]) >= 0; text += 2)
		bytes[n++] = (uint8_t)(digit(text[0]) << 4 | digit(text[1]));
	return n;
}

/* "2026-01-31T12:00:00.123456Z": get_time() has milliseconds, the last three digits are added. */
static uint64_t microseconds_of(const json_t *packet)
{
	const char *text = get_text(packet, "time");
	size_t length = strlen(text);

	return (uint64_t)get_time(packet, "time") * 1000 + (length > 4 ? strtoul(text + length - 4, NULL, 10) : 0);
}

struct pcapng *pcapng_open(const char *path)
{
	struct pcapng *file = calloc(1, sizeof(*file));

	if (!file)
		return NULL;
	file->to = strcmp(path, "-") == 0 ? stdout : fopen(path, "we");
	if (!file->to || write_section(file) < 0 || write_interface(file, "came") < 0 || write_interface(file, "left") < 0) {
		if (file->to && file->to != stdout)
			fclose(file->to);
		free(file);
		return NULL;
	}
	return file;
}

int pcapng_put(struct pcapng *file, const json_t *packet)
{
	uint8_t bytes[PACKET_BYTES_MAX];
	char comment[256];
	uint64_t time_us = microseconds_of(packet);
	const char *backend = get_text(packet, "backend");
	size_t captured = from_hex(get_text(packet, "came"), bytes), n;
	int r;

	n = (size_t)snprintf(comment, sizeof(comment), "%s: %s, service %s", get_text(packet, "verdict"),
			     get_text(packet, "reason"), get_text(packet, "service"));
	if (*backend && n < sizeof(comment))
		snprintf(comment + n, sizeof(comment) - n, ", slot %" PRId64 " %s, backend %s by %s", get_number(packet, "slot"),
			 get_text(packet, "slot_state"), backend, get_text(packet, "mode"));
	r = write_packet(file, CAME, time_us, bytes, captured, (uint32_t)get_number(packet, "length"), comment);
	captured = from_hex(get_text(packet, "left"), bytes);
	if (r == 0 && captured)
		r = write_packet(file, LEFT, time_us, bytes, captured, (uint32_t)get_number(packet, "length_sent"), comment);
	if (r == 0 && fflush(file->to) != 0)
		r = -errno;
	return r;
}

int pcapng_close(struct pcapng *file)
{
	bool failed = ferror(file->to);

	if (file->to != stdout)
		failed = fclose(file->to) != 0 || failed;
	free(file);
	return failed ? -EIO : 0;
}
