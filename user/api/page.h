/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SHUNT_API_PAGE_H
#define SHUNT_API_PAGE_H

#include "api/call.h"

/* Whether a request is for the page alone, which needs no token: what it shows it asks for with one. */
bool page_is_asked(const char *method, const char *path);
void get_page(struct call *call);

#endif
