// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Sends the controller's probes as xdp_shunt sends traffic (`via: service`), so that what breaks the one breaks the other: a
 * service address that is missing on the backend's lo, a tunnel that nobody takes off, a path that is too narrow.
 *
 * The prober's socket is connected to its peer, as a rule the backend's own address, so that many backends of one service can
 * be probed at once and the kernel finds the socket of each answer. On the way out, by the mark, the service's address becomes
 * the destination, the packet is encapsulated and leaves by the backend's next hop; on the way in the service's address
 * becomes the peer's again. tc programs, since XDP does not see what this host sends. What is not a probe is not touched.
 */
#include <linux/pkt_cls.h>

#include <shunt/probe.h>

#include "flow_hash.h"
#include "outer.h"

#define IPV4_NO_OPTIONS 5
#define TCP_FLAGS_OFFSET 13
#define TCP_SYN_ACK_MASK 0x12
#define TCP_SYN 0x02

/* Controller writes, packets read: who a mark stands for. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__type(key, __u32);
	__type(value, struct shunt_probe_path);
	__uint(max_entries, SHUNT_MAX_PROBE_PATHS);
	__uint(map_flags, BPF_F_NO_PREALLOC);
} probe_paths SEC(".maps");

/* Packets write and read: whose peer answers go to. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__type(key, struct shunt_probe_flow);
	__type(value, struct shunt_addr);
	__uint(max_entries, SHUNT_MAX_PROBE_FLOWS);
} probe_flows SEC(".maps");

const volatile __u32 probe_tag = 0;

/* ---- reading ---- */

stage struct shunt_addr mapped(__be32 address)
{
	struct shunt_addr addr = {.byte[10] = 0xff, .byte[11] = 0xff};

	__builtin_memcpy(addr.byte + 12, &address, sizeof(address));
	return addr;
}

stage bool read_ipv4(struct __sk_buff *skb, struct packet *p)
{
	struct iphdr ip;

	if (bpf_skb_load_bytes(skb, ETH_HLEN, &ip, sizeof(ip)) || ip.ihl != IPV4_NO_OPTIONS ||
	    ip.frag_off & bpf_htons(IPV4_MORE_FRAGMENTS | IPV4_FRAGMENT_OFFSET))
		return false;
	p->family = ETH_P_IP;
	p->source = mapped(ip.saddr);
	p->destination = mapped(ip.daddr);
	p->protocol = ip.protocol;
	p->traffic_class = ip.tos;
	p->ip_len = bpf_ntohs(ip.tot_len);
	p->l4_offset = ETH_HLEN + sizeof(ip);
	return true;
}

stage bool read_ipv6(struct __sk_buff *skb, struct packet *p)
{
	struct ipv6hdr ip;
	__be32 first_word;

	if (bpf_skb_load_bytes(skb, ETH_HLEN, &ip, sizeof(ip)))
		return false;
	__builtin_memcpy(&first_word, &ip, sizeof(first_word));
	p->family = ETH_P_IPV6;
	__builtin_memcpy(&p->source, &ip.saddr, sizeof(p->source));
	__builtin_memcpy(&p->destination, &ip.daddr, sizeof(p->destination));
	p->protocol = ip.nexthdr;
	p->traffic_class = bpf_ntohl(first_word) >> 20 & 0xff;
	p->ip_len = bpf_ntohs(ip.payload_len) + sizeof(ip);
	p->l4_offset = ETH_HLEN + sizeof(ip);
	return true;
}

/* TCP and UDP without fragments, options and extension headers, as this host sends probes and gets their answers. */
stage bool read_packet(struct __sk_buff *skb, struct packet *p)
{
	__be16 port[2];

	if (!(skb->protocol == bpf_htons(ETH_P_IP) ? read_ipv4(skb, p) :
	      skb->protocol == bpf_htons(ETH_P_IPV6) && read_ipv6(skb, p)))
		return false;
	if ((p->protocol != IPPROTO_TCP && p->protocol != IPPROTO_UDP) ||
	    bpf_skb_load_bytes(skb, p->l4_offset, port, sizeof(port)))
		return false;
	p->ports = join_ports(port[0], port[1]);
	return true;
}

/* ---- writing; the helpers keep checksums that the card is to finish as they have to be ---- */

stage __u32 check_offset(const struct packet *p)
{
	return p->l4_offset + (p->protocol == IPPROTO_TCP ? offsetof(struct tcphdr, check) : offsetof(struct udphdr, check));
}

stage __u64 check_flags(const struct packet *p)
{
	return BPF_F_PSEUDO_HDR | (p->protocol == IPPROTO_UDP ? BPF_F_MARK_MANGLED_0 : 0);
}

/* One of the packet's addresses (RFC 1624 for both checksums). 0 or a negative error. */
stage long replace_address(struct __sk_buff *skb, const struct packet *p, bool source, const struct shunt_addr *old,
			   const struct shunt_addr *new)
{
	__be32 was = shunt_addr_word(old, 3), is = shunt_addr_word(new, 3);
	__u32 at = ETH_HLEN;
	__s64 diff;

	if (p->family == ETH_P_IP) {
		at += source ? offsetof(struct iphdr, saddr) : offsetof(struct iphdr, daddr);
		return bpf_l3_csum_replace(skb, ETH_HLEN + offsetof(struct iphdr, check), was, is, sizeof(is)) ?:
		       bpf_l4_csum_replace(skb, check_offset(p), was, is, check_flags(p) | sizeof(is)) ?:
		       bpf_skb_store_bytes(skb, at, &is, sizeof(is), 0);
	}
	at += source ? offsetof(struct ipv6hdr, saddr) : offsetof(struct ipv6hdr, daddr);
	diff = bpf_csum_diff((__be32 *)old, sizeof(*old), (__be32 *)new, sizeof(*new), 0);
	return bpf_l4_csum_replace(skb, check_offset(p), 0, diff, check_flags(p)) ?:
	       bpf_skb_store_bytes(skb, at, new, sizeof(*new), 0);
}

/*
 * Makes what opens a probe as large as traffic can be. Data in a SYN are not taken by who does not know the sender's fast
 * open cookie (RFC 7413 section 4.2.2): the answer acknowledges the SYN alone, and no program sees them. What is behind a UDP
 * datagram within its IP packet is read over (RFC 768; RFC 9868 section 7 calls it the surplus area).
 */
stage bool is_to_be_padded(struct __sk_buff *skb, const struct packet *p)
{
	__u8 flags;

	if (p->protocol == IPPROTO_UDP)
		return true;
	return bpf_skb_load_bytes(skb, p->l4_offset + TCP_FLAGS_OFFSET, &flags, sizeof(flags)) == 0 &&
	       (flags & TCP_SYN_ACK_MASK) == TCP_SYN;
}

/* The IP header's length, and the one that TCP's checksum has; UDP's is that of the datagram, which stays. */
stage long set_length(struct __sk_buff *skb, const struct packet *p, __u16 old_len, __u16 new_len)
{
	__be16 was = bpf_htons(old_len), is = bpf_htons(new_len), payload = bpf_htons(new_len - sizeof(struct ipv6hdr));
	long r;

	if (p->family == ETH_P_IP)
		r = bpf_l3_csum_replace(skb, ETH_HLEN + offsetof(struct iphdr, check), was, is, sizeof(is)) ?:
		    bpf_skb_store_bytes(skb, ETH_HLEN + offsetof(struct iphdr, tot_len), &is, sizeof(is), 0);
	else
		r = bpf_skb_store_bytes(skb, ETH_HLEN + offsetof(struct ipv6hdr, payload_len), &payload, sizeof(payload), 0);
	/* Both lengths less the same header: the difference is what counts. */
	if (r == 0 && p->protocol == IPPROTO_TCP)
		r = bpf_l4_csum_replace(skb, check_offset(p), was, is, BPF_F_PSEUDO_HDR | sizeof(is));
	return r;
}

stage long pad(struct __sk_buff *skb, struct packet *p, __u16 largest)
{
	__u16 before = p->ip_len;

	if (largest <= before || !is_to_be_padded(skb, p))
		return 0;
	p->ip_len = largest;
	return bpf_skb_change_tail(skb, ETH_HLEN + largest, 0) ?: set_length(skb, p, before, largest);
}

stage void remember(const struct packet *p, const struct shunt_probe_path *path)
{
	const struct shunt_probe_flow flow = {
		.service = path->service.key.address,
		.local = p->source,
		.service_port = destination_port(p),
		.local_port = source_port(p),
		.protocol = p->protocol,
	};

	bpf_map_update_elem(&probe_flows, &flow, &path->peer, BPF_ANY);
}

/* ---- the way of traffic ---- */

/* All that is between the frame's start and the packet; what encapsulate() in encap.h writes in place. */
stage long put_outer(struct __sk_buff *skb, const struct packet *p)
{
	__u8 layer[sizeof(struct gue_layer)];
	__be16 type = bpf_htons(outer_is_ipv4(p) ? ETH_P_IP : ETH_P_IPV6);
	__u64 flags = outer_is_ipv4(p) ? BPF_F_ADJ_ROOM_ENCAP_L3_IPV4 : BPF_F_ADJ_ROOM_ENCAP_L3_IPV6;
	struct ipv6hdr ipv6;
	struct iphdr ipv4;
	long r;

	if (is_gue(p))
		flags |= BPF_F_ADJ_ROOM_ENCAP_L4_UDP | BPF_F_ADJ_ROOM_ENCAP_L2(sizeof(struct gue_header));
	r = bpf_skb_adjust_room(skb, outer_ip_len(p) + layer_len(p), BPF_ADJ_ROOM_MAC, flags) ?:
	    bpf_skb_store_bytes(skb, offsetof(struct ethhdr, h_proto), &type, sizeof(type), 0);
	if (r)
		return r;
	if (outer_is_ipv4(p)) {
		write_outer_ipv4(p, &ipv4);
		r = bpf_skb_store_bytes(skb, ETH_HLEN, &ipv4, sizeof(ipv4), 0);
	} else {
		write_outer_ipv6(p, &ipv6);
		r = bpf_skb_store_bytes(skb, ETH_HLEN, &ipv6, sizeof(ipv6), 0);
	}
	if (r || !is_gue(p))
		return r;
	write_gue(p, (void *)layer);
	return bpf_skb_store_bytes(skb, ETH_HLEN + outer_ip_len(p), layer, sizeof(layer), 0);
}

/*
 * Where traffic leaves. While the controller does not know the next hop, the kernel has chosen it: it was to send to the
 * backend's own address. The mark has done its work, and is taken off before the packet meets this program again.
 */
stage int leave_as_traffic(struct __sk_buff *skb, struct packet *p, const struct shunt_probe_path *path)
{
	struct exit exit = {};
	struct ethhdr eth __attribute__((aligned(4)));

	skb->mark = 0;
	if (!known_exit(p, &exit)) {
		bool to_backend = shunt_addr_half(&path->peer, 0) == shunt_addr_half(&p->backend->address, 0) &&
				  shunt_addr_half(&path->peer, 1) == shunt_addr_half(&p->backend->address, 1);

		return to_backend ? TC_ACT_OK : TC_ACT_SHOT;
	}
	write_ethernet(&eth, &exit);
	if (bpf_skb_store_bytes(skb, 0, &eth, offsetof(struct ethhdr, h_proto), 0))
		return TC_ACT_SHOT;
	return exit_ifindex(&exit) == skb->ifindex ? TC_ACT_OK : bpf_redirect(exit_ifindex(&exit), 0);
}

stage long readdress(struct __sk_buff *skb, struct packet *p, const struct shunt_probe_path *path)
{
	long r = replace_address(skb, p, false, &p->destination, &path->service.key.address);

	p->destination = path->service.key.address;
	remember(p, path);
	return r;
}

SEC("tc")
int probe_egress(struct __sk_buff *skb)
{
	__u32 mark = skb->mark, key = mark >> SHUNT_PROBE_KEY_SHIFT & SHUNT_PROBE_KEY_MASK;
	enum shunt_probe_kind kind = mark & SHUNT_PROBE_KIND_MASK;
	const struct shunt_probe_path *path;
	struct packet p = {};
	__u32 backend;

	if (mark >> SHUNT_PROBE_TAG_SHIFT != probe_tag || !probe_tag)
		return TC_ACT_UNSPEC;
	path = bpf_map_lookup_elem(&probe_paths, &key);
	if (!path || !read_packet(skb, &p))
		return TC_ACT_SHOT; /* the last of a check that is gone */
	backend = path->backend;
	p.service = &path->service;
	p.backend = bpf_map_lookup_elem(&backends, &backend);
	if (!p.backend)
		return TC_ACT_SHOT;
	if (kind != SHUNT_PROBE_TUNNEL && path->service.forward != SHUNT_FORWARD_NAT && readdress(skb, &p, path))
		return TC_ACT_SHOT;
	if (kind == SHUNT_PROBE_PADDED && pad(skb, &p, path->largest))
		return TC_ACT_SHOT;
	p.salt = shunt_service_salt(cfg.hash_key, &path->service.key);
	p.hash = flow_hash(&p);
	if ((path->service.forward == SHUNT_FORWARD_IPIP || path->service.forward == SHUNT_FORWARD_GUE) && put_outer(skb, &p))
		return TC_ACT_SHOT;
	return leave_as_traffic(skb, &p, path);
}

SEC("tc")
int probe_ingress(struct __sk_buff *skb)
{
	struct packet p = {};
	struct shunt_probe_flow flow;
	const struct shunt_addr *found;
	struct shunt_addr peer;

	if (!read_packet(skb, &p))
		return TC_ACT_UNSPEC;
	flow = (struct shunt_probe_flow){
		.service = p.source,
		.local = p.destination,
		.service_port = source_port(&p),
		.local_port = destination_port(&p),
		.protocol = p.protocol,
	};
	found = bpf_map_lookup_elem(&probe_flows, &flow);
	if (!found)
		return TC_ACT_UNSPEC;
	peer = *found;
	return replace_address(skb, &p, true, &p.source, &peer) ? TC_ACT_SHOT : TC_ACT_UNSPEC;
}

char _license[] SEC("license") = "Dual BSD/GPL";
