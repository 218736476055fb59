/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A packet that was watched, as the API tells of it. Knows nothing of who watches. */
#include <arpa/inet.h>
#include <linux/bpf.h>
#include <netinet/in.h>
#include <string.h>

#include "base/choice.h"
#include "base/clock.h"
#include "base/drop_reason.h"
#include "net/address.h"
#include "shuntd/controller.h"

static const char *verdict_word(uint32_t verdict)
{
	switch (verdict) {
	case XDP_TX:
	case XDP_REDIRECT:
		return "sent";
	case XDP_DROP:
		return "dropped";
	default:
		return "passed";
	}
}

static const char *reason_word(const struct shunt_explanation *what)
{
	if (what->verdict == XDP_DROP || what->reason)
		return drop_reason_label(what->reason) ?: "unknown";
	return choice_label(what->choice) ?: "unknown";
}

static json_t *text_of_address(const struct shunt_addr *address, __be16 port)
{
	char buffer[ADDRESS_TEXT_MAX];

	return json_string(port ? address_port_format(address, ntohs(port), buffer) : address_format(address, buffer));
}

static json_t *text_of_time(uint64_t time_ns)
{
	int64_t wall_us = clock_wall_ms() * 1000 - (int64_t)(clock_monotonic_ns() - time_ns) / 1000;
	char buffer[CLOCK_TEXT_MAX];

	/* "…:00.123Z" becomes "…:00.123456Z" */
	clock_rfc3339(wall_us / 1000, buffer);
	buffer[strlen(buffer) - 1] = '\0';
	return json_sprintf("%s%03dZ", buffer, (int)(wall_us % 1000));
}

static const char *protocol_word(uint8_t protocol)
{
	switch (protocol) {
	case IPPROTO_TCP:
		return "tcp";
	case IPPROTO_UDP:
		return "udp";
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		return "icmp";
	default:
		return "other";
	}
}

static json_t *hex_of(const uint8_t *bytes, uint32_t length)
{
	static const char digits[] = "0123456789abcdef";
	char text[2 * SHUNT_TRACE_BYTES + 1];
	uint32_t n = length < SHUNT_TRACE_BYTES ? length : SHUNT_TRACE_BYTES;

	for (uint32_t i = 0; i < n; i++) {
		text[2 * i] = digits[bytes[i] >> 4];
		text[2 * i + 1] = digits[bytes[i] & 15];
	}
	return json_stringn(text, 2 * n);
}

json_t *trace_packet_json(const struct controller *c, const struct shunt_trace *event, bool bytes)
{
	const struct shunt_explanation *what = &event->what;
	bool chosen = what->choice != SHUNT_CHOICE_NONE;
	json_t *packet = json_pack("{s:o, s:s, s:o, s:o, s:s, s:s, s:s?, s:o, s:s?, s:s?, s:I, s:I}",
				   "time", text_of_time(event->time_ns),
				   "protocol", protocol_word(event->protocol),
				   "source", text_of_address(&event->source, event->source_port),
				   "destination", text_of_address(&event->destination, event->destination_port),
				   "verdict", verdict_word(what->verdict),
				   "reason", reason_word(what),
				   "service", explain_service_name(c, what->service),
				   "slot", chosen ? json_integer(what->slot) : json_null(),
				   "slot_state", chosen ? slot_state_text(what->word.state) : NULL,
				   "backend", explain_backend_name(c, what->backend),
				   "length", (json_int_t)event->before_length,
				   "length_sent", (json_int_t)event->after_length);

	json_object_set_new(packet, "mode", json_string(config_forward_text((enum shunt_forward)what->forward)));
	if (bytes) {
		json_object_set_new(packet, "came", hex_of(event->before, event->before_length));
		json_object_set_new(packet, "left", hex_of(event->after, event->after_length));
	}
	return packet;
}
