"""The JSON of an answer: `results` entries, values as KalamDB writes them, and the two envelopes."""

from __future__ import annotations

from typing import Any, TypeAlias

import orjson
import pyarrow as pa

from kalam_props.reference.column_types import from_arrow
from kalam_props.reference.queries import Rows
from kalam_props.reference.refusals import MASKED, Refusal

Result: TypeAlias = dict[str, Any]
"""One entry of `results`; its keys are in the order in which KalamDB prints them."""


def rows_result(rows: Rows, as_user: str) -> Result:
    columns: list[list[Any]] = [[] for _ in rows.schema]
    for batch in rows.batches:
        for place, array in enumerate(batch.columns):
            columns[place].extend(json_values(array))
    found = [list(row) for row in zip(*columns, strict=True)]
    return {
        "schema": [_schema_field(place, field) for place, field in enumerate(rows.schema)],
        "rows": found,
        "row_count": len(found),
        "as_user": as_user,
    }


def message_result(message: str, row_count: int, as_user: str) -> Result:
    return {"row_count": row_count, "message": message, "as_user": as_user}


def success(results: list[Result], took_ms: float, *, single_select: bool) -> bytes:
    body: dict[str, Any] = {"status": "success", "results": results, "took": round(took_ms, 3)}
    if single_select:  # KalamDB streams this one and writes the key, and only this one
        body["error"] = None
    return orjson.dumps(body)


def failure(
    refusal: Refusal, took_ms: float, *, statement: int | None, sql: str | None, admin: bool
) -> bytes:
    """`statement`: its number from 1, when it was one that failed; `sql`: its text."""
    message = refusal.message
    if statement is not None and refusal.numbered:
        message = f"Statement {statement} failed: {message}"
    if not admin and not refusal.public:
        message = MASKED.get(refusal.code, message)
    error = {"code": refusal.code, "message": message}
    if admin and sql is not None:
        error["details"] = sql
    return orjson.dumps({"status": "error", "results": [], "took": round(took_ms, 3), "error": error})


def json_values(array: pa.Array) -> list[Any]:
    """The values of a column as an answer has them: 64-bit integers are strings."""
    kind = array.type
    if pa.types.is_int64(kind) or pa.types.is_uint64(kind):
        return [None if value is None else str(value) for value in array.to_pylist()]
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return [None if value is None else list(value) for value in array.to_pylist()]
    if pa.types.is_list(kind) and not pa.types.is_floating(kind.value_type):
        return [
            None if value is None else orjson.dumps(value, default=str).decode()
            for value in array.to_pylist()
        ]
    return from_arrow(array)


def _schema_field(index: int, field: pa.Field) -> dict[str, Any]:
    metadata = field.metadata or {}
    declared = metadata.get(b"kalam.type", b"").decode()
    data_type = _data_type(field.type)
    if declared in {"Json", "Uuid", "DateTime"} or (declared == "Embedding" and b"kalam.size" in metadata):
        data_type = {"Embedding": int(metadata[b"kalam.size"])} if declared == "Embedding" else declared
    entry = {"name": field.name, "data_type": data_type, "index": index}
    flags = metadata.get(b"kalam.flags", b"").decode()
    if flags:
        entry["flags"] = flags.split(",")
    return entry


def _data_type(kind: pa.DataType) -> object:
    for test, name in _KINDS:
        if test(kind):
            return name
    if pa.types.is_decimal(kind):
        return {"Decimal": {"precision": kind.precision, "scale": kind.scale}}
    return "Text"


_KINDS = (
    (lambda kind: pa.types.is_int64(kind) or pa.types.is_uint64(kind), "BigInt"),
    (lambda kind: pa.types.is_int32(kind) or pa.types.is_uint32(kind), "Int"),
    (lambda kind: pa.types.is_int16(kind) or pa.types.is_int8(kind), "SmallInt"),
    (pa.types.is_boolean, "Boolean"),
    (pa.types.is_float64, "Double"),
    (pa.types.is_float32, "Float"),
    (pa.types.is_timestamp, "Timestamp"),
    (pa.types.is_date, "Date"),
    (pa.types.is_time, "Time"),
    (lambda kind: pa.types.is_binary(kind) or pa.types.is_large_binary(kind), "Bytes"),
)
