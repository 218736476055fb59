/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* With which status the command ends: one table for the code, the manual page and the reference. Numbers never change. */
#ifndef SHUNT_EXIT_STATUS_H
#define SHUNT_EXIT_STATUS_H

/* X(enum suffix, number, text for people) */
#define EXIT_STATUSES(X) \
	X(DONE, 0, "done") \
	X(REFUSED, 1, "refused or failed, with the reason on standard error") \
	X(USAGE, 2, "wrong usage") \
	X(UNREACHABLE, 3, "the controller cannot be reached")

enum exit_status {
#define X(name, number, text) EXIT_##name = number,
	EXIT_STATUSES(X)
#undef X
};

#endif
