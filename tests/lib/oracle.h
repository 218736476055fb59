/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Says of any frame at all what may become of it in a world: from what the strict parser reads and the services
 * that there are. Where more than one fate is defensible it allows each; what it never allows is to forward what a
 * careful host refuses, to keep what is nobody's, or to change what it should not.
 */
#ifndef SHUNT_TEST_ORACLE_H
#define SHUNT_TEST_ORACLE_H

#include "world.h"

enum fate { MAY_PASS = 1, MAY_DROP = 2, MAY_FORWARD = 4, MAY_ANSWER = 8 };

struct oracle {
	const struct fixture *fixture;
	unsigned int *fates; /* by place in fixture->services: of a plain packet (enum fate) */
};

/* Learns from a plain packet what each service does with packets; whether it is right is for other tests to say. */
struct oracle oracle_of(struct fixture *f);
void oracle_free(struct oracle *oracle);

/* Why the outcome cannot be right; NULL: it may be. */
const char *oracle_objects(const struct oracle *oracle, const struct frame *in, int verdict, const struct frame *out);

#endif
