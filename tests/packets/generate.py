#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Writes tests/packets/cases.txt: packets to the balancer and, byte for byte, what must become of them.

The frames are built by scapy from the RFCs and docs, never by shunt's own code, so that a misreading there shows here.
Needs python3-scapy; the tests read the committed file and do not. Change this script, run it, commit both:

    tests/packets/generate.py            writes cases.txt
    tests/packets/generate.py --check    exit status 1 when cases.txt is not what this script writes
"""

import logging
import os
import sys

logging.getLogger("scapy.runtime").setLevel(logging.ERROR)  # it misses routes, which nobody asked it for

from scapy.all import ARP, ICMP, IP, IPv6, Dot1AD, Dot1Q, Ether, ICMPv6EchoReply, ICMPv6EchoRequest, Raw, TCP, UDP, raw

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

ROUTER, BALANCER, OUT = "02:00:00:00:00:01", "02:00:00:00:00:02", "02:00:00:00:00:03"
CLIENT, VIP, OTHER = {4: "198.51.100.7", 6: "2001:db8:c::7"}, {4: "192.0.2.10", 6: "2001:db8::10"}, \
    {4: "192.0.2.11", 6: "2001:db8::11"}
ANY = {4: "192.0.2.20", 6: "2001:db8::20"}  # takes every port, in the world "any port"
L2, TO_V4, TO_V6, OTHER_LINK, TO_V4_OTHER_LINK, EMPTY, NO_NEXT_HOP, NO_GROUP = 80, 81, 82, 83, 84, 85, 86, 87
GUE_TO_V4, GUE_TO_V6, UNUSED = 88, 89, 99
TUNNEL_SOURCE = {4: "10.0.0.1", 6: "fd00::1"}
MTU = 1500
HASH_SEED = 0x5eed


class Backend:
    """As tests/lib/world.c publishes it; its MAC address comes from its number."""

    def __init__(self, number, address, way="tx"):
        self.address, self.family, self.way = address, 6 if ":" in address else 4, way
        self.mac = "02:00:00:01:%02x:%02x" % (number >> 8, number & 255)
        self.from_mac = OUT if way == "redirect" else BALANCER


V4, V6 = Backend(1, "10.0.1.11"), Backend(2, "fd00::1:12")
V4_OUT, V6_OUT = Backend(3, "10.0.1.13", "redirect"), Backend(4, "fd00::1:14", "redirect")
BY_FAMILY = {4: V4, 6: V6}
OUT_BY_FAMILY = {4: V4_OUT, 6: V6_OUT}

# ---- the flow hash, written a second time: the outer flow label comes of it ----

WORD = (1 << 64) - 1


def mix64(x):  # MurmurHash3's fmix64
    x = (x ^ x >> 33) * 0xff51afd7ed558ccd & WORD
    x = (x ^ x >> 33) * 0xc4ceb9fe1a85ec53 & WORD
    return x ^ x >> 33


KEY = [mix64(HASH_SEED + (i + 1) * 0x9e3779b97f4a7c15 & WORD) | 1 for i in range(4)]


def multilinear(a, b, c):
    return KEY[0] + a * KEY[1] + b * KEY[2] + c * KEY[3] & WORD


def placed_hash(a, b, c):
    x = multilinear(a, b, c)
    x = (x ^ x >> 33) * 0xc4ceb9fe1a85ec53 & WORD
    return x ^ x >> 29


def halves(address):
    """A 16-byte address as two words of a little-endian machine; IPv4 mapped into ::ffff:0:0/96."""
    packed = raw(IP(dst=address))[16:20] if "." in address else raw(IPv6(dst=address))[24:40]
    packed = packed if len(packed) == 16 else b"\0" * 10 + b"\xff\xff" + packed
    return int.from_bytes(packed[:8], "little"), int.from_bytes(packed[8:], "little")


def swapped(port):  # network byte order in a little-endian machine
    return (port & 255) << 8 | port >> 8


def flow_hash(source, source_port, destination, port, protocol, service_port):
    salt = placed_hash(*halves(destination), swapped(service_port) | protocol << 16 | 1 << 24)
    return mix64(multilinear(*halves(source), swapped(port) << 16 | swapped(source_port)) + salt & WORD)


# ---- frames ----

DATA = bytes(i & 255 for i in range(2000))


def frame(packet, tags=(), destination=BALANCER, source=ROUTER, kind=None, pad=0):
    """An Ethernet frame of the packet, behind tags of (TPID, priority, DEI, VLAN id); zeros up to `pad` bytes."""
    kind = kind or (0x0800 if isinstance(packet, IP) else 0x86dd)
    types = [tag[0] for tag in tags] + [kind]
    out = Ether(dst=destination, src=source, type=types[0])
    for (tpid, priority, dei, vlan), next_type in zip(tags, types[1:]):
        layer = Dot1AD if tpid == 0x88a8 else Dot1Q
        out /= layer(prio=priority, id=dei, vlan=vlan, type=next_type)
    out = raw(out) + (packet if isinstance(packet, bytes) else raw(packet))
    return out + b"\0" * max(0, pad - len(out))


def ip(family, source=None, destination=None, **fields):
    source, destination = source or CLIENT[family], destination or VIP[family]
    if family == 4:
        names = {"tos": "tos", "ttl": "ttl", "options": "options", "id": "id", "flags": "flags"}
        fields = {names[name]: value for name, value in fields.items() if name in names}
        return IP(**{"src": source, "dst": destination, "ttl": 57, "id": 0xbeef, **fields})
    names = {"tos": "tc", "ttl": "hlim", "label": "fl"}
    fields = {names[name]: value for name, value in fields.items() if name in names}
    return IPv6(**{"src": source, "dst": destination, "hlim": 57, **fields})


def tcp(port, flags="S", source_port=4000, **fields):
    ack = 0x05060708 if "A" in flags else 0
    return TCP(**{"sport": source_port, "dport": port, "flags": flags, "seq": 0x01020304, "ack": ack, "window": 64240,
                  **fields})


def udp(port, source_port=4000, **fields):
    return UDP(sport=source_port, dport=port, **fields)


def data(n):
    return Raw(DATA[:n]) if n else b""


def tunnelled(packet, backend, hashed, gue=False):
    """RFC 2003, RFC 2473, RFC 4213; traffic class whole (RFC 6040), flow label of the flow (RFC 6438).

    GUE: draft-ietf-intarea-gue-09 section 3.2, variant 0 without fields, in UDP without a checksum (RFC 6935).
    """
    inner, inner_ipv4 = raw(packet), isinstance(packet, IP)
    built = IP(inner) if inner_ipv4 else IPv6(inner)
    length = built.len if inner_ipv4 else built.plen + 40
    traffic_class = built.tos if inner_ipv4 else built.tc
    protocol = 4 if inner_ipv4 else 41
    if gue:
        inner = raw(UDP(sport=49152 + (hashed >> 32) % 16384, dport=6080, len=length + 12, chksum=0)) + \
            bytes([0, protocol, 0, 0]) + inner
        protocol, length = 17, length + 12
    if backend.family == 4:
        return raw(IP(src=TUNNEL_SOURCE[4], dst=backend.address, tos=traffic_class, id=0, flags="DF", ttl=64,
                      proto=protocol, len=length + 20)) + inner
    return raw(IPv6(src=TUNNEL_SOURCE[6], dst=backend.address, tc=traffic_class, fl=hashed >> 32 & 0xfffff, hlim=64,
                    nh=protocol, plen=length)) + inner


# ---- cases ----

cases = []
names = set()
FORWARD_BY_PORT = {L2: "l2", OTHER_LINK: "l2", TO_V4: "ipip", TO_V6: "ipip", TO_V4_OTHER_LINK: "ipip",
                   GUE_TO_V4: "gue", GUE_TO_V6: "gue"}


def case(name, given, fate, out=None, reason=None, world="settled", before=(), flow=None):
    """fate: pass, drop, answer, answer-out, tx, redirect. `out` is None: the frame leaves as it came. `flow`: see forwards()."""
    assert name not in names, name
    names.add(name)
    lines = ["name " + name, "world " + world] + ["before " + one.hex() for one in before]
    lines += ["flow " + flow.hex()] if flow else []
    lines += ["in " + given.hex(), "fate " + fate] + (["reason " + reason] if reason else [])
    lines += ["out " + out.hex()] if out is not None and out != given else []
    cases.append("\n".join(lines) + "\n")


def passes(name, given, **more):
    case(name, given, "pass", **more)


def drops(name, given, reason, **more):
    case(name, given, "drop", reason=reason, **more)


def forwards(name, packet, backend, mode=None, tags=(), pad=0, service_port=None, world="settled", before=(),
             flow=None):
    """The packet goes to the backend, as the mode of its port says; `flow` is a plain packet of the flow it belongs to."""
    flow = flow or packet
    layer = flow.getlayer(TCP) or flow.getlayer(UDP)
    source, destination = flow.src, flow.dst
    given = frame(packet, tags, pad=pad)
    mode = mode or FORWARD_BY_PORT[layer.dport]
    packet_len = len(raw(packet))
    hashed = flow_hash(source, layer.sport, destination, layer.dport, 6 if isinstance(layer, TCP) else 17,
                       layer.dport if service_port is None else service_port)
    to = {"destination": backend.mac, "source": backend.from_mac}
    behind = given[14 + 4 * len(tags) + packet_len:]  # padding stays where it was
    if mode == "l2":
        out = frame(packet, tags, **to) + behind
    else:
        kind = 0x0800 if backend.family == 4 else 0x86dd
        out = frame(tunnelled(packet, backend, hashed, mode == "gue"), tags, kind=kind, **to) + behind
    case(name, given, backend.way, out, world=world, before=before,
         flow=None if flow is packet else frame(flow))


# Every mix of the families of packet and tunnel, and the room that the tunnel takes.
MIXES = [("l2", 4, L2, V4, 0), ("l2 over IPv6", 6, L2, V6, 0), ("4in4", 4, TO_V4, V4, 20), ("4in6", 4, TO_V6, V6, 40),
         ("6in4", 6, TO_V4, V4, 20), ("6in6", 6, TO_V6, V6, 40)]
TAGS = [("an 802.1Q tag", [(0x8100, 3, 0, 100)]), ("a priority tag", [(0x8100, 5, 0, 0)]),
        ("an 802.1ad tag", [(0x88a8, 0, 0, 4094)]), ("a tag with DEI", [(0x8100, 7, 1, 4095)]),
        ("802.1ad and 802.1Q", [(0x88a8, 3, 1, 1), (0x8100, 1, 1, 2)]),
        ("802.1Q in 802.1Q", [(0x8100, 0, 0, 1), (0x8100, 0, 0, 4095)])]


def sections():
    """In the order of the file: the functions that the modules tests/packets/cases_*.py list."""
    import cases_forward
    import cases_guarded
    import cases_nat
    import cases_odd
    import cases_other
    import cases_quic
    import cases_tunnels
    return [*cases_forward.SECTIONS, *cases_other.SECTIONS, *cases_odd.SECTIONS, *cases_tunnels.SECTIONS,
            *cases_quic.SECTIONS, *cases_nat.SECTIONS, *cases_guarded.SECTIONS]


def text():
    for section in sections():
        section()
    head = "# Written by tests/packets/generate.py: do not edit. %d cases.\n" % len(cases)
    return head + "".join("\n" + one for one in cases)


def main():
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "cases.txt")
    if sys.argv[1:] == ["--check"]:
        with open(path, encoding="ascii") as file:
            sys.exit(0 if file.read() == text() else "cases.txt is not what generate.py writes: run it and commit both")
    with open(path, "w", encoding="ascii") as file:
        file.write(text())
    print("%d cases" % len(cases))


if __name__ == "__main__":
    sys.modules["generate"] = sys.modules["__main__"]
    main()
