/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The keys of a health check: what it asks, when, what counts, and what follows. Which type has which key is in check.c. */
#include <stddef.h>

#include "config/schema.h"

#define THRESHOLD_MAX 1000
#define CHECK_PARTS_MAX 8

static const struct field score_fields[] = {
	{"results", FIELD_NUMBER, AT(draft_score, results), .min = CONFIG_SCORE_RESULTS_MIN, .max = CONFIG_SCORE_RESULTS_MAX,
	 .standard = "30", .meaning = "how many of the last results count"},
	{"window", FIELD_DURATION, AT(draft_score, window), .min = 100, .max = 24 * MS_PER_HOUR,
	 .otherwise = "twice as long as `results` checks take", .meaning = "no result older than this counts"},
	{},
};

static const struct schema score_schema = {"score", SCHEMA(draft_score, score_fields),
					   .about = "Which results make the score of a backend, by which it is `degraded`."};

static const struct field command_fields[] = {
	{"word", FIELD_TEXT, AT(draft_word, word), .required = true, .max = TEXT_MAX,
	 .meaning = "the program's path first, then its arguments; no shell reads them"},
	{},
};

const struct schema command_schema = {"word", .size = sizeof(struct draft_word), .bare_name = true, .fields = command_fields};

/* What a check asks: also of the parts of another. When it asks and what counts is for the whole. */
#define CHECK_QUESTION \
	{"type", FIELD_WORD, AT(draft_check, type), .words = check_type_words, .standard = "tcp", \
	 .meaning = "the kind of check. `path` alone means `http`, `query` `dns`, `command` `exec`"}, \
	{"path", FIELD_URL_PATH, AT(draft_check, path), .standard = "/", .meaning = "http, https: what is asked for"}, \
	{"host", FIELD_HOST, AT(draft_check, host), .otherwise = "the address", .meaning = "http, https: the `Host` header"}, \
	{"port", FIELD_NUMBER, AT(draft_check, port), .min = 1, .max = PORT_MAX, \
	 .otherwise = "the backend's, else that of the first service of the group", \
	 .meaning = "all but icmp: where to. An `agent` check needs it"}, \
	{"method", FIELD_METHOD, AT(draft_check, method), .standard = "GET", .meaning = "http, https: the method of the request"}, \
	{"status", FIELD_STATUS, AT(draft_check, status), .standard = "200-399", .meaning = "http, https: the codes that are good"}, \
	{"http_version", FIELD_WORD, AT(draft_check, http_version), .words = http_version_words, .standard = "1.1", \
	 .meaning = "http, https: `2` by ALPN, or without TLS at once"}, \
	{"keepalive", FIELD_WORD, AT(draft_check, keepalive), .words = verify_words, .standard = "off", \
	 .meaning = "http, https: with `on` the connection stays for the next check, while the server keeps it: cheaper, and a server that no " \
		    "longer accepts new ones does not show"}, \
	{"send", FIELD_TEXT, AT(draft_check, send), .min = 1, .max = TEXT_MAX, .otherwise = "nothing", \
	 .meaning = "tcp, udp, agent: bytes to send. YAML's double quotes know `\"\\r\\n\"`"}, \
	{"send_hex", FIELD_HEX, AT(draft_check, send_hex), .otherwise = "nothing", .meaning = "tcp, udp: the same in hexadecimal"}, \
	{"expect", FIELD_TEXT, AT(draft_check, expect), .min = 1, .max = TEXT_MAX, .otherwise = "any answer is good", \
	 .meaning = "tcp, udp, http, https: bytes that the answer, or the first 64 KiB of the body, must have in it"}, \
	{"expect_hex", FIELD_HEX, AT(draft_check, expect_hex), .otherwise = "any answer is good", \
	 .meaning = "tcp, udp: the same in hexadecimal"}, \
	{"sni", FIELD_HOST, AT(draft_check, sni), .otherwise = "`host`, else the address", \
	 .meaning = "https: the name asked for and looked for in the certificate"}, \
	{"verify", FIELD_WORD, AT(draft_check, verify), .words = verify_words, .standard = "on", \
	 .meaning = "https: with `off` any certificate will do, an expired one too"}, \
	{"ca_file", FIELD_FILE, AT(draft_check, ca_file), .otherwise = "the system's", .meaning = "https: authorities trusted, PEM"}, \
	{"certificate_file", FIELD_FILE, AT(draft_check, certificate_file), .otherwise = "none", \
	 .meaning = "https: shown to the server when it asks, PEM"}, \
	{"key_file", FIELD_FILE, AT(draft_check, key_file), .otherwise = "in `certificate_file`", .meaning = "https: its key, PEM"}, \
	{"query", FIELD_HOST, AT(draft_check, query), .otherwise = "none; a dns check needs it", .meaning = "dns: the name asked for"}, \
	{"query_type", FIELD_WORD, AT(draft_check, query_type), .words = query_type_words, .standard = "A", \
	 .meaning = "dns: the type of record asked for"}, \
	{"rcode", FIELD_WORD, AT(draft_check, rcode), .words = rcode_words, .standard = "NOERROR", \
	 .meaning = "dns: the response code that is good"}, \
	{"answer", FIELD_ADDRESS, AT(draft_check, answer), .otherwise = "any", \
	 .meaning = "dns: an address that must be among the answers"}, \
	{"command", FIELD_LIST, AT(draft_check, command), .min = 1, .max = COMMAND_WORDS_MAX, .schema = &command_schema, \
	 .otherwise = "none; an exec check needs it", .meaning = "exec: program and arguments; exit status 0 is good"}

static const struct field check_part_fields[] = {CHECK_QUESTION, {}};

static const struct schema check_part_schema = {"check", .size = sizeof(struct draft_check), .fields = check_part_fields,
						.about = "One of several checks that together are one. When it is made and what "
							 "counts is said for the whole."};

static const struct field check_fields[] = {
	CHECK_QUESTION,
	{"all", FIELD_LIST, AT(draft_check, all), .min = 1, .max = CHECK_PARTS_MAX, .schema = &check_part_schema,
	 .otherwise = "one check", .meaning = "in place of `type`: good if each of these checks is"},
	{"any", FIELD_LIST, AT(draft_check, any), .min = 1, .max = CHECK_PARTS_MAX, .schema = &check_part_schema,
	 .otherwise = "one check", .meaning = "in place of `type`: good if one of these checks is"},
	{"interval", FIELD_DURATION, AT(draft_check, interval), .min = 10, .max = MS_PER_HOUR, .standard = "1s",
	 .meaning = "from the start of one check to the start of the next"},
	{"fast_interval", FIELD_DURATION, AT(draft_check, fast_interval), .min = 10, .max = MS_PER_HOUR, .otherwise = "that of `interval`",
	 .meaning = "the same while the state is not certain: after a failure that is not yet enough to be down, or a success not yet "
		    "enough to be up"},
	{"timeout", FIELD_DURATION, AT(draft_check, timeout), .min = 1, .max = MS_PER_HOUR, .standard = "500ms",
	 .meaning = "for a whole check; at most `interval`, which it follows if that alone is given and shorter"},
	{"healthy_threshold", FIELD_NUMBER, AT(draft_check, healthy_threshold), .min = 1, .max = THRESHOLD_MAX, .standard = "2",
	 .meaning = "good results in a row that make a backend up (agent: 1 unless given)"},
	{"unhealthy_threshold", FIELD_NUMBER, AT(draft_check, unhealthy_threshold), .min = 1, .max = THRESHOLD_MAX, .standard = "3",
	 .meaning = "bad results in a row that make a backend down (agent: 1 unless given)"},
	{"via", FIELD_WORD, AT(draft_check, via), .words = via_words, .standard = "backend",
	 .meaning = "tcp, udp, dns, http, https: to the backend's own address, or to the service's by the very way that traffic takes"},
	{"padded_interval", FIELD_DURATION, AT(draft_check, padded_interval), .min = 100, .max = 24 * MS_PER_HOUR, .standard = "1m",
	 .meaning = "with `via: service`: how often a probe is as large as traffic can be"},
	{"slow_threshold", FIELD_DURATION, AT(draft_check, health.slow_threshold), .min = 1, .max = MS_PER_HOUR, .otherwise = "none is slow",
	 .meaning = "a good answer that takes longer counts as slow; below `timeout`"},
	{"degraded_weight", FIELD_PERCENT, AT(draft_check, health.degraded_weight), .min = 1, .max = 100, .standard = "100%",
	 .meaning = "of its weight, that the lowest score leaves a backend"},
	{"predict", FIELD_DURATION, AT(draft_check, health.predict), .min = MS_PER_S, .max = 24 * MS_PER_HOUR, .otherwise = "no warnings",
	 .meaning = "warn of a trend of latency or failures that makes the backend fail within this time"},
	{"slow_start", FIELD_DURATION, AT(draft_check, health.slow_start), .max = 24 * MS_PER_HOUR, .standard = "0s",
	 .meaning = "over this time a returning backend gets its weight back"},
	{"max_interval", FIELD_DURATION, AT(draft_check, health.max_interval), .min = 10, .max = MS_PER_HOUR, .otherwise = "that of `interval`",
	 .meaning = "probes of a backend that is down back off to this, with full jitter"},
	{"score", FIELD_MAPPING, AT(draft_check, health.score), .schema = &score_schema, .otherwise = "as below",
	 .meaning = "which results make the score"},
	{},
};

const struct schema check_schema = {"health_check", SCHEMA(draft_check, check_fields),
				    .about = "How backends are checked. What a group does not say is as in `defaults`, what that does not "
					     "say as here."};

FITS(check_fields);
