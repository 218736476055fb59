/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What an object of a snapshot is, as one number: another one whenever its document says anything else. Counters and measurements
 * (packets, bytes, flows, latency, lag, score, penalty, slots under way) do not count: they change by themselves.
 */
#ifndef SHUNT_API_FINGERPRINT_H
#define SHUNT_API_FINGERPRINT_H

#include <stdint.h>

#include "api/snapshot.h"

uint64_t fingerprint_service(const struct snapshot_service *service);
uint64_t fingerprint_group(const struct snapshot_group *group);
uint64_t fingerprint_backend(const struct snapshot_backend *backend);
uint64_t fingerprint_name(const char *name);

#endif
