/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * --watch: a command again and again. On a terminal each picture takes the place of the one before, in one write, so that
 * nothing flickers; elsewhere they follow each other, with --json a document a line.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/duration.h"
#include "shunt/cli.h"

#define WATCH_DEFAULT_MS 1000

static volatile sig_atomic_t interrupted;

static void interrupt(int signal)
{
	(void)signal;
	interrupted = 1;
}

/* Lines that the terminal has room for: a picture that scrolls is none. */
static int rows_of(FILE *terminal)
{
	struct winsize size;

	return ioctl(fileno(terminal), TIOCGWINSZ, &size) == 0 && size.ws_row > 1 ? size.ws_row : 24;
}

static void show(FILE *terminal, const char *picture)
{
	int rows = rows_of(terminal) - 1;

	fputs("\033[H", terminal);
	for (const char *line = picture; *line && rows > 0; rows--) {
		int length = (int)strcspn(line, "\n");

		fprintf(terminal, "%.*s\033[K\n", length, line);
		line += length + (line[length] == '\n');
	}
	fputs("\033[J", terminal);
}

/* What it prints and says, as one text; a controller that restarts is a picture, too. */
static int picture_of(struct cli *cli, int (*run)(struct cli *cli), char **ret_picture)
{
	FILE *out = stdout, *err = stderr, *to;
	size_t length;
	int r;

	to = open_memstream(ret_picture, &length);
	if (!to)
		return cli_fail(EXIT_REFUSED, "out of memory");
	stdout = stderr = to;
	r = run(cli);
	stdout = out;
	stderr = err;
	fclose(to);
	return r;
}

static int watch_terminal(struct cli *cli, int (*run)(struct cli *cli), bool is_first)
{
	char *picture = NULL;
	int r;

	cli->style = style_of(stdout);
	r = picture_of(cli, run, &picture);
	if (r != EXIT_DONE && is_first)
		fputs(picture ?: "", stderr);
	else
		show(stdout, picture ?: "");
	free(picture);
	return r == EXIT_UNREACHABLE && !is_first ? EXIT_DONE : r;
}

static void pause_ms(uint64_t ms)
{
	const struct timespec pause = {(time_t)(ms / 1000), (long)(ms % 1000) * 1000000L};

	nanosleep(&pause, NULL);
}

int watch_run(struct cli *cli, int (*run)(struct cli *cli))
{
	const struct sigaction action = {.sa_handler = interrupt}; /* without SA_RESTART: ends the pause */
	bool terminal = isatty(fileno(stdout)) && !cli->json;
	uint64_t every_ms = WATCH_DEFAULT_MS;
	int r = EXIT_DONE;

	if (*cli->option[OPTION_WATCH] && (duration_parse(cli->option[OPTION_WATCH], &every_ms) < 0 || !every_ms))
		return cli_fail(EXIT_USAGE, "--watch takes a duration such as 500ms or 5s, not \"%s\"", cli->option[OPTION_WATCH]);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	cli_json_lines = cli->json;
	if (terminal)
		fputs("\033[2J", stdout);
	for (bool is_first = true; r == EXIT_DONE && !interrupted; is_first = false) {
		uint64_t start = clock_monotonic_ms(), took;

		if (!is_first && !terminal && !cli->json)
			putchar('\n');
		r = terminal ? watch_terminal(cli, run, is_first) : run(cli);
		if (fflush(stdout) != 0)
			return EXIT_REFUSED;
		took = clock_monotonic_ms() - start;
		if (r == EXIT_DONE && !interrupted && took < every_ms)
			pause_ms(every_ms - took);
	}
	return interrupted ? EXIT_DONE : r;
}
