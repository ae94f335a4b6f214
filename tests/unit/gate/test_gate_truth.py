from __future__ import annotations

import contextlib
import itertools
import threading
from collections import defaultdict
from collections.abc import Iterator

import pytest
from attrs import frozen
from gate_peers import OK, Counting, Upstream, connect, poll, read_answer, sql_request
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kalam_props.gate.handle import ArmedRound, Gate
from kalam_props.gate.plan import GateSession, Planned, WireRecord
from kalam_props.programs.model import Net

RUNS = itertools.count()

NETS = st.sampled_from(
    [
        None,
        None,
        None,
        Net(cut="before-forward"),
        Net(cut="after-forward"),
        Net(reset=True),
        Net(delay_us=500),
        Net(trickle_bytes=20),
        Net(bandwidth=100_000),
        Net(stall=True),
    ]
)


@frozen
class Ask:
    """One operation of a lane: its rule, its network, and how long its client waits (s)."""

    us: int
    follows: int | None
    net: Net | None
    patience_s: float


@frozen
class Lane:
    """What one session does; `present`: whether its client comes at all."""

    asks: tuple[Ask, ...]
    present: bool


ASKS = st.builds(
    Ask,
    us=st.sampled_from([0, 0, 100, 1500]),
    follows=st.none() | st.integers(0, 3),
    net=NETS,
    patience_s=st.sampled_from([0.0005, 0.003, 20.0, 20.0, 20.0]),
)
LANES = st.builds(
    Lane, asks=st.lists(ASKS, min_size=1, max_size=3).map(tuple), present=st.sampled_from([True, True, False])
)


@pytest.fixture(scope="module")
def counted() -> Iterator[tuple[Counting, Gate]]:
    server = Counting()
    upstream = Upstream(server)
    with Gate(upstream.url) as gate:
        yield server, gate
    upstream.close()


def plan_of(lanes: list[Lane], sessions: list[GateSession], name: str) -> list[Planned]:
    """Requests of the lanes, each after the one before it, or after the first of another lane."""
    plan: list[Planned] = []
    firsts: list[int] = []
    for lane, session in zip(lanes, sessions, strict=True):
        firsts.append(len(plan))
        for number, ask in enumerate(lane.asks):
            if number:
                after: tuple[int, ...] = (len(plan) - 1,)
            elif ask.follows is not None and ask.follows < len(firsts) - 1:
                after = (firsts[ask.follows],)
            else:
                after = ()
            plan.append(Planned(session, f"SELECT '{name}.{len(plan)}'", after=after, us=ask.us, net=ask.net))
    return plan


def patience_of(ask: Ask) -> float:
    """A client that is stalled gives up; the others are as patient as was drawn."""
    return 0.01 if ask.net is not None and ask.net.stall else ask.patience_s


class Run:
    """The clients of one round, a thread each, and what they and the gate say of every request."""

    def __init__(self, gate: Gate, round_: ArmedRound, plan: list[Planned]) -> None:
        self.gate = gate
        self.round = round_
        self.plan = plan
        self.records: dict[int, WireRecord] = {}
        self.answers: dict[int, bytes] = {}

    def lane(self, lane: Lane, session: GateSession, first: int) -> None:
        for place, ask in enumerate(lane.asks, first):
            self.answers[place] = b""
            if lane.present:
                with contextlib.suppress(OSError), connect(session.port) as client:
                    client.settimeout(patience_of(ask))
                    client.sendall(sql_request(self.plan[place].sql))
                    self.answers[place] = read_answer(client)
            self.records[place] = self.round.collect(place)
            if self.records[place].retired:
                session = self.gate.renew(session)
        self.gate.close_session(session)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lanes=st.lists(LANES, min_size=1, max_size=4))
def test_records_are_true_whatever_lanes_rules_faults_and_clients_do(
    counted: tuple[Counting, Gate], lanes: list[Lane]
) -> None:
    """The server saw as many as were forwarded, within the wire times; never those that never were."""
    server, gate = counted
    before = len(server.times_ns)
    sessions = [gate.open_session() for _ in lanes]
    plan = plan_of(lanes, sessions, str(next(RUNS)))
    run = Run(gate, gate.arm(plan, gather_s=0.05, hold_s=0.1), plan)
    first = 0
    threads = []
    for lane, session in zip(lanes, sessions, strict=True):
        threads.append(threading.Thread(target=run.lane, args=(lane, session, first)))
        first += len(lane.asks)
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    answered = sum(answer == OK for answer in run.answers.values())
    poll(lambda: len(server.times_ns) - before >= answered)
    final = run.round.end()
    seen: dict[str, list[int]] = defaultdict(list)
    for sql, ns in server.log():
        seen[sql].append(ns)
    for place, request in enumerate(plan):
        judge(run.records[place], final[place], seen[request.sql], run.answers[place])


def judge(record: WireRecord, final: WireRecord, seen_ns: list[int], answer: bytes) -> None:
    assert record.opaque == 0
    assert len(final.attempts) == len(record.attempts) <= 1
    assert len(seen_ns) <= len(record.attempts)
    if answer == OK:
        assert len(seen_ns) == 1
        assert record.wire is not None
        assert record.wire[1] is not None
        assert not record.retired
    if final.wire is not None and seen_ns:
        sent, answered = final.wire
        assert sent <= seen_ns[0]
        assert answered is None or seen_ns[0] <= answered
    if final.wire is not None and final.wire[1] is not None:
        assert len(seen_ns) == 1
