"""What the gate costs and how close together it releases requests, beside a direct connection.

    python benchmarks/gate.py [--requests N] [--rounds N]

The upstream is a process of its own that answers at once. So is a forwarder that copies bytes from one socket
to the other and understands none of them: what any third process costs on this machine. Times in microseconds
unless named otherwise.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import selectors
import socket
import subprocess
import sys
import time
from pathlib import Path

from kalam_props.gate.handle import Gate
from kalam_props.gate.plan import GateSession, Planned

ANSWER = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 80\r\n\r\n" + b"x" * 80
PERCENTILES = (5, 50, 90, 99)


def request(sql: str) -> bytes:
    """As the CLI sends it, with a token of the usual length."""
    body = json.dumps({"sql": sql}).encode()
    head = (
        "POST /v1/api/sql HTTP/1.1\r\ncontent-type: application/json\r\nauthorization: Bearer "
        f"{'x' * 250}\r\naccept: */*\r\nhost: 127.0.0.1:8080\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def complete_requests(buffer: bytearray) -> int:
    """Take the complete requests off the buffer, and say how many they were."""
    taken = 0
    while (end := buffer.find(b"\r\n\r\n")) >= 0:
        at = buffer.rfind(b"content-length: ", 0, end) + 16
        length = int(buffer[at : buffer.find(b"\r\n", at)])
        if len(buffer) < end + 4 + length:
            break
        del buffer[: end + 4 + length]
        taken += 1
    return taken


def upstream() -> None:
    """Answer every complete request at once, until standard input ends."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)
    print(listener.getsockname()[1], flush=True)
    listener.setblocking(False)
    ready = selectors.DefaultSelector()
    ready.register(listener, selectors.EVENT_READ)
    ready.register(sys.stdin, selectors.EVENT_READ)
    buffers: dict[int, bytearray] = {}
    while True:
        for key, _ in ready.select():
            if key.fileobj is sys.stdin:
                return
            if key.fileobj is listener:
                sock, _ = listener.accept()
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                ready.register(sock, selectors.EVENT_READ)
                buffers[sock.fileno()] = bytearray()
                continue
            sock = key.fileobj
            try:
                data = sock.recv(65536)
            except OSError:
                data = b""
            if not data:
                ready.unregister(sock)
                sock.close()
                continue
            buffer = buffers[sock.fileno()]
            buffer += data
            complete = complete_requests(buffer)
            if complete:
                sock.send(ANSWER * complete)


def forwarder(upstream_port: int) -> None:
    """Copy what comes on one connection to the upstream and back, until standard input ends."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)
    print(listener.getsockname()[1], flush=True)
    client, _ = listener.accept()
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    other = {client: connect(upstream_port)}
    other[other[client]] = client
    ready = selectors.DefaultSelector()
    for sock in (*other, sys.stdin):
        ready.register(sock, selectors.EVENT_READ)
    while True:
        for key, _ in ready.select():
            if key.fileobj is sys.stdin:
                return
            data = key.fileobj.recv(65536)
            if not data:
                return
            other[key.fileobj].send(data)


def connect(port: int) -> socket.socket:
    sock = socket.create_connection(("127.0.0.1", port))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def exchange(sock: socket.socket, data: bytes) -> int:
    """Nanoseconds from sending to the whole answer."""
    began = time.perf_counter_ns()
    sock.sendall(data)
    received = 0
    while received < len(ANSWER):
        received += len(sock.recv(65536))
    return time.perf_counter_ns() - began


def show(name: str, nanoseconds: list[int]) -> float:
    ordered = sorted(nanoseconds)
    at = {p: ordered[min(len(ordered) - 1, len(ordered) * p // 100)] / 1000 for p in PERCENTILES}
    print(f"  {name:<44}" + "".join(f"  p{p} {value:8.1f}" for p, value in at.items()))
    return at[50]


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_mib(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


def latencies(direct_port: int, copying_port: int, gate: Gate, requests: int) -> None:
    session = gate.open_session()
    through = connect(session.port)
    direct, copying = connect(direct_port), connect(copying_port)
    plain, copied, gated, announced = [], [], [], []
    data = request("SELECT 1")
    for _ in range(requests):
        plain.append(exchange(direct, data))
        copied.append(exchange(copying, data))
        gated.append(exchange(through, data))
        round_ = gate.arm([Planned(session, "SELECT 1")])
        announced.append(exchange(through, data))
        round_.end()
    print("one request on a keep-alive connection, in turn:")
    without = show("direct", plain)
    copy = show("through the forwarder", copied)
    passed = show("through the gate", gated)
    held = show("through the gate, announced, alone in its round", announced)
    print(
        f"  added at the median: {passed - without:.1f}, announced {held - without:.1f} (goal: at most 100); "
        f"{(passed - without) / (copy - without):.1f} and {(held - without) / (copy - without):.1f} times "
        f"what the forwarder adds"
    )


def throughput(port: int, pid: int, seconds: float, connections: int) -> tuple[float, float]:
    """Requests a second, and requests for each second of the processor time that `pid` used."""
    data = request("SELECT 1")
    ready = selectors.DefaultSelector()
    for _ in range(connections):
        sock = connect(port)
        sock.setblocking(False)
        ready.register(sock, selectors.EVENT_READ)
        sock.send(data)
    used = cpu_seconds(pid)
    began = time.perf_counter()
    answers = 0
    while time.perf_counter() - began < seconds:
        for key, _ in ready.select(1):
            if len(key.fileobj.recv(65536)) == len(ANSWER):
                answers += 1
                key.fileobj.send(data)
    elapsed = time.perf_counter() - began
    for key in list(ready.get_map().values()):
        key.fileobj.close()
    return answers / elapsed, answers / max(0.01, cpu_seconds(pid) - used)


def releases(gate: Gate, rounds: int) -> None:
    print(f"{rounds} rounds of 8 lanes, released together:")
    sessions = [gate.open_session() for _ in range(8)]
    clients = [connect(session.port) for session in sessions]
    together = released_rounds(gate, sessions, clients, [0] * 8, rounds)
    show("first to last request of a round", [max(sent) - min(sent) for _, sent in together])
    show("one request after the one before", [b - a for _, sent in together for a, b in pairs(sorted(sent))])
    offsets = [0, 100, 250, 500, 800, 1200, 2000, 5000]
    print(f"the same with offsets of {offsets}:")
    apart = released_rounds(gate, sessions, clients, offsets, rounds)
    show("sent after its time", [ns - at for due, sent in apart for at, ns in zip(due, sent, strict=True)])


def pairs(times: list[int]) -> list[tuple[int, int]]:
    return list(itertools.pairwise(times))


def released_rounds(
    gate: Gate, sessions: list[GateSession], clients: list[socket.socket], offsets: list[int], rounds: int
) -> list[tuple[list[int], list[int]]]:
    """For each round: when each request was due, and when it was sent."""
    seen = []
    for number in range(rounds):
        sql = f"SELECT {number}"
        round_ = gate.arm([Planned(s, sql, us=us) for s, us in zip(sessions, offsets, strict=True)])
        for client in clients:
            client.sendall(request(sql))
        for client in clients:
            received = 0
            while received < len(ANSWER):
                received += len(client.recv(65536))
        records = round_.end()
        seen.append(([r.due_ns for r in records], [r.attempts[0].sent_ns for r in records]))
    return seen


def process(*arguments: str) -> subprocess.Popen[str]:
    """A process with a role of its own, until its standard input is closed."""
    return subprocess.Popen(
        [sys.executable, __file__, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--requests", type=int, default=5000)
    options.add_argument("--rounds", type=int, default=500)
    options.add_argument("--upstream", action="store_true", help=argparse.SUPPRESS)
    options.add_argument("--forwarder", type=int, help=argparse.SUPPRESS)
    chosen = options.parse_args()
    if chosen.upstream:
        upstream()
        return
    if chosen.forwarder:
        forwarder(chosen.forwarder)
        return
    with process("--upstream") as server:
        port = int(server.stdout.readline())
        copying = process("--forwarder", str(port))
        copying_port = int(copying.stdout.readline())
        began = time.perf_counter()
        with Gate(f"http://127.0.0.1:{port}") as gate:
            print(f"started in {(time.perf_counter() - began) * 1000:.0f} ms (goal: under 100)")
            latencies(port, copying_port, gate, chosen.requests)
            copying.communicate()
            for connections in (1, 16):
                rate, for_cpu = throughput(gate.open_session().port, gate.pid, 2, connections)
                print(f"throughput on {connections} connections: {rate:,.0f} requests/s;", end=" ")
                print(f"{for_cpu:,.0f} for each second of its core (goal: 10,000)")
            releases(gate, chosen.rounds)
            print(f"resident: {resident_mib(gate.pid):.1f} MiB (goal: under 50)")
        server.stdin.close()


if __name__ == "__main__":
    main()
