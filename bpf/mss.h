/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Lowers the MSS option of a client's SYN to what the service allows (RFC 9293 section 3.7.1). Answers do not pass here,
 * so this limits what the backend sends, not what the client sends (docs/tunnels.md).
 */
#ifndef SHUNT_BPF_MSS_H
#define SHUNT_BPF_MSS_H

#include "checksum.h"

#define TCP_OPTIONS_MAX 40
#define TCP_OFFSET_MAX 1023              /* from the start of the frame; what parse() goes through is shorter */
#define MSS_OPTION_LEN 4
#define TCP_HEADER_MASK 63

enum { TCP_OPTION_END = 0, TCP_OPTION_NOP = 1, TCP_OPTION_MSS = 2 };

/* `option` is `at` bytes behind the start of the TCP header: at odd places the checksum sees bytes swapped (RFC 1071). */
stage void lower_option(struct tcphdr *tcp, __u8 *option, __u32 at, __u32 limit)
{
	__u16 old, new = bpf_htons(limit);

	__builtin_memcpy(&old, option + 2, sizeof(old));
	if (bpf_ntohs(old) <= limit)
		return;
	__builtin_memcpy(option + 2, &new, sizeof(new));
	if (at & 1) {
		old = __builtin_bswap16(old);
		new = __builtin_bswap16(new);
	}
	tcp->check = checksum_replace(tcp->check, old, new);
}

/* 0: no limit, as of a backend whose MTU is not known, or too small. `room`: bytes for the client's packet. */
stage __u32 mss_limit(__u32 mss, int room, __u32 family)
{
	int headers_len = sizeof(struct tcphdr) + (family == ETH_P_IP ? sizeof(struct iphdr) : sizeof(struct ipv6hdr));

	if (mss != SHUNT_MSS_AUTO)
		return mss;
	return room > headers_len ? room - headers_len : 0;
}

/* A function of its own to the verifier, so that the loop over the options is looked at once. */
__noinline int lower_mss(struct xdp_md *ctx, __u32 tcp_offset, __u32 mss, int room, __u32 family)
{
	struct tcphdr *tcp = (void *)(long)ctx->data + (tcp_offset & TCP_OFFSET_MAX);
	void *end = (void *)(long)ctx->data_end;
	__u32 at = sizeof(*tcp), header_len, option_len, limit = mss_limit(mss, room, family);

	if (!feature(MSS) || !limit || (void *)(tcp + 1) > end)
		return 0;
	header_len = tcp->doff * 4;
	for (int i = 0; i < TCP_OPTIONS_MAX; i++) {
		__u8 *option = (void *)tcp + at;

		if (at + MSS_OPTION_LEN > header_len || (void *)option + MSS_OPTION_LEN > end)
			return 0;
		if (option[0] == TCP_OPTION_MSS && option[1] == MSS_OPTION_LEN)
			lower_option(tcp, option, at, limit);
		if (option[0] == TCP_OPTION_END || option[0] == TCP_OPTION_MSS)
			return 0;
		option_len = option[0] == TCP_OPTION_NOP ? 1 : option[1];
		if (!option_len || at + option_len > header_len)
			return 0;
		/* Changes nothing, but to the verifier all ways to the next option become one. */
		at = (at + option_len) & TCP_HEADER_MASK;
	}
	return 0;
}

/* `outer_len`: what forwarding puts in front. Only TCP services have a limit. */
stage void limit_mss(struct packet *p, __u32 outer_len)
{
	lower_mss(p->ctx, p->l4_offset, p->service->mss, p->backend->mtu - outer_len, p->family);
}

#endif
