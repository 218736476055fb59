/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Text of the tables as scdoc wants it. */
#include <string.h>

#include "reference/reference.h"

void write_marked(FILE *to, const char *text)
{
	for (; *text; text++) {
		if (*text == '`')
			fputc('*', to);
		else if (*text == '\v')
			fputs("\n\n", to);
		else if (strchr("_*\\", *text))
			fprintf(to, "\\%c", *text);
		else
			fputc(*text, to);
	}
}
