"""Programs are compared up to the names of users, sessions and keys, and the values of rows."""

from __future__ import annotations

import pytest

from kalam_props.history.operations import (
    AwaitFlush,
    Count,
    Delete,
    Flush,
    Increment,
    Insert,
    Pause,
    Recreate,
    Select,
    Update,
)
from kalam_props.measure.shape import same_up_to_names
from kalam_props.programs.model import Program, Round, Step, TableDef

COLUMNS = (("id", "BIGINT"), ("v", "TEXT"), ("n", "BIGINT"))


def again(first, second, **options):
    """A row, then the table made again."""
    tables = {
        first: TableDef(COLUMNS, "id", **options),
        second: TableDef(COLUMNS, "id", **{"name": first, **options}),
    }
    lane = (Step(Insert(first, ((1, "x", 0),))), Step(Recreate(second)))
    return Program(tables, tuple(Round({"u0/1": (step,)}) for step in lane))


def program(*rounds, kind="user", flush_rows=None):
    steps = tuple(Round({name: tuple(map(Step, lane)) for name, lane in r.items()}) for r in rounds)
    return Program({"t": TableDef(COLUMNS, "id", kind, flush_rows)}, steps)


def rows(*keys, value="x"):
    return Insert("t", tuple((key, value, 0) for key in keys))


SAME = {
    "users and sessions": (
        program({"u0/1": (rows(1),)}, {"u0/1": (Flush("t"),), "u0/2": (Select("t"),)}),
        program({"u3/2": (rows(1),)}, {"u3/4": (Select("t"),), "u3/2": (Flush("t"),)}),
    ),
    "keys and values": (
        program({"u0/1": (rows(1, 2), Delete("t", 2))}),
        program({"u0/1": (rows(9, 5, value="y"), Delete("t", 5))}),
    ),
    "values that are set": (
        program({"u0/1": (rows(1), Update("t", 1, {"v": "a"}), Increment("t", 1, "n", 2))}),
        program({"u0/1": (rows(1), Update("t", 1, {"v": "b"}), Increment("t", 1, "n", 1))}),
    ),
    "keys of two users that only look alike": (
        program({"u0/1": (rows(1),)}, {"u1/1": (rows(1),)}),
        program({"u0/1": (rows(1),)}, {"u1/1": (rows(2),)}),
    ),
    "one lane or a round for each": (
        program({"u0/1": (rows(1), Flush("t"))}),
        program({"u0/1": (rows(1),)}, {"u0/1": (Flush("t"),)}),
    ),
    "the order of a batch": (
        program({"u0/1": (rows(1),)}, {"u0/1": (rows(2, 1),), "u0/2": (Select("t"),)}),
        program({"u0/1": (rows(1),)}, {"u0/1": (rows(1, 2),), "u0/2": (Select("t"),)}),
    ),
    "tables": (again("t", "t_2"), again("s", "s_2", namespace=1)),
    "waits": (
        program({"u0/1": (rows(1), AwaitFlush("t"), Pause(10), Select("t"))}),
        program({"u0/1": (rows(1), Select("t"))}),
    ),
    "a lane that only waits": (
        program({"u0/1": (rows(1), Select("t")), "u0/2": (Pause(10),)}),
        program({"u0/1": (rows(1), Select("t"))}),
    ),
    "where it is flushed by itself": (
        program({"u0/1": (rows(1),)}, flush_rows=3),
        program({"u0/1": (rows(1),)}, flush_rows=5),
    ),
}

DIFFERENT = {
    "at once or in turn": (
        program({"u0/1": (rows(1),), "u0/2": (Select("t"),)}),
        program({"u0/1": (rows(1),)}, {"u0/2": (Select("t"),)}),
    ),
    "one session or two": (
        program({"u0/1": (rows(1),)}, {"u0/1": (Select("t"),)}),
        program({"u0/1": (rows(1),)}, {"u0/2": (Select("t"),)}),
    ),
    "one user or two": (
        program({"u0/1": (rows(1),), "u0/2": (rows(2),)}),
        program({"u0/1": (rows(1),), "u1/1": (rows(2),)}),
    ),
    "the same key or another": (
        program({"u0/1": (rows(1),), "u0/2": (rows(1),)}),
        program({"u0/1": (rows(1),), "u0/2": (rows(2),)}),
    ),
    "one row or two": (program({"u0/1": (rows(1),)}), program({"u0/1": (rows(1, 2),)})),
    "the kind of operation": (
        program({"u0/1": (rows(1), Select("t"))}),
        program({"u0/1": (rows(1), Count("t"))}),
    ),
    "the order": (
        program({"u0/1": (rows(1), Select("t"))}),
        program({"u0/1": (Select("t"), rows(1))}),
    ),
    "a key of two users in a shared table": (
        program({"u0/1": (rows(1),)}, {"u1/1": (rows(1),)}, kind="shared"),
        program({"u0/1": (rows(1),)}, {"u1/1": (rows(2),)}, kind="shared"),
    ),
}


@pytest.mark.parametrize("what", SAME)
def test_names_make_no_difference(what):
    """A renaming, or another way to write the same order, is the same program."""
    one, other = SAME[what]
    assert same_up_to_names(one, other)
    assert same_up_to_names(other, one)


@pytest.mark.parametrize("what", DIFFERENT)
def test_anything_else_does(what):
    """What could change what a server does is another program."""
    one, other = DIFFERENT[what]
    assert not same_up_to_names(one, other)
