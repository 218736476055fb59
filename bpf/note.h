/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What explain and trace want to know is written down as soon as it is found out: nothing of it need be carried on. Who only
 * forwards has not an instruction of it.
 */
#ifndef SHUNT_BPF_NOTE_H
#define SHUNT_BPF_NOTE_H

#include "packet.h"

/* Where to, NULL: nobody wants to know. */
stage struct shunt_explanation *notes(const struct packet *p)
{
	struct shunt_trace_scratch *scratch;
	__u32 first = 0;

	if (p->dry)
		return bpf_map_lookup_elem(&explanation, &first);
	if (!p->traced || !(scratch = bpf_map_lookup_elem(&trace_scratch, &first)))
		return NULL;
	return &scratch->event.what;
}

/* Whose packet it is; a watcher is told of whose it came, too. Where more is noted more ways must join. */
stage int note_flow(struct packet *p)
{
	struct shunt_explanation *note;
	struct shunt_trace *event;

	if (p->dry || p->traced)
		join_ways(p);
	if (!p->service || !(note = notes(p)))
		return SHUNT_NEXT;
	note->service = p->service->id;
	note->forward = p->service->forward;
	if (!p->traced)
		return SHUNT_NEXT;
	event = (void *)note - offsetof(struct shunt_trace, what);
	event->source = p->source;
	event->destination = p->destination;
	event->source_port = source_port(p);
	event->destination_port = destination_port(p);
	event->protocol = p->protocol;
	return SHUNT_NEXT;
}

stage void note_group(const struct packet *p, __u32 group)
{
	struct shunt_explanation *note = notes(p);

	if (note)
		note->group = group;
}

stage void note_slot(const struct packet *p)
{
	struct shunt_explanation *note = notes(p);

	if (!note)
		return;
	note->slot = p->slot_index;
	note->word = p->slot;
}

/* Where it goes, and why. */
stage int note_choice(struct packet *p)
{
	struct shunt_explanation *note = notes(p);

	if (p->traced)
		join_ways(p);
	if (!note)
		return SHUNT_NEXT;
	note->backend = p->backend_id;
	note->choice = p->choice;
	return SHUNT_NEXT;
}

#endif
