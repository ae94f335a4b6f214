from __future__ import annotations

import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable

from gate_peers import OK, Counting, connect, poll, read_answer, read_request, sql_request

from kalam_props.gate.handle import ArmedRound, Gate
from kalam_props.gate.plan import Every, GateSession, Planned, PlannedKill, WireRecord, others

Behind = Callable[[Callable[[socket.socket], None]], Gate]
MS = 1_000_000


def sent(record: WireRecord) -> int:
    assert len(record.attempts) == 1
    return record.attempts[0].sent_ns


def answered(record: WireRecord) -> int:
    ns = record.attempts[0].answered_ns
    assert ns is not None
    return ns


class Client:
    """A session's client in a thread: one keep-alive connection, its statements one after the other."""

    def __init__(self, session: GateSession, *statements: str) -> None:
        self._session = session
        self._statements = statements
        self.answers: list[bytes] = []
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        with connect(self._session.port) as sock:
            for statement in self._statements:
                sock.sendall(sql_request(statement))
                self.answers.append(read_answer(sock))

    def join(self) -> None:
        self._thread.join(20)
        assert not self._thread.is_alive()


def arrived(server: Counting, count: int) -> None:
    poll(lambda: len(server.requests) >= count)


def run(gate: Gate, plan: list[Planned]) -> tuple[WireRecord, ...]:
    """Arm it, run a client for each of its sessions, and give the records."""
    round_ = gate.arm(plan)
    statements: dict[GateSession, list[str]] = {}
    for request in plan:
        statements.setdefault(request.session, []).append(request.sql)
    clients = [Client(session, *lane) for session, lane in statements.items()]
    for client in clients:
        client.join()
    assert all(answer == OK for client in clients for answer in client.answers)
    return round_.end()


def test_no_request_goes_on_before_all_lanes_are_there(behind: Behind) -> None:
    """Two of three have arrived, complete: the server has nothing; with the third it has all."""
    server = Counting()
    gate = behind(server)
    sessions = [gate.open_session() for _ in range(3)]
    round_ = gate.arm([Planned(session, f"SELECT {n}") for n, session in enumerate(sessions)])
    socks = [connect(session.port) for session in sessions]
    for n in (0, 1):
        socks[n].sendall(sql_request(f"SELECT {n}"))
        other = gate.open_session()
        with connect(other.port) as probe:
            probe.sendall(sql_request("a later request of someone else"))
            assert read_answer(probe) == OK
    assert server.statements == ["a later request of someone else"] * 2
    socks[2].sendall(sql_request("SELECT 2"))
    for sock in socks:
        assert read_answer(sock) == OK
        sock.close()
    records = round_.end()
    assert sorted(server.statements[2:]) == ["SELECT 0", "SELECT 1", "SELECT 2"]
    last_arrival = max(record.arrived_ns or 0 for record in records)
    assert all(sent(record) >= last_arrival for record in records)


def test_requests_due_together_leave_in_the_order_of_the_plan(behind: Behind) -> None:
    """Whatever the order in which they arrived."""
    gate = behind(Counting())
    sessions = [gate.open_session() for _ in range(6)]
    for turn in range(5):
        plan = [Planned(session, f"SELECT {turn}") for session in sessions]
        order = [sent(record) for record in run(gate, plan)]
        assert order == sorted(order)
        sessions.reverse()


def test_offsets_decide_the_order_and_are_never_undercut(behind: Behind) -> None:
    """4, 0 and 2 ms after the release: the second, the third, the first, none of them early."""
    gate = behind(Counting())
    offsets = [4000, 0, 2000]
    plan = [Planned(gate.open_session(), "SELECT 1", us=us) for us in offsets]
    first, second, third = run(gate, plan)
    assert sent(second) < sent(third) < sent(first)
    release = second.due_ns or 0
    for us, record in zip(offsets, (first, second, third), strict=True):
        assert record.due_ns == release + us * 1000
        assert sent(record) >= release + us * 1000
        assert not record.forced


def test_a_later_operation_goes_after_the_answer_before_it_and_its_offset(behind: Behind) -> None:
    """The second of a lane: 3 ms after the first was answered, not after it was asked for."""
    gate = behind(Counting())
    session = gate.open_session()
    first, second = run(
        gate, [Planned(session, "SELECT 1"), Planned(session, "SELECT 2", after=(0,), us=3000)]
    )
    assert second.due_ns == answered(first) + 3 * MS
    assert sent(second) >= second.due_ns


def test_an_operation_can_follow_the_answer_of_another_lane(behind: Behind) -> None:
    """Three lanes, one after the other, in an order that is not the plan's."""
    server = Counting()
    gate = behind(server)
    a, b, c = (gate.open_session() for _ in range(3))
    first, second, third = run(
        gate, [Planned(a, "SELECT a", after=(2,)), Planned(b, "SELECT b", after=(0,)), Planned(c, "SELECT c")]
    )
    assert server.statements == ["SELECT c", "SELECT a", "SELECT b"]
    assert answered(third) <= sent(first) < answered(first) <= sent(second)


def test_a_paused_lane_waits_until_the_others_have_finished(behind: Behind) -> None:
    """Its request is there and held while another lane does three operations and a third lane one."""
    server = Counting()
    gate = behind(server)
    paused, long, short = (gate.open_session() for _ in range(3))
    plan = [
        Planned(paused, "SELECT paused"),
        Planned(long, "SELECT 1"),
        Planned(long, "SELECT 2"),
        Planned(short, "SELECT short"),
        Planned(long, "SELECT 3"),
        Planned(paused, "SELECT after"),
    ]
    plan[0] = Planned(paused, "SELECT paused", after=others(plan, 0))
    records = run(gate, plan)
    assert server.statements[-2:] == ["SELECT paused", "SELECT after"]
    assert sent(records[0]) >= max(answered(records[n]) for n in (1, 2, 3, 4))
    assert (records[0].arrived_ns or 0) < sent(records[1])
    assert not records[0].forced


def test_a_lane_that_is_collected_without_a_request_is_not_waited_for(behind: Behind) -> None:
    """Its client failed at login; the other lane goes on, without the limit having been reached."""
    server = Counting()
    gate = behind(server)
    here, gone = gate.open_session(), gate.open_session()
    round_ = gate.arm([Planned(here, "SELECT 1"), Planned(gone, "SELECT 2")], gather_s=3600)
    client = Client(here, "SELECT 1")
    assert round_.collect(1).never_forwarded
    client.join()
    assert len(round_.collect(0).attempts) == 1


def test_a_lane_that_never_comes_is_waited_for_only_so_long(behind: Behind) -> None:
    """After the limit those that are there go on."""
    gate = behind(Counting())
    here, gone = gate.open_session(), gate.open_session()
    round_ = gate.arm([Planned(here, "SELECT 1"), Planned(gone, "SELECT 2")], gather_s=0.05)
    client = Client(here, "SELECT 1")
    client.join()
    assert [len(record.attempts) for record in round_.end()] == [1, 0]


def test_a_request_is_not_held_for_ever(behind: Behind) -> None:
    """What it waits for does not end: it goes after the limit, and the record says that it was forced."""
    gate = behind(Counting())
    here, silent = gate.open_session(), gate.open_session()
    plan = [Planned(here, "SELECT 1", after=(1,)), Planned(silent, "SELECT 2")]
    round_ = gate.arm(plan, gather_s=0.05, hold_s=0.05)
    client = Client(here, "SELECT 1")
    client.join()
    record = round_.collect(0)
    assert record.forced
    assert len(record.attempts) == 1


def test_rounds_of_different_sessions_do_not_wait_for_each_other(behind: Behind) -> None:
    """One round is complete and runs while another still gathers."""
    gate = behind(Counting())
    waiting, missing, running = (gate.open_session() for _ in range(3))
    slow = gate.arm([Planned(waiting, "SELECT 1"), Planned(missing, "SELECT 2")])
    held = Client(waiting, "SELECT 1")
    fast: ArmedRound = gate.arm([Planned(running, "SELECT 3")])
    Client(running, "SELECT 3").join()
    assert len(fast.collect(0).attempts) == 1
    assert held.answers == []
    Client(missing, "SELECT 2").join()
    held.join()
    slow.end()


def test_the_server_has_all_but_the_last_byte_of_a_held_request(behind: Behind) -> None:
    """It has read and parsed the rest when the release sends that byte."""
    request = sql_request("SELECT 1")
    pieces: list[bytes] = []

    def watched(sock: socket.socket) -> None:
        while data := sock.recv(65536):
            pieces.append(data)
            if b"".join(pieces) == request:
                sock.sendall(OK)

    server = Counting()
    gate = behind(watched)
    first, second = gate.open_session(), gate.open_session()
    gate.arm([Planned(first, "SELECT 1"), Planned(second, "SELECT 2")])
    with connect(first.port) as client:
        client.sendall(request)
        poll(lambda: b"".join(pieces) == request[:-1])
        with connect(second.port):
            gate.close_session(second)
    assert server.requests == []


def test_an_answer_to_a_request_that_is_still_held_passes_at_once(behind: Behind) -> None:
    """A server that refuses a head (401) without reading the body: nothing is left to hold."""
    refusal = b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n"
    whole: list[bytes] = []

    def strict(sock: socket.socket) -> None:
        head = sock.recv(65536)
        sock.sendall(refusal)
        whole.append(head + sock.recv(1))
        assert read_request(sock) == sql_request("SELECT 9")
        sock.sendall(OK)

    gate = behind(strict)
    first, missing = gate.open_session(), gate.open_session()
    round_ = gate.arm([Planned(first, "SELECT 1"), Planned(missing, "SELECT 2")], gather_s=3600)
    with connect(first.port) as client:
        client.sendall(sql_request("SELECT 1"))
        assert read_answer(client) == refusal
        record = round_.collect(0)
        client.sendall(sql_request("SELECT 9"))
        assert read_answer(client) == OK
    assert whole == [sql_request("SELECT 1")]
    assert [attempt.status for attempt in record.attempts] == [401]
    assert record.forced
    assert not record.retired


def test_holding_does_not_delay_others_connections(behind: Behind) -> None:
    """While a round gathers, and while one is delayed by its offset, other requests pass."""
    gate = behind(Counting())
    held, missing, free = (gate.open_session() for _ in range(3))
    gate.arm([Planned(held, "SELECT 1"), Planned(missing, "SELECT 2")])
    late = gate.open_session()
    gate.arm([Planned(late, "SELECT 3", us=3_000_000)])
    Client(held, "SELECT 1")
    Client(late, "SELECT 3")
    other = Client(free, *[f"SELECT {n}" for n in range(100)])
    other.join()
    assert other.answers == [OK] * 100


def test_one_with_a_rhythm_is_sent_at_a_moment_of_it_and_never_before(behind: Behind) -> None:
    """Moments 40 ms apart: it leaves after one of them, the first since it was due."""
    gate = behind(Counting())
    every = Every(40 * MS, 7 * MS)
    plan = [
        Planned(gate.open_session(), "INSERT"),
        Planned(gate.open_session(), "SELECT", (0,), us=500, every=every),
    ]
    insert, select = run(gate, plan)
    assert select.due_ns is not None
    assert (select.due_ns - every.phase_ns) % every.period_ns == 0
    assert answered(insert) + MS // 2 <= select.due_ns < answered(insert) + MS // 2 + every.period_ns
    assert select.due_ns <= sent(select)


def test_a_kill_leaves_among_the_requests(behind):
    """With the round's release, and at its offset: while a later request is still held."""
    server = Counting()
    gate = behind(server)
    one, two = gate.open_session(), gate.open_session()
    with subprocess.Popen(["sleep", "60"]) as victim:
        plan = [Planned(one, "SELECT 1"), Planned(two, "SELECT 2", us=200_000)]
        round_ = gate.arm(plan, kill=PlannedKill(victim.pid, us=20_000))
        first = Client(one, "SELECT 1")
        assert victim.poll() is None
        second = Client(two, "SELECT 2")
        first.join()
        victim.wait(10)
        killed = time.monotonic_ns()
        second.join()
        records = round_.end()
    assert victim.returncode == -signal.SIGKILL
    assert sent(records[0]) + 19 * MS < killed < sent(records[1]) + 19 * MS


def test_a_process_that_has_ended_keeps_nobody_waiting(behind):
    """There is nothing to kill; the round goes on."""
    gate = behind(Counting())
    session = gate.open_session()
    with subprocess.Popen(["true"]) as gone:
        gone.wait()
        round_ = gate.arm([Planned(session, "SELECT 1")], kill=PlannedKill(gone.pid))
        Client(session, "SELECT 1").join()
    assert len(round_.end()) == 1
