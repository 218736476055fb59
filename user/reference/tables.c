/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Pages of what is a plain table in the code. */
#include "api/api.h"
#include "base/drop_reason.h"
#include "reference/reference.h"
#include "shunt/exit_status.h"
#include "state/event_kinds.h"

void write_drop_reasons(FILE *to)
{
	fputs("<!-- Written by `make reference` from headers/shunt/reasons.h. -->\n"
	      "# Drop reasons\n"
	      "Every packet that shunt drops is counted under one of these: label of `shunt_drops_total`, reason in `shunt stats`, `shunt top`,\n"
	      "`shunt trace` and `shunt explain`. The number is the key in the map `drop_stats`.\n\n"
	      "| number | reason | meaning |\n| --- | --- | --- |\n",
	      to);
	for (uint32_t i = SHUNT_DROP_NONE + 1; i < SHUNT_DROP_REASON_COUNT; i++)
		fprintf(to, "| %u | `%s` | %s |\n", i, drop_reason_label(i), drop_reason_text(i));
}

void write_metrics(FILE *to)
{
	fputs("<!-- Written by `make reference` from the table in user/api/metrics.c. -->\n"
	      "# Metrics\n"
	      "`GET /metrics`, in Prometheus' text format; how it is scraped, alerts and a dashboard: [monitoring](../monitoring.md).\n\n"
	      "| metric | type | labels | meaning |\n| --- | --- | --- | --- |\n",
	      to);
	for (size_t i = 0; api_metric(i); i++)
		fprintf(to, "| `%s` | %s | %s | %s |\n", api_metric(i)->name, api_metric(i)->type, api_metric(i)->labels,
			api_metric(i)->help);
}

void write_events(FILE *to)
{
	static const struct {
		const char *kind, *text;
	} kinds[] = {
#define X(kind, text) {kind, text},
		EVENT_KINDS(X)
#undef X
	};

	fputs("<!-- Written by `make reference` from user/state/event_kinds.h. -->\n"
	      "# Events\n"
	      "The `kind` of an event of the audit trail: in `shunt events`, `GET /api/v1/events`, its stream, and `events.jsonl` of the state\n"
	      "directory. Who did it is its `actor`, to what is its `object`; its `text` is for people.\n\n"
	      "| kind | when |\n| --- | --- |\n",
	      to);
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		fprintf(to, "| `%s` | %s |\n", kinds[i].kind, kinds[i].text);
}

void write_exit_status(FILE *to)
{
	fputs("<!-- Written by `make reference` from user/shunt/exit_status.h. -->\n"
	      "# Exit status of `shunt`\n\n| status | meaning |\n| --- | --- |\n",
	      to);
#define X(name, number, text) fputs("| " #number " | " text " |\n", to);
	EXIT_STATUSES(X)
#undef X
}
