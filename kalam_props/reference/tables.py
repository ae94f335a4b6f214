"""What a table is: columns with a stable place in stored rows, kind, and when it is flushed."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import pyarrow as pa
from attrs import evolve, field, frozen

from kalam_props.reference.column_types import ColumnType

Kind: TypeAlias = Literal["user", "shared"]

SHARED_OWNER = ""
"""The owner of the one partition of a shared table; no user may have this name."""

SEQ = "_seq"
DELETED = "_deleted"
SYSTEM_FIELDS = (
    pa.field(SEQ, pa.int64(), nullable=True, metadata={"kalam.flags": "nn", "kalam.type": "BigInt"}),
    pa.field(DELETED, pa.bool_(), nullable=True, metadata={"kalam.flags": "nn", "kalam.type": "Boolean"}),
)


@frozen
class Column:
    """A column. `place` is its index in stored rows and never changes.

    A dropped column keeps its place, so old rows and files stay readable; one added later stands after
    `_seq` and `_deleted` in `SELECT *`.
    """

    place: int
    name: str
    type: ColumnType
    nullable: bool = True
    primary_key: bool = False
    default: str | None = None
    added: bool = False
    dropped: bool = False

    @property
    def stored_name(self) -> str:
        """The name in cold files, which neither a new name nor a new column of the old name may change."""
        return f"c{self.place}"

    @property
    def field(self) -> pa.Field:
        """The column as a query sees it; the metadata survive into the schema of the answer."""
        flags = "pk,nn,uq" if self.primary_key else "" if self.nullable else "nn"
        metadata = {"kalam.flags": flags, "kalam.type": self.type.name}
        if self.type.name == "Embedding":
            metadata["kalam.size"] = str(self.type.arguments[0])
        return pa.field(self.name, self.type.arrow, nullable=True, metadata=metadata)


@frozen
class Table:
    """A table as the catalog knows it; every change makes a new value with the same `id`."""

    id: int
    namespace: str
    name: str
    kind: Kind
    columns: tuple[Column, ...]
    flush_rows: int | None = None
    flush_policy: str | None = None
    access_level: str = "private"
    version: int = 1
    created_at: int = 0
    options: dict[str, str] = field(factory=dict)

    @property
    def full_name(self) -> str:
        return f"{self.namespace}.{self.name}"

    @property
    def visible(self) -> tuple[Column, ...]:
        return tuple(column for column in self.columns if not column.dropped)

    @property
    def key(self) -> Column:
        return next(column for column in self.columns if column.primary_key)

    @property
    def schema(self) -> pa.Schema:
        """The columns of `SELECT *`: as created, `_seq` and `_deleted`, then those added later."""
        return pa.schema(
            [
                *(column.field for column in self.visible if not column.added),
                *SYSTEM_FIELDS,
                *(column.field for column in self.visible if column.added),
            ]
        )

    def column(self, name: str) -> Column | None:
        return next((column for column in self.visible if column.name == name), None)

    def owner_for(self, user: str) -> str:
        """Whose partition `user` reads and writes."""
        return user if self.kind == "user" else SHARED_OWNER

    def with_columns(self, columns: tuple[Column, ...]) -> Table:
        return evolve(self, columns=columns, version=self.version + 1)


def table_to_json(table: Table) -> dict[str, Any]:
    data = {name: getattr(table, name) for name in _TABLE_FIELDS}
    data["columns"] = [
        {
            **{name: getattr(column, name) for name in _COLUMN_FIELDS},
            "type": [column.type.name, list(column.type.arguments)],
        }
        for column in table.columns
    ]
    return data


def table_from_json(data: dict[str, Any]) -> Table:
    columns = tuple(
        Column(**{**column, "type": ColumnType(column["type"][0], tuple(column["type"][1]))})
        for column in data["columns"]
    )
    return Table(**{**data, "columns": columns})


_COLUMN_FIELDS = ("place", "name", "nullable", "primary_key", "default", "added", "dropped")
_TABLE_FIELDS = (
    "id",
    "namespace",
    "name",
    "kind",
    "flush_rows",
    "flush_policy",
    "access_level",
    "version",
    "created_at",
    "options",
)
