/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The one place where the text and socket forms of both address families meet the 16 bytes of the data path. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "base/number.h"
#include "net/address.h"

#define ADDRESS_IPV4_AT 12 /* bytes of ::ffff:0:0/96 before the IPv4 address */

static const uint8_t ipv4_prefix[ADDRESS_IPV4_AT] = {[10] = 0xff, [11] = 0xff};

int address_parse(const char *text, struct shunt_addr *ret_address)
{
	uint8_t bytes[16];

	if (inet_pton(AF_INET, text, bytes) == 1)
		address_from_ipv4(bytes, ret_address);
	else if (inet_pton(AF_INET6, text, bytes) == 1)
		address_from_ipv6(bytes, ret_address);
	else
		return -EINVAL;
	return 0;
}

/* Decimal digits only: a port or a length is never written 0x50. */
static int digits_parse(const char *text, uint64_t max, uint64_t *ret_number)
{
	if (!*text || text[strspn(text, "0123456789")])
		return -EINVAL;
	return number_parse(text, 0, max, ret_number) ? -EINVAL : 0;
}

/* Copies `length` bytes of text as a string; false when they do not fit. */
static bool cut(const char *text, size_t length, char buffer[ADDRESS_TEXT_MAX])
{
	if (length >= ADDRESS_TEXT_MAX)
		return false;
	memcpy(buffer, text, length);
	buffer[length] = '\0';
	return true;
}

int address_port_parse(const char *text, struct shunt_addr *ret_address, uint16_t *ret_port_host)
{
	const char *colon = strrchr(text, ':');
	bool bracketed = text[0] == '[';
	char host[ADDRESS_TEXT_MAX];
	struct shunt_addr address;
	struct in_addr ipv4;
	uint64_t port;
	size_t length;

	if (!colon || digits_parse(colon + 1, UINT16_MAX, &port))
		return -EINVAL;
	length = colon - text;
	if (bracketed && (length < 2 || text[length - 1] != ']'))
		return -EINVAL;
	if (!(bracketed ? cut(text + 1, length - 2, host) : cut(text, length, host)))
		return -EINVAL;
	/* Brackets are what tells an IPv6 address from its port: IPv6 needs them, IPv4 has none. */
	if (bracketed != (inet_pton(AF_INET, host, &ipv4) != 1) || address_parse(host, &address))
		return -EINVAL;
	*ret_address = address;
	*ret_port_host = port;
	return 0;
}

int address_prefix_parse(const char *text, struct shunt_addr *ret_address, uint8_t *ret_length)
{
	const char *slash = strchr(text, '/');
	char host[ADDRESS_TEXT_MAX];
	struct shunt_addr address;
	uint64_t length;

	if (!cut(text, slash ? (size_t)(slash - text) : strlen(text), host) || address_parse(host, &address))
		return -EINVAL;
	length = address_is_ipv4(&address) ? 32 : 128;
	if (slash && digits_parse(slash + 1, length, &length))
		return -EINVAL;
	*ret_address = address;
	*ret_length = length;
	return 0;
}

const char *address_format(const struct shunt_addr *address, char buffer[ADDRESS_TEXT_MAX])
{
	if (address_is_ipv4(address))
		inet_ntop(AF_INET, address->byte + ADDRESS_IPV4_AT, buffer, ADDRESS_TEXT_MAX);
	else
		inet_ntop(AF_INET6, address->byte, buffer, ADDRESS_TEXT_MAX);
	return buffer;
}

const char *address_port_format(const struct shunt_addr *address, uint16_t port_host, char buffer[ADDRESS_TEXT_MAX])
{
	char host[INET6_ADDRSTRLEN];

	if (address_is_ipv4(address)) {
		inet_ntop(AF_INET, address->byte + ADDRESS_IPV4_AT, host, sizeof(host));
		snprintf(buffer, ADDRESS_TEXT_MAX, "%s:%u", host, port_host);
	} else {
		inet_ntop(AF_INET6, address->byte, host, sizeof(host));
		snprintf(buffer, ADDRESS_TEXT_MAX, "[%s]:%u", host, port_host);
	}
	return buffer;
}

bool address_is_ipv4(const struct shunt_addr *address)
{
	return !memcmp(address->byte, ipv4_prefix, sizeof(ipv4_prefix));
}

bool address_is_zero(const struct shunt_addr *address)
{
	static const struct shunt_addr zero;

	return address_equal(address, &zero);
}

bool address_equal(const struct shunt_addr *a, const struct shunt_addr *b)
{
	return !memcmp(a->byte, b->byte, sizeof(a->byte));
}

bool address_is_unicast(const struct shunt_addr *address)
{
	const uint8_t *ipv4 = address->byte + ADDRESS_IPV4_AT;

	if (address_is_ipv4(address))
		return memcmp(ipv4, "\x00\x00\x00\x00", 4) && memcmp(ipv4, "\xff\xff\xff\xff", 4) &&
		       (ipv4[0] & 0xf0) != 0xe0; /* 224.0.0.0/4, RFC 5771 */
	return !address_is_zero(address) && address->byte[0] != 0xff; /* ff00::/8, RFC 4291 section 2.7 */
}

socklen_t address_to_sockaddr(const struct shunt_addr *address, uint16_t port_host,
			      struct sockaddr_storage *ret_sockaddr)
{
	struct sockaddr_in6 *ipv6 = (struct sockaddr_in6 *)ret_sockaddr;
	struct sockaddr_in *ipv4 = (struct sockaddr_in *)ret_sockaddr;

	memset(ret_sockaddr, 0, sizeof(*ret_sockaddr));
	if (address_is_ipv4(address)) {
		ipv4->sin_family = AF_INET;
		ipv4->sin_port = htons(port_host);
		memcpy(&ipv4->sin_addr, address->byte + ADDRESS_IPV4_AT, sizeof(ipv4->sin_addr));
		return sizeof(*ipv4);
	}
	ipv6->sin6_family = AF_INET6;
	ipv6->sin6_port = htons(port_host);
	memcpy(&ipv6->sin6_addr, address->byte, sizeof(ipv6->sin6_addr));
	return sizeof(*ipv6);
}

void address_from_ipv4(const void *four_bytes, struct shunt_addr *ret_address)
{
	memcpy(ret_address->byte, ipv4_prefix, sizeof(ipv4_prefix));
	memcpy(ret_address->byte + ADDRESS_IPV4_AT, four_bytes, 4);
}

void address_from_ipv6(const void *sixteen_bytes, struct shunt_addr *ret_address)
{
	memcpy(ret_address->byte, sixteen_bytes, sizeof(ret_address->byte));
}
