/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <stddef.h>
#include <string.h>

#include "base/choice.h"

static const struct {
	const char *label, *text;
} choices[] = {
	[SHUNT_CHOICE_NONE] = {"none", "no backend was chosen"},
	[SHUNT_CHOICE_SETTLED] = {"settled", "its slot is settled"},
	[SHUNT_CHOICE_UNTRACKED] = {"untracked", "its flow is not tracked and moves with its slot"},
	[SHUNT_CHOICE_NEW] = {"new", "a new flow, to the backend of new flows"},
	[SHUNT_CHOICE_OLD] = {"old", "a flow older than the last change stays"},
	[SHUNT_CHOICE_PINNED] = {"pinned", "found in the flow table"},
	[SHUNT_CHOICE_PROBED] = {"probed", "the slot's backend is down: the next alive one"},
	[SHUNT_CHOICE_REJECTED] = {"rejected", "nobody is fit: answered with a refusal"},
	[SHUNT_CHOICE_SCHEDULED] = {"scheduled", "a new flow, to the slot that the scheduler says"},
	[SHUNT_CHOICE_FAIL_OPEN] = {"fail-open", "nobody is alive: the slot's backend all the same"},
	[SHUNT_CHOICE_SERVER_ID] = {"server-id", "named by the server id in the connection id of QUIC"},
	[SHUNT_CHOICE_RESERVE] = {"reserve", "nobody in its slot's probe sequence is alive: the group's reserve"},
	[SHUNT_CHOICE_ANSWER] = {"answer", "a nat backend's answer, which goes on as the service's"},
};

#define N_CHOICES (sizeof(choices) / sizeof(*choices))

const char *choice_label(uint32_t choice)
{
	return choice < N_CHOICES ? choices[choice].label : NULL;
}

const char *choice_text(uint32_t choice)
{
	return choice < N_CHOICES ? choices[choice].text : NULL;
}

uint32_t choice_find(const char *label)
{
	for (uint32_t choice = 0; choice < N_CHOICES; choice++)
		if (strcmp(choices[choice].label, label) == 0)
			return choice;
	return SHUNT_CHOICE_NONE;
}
