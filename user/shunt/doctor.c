/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* doctor: what keeps shunt from running well on this host, and the command that mends it. Needs no controller. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <shunt/names.h>

#include "base/cleanup.h"
#include "doctor/doctor.h"
#include "shunt/cli.h"
#include "shunt/doctor_print.h"

/* Asked in passing: a controller that does not answer is a fact, not a failure. */
static void ask_controller(struct cli *cli, struct doctor_host *host)
{
	_cleanup_(freep) char *token = NULL;
	json_t *status = NULL;
	long code = 0;

	if (cli->token_file)
		cli_token(cli->token_file, &token);
	if (client_open(&(struct client_options){cli->socket_path, cli->url, token, cli->ca_file}, &cli->client) < 0 ||
	    client_call(cli->client, "GET", "/api/v1/status", NULL, &code, &status) < 0)
		return;
	host->controller = code == 200 && status;
	snprintf(host->controller_version, sizeof(host->controller_version), "%s", get_text(status, "version"));
	snprintf(host->controller_problem, sizeof(host->controller_problem), "%s", get_text(status, "problem"));
	json_decref(status);
}

int command_doctor(struct cli *cli)
{
	const char *path = cli->option[OPTION_CONFIG] ?: SHUNT_CONFIG_FILE;
	bool is_there = cli->option[OPTION_CONFIG] || access(path, F_OK) == 0;
	struct config_messages messages = {};
	struct config *config = NULL;
	struct doctor_report report;
	struct doctor_facts facts;
	json_t *document;
	int r;

	if (is_there)
		config_load(path, &config, &messages);
	r = doctor_read(config, cli->option[OPTION_BPF_DIR] ?: SHUNT_BPF_DIR, &facts);
	if (r < 0) {
		config_free(config);
		config_messages_clear(&messages);
		return cli_fail(EXIT_REFUSED, "cannot look at this host: %s", strerror(-r));
	}
	facts.config_path = is_there ? path : NULL;
	for (size_t i = 0; i < messages.n; i++)
		facts.config_errors += messages.list[i].is_error;
	ask_controller(cli, &facts.host);
	doctor_judge(&facts, &report);
	if (cli->json) {
		document = doctor_json(&report);
		cli_print_json(document);
		json_decref(document);
	} else {
		doctor_print(&report, &cli->style, stdout);
	}
	r = doctor_worst(&report) == DOCTOR_FAIL ? EXIT_REFUSED : EXIT_DONE;
	doctor_report_clear(&report);
	doctor_facts_clear(&facts);
	config_messages_clear(&messages);
	config_free(config);
	return r;
}
