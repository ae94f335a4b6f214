"""When a program asks for flushes, and what of it may meet one: a race, although all may come in turn."""

from __future__ import annotations

from collections.abc import Iterator

from attrs import evolve

from kalam_props.history.operations import (
    READS,
    WRITES,
    AwaitFlush,
    Flush,
    Kill,
    Operation,
    Restart,
    parts,
    row_versions,
)
from kalam_props.hunt.structure import Place, steps_of
from kalam_props.programs.model import Program, Session, Step, TableDef


def asking(program: Program) -> Iterator[tuple[Place, str]]:
    """The steps that ask for a flush, and of which table: commands, and writes that reach a boundary.

    Lanes of a round count their rows in the order in which they are written down.
    """
    written = dict.fromkeys(program.tables, 0)
    for at, round_ in enumerate(program.rounds):
        for session, lane in round_.lanes.items():
            for index, step in enumerate(lane):
                for op in parts(step.op):
                    table = getattr(op, "table", None)
                    if table not in written:
                        continue
                    written[table] += row_versions(op)
                    boundary = program.tables[table].flush_rows
                    reached = boundary is not None and written[table] >= boundary
                    if written[table] and (reached or isinstance(op, Flush)):
                        written[table] = 0
                        yield (at, session, index), table


def meetings(program: Program) -> int:
    """How many reads and writes may be under way while a flush of their table is: nothing waited for it."""
    asked: dict[Place, set[str]] = {}
    for place, table in asking(program):
        asked.setdefault(place, set()).add(table)
    met = 0
    running: set[str] = set()
    for at, round_ in enumerate(program.rounds):
        left: set[str] = set()
        for session, lane in round_.lanes.items():
            beside = _asked_beside(asked, at, session)
            now = set(running)
            for index, step in enumerate(lane):
                met += not _tables(step).isdisjoint(now | beside)
                if isinstance(step.op, AwaitFlush):
                    now.discard(step.op.table)
                if isinstance(step.op, (Kill, Restart)):
                    now.clear()
                now |= asked.get((at, session, index), set())
            left |= now
        running = left
    return met


def _asked_beside(asked: dict[Place, set[str]], at: int, session: Session) -> set[str]:
    """The tables that other lanes of a round ask to be flushed."""
    beside = (tables for place, tables in asked.items() if place[0] == at and place[1] != session)
    return set().union(*beside)


def _tables(step: Step) -> set[str]:
    return {_table(op) for op in parts(step.op) if isinstance(op, (*READS, *WRITES))}


def _table(op: Operation) -> str:
    return str(getattr(op, "table", ""))


def all_written(program: Program, table: str) -> int:
    """Row versions that a program adds to a table."""
    return sum(rows_written(step.op, table) for step in steps_of(program))


def flushed_later(program: Program) -> dict[str, TableDef]:
    """The tables that can be flushed by row count before all is written, with a boundary that all reaches."""
    return {
        name: evolve(table, flush_rows=written)
        for name, table in program.tables.items()
        if table.flush_rows is not None and table.flush_rows < (written := all_written(program, name))
    }


def rows_written(op: Operation, table: str) -> int:
    """Row versions that an operation adds to a table."""
    return sum(row_versions(inner) for inner in parts(op) if getattr(inner, "table", None) == table)
