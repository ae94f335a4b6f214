"""The answer document of a server, as HTTP gives it and `kalam --json` prints it, as a `Reply`."""

from __future__ import annotations

from typing import Any

import orjson

from kalam_props.drivers import outcome
from kalam_props.drivers.protocol import Reply, Result
from kalam_props.history.operations import Row, Scalar

_SHOWN = 300
"""So much of a wrong answer is kept."""

_INTEGERS = ("BigInt", "Int", "SmallInt")


def of_document(text: bytes | str, sql: str, status: int = 200) -> Reply | None:
    """The reply that a document holds; None when it is none of a server that we know.

    Integers come as ints, whatever the server prints; other values as they are in the document, those that
    have parts (JSON, bytes, vectors) as JSON text. A document that calls itself a success and whose results
    cannot be read is an answer all the same, and a wrong one: it is never taken for an empty table.
    """
    try:
        document = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(document, dict):
        return None
    error = document.get("error")
    if isinstance(error, dict):
        return outcome.of_server(
            status, str(error.get("message", "")), sql, str(error.get("code", "")) or None
        )
    results = document.get("results")
    if document.get("status") != "success":
        return None
    try:
        return Reply(results=tuple(map(_result, results)))  # type: ignore[arg-type]  # or else it is no list
    except (AttributeError, KeyError, TypeError, ValueError):
        words = orjson.dumps(results).decode()
        return outcome.malformed(f"results that do not fit their own schema: {words[:_SHOWN]}")


def _result(entry: Any) -> Result:
    """Both generations: `schema` and rows as arrays, or `columns` and rows as objects."""
    schema = entry.get("schema")
    named = schema is None and entry.get("columns") is not None
    if named:
        columns = tuple(str(name) for name in entry["columns"])
        rows = tuple(tuple(_value(row[name], None) for name in columns) for row in entry.get("rows") or [])
    else:
        kinds = [field.get("data_type") for field in schema or []]
        columns = tuple(str(field.get("name")) for field in schema or [])
        rows = tuple(_row(row, kinds) for row in entry.get("rows") or [])
    return Result(
        columns=columns,
        rows=rows,
        row_count=entry.get("row_count"),
        message=entry.get("message"),
        as_user=entry.get("as_user"),
        named=named,
    )


def _row(values: list[Any], kinds: list[object]) -> Row:
    return tuple(_value(value, kind) for value, kind in zip(values, kinds, strict=True))


def _value(value: Any, kind: object) -> Scalar:
    if isinstance(value, str) and kind in _INTEGERS:
        return int(value)
    if isinstance(value, (dict, list)):
        return orjson.dumps(value).decode()
    return value  # type: ignore[no-any-return]  # a JSON scalar
