"""The statements that the server knows, as values."""

from __future__ import annotations

from typing import TypeAlias

from attrs import field, frozen

from kalam_props.reference.column_types import ColumnType

TableName: TypeAlias = tuple[str, str]
"""Namespace and name."""


@frozen
class Expression:
    """SQL that only a query can work out."""

    sql: str


Cell: TypeAlias = object
"""A constant in VALUES (None, bool, int, Decimal, str), or an `Expression`."""


@frozen
class Query:
    """A statement that answers rows.

    Attributes:
        sql: what the query engine runs.
        tables: which tables it names.
        limited: whether it has a LIMIT of its own.
        counts: the table of a plain `SELECT COUNT(*) FROM t`, else None.
        key_equals: for a query of one table, the constant that WHERE compares a column with: column, value.
        open_to_all: a SHOW or DESCRIBE, which every role may run.

    """

    sql: str
    tables: tuple[TableName, ...]
    limited: bool
    counts: TableName | None = None
    key_equals: tuple[tuple[str, object], ...] = ()
    open_to_all: bool = False


@frozen
class Insert:
    """`columns`: none where the statement names none. `unsupported`: a clause that it has."""

    table: TableName
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...] = ()
    query: Query | None = None
    unsupported: str | None = None


@frozen
class Update:
    """`assignments`: column and expression. `where`: SQL. `key_equals`: as in `Query`."""

    table: TableName
    assignments: tuple[tuple[str, Cell], ...]
    where: str
    key_equals: tuple[tuple[str, object], ...]
    only_key: bool


@frozen
class Delete:
    table: TableName
    where: str
    key_equals: tuple[tuple[str, object], ...]
    only_key: bool


@frozen
class ColumnSpec:
    name: str
    type: ColumnType
    nullable: bool = True
    primary_key: bool = False
    default: str | None = None


@frozen
class CreateTable:
    table: TableName
    kind: str
    columns: tuple[ColumnSpec, ...]
    if_not_exists: bool = False
    flush_policy: str | None = None
    flush_rows: int | None = None
    options: dict[str, str] = field(factory=dict)


@frozen
class DropTable:
    table: TableName
    if_exists: bool


@frozen
class AddColumn:
    table: TableName
    column: ColumnSpec
    description: str


@frozen
class DropColumn:
    table: TableName
    column: str


@frozen
class RenameColumn:
    table: TableName
    old: str
    new: str


@frozen
class CreateNamespace:
    name: str
    if_not_exists: bool


@frozen
class DropNamespace:
    name: str
    if_exists: bool


@frozen
class CreateUser:
    name: str
    password: str = field(repr=False)
    role: str
    email: str | None = None


@frozen
class DropUser:
    name: str
    if_exists: bool


@frozen
class FlushTable:
    table: TableName


@frozen
class FlushAll:
    namespace: str


@frozen
class CompactTable:
    table: TableName


@frozen
class Begin:
    pass


@frozen
class Commit:
    pass


@frozen
class Rollback:
    pass


Statement: TypeAlias = (
    Query
    | Insert
    | Update
    | Delete
    | CreateTable
    | DropTable
    | AddColumn
    | DropColumn
    | RenameColumn
    | CreateNamespace
    | DropNamespace
    | CreateUser
    | DropUser
    | FlushTable
    | FlushAll
    | CompactTable
    | Begin
    | Commit
    | Rollback
)

WRITES = (Insert, Update, Delete)


def uses_rows(statement: Statement) -> bool:
    """Whether it reads or writes rows of a table that was created: what faults between requests are about."""
    if isinstance(statement, Query):
        return any(namespace not in {"system", "information_schema"} for namespace, _ in statement.tables)
    return isinstance(statement, WRITES)


@frozen
class Parsed:
    """One statement of a request: its text, whom it runs as (None: the caller), and what it is."""

    sql: str
    statement: Statement
    as_user: str | None = None
