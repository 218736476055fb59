/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SHUNT_CHECKSUM_H
#define SHUNT_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

/* Of IPv4 headers and ICMP (RFC 1071), in the byte order of the data; its own field is 0 meanwhile. `length`: bytes, even, below 128 kB. */
uint16_t internet_checksum(const void *data, size_t length);

#endif
