/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* How often the balancer may send ICMP errors (RFC 1812 section 4.3.2.8, RFC 4443 section 2.4 (f)): a token bucket a CPU. */
#ifndef SHUNT_BPF_ICMP_LIMIT_H
#define SHUNT_BPF_ICMP_LIMIT_H

#include "packet.h"

#define ICMP_ERRORS_PER_SECOND 1000ULL   /* of a CPU */
#define ICMP_ERRORS_BURST 200ULL
#define ICMP_ERROR_INTERVAL_NS (1000000000ULL / ICMP_ERRORS_PER_SECOND)

/*
 * Takes a token, if there is one. The bucket is one word, the time at which it will be full again (the "virtual
 * scheduling" form of the algorithm, ITU-T I.371 annex A); zero, as the map begins, is a full one.
 */
stage bool take_icmp_token(void)
{
	__u32 first = 0;
	__u64 now_ns = bpf_ktime_get_ns(), *full_at_ns = bpf_map_lookup_elem(&icmp_limit, &first);

	if (!full_at_ns)
		return false;
	if (*full_at_ns < now_ns)
		*full_at_ns = now_ns;
	if (*full_at_ns + ICMP_ERROR_INTERVAL_NS > now_ns + ICMP_ERRORS_BURST * ICMP_ERROR_INTERVAL_NS)
		return false;
	*full_at_ns += ICMP_ERROR_INTERVAL_NS;
	return true;
}

#endif
