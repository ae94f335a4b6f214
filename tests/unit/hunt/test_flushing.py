"""When a program asks for flushes, and what of it may be under way while one is."""

from __future__ import annotations

import pytest

from kalam_props.history.operations import (
    AwaitFlush,
    Count,
    Delete,
    Flush,
    Insert,
    Kill,
    Pause,
    Select,
    Subscribe,
    Txn,
)
from kalam_props.hunt.flushing import asking, meetings
from kalam_props.hunt.size import size
from kalam_props.programs.model import Program, Round, Step, TableDef

ONE, TWO = Insert("t", ((1, "a"),)), Insert("t", ((2, "b"),))
DELETE, FLUSH, WAIT, SCAN = Delete("t", 1), Flush("t"), AwaitFlush("t"), Select("t")
COLUMNS = (("id", "BIGINT"), ("v", "TEXT"))


def program(*rounds, flush_rows=None):
    """Rounds of lanes; a tuple is the one lane of its round."""
    lanes = [round_ if isinstance(round_, dict) else {"u0/1": round_} for round_ in rounds]
    return Program(
        {"t": TableDef(COLUMNS, "id", flush_rows=flush_rows), "other": TableDef(COLUMNS, "id")},
        tuple(Round({name: tuple(map(Step, lane)) for name, lane in one.items()}) for one in lanes),
    )


@pytest.mark.parametrize(
    ("lane", "flush_rows", "indices"),
    [
        ((ONE, DELETE), 2, [1]),
        ((ONE, DELETE, TWO), 1, [0, 1, 2]),
        ((ONE, TWO), 3, []),
        ((Txn((ONE, TWO)), SCAN), 2, [0]),
        ((FLUSH, ONE, FLUSH, FLUSH), None, [2]),
    ],
)
def test_a_boundary_asks_for_a_flush_and_so_does_a_command_for_what_is_there(lane, flush_rows, indices):
    """Versions count, tombstones too; what was asked for before does not count again."""
    asked = [place[2] for place, table in asking(program(lane, flush_rows=flush_rows)) if table == "t"]
    assert asked == indices


@pytest.mark.parametrize(
    ("rounds", "flush_rows", "met"),
    [
        ([(ONE, DELETE)], 2, 0),
        ([(ONE, DELETE)], 1, 1),
        ([(ONE, WAIT, DELETE)], 1, 0),
        ([(ONE,), (SCAN,)], 1, 1),
        ([(ONE,), {"u0/1": (SCAN,), "u0/2": (Count("t"),)}], 1, 2),
        ([(ONE, Count("other"))], 1, 0),
        ([(ONE, FLUSH, Pause(100), Subscribe("t"))], None, 0),
        ([(ONE, FLUSH, SCAN, WAIT, SCAN)], None, 1),
        ([(ONE, Kill(), SCAN)], 1, 0),
        ([(ONE,), {"u0/1": (FLUSH,), "u0/2": (SCAN,)}], None, 1),
        ([(ONE,), {"u0/1": (FLUSH,), "u0/2": (WAIT, SCAN)}], None, 1),
        ([{"u0/1": (ONE,), "u0/2": (SCAN,)}], None, 0),
    ],
)
def test_what_is_under_way_while_a_flush_may_be_meets_it(rounds, flush_rows, met):
    """Not what waits for it, or comes after an outage; a wait beside it may be over before."""
    assert meetings(program(*rounds, flush_rows=flush_rows)) == met


def test_what_meets_no_flush_is_smaller():
    """Even with a wait, or with a boundary that is higher."""
    racing = program((ONE, DELETE), flush_rows=1)
    assert size(program((ONE, DELETE), flush_rows=2)) < size(racing)
    assert size(program((ONE, WAIT, DELETE), flush_rows=1)) < size(racing)
    assert size(program((ONE,), flush_rows=1)) < size(program((ONE, DELETE), flush_rows=2))
