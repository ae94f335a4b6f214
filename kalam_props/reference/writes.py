"""INSERT, UPDATE and DELETE inside a transaction. Each answers how many rows it changed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pyarrow as pa

from kalam_props.reference import functions
from kalam_props.reference.column_types import Stored, from_arrow, stored, zero
from kalam_props.reference.database import Database
from kalam_props.reference.hot import Version
from kalam_props.reference.queries import Rows, Source, run_query
from kalam_props.reference.refusals import (
    Refusal,
    duplicate_in_batch,
    duplicate_key,
    insert_failed,
    no_such_column,
)
from kalam_props.reference.snapshots import batch_of
from kalam_props.reference.statements import Cell, Delete, Expression, Insert, Update
from kalam_props.reference.tables import Column, Table
from kalam_props.reference.transactions import Transaction
from kalam_props.reference.write_faults import (
    expose_refused,
    refuse_keys_of_others,
    refuse_other_spellings,
)


def insert(
    database: Database,
    transaction: Transaction,
    table: Table,
    user: str,
    statement: Insert,
    selected: Rows | None,
) -> int:
    """All rows of the statement or none. `selected`: the answer of its query, where it has one."""
    columns = [_column(table, name) for name in statement.columns]
    if not columns:  # a statement that names none means all, in their order
        columns = list(table.visible)
        if any(len(row) != len(columns) for row in statement.rows):
            raise Refusal(
                "Execution error: Error during planning: Inserting query must have the same schema length as "
                "the table"
            )
    if selected is None:
        given = [[_value(database, cell, user) for cell in row] for row in statement.rows]
    else:
        given = _rows_for(columns, selected)
    rows = [
        _complete(database, table, user, number, dict(zip(columns, row, strict=True)))
        for number, row in enumerate(given, 1)
    ]
    key = table.key
    owner = table.owner_for(user)
    seen: set[Stored] = set()
    for row in rows:
        if row[key.place] in seen:
            raise duplicate_in_batch(row[key.place], key.name)
        seen.add(row[key.place])
    refuse_keys_of_others(database, transaction, table, owner, seen)
    refuse_other_spellings(database, transaction, table, owner, seen)
    taken = [row for row in rows if transaction.find(table, owner, row[key.place]) is not None]
    if taken:
        expose_refused(database, table, owner, [row for row in rows if row not in taken])
        raise duplicate_key(taken[0][key.place], key.name)
    for row in rows:
        transaction.put(table, owner, "insert", row[key.place], row, None)
    return len(rows)


def update(transaction: Transaction, table: Table, user: str, statement: Update) -> int:
    """Counts the rows that changed: one that has the values already is not counted."""
    assigned = [(_assignable(table, name), cell) for name, cell in statement.assignments]
    owner = table.owner_for(user)
    fixed = {
        column: stored(cell, column.type, column.name)
        for column, cell in assigned
        if not isinstance(cell, Expression)
    }
    worked_out = {column: cell.sql for column, cell in assigned if isinstance(cell, Expression)}
    changed = 0
    for old, news in _matching(transaction, table, owner, statement, worked_out):
        values = list(old.values) + [None] * (len(table.columns) - len(old.values))
        for column, value in [*fixed.items(), *zip(worked_out, news, strict=True)]:
            _refuse_null(column, value, 1)
            values[column.place] = value
        if tuple(values[: len(old.values)]) == old.values and not any(values[len(old.values) :]):
            continue
        transaction.put(table, owner, "update", old.key, tuple(values), old)
        changed += 1
    return changed


def delete(transaction: Transaction, table: Table, user: str, statement: Delete) -> int:
    owner = table.owner_for(user)
    gone = list(_matching(transaction, table, owner, statement, {}))
    for old, _ in gone:
        transaction.put(table, owner, "delete", old.key, old.values, old)
    return len(gone)


def _matching(
    transaction: Transaction,
    table: Table,
    owner: str,
    statement: Update | Delete,
    worked_out: dict[Column, str],
) -> Iterable[tuple[Version, list[Stored]]]:
    """The rows that WHERE selects, each with the values of the expressions of SET."""
    known, key = key_in(table, statement.key_equals)
    if known:
        only = transaction.find(table, owner, key)
        if only is None:
            return
        if statement.only_key and not worked_out:
            yield only, []
            return
        batches = [batch_of(table, [only])]
    else:
        batches = transaction.rows(table, owner)
    expressions = "".join(f', {sql} AS "set {number}"' for number, sql in enumerate(worked_out.values()))
    rows = run_query(
        f'SELECT "{table.key.name}" AS "the key"{expressions} FROM {table.full_name} WHERE {statement.where}',
        {(table.namespace, table.name): Source(table.schema, batches)},
        None,
    )
    for found_key, *news in _rows_for([table.key, *worked_out], rows):
        old = transaction.find(table, owner, found_key)
        if old is not None:
            yield old, news


def key_in(table: Table, key_equals: tuple[tuple[str, object], ...]) -> tuple[bool, Stored]:
    """Whether a condition fixes the primary key, and to which stored value."""
    kind = {"BigInt": int, "Int": int, "SmallInt": int, "Text": str}.get(table.key.type.name)
    for name, value in key_equals:
        # A constant of another type is for the query engine to compare, by its own rules.
        if name == table.key.name and kind is not None and type(value) is kind:
            return True, value
    return False, None


def _rows_for(columns: Sequence[Column], rows: Rows) -> list[list[Stored]]:
    """The rows of an answer as stored values of these columns."""
    found: list[list[Stored]] = []
    for batch in rows.batches:
        arrays = [_cast(batch.column(place), column) for place, column in enumerate(columns)]
        found.extend(list(row) for row in zip(*map(from_arrow, arrays), strict=True))
    return found


def _cast(array: pa.Array, column: Column) -> pa.Array:
    wanted = column.type.arrow
    if array.type == wanted:
        return array
    try:
        # Fractions are cut off as in INSERT, but a whole number that does not fit is refused.
        return array.cast(wanted, safe=pa.types.is_integer(array.type))
    except pa.ArrowInvalid as error:
        raise Refusal(f"Schema coercion failed: column '{column.name}': {error}") from None


def _value(database: Database, cell: Cell, user: str) -> object:
    if not isinstance(cell, Expression):
        return cell
    known, value = functions.call(cell.sql, user, database.hot.sequence)
    if known:
        return value
    rows = run_query(f"SELECT {cell.sql}", {}, 1)
    return rows.batches[0].column(0)[0].as_py()


def _complete(
    database: Database, table: Table, user: str, number: int, given: dict[Column, object]
) -> tuple[Stored, ...]:
    """A whole row by column place, with defaults, checked."""
    values: list[Stored] = [None] * len(table.columns)
    for column in table.visible:
        if column in given:
            value = stored(given[column], column.type, column.name)
            _refuse_null(column, value, number)
        elif column.default is not None:
            known, value = functions.call(column.default, user, database.hot.sequence)
            value = stored(value if known else functions.constant(column.default), column.type, column.name)
        else:
            value = None if column.nullable else zero(column.type)
        values[column.place] = value
    return tuple(values)


def _column(table: Table, name: str) -> Column:
    column = table.column(name)
    if column is None:
        raise no_such_column(name)
    return column


def _assignable(table: Table, name: str) -> Column:
    column = table.column(name)
    if column is None:
        known = ", ".join(f"{table.full_name}.{field.name}" for field in table.schema)
        raise Refusal(f"Invalid operation: Schema error: No field named {name}. Valid fields are {known}.")
    if column.primary_key:
        raise Refusal(
            f"Already exists: UPDATE operation on table '{table.full_name}'\ncaused by\n"
            f"Error during planning: UPDATE cannot modify primary key column '{name}'"
        )
    return column


def _refuse_null(column: Column, value: Stored, row: int) -> None:
    if value is None and not column.nullable:
        raise insert_failed(
            "Constraint violation: Execution error: NOT NULL constraint violation: "
            f"column '{column.name}' cannot be NULL (row {row})"
        )
