/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What is left of a backend's weight by its health, its slow start and its agent's word. */
#include "shuntd/controller.h"

static uint32_t part_of(uint32_t weight, uint32_t percent)
{
	return ((uint64_t)weight * percent + 99) / 100;
}

uint32_t endpoint_table_weight(const struct endpoint *endpoint)
{
	uint32_t whole = endpoint->backend->weight * TABLE_WEIGHT_UNIT;

	return part_of(part_of(whole, endpoint->health_percent), endpoint->agent_percent);
}

uint32_t endpoint_weight(const struct endpoint *endpoint)
{
	return (endpoint_table_weight(endpoint) + TABLE_WEIGHT_UNIT - 1) / TABLE_WEIGHT_UNIT;
}
