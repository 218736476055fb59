# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What goes to a backend: modes, families, fields of the headers, sizes, tags, states of the slots."""

from scapy.all import IPOption, IPOption_RR, IPOption_Router_Alert, IPOption_Timestamp

from generate import *

KINDS = [("a SYN", lambda port: tcp(port, "S")), ("a SYN with ECN", lambda port: tcp(port, "SEC")),
         ("an ACK", lambda port: tcp(port, "A")), ("data", lambda port: tcp(port, "PA") / data(333)),
         ("a FIN", lambda port: tcp(port, "FA")), ("a reset", lambda port: tcp(port, "R")),
         ("UDP", lambda port: udp(port) / data(100)), ("UDP without data", lambda port: udp(port)),
         ("UDP with one byte", lambda port: udp(port) / data(1))]


def modes():
    for mix, family, port, backend, _ in MIXES:
        for kind, transport in KINDS:
            forwards("%s, %s" % (mix, kind), ip(family) / transport(port), backend)
    for family in 4, 6:
        for kind, transport in KINDS[2], KINDS[6]:
            forwards("l2 by another link, IPv%d, %s" % (family, kind), ip(family) / transport(OTHER_LINK),
                     OUT_BY_FAMILY[family])
            forwards("%din4 by another link, %s" % (family, kind), ip(family) / transport(TO_V4_OTHER_LINK), V4_OUT)


def sizes():
    for mix, family, port, backend, tunnel in MIXES:
        header = 20 if family == 4 else 40
        most = MTU - tunnel - header
        forwards("%s, the largest TCP that fits" % mix, ip(family) / tcp(port, "A") / data(most - 20), backend)
        forwards("%s, the largest UDP that fits" % mix, ip(family) / udp(port) / data(most - 8), backend)
        forwards("%s, an odd length" % mix, ip(family) / tcp(port, "PA") / data(777), backend)
        forwards("%s, padded to Ethernet's least" % mix, ip(family) / udp(port), backend, pad=64)
        forwards("%s, four bytes behind the packet" % mix, ip(family) / tcp(port, "A") / data(50), backend,
                 pad=14 + header + 20 + 50 + 4)


def fields():
    for mix, family, port, backend, _ in MIXES:
        for tos in 0x01, 0x02, 0x03, 0x2e << 2, 0x2e << 2 | 1, 0xff:
            forwards("%s, traffic class %#04x" % (mix, tos), ip(family, tos=tos) / tcp(port, "A") / data(9), backend)
        for ttl in 1, 2, 64, 255:
            forwards("%s, TTL %d stays as it is" % (mix, ttl), ip(family, ttl=ttl) / udp(port) / data(9), backend)
        forwards("%s, TCP options" % mix, ip(family) / tcp(port, "S", options=[
            ("MSS", 1460 if family == 4 else 1440), ("SAckOK", b""), ("Timestamp", (0x12345678, 0)), ("NOP", None),
            ("WScale", 7)]), backend)
        forwards("%s, the most TCP options" % mix, ip(family) / tcp(port, "A", options=[("NOP", None)] * 40), backend)
        forwards("%s, a wrong TCP checksum is the backend's to see" % mix,
                 ip(family) / tcp(port, "A", chksum=0x1234) / data(5), backend)
        forwards("%s, reserved TCP bits" % mix, ip(family) / tcp(port, "A", reserved=5), backend)
    for mix, family, port, backend, _ in MIXES:
        if family == 6:
            forwards("%s, the client's own flow label" % mix, ip(6, label=0xabcde) / tcp(port, "S"), backend)
            continue
        forwards("%s, DF" % mix, ip(4, flags="DF", id=0) / tcp(port, "S"), backend)
        forwards("%s, UDP without a checksum" % mix, ip(4) / udp(port, chksum=0) / data(20), backend)
        forwards("%s, an IP option" % mix, ip(4, options=[IPOption_Router_Alert()]) / udp(port) / data(3), backend)
        forwards("%s, route and time recorded" % mix,
                 ip(4, options=[IPOption_RR(routers=["198.51.100.1"]), IPOption_Timestamp(flg=0, timestamp=5)]) /
                 tcp(port, "A") / data(3), backend)
        forwards("%s, the most IP options" % mix, ip(4, options=[IPOption(b"\x01")] * 40) / tcp(port, "S"), backend)


def flows():
    for n, source_port in enumerate((0, 1, 53, 443, 1023, 32768, 50000, 65535)):
        address = {4: "203.0.113.%d" % (n * 31 + 1), 6: "2001:db8:%x::%x" % (n * 7919, n + 1)}
        for mix, family, port, backend, _ in MIXES:
            if backend is V6 and port == TO_V6:
                forwards("%s, the flow label of a client at port %d" % (mix, source_port),
                         ip(family, source=address[family]) / udp(port, source_port) / data(n), backend)


def tagged():
    for words, tags in TAGS:
        for mix, family, port, backend, tunnel in MIXES:
            forwards("%s: %s" % (words, mix), ip(family) / tcp(port, "S"), backend, tags=tags)
        forwards("%s: 4in4, the largest that fits" % words, ip(4) / tcp(TO_V4, "A") / data(1440), V4, tags=tags)
        forwards("%s: l2, padded" % words, ip(4) / udp(L2), V4, tags=tags, pad=60)
        forwards("%s: by another link" % words, ip(6) / udp(TO_V4_OTHER_LINK), V4_OUT, tags=tags)


def any_port():
    world = {"world": "any port", "mode": "l2"}
    for port in 1, 80, 65535:
        forwards("any port takes port %d" % port, ip(4, destination=ANY[4]) / tcp(port, "S"), V4, service_port=0,
                 **world)
        forwards("any port takes UDP port %d over IPv6" % port, ip(6, destination=ANY[6]) / udp(port), V6,
                 service_port=0, **world)
    forwards("the exact port wins", ip(4, destination=ANY[4]) / tcp(443, "A"), V4_OUT, **world)
    passes("any TCP port is not UDP", frame(ip(4, destination=ANY[4]) / udp(80)), world="any port")
    passes("any UDP port is not TCP", frame(ip(6, destination=ANY[6]) / tcp(80, "S")), world="any port")


def prefixes():
    """The very address first, then the longest prefix (docs/policy.md)."""
    world = {"world": "prefixes", "mode": "l2"}
    for last, backend in (0, V4), (1, V4), (127, V4), (128, V4_OUT), (255, V4_OUT):
        address = "192.0.2.%d" % last
        forwards("a prefix takes %s" % address, ip(4, destination=address) / tcp(80, "S"), backend, **world)
        passes("a prefix takes no other port of %s" % address, frame(ip(4, destination=address) / tcp(81)),
               world="prefixes")
    for address, backend in (("2001:db8:1::", V6), ("2001:db8:1::5", V6), ("2001:db8:1:0:ffff:ffff:ffff:ffff", V6)):
        forwards("a prefix takes %s" % address, ip(6, destination=address) / udp(5000) / data(3), backend, **world)
    forwards("the very address of a prefix", ip(6, destination="2001:db8:1::5") / udp(53), V6_OUT, **world)
    for address in "2001:db8:1:1::", "2001:db8:0:ffff::":
        passes("beside a prefix, %s" % address, frame(ip(6, destination=address) / udp(53)), world="prefixes")
    passes("beside a prefix, 192.0.1.255", frame(ip(4, destination="192.0.1.255") / tcp(80)), world="prefixes")
    drops("malformed, to a prefix", frame(ip(4, destination="192.0.2.77") / tcp(80))[:-1], "malformed",
          world="prefixes")
    case("echo to a prefix", frame(ip(4, destination="192.0.2.77") / ICMP(id=1) / data(5)), "answer",
         frame(ip(4, source="192.0.2.77", destination=CLIENT[4], ttl=64) / ICMP(type=0, id=1) / data(5),
               destination=ROUTER, source=BALANCER), world="prefixes")


def slots():
    """A client port a case, so that no case meets the flow of another."""
    port = 10000
    for mix, family, service, backend, _ in MIXES:
        later = OUT_BY_FAMILY[backend.family]
        for world, now, was in ("moving", later, backend), ("resolving", later, later), ("one down", later, later):
            for flags, expected in ("S", now), ("A", was), ("FA", was):
                port += 1
                forwards("%s, %s: flags %s" % (mix, world, flags), ip(family) / tcp(service, flags, port), expected,
                         world=world)
            port += 1
            forwards("%s, %s: UDP" % (mix, world), ip(family) / udp(service, port) / data(8), now, world=world)
        port += 1
        forwards("%s, moving: a new flow stays where its SYN went" % mix, ip(family) / tcp(service, "A", port), later,
                 world="moving", before=[frame(ip(family) / tcp(service, "S", port))])


SECTIONS = [modes, sizes, fields, flows, tagged, any_port, prefixes, slots]
