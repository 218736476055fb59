/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Addresses as text, as socket addresses and as the 16 bytes of the data path (IPv4 mapped into ::ffff:0:0/96). */
#ifndef SHUNT_ADDRESS_H
#define SHUNT_ADDRESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include <shunt/abi.h>

#define ADDRESS_TEXT_MAX 64 /* enough for "[IPv6]:port" and the NUL */

int address_parse(const char *text, struct shunt_addr *ret_address);          /* 0 | -EINVAL; no port, no prefix, no zone */
int address_port_parse(const char *text, struct shunt_addr *ret_address, uint16_t *ret_port_host); /* 1.2.3.4:80, [::1]:80 */
int address_prefix_parse(const char *text, struct shunt_addr *ret_address, uint8_t *ret_length);   /* length of the family: 0…32 | 0…128; without '/': whole */
/* Both return `buffer`. */
const char *address_format(const struct shunt_addr *address, char buffer[ADDRESS_TEXT_MAX]);
const char *address_port_format(const struct shunt_addr *address, uint16_t port_host, char buffer[ADDRESS_TEXT_MAX]);

bool address_is_ipv4(const struct shunt_addr *address);
bool address_is_zero(const struct shunt_addr *address);                       /* all 16 bytes: "not given" */
bool address_equal(const struct shunt_addr *a, const struct shunt_addr *b);
bool address_is_unicast(const struct shunt_addr *address);                    /* not unspecified, multicast, broadcast */
/* AF_INET for mapped addresses, AF_INET6 otherwise. Returns the length used. */
socklen_t address_to_sockaddr(const struct shunt_addr *address, uint16_t port_host, struct sockaddr_storage *ret_sockaddr);
void address_from_ipv4(const void *four_bytes, struct shunt_addr *ret_address);
void address_from_ipv6(const void *sixteen_bytes, struct shunt_addr *ret_address);

#endif
