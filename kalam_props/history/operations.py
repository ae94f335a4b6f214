"""The operations that a program asks for and that a history records as invoked.

One frozen class an operation, one request each. `to_json` and `from_json` give the stable JSON
(`{"op": "insert", …}`); fields that hold their default are left out.
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias, Union

import cattrs
from attrs import frozen
from cattrs.gen import make_dict_unstructure_fn

Scalar: TypeAlias = int | float | str | bool | None
"""A value in a row. Integers are JSON integers, whatever the server prints."""

Row: TypeAlias = tuple[Scalar, ...]
"""Values in the order of the table's columns."""


@frozen
class After:
    """One page of a scan: rows with a key greater than `after`, at most `limit` of them, by key."""

    after: Scalar
    limit: int


@frozen
class Insert:
    """`rows` of `table`; with `statements`, the rows of each INSERT in one request (they commit apart)."""

    table: str
    rows: tuple[Row, ...]
    statements: tuple[int, ...] | None = None


@frozen
class Update:
    """`SET` each column of `set` for the row with `key`."""

    table: str
    key: Scalar
    set: dict[str, Scalar]


@frozen
class Increment:
    """`SET column = column + by` for the row with `key`."""

    table: str
    key: Scalar
    column: str
    by: int = 1


@frozen
class Delete:
    table: str
    key: Scalar


@frozen
class Select:
    """A scan of every row of the user, or of one page of it."""

    table: str
    where: After | None = None


@frozen
class Get:
    """A read of one row by its key."""

    table: str
    key: Scalar


@frozen
class Count:
    table: str


@frozen
class Flush:
    """`STORAGE FLUSH TABLE`: the answer says that a job was queued, not that it ended.

    `scope` `namespace`: `STORAGE FLUSH ALL IN` the namespace of `table`.
    """

    table: str
    scope: Literal["table", "namespace"] = "table"


@frozen
class Compact:
    """`STORAGE COMPACT TABLE`: changes no row, like a flush."""

    table: str


@frozen
class AddColumn:
    """`ALTER TABLE … ADD COLUMN name type`: changes nothing of the columns that were there before."""

    table: str
    name: str
    type: str = "TEXT"


@frozen
class Recreate:
    """`DROP TABLE` of the table that has the name of `table`, and `CREATE TABLE`, in one request."""

    table: str


@frozen
class AwaitFlush:
    """Wait until no flush of `table` is queued, running or due."""

    table: str


@frozen
class Txn:
    """`BEGIN; …; COMMIT` in one request; KalamDB's transactions live within one. Or `ROLLBACK` at its end."""

    ops: tuple[Operation, ...]
    rollback: bool = False


@frozen
class Subscribe:
    table: str


@frozen
class Unsubscribe:
    table: str


@frozen
class Restart:
    """Stop the managed server in an orderly way and start it again."""


@frozen
class Kill:
    """`kill -9` the managed server and start it again."""


@frozen
class Pause:
    us: int


Operation: TypeAlias = Union[  # noqa: UP007  # a forward reference in Txn needs the typing form
    Insert,
    Update,
    Increment,
    Delete,
    Select,
    Get,
    Count,
    Flush,
    Compact,
    AddColumn,
    Recreate,
    AwaitFlush,
    Txn,
    Subscribe,
    Unsubscribe,
    Restart,
    Kill,
    Pause,
]

KINDS: dict[str, type[Operation]] = {
    "insert": Insert,
    "update": Update,
    "increment": Increment,
    "delete": Delete,
    "select": Select,
    "get": Get,
    "count": Count,
    "flush": Flush,
    "compact": Compact,
    "add-column": AddColumn,
    "recreate": Recreate,
    "await-flush": AwaitFlush,
    "txn": Txn,
    "subscribe": Subscribe,
    "unsubscribe": Unsubscribe,
    "restart": Restart,
    "kill": Kill,
    "pause": Pause,
}
_NAMES: dict[type, str] = {cls: name for name, cls in KINDS.items()}

WRITES = (Insert, Update, Increment, Delete, Txn)
READS = (Select, Get, Count)
MAINTENANCE = (Flush, Compact, AddColumn, Recreate)
"""What is root's business, and changes no row of a table that is there."""


def kind(op: Operation) -> str:
    """The name of an operation in programs, histories and reports."""
    return _NAMES[type(op)]


def parts(op: Operation) -> tuple[Operation, ...]:
    """The operations of a transaction; the operation itself where it is none."""
    return op.ops if isinstance(op, Txn) else (op,)


def row_versions(op: Operation) -> int:
    """How many versions of rows an operation writes, tombstones too; 0 for what writes no row."""
    if isinstance(op, Txn):
        return sum(map(row_versions, op.ops))
    if isinstance(op, Insert):
        return len(op.rows)
    return int(isinstance(op, WRITES))


def _converter() -> cattrs.Converter:
    converter = cattrs.Converter()
    # Values pass as they are; bool before int would otherwise be a matter of luck.
    converter.register_structure_hook_func(lambda t: t == Scalar, _scalar)
    converter.register_unstructure_hook_func(lambda t: t == Scalar, lambda value: value)
    converter.register_structure_hook_func(lambda t: t == Operation, lambda value, _: from_json(value))
    converter.register_unstructure_hook_func(lambda t: t == Operation, to_json)
    for cls in KINDS.values():
        converter.register_unstructure_hook(
            cls, make_dict_unstructure_fn(cls, converter, _cattrs_omit_if_default=True)
        )
    return converter


def _scalar(value: Any, _: object) -> Scalar:
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise ValueError(f"a value is null, true, false, a number or a string, not {value!r}")


def to_json(op: Operation) -> dict[str, Any]:
    """The stable JSON object of an operation."""
    return {"op": kind(op), **_CONVERTER.unstructure(op, unstructure_as=type(op))}


def from_json(data: Any) -> Operation:
    """The operation in a JSON object; fields that it does not know are ignored.

    Raises:
        ValueError: not an operation; the message says what was expected.

    """
    name = data.get("op") if isinstance(data, dict) else None
    kind_name = str(name)
    cls = KINDS.get(kind_name)
    if cls is None:
        raise ValueError(f"unknown operation {name!r}; known are {', '.join(KINDS)}")
    try:
        return _CONVERTER.structure(data, cls)
    except cattrs.BaseValidationError as error:
        detail = "; ".join(cattrs.transform_error(error, path=kind_name, format_exception=_describe))
        raise ValueError(f"bad {kind_name}: {detail}") from None


def _describe(error: BaseException, expected: type | None) -> str:
    if isinstance(error, KeyError):
        return f"field {error} is missing"
    if isinstance(error, ValueError):
        return str(error)
    return f"expected {getattr(expected, '__name__', expected)}"


_CONVERTER = _converter()
