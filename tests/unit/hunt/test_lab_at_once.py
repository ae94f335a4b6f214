"""Which runs of one program are made side by side: those that wait for a flush and race nothing."""

from __future__ import annotations

import threading
import time

import pytest
from attrs import define, evolve, field
from findings import finding
from simulated import sighting

from kalam_props.checks.verdict import Verdict
from kalam_props.history.operations import Count, Flush, Insert, Pause, Select
from kalam_props.hunt.finding import Name
from kalam_props.hunt.investigate import Care, investigate
from kalam_props.hunt.lab import WAITING_AT_ONCE, Lab, Trial
from kalam_props.programs.model import Program, Release, Round, Step, TableDef

INSERT = Step(Insert("t", ((1, "a"),)))
RUNS = 2 * WAITING_AT_ONCE


def program(*steps, flush_rows=None, sessions=1):
    table = TableDef((("id", "BIGINT"), ("v", "TEXT")), "id", flush_rows=flush_rows)
    lanes = {f"u0/{number}": steps for number in range(1, sessions + 1)}
    return Program({"t": table}, (Round(lanes),))


@define
class Counting(Lab):
    """A lab that tells how many of its runs were under way at once; they end when as many are as may be."""

    running: int = 0
    most: int = 0
    guard: threading.Lock = field(factory=threading.Lock)

    def run(self, program):
        with self.guard:
            self.running += 1
            self.most = max(self.most, self.running)
        until = time.monotonic() + 0.05
        while self.most < WAITING_AT_ONCE and time.monotonic() < until:
            time.sleep(0.001)
        with self.guard:
            self.running -= 1
        return Trial(program, self.folder, Verdict("holds", 0))


def at_once(lab, program):
    assert len(lab.until(program, RUNS, lambda _: False)) == RUNS
    return lab.most


WAITING = [
    program(INSERT, flush_rows=5),
    program(INSERT, Step(Flush("t"))),
    program(INSERT, Step(Pause(200))),
]


@pytest.mark.parametrize("waiting", WAITING)
def test_what_waits_is_run_side_by_side(workspace, tmp_path, waiting):
    """The processor has nothing else to do meanwhile."""
    assert at_once(Counting(workspace, tmp_path, feedback=False), waiting) == WAITING_AT_ONCE


@pytest.mark.parametrize("waiting", WAITING)
def test_where_load_may_be_the_cause_it_is_not(workspace, tmp_path, waiting):
    """What other executions ask for is none of the program's."""
    alone = Lab(workspace, tmp_path, feedback=False).alone()
    counting = Counting(workspace, tmp_path, feedback=False, waiting_at_once=alone.waiting_at_once)
    assert at_once(counting, waiting) == 1


@pytest.mark.parametrize(
    "in_time",
    [
        program(INSERT, Step(Count("t"))),
        program(Step(Select("t")), flush_rows=5, sessions=2),
        program(INSERT, Step(Flush("t")), Step(Count("t"), release=Release("flush", fraction=0.5))),
    ],
)
def test_what_does_not_wait_or_must_meet_something_is_run_alone(workspace, tmp_path, in_time):
    """Beside itself a read would come later after a write than for somebody who runs it by hand."""
    assert at_once(Counting(workspace, tmp_path, feedback=False), in_time) == 1


@define
class Telling(Lab):
    """A lab that tells whether it was asked for one in which each execution is alone, and runs nothing."""

    def alone(self):
        raise InterruptedError("one at a time")

    def until(self, *_):
        raise InterruptedError("side by side")


@pytest.mark.parametrize(("name", "how"), [("server-error", "one at a time"), ("lost-row", "side by side")])
def test_a_server_error_is_looked_into_alone(workspace, tmp_path, name, how):
    """A server that fails under load would be made to fail by the other executions, and by no program."""
    found = finding(tmp_path)
    found = evolve(found, names=(Name(sighting(name), found.program),), stage="found")
    with pytest.raises(InterruptedError, match=how):
        investigate(Telling(workspace, tmp_path), found, Care(0.0, tmp_path / "seeds"), lambda _: None)
