"""Running SQL over record batches with DataFusion. A context lives for one query and sees only its tables."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import pyarrow as pa
from attrs import frozen
from datafusion import SessionConfig, SessionContext, SQLOptions
from datafusion.catalog import Schema

from kalam_props.reference.refusals import Refusal
from kalam_props.reference.statements import TableName

_CONFIG = (
    SessionConfig()
    .with_default_catalog_and_schema("kalam", "default")
    .with_create_default_catalog_and_schema(enabled=True)
    .with_information_schema(enabled=True)
    .with_target_partitions(1)
)
_READ_ONLY = (
    SQLOptions().with_allow_ddl(allow=False).with_allow_dml(allow=False).with_allow_statements(allow=False)
)
_MISSING_TABLE = re.compile(r"Error during planning: table '[^']*' not found")


@frozen
class Source:
    """The content of a table for one query; `batches` all have `schema`."""

    schema: pa.Schema
    batches: Sequence[pa.RecordBatch]


@frozen
class Rows:
    """An answer: also without batches it has a schema."""

    schema: pa.Schema
    batches: Sequence[pa.RecordBatch]

    @property
    def count(self) -> int:
        return sum(batch.num_rows for batch in self.batches)


def run_query(sql: str, sources: Mapping[TableName, Source], limit: int | None) -> Rows:
    """Run one SELECT; `limit` bounds its rows whatever it says itself.

    Raises:
        Refusal: the query cannot be planned or fails while it runs.

    """
    context = SessionContext(_CONFIG)
    catalog = context.catalog("kalam")
    for namespace in {namespace for namespace, _ in sources} - {"default", "information_schema"}:
        catalog.register_schema(namespace, Schema.memory_schema())
    for (namespace, name), source in sources.items():
        batches = [batch for batch in source.batches if batch.num_rows] or [_empty(source.schema)]
        context.register_record_batches(f"{namespace}.{name}", [batches])
    try:
        frame = context.sql_with_options(sql, _READ_ONLY)
        if limit is not None:
            frame = frame.limit(limit)
        schema = frame.schema()
        return Rows(schema, frame.collect())
    except Exception as error:  # noqa: BLE001  # the bindings raise it for whatever DataFusion says
        raise _refusal(str(error)) from None


def warm_up() -> None:
    """Pay what the first query of a process costs (10 ms) before a client waits for it."""
    batch = pa.RecordBatch.from_pydict({"id": [1], "v": ["x"]})
    run_query("SELECT id, v FROM a.b WHERE id = 1", {("a", "b"): Source(batch.schema, [batch])}, 50)


def _refusal(message: str) -> Refusal:
    text = " ".join(message.removeprefix("DataFusion error: ").split())
    missing = _MISSING_TABLE.search(text)
    if missing:
        return Refusal(f"Table not found: {missing[0]}", public=False)
    if text.startswith("SQL error: ParserError"):
        text = "sql parser error: " + text.removeprefix("SQL error: ParserError").strip('()"')
        return Refusal(text, code="INVALID_SQL", public=False)
    if "No field named" in text:
        return Refusal(f"Invalid operation: {text}")
    return Refusal(f"Execution error: {text}", public=False)


def _empty(schema: pa.Schema) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays([pa.array([], field.type) for field in schema], schema=schema)
