/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a health check is after a group's keys are laid over the defaults. Knows nothing of groups. */
#include "base/duration.h"
#include "config/validate.h"

#define INTERVAL_DEFAULT_MS 1000
#define TIMEOUT_DEFAULT_MS 500
#define HEALTHY_DEFAULT 2
#define UNHEALTHY_DEFAULT 3
#define PATH_DEFAULT "/"

static struct item pick(const struct item *own, const struct item *fallback)
{
	return own->ok ? *own : *fallback;
}

static struct item pick_type(const struct draft_check *own, const struct draft_check *fallback)
{
	static const struct item http = {.ok = true, .number = CHECK_HTTP};

	return pick(&own->type, own->path.ok ? &http : &fallback->type); /* a path without type means HTTP */
}

struct draft_check check_merge(const struct draft_check *own, const struct draft_check *fallback)
{
	struct draft_check merged = {
		.type = pick_type(own, fallback),
		.path = pick(&own->path, &fallback->path),
		.host = pick(&own->host, &fallback->host),
		.port = pick(&own->port, &fallback->port),
		.interval = pick(&own->interval, &fallback->interval),
		.timeout = pick(&own->timeout, &fallback->timeout),
		.healthy_threshold = pick(&own->healthy_threshold, &fallback->healthy_threshold),
		.unhealthy_threshold = pick(&own->unhealthy_threshold, &fallback->unhealthy_threshold),
	};

	/* Who asks for a short interval alone gets a timeout that fits, not an error about a number he never wrote. */
	if (!merged.timeout.at.line && merged.timeout.number > merged.interval.number)
		merged.timeout.number = merged.interval.number;
	return merged;
}

struct draft_check check_defaults(const struct draft *draft)
{
	static const struct draft_check built_in = {
		.type = {.ok = true, .number = CHECK_TCP},
		.path = {.ok = true, .text = PATH_DEFAULT},
		.interval = {.ok = true, .number = INTERVAL_DEFAULT_MS},
		.timeout = {.ok = true, .number = TIMEOUT_DEFAULT_MS},
		.healthy_threshold = {.ok = true, .number = HEALTHY_DEFAULT},
		.unhealthy_threshold = {.ok = true, .number = UNHEALTHY_DEFAULT},
	};

	return check_merge(&draft->defaults.check, &built_in);
}

static void refuse_unless_http(struct report *report, const char *who, const char *key, const struct item *item)
{
	if (item->ok)
		report_error(report, item->at, "%shealth_check: %s is for HTTP checks: remove it, or give type: http",
			     who, key);
}

void check_validate(struct report *report, const char *who, const struct draft_check *own,
		    const struct draft_check *merged)
{
	const struct item *blamed = own->timeout.at.line ? &own->timeout : &own->interval;
	bool type_is_known = own->type.ok || !own->type.at.line;
	char timeout[DURATION_TEXT_MAX], interval[DURATION_TEXT_MAX];

	if (merged->type.number != CHECK_HTTP && type_is_known) {
		refuse_unless_http(report, who, "path", &own->path);
		refuse_unless_http(report, who, "host", &own->host);
	}
	if (blamed->ok && merged->timeout.number > merged->interval.number)
		report_error(
			report, blamed->at,
			"%shealth_check: timeout %s is longer than interval %s: shorten it, or give a longer interval",
			who, duration_format(merged->timeout.number, timeout),
			duration_format(merged->interval.number, interval));
}

void check_build(struct report *report, const struct draft_check *merged, struct config_check *ret_check)
{
	bool is_http = merged->type.number == CHECK_HTTP;

	*ret_check = (struct config_check){
		.type = merged->type.number,
		.port = merged->port.number,
		.path = is_http ? copy_text(report, merged->path.text) : NULL,
		.host = is_http ? copy_text(report, merged->host.text) : NULL,
		.interval_ms = merged->interval.number,
		.timeout_ms = merged->timeout.number,
		.healthy_threshold = merged->healthy_threshold.number,
		.unhealthy_threshold = merged->unhealthy_threshold.number,
	};
}
