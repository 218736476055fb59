# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""GUE, and what is too large for a tunnel."""

from scapy.all import ICMPv6PacketTooBig, IPOption, IPOption_Router_Alert

from cases_odd import ROUTER_ADDRESS, chain, dest, errors, hop, in_fragments, pieces, quoted
from generate import *

GUE_MIXES = [("gue, 4 over 4", 4, GUE_TO_V4, V4, 32), ("gue, 4 over 6", 4, GUE_TO_V6, V6, 52),
             ("gue, 6 over 4", 6, GUE_TO_V4, V4, 32), ("gue, 6 over 6", 6, GUE_TO_V6, V6, 52)]


def gue():
    for mix, family, port, backend, tunnel in GUE_MIXES:
        most = MTU - tunnel - (20 if family == 4 else 40)
        forwards("%s, a SYN" % mix, ip(family) / tcp(port, "S"), backend)
        forwards("%s, data" % mix, ip(family) / tcp(port, "PA") / data(333), backend)
        forwards("%s, UDP" % mix, ip(family) / udp(port) / data(100), backend)
        forwards("%s, the largest TCP that fits" % mix, ip(family) / tcp(port, "A") / data(most - 20), backend)
        forwards("%s, the largest UDP that fits" % mix, ip(family) / udp(port) / data(most - 8), backend)
        forwards("%s, padded" % mix, ip(family) / udp(port), backend, pad=64)
        for tos in 0x03, 0x2e << 2 | 1:
            forwards("%s, traffic class %#04x" % (mix, tos), ip(family, tos=tos) / tcp(port, "A") / data(9), backend)
        for source_port in 0, 53, 65535:
            forwards("%s, the source port of a client at port %d" % (mix, source_port),
                     ip(family) / udp(port, source_port) / data(3), backend)
        for words, tags in TAGS:
            forwards("%s: %s" % (words, mix), ip(family) / tcp(port, "S"), backend, tags=tags)


def gue_of_the_unusual():
    """What few packets are, as cases_odd.py has it, in the same tunnel as the rest of its flow."""
    number = 0x6100
    for mix, family, port, backend, _ in GUE_MIXES:
        in_fragments(mix, family, port, backend, number)
        number += 2
        for words, error in errors(family):
            for kind, answer, flow in (("TCP", tcp(4000, "A", port), tcp(port, "A")), ("UDP", udp(4000, port), udp(port))):
                forwards("%s, %s, about %s" % (mix, words, kind), ip(family, source=ROUTER_ADDRESS[family]) / error /
                         quoted(family, answer / data(100)), backend, flow=ip(family) / flow)
        if family == 4:
            forwards("%s, an IP option" % mix, ip(4, options=[IPOption_Router_Alert()]) / udp(port) / data(3), backend)
            forwards("%s, the most IP options" % mix, ip(4, options=[IPOption(b"\x01")] * 40) / tcp(port, "S"), backend)
            continue
        for words, headers in ("hop-by-hop options", [hop()]), ("several headers", [hop(), dest(), dest(24)]):
            forwards("%s, %s" % (mix, words), chain(*headers, transport=tcp(port, "A") / data(50)), backend,
                     flow=ip(6) / tcp(port, "A"))


def too_big(packet, mtu, tags=()):
    """RFC 792 and 1191, as much as fits 576 bytes (RFC 1812 4.3.2.3); RFC 4443 3.2, as much as fits 1,280."""
    back = {"destination": ROUTER, "source": BALANCER}
    if isinstance(packet, IP):
        return frame(IP(src=packet.dst, dst=packet.src, tos=0xc0, id=0, flags="DF", ttl=64) /
                     ICMP(type=3, code=4, nexthopmtu=mtu) / Raw(raw(packet)[:548]), tags, **back)
    return frame(IPv6(src=packet.dst, dst=packet.src, hlim=64) / ICMPv6PacketTooBig(mtu=mtu) /
                 Raw(raw(packet)[:1232]), tags, **back)


def refused():
    def answered(name, packet, mtu, tags=(), pad=0):
        case(name, frame(packet, tags, pad=pad), "answer", too_big(packet, mtu, tags), reason="too_big_answered")

    for mix, family, port, _, tunnel in MIXES + GUE_MIXES:
        least = MTU - tunnel - (20 if family == 4 else 40) + 1
        packet = ip(family, flags="DF") / tcp(port, "A") / data(least - 20)
        answered("%s, a byte too many" % mix, packet, MTU - tunnel)
        answered("%s, UDP, a byte too many" % mix, ip(family, flags="DF") / udp(port) / data(least - 8), MTU - tunnel)
        answered("%s, a byte too many, padded" % mix, packet, MTU - tunnel, pad=1600)
        answered("%s, a byte too many, behind a tag" % mix, packet, MTU - tunnel, tags=TAGS[0][1])
        answered("%s, a byte too many, behind two" % mix, packet, MTU - tunnel, tags=TAGS[4][1])
        if family == 4 and tunnel:
            first, _ = pieces(4, udp(port) / data(1992), 0x6200 + port, (0, 1000), (1000, 4000))
            later = IP(src=CLIENT[4], dst=VIP[4], ttl=57, id=0x6200 + port, flags="MF+DF", frag=1000 // 8, proto=17) / Raw(DATA[:1480])
            drops("%s, a later fragment too big: it is not answered" % mix, frame(later), "too_big", before=[frame(first)])
        if family == 4:
            drops("%s, a byte too many, may be fragmented" % mix, frame(ip(4) / tcp(port, "A") / data(least - 20)),
                  "too_big")


SECTIONS = [gue, gue_of_the_unusual, refused]
