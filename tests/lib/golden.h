/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The cases of tests/packets/cases.txt, which scripts of their own wrote (tests/packets/generate.py), and their
 * worlds.
 */
#ifndef SHUNT_TEST_GOLDEN_H
#define SHUNT_TEST_GOLDEN_H

#include "world.h"

#define GOLDEN_CASES "tests/packets/cases.txt" /* from the top folder, where tests are started */
enum { GOLDEN_BEFORE_MAX = 4 };

struct golden_case {
	char *world;
	struct frame *before[GOLDEN_BEFORE_MAX]; /* come first; what becomes of them does not matter */
	size_t n_before;
	struct packet_case packet; /* its sentence is the name */
};

struct golden {
	struct golden_case *cases;
	size_t n;
};

/* Fails the test when the file cannot be read or understood, with its line. */
struct golden golden_read(void);
void golden_free(struct golden *golden);

const char *golden_world_name(size_t i); /* of the ith world; NULL: there are not as many */
/* What is different in a world of this name from the one that world_setup() made. */
void golden_world(struct world *w, const char *name);

#endif
