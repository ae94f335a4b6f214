"""Ways to make what is left of a program plainer: values, timing, network faults, tables, names.

As in `reductions`: candidates only, most daring first; whether one still fails is for the shrinker to ask.
Release points are no matter of plainness alone, see `sharpen`.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping

from attrs import evolve

from kalam_props.history import operations
from kalam_props.history.operations import (
    AwaitFlush,
    Count,
    Delete,
    Get,
    Increment,
    Insert,
    Operation,
    Pause,
    Recreate,
    Scalar,
    Select,
    Txn,
    Update,
)
from kalam_props.hunt.structure import (
    map_operations,
    map_places,
    map_sessions,
    map_steps,
    operation_at,
    places,
    step_at,
    steps_of,
    with_operation,
    with_table,
    without,
)
from kalam_props.programs import payloads
from kalam_props.programs.keys import key_of, with_key_type
from kalam_props.programs.model import Program, TableDef, user_of
from kalam_props.programs.tables import before

FEW_STEPS = 8
"""Steps of a program of which each, or each pair, is looked at by itself."""


def lower_boundary(program: Program) -> Iterator[Program]:
    """A smaller flush boundary, with the batches that reach it made smaller by as much; then none at all."""
    for name, table in program.tables.items():
        boundary = table.flush_rows
        if boundary is None:
            continue
        yield with_table(program, name, evolve(table, flush_rows=None))
        for lower in sorted({1, 2, 3, boundary // 2, boundary - 1} - {0}):
            if lower < boundary:
                lowered = with_table(program, name, evolve(table, flush_rows=lower))
                yield map_operations(lowered, _batches_less(name, boundary, lower))
                yield lowered


def plain_tables(program: Program) -> Iterator[Program]:
    """A table of users instead of a shared one; numbers for keys; without a column that nothing names."""
    for name, table in program.tables.items():
        if table.type == "shared":
            yield with_table(program, name, evolve(table, type="user"))
        if table.key_type != "BIGINT":
            yield with_key_type(program, name, "BIGINT", _numbering())
        named = {table.key, *_named_columns(program, name)}
        for at, (column, _) in enumerate(table.columns):
            columns = table.columns[:at] + table.columns[at + 1 :]
            # One text stays: it holds the fingerprints, by which people and shell scripts know a row.
            texts = [other for other, type_ in columns if type_ == "TEXT" and other != table.key]
            if column not in named and texts:
                fewer = with_table(program, name, evolve(table, columns=columns))
                yield map_operations(fewer, _without_column(name, at))


def fewer_tables(program: Program) -> Iterator[Program]:
    """Without a table and all that is done to it; two tables as one; each under its own name."""
    if len(program.tables) < 2:
        return
    for name in program.tables:
        gone = {place for place in places(program) if _is_about(operation_at(program, place), name)}
        yield _without_table(without(program, gone), name)
    for kept, name in itertools.permutations(program.tables, 2):
        if program.tables[kept].columns == program.tables[name].columns:
            made = {p for p in places(program) if operation_at(program, p) == Recreate(name)}
            yield _without_table(map_operations(without(program, made), _about(name, kept)), name)
    for name, table in program.tables.items():
        if (table.name is not None or table.namespace) and before(program, name) is None:
            place = table.place(name)
            after = {
                other: evolve(one, name=None if other == name else name, namespace=0)
                for other, one in program.tables.items()
                if one.place(other) == place
            }
            yield evolve(program, tables={**program.tables, **after})


def _is_about(op: Operation, table: str) -> bool:
    return any(getattr(inner, "table", None) == table for inner in operations.parts(op))


def _about(old: str, new: str) -> Callable[[Operation], Operation]:
    """An operation on one table done to another."""

    def change(op: Operation) -> Operation:
        named = operations.to_json(op)
        return operations.from_json({**named, "table": new}) if named.get("table") == old else op

    return change


def _without_table(program: Program, name: str) -> Program:
    """The program without a definition; a table that took its name has that for its own."""
    return evolve(program, tables={other: t for other, t in program.tables.items() if other != name})


def plain_values(program: Program) -> Iterator[Program]:
    """Fingerprints only, zeros for NULLs in numbers, steps of one, one statement an insert."""
    plain = map_operations(program, lambda op: _plain(op, program.tables))
    if plain != program:
        yield plain


def quiet_network(program: Program) -> Iterator[Program]:
    """No network faults; then without single ones."""
    if any(step.net is not None for step in steps_of(program)):
        yield map_steps(program, lambda step: evolve(step, net=None))
    for place in places(program):
        if step_at(program, place).net is not None:
            yield map_places(program, {place}, lambda step: evolve(step, net=None))


def no_waits(program: Program) -> Iterator[Program]:
    """Without pauses and waits, all of them and single ones."""
    waits = [p for p in places(program) if isinstance(operation_at(program, p), (AwaitFlush, Pause))]
    if waits:
        yield without(program, set(waits))
    if len(waits) > 1:
        for place in waits:
            yield without(program, {place})


def smaller_transactions(program: Program) -> Iterator[Program]:
    """The one operation of a transaction alone; a transaction without one of its operations."""
    for place in places(program):
        op = operation_at(program, place)
        if isinstance(op, Txn) and len(op.ops) == 1:
            yield with_operation(program, place, op.ops[0])
        elif isinstance(op, Txn):
            for at in range(len(op.ops)):
                yield with_operation(program, place, evolve(op, ops=op.ops[:at] + op.ops[at + 1 :]))


def scans(program: Program) -> Iterator[Program]:
    """A scan in place of a request of which it may only matter that somebody asks; small programs only.

    All reads at once first: it may matter that two are the same.
    """
    everything = places(program)
    if len(everything) > FEW_STEPS:
        return
    if sum(isinstance(operation_at(program, place), (Get, Count)) for place in everything) > 1:
        yield map_operations(program, lambda op: Select(op.table) if isinstance(op, (Get, Count)) else op)
    for place in everything:
        op = operation_at(program, place)
        if isinstance(op, (Insert, Update, Increment, Delete, Get, Count)):
            yield with_operation(program, place, Select(op.table))


def small_keys(program: Program) -> Iterator[Program]:
    """Keys numbered from 1 in the order in which they first appear."""
    number = _numbering()
    smaller = program
    for name, table in program.tables.items():
        smaller = with_key_type(smaller, name, table.key_type, _as_type(table.key_type, number))
    yield smaller


def _as_type(type_: str, number: Callable[[Scalar], int]) -> Callable[[Scalar], Scalar]:
    return lambda key: key_of(number(key), type_)


def _numbering() -> Callable[[Scalar], int]:
    numbers: dict[Scalar, int] = {}
    return lambda key: numbers.setdefault(key, len(numbers) + 1)


def small_names(program: Program) -> Iterator[Program]:
    """Users numbered from 0, and each one's sessions from 1, in the order in which they first appear."""
    order = dict.fromkeys(session for round_ in program.rounds for session in round_.lanes)
    users = {user: f"u{at}" for at, user in enumerate(dict.fromkeys(map(user_of, order)))}
    numbers: dict[str, int] = {}
    names = {}
    for session in order:
        user = users[user_of(session)]
        numbers[user] = numbers.get(user, 0) + 1
        names[session] = f"{user}/{numbers[user]}"
    yield map_sessions(program, names.__getitem__)


def _named_columns(program: Program, table: str) -> Iterator[str]:
    def named(op: Operation) -> Iterator[str]:
        match op:
            case Update(table=name, set=changes) if name == table:
                yield from changes
            case Increment(table=name, column=column) if name == table:
                yield column
            case Txn(ops=ops):
                for inner in ops:
                    yield from named(inner)
            case _:
                return

    for step in steps_of(program):
        yield from named(step.op)


def _without_column(table: str, at: int) -> Callable[[Operation], Operation]:
    def change(op: Operation) -> Operation:
        if isinstance(op, Insert) and op.table == table:
            return evolve(op, rows=tuple((*row[:at], *row[at + 1 :]) for row in op.rows))
        return op

    return change


def _batches_less(table: str, boundary: int, lower: int) -> Callable[[Operation], Operation]:
    def change(op: Operation) -> Operation:
        if not isinstance(op, Insert) or op.table != table or len(op.rows) < boundary - 1:
            return op
        times = max(1, round(len(op.rows) / boundary))
        rows = max(1, len(op.rows) - times * (boundary - lower))
        return evolve(op, rows=op.rows[:rows], statements=None)

    return change


def _plain(op: Operation, tables: Mapping[str, TableDef]) -> Operation:
    match op:
        case Insert():
            types = [type_ for _, type_ in tables[op.table].columns]
            rows = tuple(tuple(map(_plain_value, row, types)) for row in op.rows)
            return evolve(op, rows=rows, statements=None)
        case Update():
            columns = dict(tables[op.table].columns)
            changes = {column: _plain_value(value, columns[column]) for column, value in op.set.items()}
            return evolve(op, set=changes)
        case Increment():
            return evolve(op, by=1)
        case _:
            return op


def _plain_value(value: Scalar, type_: str) -> Scalar:
    """As a server gives it back: a number in a text column comes back as a text."""
    if value is None:
        return 0 if type_ in {"BIGINT", "INT"} else None
    if isinstance(value, str):
        for text in payloads.AWKWARD.values():
            if value.endswith(text):
                return value.removesuffix(text)
    return value
