/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* shuntd: the loop, signals. */
#include <signal.h>
#include <sys/resource.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>

#include <shunt/names.h>

#include "base/log.h"
#include "shuntd/controller.h"
#include "shuntd/options.h"
#include "version.h"

const char *argp_program_version = "shuntd " SHUNT_VERSION;

static int on_hangup(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata)
{
	struct controller *controller = userdata;
	json_t *changed = NULL;
	char *error = NULL;

	(void)source;
	(void)info;
	sd_notify(false, "RELOADING=1");
	controller_reload(controller, false, &changed, &error); /* says itself what happened */
	json_decref(changed);
	free(error);
	sd_notify(false, "READY=1");
	return 0;
}

static int add_signals(sd_event *event, struct controller *controller)
{
	int r = sd_event_add_signal(event, NULL, SIGTERM, NULL, NULL);

	if (r >= 0)
		r = sd_event_add_signal(event, NULL, SIGINT, NULL, NULL);
	if (r >= 0)
		r = sd_event_add_signal(event, NULL, SIGHUP, on_hangup, controller);
	return r;
}

static int block_signals(void)
{
	sigset_t set;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	return sigprocmask(SIG_BLOCK, &set, NULL);
}

/* A check under way is a descriptor, and all may be under way at once when much fails: what is allowed is taken. */
static void raise_descriptor_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

int main(int argc, char **argv)
{
	struct controller_options options = {
		.config_path = SHUNT_CONFIG_FILE,
		.run_dir = SHUNT_RUN_DIR,
		.state_dir = SHUNT_STATE_DIR,
		.bpf_dir = SHUNT_BPF_DIR,
	};
	struct controller *controller = NULL;
	sd_event *event = NULL;
	int r;

	argp_err_exit_status = 2;
	argp_parse(&shuntd_argp, argc, argv, 0, NULL, &options);
	block_signals();
	raise_descriptor_limit();
	r = sd_event_default(&event);
	if (r >= 0)
		r = controller_start(event, &options, &controller);
	if (r >= 0)
		r = add_signals(event, controller);
	if (r >= 0) {
		sd_event_set_watchdog(event, true);
		sd_notify(false, "READY=1");
		log_info("shuntd " SHUNT_VERSION " runs");
		r = sd_event_loop(event);
		sd_notify(false, "STOPPING=1");
	}
	controller_stop(controller);
	sd_event_unref(event);
	return r < 0 ? 1 : 0;
}
