"""Which runs of one program are made side by side: those that wait for a flush and race nothing."""

from __future__ import annotations

import pytest

from kalam_props.history.operations import Count, Flush, Insert, Pause, Select
from kalam_props.hunt.lab import at_once
from kalam_props.programs.model import Program, Release, Round, Step, TableDef

INSERT = Step(Insert("t", ((1, "a"),)))


def program(*steps, flush_rows=None, sessions=1):
    table = TableDef((("id", "BIGINT"), ("v", "TEXT")), "id", flush_rows=flush_rows)
    lanes = {f"u0/{number}": steps for number in range(1, sessions + 1)}
    return Program({"t": table}, (Round(lanes),))


@pytest.mark.parametrize(
    "waiting",
    [
        program(INSERT, flush_rows=5),
        program(INSERT, Step(Flush("t"))),
        program(INSERT, Step(Pause(200))),
    ],
)
def test_what_waits_is_run_side_by_side(waiting):
    """The processor has nothing else to do meanwhile."""
    assert at_once(waiting) > 1


@pytest.mark.parametrize(
    "in_time",
    [
        program(INSERT, Step(Count("t"))),
        program(Step(Select("t")), flush_rows=5, sessions=2),
        program(INSERT, Step(Flush("t")), Step(Count("t"), release=Release("flush", fraction=0.5))),
    ],
)
def test_what_does_not_wait_or_must_meet_something_is_run_alone(in_time):
    """Beside itself a read would come later after a write than for somebody who runs it by hand."""
    assert at_once(in_time) == 1
