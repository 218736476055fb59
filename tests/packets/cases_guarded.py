# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Who is denied, who is allowed, and who comes too often: docs/protection.md. The world "guarded" of tests/lib/golden.c."""

from cases_other import echo
from generate import *

DENYING, ALLOWING, LIMITED, LIMITING_CLIENTS = 90, 91, 92, 93
STRANGER = {4: "198.18.0.9", 6: "2001:db8:18::9"}   # on no list
BANNED = {4: "203.0.113.77", 6: "2001:db8:bad:1::77"}  # by all services
NEIGHBOUR = {4: "198.51.100.8", 6: "2001:db8:c::8"}  # of the client: on the service's list, but not allowed


def goes(name, packet, **more):
    forwards("guarded: " + name, packet, BY_FAMILY[6 if isinstance(packet, IPv6) else 4], mode="l2", world="guarded", **more)


def kept_out(name, packet, reason, **more):
    drops("guarded: " + name, frame(packet), reason, world="guarded", **more)


def lists():
    for family in 4, 6:
        v = "IPv%d, " % family
        for words, transport in ("a SYN", tcp(ALLOWING)), ("an ACK", tcp(ALLOWING, "A")), ("data", tcp(LIMITED, "PA") / data(99)), \
                ("UDP", udp(DENYING) / data(9)):
            kept_out(v + "denied by all services, " + words, ip(family, source=BANNED[family]) / transport, "denied")
        kept_out(v + "denied by all services, an echo request", echo(family, True, source=BANNED[family]), "denied")
        passes("guarded: %sdenied, but for another port" % v, frame(ip(family, source=BANNED[family]) / tcp(UNUSED)), world="guarded")
        kept_out(v + "denied by the service, a SYN", ip(family) / tcp(DENYING), "denied")
        kept_out(v + "denied by the service, an ACK", ip(family, source=NEIGHBOUR[family]) / tcp(DENYING, "A"), "denied")
        kept_out(v + "denied by the service, UDP", ip(family) / udp(DENYING) / data(1), "denied")
        goes(v + "on no list, a SYN", ip(family, source=STRANGER[family]) / tcp(DENYING))
        goes(v + "on no list, UDP", ip(family, source=STRANGER[family]) / udp(DENYING) / data(1))
        goes(v + "allowed, a SYN", ip(family) / tcp(ALLOWING))
        goes(v + "allowed, an ACK", ip(family) / tcp(ALLOWING, "A"))
        for who in STRANGER, NEIGHBOUR:
            kept_out(v + "not allowed, a SYN of " + who[family], ip(family, source=who[family]) / tcp(ALLOWING), "not_allowed")
            kept_out(v + "not allowed, an ACK of " + who[family], ip(family, source=who[family]) / tcp(ALLOWING, "A"), "not_allowed")


def limits():
    """One new flow in a minute, of the service or of each client; of IPv6 a /64 is a client."""
    for family in 4, 6:
        v = "IPv%d, " % family
        goes(v + "within the service's limit", ip(family) / tcp(LIMITED))
        kept_out(v + "over the service's limit, another client", ip(family, source=STRANGER[family]) / tcp(LIMITED), "service_limit")
        goes(v + "over the service's limit, a flow that began before", ip(family) / tcp(LIMITED, "A"))
        goes(v + "within the client's limit", ip(family) / tcp(LIMITING_CLIENTS))
        kept_out(v + "over the client's limit", ip(family) / tcp(LIMITING_CLIENTS, "S", 4001), "client_limit")
        goes(v + "over the client's limit, a flow that began before", ip(family) / tcp(LIMITING_CLIENTS, "A"))
        goes(v + "within another client's limit", ip(family, source=STRANGER[family]) / tcp(LIMITING_CLIENTS))
        if family == 4:
            goes(v + "a neighbour is another client", ip(family, source=NEIGHBOUR[family]) / tcp(LIMITING_CLIENTS))
        else:
            kept_out(v + "a neighbour is the same client", ip(family, source=NEIGHBOUR[family]) / tcp(LIMITING_CLIENTS),
                     "client_limit")


SECTIONS = [lists, limits]
