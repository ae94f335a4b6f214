from __future__ import annotations

import socket
import threading
from collections.abc import Callable

import pytest
from gate_peers import OK, Counting, connect, poll, read_answer, read_request, refuses, sql_request

from kalam_props.gate.handle import Gate
from kalam_props.gate.plan import Planned
from kalam_props.programs.model import Net

Behind = Callable[[Callable[[socket.socket], None]], Gate]


def ask(port: int, request: bytes) -> bytes:
    with connect(port) as client:
        client.sendall(request)
        return read_answer(client)


def test_the_wire_interval_lies_around_the_execution(behind: Behind) -> None:
    """Sent before the server has the whole request, answered after it has answered, one clock for both."""
    server = Counting()
    gate = behind(server)
    session = gate.open_session()
    for n in range(50):
        round_ = gate.arm([Planned(session, f"SELECT {n}")])
        assert ask(session.port, sql_request(f"SELECT {n}")) == OK
        (record,) = round_.end()
        assert record.wire is not None
        sent, answered = record.wire
        assert record.arrived_ns is not None
        assert answered is not None
        assert record.arrived_ns <= sent <= server.times_ns[n] <= answered


def test_logins_probes_and_health_checks_pass_and_are_not_the_operation(behind: Behind) -> None:
    """As the CLI sends them before its statement, while a round is held."""
    server = Counting()
    gate = behind(server)
    session, other = gate.open_session(), gate.open_session()
    round_ = gate.arm(
        [Planned(session, "INSERT INTO kp_t VALUES (1)", mark="kp_t"), Planned(other, "SELECT 1")]
    )
    for request in (
        b'POST /v1/api/auth/login HTTP/1.1\r\nhost: h\r\ncontent-length: 12\r\n\r\n{"user":"u"}',
        sql_request("SELECT name FROM system.namespaces LIMIT 1"),
        sql_request("SELECT 1 AS auth_check"),
        b"GET /v1/api/healthcheck HTTP/1.1\r\nhost: h\r\n\r\n",
    ):
        assert ask(session.port, request) == OK
    record = round_.collect(0)
    assert record.never_forwarded
    assert record.arrived_ns is None


def test_a_probe_of_another_session_is_not_the_operation(behind: Behind) -> None:
    """The same SQL on another port."""
    gate = behind(Counting())
    session, other = gate.open_session(), gate.open_session()
    round_ = gate.arm([Planned(session, "SELECT 1")])
    assert ask(other.port, sql_request("SELECT 1")) == OK
    assert round_.collect(0).never_forwarded


@pytest.mark.parametrize(
    ("awaited", "body"),
    [
        ("SELECT 'a;  b'", b'{"sql":"SELECT \'a;  b\'","params":null}'),
        ("SELECT 1;", b'{"namespace_id": null, "sql" : " SELECT 1 "}'),
        ("INSERT 'né✓🎈\n\t\"'", b'{"sql":"INSERT \'n\\u00e9\\u2713\\ud83c\\udf88\\n\\t\\"\'"}'),
        ("INSERT 'né✓🎈'", '{"sql":"INSERT \'né✓🎈\'"}'.encode()),
        ("BEGIN; INSERT 1; COMMIT;", b'{"sql":"BEGIN; INSERT 1; COMMIT"}'),
    ],
)
def test_the_operation_is_known_by_its_sql_however_it_is_written(
    behind: Behind, awaited: str, body: bytes
) -> None:
    """JSON escapes, other fields, outer spaces and a last semicolon make no difference."""
    gate = behind(Counting())
    session = gate.open_session()
    round_ = gate.arm([Planned(session, awaited)])
    head = b"POST /v1/api/sql HTTP/1.1\r\nhost: h\r\ncontent-length: %d\r\n\r\n" % len(body)
    assert ask(session.port, head + body) == OK
    assert len(round_.collect(0).attempts) == 1


@pytest.mark.parametrize("sent", ["SELECT  1", "select 1", "SELECT 1 -- a", "SELECT 11"])
def test_another_statement_is_never_taken_for_it(behind: Behind, sent: str) -> None:
    """Not even one that differs in inner spaces or case; but it is not certain either that it is not it."""
    gate = behind(Counting())
    session = gate.open_session()
    round_ = gate.arm([Planned(session, "SELECT 1")])
    assert ask(session.port, sql_request(sent)) == OK
    record = round_.collect(0)
    assert (record.attempts, record.strangers) == ((), 1)
    assert not record.never_forwarded


def test_a_statement_with_the_mark_may_be_the_operation_rewritten(behind: Behind) -> None:
    """A client that changes the SQL must not make us say that nothing was sent; other statements may pass."""
    gate = behind(Counting())
    session = gate.open_session()
    round_ = gate.arm([Planned(session, "DELETE FROM kp_t", mark="kp_t")])
    assert ask(session.port, sql_request("SELECT 1 AS auth_check")) == OK
    assert ask(session.port, sql_request("delete from kp_t")) == OK
    record = round_.collect(0)
    assert (record.attempts, record.strangers) == ((), 1)
    assert not record.never_forwarded


def test_every_resend_of_the_client_is_an_attempt(behind: Behind) -> None:
    """The first answer is lost; the client asks twice more on new connections, and is not held."""
    served: list[bytes] = []

    def forgetful(sock: socket.socket) -> None:
        served.append(read_request(sock))
        if len(served) > 1:
            sock.sendall(OK)

    gate = behind(forgetful)
    session = gate.open_session()
    round_ = gate.arm([Planned(session, "INSERT 1")])
    assert ask(session.port, sql_request("INSERT 1")) == b""
    assert ask(session.port, sql_request("INSERT 1")) == OK
    assert ask(session.port, sql_request("INSERT 1")) == OK
    record = round_.collect(0)
    assert [attempt.status for attempt in record.attempts] == [None, 200, 200]
    assert record.attempts[0].error is not None
    assert record.wire == (record.attempts[0].sent_ns, None)
    assert record.retired
    assert served == [sql_request("INSERT 1")] * 3


def test_an_answered_operation_keeps_its_port(behind: Behind) -> None:
    """And the same SQL is the next operation, when that is what comes next."""
    gate = behind(Counting())
    session = gate.open_session()
    round_ = gate.arm([Planned(session, "SELECT 1"), Planned(session, "SELECT 1")])
    with connect(session.port) as client:
        for place in (0, 1):
            client.sendall(sql_request("SELECT 1"))
            assert read_answer(client) == OK
            record = round_.collect(place)
            assert len(record.attempts) == 1
            assert not record.retired


def test_after_an_operation_without_an_answer_its_port_refuses(behind: Behind) -> None:
    """A late resend reaches nobody: neither a new connection nor one that is open; the new port serves."""
    requests: list[bytes] = []

    def silent_at_first(sock: socket.socket) -> None:
        while request := read_request(sock):
            requests.append(request)
            if len(requests) > 1:
                sock.sendall(OK)

    gate = behind(silent_at_first)
    session = gate.open_session()
    round_ = gate.arm([Planned(session, "INSERT 1"), Planned(session, "INSERT 2")])
    with connect(session.port) as asking, connect(session.port) as idle:
        asking.sendall(sql_request("INSERT 1"))
        poll(lambda: len(requests) == 1)
        record = round_.collect(0)
        assert record.retired
        assert len(record.attempts) == 1
        assert refuses(session.port)
        moved = gate.renew(session)
        assert moved.port != session.port
        assert idle.recv(1) == b""
    assert refuses(session.port)
    assert ask(moved.port, sql_request("INSERT 2")) == OK
    assert len(round_.collect(1).attempts) == 1
    assert requests == [sql_request("INSERT 1"), sql_request("INSERT 2")]


def test_what_was_collected_before_it_arrived_is_never_forwarded(behind: Behind) -> None:
    """The client was given up; its bytes come later; the record said 'never', and so it stays."""
    server = Counting()
    gate = behind(server)
    session = gate.open_session()
    round_ = gate.arm([Planned(session, "INSERT 1")])
    with connect(session.port) as client:
        client.sendall(sql_request("INSERT 1")[:-1])
        assert round_.collect(0).never_forwarded
        try:
            client.sendall(sql_request("INSERT 1")[-1:])
            assert read_answer(client) == b""
        except ConnectionError:
            pass
    other = gate.open_session()
    assert ask(other.port, sql_request("SELECT 1")) == OK
    assert server.statements == ["SELECT 1"]


def test_a_held_request_that_is_collected_is_never_forwarded(behind: Behind) -> None:
    """All but its last byte is with the server, which therefore executes nothing."""
    received: list[bytearray] = []

    def listen(sock: socket.socket) -> None:
        received.append(bytearray())
        mine = received[-1]
        while piece := sock.recv(65536):
            mine += piece

    gate = behind(listen)
    first, second = gate.open_session(), gate.open_session()
    round_ = gate.arm([Planned(first, "INSERT 1"), Planned(second, "INSERT 2")])
    with connect(first.port) as client:
        client.sendall(sql_request("INSERT 1"))
        poll(lambda: received == [sql_request("INSERT 1")[:-1]])
        record = round_.collect(0)
        assert record.never_forwarded
        assert record.arrived_ns is not None
        assert read_answer(client) == b""
    round_.end()
    assert received == [sql_request("INSERT 1")[:-1]]


def test_a_retired_port_is_never_given_to_another_session(behind: Behind) -> None:
    """A late resend must not find anybody there."""
    gate = behind(Counting())
    session = gate.open_session()
    ports = [session.port]
    for _ in range(200):
        session = gate.renew(session)
        ports.append(session.port)
    assert len(set(ports)) == len(ports)


def test_a_body_that_cannot_be_read_leaves_it_open_whether_it_was_the_operation(behind: Behind) -> None:
    """It is forwarded as it is, and counted."""
    gate = behind(Counting())
    session = gate.open_session()
    round_ = gate.arm([Planned(session, "SELECT 1")])
    head = b"POST /v1/api/sql HTTP/1.1\r\nhost: h\r\ncontent-length: 4\r\n\r\n"
    assert ask(session.port, head + b"{oh}") == OK
    record = round_.collect(0)
    assert (record.attempts, record.opaque, record.never_forwarded) == ((), 1, False)


def test_an_error_status_is_an_answer(behind: Behind) -> None:
    """500 with its wire times: what it means is not for the gate to say."""
    error = b"HTTP/1.1 500 Internal Server Error\r\ncontent-length: 4\r\n\r\noops"
    gate = behind(Counting(error))
    session = gate.open_session()
    round_ = gate.arm([Planned(session, "SELECT 1")])
    assert ask(session.port, sql_request("SELECT 1")) == error
    record = round_.collect(0)
    assert [attempt.status for attempt in record.attempts] == [500]
    assert not record.retired


@pytest.mark.parametrize(
    "cut_off",
    [
        b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nab",
        b"HTTP/1.1 200 OK\r\nconte",
        b"\x00\x01no http",
        b"",
    ],
)
def test_an_answer_that_is_not_whole_is_none(behind: Behind, cut_off: bytes) -> None:
    """The attempt has no end, and the record says why."""

    def serve(sock: socket.socket) -> None:
        read_request(sock)
        sock.sendall(cut_off)

    gate = behind(serve)
    session = gate.open_session()
    round_ = gate.arm([Planned(session, "SELECT 1")])
    with connect(session.port) as client:
        client.sendall(sql_request("SELECT 1"))
        data = b""
        while piece := client.recv(100):
            data += piece
    assert data == cut_off
    record = round_.collect(0)
    assert record.attempts[0].answered_ns is None
    assert record.error is not None
    assert record.retired


def test_lanes_may_use_the_gate_from_their_own_threads(behind: Behind) -> None:
    """Eight threads arm, ask and collect at the same time, each its own operations."""
    gate = behind(Counting())
    seen: list[bool] = []

    def lane(number: int) -> None:
        session = gate.open_session()
        for turn in range(20):
            sql = f"SELECT {number}, {turn}"
            net = Net(cut="after-forward") if turn % 5 == 4 else None
            round_ = gate.arm([Planned(session, sql, net=net)])
            answer = ask(session.port, sql_request(sql))
            record = round_.collect(0)
            expected = OK if net is None else b""
            seen.append((answer, record.retired, len(record.attempts)) == (expected, net is not None, 1))
            if record.retired:
                session = gate.renew(session)
            round_.end()
        gate.close_session(session)

    threads = [threading.Thread(target=lane, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [True] * 160


def test_a_session_has_one_round_at_a_time(behind: Behind) -> None:
    """Arming another while operations are not collected is refused."""
    gate = behind(Counting())
    session = gate.open_session()
    gate.arm([Planned(session, "SELECT 1")])
    with pytest.raises(ValueError, match="not collected"):
        gate.arm([Planned(session, "SELECT 2")])
