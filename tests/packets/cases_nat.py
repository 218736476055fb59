# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""forward: nat, both ways. Whatever changes, scapy computes all checksums anew; shunt updates them (RFC 1624)."""

from scapy.all import (ICMPerror, IPerror, IPerror6, IPOption, IPOption_Router_Alert, IPv6ExtHdrDestOpt, IPv6ExtHdrFragment,
                       IPv6ExtHdrHopByHop, PadN, ICMPv6TimeExceeded, ICMPv6PacketTooBig, TCPerror, UDPerror)

from cases_odd import ROUTER_ADDRESS, errors, pieces
from generate import *

WEB, DNS, ELSEWHERE, DELIVERED = 80, 53, 83, 8080
ANY_V4, ANY_V6 = Backend(5, "10.0.1.15"), Backend(6, "fd00::1:16")
# Clients, by where their answers go: fixture_routes() of tests/lib/fixture.h.
ROUTER_OUT = "02:00:00:00:00:04"
FAR = {4: "198.51.101.7", 6: "2001:db8:d::7"}
NARROW = {4: "198.51.102.7", 6: "2001:db8:e::7"}
UNRESOLVED = {4: "198.51.103.7", 6: "2001:db8:f::7"}
BY_TOS = "198.51.104.7"
NO_ROUTE = {4: "192.88.99.1", 6: "2001:db9::1"}
BALANCER_ADDRESS = {4: "10.0.0.1", 6: "fd00::1"}
INSIDE_ROUTER = {4: "10.0.1.254", 6: "fd00::1:fe"}
SERVICE_OF = {4: (VIP[4], WEB), 6: (VIP[6], WEB)}
KINDS = [("a SYN", lambda: (tcp(0, "S", options=[("MSS", 1460), ("SAckOK", b""), ("WScale", 7)]), WEB)),
         ("an ACK", lambda: (tcp(0, "A"), WEB)), ("data", lambda: (tcp(0, "PA") / data(333), WEB)),
         ("a FIN", lambda: (tcp(0, "FA"), WEB)), ("a reset", lambda: (tcp(0, "R"), WEB)),
         ("UDP", lambda: (udp(0) / data(100), DNS)), ("UDP without data", lambda: (udp(0), DNS)),
         ("UDP with one byte", lambda: (udp(0) / data(1), DNS))]


def fresh(packet):
    """The packet with all its checksums computed anew."""
    return packet.__class__(raw(packet))


def without_sums(packet):
    """Removes checksums, so that scapy fills them in; a UDP checksum of zero says that there is none."""
    layer = packet
    while layer and not isinstance(layer, bytes):
        if isinstance(layer, (IP, IPerror, TCP, TCPerror)) or (isinstance(layer, (UDP, UDPerror)) and layer.chksum != 0):
            del layer.chksum
        layer = layer.payload if layer.payload else None
    return packet


def hop(packet, hops=1):
    if isinstance(packet, IP):
        packet.ttl -= hops
    else:
        packet.hlim -= hops
    return packet


def translated(packet, address, port=None, source=False, hops=1):
    out = hop(packet.copy(), hops)
    layer = out.getlayer(TCP) or out.getlayer(UDP)
    setattr(out, "src" if source else "dst", address)
    if layer and port is not None:
        setattr(layer, "sport" if source else "dport", port)
    return without_sums(out)


def goes(name, packet, backend, port, tags=(), pad=0, world="nat", limited=lambda packet: packet, **more):
    """Towards the backend; `limited`: with a lower MSS."""
    given = frame(packet, tags, pad=pad)
    out = frame(limited(translated(packet, backend.address, port)), tags, destination=backend.mac, source=backend.from_mac, pad=pad)
    case(world + ": " + name, given, backend.way, out, world=world, **more)


def returns(name, packet, service, far=False, tags=(), pad=0, world="nat", limited=lambda packet: packet, **more):
    """Back to the client, as the service's answer. Service: (address, port)."""
    given = frame(packet, tags, pad=pad)
    to = {"destination": ROUTER_OUT, "source": OUT} if far else {"destination": ROUTER, "source": BALANCER}
    out = frame(limited(translated(packet, *service, source=True)), tags, pad=pad, **to)
    case(world + ", an answer: " + name, given, "answer-out" if far else "answer", out, world=world, **more)


def to_service(transport, port, source_port=4000):
    transport.sport, transport.dport = source_port, port
    return transport


def from_backend(transport, port, client_port=4000):
    transport.sport, transport.dport = port, client_port
    return transport


def both_ways():
    for family in 4, 6:
        backend = BY_FAMILY[family]
        for kind, make in KINDS:
            transport, port = make()
            goes("IPv%d, %s" % (family, kind), ip(family) / to_service(transport, port), backend, DELIVERED)
            transport, port = make()
            answer = ip(family, source=backend.address, destination=CLIENT[family])
            returns("IPv%d, %s" % (family, kind), answer / from_backend(transport, DELIVERED), (VIP[family], port))
            answer = ip(family, source=backend.address, destination=FAR[family])
            returns("IPv%d, %s, by another link" % (family, kind), answer / from_backend(make()[0], DELIVERED),
                    (VIP[family], port), far=True)
    goes("by another link, the port stays", ip(4) / tcp(ELSEWHERE, "A") / data(10), V4_OUT, ELSEWHERE)
    goes("by another link, UDP over IPv6", ip(6) / udp(ELSEWHERE) / data(10), V6_OUT, ELSEWHERE)
    returns("the port stays", ip(4, source=V4_OUT.address, destination=CLIENT[4]) / tcp(4000, "A", ELSEWHERE),
            (VIP[4], ELSEWHERE))
    returns("the port stays, UDP over IPv6", ip(6, source=V6_OUT.address, destination=CLIENT[6]) / udp(4000, ELSEWHERE),
            (VIP[6], ELSEWHERE))
    for tos, far in (0, False), (0x10, True), (0x10 | 1, True):  # routes go by TOS, and ECN is none of it (RFC 3168)
        returns("a route by TOS, %#04x" % tos, ip(4, source=V4.address, destination=BY_TOS, tos=tos) / tcp(4000, "A", DELIVERED),
                (VIP[4], WEB), far=far)
    for port in 1, 80, 65535:
        goes("every port, %d" % port, ip(4, destination=ANY[4]) / tcp(port, "S"), ANY_V4, port)
        goes("every port, IPv6, UDP %d" % port, ip(6, destination=ANY[6]) / udp(port) / data(5), ANY_V6, port)
        returns("every port, %d" % port, ip(4, source=ANY_V4.address, destination=CLIENT[4]) / tcp(4000, "SA", port),
                (ANY[4], port))
        returns("every port, IPv6, UDP %d" % port,
                ip(6, source=ANY_V6.address, destination=CLIENT[6]) / udp(4000, port) / data(5), (ANY[6], port))


def sizes_and_fields():
    for family in 4, 6:
        backend, header = BY_FAMILY[family], 20 if family == 4 else 40
        back = {"source": backend.address, "destination": CLIENT[family]}
        for words, packet in (("the largest TCP", tcp(WEB, "A") / data(1500 - header - 20)),
                              ("the largest UDP", udp(DNS) / data(1500 - header - 8)), ("an odd length", udp(DNS) / data(777))):
            goes("IPv%d, %s" % (family, words), ip(family) / packet, backend, DELIVERED)
        goes("IPv%d, padded to Ethernet's least" % family, ip(family) / udp(DNS), backend, DELIVERED, pad=64)
        returns("IPv%d, padded to Ethernet's least" % family, ip(family, **back) / udp(4000, DELIVERED), (VIP[family], DNS),
                pad=64)
        for ttl in 2, 3, 64, 128, 255:
            goes("IPv%d, TTL %d" % (family, ttl), ip(family, ttl=ttl) / tcp(WEB, "A"), backend, DELIVERED)
            returns("IPv%d, TTL %d" % (family, ttl), ip(family, ttl=ttl, **back) / tcp(4000, "A", DELIVERED),
                    (VIP[family], WEB))
        for tos in 0x01, 0x03, 0x2e << 2 | 1, 0xff:
            goes("IPv%d, traffic class %#04x" % (family, tos), ip(family, tos=tos) / tcp(WEB, "A"), backend, DELIVERED)
            returns("IPv%d, traffic class %#04x" % (family, tos), ip(family, tos=tos, **back) / tcp(4000, "A", DELIVERED),
                    (VIP[family], WEB))
        for words, tags in TAGS:
            goes("%s: IPv%d" % (words, family), ip(family) / tcp(WEB, "S"), backend, DELIVERED, tags=tags)
            returns("%s: IPv%d" % (words, family), ip(family, **back) / tcp(4000, "SA", DELIVERED), (VIP[family], WEB),
                    tags=tags)
        for source_port in 0, 1, 53, 8080, 65535:
            goes("IPv%d, a client at port %d" % (family, source_port), ip(family) / udp(DNS, source_port) / data(3), backend,
                 DELIVERED)
            returns("IPv%d, a client at port %d" % (family, source_port),
                    ip(family, **back) / udp(source_port, DELIVERED) / data(3), (VIP[family], DNS))
    goes("UDP without a checksum", ip(4) / udp(DNS, chksum=0) / data(20), V4, DELIVERED)
    returns("UDP without a checksum", ip(4, source=V4.address, destination=CLIENT[4]) / udp(4000, DELIVERED, chksum=0) / data(20),
            (VIP[4], DNS))
    goes("an IP option", ip(4, options=[IPOption_Router_Alert()]) / udp(DNS) / data(3), V4, DELIVERED)
    returns("an IP option", ip(4, source=V4.address, destination=CLIENT[4], options=[IPOption_Router_Alert()]) /
            udp(4000, DELIVERED) / data(3), (VIP[4], DNS))
    returns("the most IP options", ip(4, source=V4.address, destination=CLIENT[4], options=[IPOption(b"\x01")] * 40) /
            tcp(4000, "SA", DELIVERED), (VIP[4], WEB))
    goes("DF and id 0", ip(4, flags="DF", id=0) / tcp(WEB, "S"), V4, DELIVERED)
    goes("destination options", IPv6(src=CLIENT[6], dst=VIP[6], hlim=57) / IPv6ExtHdrDestOpt(options=[PadN(optdata=bytes(4))]) /
         tcp(WEB, "A") / data(50), V6, DELIVERED)
    goes("hop-by-hop options", IPv6(src=CLIENT[6], dst=VIP[6], hlim=57) / IPv6ExtHdrHopByHop(options=[PadN(optdata=bytes(4))]) /
         udp(DNS) / data(9), V6, DELIVERED)
    returns("destination options", IPv6(src=V6.address, dst=CLIENT[6], hlim=57) /
            IPv6ExtHdrDestOpt(options=[PadN(optdata=bytes(4))]) / tcp(4000, "A", DELIVERED) / data(50), (VIP[6], WEB))
    returns("hop-by-hop options", IPv6(src=V6.address, dst=CLIENT[6], hlim=57) /
            IPv6ExtHdrHopByHop(options=[PadN(optdata=bytes(4))]) / udp(4000, DELIVERED) / data(9), (VIP[6], DNS))


def with_sum(packet, wanted, change):
    """The packet with two bytes of data such that its UDP checksum, once `change` is made to it, comes to `wanted`."""
    def resulting(filler):
        return fresh(change(packet / Raw(filler.to_bytes(2, "big")))).getlayer(UDP).chksum

    filler = (resulting(0) - wanted) % 0xffff  # sums of words are modulo 0xffff (RFC 1071)
    assert resulting(filler) == wanted, (resulting(filler), wanted)
    return packet / Raw(filler.to_bytes(2, "big"))


def checksums():
    """RFC 768: a checksum that comes to zero is written as 0xffff; RFC 1624: and the sums around it are right."""
    for family in 4, 6:
        backend = BY_FAMILY[family]

        def forth(packet):
            return translated(packet, backend.address, DELIVERED)

        def back(packet):
            return translated(packet, VIP[family], DNS, source=True)
        answer = ip(family, source=backend.address, destination=CLIENT[family]) / udp(4000, DELIVERED)
        for wanted in 0xffff, 0x0001, 0xfffe:
            goes("IPv%d, a UDP checksum becomes %#06x" % (family, wanted), with_sum(ip(family) / udp(DNS), wanted, forth), backend,
                 DELIVERED)
            returns("IPv%d, a UDP checksum becomes %#06x" % (family, wanted), with_sum(answer, wanted, back), (VIP[family], DNS))
        goes("IPv%d, a UDP checksum was 0xffff" % family, with_sum(ip(family) / udp(DNS), 0xffff, lambda same: same), backend,
             DELIVERED)
    for number in range(0, 0x10000, 0x0fff):
        goes("identification %#06x" % number, ip(4, id=number) / tcp(WEB, "A", number), V4, DELIVERED)


def fragments():
    number = 0x7100
    for family in 4, 6:
        backend = BY_FAMILY[family]
        for kind, transport, port in ("UDP", udp(DNS) / data(1300), DNS), ("TCP", tcp(WEB, "A") / data(1300), WEB):
            number += 1
            changed = translated(ip(family) / transport, backend.address, DELIVERED)
            given = list(pieces(family, transport, number, (0, 800), (800, 1200), (1200, 4000)))
            out = list(pieces(family, changed.payload, number, (0, 800), (800, 1200), (1200, 4000),
                              addresses=(CLIENT[family], backend.address)))
            for n, words in enumerate(("the first", "one in the middle", "the last")):
                case("nat: IPv%d, %s in fragments: %s" % (family, kind, words), frame(given[n]), "tx",
                     frame(hop(out[n]), destination=backend.mac, source=BALANCER), world="nat",
                     before=[frame(given[0])] if n else [], flow=frame(ip(family) / transport))
            number += 1
            answer = from_backend(transport.copy(), DELIVERED)
            whole = ip(family, source=backend.address, destination=CLIENT[family]) / answer
            changed = translated(whole, VIP[family], port, source=True)
            ends = (backend.address, CLIENT[family])
            given = list(pieces(family, answer, number, (0, 800), (800, 1200), (1200, 4000), addresses=ends))
            out = list(pieces(family, changed.payload, number, (0, 800), (800, 1200), (1200, 4000),
                              addresses=(VIP[family], CLIENT[family])))
            for n, words in enumerate(("the first", "one in the middle", "the last")):
                case("nat, an answer: IPv%d, %s in fragments: %s" % (family, kind, words), frame(given[n]), "answer",
                     frame(hop(out[n]), destination=ROUTER, source=BALANCER), world="nat",
                     before=[frame(given[0])] if n else [])


def stray_fragments():
    """A later fragment of a backend whose first one was not seen could be of an answer; what the backend sends for itself passes."""
    number = 0x7900
    for family in 4, 6:
        backend, host = BY_FAMILY[family], INSIDE_ROUTER[family]
        ends, others = (backend.address, CLIENT[family]), (host, CLIENT[family])
        for kind, transport in ("UDP", udp(4000, DELIVERED) / data(1300)), ("TCP", tcp(4000, "A", DELIVERED) / data(1300)):
            number += 1
            first, last = pieces(family, transport, number, (0, 800), (800, 4000), addresses=ends)
            drops("nat, an answer: IPv%d, %s, a fragment whose first was not seen" % (family, kind), frame(last),
                  "fragment_unknown", world="nat")
            own = transport.copy()
            own.sport = 22
            first, last = pieces(family, own, number + 0x80, (0, 800), (800, 4000), addresses=ends)
            passes("nat: IPv%d, %s in fragments that the backend sends for itself: the first" % (family, kind), frame(first),
                   world="nat")
            passes("nat: IPv%d, %s in fragments that the backend sends for itself: the last" % (family, kind), frame(last),
                   world="nat", before=[frame(first)])
            _, last = pieces(family, transport, number, (0, 800), (800, 4000), addresses=others)
            passes("nat: IPv%d, %s, a fragment of nobody of ours whose first was not seen" % (family, kind), frame(last),
                   world="nat")
    echo = IP(src=V4.address, dst=CLIENT[4], ttl=57, id=number + 0x100, frag=100, proto=1) / Raw(DATA[:40])
    passes("nat: a later fragment of the backend's echo", frame(echo), world="nat")


def icmp_errors():
    """RFC 5508: what an error quotes is translated as its packet was, so that both sides know it."""
    for family in 4, 6:
        backend, header = BY_FAMILY[family], 20 if family == 4 else 40
        for (words, error), (kind, transport, port) in [(e, t) for e in errors(family) for t in (
                ("TCP", tcp(4000, "A", WEB) / data(100), WEB), ("UDP", udp(4000, DNS) / data(61), DNS),
                ("UDP without a checksum", udp(4000, DNS, chksum=0) / data(8), DNS))]:
            for length in header + 8, header + 18, header + 20, 4000:
                sizes = "%s, %s, %d bytes quoted" % (words, kind, length)
                # From outside: about an answer of the service.
                outer = ip(family, source=ROUTER_ADDRESS[family])
                was = fresh(ip(family, source=VIP[family], destination=CLIENT[family], ttl=40) / transport)
                is_now = ip(family, source=backend.address, destination=CLIENT[family], ttl=40) / transport.copy()
                is_now.getlayer(TCP if kind == "TCP" else UDP).sport = DELIVERED
                is_now = raw(fresh(without_sums(is_now)))
                error_in = outer / error / Raw(raw(was)[:length])
                out = hop(ip(family, source=ROUTER_ADDRESS[family], destination=backend.address)) / error / Raw(is_now[:length])
                case("nat: IPv%d, %s" % (family, sizes), frame(error_in), "tx",
                     frame(out, destination=backend.mac, source=BALANCER), world="nat",
                     flow=frame(ip(family) / (tcp(WEB, "A") if kind == "TCP" else udp(DNS))))
                if kind == "TCP" and length < header + 18:
                    case("nat: IPv%d, %s, padded" % (family, sizes), frame(error_in, pad=150), "tx",
                         frame(out, destination=backend.mac, source=BALANCER, pad=150), world="nat", flow=frame(ip(family) / tcp(WEB, "A")))
                # From inside: about what was forwarded.
                forwarded = ip(family, source=CLIENT[family], destination=backend.address, ttl=40) / transport.copy()
                layer = forwarded.getlayer(TCP if kind == "TCP" else UDP)
                layer.sport, layer.dport = 4000, DELIVERED
                as_sent = ip(family, source=CLIENT[family], destination=VIP[family], ttl=40) / transport.copy()
                layer = as_sent.getlayer(TCP if kind == "TCP" else UDP)
                layer.sport, layer.dport = 4000, port
                forwarded, as_sent = raw(fresh(forwarded)), raw(fresh(as_sent))
                for who, source in ("a router", INSIDE_ROUTER[family]), ("the backend", backend.address):
                    error_in = ip(family, source=source, destination=CLIENT[family]) / error / Raw(forwarded[:length])
                    out = hop(ip(family, source=VIP[family], destination=CLIENT[family])) / error / Raw(as_sent[:length])
                    case("nat, an answer: IPv%d, from %s, %s" % (family, who, sizes), frame(error_in), "answer",
                         frame(out, destination=ROUTER, source=BALANCER), world="nat")
                    if kind == "TCP" and length < header + 18:  # what is behind the packet is no checksum of what it quotes
                        case("nat, an answer: IPv%d, from %s, %s, padded" % (family, who, sizes), frame(error_in, pad=150),
                             "answer", frame(out, destination=ROUTER, source=BALANCER, pad=150), world="nat")


def expired(packet, source, tags=()):
    """RFC 792, RFC 4443 3.3: the IP header and 8 bytes are quoted."""
    back = {"destination": ROUTER, "source": BALANCER}
    if isinstance(packet, IP):
        return frame(IP(src=source, dst=packet.src, tos=0xc0, id=0, flags="DF", ttl=64) / ICMP(type=11) /
                     Raw(raw(packet)[:28]), tags, **back)
    return frame(IPv6(src=source, dst=packet.src, hlim=64) / ICMPv6TimeExceeded() / Raw(raw(packet)[:48]), tags, **back)


def too_big(packet, source, mtu):
    back = {"destination": ROUTER, "source": BALANCER}
    if isinstance(packet, IP):
        return frame(IP(src=source, dst=packet.src, tos=0xc0, id=0, flags="DF", ttl=64) /
                     ICMP(type=3, code=4, nexthopmtu=mtu) / Raw(raw(packet)[:548]), **back)
    return frame(IPv6(src=source, dst=packet.src, hlim=64) / ICMPv6PacketTooBig(mtu=mtu) / Raw(raw(packet)[:1232]), **back)


def refused():
    for family in 4, 6:
        backend, header = BY_FAMILY[family], 20 if family == 4 else 40
        for kind, transport, answer in (("TCP", tcp(WEB, "S"), tcp(4000, "SA", DELIVERED)),
                                        ("UDP", udp(DNS) / data(40), udp(4000, DELIVERED) / data(40))):
            for tags in (), TAGS[0][1]:
                words = "IPv%d, %s, TTL 1%s" % (family, kind, ", behind a tag" if tags else "")
                packet = ip(family, ttl=1) / transport
                case("nat: " + words, frame(packet, tags), "answer", expired(packet, VIP[family], tags), world="nat",
                     reason="ttl_ended_answered")
                packet = ip(family, ttl=1, source=backend.address, destination=CLIENT[family]) / answer
                case("nat, an answer: " + words, frame(packet, tags), "answer", expired(packet, BALANCER_ADDRESS[family], tags),
                     world="nat", reason="ttl_ended_answered")
            drops("nat, an answer: IPv%d, %s, TTL 0" % (family, kind),
                  frame(ip(family, ttl=0, source=backend.address, destination=CLIENT[family]) / answer), "ttl_zero", world="nat")
        quoted = Raw(raw(ip(family, source=VIP[family], destination=CLIENT[family]) / tcp(4000, "A", WEB)))
        drops("nat: IPv%d, an error with TTL 1 is not answered" % family,
              frame(ip(family, ttl=1, source=ROUTER_ADDRESS[family]) / errors(family)[0][1] / quoted), "ttl_ended", world="nat")
        quoted = Raw(raw(ip(family, source=CLIENT[family], destination=backend.address) / tcp(DELIVERED, "A")))
        for words, source in ("a router", INSIDE_ROUTER[family]), ("the backend", backend.address):
            drops("nat, an answer: IPv%d, an error of %s with TTL 1 is not answered" % (family, words),
                  frame(ip(family, ttl=1, source=source, destination=CLIENT[family]) / errors(family)[2][1] / quoted), "ttl_ended",
                  world="nat")
        packet = ip(family, flags="DF") / tcp(WEB, "A") / data(1501 - header - 20)
        case("nat: IPv%d, too big for the backend" % family, frame(packet), "answer", too_big(packet, VIP[family], 1500),
             world="nat", reason="too_big_answered")
        back = {"source": backend.address, "flags": "DF"}
        packet = ip(family, destination=NARROW[family], **back) / tcp(4000, "A", DELIVERED) / data(1401 - header - 20)
        case("nat, an answer: IPv%d, too big for the client" % family, frame(packet), "answer",
             too_big(packet, BALANCER_ADDRESS[family], 1400), world="nat", reason="too_big_answered")
        returns("IPv%d, the largest for the client" % family,
                ip(family, destination=NARROW[family], **back) / tcp(4000, "A", DELIVERED) / data(1400 - header - 20),
                (VIP[family], WEB))
        for kind, transport, port in ("TCP", tcp(4000, "SA", DELIVERED), WEB), ("UDP", udp(4000, DELIVERED) / data(40), DNS):
            packet = ip(family, destination=UNRESOLVED[family], **back) / transport
            given, left = frame(packet), frame(translated(packet, VIP[family], port, source=True, hops=0))
            case("nat, an answer: IPv%d, %s, to a next hop that is not resolved: for the kernel" % (family, kind), given, "pass",
                 left, world="nat", reason="no_neighbour")
    drops("nat: an IP option, TTL 1", frame(ip(4, ttl=1, options=[IPOption_Router_Alert()]) / tcp(WEB, "S")), "ttl_ended",
          world="nat")
    drops("nat, an answer: too big, may be fragmented",
          frame(ip(4, source=V4.address, destination=NARROW[4]) / udp(4000, DELIVERED) / data(1400)), "too_big", world="nat")
    for family, header in (4, 20), (6, 40):
        back = {"source": BY_FAMILY[family].address, "flags": "DF"}
        drops("nat, an answer: IPv%d, impossible TCP flags, and too big for the client" % family,
              frame(ip(family, destination=NARROW[family], **back) / tcp(4000, "FR", DELIVERED) / data(1401 - header - 20)),
              "tcp_flags", world="nat")
        drops("nat, an answer: IPv%d, impossible TCP flags, and to a next hop that is not resolved" % family,
              frame(ip(family, destination=UNRESOLVED[family], **back) / tcp(4000, "FR", DELIVERED)), "tcp_flags", world="nat")
    drops("nat, an answer: impossible TCP flags", frame(ip(4, source=V4.address, destination=CLIENT[4]) /
                                                       tcp(4000, "SF", DELIVERED)), "tcp_flags", world="nat")


def segments():
    """The MSS option is lowered both ways: in SYNs, and in SYN-ACKs, which pass here as well (RFC 9293 3.7.1)."""
    for family, limit in (4, 1000), (6, 1500 - 60):
        backend = BY_FAMILY[family]
        back = {"source": backend.address, "destination": CLIENT[family]}

        def lowered(packet, limit=limit):
            packet = packet.copy()
            packet.getlayer(TCP).options = [(name, min(value, limit) if name == "MSS" else value)
                                            for name, value in packet.getlayer(TCP).options]
            return without_sums(packet)
        for words, options in (("large", [("MSS", 8960)]), ("as large as may be", [("MSS", limit)]), ("small", [("MSS", 536)]),
                               ("one too large", [("MSS", limit + 1)]),
                               ("behind others, at an odd place", [("NOP", None), ("MSS", 8960), ("SAckOK", b""), ("WScale", 7)]),
                               ("none", [("SAckOK", b""), ("NOP", None), ("NOP", None)])):
            more = {"world": "nat, mss", "limited": lowered}
            goes("IPv%d, a SYN, MSS %s" % (family, words), ip(family) / tcp(WEB, "S", options=options), backend, DELIVERED, **more)
            returns("IPv%d, a SYN-ACK, MSS %s" % (family, words), ip(family, **back) / tcp(4000, "SA", DELIVERED, options=options),
                    (VIP[family], WEB), **more)
            more["limited"] = lambda packet: packet
            goes("IPv%d, an ACK, MSS %s" % (family, words), ip(family) / tcp(WEB, "A", options=options), backend, DELIVERED, **more)
            returns("IPv%d, an ACK, MSS %s" % (family, words), ip(family, **back) / tcp(4000, "A", DELIVERED, options=options),
                    (VIP[family], WEB), **more)


def untouched():
    """What is for the host itself, answers to its checks among it, and what is no answer."""
    for family in 4, 6:
        backend = BY_FAMILY[family]
        for words, destination in (("to the balancer itself", BALANCER_ADDRESS[family]), ("to nowhere", NO_ROUTE[family])):
            for kind, transport in ("TCP", tcp(4000, "SA", DELIVERED)), ("UDP", udp(4000, DELIVERED) / data(9)):
                passes("nat, an answer: IPv%d, %s %s" % (family, kind, words),
                       frame(ip(family, source=backend.address, destination=destination) / transport), world="nat")
        passes("nat: IPv%d, from another port of the backend" % family,
               frame(ip(family, source=backend.address, destination=CLIENT[family]) / tcp(4000, "A", 22)), world="nat")
        passes("nat: IPv%d, of another protocol" % family,
               frame(ip(family, source=backend.address, destination=CLIENT[family]) / udp(4000, ELSEWHERE)), world="nat")
        passes("nat: IPv%d, from nobody of ours" % family,
               frame(ip(family, source=INSIDE_ROUTER[family], destination=CLIENT[family]) / tcp(4000, "A", DELIVERED)),
               world="nat")
        forwarded = raw(ip(family, source=BALANCER_ADDRESS[family], destination=backend.address) / tcp(DELIVERED, "S"))
        passes("nat: IPv%d, an error about a check of our own" % family,
               frame(ip(family, source=INSIDE_ROUTER[family], destination=BALANCER_ADDRESS[family]) / errors(family)[1][1] /
                     Raw(forwarded)), world="nat")
        ours = raw(ip(family, source=CLIENT[family], destination=backend.address) / tcp(DELIVERED, "S"))
        passes("nat: IPv%d, an error from whom it is for" % family,
               frame(ip(family, source=CLIENT[family], destination=CLIENT[family]) / errors(family)[1][1] / Raw(ours)), world="nat")
        other = raw(ip(family, source=CLIENT[family], destination=backend.address) / tcp(22, "S"))
        passes("nat: IPv%d, an error about nothing of ours" % family,
               frame(ip(family, source=INSIDE_ROUTER[family], destination=CLIENT[family]) / errors(family)[1][1] / Raw(other)),
               world="nat")


SECTIONS = [both_ways, sizes_and_fields, checksums, fragments, stray_fragments, icmp_errors, refused, segments, untouched]
