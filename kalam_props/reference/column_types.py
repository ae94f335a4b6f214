"""Column types: their SQL names, Arrow types, stored values and JSON values.

A *stored value* is plain JSON: BIGINT an int, DECIMAL and UUID text, BYTES hexadecimal text, TIMESTAMP
microseconds since 1970, DATE days since 1970, TIME microseconds since midnight.
"""

from __future__ import annotations

import datetime as dt
import decimal
import math
import uuid
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import pyarrow as pa
from attrs import frozen

from kalam_props.reference.refusals import Refusal, invalid_sql

Stored: TypeAlias = Any
"""None, bool, int, float, str, or a list of floats."""

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_INTEGER_BITS = {"BigInt": 64, "Int": 32, "SmallInt": 16}


@frozen
class ColumnType:
    """A type: KalamDB's name of it, and the numbers in its parentheses."""

    name: str
    arguments: tuple[int, ...] = ()

    @property
    def json(self) -> object:
        """`data_type` in the schema of an answer."""
        if self.name == "Decimal":
            precision, scale = self.arguments
            return {"Decimal": {"precision": precision, "scale": scale}}
        if self.name == "Embedding":
            return {"Embedding": self.arguments[0]}
        return self.name

    @property
    def arrow(self) -> pa.DataType:
        if self.name == "Decimal":
            return pa.decimal128(*self.arguments)
        return _ARROW[self.name]


_ARROW: dict[str, pa.DataType] = {
    "BigInt": pa.int64(),
    "Int": pa.int32(),
    "SmallInt": pa.int16(),
    "Text": pa.string(),
    "Json": pa.string(),
    "Uuid": pa.string(),
    "Boolean": pa.bool_(),
    "Double": pa.float64(),
    "Float": pa.float32(),
    "Timestamp": pa.timestamp("us"),
    "DateTime": pa.timestamp("us"),
    "Date": pa.date32(),
    "Time": pa.time64("us"),
    "Bytes": pa.binary(),
    "Embedding": pa.list_(pa.float32()),
}

SQL_NAMES: dict[str, str] = {
    "BIGINT": "BigInt",
    "INT8": "BigInt",
    "BIGSERIAL": "BigInt",
    "SERIAL": "BigInt",
    "INT": "Int",
    "INTEGER": "Int",
    "INT4": "Int",
    "SMALLINT": "SmallInt",
    "INT2": "SmallInt",
    "TEXT": "Text",
    "STRING": "Text",
    "VARCHAR": "Text",
    "CHAR": "Text",
    "CHARACTER": "Text",
    "BOOLEAN": "Boolean",
    "BOOL": "Boolean",
    "DOUBLE": "Double",
    "DOUBLE PRECISION": "Double",
    "FLOAT8": "Double",
    "FLOAT": "Float",
    "REAL": "Float",
    "FLOAT4": "Float",
    "DECIMAL": "Decimal",
    "TIMESTAMP": "Timestamp",
    "TIMESTAMPTZ": "Timestamp",
    "DATETIME": "DateTime",
    "DATE": "Date",
    "TIME": "Time",
    "UUID": "Uuid",
    "JSON": "Json",
    "JSONB": "Json",
    "BYTES": "Bytes",
    "BLOB": "Bytes",
    "BYTEA": "Bytes",
    "BINARY": "Bytes",
    "EMBEDDING": "Embedding",
}
"""Type names in CREATE TABLE, and what KalamDB makes of them."""


def type_named(sql_name: str, arguments: tuple[int, ...]) -> ColumnType:
    """The type that a CREATE TABLE names.

    Raises:
        Refusal: no such type.

    """
    name = SQL_NAMES.get(sql_name.upper())
    if name is None:
        raise invalid_sql(f"Unsupported custom data type '{sql_name.lower()}'")
    if name == "Decimal":
        return ColumnType(name, (*arguments, *(10, 0)[len(arguments) :]))
    if name == "Embedding":
        if len(arguments) != 1:
            raise invalid_sql("EMBEDDING needs its dimension, as in EMBEDDING(3)")
        return ColumnType(name, arguments)
    return ColumnType(name)


def zero(column_type: ColumnType) -> Stored:
    """What an omitted NOT NULL column gets: KalamDB stores 0 or the empty text."""
    if column_type.name in {"Text", "Json", "Uuid", "Bytes"}:
        return ""
    if column_type.name == "Boolean":
        return False
    if column_type.name == "Embedding":
        return [0.0] * column_type.arguments[0]
    return "0" if column_type.name == "Decimal" else 0


def stored(value: object, column_type: ColumnType, column: str) -> Stored:
    """The stored value of a Python value (from SQL, a parameter or a query) in a column.

    Raises:
        Refusal: the value does not fit.

    """
    if value is None:
        return None
    try:
        return _CONVERT[column_type.name](value, column_type)
    except (ValueError, TypeError, OverflowError, decimal.InvalidOperation):
        raise Refusal(
            f"Invalid operation: Schema coercion failed: Unable to cast value {value!r} "
            f"to {column_type.name} for column '{column}'"
        ) from None


def _integer(value: object, column_type: ColumnType) -> int:
    number = int(value.strip()) if isinstance(value, str) else int(value)  # type: ignore[call-overload]
    bits = _INTEGER_BITS[column_type.name]
    if not -(1 << (bits - 1)) <= number < 1 << (bits - 1):
        raise OverflowError(number)
    return int(number)


def _text(value: object, _: ColumnType) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, bytes):
        return value.decode()
    return str(value)


def _boolean(value: object, _: ColumnType) -> bool:
    if isinstance(value, str):
        lowered = value.strip().lower()
        if lowered not in {"true", "t", "1", "false", "f", "0"}:
            raise ValueError(value)
        return lowered in {"true", "t", "1"}
    return bool(value)


def _float(value: object, column_type: ColumnType) -> float:
    number = float(value)  # type: ignore[arg-type]
    if not math.isfinite(number):
        raise ValueError(number)
    if column_type.name == "Float":
        number = pa.scalar(number, pa.float32()).as_py()
    return number + 0.0  # turns minus zero into 0.0, as KalamDB answers it


def _decimal(value: object, column_type: ColumnType) -> str:
    precision, scale = column_type.arguments
    number = decimal.Decimal(str(value)).quantize(
        decimal.Decimal(1).scaleb(-scale), rounding=decimal.ROUND_HALF_UP
    )
    if len(number.as_tuple().digits) > precision:
        raise OverflowError(number)
    return f"{number:f}"


def _timestamp(value: object, _: ColumnType) -> int:
    if isinstance(value, (int, float)):
        return int(value)
    moment = value if isinstance(value, dt.datetime) else dt.datetime.fromisoformat(str(value).strip())
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=dt.UTC)
    return (moment - _EPOCH) // dt.timedelta(microseconds=1)


def _date(value: object, _: ColumnType) -> int:
    if isinstance(value, int):
        return value
    day = value if isinstance(value, dt.date) else dt.date.fromisoformat(str(value).strip())
    return day.toordinal() - _EPOCH.toordinal()


def _time(value: object, _: ColumnType) -> int:
    if isinstance(value, int):
        return value
    moment = value if isinstance(value, dt.time) else dt.time.fromisoformat(str(value).strip())
    return ((moment.hour * 60 + moment.minute) * 60 + moment.second) * 1_000_000 + moment.microsecond


def _uuid(value: object, _: ColumnType) -> str:
    return str(uuid.UUID(str(value)))


def _bytes(value: object, _: ColumnType) -> str:
    if isinstance(value, bytes):
        return value.hex()
    text = str(value)
    return text[2:] if text[:2] in {"\\x", "0x"} else text.encode().hex()


def _embedding(value: object, column_type: ColumnType) -> list[float]:
    if isinstance(value, str):
        value = [part for part in value.strip("[] ").split(",") if part.strip()]
    if not isinstance(value, Sequence):
        raise TypeError(value)
    numbers = [float(number) for number in value]
    if len(numbers) != column_type.arguments[0]:
        raise ValueError(value)
    return numbers


_CONVERT: dict[str, Callable[[Any, ColumnType], Stored]] = {
    "BigInt": _integer,
    "Int": _integer,
    "SmallInt": _integer,
    "Text": _text,
    "Json": _text,
    "Uuid": _uuid,
    "Boolean": _boolean,
    "Double": _float,
    "Float": _float,
    "Decimal": _decimal,
    "Timestamp": _timestamp,
    "DateTime": _timestamp,
    "Date": _date,
    "Time": _time,
    "Bytes": _bytes,
    "Embedding": _embedding,
}


def to_arrow(values: Sequence[Stored], column_type: ColumnType) -> pa.Array:
    """An Arrow array of stored values."""
    if column_type.name == "Decimal":
        numbers = [None if value is None else decimal.Decimal(value) for value in values]
        return pa.array(numbers, column_type.arrow)
    if column_type.name == "Bytes":
        return pa.array([None if value is None else bytes.fromhex(value) for value in values], pa.binary())
    if column_type.name in {"Timestamp", "DateTime", "Time"}:
        return pa.array(values, pa.int64()).cast(column_type.arrow)
    if column_type.name == "Date":
        return pa.array(values, pa.int32()).cast(pa.date32())
    return pa.array(values, column_type.arrow)


def from_arrow(array: pa.Array | pa.ChunkedArray) -> list[Stored]:
    """The stored values in an Arrow array: the opposite of `to_arrow`."""
    kind = array.type
    if pa.types.is_timestamp(kind) or pa.types.is_time64(kind) or pa.types.is_date64(kind):
        return array.cast(pa.int64()).to_pylist()  # type: ignore[no-any-return]
    if pa.types.is_date32(kind) or pa.types.is_time32(kind):
        return array.cast(pa.int32()).to_pylist()  # type: ignore[no-any-return]
    if pa.types.is_decimal(kind):
        return [None if value is None else f"{value:f}" for value in array.to_pylist()]
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return [None if value is None else value.hex() for value in array.to_pylist()]
    return array.to_pylist()  # type: ignore[no-any-return]
