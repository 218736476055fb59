/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The exec check: a program decides, exit status 0 being good. It learns of its backend by the environment, runs in a
 * process group of its own, and the whole group is killed when it has ended or time is up: what it left running would
 * otherwise pile up with every check. Its output is read for a reason and for "lag=MS". No shell has a part in it.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "net/address.h"
#include "probe/kind.h"

#define OUTPUT_MAX 1024 /* bytes of it that are looked at */
#define VARIABLES 5

struct program {
	pid_t pid;
	int pidfd, output;           /* -1: none */
	sd_event_source *exited, *written;
	char text[OUTPUT_MAX];
	size_t length;
};

/* ---- its end ---- */

static void read_output(struct program *program)
{
	char beyond[OUTPUT_MAX];
	ssize_t n;

	do {
		bool room = program->length < sizeof(program->text) - 1;

		n = room ? read(program->output, program->text + program->length, sizeof(program->text) - 1 - program->length)
			 : read(program->output, beyond, sizeof(beyond));
		if (n > 0 && room)
			program->length += n;
	} while (n > 0);
	program->text[program->length] = '\0';
	if (n == 0)
		program->written = sd_event_source_disable_unref(program->written);
}

static int on_output(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	struct probe *probe = userdata;

	(void)source, (void)fd, (void)revents;
	read_output(probe->program);
	return 0;
}

/* While the program is not waited for its number, and with it the group's, is nobody else's. */
static void end_group(struct program *program)
{
	siginfo_t info;

	kill(-program->pid, SIGKILL);
	while (waitid(P_PID, program->pid, &info, WEXITED) < 0 && errno == EINTR)
		;
	program->pid = 0;
}

static void stop(struct probe *probe)
{
	struct program *program = probe->program;

	probe->program = NULL;
	if (!program)
		return;
	sd_event_source_disable_unref(program->exited);
	sd_event_source_disable_unref(program->written);
	if (program->pid > 0)
		end_group(program);
	if (program->pidfd >= 0)
		close(program->pidfd);
	if (program->output >= 0)
		close(program->output);
	free(program);
}

/* Its first line, ": " before it; "" without one. */
static void first_line(const struct program *program, char *line, size_t size)
{
	size_t length = strcspn(program->text, "\r\n");

	if (length + 3 > size)
		length = size - 3;
	snprintf(line, size, "%s%.*s", length ? ": " : "", (int)length, program->text);
	for (; *line; line++)
		if ((unsigned char)*line < ' ' || *line == 127)
			*line = '?';
}

static void conclude(struct probe *probe, const siginfo_t *info)
{
	char line[100];

	first_line(probe->program, line, sizeof(line));
	probe->told.lag_ms = probe_lag(probe->program->text);
	if (info->si_code != CLD_EXITED)
		probe_finish(probe, PROBE_PROGRAM_FAILED, "killed by signal %d%s", info->si_status, line);
	else
		probe_finish(probe, info->si_status ? PROBE_PROGRAM_FAILED : PROBE_OK, "exit status %d%s", info->si_status,
			     line);
}

static int on_exit_of_program(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	struct probe *probe = userdata;
	siginfo_t info = {};

	(void)source, (void)fd, (void)revents;
	if (waitid(P_PID, probe->program->pid, &info, WEXITED | WNOWAIT | WNOHANG) < 0 || !info.si_pid)
		return 0;
	read_output(probe->program);
	conclude(probe, &info);
	return 0;
}

/* ---- its start ---- */

static int set_variables(const struct probe *probe, char **variables)
{
	char address[ADDRESS_TEXT_MAX];
	const char *path = getenv("PATH");
	int n = 0;

	address_format(&probe->address, address);
	if (asprintf(&variables[n], "SHUNT_BACKEND=%s", probe->name) < 0 ||
	    asprintf(&variables[++n], "SHUNT_ADDRESS=%s", address) < 0 ||
	    asprintf(&variables[++n], "SHUNT_PORT=%u", probe->port) < 0 ||
	    asprintf(&variables[++n], "SHUNT_TIMEOUT_MS=%u", probe->check.timeout_ms) < 0 ||
	    asprintf(&variables[++n], "PATH=%s", path ? path : "/usr/sbin:/usr/bin:/sbin:/bin") < 0) {
		variables[n] = NULL; /* asprintf leaves it undefined */
		return -ENOMEM;
	}
	return 0;
}

static int spawn_with(struct program *program, char *const *command, char *const *variables, int output)
{
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attributes;
	sigset_t none, all;
	int r;

	sigemptyset(&none);
	sigfillset(&all);
	posix_spawn_file_actions_init(&files);
	posix_spawnattr_init(&attributes);
	posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&files, output, STDOUT_FILENO);
	posix_spawn_file_actions_adddup2(&files, output, STDERR_FILENO);
	posix_spawn_file_actions_addclosefrom_np(&files, STDERR_FILENO + 1);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	posix_spawnattr_setpgroup(&attributes, 0);
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setsigdefault(&attributes, &all);
	r = posix_spawnp(&program->pid, command[0], &files, &attributes, command, variables);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&files);
	if (r)
		program->pid = 0;
	return -r;
}

static int spawn(struct probe *probe)
{
	struct program *program = probe->program;
	char *variables[VARIABLES + 1] = {};
	int ends[2], r = set_variables(probe, variables);

	if (r == 0 && pipe2(ends, O_CLOEXEC) < 0)
		r = -errno;
	if (r == 0) {
		program->output = ends[0];
		fcntl(ends[0], F_SETFL, O_NONBLOCK); /* this end alone: the program's writes may block */
		r = spawn_with(program, probe->check.command, variables, ends[1]);
		close(ends[1]);
	}
	for (int i = 0; i < VARIABLES; i++)
		free(variables[i]);
	return r;
}

static int watch(struct probe *probe)
{
	struct program *program = probe->program;
	sd_event *event = prober_event(probe->prober);
	int r;

	program->pidfd = pidfd_open(program->pid, 0);
	if (program->pidfd < 0)
		return -errno;
	r = sd_event_add_io(event, &program->written, program->output, EPOLLIN, on_output, probe);
	return r < 0 ? r : sd_event_add_io(event, &program->exited, program->pidfd, EPOLLIN, on_exit_of_program, probe);
}

static void start(struct probe *probe)
{
	int r;

	probe->program = calloc(1, sizeof(*probe->program));
	if (!probe->program) {
		probe_skip(probe, -ENOMEM);
		return;
	}
	probe->program->pidfd = probe->program->output = -1;
	r = spawn(probe);
	if (r == -ENOENT || r == -EACCES || r == -ENOEXEC) {
		probe_finish(probe, PROBE_PROGRAM_FAILED, "%s: %s", probe->check.command[0], strerror(-r));
		return;
	}
	if (r == 0)
		r = watch(probe);
	if (r < 0)
		probe_skip(probe, r);
}

static struct probe_stage stage(struct probe *probe)
{
	(void)probe;
	return (struct probe_stage){PROBE_PROGRAM_TIMEOUT, "of the program, killed"};
}

const struct probe_kind probe_exec = {.start = start, .stop = stop, .stage = stage};
