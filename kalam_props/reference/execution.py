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
from kalam_props.reference.read_faults import hot_only_count, read_stale_index, read_stale_rows
from kalam_props.reference.refusals import Refusal, commit_failed, duplicate_key, table_not_found
from kalam_props.reference.request_faults import RequestFaults
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
    uses_rows,
)
from kalam_props.reference.system_tables import Server, system_source
from kalam_props.reference.transactions import PartitionLocks, Transaction
from kalam_props.reference.write_faults import spoil_write

WriteKind: TypeAlias = Literal["Inserted", "Updated", "Deleted"]
_VERBS: dict[type, WriteKind] = {Insert: "Inserted", Update: "Updated", Delete: "Deleted"}


class NeverAnswered(Exception):  # noqa: N818  # not an error: what `hang-at-flush` does to a request
    """The request gets no answer as long as its client waits."""


class FailedStatement(Exception):  # noqa: N818  # carries a refusal to the one place that answers it
    """Statement `number` (from 1) of a request was refused."""

    def __init__(self, number: int, sql: str | None, refusal: Refusal) -> None:
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
    request_faults: RequestFaults


def execute(executor: Executor, statements: Sequence[Parsed], caller: Caller, arrived: float) -> list[Result]:
    """The results of a request: queries and definitions in order, then writes, summed by kind.

    `arrived`: when it came in, by `time.perf_counter`.

    Raises:
        FailedStatement: one was refused; those before it stand, unless they were in its transaction.

    """
    results: list[Result] = []
    written: dict[WriteKind, int] = {}
    position = 0
    while position < len(statements):
        if isinstance(statements[position].statement, Begin):
            position = _explicit(executor, statements, position, caller, arrived, results, written)
        else:
            _alone(executor, statements, position, caller, arrived, results, written)
            position += 1
    alone = len(statements) == 1
    as_user = statements[0].as_user if alone and statements[0].as_user else caller.user
    return results + [
        message_result(f"{verb} {written[verb]} row(s)", written[verb], as_user)
        for verb in _VERBS.values()
        if written.get(verb, 0) > 0 or (alone and verb in written)
    ]


def acting(executor: Executor, caller: Caller, parsed: Parsed) -> Caller:
    """As whom a statement runs.

    Raises:
        Refusal: the caller may not act as this user.

    """
    actor = caller
    if parsed.as_user is not None:
        user = executor.server.database.catalog.active_user(parsed.as_user)
        actor = Caller(parsed.as_user, user.role if user else "user")
        may_act_as(caller, actor)
    return executor.request_faults.identity(actor) if uses_rows(parsed.statement) else actor


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
    arrived: float,
    results: list[Result],
    written: dict[WriteKind, int],
) -> None:
    parsed = statements[position]
    faults = executor.server.database.faults
    try:
        actor = acting(executor, caller, parsed)
        may_run(actor, parsed.statement)
        if isinstance(parsed.statement, Query) and not parsed.statement.counts:
            faults.hold_open("split-scan")
        with executor.locks.holding(_written_by(executor, actor, parsed)):
            transaction = Transaction(executor.server.database, arrived)
            _run(executor, transaction, actor, parsed, results, written)
            transaction.commit()
        if isinstance(parsed.statement, Insert) and faults.chance("applied-but-refused"):
            raise _refusal_of(executor, parsed.statement)
    except Refusal as refusal:
        text = parsed.sql if refusal.numbered else None
        raise FailedStatement(position + 1, text, refusal) from None


def _explicit(
    executor: Executor,
    statements: Sequence[Parsed],
    begin: int,
    caller: Caller,
    arrived: float,
    results: list[Result],
    written: dict[WriteKind, int],
) -> int:
    """Run BEGIN to COMMIT or ROLLBACK; the position after it.

    All that the transaction will touch is known from the request, so it is locked at once: no conflict can
    come up at COMMIT, and what it read cannot have changed by then.
    """
    name = uuid_v7()
    taken: Refusal | None = None
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
            transaction = Transaction(executor.server.database, arrived)
            results.append(message_result(f"Transaction started ({name})", 0, caller.user))
            for position, parsed in enumerate(inside, begin + 1):  # noqa: B007
                if isinstance(parsed.statement, Begin):
                    owner = f"request owner 'sql-req-{uuid_v7()}'"
                    raise Refusal(f"Conflict: {owner} already has an active transaction '{name}'")
                if not isinstance(parsed.statement, (*WRITES, Query)):
                    raise Refusal(
                        f"Invalid operation: DDL is not allowed inside explicit transaction '{name}'"
                    )
                actor = acting(executor, caller, parsed)
                may_run(actor, parsed.statement)
                try:
                    _run(executor, transaction, actor, parsed, results, written)
                except Refusal as refusal:
                    if "Primary key violation" not in refusal.message or end == len(statements):
                        raise
                    taken = taken or refusal
            position = end
            if end == len(statements):
                raise Refusal(
                    "Request completed with an open explicit transaction; rolled back automatically",
                    numbered=False,
                )
            if taken is not None and isinstance(statements[end].statement, Commit):
                raise commit_failed(name, taken)
            if isinstance(statements[end].statement, Rollback):
                results.append(message_result(f"Transaction rolled back ({name})", 0, caller.user))
            else:
                transaction.commit()
                results.append(message_result(f"Transaction committed ({name})", 0, caller.user))
    except Refusal as refusal:
        place = min(position, len(statements) - 1)
        text = statements[place].sql if refusal.numbered else None
        raise FailedStatement(place + 1, text, refusal) from None
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
        count = _write(executor, transaction, actor, statement, parsed.as_user)
        written[verb] = written.get(verb, 0) + count
    elif isinstance(statement, (Begin, Commit, Rollback)):
        raise Refusal(
            f"Invalid operation: {parsed.sql.split()[0].upper()} requires an active explicit SQL transaction"
        )
    else:
        message = definitions.run(executor.server, actor, statement)
        results.append(message_result(message, 0, actor.user))


def _write(
    executor: Executor,
    transaction: Transaction,
    actor: Caller,
    statement: Insert | Update | Delete,
    as_user: str | None,
) -> int:
    database = executor.server.database
    table = database.catalog.table(_user_table(statement.table))
    if as_user and table.kind == "shared":
        raise Refusal(
            f"EXECUTE AS USER is not allowed on SHARED tables (table '{table.namespace}:{table.name}'). "
            "AS USER impersonation is only supported for USER and STREAM tables.",
            numbered=False,
        )
    may_use(actor, statement, table)
    if isinstance(statement, Insert) and statement.unsupported is not None:
        clause = {"conflict": "on"}.get(statement.unsupported, statement.unsupported)
        raise Refusal(f"Execution error: Error during planning: Insert-{clause} clause not supported")
    if isinstance(statement, (Update, Delete)) and not statement.where:
        kind = type(statement).__name__.upper()
        raise Refusal(
            f"Execution error: {kind} operation on table '{table.full_name}'\ncaused by\n"
            f"Error during planning: {kind} requires a WHERE clause"
        )
    if database.faults.inside("hang-at-flush", table.id):
        raise NeverAnswered
    spoil_write(database, transaction, table, table.owner_for(actor.user), statement)
    if isinstance(statement, Update):
        return writes.update(transaction, table, actor.user, statement)
    if isinstance(statement, Delete):
        return writes.delete(transaction, table, actor.user, statement)
    selected = None
    if statement.query is not None:
        selected = query_rows(executor, transaction, actor, statement.query, None)
    return writes.insert(database, transaction, table, actor.user, statement, selected)


def _refusal_of(executor: Executor, statement: Insert) -> Refusal:
    """The refusal of an INSERT whose first key is taken (`applied-but-refused`)."""
    name = executor.server.database.catalog.table(statement.table).key.name
    given = bool(statement.rows) and name in statement.columns
    return duplicate_key(statement.rows[0][statement.columns.index(name)] if given else 0, name)


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
    if statement.counts:
        stale = executor.stale_counts.answer(table, owner)
        if stale is None:
            stale = hot_only_count(server.database, transaction, table, owner)
        if stale is not None:
            return Source(table.schema, [_rows_without_content(table.schema, stale)])
    known, key = writes.key_in(table, statement.key_equals)
    if known:
        read_stale_index(server.database, transaction, table, owner)
        version = transaction.find(table, owner, key)
        return Source(table.schema, [batch_of(table, [version])] if version else [])
    read_stale_rows(server.database, transaction, table, owner)
    return Source(table.schema, transaction.rows(table, owner))


def _definitions_only(executor: Executor) -> dict[TableName, Source]:
    """Every table without its rows: what `information_schema` tells of."""
    tables = executor.server.database.catalog.tables
    return {name: Source(table.schema, []) for name, table in tables.items()}


def _rows_without_content(schema: pa.Schema, count: int) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays([pa.nulls(count, field.type) for field in schema], schema=schema)
