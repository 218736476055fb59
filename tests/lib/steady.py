#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""steady.py ADDRESS PORT SECONDS: a UDP packet each 2 ms to an echo server; then a line: sent, lost, and the round trips in microseconds."""
import select
import socket
import struct
import sys
import time

INTERVAL_NS = 2_000_000
PATIENCE_NS = 1_000_000_000  # for the last answers

address, port, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
link = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
link.connect((address, port))
link.setblocking(False)
sent_ns, trips_us = [], {}
begun = time.monotonic_ns()
last = int(seconds * 1e9 / INTERVAL_NS)


def take_answers():
    while True:
        try:
            number = struct.unpack("!I", link.recv(64)[:4])[0]
        except (BlockingIOError, ConnectionRefusedError):
            return
        trips_us.setdefault(number, (time.monotonic_ns() - sent_ns[number]) // 1000)


while len(trips_us) < last:
    now = time.monotonic_ns()
    due = begun + len(sent_ns) * INTERVAL_NS
    if len(sent_ns) == last:
        due += PATIENCE_NS
        if now >= due:
            break
    elif now >= due:
        sent_ns.append(now)
        link.send(struct.pack("!I", len(sent_ns) - 1).ljust(64, b"."))
        continue
    select.select([link], [], [], max(due - now, 0) / 1e9)
    take_answers()

trips = sorted(trips_us.values()) or [0]
print(f"sent {len(sent_ns)} lost {len(sent_ns) - len(trips_us)} "
      f"p50 {trips[len(trips) // 2]} p99 {trips[len(trips) * 99 // 100]} worst {trips[-1]}", flush=True)
