/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Builds frames for tests so that a case reads like a sentence:
 * payload(tcp("198.51.100.7:4000", "192.0.2.10:80", SYN), 10).
 * Addresses say the family. Independent of the data path's own code on purpose: it is the second opinion.
 *
 * Frames are kept in a pool until frames_free(). Modifiers change the frame they are given and return it; those that
 * change what lengths or checksums cover make them right again, poke() does not.
 */
#ifndef SHUNT_TEST_PACKET_H
#define SHUNT_TEST_PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <shunt/abi.h>

#define FRAME_MAX 2048

struct frame {
	uint32_t len;
	uint8_t byte[FRAME_MAX];
};

enum tcp_flags { FIN = 1, SYN = 2, RST = 4, PSH = 8, ACK = 16 };

enum { MAC_LEN = 6, ETHERNET_LEN = 14 };
extern const uint8_t router_mac[MAC_LEN]; /* where clients' packets come from */
extern const uint8_t balancer_mac[MAC_LEN]; /* where they are sent to */

/* ---- frames from the router to the balancer ---- */
struct frame *tcp(const char *source, const char *destination, unsigned int flags);
struct frame *udp(const char *source, const char *destination);
struct frame *echo(const char *source, const char *destination, bool request); /* ICMP or ICMPv6, 16 bytes of data */
struct frame *icmp(const char *source, const char *destination, uint8_t type, uint8_t code); /* 8 bytes of rest */
struct frame *ip(const char *source, const char *destination, uint8_t protocol, const void *data, size_t len);
struct frame *ethernet(uint16_t type, size_t len); /* no IP: len bytes of data */
struct frame *copy(const struct frame *frame);
/* What a router says of a packet that is too big: ICMP or ICMPv6, from where the packet was going to, next-hop MTU `mtu`. */
struct frame *told_too_big(const struct frame *packet, uint32_t mtu);
void frames_free(void);

/* ---- modifiers ---- */
struct frame *payload(struct frame *frame, size_t len); /* appends len bytes 0, 1, 2 … */
struct frame *options(struct frame *frame, size_t len); /* IPv4: len bytes of no-operation, a multiple of 4 */
struct frame *traffic_class(struct frame *frame, uint8_t value);
struct frame *ttl(struct frame *frame, uint8_t value);
struct frame *fragment(struct frame *frame, uint16_t offset, bool more); /* IPv4; offset in bytes */
struct frame *fragment6(struct frame *frame, uint16_t offset, bool more); /* IPv6: adds the fragment header */
struct frame *padded(struct frame *frame, size_t len); /* zeros behind the packet, up to a frame of len */
struct frame *cut(struct frame *frame, size_t len); /* the first len bytes only, nothing else changed */
struct frame *dont_fragment(struct frame *frame); /* IPv4; nothing to IPv6 */
struct frame *tcp_options(struct frame *frame, const void *option, size_t len); /* len: a multiple of 4 */
struct frame *poke(struct frame *frame, size_t offset, size_t n_bytes, uint32_t value); /* raw, big endian */
struct frame *poke_ip(struct frame *frame, size_t offset, size_t n_bytes, uint32_t value); /* then mend_ip(), without tags */
struct frame *mend_ip(struct frame *frame, size_t offset); /* the IPv4 header's checksum, when there is such a header */
struct frame *flow_label(struct frame *frame, uint32_t label); /* of the outermost header, IPv6 */
struct frame *macs(struct frame *frame, const uint8_t destination[MAC_LEN], const uint8_t source[MAC_LEN]);

/* The frame in an outer IP header as Linux tunnels write it: DF, TTL 64, the packet's traffic class, id and label 0. */
struct frame *tunnel(struct frame *frame, const struct shunt_addr *source, const struct shunt_addr *destination);

/* The same, with UDP and GUE (variant 0) between outer header and packet; UDP checksum zero. Ports in host order. */
struct frame *gue(struct frame *frame, const struct shunt_addr *source, const struct shunt_addr *destination,
		  uint16_t source_port, uint16_t destination_port);

/* ---- judging ---- */
bool frames_equal(const struct frame *a, const struct frame *b);
bool checksums_right(const struct frame *frame); /* IPv4 headers, TCP, UDP, ICMP; looks into tunnels, GUE at 6080 too */
void frames_print_difference(const struct frame *expected, const struct frame *got);
/* Writes the frames to build/tests/failures/TEST-NAME.pcap and says so; the folder is next to the test's program. */
void frames_write_pcap(const char *name, const struct frame *const frames[], size_t n);
/* Path of a file below the build folder, from the place of the running program (BUILD/tests/FOLDER/PROGRAM). */
const char *build_path(const char *name, char path[512]);

#endif
