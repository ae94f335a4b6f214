"""A program as an engineer reads it."""

from __future__ import annotations

from kalam_props.history.operations import Count, Flush, Increment, Insert
from kalam_props.programs.model import Program, Round, Step, TableDef
from kalam_props.report.programs import describe_program


def test_lanes_of_a_round_stand_side_by_side():
    """Concurrent lanes are columns; rounds follow each other; the closing reads are told."""
    program = Program(
        {"t": TableDef((("id", "BIGINT"), ("v", "TEXT"), ("n", "BIGINT")), "id", flush_rows=2)},
        (
            Round({"u0/1": (Step(Insert("t", ((1, "a", 0), (2, "b", None)))),)}),
            Round(
                {
                    "u0/1": (Step(Flush("t")), Step(Increment("t", 1, "n", 2))),
                    "u0/2": (Step(Count("t")),),
                }
            ),
        ),
    )
    assert describe_program(program) == (
        "user table t (id BIGINT, v TEXT, n BIGINT), key id, flush at 2 rows\n"
        "     u0/1                        u0/2\n"
        "  1. insert (1, 'a', 0) +1 rows\n"
        "  2. flush                       count   (at once)\n"
        "     increment 1: n+2\n"
        "   then: wait for flushes; every user scans twice and counts"
    )
