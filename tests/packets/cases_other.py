# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What is not simply forwarded: for nobody, echo, malformed, too big, no backend."""

from scapy.all import ICMPv6ND_NS, ICMPv6NDOptSrcLLAddr, IPOption, checksum

from generate import *


def poke(given, offset, value, n_bytes=1):
    return given[:offset] + value.to_bytes(n_bytes, "big") + given[offset + n_bytes:]


def poke_ip(given, offset, value, n_bytes=1, at=14):
    """In an IPv4 header at `at`, whose checksum is right afterwards (RFC 791 3.1)."""
    given = poke(given, offset, value, n_bytes)
    header = given[at:at + 4 * (given[at] & 15)]
    header = poke(header, 10, 0, 2)
    return poke(given, at + 10, checksum(header), 2)


def nobody():
    for family in 4, 6:
        to = {"destination": OTHER[family]}
        passes("another TCP port, IPv%d" % family, frame(ip(family) / tcp(UNUSED)))
        passes("another UDP port, IPv%d" % family, frame(ip(family) / udp(UNUSED)))
        passes("TCP to another address, IPv%d" % family, frame(ip(family, **to) / tcp(L2)))
        passes("UDP to another address, IPv%d" % family, frame(ip(family, **to) / udp(L2)))
        passes("a reply of the service itself, IPv%d" % family,
               frame(ip(family, source=VIP[family], destination=CLIENT[family]) / tcp(4000, "SA", L2)))
        passes("malformed, but for another address, IPv%d" % family, frame(ip(family, **to) / tcp(L2))[:50])
        passes("TTL 0 for another address, IPv%d" % family, frame(ip(family, ttl=0, **to) / tcp(L2)))
        passes("TTL 0 for another port, IPv%d" % family, frame(ip(family, ttl=0) / tcp(UNUSED)))
        whole = frame(ip(family) / tcp(L2))
        for n in 0, 1, 19 if family == 4 else 39:
            passes("IPv%d header of %d bytes" % (family, n), whole[:14 + n])
        for protocol in 47, 50, 89, 112, 132:
            fields = {"proto" if family == 4 else "nh": protocol}
            packet = ip(family)
            setattr(packet, *next(iter(fields.items())))
            passes("protocol %d to a service's address, IPv%d" % (protocol, family), frame(packet / data(12)))
    passes("ARP", frame(raw(ARP(psrc=CLIENT[4], pdst=VIP[4], hwsrc=ROUTER)), kind=0x0806, pad=60,
                        destination="ff:ff:ff:ff:ff:ff"))
    passes("neighbour discovery", frame(IPv6(src="2001:db8::1", dst="ff02::1:ff00:10", hlim=255) /
                                        ICMPv6ND_NS(tgt=VIP[6]) / ICMPv6NDOptSrcLLAddr(lladdr=ROUTER)))
    passes("LLDP", frame(b"\x02\x07\x04" + bytes(43), kind=0x88cc))
    passes("a length in place of a type", frame(b"\x42\x42\x03" + bytes(43), kind=46))
    passes("PPPoE", frame(b"\x11\0\0\1" + bytes(42), kind=0x8864))
    passes("an IPv4 service's address mapped into IPv6", frame(ip(6, destination="::ffff:192.0.2.10") / tcp(L2)))
    passes("multicast", frame(IP(src="10.0.0.9", dst="224.0.0.251", ttl=255) / udp(5353, 5353)))
    passes("multicast, IPv6", frame(IPv6(src="fe80::9", dst="ff02::fb", hlim=255) / udp(5353, 5353)))
    passes("broadcast", frame(IP(src="0.0.0.0", dst="255.255.255.255") / udp(67, 68)))
    syn = ip(4) / tcp(L2)
    passes("three tags", frame(syn, [(0x88a8, 0, 0, 1), (0x88a8, 0, 0, 2), (0x8100, 0, 0, 3)]))
    passes("MPLS behind a tag", frame(syn, [(0x8100, 0, 0, 3)], kind=0x8847))
    passes("the old 0x9100 of QinQ", frame(b"\0\x64\x08\0" + raw(syn), kind=0x9100))
    for n in 15, 16, 17:
        passes("a tag cut to %d bytes" % n, frame(syn, [(0x8100, 0, 0, 3)])[:n])
    for n in 18, 20, 22:
        passes("two tags cut to %d bytes" % n, frame(syn, [(0x88a8, 0, 0, 3), (0x8100, 0, 0, 4)])[:n])


def echo(family, to_vip, n=16, ttl=57, **fields):
    """A request to the service's address or, from it, the reply."""
    ends = {} if to_vip else {"source": VIP[family], "destination": CLIENT[family]}
    if family == 4:
        return ip(4, ttl=ttl, **ends, **fields) / ICMP(type=8 if to_vip else 0, id=0x1234, seq=7) / data(n)
    kind = ICMPv6EchoRequest if to_vip else ICMPv6EchoReply
    return ip(6, ttl=ttl, **ends, **fields) / kind(id=0x1234, seq=7) / data(n)


def echoes():
    def answers(name, family, tags=(), pad=0, ttl=57, **fields):
        back = frame(echo(family, False, ttl=64, **fields), tags, destination=ROUTER, source=BALANCER, pad=pad)
        case(name, frame(echo(family, True, ttl=ttl, **fields), tags, pad=pad), "answer", back)

    for family in 4, 6:
        answers("echo, IPv%d" % family, family)
        answers("echo without data, IPv%d" % family, family, n=0)
        answers("echo without data, padded, IPv%d" % family, family, n=0, pad=64)
        answers("echo with odd data, IPv%d" % family, family, n=333)
        answers("echo as large as can be, IPv%d" % family, family, n=1472 if family == 4 else 1452)
        answers("echo with a traffic class, IPv%d" % family, family, tos=0xb8)
        answers("echo with ECN, IPv%d" % family, family, tos=0x02)
        for ttl in 1, 64, 255:
            answers("echo with TTL %d, IPv%d" % (ttl, family), family, ttl=ttl)
        for words, tags in TAGS:
            answers("%s: echo, IPv%d" % (words, family), family, tags=tags)
        passes("an echo reply, IPv%d" % family,
               frame(ip(family) / (ICMP(type=0) if family == 4 else ICMPv6EchoReply()) / data(8)))
        passes("echo to another address, IPv%d" % family,
               frame(ip(family, destination=OTHER[family]) / (ICMP() if family == 4 else ICMPv6EchoRequest())))
        drops("echo with TTL 0, IPv%d" % family, frame(echo(family, True, ttl=0)), "ttl_zero")
        drops("echo cut short, IPv%d" % family, frame(echo(family, True, n=0))[:-1], "malformed")
    passes("a timestamp request", frame(ip(4) / ICMP(type=13, ts_ori=1, ts_rx=0, ts_tx=0)))
    passes("ICMPv6 in IPv4", frame(IP(src=CLIENT[4], dst=VIP[4], proto=58) / Raw(b"\x80\0\0\0\0\0\0\0")))
    passes("ICMP in IPv6", frame(IPv6(src=CLIENT[6], dst=VIP[6], nh=1) / Raw(b"\x08\0\0\0\0\0\0\0")))


def malformed():
    """Offsets: Ethernet 14, IPv4 20, IPv6 40; RFC 791, 768, 9293, 8200."""
    for words, tags in [("", ())] + [(words + ": ", tags) for words, tags in TAGS[:1] + TAGS[4:5]]:
        at = 14 + 4 * len(tags)
        tcp4, udp4 = frame(ip(4) / tcp(L2), tags), frame(ip(4) / udp(L2), tags)
        tcp6, udp6 = frame(ip(6) / tcp(L2), tags), frame(ip(6) / udp(L2), tags)
        for name, given in (
                ("TCP header cut short", tcp4[:-1]), ("TCP header cut short, IPv6", tcp6[:-1]),
                ("nothing of TCP", tcp4[:-20]), ("nothing of TCP, IPv6", tcp6[:-20]),
                ("UDP header cut short", udp4[:-1]), ("UDP header cut short, IPv6", udp6[:-1]),
                ("IP length beyond the frame", poke(tcp4, at + 2, 41, 2)),
                ("IP length 65535", poke(tcp4, at + 2, 65535, 2)), ("IP length 0", poke(tcp4, at + 2, 0, 2)),
                ("IP length shorter than its header", poke(tcp4, at + 2, 19, 2)),
                ("IP length of the header alone", poke_ip(tcp4, at + 2, 20, 2, at)),
                ("IP length leaves half a TCP header", poke_ip(tcp4, at + 2, 30, 2, at)),
                ("IP length leaves half a UDP header", poke_ip(udp4, at + 2, 27, 2, at)),
                ("IP header of 0 words", poke(tcp4, at, 0x40)), ("IP header of 4 words", poke(tcp4, at, 0x44)),
                ("IP header longer than the packet", poke(tcp4, at, 0x4f)),
                ("version 5", poke(tcp4, at, 0x55)), ("version 6 in an IPv4 frame", poke(tcp4, at, 0x65)),
                ("IPv6 length beyond the frame", poke(tcp6, at + 4, 21, 2)),
                ("IPv6 length 65535", poke(tcp6, at + 4, 65535, 2)), ("IPv6 length 0", poke(udp6, at + 4, 0, 2)),
                ("IPv6 length leaves half a TCP header", poke(tcp6, at + 4, 19, 2)),
                ("version 4 in an IPv6 frame", poke(tcp6, at, 0x40)),
                ("TCP data offset 0", poke(tcp4, at + 32, 0)), ("TCP data offset 4", poke(tcp4, at + 32, 0x40)),
                ("TCP data offset beyond the packet", poke(tcp4, at + 32, 0x60)),
                ("TCP data offset 15, IPv6", poke(tcp6, at + 52, 0xf0)),
                ("UDP length 0", poke(udp4, at + 24, 0, 2)), ("UDP length 7", poke(udp4, at + 24, 7, 2)),
                ("UDP length beyond the packet", poke(udp4, at + 24, 9, 2)),
                ("UDP length 0, IPv6", poke(udp6, at + 44, 0, 2)),
                ("UDP length beyond the packet, IPv6", poke(udp6, at + 44, 65535, 2))):
            drops(words + name, given, "malformed")
        for name, given in (
                ("header checksum 0", poke(tcp4, at + 10, 0, 2)), ("header checksum 65535", poke(udp4, at + 10, 65535, 2)),
                ("a bit of the TTL flipped", poke(tcp4, at + 8, 57 ^ 4)),
                ("a bit of the source flipped", poke(udp4, at + 12, 198 ^ 1)),
                ("a length that the checksum does not know", poke(tcp4 + b"\0", at + 2, 41, 2))):
            drops(words + name, given, "ip_checksum")
        drops(words + "TTL 0", frame(ip(4, ttl=0) / tcp(L2, "A"), tags), "ttl_zero")
        drops(words + "hop limit 0", frame(ip(6, ttl=0) / udp(TO_V4), tags), "ttl_zero")


def deliveries():
    """Frames for many (RFC 1122 3.3.6, RFC 1812 5.3.4), and those that another balancer has sent."""
    for words, mac in ("broadcast", "ff:ff:ff:ff:ff:ff"), ("multicast", "01:00:5e:00:00:01"), ("a group", "03:00:00:00:00:02"):
        first = ip(4, flags="MF") / udp(L2) / data(64)
        drops("a first fragment in a frame to %s" % words, frame(first, destination=mac), "link_group")
        for family in 4, 6:
            for name, given, reason in (("l2", ip(family) / tcp(L2), "link_group"), ("l2, UDP", ip(family) / udp(L2), "link_group"),
                                        ("ipip", ip(family) / tcp(TO_V4), "link_group"),
                                        ("gue", ip(family) / tcp(GUE_TO_V6), "link_group"),
                                        ("nobody serves", ip(family) / udp(EMPTY), "link_group"),
                                        ("echo", echo(family, True), "link_group"),
                                        ("TTL 0", ip(family, ttl=0) / udp(L2), "ttl_zero")):
                drops("%s in a frame to %s, IPv%d" % (name, words, family), frame(given, destination=mac), reason)
            for name, given in (("another port", ip(family) / tcp(UNUSED)),
                                ("another address", ip(family, destination=OTHER[family]) / tcp(L2))):
                passes("%s in a frame to %s, IPv%d" % (name, words, family), frame(given, destination=mac))
    for family in 4, 6:
        tags, there = TAGS[0][1], BY_FAMILY[family].mac
        drops("l2 in a tagged broadcast, IPv%d" % family, frame(ip(family) / tcp(L2), tags, "ff:ff:ff:ff:ff:ff"), "link_group")
        passes("l2, on its way to its backend, IPv%d" % family, frame(ip(family) / tcp(L2), destination=there))
        passes("l2, on its way to its backend, tagged, IPv%d" % family, frame(ip(family) / udp(L2), tags, there))


def refused():
    for family in 4, 6:
        for words, transport in ("TCP", lambda port: tcp(port)), ("UDP", lambda port: udp(port)):
            drops("a group without backends, %s, IPv%d" % (words, family), frame(ip(family) / transport(EMPTY)),
                  "no_backend")
            drops("nobody knows the way, %s, IPv%d" % (words, family), frame(ip(family) / transport(NO_NEXT_HOP)),
                  "no_next_hop")
            drops("a group that cannot be, %s, IPv%d" % (words, family), frame(ip(family) / transport(NO_GROUP)),
                  "internal")


def checksums():
    """RFC 791 3.1, RFC 1122 3.2.1.2: the header's. Those of what is behind it are between the ends."""
    for port, words in (L2, "l2"), (TO_V4, "4in4"), (TO_V6, "4in6"), (GUE_TO_V4, "gue"):
        whole = frame(ip(4) / tcp(port))
        drops("a wrong header checksum, %s" % words, poke(whole, 24, whole[24] ^ 128), "ip_checksum")
    options = frame(ip(4, options=[IPOption(b"\x94\x04\0\0")] * 10) / tcp(L2))
    drops("a wrong header checksum behind options", poke(options, 24, options[24] ^ 1), "ip_checksum")
    drops("an option that the checksum does not know", poke(options, 14 + 20 + 3, 1), "ip_checksum")
    whole = frame(echo(4, True))
    drops("echo with a wrong header checksum", poke(whole, 24, whole[24] ^ 1), "ip_checksum")
    first = frame(ip(4, flags="MF") / udp(L2) / data(64))
    drops("a fragment with a wrong header checksum", poke(first, 25, first[25] ^ 1), "ip_checksum")
    for words, given in (("another address", frame(ip(4, destination=OTHER[4]) / tcp(L2))),
                         ("multicast", frame(IP(src="10.0.0.9", dst="224.0.0.251", ttl=255) / udp(5353, 5353)))):
        passes("a wrong header checksum to %s" % words, poke(given, 24, given[24] ^ 1))


SECTIONS = [nobody, echoes, malformed, checksums, deliveries, refused]
