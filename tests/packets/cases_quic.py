# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""QUIC: which datagrams the server id in their connection id sends elsewhere (RFC 8999, 9000, 9369; docs/quic.md).

In the world "quic" the services on port 443 read two bytes behind the first one of the connection id: 0a01 is the backend
on the other link, 0a02 one that is down, 0a03 is nobody's. The slots have the backend of the family.
"""

from cases_odd import ROUTER_ADDRESS, errors
from generate import BY_FAMILY, CLIENT, OUT_BY_FAMILY, VIP, Raw, cases, forwards, ip, raw, udp

QUIC, PLAIN = 443, 80
V1, V2, DRAFT, GREASE, NEGOTIATION = 1, 0x6b3343cf, 0xff00001d, 0x1a2a3a4a, 0
INITIAL, ZERO_RTT, HANDSHAKE, RETRY = range(4)
TYPE_BITS = {V1: {INITIAL: 0, ZERO_RTT: 1, HANDSHAKE: 2, RETRY: 3},  # RFC 9000 section 17.2
             V2: {INITIAL: 1, ZERO_RTT: 2, HANDSHAKE: 3, RETRY: 0}}  # RFC 9369 section 3.2
WORDS = {INITIAL: "Initial", ZERO_RTT: "0-RTT", HANDSHAKE: "Handshake", RETRY: "Retry"}
REST = bytes(range(40))


def connection_id(server_id, length=8):
    return (b"\x55" + server_id + b"\xc0\xff\xee\xc0\xff\xee\xc0\xff\xee" * 2)[:length]


def long_header(version, kind, cid, first=0xc0):
    return bytes([first | TYPE_BITS.get(version, TYPE_BITS[V1])[kind] << 4]) + version.to_bytes(4, "big") + \
        bytes([len(cid)]) + cid + b"\x04scid" + REST


def short_header(cid, first=0x40):
    return bytes([first]) + cid + REST


def quic():
    for family in 4, 6:
        here, there = BY_FAMILY[family], OUT_BY_FAMILY[family]

        def goes(name, payload, backend, port=QUIC, pad=0):  # each from a port of its own: no flow is the same
            source_port = 5000 + len(cases)
            forwards("QUIC: %s, IPv%d" % (name, family), ip(family) / udp(port, source_port) / Raw(payload), backend,
                     mode="l2", world="quic", pad=pad)

        named = connection_id(b"\x0a\x01")
        goes("short header, the server's own id", short_header(named), there)
        goes("short header, spin bit, key phase and no fixed bit", short_header(named, 0x3f), there)
        goes("short header, an id of 20 bytes", short_header(connection_id(b"\x0a\x01", 20)), there)
        goes("short header, the server id ends it", short_header(connection_id(b"\x0a\x01", 3)), there)
        goes("short header, as short as a packet can be", short_header(named)[:1 + 3 + 1 + 16], there)
        goes("short header, cut before what any packet has", short_header(named)[:9], here)
        goes("short header, cut before what any packet has, padded", short_header(named)[:9], here, pad=100)
        goes("short header, a backend that is down", short_header(connection_id(b"\x0a\x02")), here)
        goes("short header, an id that nobody has", short_header(connection_id(b"\x0a\x03")), here)
        goes("short header, half an id", short_header(connection_id(b"\x01\x0a")), here)
        goes("nothing", b"", here)
        goes("one byte", b"\x40", here)
        for version, words in (V1, "version 1"), (V2, "version 2"):
            for kind in WORDS:
                goes("%s, %s with a server id" % (words, WORDS[kind]), long_header(version, kind, named),
                     there if kind == HANDSHAKE else here)
            goes("%s, Handshake, an id too short" % words, long_header(version, HANDSHAKE, named[:2]), here)
            goes("%s, Handshake, an id too short that what follows would end" % words,
                 bytes([0xc0 | TYPE_BITS[version][HANDSHAKE] << 4]) + version.to_bytes(4, "big") + b"\x02" + named[:2] + b"\x01s" + REST, here)
            goes("%s, Handshake, no id" % words, long_header(version, HANDSHAKE, b""), here)
            goes("%s, Handshake cut short" % words, long_header(version, HANDSHAKE, named)[:5], here)
        for version, words in (DRAFT, "a draft"), (GREASE, "a reserved version"), (NEGOTIATION, "version negotiation"):
            for kind in WORDS:
                goes("%s, type %d" % (words, kind), long_header(version, kind, named), here)
        goes("a service that is not QUIC", short_header(named), here, port=PLAIN)
        # What an error quotes begins where a datagram would: its length, or flow label, is no server id.
        source_port = 5000 + len(cases)
        answer = ip(family, source=VIP[family], destination=CLIENT[family]) / udp(source_port, QUIC) / Raw(REST)
        setattr(answer, *("len", 0x0a01) if family == 4 else ("fl", 0x0a01))
        forwards("QUIC: an error whose quote looks like a server id, IPv%d" % family,
                 ip(family, source=ROUTER_ADDRESS[family]) / errors(family)[0][1] / Raw(raw(answer)), here, mode="l2", world="quic",
                 flow=ip(family) / udp(QUIC, source_port))


SECTIONS = [quic]
