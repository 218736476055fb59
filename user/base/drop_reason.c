/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <string.h>

#include "base/drop_reason.h"

static const struct {
	const char *label, *text;
} reasons[] = {
#define X(name, label, text) [SHUNT_DROP_##name] = {label, text},
	SHUNT_DROP_REASONS(X)
#undef X
};

const char *drop_reason_label(uint32_t reason)
{
	return reason < SHUNT_DROP_REASON_COUNT ? reasons[reason].label : NULL;
}

const char *drop_reason_text(uint32_t reason)
{
	return reason < SHUNT_DROP_REASON_COUNT ? reasons[reason].text : NULL;
}

uint32_t drop_reason_find(const char *label)
{
	uint32_t reason = 0;

	while (reason < SHUNT_DROP_REASON_COUNT && strcmp(reasons[reason].label, label) != 0)
		reason++;
	return reason;
}
