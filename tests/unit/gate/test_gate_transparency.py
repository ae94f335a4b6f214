from __future__ import annotations

import gzip
import http.client
import json
import os
import socket
import threading
from collections.abc import Callable

import pytest
from gate_peers import (
    OK,
    Counting,
    connect,
    poll,
    read_all,
    read_answer,
    read_request,
    read_until,
    sql_request,
)
from websockets.sync.client import connect as open_websocket
from websockets.sync.server import ServerConnection, serve

from kalam_props.gate.handle import Gate
from kalam_props.gate.plan import Planned

Behind = Callable[[Callable[[socket.socket], None]], Gate]


class Scripted:
    """Takes `expected` bytes, answers `answer`, ends; `received` is what came until the client ended."""

    def __init__(self, answer: bytes, expected: int) -> None:
        self.answer = answer
        self.expected = expected
        self.received = b""
        self.done = threading.Event()

    def __call__(self, sock: socket.socket) -> None:
        self.received = read_until(sock, lambda d: len(d) >= self.expected)
        sock.sendall(self.answer)
        sock.shutdown(socket.SHUT_WR)
        self.received += read_all(sock)
        self.done.set()


def through(gate: Gate, data: bytes) -> bytes:
    """Send it, half-close, and give all that comes back."""
    with connect(gate.open_session().port) as client:
        client.sendall(data)
        client.shutdown(socket.SHUT_WR)
        return read_all(client)


REQUESTS = {
    "a login": b'POST /v1/api/auth/login HTTP/1.1\r\nHost: h\r\nContent-Length: 12\r\n\r\n{"user":"\xc3"}',
    "odd but legal headers": b"GET /x?a=%20 HTTP/1.1\r\nHOST:h\r\nX-A:  1 \r\nx: \xe4\xff\r\nempty:\r\n\r\n",
    "a chunked body": (
        b"POST /x HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n"
        b"3;e=1\r\n\r\n\n\r\n0\r\nt: 1\r\n\r\n"
    ),
    "several at once": (
        b"GET /1 HTTP/1.1\r\nhost: h\r\n\r\nPOST /2 HTTP/1.1\r\nhost: h\r\ncontent-length: 2\r\n\r\n\r\n"
    ),
    "HTTP/1.0": b"GET / HTTP/1.0\r\n\r\n",
    "HTTP/0.9": b"GET /\r\n\r\n",
    "no HTTP at all": b"\x16\x03\x01\x00\x05hello\x00\xff\r\n\r\n",
    "lines that end in LF only": b"GET / HTTP/1.1\nhost: h\n\n",
    "half a head": b"POST /v1/api/sql HTTP/1.1\r\nhost: h\r\ncont",
    "half a body": b"POST /v1/api/sql HTTP/1.1\r\nhost: h\r\ncontent-length: 10\r\n\r\n{}",
}


@pytest.mark.parametrize("name", [name for name in REQUESTS if name != "several at once"])
@pytest.mark.parametrize("awaited", ["nothing", "SELECT 1"])
def test_the_server_gets_the_bytes_that_the_client_sent(behind: Behind, name: str, awaited: str) -> None:
    """To the last byte, whether or not an operation is awaited on the port."""
    data = REQUESTS[name]
    server = Scripted(OK, len(data))
    gate = behind(server)
    session = gate.open_session()
    gate.arm([Planned(session, awaited)])
    with connect(session.port) as client:
        client.sendall(data)
        client.shutdown(socket.SHUT_WR)
        assert read_all(client) == OK
    poll(server.done.is_set)
    assert server.received == data


ANSWERS = {
    "chunked": b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2;a\r\nok\r\n0\r\nx: y\r\n\r\n",
    "with interim answers": (
        b"HTTP/1.1 103 Early Hints\r\nlink: a\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"
    ),
    "an error with a body": b"HTTP/1.1 503 Busy\r\nretry-after: 1\r\nContent-Length: 4\r\n\r\nbusy",
    "no content": b"HTTP/1.1 204 No Content\r\n\r\n",
    "until the end of the connection": b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nall that comes",
    "cut off": b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf",
    "compressed": b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 30\r\n\r\n"
    + gzip.compress(b"a" * 100)[:30],
    "odd headers": b"HTTP/1.1 200 \r\nSet-Cookie: a\r\nSet-Cookie: b\r\nX:\xff\r\ncontent-length: 0\r\n\r\n",
    "no HTTP at all": b"\x00\x01 hello \xff",
    "nothing": b"",
}


@pytest.mark.parametrize("name", ANSWERS)
@pytest.mark.parametrize("awaited", ["nothing", "SELECT 1"])
def test_the_client_gets_the_bytes_that_the_server_sent(behind: Behind, name: str, awaited: str) -> None:
    """To the last byte, for an operation and for anything else."""
    request = sql_request("SELECT 1")
    gate = behind(Scripted(ANSWERS[name], len(request)))
    session = gate.open_session()
    gate.arm([Planned(session, awaited)])
    with connect(session.port) as client:
        client.sendall(request)
        assert read_all(client) == ANSWERS[name]


def test_many_requests_use_one_connection(behind: Behind) -> None:
    """Keep-alive on both sides: the server sees one connection with three requests."""
    connections = []

    def count(sock: socket.socket) -> None:
        connections.append(0)
        while read_request(sock):
            connections[-1] += 1
            sock.sendall(OK)

    gate = behind(count)
    with connect(gate.open_session().port) as client:
        for number in range(3):
            client.sendall(sql_request(f"SELECT {number}"))
            assert read_answer(client) == OK
    poll(lambda: connections == [3])


def test_pipelined_requests_are_answered_in_order(behind: Behind) -> None:
    """Five in one packet, operations among them: five answers in their order."""
    numbers: list[bytes] = []

    def numbered(sock: socket.socket) -> None:
        while request := read_request(sock):
            numbers.append(request)
            sock.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n%d" % len(numbers))

    gate = behind(numbered)
    session = gate.open_session()
    round_ = gate.arm([Planned(session, "SELECT 1"), Planned(session, "SELECT 3")])
    requests = [sql_request(f"SELECT {n}") for n in range(5)]
    with connect(session.port) as client:
        client.sendall(b"".join(requests))
        client.shutdown(socket.SHUT_WR)
        answers = read_all(client)
    assert [int(part[-1:]) for part in answers.split(b"HTTP/1.1 200 OK")[1:]] == [1, 2, 3, 4, 5]
    assert numbers == requests
    assert [len(record.attempts) for record in round_.end()] == [1, 1]


@pytest.mark.parametrize("size", [1_000_000, 8_000_000])
def test_big_bodies_pass_both_ways(behind: Behind, size: int) -> None:
    """More than any buffer holds, both ways, as an operation and as another request."""
    body = os.urandom(size)

    def echo(sock: socket.socket) -> None:
        while request := read_request(sock):
            got = request.partition(b"\r\n\r\n")[2]
            sock.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(got) + got)

    gate = behind(echo)
    session = gate.open_session()
    connection = http.client.HTTPConnection("127.0.0.1", session.port, timeout=60)
    connection.request("POST", "/v1/api/files", body)
    assert connection.getresponse().read() == body
    sql = json.dumps({"sql": "SELECT '" + "x" * size + "'"}).encode()
    round_ = gate.arm([Planned(session, json.loads(sql)["sql"])])
    connection.request("POST", "/v1/api/sql", sql)
    assert connection.getresponse().read() == sql
    connection.close()
    assert len(round_.collect(0).attempts) == 1


@pytest.mark.parametrize(("awaited", "statuses"), [("nothing", []), ("SELECT 1", [200])])
def test_a_client_that_waits_for_100_continue_gets_it_from_the_server(
    behind: Behind, awaited: str, statuses: list[int]
) -> None:
    """The head goes on before the body is there; 100 comes back; then the body goes on."""
    request = sql_request("SELECT 1", head=b"expect: 100-continue\r\n")
    head = request[: request.index(b"\r\n\r\n") + 4]
    bodies: list[bytes] = []

    def patient(sock: socket.socket) -> None:
        assert read_until(sock, lambda d: d.endswith(b"\r\n\r\n")) == head
        sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        bodies.append(read_until(sock, lambda d: len(d) == len(request) - len(head)))
        sock.sendall(OK)

    gate = behind(patient)
    session = gate.open_session()
    round_ = gate.arm([Planned(session, awaited)])
    with connect(session.port) as client:
        client.sendall(head)
        assert read_until(client, lambda d: d.endswith(b"\r\n\r\n")) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(request[len(head) :])
        assert read_all(client) == OK
    assert bodies == [request[len(head) :]]
    assert [attempt.status for attempt in round_.collect(0).attempts] == statuses


def test_a_refusal_instead_of_100_continue_passes(behind: Behind) -> None:
    """417 for the head: the client has it, and no operation was forwarded."""
    refusal = b"HTTP/1.1 417 Expectation Failed\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
    request = sql_request("SELECT 1", head=b"expect: 100-continue\r\n")
    head = request[: request.index(b"\r\n\r\n") + 4]
    gate = behind(Scripted(refusal, len(head)))
    session = gate.open_session()
    round_ = gate.arm([Planned(session, "SELECT 1")])
    with connect(session.port) as client:
        client.sendall(head)
        assert read_all(client) == refusal
    assert round_.collect(0).attempts == ()


def test_a_half_closed_client_still_gets_its_answer(behind: Behind) -> None:
    """The client ends its side with the request; the server sees that end before it answers."""

    def at_the_end(sock: socket.socket) -> None:
        request = read_all(sock)
        sock.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(request) + request)

    gate = behind(at_the_end)
    session = gate.open_session()
    round_ = gate.arm([Planned(session, "SELECT 1")])
    with connect(session.port) as client:
        client.sendall(sql_request("SELECT 1"))
        client.shutdown(socket.SHUT_WR)
        assert read_all(client).partition(b"\r\n\r\n")[2] == sql_request("SELECT 1")
    assert round_.collect(0).attempts[0].status == 200


def test_a_server_that_ends_its_side_first_still_gets_what_the_client_sends(behind: Behind) -> None:
    """Half-closed the other way round."""
    request = b"GET / HTTP/1.1\r\nhost: h\r\n\r\n"
    server = Scripted(OK, len(request))
    gate = behind(server)
    with connect(gate.open_session().port) as client:
        client.sendall(request)
        assert read_all(client) == OK
        client.sendall(b"last words")
        client.shutdown(socket.SHUT_WR)
        poll(server.done.is_set)
    assert server.received == request + b"last words"


def test_a_connection_that_the_server_resets_is_reset(behind: Behind) -> None:
    """The client sees a reset, not an orderly end."""

    def reset(sock: socket.socket) -> None:
        read_request(sock)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")

    gate = behind(reset)
    with connect(gate.open_session().port) as client:
        client.sendall(sql_request("SELECT 1"))
        with pytest.raises(ConnectionResetError):
            read_all(client)


def ask_in_vain(port: int) -> bool:
    """Whether the connection was lost before any answer."""
    try:
        with connect(port) as client:
            client.sendall(sql_request("SELECT 1"))
            return read_all(client) == b""
    except ConnectionError:
        return True


def test_a_server_that_is_not_there_is_a_lost_connection() -> None:
    """No answer is made up; the record says why there was none."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with Gate(f"http://127.0.0.1:{port}") as gate:
        session = gate.open_session()
        round_ = gate.arm([Planned(session, "SELECT 1")])
        assert ask_in_vain(session.port)
        record = round_.collect(0)
    assert record.never_forwarded
    assert f"127.0.0.1:{port}" in str(record.error)
    assert "refused" in str(record.error)


def test_a_websocket_passes_both_ways() -> None:
    """Handshake, text, a big binary message, a ping, and the close code, between two real implementations."""

    def echo(peer: ServerConnection) -> None:
        for message in peer:
            peer.send(message)

    with serve(echo, "127.0.0.1", 0) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        port = server.socket.getsockname()[1]
        with Gate(f"http://127.0.0.1:{port}") as gate:
            session = gate.open_session()
            gate.arm([Planned(session, "SELECT 1")])
            with open_websocket(f"ws://127.0.0.1:{session.port}/v1/ws", max_size=None) as peer:
                peer.send("naïve ✓")
                assert peer.recv(timeout=20) == "naïve ✓"
                blob = os.urandom(800_000)
                peer.send(blob)
                assert peer.recv(timeout=20) == blob
                assert peer.ping().wait(20)
            assert peer.close_code == 1000
        server.shutdown()


def test_an_answer_to_head_has_no_body_to_wait_for(behind: Behind) -> None:
    """HEAD announces a length that never comes; the next request on the connection is served."""
    answer = b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n"

    def head_then_get(sock: socket.socket) -> None:
        read_request(sock)
        sock.sendall(answer)
        read_request(sock)
        sock.sendall(OK)

    gate = behind(head_then_get)
    with connect(gate.open_session().port) as client:
        client.sendall(b"HEAD / HTTP/1.1\r\nhost: h\r\n\r\n")
        assert read_until(client, lambda d: d.endswith(b"\r\n\r\n")) == answer
        client.sendall(b"GET / HTTP/1.1\r\nhost: h\r\n\r\n")
        assert read_answer(client) == OK


def test_an_upgrade_that_the_server_declines_stays_http(behind: Behind) -> None:
    """The next request on that connection is an operation, and is recognised."""
    gate = behind(Counting())
    session = gate.open_session()
    round_ = gate.arm([Planned(session, "SELECT 1")])
    with connect(session.port) as client:
        client.sendall(b"GET / HTTP/1.1\r\nhost: h\r\nconnection: Upgrade\r\nupgrade: h2c\r\n\r\n")
        assert read_answer(client) == OK
        client.sendall(sql_request("SELECT 1"))
        assert read_answer(client) == OK
    assert len(round_.collect(0).attempts) == 1


def test_an_answer_before_the_request_is_whole_passes(behind: Behind) -> None:
    """413 while the body is still coming; the rest of the body goes on as well."""
    refusal = b"HTTP/1.1 413 Too Large\r\ncontent-length: 0\r\n\r\n"
    received: list[bytes] = []

    def impatient(sock: socket.socket) -> None:
        head = read_until(sock, lambda d: b"\r\n\r\n" in d)
        sock.sendall(refusal)
        received.append(head + read_all(sock))

    gate = behind(impatient)
    head = b"PUT /file HTTP/1.1\r\nhost: h\r\ncontent-length: 6\r\n\r\n"
    with connect(gate.open_session().port) as client:
        client.sendall(head)
        assert read_answer(client) == refusal
        client.sendall(b"abcdef")
        client.shutdown(socket.SHUT_WR)
        poll(lambda: received == [head + b"abcdef"])


def test_several_requests_in_one_packet_all_arrive(behind: Behind) -> None:
    """Byte for byte, although each waits for the answer to the one before."""
    server = Counting()
    gate = behind(server)
    assert through(gate, REQUESTS["several at once"]) == OK + OK
    assert b"".join(server.requests) == REQUESTS["several at once"]
