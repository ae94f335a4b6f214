"""A race with a flush, for tests of what makes it smaller."""

from __future__ import annotations

from kalam_props.history.operations import Count, Flush, Insert, Select
from kalam_props.programs.model import Program, Round, Step, TableDef

TABLE = TableDef((("id", "BIGINT"), ("v", "TEXT"), ("n", "BIGINT")), "id", flush_rows=5)


def insert(*keys):
    """A step that inserts a row for each key."""
    return Step(Insert("t", tuple((key, f"u0.1.{key}", 0) for key in keys)))


RACE = Program(
    {"t": TABLE},
    (
        Round({"u0/1": (insert(3, 4, 5, 6, 7, 8),)}),
        Round(
            {"u0/2": (Step(Flush("t")),), "u0/1": (insert(9), Step(Select("t"))), "u1/1": (Step(Count("t")),)}
        ),
    ),
)
"""A batch beyond the boundary, then a flush by command beside a row and reads, of two users."""
