"""Operations as SQL, and answers as what an operation asked for.

A server puts a silent LIMIT on a SELECT that has none (50), and caps a larger one (1,000): every scan names
its limit, and an answer of as many rows as that is not complete.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

from attrs import frozen

from kalam_props.drivers.literals import literal, pieces, statements
from kalam_props.drivers.protocol import Reply, Result
from kalam_props.history.events import TableShape
from kalam_props.history.operations import (
    READS,
    AddColumn,
    Compact,
    Count,
    Delete,
    Flush,
    Get,
    Increment,
    Insert,
    Operation,
    Row,
    Scalar,
    Select,
    Txn,
    Update,
)
from kalam_props.programs.model import TableDef

SCAN_LIMIT = 1000
"""The most rows that a server gives, whatever is asked for."""

_ASCII_BYTES = 80
"""`kalam` 0.4.3-rc.4 dies of a statement whose 80th byte is inside a character: the first are kept ASCII."""

ExecuteAs: TypeAlias = Literal["EXECUTE AS USER", "EXECUTE AS"]
"""How to speak for another user: the form of versions up to 0.4.3, and the newer one."""


class MalformedAnswerError(Exception):
    """A server's answer does not fit its statement; its words are in the message."""


@frozen
class Answer:
    """What an operation asked for, in the fields of `history.events.Ok`."""

    affected: int | None = None
    rows: tuple[Row, ...] | None = None
    count: int | None = None
    complete: bool = True
    results: tuple[dict[str, object], ...] | None = None


def render(op: Operation, table: str, definition: TableDef) -> str:
    """The request for `op`; `table` is the table's qualified name on the server.

    Raises:
        ValueError: not an operation that is a request (`await-flush`, `pause`, …).

    """
    return render_over(op, dict.fromkeys(_table_names(op), (table, definition)))


def render_over(op: Operation, tables: Mapping[str, tuple[str, TableDef]]) -> str:
    """As `render`, for a transaction over several tables: name in the program → server name, definition.

    Raises:
        ValueError: not an operation that is a request, or a table that is not in `tables`.

    """
    if isinstance(op, Txn):
        end = "ROLLBACK" if op.rollback else "COMMIT"
        return "; ".join(["BEGIN", *(_render_one(inner, tables) for inner in op.ops), end])
    return _render_one(op, tables)


def execute_as(text: str, user: str, form: ExecuteAs = "EXECUTE AS USER") -> str:
    """The same request in the name of `user`: each statement wrapped, the bounds of a transaction not."""
    return "; ".join(
        statement if statement in ("BEGIN", "COMMIT", "ROLLBACK") else f"{form} {literal(user)} ({statement})"
        for statement in statements(text)
    )


def subscription(table: str, definition: TableDef) -> str:
    """What a subscriber asks for: every row, with the columns that the table had when it was created."""
    return f"SELECT {', '.join(definition.column_names)} FROM {table}"


def row_of(named: Mapping[str, Any], definition: TableDef) -> Row:
    """A row that a subscriber is told of, by columns; one that is not named holds NULL."""
    return tuple(_told(named.get(name), type_) for name, type_ in definition.columns)


def _told(value: Any, type_: str) -> Scalar:
    """Integers as ints, whatever the server prints; what has parts as JSON text."""
    if isinstance(value, str) and type_.upper() in _INTEGERS:
        try:
            return int(value)
        except ValueError:
            return value
    if isinstance(value, (dict, list)):
        return json.dumps(value)
    return value  # type: ignore[no-any-return]  # a JSON scalar


_INTEGERS = frozenset({"BIGINT", "INT", "INTEGER", "SMALLINT"})


def _table_names(op: Operation) -> set[str]:
    if isinstance(op, Txn):
        return set().union(*map(_table_names, op.ops))
    return {str(getattr(op, "table", ""))}


def _render_one(op: Operation, tables: Mapping[str, tuple[str, TableDef]]) -> str:
    name = str(getattr(op, "table", ""))
    if name not in tables:
        raise ValueError(f"no table {name!r}; known are {', '.join(tables) or 'none'}")
    table, definition = tables[name]
    columns = ", ".join(definition.column_names)
    key = definition.key
    match op:
        case Insert():
            text = _insert(op, f"INSERT INTO {table} ({columns}) VALUES ")
        case Update():
            changes = ", ".join(f"{column} = {literal(value)}" for column, value in op.set.items())
            text = f"UPDATE {table} SET {changes} WHERE {key} = {literal(op.key)}"
        case Increment():
            change = f"{op.column} {'-' if op.by < 0 else '+'} {abs(op.by)}"
            text = f"UPDATE {table} SET {op.column} = {change} WHERE {key} = {literal(op.key)}"
        case Delete():
            text = f"DELETE FROM {table} WHERE {key} = {literal(op.key)}"
        case Select():
            text = f"SELECT {columns} FROM {table}{_page(op, key)}"
        case Get():
            text = f"SELECT {columns} FROM {table} WHERE {key} = {literal(op.key)} LIMIT {SCAN_LIMIT}"
        case Count():
            text = f"SELECT COUNT(*) FROM {table}"
        case Flush(scope="namespace"):
            text = f"STORAGE FLUSH ALL IN {table.partition('.')[0]}"
        case Flush():
            text = f"STORAGE FLUSH TABLE {table}"
        case Compact():
            text = f"STORAGE COMPACT TABLE {table}"
        case AddColumn():
            text = f"ALTER TABLE {table} ADD COLUMN {op.name} {op.type}"
        case _:
            raise ValueError(f"{type(op).__name__} is not a request to a server")
    return _begin_in_ascii(text)


def _insert(op: Insert, head: str) -> str:
    rows = ["(" + ", ".join(map(literal, row)) + ")" for row in op.rows]
    sizes = op.statements or (len(rows),)
    if sum(sizes) != len(rows):
        raise ValueError(f"an insert of {len(rows)} rows cannot be cut into statements of {sizes}")
    texts = []
    for size in sizes:
        texts.append(_begin_in_ascii(head + ", ".join(rows[:size])))
        rows = rows[size:]
    return "; ".join(texts)


def _page(op: Select, key: str) -> str:
    if op.where is None:
        return f" LIMIT {SCAN_LIMIT}"
    return f" WHERE {key} > {literal(op.where.after)} ORDER BY {key} LIMIT {_limit(op)}"


def _limit(op: Select | Get) -> int:
    return SCAN_LIMIT if isinstance(op, Get) or op.where is None else min(op.where.limit, SCAN_LIMIT)


def _begin_in_ascii(text: str) -> str:
    """`text` with blanks before its first literal that is not ASCII, so that 80 ASCII bytes precede that."""
    if text[:_ASCII_BYTES].isascii():
        return text
    before = 0
    for piece in pieces(text):
        if not piece.isascii():
            break
        before += len(piece)
    # The literal may begin with ASCII, and a doubled quote may have cut it in two: blanks go before it all.
    start = text.rfind(" ", 0, _start_of_literal(text, before)) + 1
    return text[:start] + " " * (_ASCII_BYTES - start) + text[start:]


def _start_of_literal(text: str, at: int) -> int:
    while at > 0 and text[at - 1] == "'":
        at = text.rfind("'", 0, at - 1)
    return at


def interpret(op: Operation, reply: Reply, shape: TableShape) -> Answer:
    """What a reply without error says to `op`.

    Raises:
        MalformedAnswerError: it is no answer to it (columns or a count are missing).

    """
    if isinstance(op, Txn):
        return Answer(results=_of_transaction(op, reply, shape))
    if isinstance(op, READS):
        answers = [result for result in reply.results if result.columns]
        if len(answers) != 1:
            raise MalformedAnswerError(f"{len(answers)} results for one {type(op).__name__}: {_shown(reply)}")
        return _of_read(op, answers[0], shape)
    if isinstance(op, (Insert, Update, Increment, Delete)):
        return Answer(affected=_affected(reply.results))
    return Answer()


def _shown(reply: Reply) -> str:
    return str([(result.columns, result.rows[:3], result.message) for result in reply.results])[:300]


def _of_read(op: Operation, result: Result, shape: TableShape) -> Answer:
    if isinstance(op, Count):
        value = result.rows[0][0] if len(result.rows) == 1 and len(result.rows[0]) == 1 else None
        if isinstance(value, str) and value.isascii() and value.isdigit():
            value = int(value)  # versions that do not say which type a column has
        if not isinstance(value, int) or isinstance(value, bool):
            raise MalformedAnswerError(f"COUNT(*) answered {result.rows!r}, which is no number")
        return Answer(count=value)
    missing = [column for column in shape.columns if column not in result.columns]
    if missing:
        raise MalformedAnswerError(
            f"the answer has no column {', '.join(missing)}; it has {', '.join(result.columns)}"
        )
    places = [result.columns.index(column) for column in shape.columns]
    rows = tuple(tuple(row[place] for place in places) for row in result.rows)
    limit = _limit(op) if isinstance(op, (Select, Get)) else SCAN_LIMIT
    return Answer(rows=rows, complete=len(rows) < limit)


def _affected(results: tuple[Result, ...]) -> int | None:
    """Rows that writes changed. A server sums its statements of one kind into one result."""
    counts = [result.row_count for result in results if not result.columns]
    return None if not counts or None in counts else sum(count or 0 for count in counts)


_WRITTEN = re.compile(r"(Inserted|Updated|Deleted) \d+ row")
_VERBS: dict[type, str] = {Insert: "Inserted", Update: "Updated", Increment: "Updated", Delete: "Deleted"}


def _of_transaction(op: Txn, reply: Reply, shape: TableShape) -> tuple[dict[str, object], ...]:
    """An answer for each inner operation: reads in order; a write's count where it alone is of its kind."""
    reads = iter([result for result in reply.results if result.columns])
    counts = {
        found[1]: result.row_count
        for result in reply.results
        if result.message and (found := _WRITTEN.match(result.message))
    }
    verbs = [_VERBS.get(type(inner)) for inner in op.ops]
    answers: list[dict[str, object]] = []
    for inner, verb in zip(op.ops, verbs, strict=True):
        if verb is not None:
            known = verbs.count(verb) == 1 and counts.get(verb) is not None
            answers.append({"affected": counts[verb]} if known else {})
            continue
        result = next(reads, None)
        if result is None:
            raise MalformedAnswerError(
                f"the transaction's answer has no result for its {type(inner).__name__}"
            )
        answer = _of_read(inner, result, shape)
        if isinstance(inner, Count):
            answers.append({"count": answer.count})
        else:  # a full page says nothing of the rows that it lacks
            answers.append({"rows": answer.rows} | ({} if answer.complete else {"complete": False}))
    return tuple(answers)
