from __future__ import annotations

import socket
import time
from collections.abc import Callable

import pytest
from gate_peers import OK, Counting, connect, poll, read_all, read_answer, refuses, sql_request

from kalam_props.gate.handle import ArmedRound, Gate
from kalam_props.gate.plan import GateSession, Planned, WireRecord
from kalam_props.programs.model import Net

Behind = Callable[[Callable[[socket.socket], None]], Gate]
MS = 1_000_000


def armed(gate: Gate, net: Net) -> tuple[GateSession, ArmedRound]:
    session = gate.open_session()
    return session, gate.arm([Planned(session, "SELECT 1", net=net)])


def asked(session: GateSession) -> socket.socket:
    client = connect(session.port)
    client.sendall(sql_request("SELECT 1"))
    return client


def answered_once(round_: ArmedRound) -> WireRecord:
    """The final record, of a request that was forwarded once and answered with 200."""
    (record,) = round_.end()
    assert [attempt.status for attempt in record.attempts] == [200]
    return record


def test_a_cut_before_forwarding_reaches_no_server(behind: Behind) -> None:
    """The client's connection ends without an answer, and the server has not a byte of the request."""
    received: list[bytes] = []

    def listen(sock: socket.socket) -> None:
        received.append(read_all(sock))

    gate = behind(listen)
    session, round_ = armed(gate, Net(cut="before-forward"))
    with asked(session) as client:
        assert read_all(client) == b""
    record = round_.collect(0)
    assert record.never_forwarded
    assert record.net_done == "cut-before-forward"
    assert record.wire is None
    poll(lambda: received == [b""])


def test_a_cut_after_forwarding_reaches_the_server_and_gives_no_answer(behind: Behind) -> None:
    """An orderly end for the client; the server executes and answers, and the gate sees that it did."""
    server = Counting()
    gate = behind(server)
    session, round_ = armed(gate, Net(cut="after-forward"))
    with asked(session) as client:
        assert read_all(client) == b""
    record = round_.collect(0)
    assert len(record.attempts) == 1
    assert record.net_done == "cut-after-forward"
    poll(lambda: server.statements == ["SELECT 1"])


def test_an_answer_that_comes_after_a_cut_is_in_the_final_record(behind: Behind) -> None:
    """Open when the client gave up, closed at the end of the round: it cannot take effect any later."""
    go = socket.socketpair()

    def slow(sock: socket.socket) -> None:
        go[1].recv(1)
        Counting()(sock)

    gate = behind(slow)
    session, round_ = armed(gate, Net(cut="after-forward"))
    with asked(session) as client:
        assert read_all(client) == b""
    early = round_.collect(0)
    assert early.wire is not None
    assert early.wire[1] is None
    go[0].sendall(b"1")
    poll(lambda: round_.collect(0).attempts[0].answered_ns is not None)
    final = answered_once(round_)
    assert final.wire is not None
    assert final.wire[1] is not None
    for end in go:
        end.close()


def test_a_reset_is_a_reset_for_the_client(behind: Behind) -> None:
    """ECONNRESET, not an orderly end; the server has the request."""
    server = Counting()
    gate = behind(server)
    session, round_ = armed(gate, Net(reset=True))
    with asked(session) as client, pytest.raises(ConnectionResetError):
        read_all(client)
    record = round_.collect(0)
    assert len(record.attempts) == 1
    assert record.net_done == "reset"
    poll(lambda: server.statements == ["SELECT 1"])


def test_a_delayed_answer_comes_late_and_unchanged(behind: Behind) -> None:
    """60 ms later; the wire time is that of its arrival at the gate."""
    gate = behind(Counting())
    session, round_ = armed(gate, Net(delay_us=60_000))
    with asked(session) as client:
        assert read_answer(client) == OK
        got_it = time.monotonic_ns()
    record = answered_once(round_)
    assert record.net_done == "delay"
    assert got_it - (record.attempts[0].answered_ns or 0) >= 60 * MS


def test_a_connection_goes_on_after_a_delayed_answer(behind: Behind) -> None:
    """The next request on it is not delayed any more."""
    gate = behind(Counting())
    session = gate.open_session()
    round_ = gate.arm(
        [Planned(session, "SELECT 1", net=Net(delay_us=20_000)), Planned(session, "SELECT 2", after=(0,))]
    )
    with asked(session) as client:
        assert read_answer(client) == OK
        client.sendall(sql_request("SELECT 2"))
        assert read_answer(client) == OK
    assert [record.net_done for record in round_.end()] == ["delay", None]


def test_a_stalled_answer_never_comes_and_the_connection_stays_open(behind: Behind) -> None:
    """The client waits in vain, and the gate has seen the answer."""
    gate = behind(Counting())
    session, round_ = armed(gate, Net(stall=True))
    with asked(session) as client:
        client.settimeout(0.2)
        with pytest.raises(TimeoutError):
            client.recv(1)
        record = round_.collect(0)
        assert [attempt.status for attempt in record.attempts] == [200]
        assert record.net_done == "stall"


@pytest.mark.parametrize("size", [1, 7])
def test_a_trickled_answer_comes_in_small_pieces_and_unchanged(behind: Behind, size: int) -> None:
    """A millisecond apart: so many pieces take so many milliseconds at least."""
    gate = behind(Counting())
    session, round_ = armed(gate, Net(trickle_bytes=size))
    with asked(session) as client:
        began = time.monotonic_ns()
        assert read_answer(client) == OK
        took = time.monotonic_ns() - began
    record = answered_once(round_)
    assert record.net_done == "trickle"
    assert took >= (len(OK) // size - 1) * MS


def test_a_limited_bandwidth_slows_the_request_down(behind: Behind) -> None:
    """At 4,000 bytes a second: the wire interval begins when the last byte is sent, not the first."""
    server = Counting()
    gate = behind(server)
    session, round_ = armed(gate, Net(bandwidth=4000))
    request = sql_request("SELECT 1")
    with asked(session) as client:
        assert read_answer(client) == OK
    record = answered_once(round_)
    assert record.net_done == "bandwidth"
    assert server.requests == [request]
    assert record.attempts[0].sent_ns - (record.due_ns or 0) >= (len(request) - 1) * 1_000_000_000 // 4000


def test_a_client_that_gives_up_during_a_slow_request_leaves_it_unforwarded(behind: Behind) -> None:
    """Collected before the last byte: never forwarded, and its port is closed."""
    server = Counting()
    gate = behind(server)
    session, round_ = armed(gate, Net(bandwidth=50))
    with asked(session):
        record = round_.collect(0)
    assert record.never_forwarded
    assert record.retired
    assert refuses(session.port)
    assert server.requests == []


def test_a_fault_is_for_its_own_request_only(behind: Behind) -> None:
    """The login before it and the resend after it pass."""
    server = Counting()
    gate = behind(server)
    session, round_ = armed(gate, Net(cut="after-forward"))
    with connect(session.port) as client:
        client.sendall(b"POST /v1/api/auth/login HTTP/1.1\r\nhost: h\r\ncontent-length: 2\r\n\r\n{}")
        assert read_answer(client) == OK
        client.sendall(sql_request("SELECT 1"))
        assert read_all(client) == b""
    with asked(session) as again:
        assert read_answer(again) == OK
    poll(lambda: len(server.requests) == 3)
    record = round_.collect(0)
    assert len(record.attempts) == 2
    assert record.retired


def test_a_fault_that_had_no_request_to_act_on_was_not_done(behind: Behind) -> None:
    """The client never sent it."""
    gate = behind(Counting())
    _, round_ = armed(gate, Net(reset=True))
    assert round_.collect(0).net_done is None


@pytest.mark.parametrize(
    "net", [Net(delay_us=1000), Net(trickle_bytes=3), Net(bandwidth=20_000), Net(), Net(delay_us=0)]
)
def test_a_half_closed_client_gets_its_answer_through_a_slow_network(behind: Behind, net: Net) -> None:
    """Slow is not cut: it ends its side with the request and waits."""
    gate = behind(Counting())
    session, round_ = armed(gate, net)
    with asked(session) as client:
        client.shutdown(socket.SHUT_WR)
        assert read_all(client) == OK
    answered_once(round_)
