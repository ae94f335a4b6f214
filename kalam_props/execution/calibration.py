"""A program that shows when flushes run, before anything is aimed at one.

Without it the first batch of a hunt, and a replay, would be aimed by guess.
"""

from __future__ import annotations

from kalam_props.history.operations import AwaitFlush, Flush, Insert, Operation, Select
from kalam_props.programs.model import Program, Release, Round, Step, TableDef

FLUSHES = 8
"""Few: what programs themselves show is learnt as well, and is nearer to what will be aimed at."""

SOON_S = 0.1
"""A server that looks for tables to flush less often is not waited for here."""

_COLUMNS = (("id", "BIGINT"), ("v", "TEXT"))
_BY_COMMAND, _BY_ROWS = "t", "r"

_INTO_FLUSH = {"u0/2": 0.4, "u0/3": 0.8}
"""Where in it as many meet a flush as in programs: what runs beside it makes it longer."""


def calibration(interval_s: float | None) -> Program:
    """Rows, then a flush of them with a read and a write in it, over and over; then flushes by row count.

    `interval_s`: how often the server looks for tables to flush; None: not known.
    """
    rounds: list[Round] = []
    for key in range(FLUSHES):
        rounds += [
            _round({"u0/1": _insert(_BY_COMMAND, key)}),
            _round(
                {
                    "u0/1": Flush(_BY_COMMAND),
                    "u0/2": Select(_BY_COMMAND),
                    "u0/3": _insert(_BY_COMMAND, FLUSHES + key),
                }
            ),
            _round({"u0/1": AwaitFlush(_BY_COMMAND)}),
        ]
    tables = {_BY_COMMAND: TableDef(_COLUMNS, "id")}
    if interval_s is not None and interval_s <= SOON_S:
        tables[_BY_ROWS] = TableDef(_COLUMNS, "id", flush_rows=1)
        for key in range(FLUSHES):
            rounds += [_round({"u0/1": _insert(_BY_ROWS, key)}), _round({"u0/1": AwaitFlush(_BY_ROWS)})]
    return Program(tables, tuple(rounds))


def _insert(table: str, key: int) -> Insert:
    return Insert(table, ((key, "calibration"),))


def _round(lanes: dict[str, Operation]) -> Round:
    return Round({session: (_step(session, op),) for session, op in lanes.items()})


def _step(session: str, op: Operation) -> Step:
    fraction = _INTO_FLUSH.get(session)
    return Step(op, None if fraction is None else Release("flush", fraction=fraction))
