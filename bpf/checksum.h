/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The Internet checksum (RFC 1071) and its updates (RFC 1624). */
#ifndef SHUNT_BPF_CHECKSUM_H
#define SHUNT_BPF_CHECKSUM_H

#include "packet.h"

#define CSUM_DIFF_MAX 512 /* bytes that bpf_csum_diff takes at once, up to Linux 6.12 */

stage __u16 checksum_fold(__u64 sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

/*
 * Of a sum of up to sixteen 32-bit words: the highest 16 bits of the product are the sum of its halves, and what that carries
 * has come round from the halves below. (Tried for all of the 2^36: as folding three times.)
 */
stage __u16 checksum_fold_short(__u64 sum)
{
	return ~(sum * 0x0001000100010001ULL >> 48);
}

/* Adds bytes that are known to be there to a sum; a constant number of them, a multiple of four. */
stage __u32 checksum_add(void *at, __u32 bytes, __u32 sum)
{
	for (__u32 done = 0; done < bytes; done += CSUM_DIFF_MAX) {
		__u32 n = bytes - done < CSUM_DIFF_MAX ? bytes - done : CSUM_DIFF_MAX;

		sum = bpf_csum_diff(NULL, 0, at + done, n, sum);
	}
	return sum;
}

/* Of a header without options whose check field is zero. */
stage __u16 ipv4_checksum(const struct iphdr *ip)
{
	const __u16 *half = (const __u16 *)ip;
	__u32 sum = 0;

	for (int i = 0; i < (int)sizeof(*ip) / 2; i++)
		sum += half[i];
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

/* Update for one 16-bit word (RFC 1624, equation 3). */
stage __u16 checksum_replace(__u16 check, __u16 old, __u16 new)
{
	__u32 sum = (__u16)~check + (__u16)~old + new;

	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

#endif
