"""A request that is not answered by its deadline ends the program; one that is refused does not."""

from __future__ import annotations

import time

import pytest
from doctored import doctored

from kalam_props.drivers.outcome import timed_out
from kalam_props.drivers.protocol import Reply
from kalam_props.execution.run import Limits, execute
from kalam_props.history.events import Error, Fail, Info, Invoke
from kalam_props.history.operations import Count, Insert, Pause, Select
from kalam_props.programs.model import Program, Round, Step, TableDef
from kalam_props.targets.opening import TargetOptions, open_run

DEADLINE_S = 0.3
BESIDE = (Step(Pause(int(1.5e6 * DEADLINE_S))), Step(Select("t")))
PROGRAM = Program(
    {"t": TableDef((("id", "BIGINT"), ("v", "TEXT")), "id")},
    (
        Round(
            {"u0/1": (Step(Insert("t", ((1, "a"),))), Step(Count("t")), Step(Select("t"))), "u0/2": BESIDE}
        ),
        Round({"u0/1": (Step(Insert("t", ((2, "b"),))),)}),
    ),
)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    with open_run(TargetOptions(driver="http"), tmp_path_factory.mktemp("run")) as opened:
        yield opened


def silent(sql, deadline_s, ask):
    """No count is ever answered."""
    if "COUNT" not in sql:
        return ask()
    time.sleep(deadline_s)
    return timed_out(deadline_s)


def refusing(sql, _deadline_s, ask):
    """No count is answered with a number."""
    return Reply(error=Error("server", "out of counts"), done=None) if "COUNT" in sql else ask()


def invoked(workspace, path, answering):
    history = execute(PROGRAM, doctored(workspace, answering), path, Limits(operation_s=DEADLINE_S))
    errors = [event.error.code for event in history.events if isinstance(event, (Fail, Info))]
    return [type(event.op) for event in history.events if isinstance(event, Invoke)], errors


def test_nothing_is_asked_for_after_what_is_never_answered(workspace, tmp_path):
    """Not in its lane, in a lane beside it, in the next round, or by the closing reads."""
    ops, errors = invoked(workspace, tmp_path / "history.jsonl", silent)
    assert ops in ([Insert, Pause, Count], [Pause, Insert, Count])
    assert errors == ["timeout"]


def test_what_was_answered_late_ends_nothing(workspace, tmp_path):
    """A client may take long to start, or to give the answer on."""

    def late(sql, deadline_s, ask):
        if "COUNT" in sql:
            time.sleep(1.2 * deadline_s)
        return ask()

    ops, errors = invoked(workspace, tmp_path / "history.jsonl", late)
    assert (ops.count(Select), errors) == (4, [])


def test_an_answer_that_leaves_the_outcome_open_ends_nothing(workspace, tmp_path):
    ops, errors = invoked(workspace, tmp_path / "history.jsonl", refusing)
    assert ops.count(Insert) == 2
    assert ops.count(Select) == 4  # two of the closing ones
    assert errors == ["server", "server"]  # and the closing count
