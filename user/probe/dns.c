/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The DNS check: asks the backend for a name over UDP (RFC 1035) and looks at the response code and, if wanted, for an
 * address among the answers. The message is made and read by c-ares; its resolver, with servers and retries of its own, is
 * not what a check wants.
 */
#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <ares.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config/config.h"
#include "net/address.h"
#include "probe/kind.h"

#define HEADER_BYTES 12
#define ANSWERS_MAX 64

static int type_asked(const struct probe *probe)
{
	return probe->check.query_type ? probe->check.query_type : T_A;
}

static int compose(struct probe *probe)
{
	unsigned char *message;
	int length;

	probe->token = arc4random() & 0xffff;
	if (ares_create_query(probe->check.query, C_IN, type_asked(probe), (unsigned short)probe->token, 1, &message,
			      &length, 0) != ARES_SUCCESS)
		return -EINVAL;
	probe->question = malloc(length);
	if (probe->question) {
		memcpy(probe->question, message, length);
		probe->question_length = length;
	}
	ares_free_string(message);
	return probe->question ? 0 : -ENOMEM;
}

static bool is_wanted(const struct probe *probe, const void *bytes, size_t length)
{
	struct shunt_addr address = {};

	if (length == 4)
		address.byte[10] = address.byte[11] = 0xff;
	memcpy(address.byte + sizeof(address.byte) - length, bytes, length);
	return address_equal(&address, &probe->check.answer);
}

static bool has_answer(const struct probe *probe, const uint8_t *data, int length)
{
	struct ares_addrttl ipv4[ANSWERS_MAX];
	struct ares_addr6ttl ipv6[ANSWERS_MAX];
	int n = ANSWERS_MAX;
	bool found = false;

	if (type_asked(probe) == T_A && ares_parse_a_reply(data, length, NULL, ipv4, &n) == ARES_SUCCESS)
		for (int i = 0; i < n; i++)
			found = found || is_wanted(probe, &ipv4[i].ipaddr, 4);
	if (type_asked(probe) == T_AAAA && ares_parse_aaaa_reply(data, length, NULL, ipv6, &n) == ARES_SUCCESS)
		for (int i = 0; i < n; i++)
			found = found || is_wanted(probe, &ipv6[i].ip6addr, 16);
	return found;
}

static void take(struct probe *probe, const uint8_t *data, size_t length)
{
	static const struct shunt_addr none;
	char address[ADDRESS_TEXT_MAX];
	uint8_t rcode;

	if (length < HEADER_BYTES || (data[0] << 8 | data[1]) != (int)probe->token || !(data[2] & 0x80))
		return; /* not the answer to this question: late, or forged */
	rcode = data[3] & 0x0f;
	if (rcode != probe->check.rcode)
		probe_finish(probe, PROBE_WRONG_STATUS, "rcode %s", config_rcode_text(rcode));
	else if (!address_equal(&probe->check.answer, &none) && !has_answer(probe, data, (int)length))
		probe_finish(probe, PROBE_WRONG_BODY, "%s is not among the answers",
			     address_format(&probe->check.answer, address));
	else
		probe_finish(probe, PROBE_OK, "rcode %s", config_rcode_text(rcode));
}

const struct probe_kind probe_dns = {
	.start = datagram_start, .stop = datagram_stop, .stage = datagram_stage, .compose = compose, .take = take};
