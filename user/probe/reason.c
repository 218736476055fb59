/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What an errno value says of a probe, and the words for the ends it can come to. */
#include <errno.h>
#include <string.h>

#include "probe/kind.h"

bool probe_error_is_local(int error)
{
	return error == EMFILE || error == ENFILE || error == ENOMEM || error == ENOBUFS || error == EADDRNOTAVAIL;
}

const char *probe_error_text(int error)
{
	switch (error) {
	case ECONNREFUSED:
		return "connection refused"; /* of UDP: ICMP port unreachable */
	case ECONNRESET:
		return "connection reset";
	case EHOSTUNREACH:
		return "no route to host";
	case ENETUNREACH:
		return "network unreachable";
	default:
		return strerror(error);
	}
}

enum probe_reason probe_error_reason(int error, enum probe_reason otherwise)
{
	switch (error) {
	case ECONNREFUSED:
		return PROBE_REFUSED;
	case EHOSTUNREACH:
	case ENETUNREACH:
	case EHOSTDOWN:
	case ENETDOWN:
		return PROBE_UNREACHABLE;
	case ETIMEDOUT: /* the kernel gave up before the check did */
		return PROBE_CONNECT_TIMEOUT;
	default:
		return otherwise;
	}
}

const char *probe_reason_word(enum probe_reason reason)
{
	static const char *const words[PROBE_REASON_COUNT] = {
		[PROBE_OK] = "ok",
		[PROBE_REFUSED] = "refused",
		[PROBE_UNREACHABLE] = "unreachable",
		[PROBE_CONNECT_TIMEOUT] = "connect-timeout",
		[PROBE_CONNECT_FAILED] = "connect-failed",
		[PROBE_TLS_TIMEOUT] = "tls-timeout",
		[PROBE_TLS_FAILED] = "tls-failed",
		[PROBE_RESPONSE_TIMEOUT] = "response-timeout",
		[PROBE_RESPONSE_FAILED] = "response-failed",
		[PROBE_WRONG_STATUS] = "wrong-status",
		[PROBE_WRONG_BODY] = "wrong-body",
		[PROBE_PROGRAM_TIMEOUT] = "program-timeout",
		[PROBE_PROGRAM_FAILED] = "program-failed",
		[PROBE_TOLD_DOWN] = "told-down",
		[PROBE_PATH] = "path",
	};

	return words[reason];
}
