"""Primary keys of several types: machines draw numbers, and a program has what its table's key is made of."""

from __future__ import annotations

import uuid
from collections.abc import Callable

from attrs import evolve

from kalam_props.history.operations import (
    Delete,
    Get,
    Increment,
    Insert,
    Operation,
    Scalar,
    Select,
    Txn,
    Update,
)
from kalam_props.programs.model import Program, Round, TableDef

KEY_TYPES = ("TEXT", "INT", "UUID")
"""Besides BIGINT, which most machines have."""

_SPELLINGS = ("k{}", "k{}'", "k{} ", "K{}", "K{}'", "K{} ")
"""Keys that a server must not take for one another: by their case, a blank, a quote, or as a prefix.

Those in the other case come three later, so that a small batch mostly has only one of the two.
"""


def key_of(number: int, type_: str) -> Scalar:
    """The number-th key of a type; different numbers, different keys."""
    match type_:
        case "TEXT":
            which, spelling = divmod(number, len(_SPELLINGS))
            return _SPELLINGS[spelling].format(which)
        case "UUID":
            return str(uuid.UUID(int=number))
        case "INT":
            return number if number % 2 else -number
        case _:
            return number


def with_key_type(program: Program, name: str, type_: str, change: Callable[[Scalar], Scalar]) -> Program:
    """The program with keys of another type in a table: each as `change` has it."""
    table = program.tables[name]
    columns = tuple((column, type_ if column == table.key else other) for column, other in table.columns)
    changed = evolve(program, tables={**program.tables, name: evolve(table, columns=columns)})
    return changed.with_rounds(
        tuple(
            Round(
                {
                    session: tuple(evolve(step, op=rekeyed(step.op, name, table, change)) for step in lane)
                    for session, lane in round_.lanes.items()
                }
            )
            for round_ in program.rounds
        )
    )


def rekeyed(op: Operation, name: str, table: TableDef, change: Callable[[Scalar], Scalar]) -> Operation:
    """The operation with every key of a table changed; as it is where it names none."""
    if isinstance(op, Txn):
        return evolve(op, ops=tuple(rekeyed(inner, name, table, change) for inner in op.ops))
    if getattr(op, "table", None) != name:
        return op
    match op:
        case Insert():
            at = table.key_index
            rows = tuple((*row[:at], change(row[at]), *row[at + 1 :]) for row in op.rows)
            return evolve(op, rows=rows)
        case Update() | Increment() | Delete() | Get():
            return evolve(op, key=change(op.key))
        case Select(where=page) if page is not None:
            return evolve(op, where=evolve(page, after=change(page.after)))
        case _:
            return op
