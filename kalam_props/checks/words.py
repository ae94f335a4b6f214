"""Operations, rows and times in words, for explanations."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from kalam_props.checks.acts import Act
from kalam_props.history.operations import (
    Count,
    Delete,
    Get,
    Increment,
    Insert,
    Operation,
    Row,
    Scalar,
    Select,
    Txn,
    Update,
    kind,
)

_LONG = 40
_MANY = 4


def value(item: Scalar) -> str:
    """A value as SQL writes it, cut when it is long."""
    if item is None:
        return "NULL"
    if isinstance(item, bool):
        return str(item).lower()
    if isinstance(item, str):
        return f"'{item[:_LONG]}…'" if len(item) > _LONG else f"'{item}'"
    return str(item)


def row(items: Row) -> str:
    return f"({', '.join(value(item) for item in items)})"


def some(items: Iterable[str]) -> str:
    """A list for people: `a`, `a and b`, `a, b, c, d and 7 more`."""
    names = list(items)
    if len(names) > _MANY:
        return f"{', '.join(names[:_MANY])} and {len(names) - _MANY} more"
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}" if names else "none"


def at(ns: int) -> str:
    """An instant, in milliseconds since the run's start."""
    return f"{ns / 1e6:.3f} ms"


def span(ns: int) -> str:
    """A length of time."""
    return f"{ns / 1e6:.3f} ms"


def interval(act: Act) -> str:
    """When an operation can have taken effect."""
    if act.end is None:
        return f"from {at(act.start)} on"
    return f"between {at(act.start)} and {at(act.end)}"


def done(act: Act) -> str:
    """What an operation did and what came of it: `#4 u0/1 deleted row 7 of t (answered: 1 row; …)`."""
    return f"#{act.i} ({act.p}) {_did(act.op)}, {_answer(act)} {interval(act)}"


def listing(acts: Sequence[Act]) -> str:
    return "; ".join(done(act) for act in acts)


def _did(op: Operation) -> str:
    match op:
        case Insert(table, rows):
            return f"inserted {some(row(items) for items in rows)} into {table}"
        case Update(table, key, changes):
            sets = some(f"{name} = {value(item)}" for name, item in changes.items())
            return f"set {sets} in row {value(key)} of {table}"
        case Increment(table, key, column, by):
            return f"added {by} to {column} of row {value(key)} of {table}"
        case Delete(table, key):
            return f"deleted row {value(key)} of {table}"
        case Select(table, None):
            return f"scanned {table}"
        case Select(table, where) if where is not None:
            return f"read {where.limit} rows of {table} after {value(where.after)}"
        case Get(table, key):
            return f"read row {value(key)} of {table}"
        case Count(table):
            return f"counted {table}"
        case Txn(ops):
            return f"ran a transaction ({'; '.join(_did(inner) for inner in ops)})"
    return f"ran {kind(op)}"


def _answer(act: Act) -> str:
    if act.outcome == "info":
        if act.answer is not None:
            return f"answered, but sent {act.times} times,"
        return "of unknown outcome," if act.error is None else f"of unknown outcome ({act.error.code}),"
    if act.outcome == "fail":
        return f"refused ({act.error.code})" if act.error is not None else "refused"
    answer = act.answer
    if answer is None:
        return "answered"
    if isinstance(act.op, Get):
        return f"saw {row(answer.rows[0])}" if answer.rows else "saw no row"
    if answer.rows is not None:
        keys = len(answer.rows)
        return f"saw {keys} row{'' if keys == 1 else 's'}"
    if answer.count is not None:
        return f"answered {answer.count}"
    if answer.affected is not None:
        return f"answered {answer.affected} affected"
    return "answered"
