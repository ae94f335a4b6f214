"""A request that is not answered by its deadline ends the program; one that is refused does not."""

from __future__ import annotations

import time

import pytest
from attrs import evolve, frozen

from kalam_props.drivers.http import HttpDriver
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


@frozen
class Silent:
    """A driver over HTTP, for a server that does not answer a count: for so long, or with a refusal."""

    silent: bool

    name = "http"
    client = HttpDriver().client
    can_subscribe = True

    def connect(self, credential, *, url):
        return _Connection(self.silent, HttpDriver().connect(credential, url=url))

    def as_sent(self, sql):
        return sql

    def close(self):
        pass


@frozen
class _Connection:
    silent: bool
    inner: object

    def execute(self, sql, *, deadline_s):
        if "count(" not in sql.lower():
            return self.inner.execute(sql, deadline_s=deadline_s)
        if not self.silent:
            return Reply(error=Error("server", "out of counts"), done=None)
        time.sleep(deadline_s)
        return timed_out(deadline_s)

    def rest(self):
        self.inner.rest()

    def close(self):
        self.inner.close()


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    with open_run(TargetOptions(driver="http"), tmp_path_factory.mktemp("run")) as opened:
        yield opened


def invoked(workspace, path, *, silent):
    target = evolve(workspace.target, driver=Silent(silent))
    limits = Limits(operation_s=DEADLINE_S)
    history = execute(PROGRAM, evolve(workspace, target=target), path, limits)
    errors = [event.error.code for event in history.events if isinstance(event, (Fail, Info))]
    return [type(event.op) for event in history.events if isinstance(event, Invoke)], errors


def test_nothing_is_asked_for_after_what_is_never_answered(workspace, tmp_path):
    """Not in its lane, in a lane beside it, in the next round, or by the closing reads."""
    ops, errors = invoked(workspace, tmp_path / "history.jsonl", silent=True)
    assert ops in ([Insert, Pause, Count], [Pause, Insert, Count])
    assert errors == ["timeout"]


def test_an_answer_that_leaves_the_outcome_open_ends_nothing(workspace, tmp_path):
    ops, errors = invoked(workspace, tmp_path / "history.jsonl", silent=False)
    assert ops.count(Insert) == 2
    assert ops.count(Select) == 4  # two of the closing ones
    assert errors == ["server", "server"]  # and the closing count
