/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SHUNT_API_WATCH_H
#define SHUNT_API_WATCH_H

struct call;

void get_flows(struct call *call);
void post_trace(struct call *call);
void get_trace(struct call *call);
void delete_trace(struct call *call);

#endif
