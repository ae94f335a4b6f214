from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from gate_peers import (
    OK,
    Counting,
    Upstream,
    connect,
    poll,
    read_all,
    read_answer,
    read_request,
    refuses,
    sql_request,
)

from kalam_props.gate.handle import Gate
from kalam_props.gate.plan import Planned
from kalam_props.programs.model import Net

# Key and self-signed certificate for 127.0.0.1, of use nowhere else; valid until 2125.
CERTIFICATE = Path(__file__).with_name("loopback_test_certificate.pem")


def tls_server() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    return context


@pytest.fixture
def secure() -> Iterator[tuple[Counting, Gate]]:
    server = Counting()
    upstream = Upstream(server, tls=tls_server())
    with Gate(upstream.url, ca_file=str(CERTIFICATE)) as gate:
        yield server, gate
    upstream.close()


def test_requests_pass_to_a_server_that_speaks_tls(secure: tuple[Counting, Gate]) -> None:
    """Unchanged, held and released with the others, and with wire times."""
    server, gate = secure
    sessions = [gate.open_session() for _ in range(3)]
    round_ = gate.arm([Planned(session, f"SELECT {n}") for n, session in enumerate(sessions)])
    clients = [connect(session.port) for session in sessions]
    for n, client in enumerate(clients):
        client.sendall(sql_request(f"SELECT {n}"))
    for client in clients:
        assert read_answer(client) == OK
        client.close()
    assert sorted(server.requests) == [sql_request(f"SELECT {n}") for n in range(3)]
    records = round_.end()
    assert [attempt.status for record in records for attempt in record.attempts] == [200] * 3


def test_a_connection_is_used_again(secure: tuple[Counting, Gate]) -> None:
    """Several requests on one connection, operations and others in turn."""
    server, gate = secure
    session = gate.open_session()
    with connect(session.port) as client:
        for n in range(4):
            round_ = gate.arm([Planned(session, "SELECT 0")])
            client.sendall(sql_request(f"SELECT {n % 2}"))
            assert read_answer(client) == OK
            if n % 2 == 0:
                assert len(round_.collect(0).attempts) == 1
            else:
                assert round_.collect(0).retired
                break
    assert server.statements == ["SELECT 0", "SELECT 1"]


def test_big_bodies_pass_both_ways_through_tls() -> None:
    """Many TLS records, and more than the buffers hold."""
    body = os.urandom(3_000_000)

    def echo(sock: socket.socket) -> None:
        request = read_request(sock)
        sock.sendall(
            b"HTTP/1.1 200 OK\r\ncontent-length: 3000000\r\n\r\n" + request.partition(b"\r\n\r\n")[2]
        )

    upstream = Upstream(echo, tls=tls_server())
    with Gate(upstream.url, ca_file=str(CERTIFICATE)) as gate, connect(gate.open_session().port) as client:
        client.sendall(b"PUT / HTTP/1.1\r\nhost: h\r\ncontent-length: 3000000\r\n\r\n" + body)
        assert read_answer(client).partition(b"\r\n\r\n")[2] == body
    upstream.close()


def test_the_end_of_the_clients_side_is_passed_on_through_tls() -> None:
    """The server reads to the end, and then answers."""

    def at_the_end(sock: socket.socket) -> None:
        assert read_all(sock) == b"GET / HTTP/1.1\r\nhost: h\r\n\r\n"
        sock.sendall(OK)

    upstream = Upstream(at_the_end, tls=tls_server())
    with Gate(upstream.url, ca_file=str(CERTIFICATE)) as gate, connect(gate.open_session().port) as client:
        client.sendall(b"GET / HTTP/1.1\r\nhost: h\r\n\r\n")
        client.shutdown(socket.SHUT_WR)
        assert read_all(client) == OK
    upstream.close()


@pytest.mark.parametrize("net", [Net(bandwidth=20_000), Net(trickle_bytes=5), Net(delay_us=500)])
def test_network_faults_work_on_tls_connections(secure: tuple[Counting, Gate], net: Net) -> None:
    """Slow requests and slow answers come through whole."""
    server, gate = secure
    session = gate.open_session()
    round_ = gate.arm([Planned(session, "SELECT 1", net=net)])
    with connect(session.port) as client:
        client.sendall(sql_request("SELECT 1"))
        assert read_answer(client) == OK
    assert round_.collect(0).net_done is not None
    assert server.requests == [sql_request("SELECT 1")]


def test_a_certificate_that_is_not_trusted_is_a_lost_connection() -> None:
    """Nothing is forwarded, and the record says why."""
    server = Counting()
    upstream = Upstream(server, tls=tls_server())
    with Gate(upstream.url) as gate:
        session = gate.open_session()
        round_ = gate.arm([Planned(session, "SELECT 1")])
        with connect(session.port) as client:
            poll(lambda: gone(client))
        record = round_.collect(0)
    assert record.never_forwarded
    assert "certificate verify failed" in str(record.error).lower()
    assert refuses(session.port)
    assert server.requests == []
    upstream.close()


def gone(client: socket.socket) -> bool:
    try:
        return client.recv(1) == b""
    except ConnectionError:
        return True
