/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A program of the loop, and the end of all that it began. Its group is killed when it has ended; whoever has left the group
 * becomes a child of this process when its own parent ends, and is found among our children and killed, the last one's
 * children after it, until none is left. Programs that still run keep what they began: it has their mark (SHUNT_RUN in its
 * environment) or is in their group.
 */
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <uthash.h>

#include "loop/child.h"
#include "base/cleanup.h"

#define MARK "SHUNT_RUN="
#define ENVIRONMENT_MAX 65536 /* of a process, that is searched for the mark */
#define LAST_SWEEPS 100
#define LAST_SWEEP_NS 20000000

struct children {
	sd_event *event;
	sd_event_source *ended;      /* SIGCHLD */
	sd_event_source *soon;       /* a sweep, once the loop has come round */
	struct child *running;       /* hash by pid */
	uint64_t runs;               /* so far: the mark of the next */
	pid_t *strangers;            /* children that were there before */
	size_t n_strangers;
};

struct child {
	struct children *children;
	pid_t pid;                   /* 0: ended and given to the sweep */
	uint64_t run;
	int pidfd, output;           /* -1: none */
	sd_event_source *exited, *written;
	char text[CHILD_OUTPUT_MAX];
	size_t length;
	child_callback callback;
	void *userdata;
	UT_hash_handle hh;
};

/* ---- who is left ---- */

/* The children of this process, allocated; NULL: none, or they cannot be told. */
static pid_t *list_children(size_t *ret_n)
{
	_cleanup_(fclosep) FILE *file = fopen("/proc/thread-self/children", "re");
	pid_t *list = NULL, pid;
	size_t n = 0;

	while (file && fscanf(file, "%d", &pid) == 1) {
		pid_t *more = (n & (n - 1)) == 0 ? realloc(list, (n ? 2 * n : 1) * sizeof(*list)) : list;

		if (!more)
			break;
		list = more;
		list[n++] = pid;
	}
	*ret_n = n;
	return list;
}

/* The run that a process is marked to be of; 0: it has no mark, or is none any more. */
static uint64_t run_of(pid_t pid)
{
	_cleanup_(freep) char *text = malloc(ENVIRONMENT_MAX);
	_cleanup_(fclosep) FILE *file = NULL;
	char path[64];
	size_t length;

	snprintf(path, sizeof(path), "/proc/%d/environ", pid);
	file = text ? fopen(path, "re") : NULL;
	length = file ? fread(text, 1, ENVIRONMENT_MAX - 1, file) : 0;
	for (size_t at = 0; at < length; at += strlen(text + at) + 1) {
		text[length] = '\0';
		if (strncmp(text + at, MARK, strlen(MARK)) == 0)
			return strtoull(text + at + strlen(MARK), NULL, 10);
	}
	return 0;
}

static bool is_ours_to_end(const struct children *children, pid_t pid)
{
	const struct child *child;
	pid_t group = getpgid(pid);
	uint64_t run;

	HASH_FIND_INT(children->running, &pid, child);
	for (size_t i = 0; i < children->n_strangers; i++)
		if (children->strangers[i] == pid)
			return false;
	if (child)
		return false;
	HASH_FIND_INT(children->running, &group, child);
	if (child)
		return false;
	run = children->running ? run_of(pid) : 0;
	for (child = children->running; run && child; child = child->hh.next)
		if (child->run == run)
			return false;
	return true;
}

/* Kills who is left over and buries who is dead; whom they leave behind in turn are ours at the next SIGCHLD. How many. */
static size_t sweep(struct children *children)
{
	size_t n, left = 0;
	_cleanup_(freep) pid_t *pids = list_children(&n);

	for (size_t i = 0; i < n; i++) {
		siginfo_t info = {};

		if (!is_ours_to_end(children, pids[i]))
			continue;
		left++;
		if (waitid(P_PID, pids[i], &info, WEXITED | WNOHANG) == 0 && info.si_pid == 0)
			kill(pids[i], SIGKILL);
	}
	return left;
}

static int on_child_ended(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata)
{
	(void)source, (void)info;
	sweep(userdata);
	return 0;
}

static int sweep_now(sd_event_source *source, void *userdata)
{
	(void)source;
	sweep(userdata);
	return 0;
}

int children_open(sd_event *event, struct children **ret_children)
{
	struct children *children = calloc(1, sizeof(*children));
	sigset_t set;
	int r;

	if (!children)
		return -ENOMEM;
	children->event = event;
	children->strangers = list_children(&children->n_strangers);
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	r = sigprocmask(SIG_BLOCK, &set, NULL) < 0 || prctl(PR_SET_CHILD_SUBREAPER, 1) < 0 ? -errno : 0;
	if (r == 0)
		r = sd_event_add_signal(event, &children->ended, SIGCHLD, on_child_ended, children);
	if (r >= 0)
		r = sd_event_source_set_priority(children->ended, SD_EVENT_PRIORITY_IDLE); /* decisions come first */
	if (r >= 0)
		r = sd_event_add_defer(event, &children->soon, sweep_now, children);
	if (r >= 0)
		r = sd_event_source_set_enabled(children->soon, SD_EVENT_OFF);
	if (r < 0) {
		children_close(children);
		return r;
	}
	*ret_children = children;
	return 0;
}

void children_close(struct children *children)
{
	const struct timespec pause = {.tv_nsec = LAST_SWEEP_NS};

	if (!children)
		return;
	for (int i = 0; i < LAST_SWEEPS && sweep(children); i++)
		nanosleep(&pause, NULL);
	sd_event_source_disable_unref(children->ended);
	sd_event_source_disable_unref(children->soon);
	free(children->strangers);
	free(children);
}

/* ---- its end ---- */

static void read_output(struct child *child)
{
	char beyond[CHILD_OUTPUT_MAX];
	ssize_t n;

	do {
		bool room = child->length < sizeof(child->text) - 1;

		n = room ? read(child->output, child->text + child->length, sizeof(child->text) - 1 - child->length)
			 : read(child->output, beyond, sizeof(beyond));
		if (n > 0 && room)
			child->length += n;
	} while (n > 0);
	child->text[child->length] = '\0';
	if (n == 0)
		child->written = sd_event_source_disable_unref(child->written);
}

static int on_output(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	(void)source, (void)fd, (void)revents;
	read_output(userdata);
	return 0;
}

static int on_exit_of_program(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	struct child *child = userdata;
	siginfo_t info = {};

	(void)source, (void)fd, (void)revents;
	if (waitid(P_PID, child->pid, &info, WEXITED | WNOWAIT | WNOHANG) < 0 || !info.si_pid)
		return 0;
	read_output(child);
	child->exited = sd_event_source_disable_unref(child->exited);
	child->callback(child->userdata, &info, child->text);
	return 0;
}

/*
 * While the program is not waited for its number, and with it the group's, is nobody else's. Waiting is for the sweep: one
 * that the kernel cannot end yet (a hung file system) must not hold up the loop.
 */
static void end_group(struct child *child)
{
	kill(-child->pid, SIGKILL);
	HASH_DEL(child->children->running, child);
	child->pid = 0;
	sd_event_source_set_enabled(child->children->soon, SD_EVENT_ONESHOT);
}

void child_free(struct child *child)
{
	if (!child)
		return;
	sd_event_source_disable_unref(child->exited);
	sd_event_source_disable_unref(child->written);
	if (child->pid > 0)
		end_group(child);
	if (child->pidfd >= 0)
		close(child->pidfd);
	if (child->output >= 0)
		close(child->output);
	free(child);
}

const char *child_first_line(const char *output, char *line, size_t size)
{
	snprintf(line, size, "%.*s", (int)strcspn(output, "\r\n"), output);
	for (char *c = line; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 127)
			*c = '?';
	return line;
}

/* ---- its start ---- */

/* A file that nobody else has, so that however slowly the program reads, nobody waits to write. -1: /dev/null will do. */
static int make_input(const struct child_request *request, int *ret_fd)
{
	int fd;

	*ret_fd = -1;
	if (!request->input)
		return 0;
	fd = memfd_create("input", MFD_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (write(fd, request->input, request->input_bytes) != (ssize_t)request->input_bytes || lseek(fd, 0, SEEK_SET) < 0) {
		close(fd);
		return -EIO;
	}
	*ret_fd = fd;
	return 0;
}

static int spawn_with(struct child *child, char *const *command, char *const *variables, int input, int output)
{
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attributes;
	sigset_t none, all;
	int r;

	sigemptyset(&none);
	sigfillset(&all);
	posix_spawn_file_actions_init(&files);
	posix_spawnattr_init(&attributes);
	if (input >= 0)
		posix_spawn_file_actions_adddup2(&files, input, STDIN_FILENO);
	else
		posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&files, output, STDOUT_FILENO);
	posix_spawn_file_actions_adddup2(&files, output, STDERR_FILENO);
	posix_spawn_file_actions_addclosefrom_np(&files, STDERR_FILENO + 1);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	posix_spawnattr_setpgroup(&attributes, 0);
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setsigdefault(&attributes, &all);
	r = posix_spawnp(&child->pid, command[0], &files, &attributes, command, variables);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&files);
	if (r)
		child->pid = 0;
	else
		HASH_ADD_INT(child->children->running, pid, child);
	return -r;
}

/* Those of the request, its mark and PATH; the texts of these two are in `mark` and `path`. Allocated. */
static char **make_environment(char *const *variables, char *mark, char *path)
{
	size_t n = 0;
	char **all;

	while (variables[n])
		n++;
	all = calloc(n + 3, sizeof(*all));
	if (!all)
		return NULL;
	memcpy(all, variables, n * sizeof(*all));
	all[n] = mark;
	all[n + 1] = path;
	return all;
}

static int spawn(struct child *child, const struct child_request *request)
{
	_cleanup_(freep) char *path = NULL;
	_cleanup_(freep) char **environment = NULL;
	_cleanup_(closep) int input = -1, output = -1;
	const char *own = getenv("PATH");
	char mark[64];
	int ends[2], r;

	snprintf(mark, sizeof(mark), MARK "%llu", (unsigned long long)child->run);
	if (asprintf(&path, "PATH=%s", own ? own : "/usr/sbin:/usr/bin:/sbin:/bin") < 0) {
		path = NULL;
		return -ENOMEM;
	}
	environment = make_environment(request->variables, mark, path);
	if (!environment)
		return -ENOMEM;
	r = make_input(request, &input);
	if (r < 0)
		return r;
	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	child->output = ends[0];
	output = ends[1];
	fcntl(ends[0], F_SETFL, O_NONBLOCK); /* this end alone: the program's writes may block */
	return spawn_with(child, request->command, environment, input, output);
}

static int watch(struct child *child)
{
	sd_event *event = child->children->event;
	int r;

	child->pidfd = pidfd_open(child->pid, 0);
	if (child->pidfd < 0)
		return -errno;
	r = sd_event_add_io(event, &child->written, child->output, EPOLLIN, on_output, child);
	return r < 0 ? r : sd_event_add_io(event, &child->exited, child->pidfd, EPOLLIN, on_exit_of_program, child);
}

int child_start(struct children *children, const struct child_request *request, child_callback callback, void *userdata,
		struct child **ret_child)
{
	struct child *child = calloc(1, sizeof(*child));
	int r;

	if (!child)
		return -ENOMEM;
	*child = (struct child){.children = children, .run = ++children->runs, .pidfd = -1, .output = -1,
				.callback = callback, .userdata = userdata};
	r = spawn(child, request);
	if (r == 0)
		r = watch(child);
	if (r < 0) {
		child_free(child);
		return r;
	}
	*ret_child = child;
	return 0;
}
