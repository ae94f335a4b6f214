"""A program that shows how long after its command a flush runs, before anything is aimed at one.

Without it the first batch of a hunt, and a replay, would be aimed by guess.
"""

from __future__ import annotations

from kalam_props.history.operations import AwaitFlush, Flush, Insert, Operation, Select
from kalam_props.programs.model import Program, Release, Round, Step, TableDef

FLUSHES = 8
"""Few: what programs themselves show is learnt as well, and is nearer to what will be aimed at."""


def calibration() -> Program:
    """Rows, then a flush of them with a read beside it, over and over."""
    rounds: list[Round] = []
    for key in range(FLUSHES):
        rounds += [
            _round({"u0/1": Insert("t", ((key, "calibration"),))}),
            _round({"u0/1": Flush("t"), "u0/2": Select("t")}),
            _round({"u0/1": AwaitFlush("t")}),
        ]
    return Program({"t": TableDef((("id", "BIGINT"), ("v", "TEXT")), "id")}, tuple(rounds))


def _round(lanes: dict[str, Operation]) -> Round:
    into_flush = {session: Release("flush", fraction=0.8) for session in lanes if session == "u0/2"}
    return Round({session: (Step(op, into_flush.get(session)),) for session, op in lanes.items()})
