/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The lines of services, with an entry for echo requests to each address, and of the answers of nat backends. */
#include <errno.h>
#include <stdlib.h>
#include <netinet/in.h>

#include "datapath/internal.h"

_Static_assert(sizeof(struct shunt_service) == LINE_BYTES && sizeof(struct shunt_answer) == LINE_BYTES, "they are lines");

uint32_t datapath_service_id(const struct datapath *d, const struct shunt_service_key *key)
{
	const struct shunt_service *service = lines_find(&d->services, key);

	return service ? service->id : 0;
}

const struct shunt_service *datapath_peek_service(const struct datapath *d, const struct shunt_service_key *key)
{
	return lines_find(&d->services, key);
}

/*
 * The entry by which an address is recognised where there are no ports: of a service echo requests, of a nat backend later
 * fragments.
 */
static struct shunt_service_key address_key(const struct shunt_service_key *key)
{
	return (struct shunt_service_key){
		.address = key->address,
		.protocol = shunt_addr_is_ipv4(&key->address) ? IPPROTO_ICMP : IPPROTO_ICMPV6,
		.used = 1,
		.prefix = key->prefix,
	};
}

bool service_is_echo(const void *line)
{
	return ((const struct shunt_service *)line)->id == 0;
}

/* Its group. Entries for echo requests have none, and say nothing. */
uint16_t service_hint(const void *line)
{
	return ((const struct shunt_service *)line)->group;
}

int datapath_set_services(struct datapath *d, const struct shunt_service *services, size_t n)
{
	struct shunt_service *wanted = calloc(n * 2 + 1, sizeof(*wanted));
	int r;

	if (!wanted)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		wanted[2 * i] = services[i];
		wanted[2 * i + 1].key = address_key(&services[i].key);
	}
	r = prefixes_remove_others(d, services, n);
	if (r == 0)
		r = lines_set(&d->services, wanted, 2 * n, "services");
	if (r == 0)
		r = prefixes_add(d, services, n);
	free(wanted);
	return r;
}

/* ---- answers ---- */

const struct shunt_answer *datapath_find_answer(const struct datapath *d, const struct shunt_service_key *key)
{
	return lines_find(&d->answers, key);
}

void datapath_each_answer(const struct datapath *d, void (*found)(void *userdata, const void *answer), void *userdata)
{
	lines_each(&d->answers, found, userdata);
}

int datapath_set_answers(struct datapath *d, const struct shunt_answer *answers, size_t n)
{
	struct shunt_answer *wanted = calloc(n * 2 + 1, sizeof(*wanted));
	int r;

	if (!wanted)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		wanted[2 * i] = answers[i];
		wanted[2 * i + 1].key = address_key(&answers[i].key);
	}
	r = lines_set(&d->answers, wanted, 2 * n, "answers of nat backends");
	free(wanted);
	return r;
}
