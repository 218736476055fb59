/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Internal to config: the words of the configuration language and the enums they stand for. */
#ifndef SHUNT_CONFIG_WORDS_H
#define SHUNT_CONFIG_WORDS_H

struct word {
	const char *text;
	int value;
};

/* Each ends with a NULL text; of several words for one value the first is printed. */
extern const struct word xdp_mode_words[], on_exit_words[], forward_words[], protocol_words[], hash_words[];
extern const struct word switch_words[];
extern const struct word scheduler_words[], tracking_words[], on_empty_words[], group_mode_words[];
extern const struct word dns_type_words[];
extern const struct word mss_words[], on_down_words[], failover_words[], failback_words[], check_type_words[];
extern const struct word hook_event_words[], via_words[], verify_words[], http_version_words[], query_type_words[], rcode_words[];

const char *word_text(const struct word *words, int value); /* "?" for a value without word */

#endif
