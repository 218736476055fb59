/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Snapshot → Prometheus text format 0.0.4 (prometheus.io/docs/instrumenting/exposition_formats). Names and labels are
 * CONTRACT's; HELP and TYPE stand even when a metric has no sample yet, so that dashboards find them.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/json.h"
#include "base/drop_reason.h"

struct label {
	const char *name, *value;
};

/* Backslash, quote and newline are escaped; a configuration accepts no such names, but it costs nothing here. */
static void write_escaped(FILE *to, const char *text)
{
	for (; *text; text++) {
		if (*text == '\n')
			fputs("\\n", to);
		else if (*text == '\\' || *text == '"')
			fprintf(to, "\\%c", *text);
		else
			fputc(*text, to);
	}
}

static void write_series(FILE *to, const char *metric, struct label first, struct label second)
{
	fputs(metric, to);
	if (!first.name)
		return;
	fprintf(to, "{%s=\"", first.name);
	write_escaped(to, first.value);
	if (second.name) {
		fprintf(to, "\",%s=\"", second.name);
		write_escaped(to, second.value);
	}
	fputs("\"}", to);
}

static const struct label none = {NULL, NULL};

static void write_count(FILE *to, const char *metric, struct label first, struct label second, uint64_t value)
{
	write_series(to, metric, first, second);
	fprintf(to, " %" PRIu64 "\n", value);
}

static void write_seconds(FILE *to, const char *metric, struct label first, double seconds)
{
	write_series(to, metric, first, none);
	fprintf(to, " %.6f\n", seconds);
}

/* Each metric writes its own samples. */
typedef void (*samples)(FILE *to, const char *metric, const struct snapshot *snapshot);

#define SERVICE_COUNTER(field) \
	static void service_##field(FILE *to, const char *metric, const struct snapshot *snapshot) \
	{ \
		for (size_t i = 0; i < snapshot->n_services; i++) \
			write_count(to, metric, (struct label){"service", snapshot->services[i].name}, none, \
				    snapshot->services[i].stats.field); \
	}

#define BACKEND_NUMBER(suffix, expression) \
	static void backend_##suffix(FILE *to, const char *metric, const struct snapshot *snapshot) \
	{ \
		for (size_t i = 0; i < snapshot->n_backends; i++) { \
			const struct snapshot_backend *backend = &snapshot->backends[i]; \
			write_count(to, metric, (struct label){"backend", backend->name}, none, expression); \
		} \
	}

SERVICE_COUNTER(packets)
SERVICE_COUNTER(bytes)
SERVICE_COUNTER(new_flows)
SERVICE_COUNTER(answer_packets)
SERVICE_COUNTER(answer_bytes)
BACKEND_NUMBER(packets, backend->stats.packets)
BACKEND_NUMBER(bytes, backend->stats.bytes)
BACKEND_NUMBER(answer_packets, backend->stats.answer_packets)
BACKEND_NUMBER(answer_bytes, backend->stats.answer_bytes)
BACKEND_NUMBER(up, strcmp(backend->health, "up") == 0 || strcmp(backend->health, "degraded") == 0)
BACKEND_NUMBER(weight, backend->weight)
BACKEND_NUMBER(effective_weight, backend->effective_weight)
BACKEND_NUMBER(flows, backend->flows)

/* A backend that was not checked yet has no duration. */
static void backend_check_duration(FILE *to, const char *metric, const struct snapshot *snapshot)
{
	for (size_t i = 0; i < snapshot->n_backends; i++) {
		const struct snapshot_backend *backend = &snapshot->backends[i];

		if (backend->check_last && *backend->check_last)
			write_seconds(to, metric, (struct label){"backend", backend->name},
				      backend->check_latency_ms / 1000);
	}
}

static void group_failovers(FILE *to, const char *metric, const struct snapshot *snapshot)
{
	for (size_t i = 0; i < snapshot->n_groups; i++)
		write_count(to, metric, (struct label){"group", snapshot->groups[i].name}, none,
			    snapshot->groups[i].failovers);
}

static void group_active(FILE *to, const char *metric, const struct snapshot *snapshot)
{
	for (size_t i = 0; i < snapshot->n_groups; i++) {
		const struct snapshot_group *group = &snapshot->groups[i];

		for (size_t j = 0; j < group->n_members; j++)
			write_count(to, metric, (struct label){"group", group->name},
				    (struct label){"backend", group->members[j].backend},
				    strcmp(group->members[j].role, "active") == 0);
	}
}

/* 0 when there was none. */
static void group_last_failover(FILE *to, const char *metric, const struct snapshot *snapshot)
{
	for (size_t i = 0; i < snapshot->n_groups; i++) {
		write_series(to, metric, (struct label){"group", snapshot->groups[i].name}, none);
		fprintf(to, " %.3f\n", (double)snapshot->groups[i].last_failover / 1000);
	}
}

static void group_panic(FILE *to, const char *metric, const struct snapshot *snapshot)
{
	for (size_t i = 0; i < snapshot->n_groups; i++)
		write_count(to, metric, (struct label){"group", snapshot->groups[i].name}, none, snapshot->groups[i].panic);
}

static void group_suppressed(FILE *to, const char *metric, const struct snapshot *snapshot)
{
	for (size_t i = 0; i < snapshot->n_groups; i++) {
		const struct snapshot_group *group = &snapshot->groups[i];

		for (size_t j = 0; j < group->n_members; j++)
			write_count(to, metric, (struct label){"group", group->name},
				    (struct label){"backend", group->members[j].backend}, group->members[j].suppressed_until > 0);
	}
}

static void group_backends(FILE *to, const char *metric, const struct snapshot *snapshot)
{
	for (size_t i = 0; i < snapshot->n_groups; i++) {
		struct label group = {"group", snapshot->groups[i].name};

		write_count(to, metric, group, (struct label){"state", "healthy"}, snapshot->groups[i].healthy);
		write_count(to, metric, group, (struct label){"state", "failed"}, snapshot->groups[i].failed);
	}
}

static void drops(FILE *to, const char *metric, const struct snapshot *snapshot)
{
	for (uint32_t i = SHUNT_DROP_NONE + 1; i < SHUNT_DROP_REASON_COUNT; i++)
		write_count(to, metric, (struct label){"reason", drop_reason_label(i)}, none, snapshot->drops[i]);
}

static void flow_table_entries(FILE *to, const char *metric, const struct snapshot *snapshot)
{
	write_count(to, metric, none, none, snapshot->flow_entries);
}

static void slots_moving(FILE *to, const char *metric, const struct snapshot *snapshot)
{
	uint64_t moving = 0;

	for (size_t i = 0; i < snapshot->n_groups; i++)
		moving += snapshot->groups[i].moving + snapshot->groups[i].resolving;
	write_count(to, metric, none, none, moving);
}

static void checks_in_flight(FILE *to, const char *metric, const struct snapshot *snapshot)
{
	write_count(to, metric, none, none, snapshot->checks.in_flight);
}

static void checks_queued(FILE *to, const char *metric, const struct snapshot *snapshot)
{
	write_count(to, metric, none, none, snapshot->checks.queued);
}

static void checks_skipped(FILE *to, const char *metric, const struct snapshot *snapshot)
{
	write_count(to, metric, none, none, snapshot->checks.skipped);
}

/* A histogram: counts of all classes up to one, its sum and count. */
static void check_lateness(FILE *to, const char *metric, const struct snapshot *snapshot)
{
	const struct snapshot_checks *checks = &snapshot->checks;
	uint64_t so_far = 0;

	for (size_t i = 0; i < checks->n_late; i++) {
		so_far += checks->late[i];
		if (i + 1 < checks->n_late)
			fprintf(to, "%s_bucket{le=\"%g\"} %" PRIu64 "\n", metric, checks->late_bounds_ms[i] / 1000.0, so_far);
	}
	fprintf(to, "%s_bucket{le=\"+Inf\"} %" PRIu64 "\n", metric, so_far);
	fprintf(to, "%s_sum %.6f\n", metric, (double)checks->late_total_us / 1e6);
	fprintf(to, "%s_count %" PRIu64 "\n", metric, so_far);
}

static void hook_documents(FILE *to, const char *metric, const struct snapshot *snapshot)
{
	for (size_t i = 0; i < snapshot->n_hooks; i++) {
		const struct snapshot_hook *hook = &snapshot->hooks[i];
		struct label name = {"hook", hook->name};

		write_count(to, metric, name, (struct label){"result", "delivered"}, hook->delivered);
		write_count(to, metric, name, (struct label){"result", "failed"}, hook->failed);
		write_count(to, metric, name, (struct label){"result", "dropped"}, hook->dropped);
	}
}

static void hook_attempts(FILE *to, const char *metric, const struct snapshot *snapshot)
{
	for (size_t i = 0; i < snapshot->n_hooks; i++)
		write_count(to, metric, (struct label){"hook", snapshot->hooks[i].name}, none, snapshot->hooks[i].attempts);
}

static void hook_waiting(FILE *to, const char *metric, const struct snapshot *snapshot)
{
	for (size_t i = 0; i < snapshot->n_hooks; i++)
		write_count(to, metric, (struct label){"hook", snapshot->hooks[i].name}, none, snapshot->hooks[i].waiting);
}

static void build_info(FILE *to, const char *metric, const struct snapshot *snapshot)
{
	write_count(to, metric, (struct label){"version", snapshot->version}, none, 1);
}

static const struct {
	struct api_metric about;
	samples write;
} metrics[] = {
	{{"shunt_service_packets_total", "counter", "service", "Packets to the service."}, service_packets},
	{{"shunt_service_bytes_total", "counter", "service", "Bytes to the service, whole frames as received."}, service_bytes},
	{{"shunt_service_new_flows_total", "counter", "service", "Flows that began at the service."}, service_new_flows},
	{{"shunt_service_answer_packets_total", "counter", "service", "Answers that passed on the way back (nat)."}, service_answer_packets},
	{{"shunt_service_answer_bytes_total", "counter", "service", "Bytes of these answers, whole frames."}, service_answer_bytes},
	{{"shunt_backend_packets_total", "counter", "backend", "Packets sent to the backend."}, backend_packets},
	{{"shunt_backend_bytes_total", "counter", "backend", "Bytes sent to the backend, whole frames as received."}, backend_bytes},
	{{"shunt_backend_answer_packets_total", "counter", "backend", "Answers of the backend that passed on the way back (nat)."},
	 backend_answer_packets},
	{{"shunt_backend_answer_bytes_total", "counter", "backend", "Bytes of these answers, whole frames."}, backend_answer_bytes},
	{{"shunt_backend_up", "gauge", "backend", "Whether the backend passes its check."}, backend_up},
	{{"shunt_backend_weight", "gauge", "backend", "Weight in force."}, backend_weight},
	{{"shunt_backend_effective_weight", "gauge", "backend", "What health, slow start and agent leave of it."}, backend_effective_weight},
	{{"shunt_backend_flows", "gauge", "backend", "Live flows pinned to the backend."}, backend_flows},
	{{"shunt_backend_check_duration_seconds", "gauge", "backend", "Duration of the last check."}, backend_check_duration},
	{{"shunt_group_failovers_total", "counter", "group", "Failovers of the group."}, group_failovers},
	{{"shunt_group_active", "gauge", "group, backend", "Whether the backend takes new flows of the group."}, group_active},
	{{"shunt_group_last_failover_timestamp_seconds", "gauge", "group", "Unix time of the last failover, 0 if none."},
	 group_last_failover},
	{{"shunt_group_panic", "gauge", "group", "Whether too few backends of the group are fit, so that all are used."}, group_panic},
	{{"shunt_group_suppressed", "gauge", "group, backend", "Whether the backend takes no flows of the group because it flaps."},
	 group_suppressed},
	{{"shunt_group_backends", "gauge", "group, state", "Backends of the group that are healthy and that are failed."},
	 group_backends},
	{{"shunt_drops_total", "counter", "reason", "Packets dropped, by reason."}, drops},
	{{"shunt_flow_table_entries", "gauge", "", "Flows in the flow table."}, flow_table_entries},
	{{"shunt_slots_moving", "gauge", "", "Slots in a transition, whose flows are looked up."}, slots_moving},
	{{"shunt_checks_in_flight", "gauge", "", "Checks under way."}, checks_in_flight},
	{{"shunt_checks_queued", "gauge", "", "Checks that wait for max_checks_in_flight."}, checks_queued},
	{{"shunt_checks_skipped_total", "counter", "", "Checks not made, as the controller was busy when they were due."},
	 checks_skipped},
	{{"shunt_check_lateness_seconds", "histogram", "le", "How much after their time checks began."}, check_lateness},
	{{"shunt_hook_documents_total", "counter", "hook, result", "Documents that hooks took, that were given up, that a full queue dropped."},
	 hook_documents},
	{{"shunt_hook_attempts_total", "counter", "hook", "Attempts to deliver documents to hooks."}, hook_attempts},
	{{"shunt_hook_waiting", "gauge", "hook", "Documents that wait for hooks."}, hook_waiting},
	{{"shunt_build_info", "gauge", "version", "Version of the controller."}, build_info},
};

const struct api_metric *api_metric(size_t i)
{
	return i < sizeof(metrics) / sizeof(metrics[0]) ? &metrics[i].about : NULL;
}

bool api_put_metric(struct text *text, size_t i, const struct snapshot *snapshot)
{
	const struct api_metric *about = api_metric(i);
	char *bytes = NULL;
	size_t length = 0;
	FILE *to = about ? open_memstream(&bytes, &length) : NULL;

	if (!about)
		return false;
	if (to) {
		fprintf(to, "# HELP %s %s\n# TYPE %s %s\n", about->name, about->help, about->name, about->type);
		metrics[i].write(to, about->name, snapshot);
	}
	if (!to || fclose(to) != 0 || !text_put_bytes(text, bytes, length))
		text->failed = true;
	free(bytes);
	return true;
}
