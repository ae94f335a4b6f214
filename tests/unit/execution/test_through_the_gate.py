"""Programs through the gate, on the reference server: order, wire times, network faults, outcomes."""

from __future__ import annotations

import pytest

from kalam_props.checks.judge import judge
from kalam_props.execution.run import Limits, execute
from kalam_props.history.events import Fail, Info, Invoke, NetFault, Ok, Released
from kalam_props.history.operations import AwaitFlush, Count, Flush, Insert, Pause, Select
from kalam_props.programs.model import Net, Program, Release, Round, Step, TableDef
from kalam_props.targets.opening import TargetOptions, open_run

TABLE = {"t": TableDef((("id", "BIGINT"), ("v", "TEXT")), "id", flush_rows=None)}
LINE_BREAK = "a\nsecond 'line';\n"


def insert(key, release=None, net=None, text="v"):
    return Step(Insert("t", ((key, text),)), release, net)


def run(workspace, tmp_path, *rounds, **limits):
    program = Program(TABLE, tuple(Round(lanes) for lanes in rounds))
    history = execute(program, workspace, tmp_path / "history.jsonl", Limits(**limits))
    verdict = judge(history)
    assert verdict.anomalies == (), verdict
    return history


def ends(history):
    """For each invocation in order: how it ended."""
    answers = {e.of: e for e in history.events if isinstance(e, (Ok, Fail, Info))}
    return [(e, answers[e.i]) for e in history.events if isinstance(e, Invoke)]


def test_every_request_has_wire_times_within_its_operation(workspace, tmp_path):
    """Whatever the driver makes of the SQL: the gate knows it; the history says that it was there."""
    history = run(
        workspace,
        tmp_path,
        {"u0/1": (insert(1), insert(2, text=LINE_BREAK)), "u0/2": (Step(Flush("t")), Step(Select("t")))},
        {"u1/1": (Step(Count("t")),)},
    )
    assert history.header.gate
    requests = [(i, a) for i, a in ends(history) if not isinstance(i.op, AwaitFlush)]
    assert len(requests) > 5
    for invoke, answer in requests:
        assert answer.wire is not None, invoke
        first, last = answer.wire
        assert invoke.t <= first <= last <= answer.t


def test_requests_of_a_round_are_held_until_all_have_come(workspace, tmp_path):
    """No first request is sent on before each lane has begun."""
    lanes = {f"u{n}/1": (Step(Select("t")),) for n in range(4)}
    found = ends(run(workspace, tmp_path, lanes))[:4]
    assert max(invoke.t for invoke, _ in found) <= min(answer.wire[0] for _, answer in found)


def test_an_offset_is_kept_and_recorded(workspace, tmp_path):
    """After the round's release, and after the answer before; never sooner."""
    lanes = {
        "u0/1": (insert(1), insert(2, Release("previous", 30_000))),
        "u0/2": (Step(Select("t"), Release("round", 60_000)),),
    }
    found = ends(run(workspace, tmp_path, lanes))
    inserts = [pair for pair in found if isinstance(pair[0].op, Insert)]
    (select, answer) = next(pair for pair in found if isinstance(pair[0].op, Select))
    assert inserts[1][1].wire[0] - inserts[0][1].wire[1] >= 30_000_000
    assert inserts[1][0].release == Released("previous", 30_000)
    assert answer.wire[0] - inserts[0][1].wire[0] >= 59_000_000  # requests leave one after the other
    assert select.release == Released("round", 60_000)


def test_a_request_at_an_answer_follows_it_in_real_time(workspace, tmp_path):
    """Its client was there before that answer; so the two are no longer concurrent, by the wire."""
    lanes = {"u0/1": (insert(1),), "u0/2": (insert(2, Release("answer")),)}
    found = ends(run(workspace, tmp_path, lanes))[:2]
    (_, answer), (second, after) = sorted(found, key=lambda pair: pair[0].p)
    assert second.release == Released("answer", 0)
    assert second.t < answer.wire[1] <= after.wire[0]


def test_a_lane_that_begins_by_waiting_holds_nobody_up(by_http, tmp_path):
    """Its requests are no part of the round's first."""
    lanes = {"u0/1": (Step(Pause(400_000)), insert(1)), "u0/2": (Step(Select("t")),)}
    found = ends(run(by_http, tmp_path, lanes))
    pause = next(answer for invoke, answer in found if isinstance(invoke.op, Pause))
    select = next(answer for invoke, answer in found if isinstance(invoke.op, Select))
    assert select.wire[1] < pause.t


@pytest.mark.parametrize(
    ("net", "what", "outcomes"),
    [
        (Net(cut="before-forward"), "cut-before-forward", (Fail,)),
        (Net(cut="after-forward"), "cut-after-forward", (Info,)),
        (Net(reset=True), "reset", (Info,)),
        (Net(stall=True), "stall", (Info,)),
        (Net(delay_us=20_000), "delay", (Ok,)),
        (Net(trickle_bytes=20), "trickle", (Ok,)),
        (Net(bandwidth=20_000), "bandwidth", (Ok,)),
    ],
)
def test_a_network_fault_is_done_told_and_not_held_against_the_server(
    workspace, tmp_path, net, what, outcomes
):
    """Cut before: nothing was done. After: that is open, and the session begins again. Slow: an answer."""
    lanes = {"u0/1": (insert(1), insert(2, net=net), insert(3)), "u0/2": (Step(Select("t")),)}
    # Long enough for a client on a busy machine; only a stall is waited out.
    history = run(workspace, tmp_path, lanes, stalled_s=4.0)
    found = [pair for pair in ends(history) if isinstance(pair[0].op, Insert)]
    faults = [(e.of, e.what) for e in history.events if isinstance(e, NetFault)]
    assert faults == [(found[1][0].i, what)]
    assert isinstance(found[1][1], outcomes)
    assert isinstance(found[2][1], Ok)
    spent = outcomes != (Ok,)
    assert [invoke.p for invoke, _ in found] == ["u0/1", "u0/1", "u0/1#2" if spent else "u0/1"]
    if what == "cut-before-forward":
        assert found[1][1].wire is None


def test_without_a_gate_programs_run_all_the_same(tmp_path):
    """Release points and network faults say nothing then, and the history says that there was no gate."""
    with open_run(TargetOptions(driver="http", gate=False), tmp_path) as workspace:
        history = run(
            workspace,
            tmp_path,
            {
                "u0/1": (insert(1, Release("round", 500), Net(cut="before-forward")),),
                "u0/2": (Step(Select("t"), Release("flush", fraction=0.5)),),
            },
        )
    assert not history.header.gate
    assert all(isinstance(a, Ok) and a.wire is None and i.release is None for i, a in ends(history))
