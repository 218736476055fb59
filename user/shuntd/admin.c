/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What takes a backend out of service, besides its checks: an operator's word, a maintenance window, its own agent. Each
 * says what it has to say without knowing of the others; the strictest word holds, so that none takes back another's.
 */
#include "base/log.h"
#include "shuntd/controller.h"

const char *admin_text(enum admin_state admin)
{
	static const char *const text[] = {[ADMIN_READY] = "ready", [ADMIN_DRAIN] = "drain", [ADMIN_MAINT] = "maint"};

	return text[admin];
}

const char *admin_source_text(enum admin_source source)
{
	static const char *const text[] = {
		[ADMIN_BY_OPERATOR] = "operator",
		[ADMIN_BY_WINDOW] = "window",
		[ADMIN_BY_AGENT] = "agent",
	};

	return text[source];
}

enum admin_state backend_admin(const struct backend *backend)
{
	return backend->admin[backend_admin_source(backend)];
}

enum admin_source backend_admin_source(const struct backend *backend)
{
	enum admin_source strictest = ADMIN_BY_OPERATOR;

	for (enum admin_source source = 0; source < ADMIN_SOURCES; source++)
		if (backend->admin[source] > backend->admin[strictest])
			strictest = source;
	return strictest;
}

/* An agent that said maint is asked on, or it could never say ready. */
bool backend_is_probed(const struct backend *backend)
{
	return backend->admin[ADMIN_BY_OPERATOR] != ADMIN_MAINT && backend->admin[ADMIN_BY_WINDOW] != ADMIN_MAINT;
}

void backend_set_admin(struct controller *c, struct backend *backend, enum admin_source source, enum admin_state admin)
{
	bool was_probed = backend_is_probed(backend);

	backend->admin[source] = admin;
	for (struct endpoint *endpoint = backend->endpoints; endpoint; endpoint = endpoint->next) {
		endpoint->in_slots = true; /* until a scan says otherwise */
		if (was_probed != backend_is_probed(backend) && endpoint_start(c, endpoint) < 0)
			log_error("backend %s: cannot be checked: it takes no traffic", backend->name);
	}
	backend_publish(c, backend);
}
