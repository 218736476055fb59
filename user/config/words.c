/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Which words the configuration language has. */
#include <netinet/in.h>
#include <stddef.h>

#include "config/config.h"
#include "config/words.h"

const struct word xdp_mode_words[] = {
	{"auto", INTERFACE_MODE_AUTO}, {"native", INTERFACE_MODE_NATIVE}, {"generic", INTERFACE_MODE_GENERIC}, {}};
const struct word on_exit_words[] = {{"keep", ON_EXIT_KEEP}, {"detach", ON_EXIT_DETACH}, {}};
const struct word forward_words[] = {
	{"l2", SHUNT_FORWARD_L2}, {"ipip", SHUNT_FORWARD_IPIP}, {"gue", SHUNT_FORWARD_GUE}, {"nat", SHUNT_FORWARD_NAT}, {}};
const struct word mss_words[] = {{"auto", SHUNT_MSS_AUTO}, {}};
const struct word protocol_words[] = {{"tcp", IPPROTO_TCP}, {"udp", IPPROTO_UDP}, {}};
const struct word hash_words[] = {{"5-tuple", HASH_5_TUPLE}, {"source-ip", HASH_SOURCE_IP}, {}};
const struct word scheduler_words[] = {
	{"maglev", SHUNT_SCHEDULER_MAGLEV},
	{"round-robin", SHUNT_SCHEDULER_ROUND_ROBIN},
	{"random", SHUNT_SCHEDULER_RANDOM},
	{"least-connections", SHUNT_SCHEDULER_LEAST_CONNECTIONS},
	{}};
const struct word tracking_words[] = {
	{"auto", TRACKING_AUTO}, {"always", TRACKING_ALWAYS}, {"never", TRACKING_NEVER}, {}};
const struct word on_empty_words[] = {
	{"drop", ON_EMPTY_DROP}, {"reject", ON_EMPTY_REJECT}, {"fail-open", ON_EMPTY_FAIL_OPEN}, {}};
const struct word group_mode_words[] = {{"active-passive", GROUP_ACTIVE_PASSIVE},
					{"active-active", GROUP_ACTIVE_ACTIVE},
					{"normal", GROUP_ACTIVE_ACTIVE},
					{"rolling", GROUP_ROLLING},
					{}};
const struct word switch_words[] = {{"true", true}, {"false", false}, {}};
const struct word dns_type_words[] = {{"address", false}, {"srv", true}, {}};
const struct word failover_words[] = {{"automatic", CONFIG_FAILOVER_AUTOMATIC},
				      {"semi-automatic", CONFIG_FAILOVER_SEMI_AUTOMATIC},
				      {"manual", CONFIG_FAILOVER_MANUAL},
				      {}};
const struct word hook_event_words[] = {{"failover", HOOK_ON_FAILOVER},
					{"failback", HOOK_ON_FAILBACK},
					{"backend", HOOK_ON_BACKEND},
					{"group", HOOK_ON_GROUP},
					{}};
const struct word on_down_words[] = {{"move", ON_DOWN_MOVE}, {"keep", ON_DOWN_KEEP}, {}};
const struct word failback_words[] = {{"manual", false}, {"automatic", true}, {}};
const struct word check_type_words[] = {
	{"tcp", CHECK_TCP},   {"http", CHECK_HTTP}, {"https", CHECK_HTTPS}, {"udp", CHECK_UDP},   {"icmp", CHECK_ICMP},
	{"dns", CHECK_DNS},   {"exec", CHECK_EXEC}, {"agent", CHECK_AGENT}, {"none", CHECK_NONE}, {}};
static const struct word check_composite_words[] = {{"all", CHECK_ALL}, {"any", CHECK_ANY}, {}};
const struct word via_words[] = {{"backend", false}, {"service", true}, {}};
const struct word verify_words[] = {{"on", true}, {"off", false}, {}};
const struct word http_version_words[] = {{"1.1", HTTP_VERSION_1_1}, {"2", HTTP_VERSION_2}, {}};
/* RFC 1035 section 3.2.2, RFC 3596, RFC 2782. */
const struct word query_type_words[] = {{"A", 1},   {"NS", 2},   {"CNAME", 5}, {"SOA", 6}, {"PTR", 12},
					{"MX", 15}, {"TXT", 16}, {"AAAA", 28}, {"SRV", 33},  {}};
/* RFC 1035 section 4.1.1. */
const struct word rcode_words[] = {{"NOERROR", 0}, {"FORMERR", 1}, {"SERVFAIL", 2}, {"NXDOMAIN", 3},
				   {"NOTIMP", 4},  {"REFUSED", 5}, {}};

const char *word_text(const struct word *words, int value)
{
	for (; words->text; words++)
		if (words->value == value)
			return words->text;
	return "?";
}

const char *config_group_mode_text(enum config_group_mode mode)
{
	return word_text(group_mode_words, mode);
}

const char *config_failover_text(enum config_failover failover)
{
	return word_text(failover_words, failover);
}

const char *config_forward_text(enum shunt_forward forward)
{
	return word_text(forward_words, forward);
}

const char *config_check_type_text(enum config_check_type type)
{
	return word_text(type == CHECK_ALL || type == CHECK_ANY ? check_composite_words : check_type_words, type);
}

const char *config_rcode_text(uint8_t rcode)
{
	return word_text(rcode_words, rcode);
}

const char *config_tracking_text(enum config_tracking tracking)
{
	return word_text(tracking_words, tracking);
}

const char *config_scheduler_text(enum shunt_scheduler scheduler)
{
	return word_text(scheduler_words, scheduler);
}

const char *config_on_empty_text(enum config_on_empty on_empty)
{
	return word_text(on_empty_words, on_empty);
}

const char *config_hash_text(enum config_hash hash)
{
	return word_text(hash_words, hash);
}
