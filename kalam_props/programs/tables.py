"""Which tables of a program are there when: several may have one name on the server, one after another.

The first of them is made with the program, each later one by a `recreate`. A name is resolved when a request
is done, so what runs beside a `recreate` could reach either table: only what changes no row may, and what is
done to rows is done before it or after it.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import takewhile

from kalam_props.history.operations import AwaitFlush, Compact, Flush, Operation, Recreate, Txn
from kalam_props.programs.model import Program


def predecessors(program: Program, name: str) -> list[str]:
    """The tables that had the place of a table before it, in this order."""
    place = program.tables[name].place(name)
    until = takewhile(lambda other: other != name, program.tables)
    return [other for other in until if program.tables[other].place(other) == place]


def before(program: Program, name: str) -> str | None:
    """The table that had the place of a table just before it; None when it is the first there."""
    return next(reversed(predecessors(program, name)), None)


def is_named(program: Program, name: str) -> bool:
    """Whether anything is done to a table."""
    return any(getattr(op, "table", None) == name for _, op in _operations(program))


def last(program: Program) -> list[str]:
    """The tables that are there at the end."""
    gone = {before(program, name) for name in program.tables}
    return [name for name in program.tables if name not in gone]


def misplaced(program: Program) -> str | None:
    """What is done to a table before it is there, or after it is gone; None when nothing is."""
    made: dict[str, int] = {}
    for at, op in _operations(program):
        if isinstance(op, Recreate):
            if op.table in made or before(program, op.table) is None:
                return f"round {at}: table {op.table} is there already"
            made[op.table] = at
    for name in program.tables:
        earlier = before(program, name)
        if earlier is None:
            continue
        if name not in made:
            return f"table {name} is never created: it needs a recreate"
        if made.get(earlier, -1) >= made[name]:
            return f"table {name} is created before {earlier}, whose name it takes"
    gone = {earlier: made[name] for name in made if (earlier := before(program, name)) is not None}
    for at, op in _operations(program):
        of = str(getattr(op, "table", ""))
        if isinstance(op, Recreate):
            continue
        if at <= made.get(of, -1):
            return f"round {at}: table {of} is not there yet"
        if at > gone.get(of, at) or (at == gone.get(of) and not isinstance(op, _CHANGES_NOTHING)):
            return f"round {at}: table {of} is gone, or going"
    return None


_CHANGES_NOTHING = (Flush, Compact, AwaitFlush)


def _operations(program: Program) -> Iterator[tuple[int, Operation]]:
    """Every operation with its round, those of transactions too."""
    for at, round_ in enumerate(program.rounds):
        for lane in round_.lanes.values():
            for step in lane:
                yield at, step.op
                if isinstance(step.op, Txn):
                    yield from ((at, inner) for inner in step.op.ops)
