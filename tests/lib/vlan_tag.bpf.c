// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* For clsact: what VLAN devices do, on kernels without them. `push` tags what leaves, `push_two` twice, `pop` takes tags off. */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

SEC("tc/push")
int push(struct __sk_buff *skb)
{
	return bpf_skb_vlan_push(skb, bpf_htons(ETH_P_8021Q), 100) ? TC_ACT_SHOT : TC_ACT_OK;
}

SEC("tc/push_two")
int push_two(struct __sk_buff *skb)
{
	if (bpf_skb_vlan_push(skb, bpf_htons(ETH_P_8021Q), 100) || bpf_skb_vlan_push(skb, bpf_htons(ETH_P_8021AD), 200))
		return TC_ACT_SHOT;
	return TC_ACT_OK;
}

/* Only what has a tag gets in: that is the proof that the balancer kept it. */
SEC("tc/pop")
int pop(struct __sk_buff *skb)
{
	return skb->vlan_present && !bpf_skb_vlan_pop(skb) ? TC_ACT_OK : TC_ACT_SHOT;
}

SEC("tc/pop_two")
int pop_two(struct __sk_buff *skb)
{
	if (!skb->vlan_present || bpf_skb_vlan_pop(skb) || !skb->vlan_present || bpf_skb_vlan_pop(skb))
		return TC_ACT_SHOT;
	return TC_ACT_OK;
}

char _license[] SEC("license") = "Dual BSD/GPL";
