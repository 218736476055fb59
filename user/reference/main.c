/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* `reference PAGE` writes a page to standard output. */
#include <stdlib.h>
#include <string.h>

#include "reference/reference.h"

static const struct {
	const char *name;
	void (*write)(FILE *to);
} pages[] = {
	{"configuration.md", write_configuration},
	{"shunt.yaml.5", write_configuration_manual},
	{"drop-reasons.md", write_drop_reasons},
	{"metrics.md", write_metrics},
	{"events.md", write_events},
	{"exit-status.md", write_exit_status},
	{"api.md", write_http},
	{"shunt.1", write_shunt_manual},
	{"shuntd.8", write_shuntd_manual},
	{"shunt-decap.8", write_decap_manual},
};

int main(int argc, char **argv)
{
	for (size_t i = 0; argc == 2 && i < sizeof(pages) / sizeof(pages[0]); i++)
		if (strcmp(argv[1], pages[i].name) == 0) {
			pages[i].write(stdout);
			return fflush(stdout) == 0 && !ferror(stdout) ? EXIT_SUCCESS : EXIT_FAILURE;
		}
	fputs("usage: reference PAGE, one of:", stderr);
	for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++)
		fprintf(stderr, " %s", pages[i].name);
	fputc('\n', stderr);
	return EXIT_FAILURE;
}
