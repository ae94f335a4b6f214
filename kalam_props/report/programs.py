"""A program as lanes, for the terminal: one row a step, concurrent lanes side by side."""

from __future__ import annotations

from collections.abc import Collection
from itertools import zip_longest

from kalam_props.history.operations import (
    Count,
    Delete,
    Flush,
    Get,
    Increment,
    Insert,
    Operation,
    Recreate,
    Scalar,
    Select,
    Subscribe,
    Txn,
    Update,
    kind,
)
from kalam_props.hunt.structure import steps_of
from kalam_props.programs.model import Program, Release, Round, Session, Step, TableDef

_WIDE = 36


def describe_program(program: Program) -> str:
    """The tables, then each round: lanes that run concurrently stand side by side."""
    lines = [_describe_table(name, table) for name, table in program.tables.items()]
    sessions = program.sessions
    widths = tuple(_width(program, session) for session in sessions)
    header = zip(sessions, widths, strict=True)
    lines.append("     " + "  ".join(session.ljust(width) for session, width in header).rstrip())
    for number, round_ in enumerate(program.rounds, 1):
        lines.extend(_describe_round(number, round_, program.tables, sessions, widths))
    watched = any(isinstance(step.op, Subscribe) for step in steps_of(program))
    told = "; subscribers are told of everything" if watched else ""
    lines.append(f"   then: wait for flushes; every user scans twice and counts{told}")
    return "\n".join(lines)


def describe_among(op: Operation, tables: Collection[str]) -> str:
    """An operation in a few words, with its table where there are several."""
    table = getattr(op, "table", None)
    return describe_operation(op) + (f" in {table}" if table is not None and len(tables) > 1 else "")


def describe_operation(op: Operation) -> str:
    """An operation in a few words."""
    match op:
        case Insert(rows=rows):
            text = ", ".join(_value(value) for value in rows[0])
            more = f" +{len(rows) - 1} rows" if len(rows) > 1 else ""
            return f"insert ({text}){more}"
        case Update(key=key, set=set_):
            return f"update {_value(key)}: " + ", ".join(f"{c}={_value(v)}" for c, v in set_.items())
        case Increment(key=key, column=column, by=by):
            return f"increment {_value(key)}: {column}+{by}"
        case Delete(key=key):
            return f"delete {_value(key)}"
        case Get(key=key):
            return f"get {_value(key)}"
        case Select(where=None):
            return "select all"
        case Select(where=where) if where is not None:
            return f"select after {_value(where.after)}, {where.limit} rows"
        case Count():
            return "count"
        case Flush(scope="namespace"):
            return "flush all"
        case Recreate():
            return "drop, create"
        case Txn(ops=ops, rollback=True):
            return "rolled back: " + "; ".join(describe_operation(inner) for inner in ops)
        case Txn(ops=ops):
            return "txn: " + "; ".join(describe_operation(inner) for inner in ops)
        case _:
            return kind(op)


def _describe_table(name: str, table: TableDef) -> str:
    columns = ", ".join(f"{column} {type_}" for column, type_ in table.columns)
    flush = "no flush by row count" if table.flush_rows is None else f"flush at {table.flush_rows} rows"
    called = "" if table.name is None else f", called {table.name}"
    where = "" if table.namespace == 0 else f", in namespace {table.namespace}"
    return f"{table.type} table {name}{called}{where} ({columns}), key {table.key}, {flush}"


def _width(program: Program, session: Session) -> int:
    """As wide as the session's widest step, within reason."""
    cells = [_step(step, program.tables) for r in program.rounds for step in r.lanes.get(session, ())]
    return min(_WIDE, max(map(len, (session, *cells))))


def _describe_round(
    number: int,
    round_: Round,
    tables: Collection[str],
    sessions: tuple[Session, ...],
    widths: tuple[int, ...],
) -> list[str]:
    lanes = [[_step(step, tables) for step in round_.lanes.get(session, ())] for session in sessions]
    lines = []
    for at, cells in enumerate(zip_longest(*lanes, fillvalue="")):
        mark = f"{number:>3}. " if at == 0 else "     "
        line = zip(cells, widths, strict=True)
        text = "  ".join(cell[:width].ljust(width) for cell, width in line).rstrip()
        lines.append(mark + text + ("   (at once)" if at == 0 and round_.concurrent else ""))
    return lines


def _step(step: Step, tables: Collection[str]) -> str:
    text = describe_among(step.op, tables)
    if step.release is not None:
        text += f" @{_moment(step.release)}"
    if step.net is not None:
        text += " !net"
    return text


def _moment(release: Release) -> str:
    if release.fraction is not None:
        return f"{release.fraction:.0%} of {release.anchor}"
    if release.anchor == "answer":
        return f"answer+{release.us}us" if release.us else "answer"
    return f"+{release.us}us"


def _value(value: Scalar) -> str:
    if value is None:
        return "NULL"
    text = str(value) if not isinstance(value, str) else repr(value)
    return text if len(text) <= 24 else text[:21] + "..."
