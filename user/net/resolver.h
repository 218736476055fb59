/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The addresses of a name, asked by c-ares within the loop: A and AAAA through CNAMEs, or SRV (RFC 2782) and the addresses of
 * its targets. What follows from an answer, or from none, is the caller's to decide.
 */
#ifndef SHUNT_RESOLVER_H
#define SHUNT_RESOLVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <systemd/sd-event.h>

#include <shunt/abi.h>

#define RESOLVED_MAX 256 /* addresses of a name */

struct resolver;
struct lookup;

struct resolved {
	struct shunt_addr address;
	uint16_t port;               /* host order, of SRV; 0: a name alone says none */
	uint16_t priority, weight;   /* of SRV: lower is preferred; share among equals */
};

struct resolution {
	const char *error;           /* why there are no addresses: "no such name", "timeout" …; NULL: there are */
	const struct resolved *list; /* sorted, each address and port once */
	size_t n;
	size_t beyond;               /* so many more than RESOLVED_MAX there are, whichever answered last */
	uint32_t ttl_s;              /* least of all records on the way to the addresses: SRV, CNAME, A, AAAA */
};

/* Called once; before resolver_lookup returns, when the answer is known at once: *ret_lookup is set by then. */
typedef void (*resolver_callback)(void *userdata, const struct resolution *resolution);

/* `servers`: "10.0.0.53,[fd00::53]:5353" as ares_set_servers_ports_csv(3) takes them; NULL: those of the system. 0 | -errno. */
int resolver_open(sd_event *event, const char *servers, struct resolver **ret_resolver);
void resolver_close(struct resolver *resolver); /* calls nobody back any more; NULL is fine */

int resolver_lookup(struct resolver *resolver, const char *name, bool srv, resolver_callback callback, void *userdata,
		    struct lookup **ret_lookup);
void lookup_forget(struct lookup *lookup); /* it will not call back; NULL is fine. Not after it has. */

#endif
