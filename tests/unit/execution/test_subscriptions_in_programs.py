"""Programs that subscribe, on the reference server: what they are told is in the history, and judged."""

from __future__ import annotations

import pytest

from kalam_props.checks.judge import judge, names
from kalam_props.errors import UsageError
from kalam_props.execution.run import execute
from kalam_props.history.events import CONNECTION_LOST, Invoke, NetFault, Notify, Ok
from kalam_props.history.operations import (
    Delete,
    Flush,
    Increment,
    Insert,
    Kill,
    Restart,
    Select,
    Subscribe,
    Txn,
    Unsubscribe,
    Update,
)
from kalam_props.programs.model import Program, Round, Step, TableDef
from kalam_props.targets.opening import TargetOptions, open_run

COLUMNS = (("id", "BIGINT"), ("v", "TEXT"), ("n", "BIGINT"))
TABLE = {"t": TableDef(COLUMNS, "id")}
SHARED = {"t": TableDef(COLUMNS, "id", type="shared")}
WATCH = Subscribe("t")


def insert(key, text="v"):
    return Insert("t", ((key, text, None),))


def program(*rounds, tables=TABLE):
    return Program(
        tables,
        tuple(Round({name: tuple(map(Step, ops)) for name, ops in lanes.items()}) for lanes in rounds),
    )


def told(history):
    """For each subscription in order of invocation: what it was told of, and of which keys."""
    subscriptions = [e.i for e in history.events if isinstance(e, Invoke) and isinstance(e.op, Subscribe)]
    return [
        [
            (e.change, row[0])
            for e in history.events
            if isinstance(e, Notify) and e.of == of
            for row in e.rows or e.old
        ]
        for of in subscriptions
    ]


def run(workspace, tmp_path, drawn):
    history = execute(drawn, workspace, tmp_path / "history.jsonl")
    verdict = judge(history)
    assert verdict.verdict == "holds", verdict
    assert not verdict.told
    return history


def test_each_user_is_told_of_its_own_changes_after_its_first_rows(workspace, tmp_path):
    """By another session of the user too, through a flush; two users with the same keys."""
    drawn = program(
        {"u0/1": (insert(1),), "u1/1": (insert(1, "theirs"),)},
        {"u0/1": (WATCH,), "u1/1": (WATCH,)},
        {
            "u0/2": (insert(2), Flush("t"), Update("t", 1, {"v": "w"}), Increment("t", 1, "n")),
            "u1/1": (insert(3),),
        },
        {"u0/1": (Delete("t", 2), insert(2, "again"))},
    )
    history = run(workspace, tmp_path, drawn)
    mine = [("initial", 1), ("insert", 2), ("update", 1), ("delete", 2), ("insert", 2)]
    theirs = [("initial", 1), ("insert", 3)]
    assert sorted(told(history)) == sorted([mine, theirs])


def test_a_subscription_is_live_when_it_is_answered(by_http, tmp_path):
    """Its first rows are in the history before its end."""
    history = run(by_http, tmp_path, program({"u0/1": (insert(1), WATCH)}))
    (first,) = [e for e in history.events if isinstance(e, Notify)]
    answer = next(e for e in history.events if isinstance(e, Ok) and e.of == first.of)
    assert first.i < answer.i


def test_it_ends_when_its_user_unsubscribes(by_http, tmp_path):
    """And another one begins with the rows that are there then."""
    drawn = program({"u0/1": (WATCH, insert(1), Unsubscribe("t"), insert(2), WATCH, insert(3))})
    first, second = told(run(by_http, tmp_path, drawn))
    assert set(first) <= {("insert", 1)}
    assert sorted(second) == [("initial", 1), ("initial", 2), ("insert", 3)]


def test_everybody_sees_a_shared_table(by_http, tmp_path):
    """Whoever writes."""
    drawn = program({"u0/1": (WATCH,)}, {"u0/1": (insert(1),), "u1/1": (insert(2),)}, tables=SHARED)
    (heard,) = told(run(by_http, tmp_path, drawn))
    assert sorted(heard) == [("insert", 1), ("insert", 2)]


def test_a_transaction_is_told_statement_by_statement(by_http, tmp_path):
    """After its commit; nothing of one that was rolled back."""
    both = (insert(1), Update("t", 1, {"v": "w"}))
    drawn = program({"u0/1": (WATCH, Txn(both), Txn((insert(2),), rollback=True))})
    assert told(run(by_http, tmp_path, drawn)) == [[("insert", 1), ("update", 1)]]


@pytest.mark.parametrize("outage", [Kill(), Restart()])
def test_an_outage_ends_it_and_is_not_held_against_the_server(by_http, tmp_path, outage):
    """A client that comes back by itself would go on; the compatible one ends."""
    drawn = program({"u0/1": (WATCH, insert(1), outage, insert(2), WATCH, insert(3))})
    first, second = told(run(by_http, tmp_path, drawn))
    assert set(first) <= {("insert", 1)}
    assert ("insert", 3) in second


def test_a_write_in_the_last_moment_is_waited_for(tmp_path):
    """Notifications that come after 300 ms come before the end."""
    with open_run(
        TargetOptions(driver="http", faults=("notification-overtaken:window=300ms",)), tmp_path
    ) as own:
        history = execute(program({"u0/1": (WATCH, insert(1))}), own, tmp_path / "history.jsonl")
    assert told(history) == [[("insert", 1)]]
    assert judge(history).verdict == "holds"


def test_what_does_not_come_is_missed_behind_a_fence(tmp_path):
    """One more write, told after all that was before it; it is in the history like any other."""
    with open_run(TargetOptions(driver="http", faults=("missed-notification:rate=0.5",)), tmp_path) as own:
        for _ in range(40):
            history = execute(program({"u0/1": (WATCH, insert(7))}), own, tmp_path / "history.jsonl")
            if ("insert", 7) not in told(history)[0]:
                break
    verdict = judge(history)
    assert names(verdict) == ("missed-notification",)
    assert [e.op.rows[0][0] for e in history.events if isinstance(e, Invoke) and isinstance(e.op, Insert)][
        :2
    ] == [7, 8]


def test_a_lost_connection_is_told_and_does_not_count(tmp_path):
    """Nobody knows whose end it was that gave up."""
    watch = program({"u0/1": (WATCH, insert(1), Select("t"))})
    with open_run(TargetOptions(driver="http"), tmp_path) as own:
        history = execute(watch, own, tmp_path / "history.jsonl")
    of = next(e.i for e in history.events if isinstance(e, Invoke))
    last = history.events[-1]
    lost = NetFault(last.i + 1, last.t, of, f"{CONNECTION_LOST}: it ended")
    silent = tuple(e for e in history.events if not isinstance(e, Notify))
    verdict = judge(type(history)(history.header, (*silent, lost)))
    assert verdict.verdict == "holds"
    assert [anomaly.name for anomaly in verdict.told] == ["server-error"]


def test_nobody_can_subscribe_for_another(tmp_path):
    """Where root speaks for the users, a program that subscribes says what to do instead."""
    with open_run(TargetOptions(driver="http", identity="execute-as"), tmp_path) as own:
        assert "subscriptions" in own.capabilities.lacks
        with pytest.raises(UsageError, match="login of their own"):
            execute(program({"u0/1": (WATCH,)}), own, tmp_path / "history.jsonl")
