/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* How a handler says no. */
#include <stdarg.h>
#include <stdio.h>

#include "api/api.h"

int api_refuse(struct api_reply *reply, int error, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	if (vasprintf(&reply->error, format, args) < 0)
		reply->error = NULL;
	va_end(args);
	return error;
}
