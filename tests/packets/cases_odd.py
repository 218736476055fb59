# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What few packets are: fragments, ICMP errors, IPv6 extension headers, sources and flags that cannot be, refusals."""

from scapy.all import (IPv6ExtHdrDestOpt, IPv6ExtHdrFragment, IPv6ExtHdrHopByHop, IPv6ExtHdrRouting,
                       ICMPv6DestUnreach, ICMPv6PacketTooBig, ICMPv6TimeExceeded, PadN)

from generate import *

ROUTER_ADDRESS = {4: "203.0.113.254", 6: "2001:db8:f::fe"}  # on the way, where errors come from
REJECT = 90  # in the world "reject"


# ---- fragments: RFC 791 3.2, RFC 8200 4.5 ----

def pieces(family, transport, number, *ranges, addresses=None):
    """Fragments of what is behind the IP header: (start, end) in bytes; the last one that reaches the end is the last."""
    source, destination = addresses or (CLIENT[family], VIP[family])
    packet = ip(family, source=source, destination=destination) / transport
    whole = raw(packet)[20 if family == 4 else 40:]
    protocol = 6 if TCP in packet else 17
    for start, end in ranges:
        more = end < len(whole)
        if family == 4:
            yield IP(src=source, dst=destination, ttl=57, id=number, flags="MF" if more else 0, frag=start // 8,
                     proto=protocol) / Raw(whole[start:end])
        else:
            yield IPv6(src=source, dst=destination, hlim=57) / IPv6ExtHdrFragment(
                nh=protocol, offset=start // 8, m=int(more), id=number) / Raw(whole[start:end])


def in_fragments(mix, family, port, backend, number):
    """UDP and TCP in three fragments each, with the numbers that follow."""
    for kind, transport in ("UDP", udp(port) / data(1300)), ("TCP", tcp(port, "A") / data(1300)):
        number += 1
        flow = ip(family) / transport
        first, middle, last = pieces(family, transport, number, (0, 800), (800, 1200), (1200, 4000))
        forwards("%s, %s in fragments: the first" % (mix, kind), first, backend, flow=flow)
        for words, packet in ("one in the middle", middle), ("the last", last):
            forwards("%s, %s in fragments: %s" % (mix, kind, words), packet, backend, flow=flow,
                     before=[frame(first)])


def fragments():
    number = 0x100
    for mix, family, port, backend, _ in MIXES:
        in_fragments(mix, family, port, backend, number)
        number += 2
    for family in 4, 6:
        number += 1
        transport = udp(L2) / data(1000)
        first, last = pieces(family, transport, number, (0, 504), (504, 4000))
        tags = [(0x8100, 0, 0, 5)]
        forwards("a tagged fragment, IPv%d" % family, last, BY_FAMILY[family], flow=ip(family) / transport, tags=tags,
                 before=[frame(first, tags)])
        lone, = pieces(family, transport, number + 0x1000, (504, 4000))
        drops("a fragment whose first was not seen, IPv%d" % family, frame(lone), "fragment_unknown")
        short, = pieces(family, tcp(L2, "A") / data(64), number + 0x2000, (0, 8))
        drops("a first fragment too short for TCP, IPv%d" % family, frame(short), "fragment")
        tiny, = pieces(family, tcp(L2, "A") / data(64), number + 0x3000, (8, 4000))
        drops("a fragment over the TCP flags, IPv%d" % family, frame(tiny), "fragment")
        odd, = pieces(family, udp(L2) / data(64), number + 0x4000, (0, 43))
        drops("a fragment, not the last, of odd length, IPv%d" % family, frame(odd), "malformed")
        first, over = pieces(family, transport, number + 0x5000, (0, 504), (496, 4000))
        drops("a fragment over the first one, IPv%d" % family, frame(over), "fragment", before=[frame(first)])
    for family, transport in (4, tcp(L2, "A") / data(1000)), (6, udp(L2) / data(1000)):  # of one client, with one number, at once
        first, _ = pieces(family, transport, number + 0x6000, (0, 504), (504, 4000))
        _, other = pieces(family, transport, number + 0x6000, (0, 504), (504, 4000), addresses=(CLIENT[family], ANY[family]))
        drops("a fragment to another address than the first one, IPv%d" % family, frame(other), "fragment_unknown",
              world="any port", before=[frame(first)])
    fragmented_echo = ip(4, flags="MF") / ICMP() / data(8)
    drops("a fragmented echo request", frame(fragmented_echo), "fragment")
    forwards("an atomic fragment", IPv6(src=CLIENT[6], dst=VIP[6], hlim=57) / IPv6ExtHdrFragment(id=9) / tcp(L2), V6,
             flow=ip(6) / tcp(L2))


# ---- ICMP errors: RFC 792, RFC 4443, RFC 7690 ----

def quoted(family, transport):
    """The answer of the service that somebody complains of."""
    return Raw(raw(ip(family, source=VIP[family], destination=CLIENT[family]) / transport))


def errors(family):
    if family == 4:
        return [("fragmentation needed", ICMP(type=3, code=4, nexthopmtu=1400)), ("unreachable", ICMP(type=3, code=1)),
                ("time exceeded", ICMP(type=11, code=0))]
    return [("packet too big", ICMPv6PacketTooBig(mtu=1400)), ("unreachable", ICMPv6DestUnreach(code=1)),
            ("time exceeded", ICMPv6TimeExceeded(code=0))]


def icmp_errors():
    for mix, family, port, backend, _ in MIXES:
        for words, error in errors(family):
            answer = tcp(4000, "A", port) / data(100)
            forwards("%s, %s" % (mix, words), ip(family, source=ROUTER_ADDRESS[family]) / error /
                     quoted(family, answer), backend, flow=ip(family) / tcp(port, "A"))
        answer = udp(4000, port) / data(100)
        forwards("%s, an error about UDP" % mix, ip(family, source=ROUTER_ADDRESS[family]) / errors(family)[0][1] /
                 quoted(family, answer), backend, flow=ip(family) / udp(port))
    for family in 4, 6:
        error = errors(family)[0][1]
        other = Raw(raw(ip(family, source=OTHER[family], destination=CLIENT[family]) / tcp(4000, "A", L2)))
        drops("an error that quotes nothing of ours, IPv%d" % family,
              frame(ip(family, source=ROUTER_ADDRESS[family]) / error / other), "icmp_error")
        little = Raw(raw(quoted(family, tcp(4000, "A", L2)))[:24])
        drops("an error that quotes too little, IPv%d" % family,
              frame(ip(family, source=ROUTER_ADDRESS[family]) / error / little), "icmp_error")
        answer = quoted(family, tcp(4000, "A", L2) / data(100))
        drops("an error from the service's own address, IPv%d" % family, frame(ip(family, source=VIP[family]) / error / answer),
              "land")
        drops("an error from a source that nobody has, IPv%d" % family,
              frame(ip(family, source={4: "127.0.0.1", 6: "::1"}[family]) / error / answer), "martian")
        passes("an error about another port, IPv%d" % family,
               frame(ip(family, source=ROUTER_ADDRESS[family]) / error / quoted(family, tcp(4000, "A", UNUSED))))


# ---- extension headers: RFC 8200 4 ----

def chain(*headers, transport=None, ttl=57, destination=VIP[6]):
    packet = IPv6(src=CLIENT[6], dst=destination, hlim=ttl)
    for header in headers:
        packet = packet / header
    return packet / (transport or tcp(L2, "A") / data(50))


def dest(n=8):
    return IPv6ExtHdrDestOpt(options=[PadN(optdata=bytes(n - 4))])


def hop():
    return IPv6ExtHdrHopByHop(options=[PadN(optdata=bytes(4))])


def extensions():
    for words, headers in (("hop-by-hop options", [hop()]), ("destination options", [dest()]),
                           ("64 bytes of options", [dest(64)]),
                           ("a route at its end", [IPv6ExtHdrRouting(type=4, segleft=0)]),
                           ("several headers", [hop(), dest(), IPv6ExtHdrRouting(segleft=0), dest(24)])):
        for mode, transport, backend in (("l2", tcp(L2, "A") / data(50), V6), ("6in4", udp(TO_V4) / data(9), V4),
                                         ("6in6", tcp(TO_V6), V6)):
            forwards("%s, %s" % (words, mode), chain(*headers, transport=transport), backend, flow=ip(6) / transport)
    passes("hop-by-hop options to another address", frame(chain(hop(), destination=OTHER[6])))
    passes("hop-by-hop options to another port", frame(chain(hop(), transport=tcp(UNUSED))))
    drops("seven extension headers", frame(chain(*[dest() for _ in range(7)])), "ext_headers")
    drops("a route with a segment left", frame(chain(IPv6ExtHdrRouting(addresses=["2001:db8::5"], segleft=1))),
          "ext_headers")
    drops("hop-by-hop options that are not first", frame(chain(dest(), hop())), "malformed")
    drops("hop limit 0 behind options", frame(chain(hop(), ttl=0)), "ttl_zero")
    whole = frame(chain(dest()))
    drops("an extension header longer than the packet", whole[:14 + 41] + b"\x20" + whole[14 + 42:], "malformed")


# ---- what cannot be ----

MARTIANS = {4: ("0.0.0.0", "0.1.2.3", "127.0.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255"),
            6: ("::", "::1", "ff02::1", "ff0e::1")}


def impossible():
    for family in 4, 6:
        for source in MARTIANS[family]:
            drops("from %s, TCP" % source, frame(ip(family, source=source) / tcp(L2)), "martian")
            drops("from %s, UDP" % source, frame(ip(family, source=source) / udp(TO_V4)), "martian")
        drops("from the service's own address, IPv%d" % family, frame(ip(family, source=VIP[family]) / tcp(L2)), "land")
        drops("from the service's own address and port, IPv%d" % family,
              frame(ip(family, source=VIP[family]) / udp(L2, source_port=L2)), "land")
        for flags in "", "F", "P", "U", "SF", "SR", "FPU", "RF", "SAU", "FSRPAU":
            drops("TCP flags %s, IPv%d" % (flags or "none", family), frame(ip(family) / tcp(L2, flags)), "tcp_flags")
        for flags in "SP", "SA", "RA", "PAU", "FPA", "RAU", "SU":
            forwards("TCP flags %s, IPv%d" % (flags, family), ip(family) / tcp(L2, flags), BY_FAMILY[family])


# ---- refusals: RFC 9293 3.10.7.1, RFC 792, RFC 4443 3.1 ----

def rejects():
    def answered(name, packet, reply, pad=0):
        case(name, frame(packet, pad=pad), "answer", frame(reply, destination=ROUTER, source=BALANCER), "rejected",
             world="reject")

    for family in 4, 6:
        back = {"source": VIP[family], "destination": CLIENT[family], "ttl": 64, "id": 0}

        def reset(flags, seq, ack):
            return ip(family, **back) / TCP(sport=REJECT, dport=4000, flags=flags, seq=seq, ack=ack, window=0)

        answered("SYN refused, IPv%d" % family, ip(family) / tcp(REJECT), reset("RA", 0, 0x01020305))
        answered("SYN with data refused, IPv%d" % family, ip(family) / tcp(REJECT) / data(7),
                 reset("RA", 0, 0x0102030c))
        answered("ACK refused, IPv%d" % family, ip(family) / tcp(REJECT, "A"), reset("R", 0x05060708, 0))
        packet = ip(family) / udp(REJECT) / data(40)
        error = ICMP(type=3, code=3) if family == 4 else ICMPv6DestUnreach(code=4)
        answered("UDP refused, IPv%d" % family, packet, ip(family, **back) / error / Raw(raw(packet)))


SECTIONS = [fragments, icmp_errors, extensions, impossible, rejects]
