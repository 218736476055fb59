/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Who is denied, who is allowed, how much each may. */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "config/validate.h"
#include "net/address.h"


/* ---- prefixes ---- */

/* The address without the bits behind the length. */
static struct shunt_addr network_of(const struct config_prefix *prefix)
{
	struct shunt_addr address = prefix->address;
	size_t first = address_is_ipv4(&address) ? 12 : 0;

	for (size_t i = first; i < sizeof(address.byte); i++) {
		uint32_t bits_before = (i - first) * 8;

		address.byte[i] &= prefix->length <= bits_before ? 0 : prefix->length - bits_before >= 8 ? 0xff :
				   0xff << (8 - (prefix->length - bits_before));
	}
	return address;
}

int config_prefix_parse(const char *text, struct config_prefix *ret_prefix)
{
	struct config_prefix prefix;
	struct shunt_addr network;
	int r = address_prefix_parse(text, &prefix.address, &prefix.length);

	if (r < 0)
		return r;
	network = network_of(&prefix);
	*ret_prefix = (struct config_prefix){network, prefix.length};
	return address_equal(&network, &prefix.address) ? 0 : -ERANGE;
}

bool config_prefix_contains(const struct config_prefix *outer, const struct config_prefix *inner)
{
	struct config_prefix cut = {inner->address, outer->length};
	struct shunt_addr network = network_of(&cut);

	return address_is_ipv4(&outer->address) == address_is_ipv4(&inner->address) && outer->length <= inner->length &&
	       address_equal(&network, &outer->address);
}

const char *config_prefix_format(const struct config_prefix *prefix, char *buffer, size_t size)
{
	char text[ADDRESS_TEXT_MAX];

	snprintf(buffer, size, "%s/%u", address_format(&prefix->address, text), prefix->length);
	return buffer;
}

const char *config_prefix_problem(const char *text, char *buffer, size_t size)
{
	struct config_prefix prefix;
	char fixed[ADDRESS_TEXT_MAX + 4];

	if (config_prefix_parse(text, &prefix) == -ERANGE)
		snprintf(buffer, size, "%s has bits set behind its length: write %s, or %.*s for the one address", text,
			 config_prefix_format(&prefix, fixed, sizeof(fixed)), (int)strcspn(text, "/"), text);
	else
		snprintf(buffer, size, "\"%s\" is no prefix: write one such as 203.0.113.0/24 or 2001:db8:bad::/48", text);
	return buffer;
}

int config_prefix_order(const void *a, const void *b)
{
	const struct config_prefix *left = a, *right = b;
	int order = memcmp(&left->address, &right->address, sizeof(left->address));

	return order ? order : (left->length > right->length) - (left->length < right->length);
}

bool config_prefix_has(const struct config_prefix *prefix, const struct shunt_addr *address)
{
	bool ipv4 = address_is_ipv4(&prefix->address);
	uint32_t bits = prefix->length + (ipv4 ? 96U : 0);

	if (ipv4 != address_is_ipv4(address) || memcmp(prefix->address.byte, address->byte, bits / 8) != 0)
		return false;
	return bits % 8 == 0 || (prefix->address.byte[bits / 8] ^ address->byte[bits / 8]) >> (8 - bits % 8) == 0;
}

void build_prefixes(struct report *report, const struct items *draft, struct config_prefixes *ret_prefixes)
{
	const struct draft_prefix *drafts = draft->list;
	struct config_prefixes *to = ret_prefixes;
	size_t n;

	to->given = draft->at.line != 0;
	to->list = new_list(report, draft->n, sizeof(*to->list), &n);
	for (size_t i = 0; i < n; i++)
		to->list[i] = (struct config_prefix){drafts[i].prefix.address, drafts[i].prefix.number};
	if (n)
		qsort(to->list, n, sizeof(*to->list), config_prefix_order);
	for (size_t i = 0; i < n; i++)
		if (i == 0 || config_prefix_order(&to->list[i], &to->list[to->n - 1]))
			to->list[to->n++] = to->list[i];
}

/* ---- limits ---- */

static void needs(struct report *report, const char *who, const struct item *item, const char *key, const char *other,
		  const struct item *needed)
{
	if (item->at.line && !needed->at.line)
		report_error(report, item->at, "%s: limits: %s means nothing without %s: give that too, or remove it", who,
			     key, other);
}

void build_limits(struct report *report, const char *who, const struct draft_service *draft, struct config_service *service)
{
	const struct draft_limits *limits = &draft->limits;
	const struct draft_client_prefix *client = &limits->client_prefix;

	if (!limits->at.line)
		return;
	service->limits = (struct config_limits){
		.new_flows = limits->new_flows.number,
		.burst = number_or(&limits->burst, limits->new_flows.number),
		.per_client = limits->per_client.number,
		.client_burst = number_or(&limits->client_burst, limits->per_client.number),
		.client_ipv4 = client->ipv4.number,
		.client_ipv6 = client->ipv6.number,
	};
	needs(report, who, &limits->burst, "burst", "new_flows", &limits->new_flows);
	needs(report, who, &limits->client_burst, "client_burst", "per_client", &limits->per_client);
	if (client->at.line && !limits->per_client.at.line)
		report_error(report, client->at,
			     "%s: limits: client_prefix means nothing without per_client: give that too, or remove it", who);
	if (!limits->new_flows.at.line && !limits->per_client.at.line)
		report_error(report, limits->at, "%s: limits has no limit: give new_flows or per_client", who);
	if (service->protocol != IPPROTO_TCP && draft->protocol.ok)
		report_error(report, limits->at,
			     "%s: limits count the packets that begin a flow, and only TCP tells them: remove limits", who);
}

void validate_protection(struct validation *v)
{
	build_prefixes(v->report, &v->draft->deny, &v->config->deny);
	build_prefixes(v->report, &v->draft->allow, &v->config->allow);
	v->config->client_table_size = v->draft->client_table_size.number;
}
