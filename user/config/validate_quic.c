// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* QUIC: where services find a server id in connection ids, and that the backends behind them have such ids. */
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "config/validate.h"

#define CONNECTION_ID_MAX 20 /* RFC 9000 section 17.2 */

void build_quic(struct validation *v, const char *who, const struct draft_service *draft, struct config_service *service)
{
	const struct draft_quic *quic = &draft->quic;
	const struct draft_server_id *id = &quic->server_id;

	if (!quic->at.line)
		return;
	service->quic.on = quic->enabled.number;
	if (service->quic.on) {
		service->quic.server_id_offset = id->offset.number;
		service->quic.server_id_len = id->length.number;
	}
	if (service->protocol != IPPROTO_UDP && (draft->protocol.ok || !draft->protocol.at.line))
		report_error(v->report, quic->at, "%s: quic is for UDP services: remove it, or give protocol udp", who);
	if (id->offset.ok && id->length.ok && id->offset.number + id->length.number > CONNECTION_ID_MAX)
		report_error(v->report, id->at,
			     "%s: quic: server_id ends behind byte %d, where connection ids end: lower offset or length", who,
			     CONNECTION_ID_MAX);
}

/* ---- the ids of backends ---- */

struct server_ids {
	struct validation *v;
	bool *reached;               /* backends that packets of the service may come to */
	bool *used, *blamed;         /* by some service; told of already */
	size_t n;
};

static const struct draft_backend *draft_backend(const struct validation *v, size_t index)
{
	return (const struct draft_backend *)v->draft->backends.list + index;
}

static void mark_reached(struct server_ids *ids, const struct config_service *service)
{
	const struct config *config = ids->v->config;

	memset(ids->reached, 0, ids->n * sizeof(*ids->reached));
	for (size_t g = 0; g < config->n_groups; g++) {
		const struct config_group *group = &config->groups[g];

		for (size_t m = 0; config_service_reaches(config, service, g) && m < group->n_members; m++)
			if (group->members[m].backend != KEYMAP_NONE)
				ids->reached[group->members[m].backend] = true;
	}
}

static void blame(struct server_ids *ids, size_t backend, const char *service, size_t wanted_bytes, size_t other)
{
	const struct draft_backend *draft = draft_backend(ids->v, backend);
	char name[QUOTE_MAX], service_name[QUOTE_MAX], other_name[QUOTE_MAX];

	if (ids->blamed[backend])
		return;
	ids->blamed[backend] = true;
	if (other == KEYMAP_NONE)
		report_error(ids->v->report, draft->server_id.at,
			     "backend %s: server_id %s is not the %zu byte%s that service %s reads: give as many",
			     quote(draft->name.text, name), draft->server_id.text, wanted_bytes,
			     wanted_bytes == 1 ? "" : "s", quote(service, service_name));
	else
		report_error(ids->v->report, draft->server_id.at,
			     "backend %s: server_id %s is that of backend %s of line %d, and service %s reaches both: give "
			     "each its own",
			     quote(draft->name.text, name), draft->server_id.text,
			     quote(draft_backend(ids->v, other)->name.text, other_name),
			     draft_backend(ids->v, other)->server_id.at.line, quote(service, service_name));
}

static void note_without(struct server_ids *ids, size_t backend, const char *service)
{
	const struct draft_backend *draft = draft_backend(ids->v, backend);
	char name[QUOTE_MAX], service_name[QUOTE_MAX];

	if (ids->blamed[backend] || draft->server_id.at.line || ids->v->report->n_errors)
		return;
	ids->blamed[backend] = true;
	report_note(ids->v->report, draft->at,
		    "backend %s has no server_id: connections of service %s on it do not follow a client that changes its "
		    "address",
		    quote(draft->name.text, name), quote(service, service_name));
}

static void check_service(struct server_ids *ids, const struct config_service *service)
{
	const struct config *config = ids->v->config;
	struct keymap owners = {};
	int error = 0;

	mark_reached(ids, service);
	for (size_t i = 0; i < ids->n; i++) {
		const struct config_server_id *id = &config->backends[i].server_id;
		size_t other;

		if (!ids->reached[i])
			continue;
		ids->used[i] = true;
		if (!id->len)
			note_without(ids, i, service->name);
		else if (id->len != service->quic.server_id_len)
			blame(ids, i, service->name, service->quic.server_id_len, KEYMAP_NONE);
		else if ((other = keymap_put(&owners, id->byte, id->len, i, &error)) != KEYMAP_NONE)
			blame(ids, i, service->name, 0, other);
	}
	if (error)
		ids->v->report->out_of_memory = true;
	keymap_clear(&owners);
}

static void note_idle(struct server_ids *ids)
{
	char name[QUOTE_MAX];

	for (size_t i = 0; i < ids->n && !ids->v->report->n_errors; i++)
		if (ids->v->config->backends[i].server_id.len && !ids->used[i])
			report_note(ids->v->report, draft_backend(ids->v, i)->server_id.at,
				    "backend %s: server_id has no effect: no service with quic: server_id uses it",
				    quote(draft_backend(ids->v, i)->name.text, name));
}

void validate_server_ids(struct validation *v)
{
	const struct config *config = v->config;
	struct server_ids ids = {.v = v};
	size_t n;

	ids.reached = new_list(v->report, config->n_backends, sizeof(bool), &ids.n);
	ids.used = new_list(v->report, config->n_backends, sizeof(bool), &n);
	ids.blamed = new_list(v->report, config->n_backends, sizeof(bool), &n);
	if (!v->report->out_of_memory && ids.n) {
		for (size_t s = 0; s < config->n_services; s++)
			if (config->services[s].quic.server_id_len)
				check_service(&ids, &config->services[s]);
		note_idle(&ids);
	}
	free(ids.reached);
	free(ids.used);
	free(ids.blamed);
}
