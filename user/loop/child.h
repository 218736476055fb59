/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Programs that the loop runs: in a process group of their own, without a shell, and with nothing of this process but what
 * they are given. What a program leaves running ends with it, also what has left its group and its session: this process is
 * the reaper of its descendants (prctl(2), PR_SET_CHILD_SUBREAPER), so that who loses its parent becomes a child of ours.
 */
#ifndef SHUNT_CHILD_H
#define SHUNT_CHILD_H

#include <signal.h>
#include <stddef.h>

#include <systemd/sd-event.h>

#define CHILD_OUTPUT_MAX 1024 /* bytes of it that are kept */

struct children; /* of this process: one at a time */
struct child;

/*
 * From here on children of this process are those that child_start began and what they left behind: nobody else may fork.
 * Those that are there already are left alone. Blocks SIGCHLD. 0 | -errno.
 */
int children_open(sd_event *event, struct children **ret_children);
void children_close(struct children *children); /* ends what is left; after all child_free. NULL is fine */

struct child_request {
	char *const *command;      /* program, looked for in PATH, and arguments; ends with NULL */
	char *const *variables;    /* "NAME=value", ends with NULL: all of its environment but PATH and SHUNT_RUN */
	const void *input;         /* what it reads from its standard input; NULL: nothing */
	size_t input_bytes;
};

/*
 * It has ended: info as waitid(2) fills it, and what it wrote, stdout and stderr, cut at CHILD_OUTPUT_MAX. Called from the
 * loop, once; it may free the child.
 */
typedef void (*child_callback)(void *userdata, const siginfo_t *info, const char *output);

/* 0, or -errno of what could not be had here, or of the program: -ENOENT, -EACCES, -ENOEXEC. Never blocks. */
int child_start(struct children *children, const struct child_request *request, child_callback callback, void *userdata,
		struct child **ret_child);
void child_free(struct child *child); /* kills it and what it began, if it runs. NULL is fine */

/* Its first line with what is unprintable made harmless; "" without one. Returns `line`. */
const char *child_first_line(const char *output, char *line, size_t size);

#endif
