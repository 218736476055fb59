/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Which texts are values of which kind of field, and how each kind is described. Knows nothing of YAML or places. */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <curl/curl.h>

#include "base/clock.h"
#include "base/duration.h"
#include "base/number.h"
#include "config/schema.h"
#include "net/address.h"

#define NAME_SERVER_PORT 53 /* RFC 1035 section 4.2 */

#define NAME_CHARACTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-"
#define HOST_CHARACTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-:[]"
#define NAME_LENGTH_MAX 63
#define HOST_LENGTH_MAX 255 /* RFC 1035 section 2.3.4 */
#define PATH_LENGTH_MAX 1024
#define URL_LENGTH_MAX 2048
#define IPV4_PREFIX_MIN 8
#define IPV6_PREFIX_MIN 16

static int check(bool good)
{
	return good ? 0 : -EINVAL;
}

static bool consists_of(const char *text, const char *characters, size_t length_max)
{
	size_t length = strspn(text, characters);

	return length && !text[length] && length <= length_max;
}

static int parse_name(const struct field *field, struct item *item)
{
	(void)field;
	return check(consists_of(item->text, NAME_CHARACTERS, NAME_LENGTH_MAX));
}

/* As dev_valid_name() of the kernel has it, less characters beyond printable ASCII. */
static int parse_interface(const struct field *field, struct item *item)
{
	const char *text = item->text;
	size_t length = strlen(text);

	(void)field;
	if (!length || length >= IF_NAMESIZE || !strcmp(text, ".") || !strcmp(text, ".."))
		return -EINVAL;
	for (; *text; text++)
		if (!isascii(*text) || !isgraph(*text) || *text == '/' || *text == ':')
			return -EINVAL;
	return 0;
}

static int parse_number(const struct field *field, struct item *item)
{
	return check(!number_parse(item->text, field->min, field->max, &item->number));
}

static int parse_power_of_two(const struct field *field, struct item *item)
{
	return check(!parse_number(field, item) && (item->number & (item->number - 1)) == 0);
}

static int parse_duration(const struct field *field, struct item *item)
{
	return check(!duration_parse(item->text, &item->number) && item->number >= field->min &&
		     item->number <= field->max);
}

bool item_is_percent(const struct item *item)
{
	return item->ok && item->text[strlen(item->text) - 1] == '%';
}

/* The number before a '%'. */
static int parse_percentage(const char *text, uint64_t min, uint64_t max, uint64_t *ret_number)
{
	char digits[16];
	size_t length = strlen(text);

	if (length < 2 || length > sizeof(digits) || text[length - 1] != '%')
		return -EINVAL;
	memcpy(digits, text, length - 1);
	digits[length - 1] = '\0';
	return check(!number_parse(digits, min, max, ret_number));
}

static int parse_percent(const struct field *field, struct item *item)
{
	return parse_percentage(item->text, field->min, field->max, &item->number);
}

static int parse_number_or_percent(const struct field *field, struct item *item)
{
	return strchr(item->text, '%') ? parse_percentage(item->text, 1, 100, &item->number) : parse_number(field, item);
}

static int parse_word(const struct field *field, struct item *item)
{
	for (const struct word *word = field->words; word->text; word++) {
		if (strcmp(word->text, item->text))
			continue;
		item->number = word->value;
		return 0;
	}
	return -EINVAL;
}

static int parse_word_or_number(const struct field *field, struct item *item)
{
	return parse_word(field, item) ? parse_number(field, item) : 0;
}

static int parse_address(const struct field *field, struct item *item)
{
	(void)field;
	return check(!address_parse(item->text, &item->address) && address_is_unicast(&item->address));
}

/* Shorter prefixes would be a slip of the pen, or catch the host's own traffic. */
static int parse_address_or_prefix(const struct field *field, struct item *item)
{
	uint8_t length;

	(void)field;
	if (address_prefix_parse(item->text, &item->address, &length) || !address_is_unicast(&item->address))
		return -EINVAL;
	item->number = length;
	return check(length >= (address_is_ipv4(&item->address) ? IPV4_PREFIX_MIN : IPV6_PREFIX_MIN));
}

static int parse_ipv4_prefix(const struct field *field, struct item *item)
{
	uint8_t length;

	(void)field;
	if (address_prefix_parse(item->text, &item->address, &length) || !address_is_ipv4(&item->address) ||
	    !address_is_unicast(&item->address))
		return -EINVAL;
	item->number = length;
	return check(length >= IPV4_PREFIX_MIN);
}

static int parse_ipv6(const struct field *field, struct item *item)
{
	return check(!parse_address(field, item) && !address_is_ipv4(&item->address));
}

static int parse_prefix(const struct field *field, struct item *item)
{
	struct config_prefix prefix;

	(void)field;
	if (config_prefix_parse(item->text, &prefix))
		return -EINVAL;
	item->address = prefix.address;
	item->number = prefix.length;
	return 0;
}

static int parse_listen(const struct field *field, struct item *item)
{
	uint16_t port;

	(void)field;
	if (address_port_parse(item->text, &item->address, &port))
		return -EINVAL;
	item->number = port;
	return check(port != 0);
}

static int parse_name_server(const struct field *field, struct item *item)
{
	uint16_t port = NAME_SERVER_PORT;

	(void)field;
	if (address_parse(item->text, &item->address) < 0 &&
	    (address_port_parse(item->text, &item->address, &port) < 0 || port == 0))
		return -EINVAL;
	item->number = port;
	return 0;
}

static int parse_url_path(const struct field *field, struct item *item)
{
	const char *text = item->text;

	(void)field;
	if (*text != '/' || strlen(text) > PATH_LENGTH_MAX)
		return -EINVAL;
	while (isascii(*text) && isgraph(*text))
		text++;
	return check(!*text);
}

static int parse_host(const struct field *field, struct item *item)
{
	(void)field;
	return check(consists_of(item->text, HOST_CHARACTERS, HOST_LENGTH_MAX));
}

static int parse_url(const struct field *field, struct item *item)
{
	CURLU *url = curl_url();
	char *scheme = NULL, *host = NULL, *user = NULL;
	bool good = url && curl_url_set(url, CURLUPART_URL, item->text, 0) == CURLUE_OK &&
		    curl_url_get(url, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
		    curl_url_get(url, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
		    curl_url_get(url, CURLUPART_USER, &user, 0) == CURLUE_NO_USER;

	(void)field;
	good = good && (strcmp(scheme, "http") == 0 || strcmp(scheme, "https") == 0) && *host &&
	       strlen(item->text) <= URL_LENGTH_MAX;
	curl_free(scheme);
	curl_free(host);
	curl_free(user);
	curl_url_cleanup(url);
	return check(good);
}

static int parse_file(const struct field *field, struct item *item)
{
	(void)field;
	return check(*item->text && strlen(item->text) <= PATH_LENGTH_MAX);
}

static int parse_time(const struct field *field, struct item *item)
{
	int64_t wall_ms;
	int r = clock_parse_rfc3339(item->text, &wall_ms);

	(void)field;
	if (r == 0 && wall_ms > 0)
		item->number = wall_ms;
	return check(r == 0 && wall_ms > 0);
}

static int parse_cron(const struct field *field, struct item *item)
{
	struct cron cron;

	(void)field;
	return cron_parse(item->text, &cron);
}

static int parse_server_id(const struct field *field, struct item *item)
{
	const char *text = item->text;
	size_t digits = strlen(text) - 2;

	(void)field;
	if (strncmp(text, "0x", 2) != 0 || digits == 0 || digits % 2 || digits / 2 > SHUNT_SERVER_ID_MAX)
		return -EINVAL;
	for (size_t i = 0; i < digits; i++)
		if (!isxdigit((unsigned char)text[2 + i]))
			return -EINVAL;
	item->address = (struct shunt_addr){0};
	for (size_t i = 0; i < digits / 2; i++) {
		const char byte[] = {text[2 + 2 * i], text[3 + 2 * i], '\0'};

		item->address.byte[i] = strtoul(byte, NULL, 16);
	}
	item->number = digits / 2;
	return 0;
}

static int parse_text(const struct field *field, struct item *item)
{
	size_t length = strlen(item->text);

	return check(length >= field->min && length <= field->max);
}

static int parse_hex(const struct field *field, struct item *item)
{
	size_t length = strspn(item->text, "0123456789abcdefABCDEF");

	(void)field;
	return check(length && !item->text[length] && length % 2 == 0 && length <= 2 * PATH_LENGTH_MAX);
}

/* A token of RFC 9110 section 5.6.2, as far as methods are written with it. */
static int parse_method(const struct field *field, struct item *item)
{
	(void)field;
	return check(consists_of(item->text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ-_", NAME_LENGTH_MAX));
}

/* RFC 9110 section 15: three digits, the first one from 1 to 5. */
static const char *parse_code(const char *text, uint16_t *ret_code)
{
	if (strspn(text, "0123456789") != 3 || *text < '1' || *text > '5')
		return NULL;
	*ret_code = (text[0] - '0') * 100 + (text[1] - '0') * 10 + text[2] - '0';
	return text + 3;
}

int status_parse(const char *text, struct config_status_range *ret_ranges, size_t *ret_n)
{
	size_t n = 0;

	do {
		struct config_status_range *range = &ret_ranges[n];

		text += n > 0; /* the comma */
		if (n++ == CONFIG_STATUS_RANGES_MAX || !(text = parse_code(text, &range->first)))
			return -EINVAL;
		range->last = range->first;
		if (*text == '-' && !(text = parse_code(text + 1, &range->last)))
			return -EINVAL;
		if (range->last < range->first)
			return -EINVAL;
	} while (*text == ',');
	*ret_n = n;
	return check(!*text);
}

static int parse_status(const struct field *field, struct item *item)
{
	struct config_status_range ranges[CONFIG_STATUS_RANGES_MAX];
	size_t n;

	(void)field;
	return status_parse(item->text, ranges, &n);
}

static const struct {
	int (*parse)(const struct field *field, struct item *item);
	const char *expectation; /* NULL: depends on the field */
} kinds[FIELD_KINDS_OF_ITEM] = {
	[FIELD_NAME] = {parse_name, "1 to 63 letters, digits, _ . or -"},
	[FIELD_INTERFACE] = {parse_interface, "the name of a network interface such as eth0"},
	[FIELD_NUMBER] = {parse_number, NULL},
	[FIELD_POWER_OF_TWO] = {parse_power_of_two, NULL},
	[FIELD_DURATION] = {parse_duration, NULL},
	[FIELD_PERCENT] = {parse_percent, NULL},
	[FIELD_NUMBER_OR_PERCENT] = {parse_number_or_percent, NULL},
	[FIELD_WORD] = {parse_word, NULL},
	[FIELD_WORD_OR_NUMBER] = {parse_word_or_number, NULL},
	[FIELD_ADDRESS] = {parse_address, "an IPv4 or IPv6 unicast address"},
	[FIELD_ADDRESS_OR_PREFIX] = {parse_address_or_prefix,
				     "an IPv4 or IPv6 unicast address, or a prefix such as 192.0.2.0/24 or 2001:db8::/64"},
	[FIELD_IPV4_PREFIX] = {parse_ipv4_prefix, "an IPv4 address such as 10.0.0.1, or a prefix such as 10.0.0.0/24"},
	[FIELD_IPV6] = {parse_ipv6, "an IPv6 unicast address"},
	[FIELD_PREFIX] = {parse_prefix, "a prefix such as 203.0.113.0/24 or 2001:db8:bad::/48, no bits set behind it"},
	[FIELD_LISTEN] = {parse_listen, "an address and port such as \"127.0.0.1:8080\" or \"[::1]:8080\""},
	[FIELD_NAME_SERVER] = {parse_name_server, "an address such as 10.0.0.53 or \"[fd00::53]:5353\""},
	[FIELD_URL_PATH] = {parse_url_path, "a path such as /health"},
	[FIELD_URL] = {parse_url, "a URL such as https://hooks.example.com/shunt, without user and password"},
	[FIELD_HOST] = {parse_host, "a host name"},
	[FIELD_SERVER_ID] = {parse_server_id, "1 to 8 bytes in hexadecimal such as 0x0a01"},
	[FIELD_FILE] = {parse_file, "the path of a file"},
	[FIELD_TIME] = {parse_time, "a time such as 2027-01-31T02:00:00Z or 2027-01-31T02:00:00+01:00"},
	[FIELD_CRON] = {parse_cron, "five fields as in crontab(5), such as \"0 2 * * SUN\""},
	[FIELD_TEXT] = {parse_text, NULL},
	[FIELD_HEX] = {parse_hex, "bytes in hexadecimal, such as 0d0a"},
	[FIELD_METHOD] = {parse_method, "an HTTP method such as GET or HEAD"},
	[FIELD_STATUS] = {parse_status, "HTTP status codes such as 200, 200-399 or 200-299,304"},
};

int scalar_parse(const struct field *field, struct item *item)
{
	return kinds[field->kind].parse(field, item);
}

/* "a, b or c". */
static void enumerate_words(const struct word *words, char *buffer, size_t size)
{
	size_t length = 0;

	for (const struct word *word = words; word->text && length < size; word++) {
		const char *before = length == 0 ? "" : word[1].text ? ", " : " or ";

		length += snprintf(buffer + length, size - length, "%s%s", before, word->text);
	}
}

const char *schema_keys(const struct schema *schema, char buffer[EXPECTATION_MAX])
{
	size_t length = 0;

	for (const struct field *field = schema->fields; field->key && length < EXPECTATION_MAX; field++)
		length += snprintf(buffer + length, EXPECTATION_MAX - length, "%s%s", length ? ", " : "", field->key);
	return buffer;
}

const char *field_expectation(const struct field *field, char buffer[EXPECTATION_MAX])
{
	char min[DURATION_TEXT_MAX], max[DURATION_TEXT_MAX], keys[EXPECTATION_MAX];

	switch (field->kind) {
	case FIELD_NUMBER:
		snprintf(buffer, EXPECTATION_MAX, "a whole number from %" PRIu64 " to %" PRIu64, field->min,
			 field->max);
		break;
	case FIELD_POWER_OF_TWO:
		snprintf(buffer, EXPECTATION_MAX, "a power of two from %" PRIu64 " to %" PRIu64, field->min,
			 field->max);
		break;
	case FIELD_DURATION:
		snprintf(buffer, EXPECTATION_MAX, "a duration such as 500ms, 5s, 10m or 2h, from %s to %s",
			 duration_format(field->min, min), duration_format(field->max, max));
		break;
	case FIELD_PERCENT:
		snprintf(buffer, EXPECTATION_MAX, "a percentage from %" PRIu64 "%% to %" PRIu64 "%%", field->min, field->max);
		break;
	case FIELD_NUMBER_OR_PERCENT:
		snprintf(buffer, EXPECTATION_MAX, "a whole number from %" PRIu64 " to %" PRIu64 ", or a percentage from 1%% to 100%%",
			 field->min, field->max);
		break;
	case FIELD_TEXT:
		snprintf(buffer, EXPECTATION_MAX, "a text of %" PRIu64 " to %" PRIu64 " bytes", field->min, field->max);
		break;
	case FIELD_WORD:
		enumerate_words(field->words, buffer, EXPECTATION_MAX);
		break;
	case FIELD_WORD_OR_NUMBER:
		enumerate_words(field->words, keys, EXPECTATION_MAX);
		snprintf(buffer, EXPECTATION_MAX, "%.100s or a whole number from %" PRIu64 " to %" PRIu64, keys, field->min,
			 field->max);
		break;
	case FIELD_MAPPING:
		snprintf(buffer, EXPECTATION_MAX, "a mapping with the keys %.200s", schema_keys(field->schema, keys));
		break;
	case FIELD_LIST:
		snprintf(buffer, EXPECTATION_MAX, "a list of %ss", field->schema->noun);
		break;
	default:
		snprintf(buffer, EXPECTATION_MAX, "%s", kinds[field->kind].expectation);
	}
	return buffer;
}
