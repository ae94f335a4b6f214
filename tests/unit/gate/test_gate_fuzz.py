from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from gate_peers import OK, Counting, Upstream, connect, poll, read_all, read_answer, sql_request
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kalam_props.gate.handle import Gate
from kalam_props.gate.plan import Planned
from kalam_props.programs.model import Net

FRAGMENTS = st.sampled_from(
    [
        b"POST /v1/api/sql HTTP/1.1\r\n",
        b"GET / HTTP/1.1\r\n",
        b"GET / HTTP/9.9\r\n",
        b"HEAD / HTTP/1.0\r\n",
        b"CONNECT a:1 HTTP/1.1\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\n",
        b"HTTP/1.1 204 No Content\r\n",
        b"host: a\r\n",
        b"content-length: 0\r\n",
        b"content-length: 13\r\n",
        b"content-length: 99999999999999999999\r\n",
        b"content-length: -1\r\n",
        b"transfer-encoding: chunked\r\n",
        b"transfer-encoding: gzip\r\n",
        b"connection: upgrade\r\nupgrade: websocket\r\n",
        b"connection: close\r\n",
        b"expect: 100-continue\r\n",
        b" folded\r\n",
        b"\r\n",
        b"\n",
        b"\r",
        b"\x00",
        b"5\r\nhello\r\n",
        b"0\r\n\r\n",
        b"ffffffffffffffff1\r\n",
        b'{"sql":"SELECT 1"}',
        b'{"sql":[1',
        b'{"sql":1}',
        b"[" * 3000,
        sql_request("SELECT 1"),
        OK,
    ]
)
BYTES = st.lists(st.one_of(FRAGMENTS, st.binary(max_size=20)), max_size=8).map(b"".join)
LINGERING = [Net(cut="after-forward"), Net(reset=True)]
"""After these the server's answer is still awaited for a while, so as to know when it came."""
NETS = st.sampled_from(
    [
        None,
        Net(cut="before-forward"),
        *LINGERING,
        Net(delay_us=100),
        Net(trickle_bytes=40),
        Net(bandwidth=1_000_000),
    ]
)


def descriptors(gate: Gate) -> int:
    return len(list(Path(f"/proc/{gate.pid}/fd").iterdir()))


class Babbling:
    """Takes what comes until the client ends, and answers with `words`, before or after that."""

    def __init__(self) -> None:
        self.words = b""
        self.at_once = False
        self.heard: list[bytes] = []

    def __call__(self, sock: socket.socket) -> None:
        if self.at_once:
            sock.sendall(self.words)
        self.heard.append(read_all(sock))
        if not self.at_once:
            sock.sendall(self.words)


@pytest.fixture(scope="module")
def babbling() -> Iterator[tuple[Babbling, Gate]]:
    server = Babbling()
    upstream = Upstream(server)
    with Gate(upstream.url) as gate:
        yield server, gate
    upstream.close()


@pytest.fixture(scope="module")
def sane() -> Iterator[Gate]:
    upstream = Upstream(Counting())
    with Gate(upstream.url) as gate:
        yield gate
    upstream.close()


def everything(port: int, pieces: list[bytes]) -> None:
    """Send it, end, and read to the end: the deadline of the socket is the proof that nothing hangs."""
    with connect(port) as client:
        try:
            for piece in pieces:
                client.sendall(piece)
            client.shutdown(socket.SHUT_WR)
            read_all(client)
        except TimeoutError:
            raise
        except OSError:
            pass  # closed: that is allowed


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(pieces=st.lists(BYTES, max_size=4), words=BYTES, at_once=st.booleans(), net=NETS)
def test_broken_http_on_either_side_is_forwarded_or_closed(
    babbling: tuple[Babbling, Gate], *, pieces: list[bytes], words: bytes, at_once: bool, net: Net | None
) -> None:
    """It never hangs, never crashes, leaves no connection open; and it answers afterwards."""
    server, gate = babbling
    server.words, server.at_once = words, at_once
    session = gate.open_session()
    round_ = gate.arm([Planned(session, "SELECT 1", net=net)])
    before = descriptors(gate)
    everything(session.port, pieces)
    if net not in LINGERING:
        poll(lambda: descriptors(gate) <= before)
    round_.end()
    gate.close_session(session)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(pieces=st.lists(BYTES, max_size=4))
def test_a_client_that_speaks_no_http_does_not_harm_the_next(sane: Gate, pieces: list[bytes]) -> None:
    """After it, a request on the same port is served as ever."""
    session = sane.open_session()
    with connect(session.port) as broken:
        for piece in pieces:
            with contextlib.suppress(ConnectionError):
                broken.sendall(piece)
    round_ = sane.arm([Planned(session, "SELECT after")])
    with connect(session.port) as client:
        client.sendall(sql_request("SELECT after"))
        assert read_answer(client) == OK
    assert len(round_.end()[0].attempts) == 1
    sane.close_session(session)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    cuts=st.lists(st.integers(1, 400), max_size=6),
    sql=st.text(st.characters(exclude_categories=["Cs"]), max_size=40),
)
def test_a_request_in_any_pieces_is_the_same_request(sane: Gate, cuts: list[int], sql: str) -> None:
    """Recognised, forwarded once, answered."""
    request = sql_request(sql)
    edges = sorted({0, len(request), *(cut for cut in cuts if cut < len(request))})
    session = sane.open_session()
    round_ = sane.arm([Planned(session, sql)])
    with connect(session.port) as client:
        for a, b in pairwise(edges):
            client.sendall(request[a:b])
        assert read_answer(client) == OK
    assert [attempt.status for attempt in round_.end()[0].attempts] == [200]
    sane.close_session(session)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(pieces=st.lists(BYTES, max_size=4), words=BYTES, awaited=st.sampled_from(["SELECT 1", "SELECT 2"]))
def test_whatever_both_sides_say_the_other_hears_exactly_that(
    babbling: tuple[Babbling, Gate], pieces: list[bytes], words: bytes, awaited: str
) -> None:
    """The server reads to the end, answers and ends: all bytes of both, HTTP or not, and nothing else."""
    server, gate = babbling
    server.words, server.at_once = words, False
    before = len(server.heard)
    session = gate.open_session()
    round_ = gate.arm([Planned(session, awaited)])
    with connect(session.port) as client:
        for piece in pieces:
            client.sendall(piece)
        client.shutdown(socket.SHUT_WR)
        assert read_all(client) == words
    assert server.heard[before:] == [b"".join(pieces)]
    round_.end()
    gate.close_session(session)
