"""Running the statements of one request, and regrouping their results as KalamDB does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias

import pyarrow as pa
from attrs import frozen

from kalam_props.reference import definitions, writes
from kalam_props.reference.answers import Result, message_result, rows_result
from kalam_props.reference.functions import uuid_v7
from kalam_props.reference.hot import Partition
from kalam_props.reference.queries import Rows, Source, run_query
from kalam_props.reference.refusals import Refusal, table_not_found
from kalam_props.reference.roles import Caller, may_act_as, may_run, may_use
from kalam_props.reference.snapshots import batch_of
from kalam_props.reference.stale_counts import StaleCounts
from kalam_props.reference.statements import (
    WRITES,
    Begin,
    Commit,
    Delete,
    Insert,
    Parsed,
    Query,
    Rollback,
    TableName,
    Update,
)
from kalam_props.reference.system_tables import Server, system_source
from kalam_props.reference.transactions import PartitionLocks, Transaction

WriteKind: TypeAlias = Literal["Inserted", "Updated", "Deleted"]
_VERBS: dict[type, WriteKind] = {Insert: "Inserted", Update: "Updated", Delete: "Deleted"}


class FailedStatement(Exception):  # noqa: N818  # carries a refusal to the one place that answers it
    """Statement `number` (from 1) of a request was refused."""

    def __init__(self, number: int, sql: str, refusal: Refusal) -> None:
        super().__init__(refusal.message)
        self.number = number
        self.sql = sql
        self.refusal = refusal


@frozen
class Limits:
    """Rows of a SELECT without LIMIT, and of any SELECT."""

    default: int
    most: int


@frozen
class Executor:
    """What running statements takes."""

    server: Server
    locks: PartitionLocks
    limits: Limits
    stale_counts: StaleCounts


def execute(executor: Executor, statements: Sequence[Parsed], caller: Caller) -> list[Result]:
    """The results of a request: queries and definitions in order, then writes, summed by kind.

    Raises:
        FailedStatement: one was refused; those before it stand, unless they were in its transaction.

    """
    results: list[Result] = []
    written: dict[WriteKind, int] = {}
    position = 0
    while position < len(statements):
        if isinstance(statements[position].statement, Begin):
            position = _explicit(executor, statements, position, caller, results, written)
        else:
            _alone(executor, statements, position, caller, results, written)
            position += 1
    as_user = statements[0].as_user if len(statements) == 1 and statements[0].as_user else caller.user
    return results + [
        message_result(f"{verb} {written[verb]} row(s)", written[verb], as_user)
        for verb in _VERBS.values()
        if verb in written
    ]


def acting(executor: Executor, caller: Caller, parsed: Parsed) -> Caller:
    """As whom a statement runs.

    Raises:
        Refusal: the caller may not act as this user.

    """
    if parsed.as_user is None:
        return caller
    user = executor.server.database.catalog.active_user(parsed.as_user)
    target = Caller(parsed.as_user, user.role if user else "user")
    may_act_as(caller, target)
    return target


def query_rows(
    executor: Executor, transaction: Transaction, caller: Caller, statement: Query, limit: int | None
) -> Rows:
    """The answer of a query in a transaction. `limit` None: all rows."""
    sources = {name: _source(executor, transaction, caller, statement, name) for name in statement.tables}
    if any(namespace == "information_schema" for namespace, _ in statement.tables):
        sources = _definitions_only(executor)
    return run_query(statement.sql, sources, limit)


def _alone(
    executor: Executor,
    statements: Sequence[Parsed],
    position: int,
    caller: Caller,
    results: list[Result],
    written: dict[WriteKind, int],
) -> None:
    parsed = statements[position]
    try:
        actor = acting(executor, caller, parsed)
        may_run(actor, parsed.statement)
        with executor.locks.holding(_written_by(executor, actor, parsed)):
            transaction = Transaction(executor.server.database)
            _run(executor, transaction, actor, parsed, results, written)
            transaction.commit()
    except Refusal as refusal:
        raise FailedStatement(position + 1, parsed.sql, refusal) from None


def _explicit(
    executor: Executor,
    statements: Sequence[Parsed],
    begin: int,
    caller: Caller,
    results: list[Result],
    written: dict[WriteKind, int],
) -> int:
    """Run BEGIN to COMMIT or ROLLBACK; the position after it.

    All that the transaction will touch is known from the request, so it is locked at once: no conflict can
    come up at COMMIT, and what it read cannot have changed by then.
    """
    name = uuid_v7()
    end = begin + 1
    while end < len(statements) and not isinstance(statements[end].statement, (Commit, Rollback)):
        end += 1
    position = begin
    try:
        inside = statements[begin + 1 : end]
        touched: set[Partition] = set()
        for position, parsed in enumerate(inside, begin + 1):  # noqa: B007  # read when it is refused
            touched |= _touched_by(executor, caller, parsed)
        if not any(isinstance(parsed.statement, WRITES) for parsed in inside):
            touched = set()
        with executor.locks.holding(touched):
            transaction = Transaction(executor.server.database)
            results.append(message_result(f"Transaction started ({name})", 0, caller.user))
            for position, parsed in enumerate(inside, begin + 1):  # noqa: B007
                if not isinstance(parsed.statement, (*WRITES, Query)):
                    raise Refusal("Invalid operation: only queries and writes may be in a transaction")
                actor = acting(executor, caller, parsed)
                may_run(actor, parsed.statement)
                _run(executor, transaction, actor, parsed, results, written)
            position = end
            if end == len(statements):
                raise Refusal(
                    "Request completed with an open explicit transaction; rolled back automatically",
                    numbered=False,
                )
            if isinstance(statements[end].statement, Rollback):
                results.append(message_result(f"Transaction rolled back ({name})", 0, caller.user))
            else:
                transaction.commit()
                results.append(message_result(f"Transaction committed ({name})", 0, caller.user))
    except Refusal as refusal:
        place = min(position, len(statements) - 1)
        raise FailedStatement(place + 1, statements[place].sql, refusal) from None
    return end + 1


def _run(
    executor: Executor,
    transaction: Transaction,
    actor: Caller,
    parsed: Parsed,
    results: list[Result],
    written: dict[WriteKind, int],
) -> None:
    statement = parsed.statement
    if isinstance(statement, Query):
        limits = executor.limits
        limit = limits.most if statement.limited else min(limits.default, limits.most)
        rows = query_rows(executor, transaction, actor, statement, limit)
        results.append(rows_result(rows, actor.user))
    elif isinstance(statement, (Insert, Update, Delete)):
        verb = _VERBS[type(statement)]
        count = _write(executor, transaction, actor, statement)
        written[verb] = written.get(verb, 0) + count
    elif isinstance(statement, (Begin, Commit, Rollback)):
        raise Refusal("Invalid operation: there is no open transaction")
    else:
        message = definitions.run(executor.server, actor, statement)
        results.append(message_result(message, 0, actor.user))


def _write(
    executor: Executor, transaction: Transaction, actor: Caller, statement: Insert | Update | Delete
) -> int:
    database = executor.server.database
    table = database.catalog.table(_user_table(statement.table))
    may_use(actor, statement, table)
    if isinstance(statement, Update):
        return writes.update(transaction, table, actor.user, statement)
    if isinstance(statement, Delete):
        return writes.delete(transaction, table, actor.user, statement)
    selected = None
    if statement.query is not None:
        selected = query_rows(executor, transaction, actor, statement.query, None)
    return writes.insert(database, transaction, table, actor.user, statement, selected)


def _user_table(name: TableName) -> TableName:
    if name[0] in {"system", "information_schema"}:
        raise Refusal(f"Invalid operation: system table '{name[0]}.{name[1]}' cannot be written")
    return name


def _touched_by(executor: Executor, caller: Caller, parsed: Parsed) -> set[Partition]:
    statement = parsed.statement
    if isinstance(statement, Query):
        names = statement.tables
    elif isinstance(statement, WRITES):
        names = (
            statement.table,
            *(statement.query.tables if isinstance(statement, Insert) and statement.query else ()),
        )
    else:
        return set()
    user = parsed.as_user or caller.user
    tables = executor.server.database.catalog.tables
    return {(table.id, table.owner_for(user)) for name in names if (table := tables.get(name))}


def _written_by(executor: Executor, actor: Caller, parsed: Parsed) -> set[Partition]:
    if not isinstance(parsed.statement, WRITES):
        return set()
    table = executor.server.database.catalog.tables.get(parsed.statement.table)
    return {(table.id, table.owner_for(actor.user))} if table else set()


def _source(
    executor: Executor, transaction: Transaction, caller: Caller, statement: Query, name: TableName
) -> Source:
    server = executor.server
    if name[0] == "system":
        source = system_source(server, name[1])
        if source is None:
            raise table_not_found(*name)
        return source
    if name[0] == "information_schema":
        return Source(pa.schema([]), [])
    table = server.database.catalog.table(name)
    may_use(caller, statement, table)
    owner = table.owner_for(caller.user)
    if statement.counts and (stale := executor.stale_counts.answer(table, owner)) is not None:
        return Source(table.schema, [_rows_without_content(table.schema, stale)])
    known, key = writes.key_in(table, statement.key_equals)
    if known:
        version = transaction.find(table, owner, key)
        return Source(table.schema, [batch_of(table, [version])] if version else [])
    return Source(table.schema, transaction.rows(table, owner))


def _definitions_only(executor: Executor) -> dict[TableName, Source]:
    """Every table without its rows: what `information_schema` tells of."""
    tables = executor.server.database.catalog.tables
    return {name: Source(table.schema, []) for name, table in tables.items()}


def _rows_without_content(schema: pa.Schema, count: int) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays([pa.nulls(count, field.type) for field in schema], schema=schema)
