"""Live subscriptions: what one asks for, and which changes of which rows it is told of, in which words."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from attrs import define, field, frozen
from sqlglot import exp

from kalam_props.reference.answers import json_values, rows_result
from kalam_props.reference.column_types import Stored, to_arrow
from kalam_props.reference.execution import Executor
from kalam_props.reference.hot import Version
from kalam_props.reference.parsing import parse_request, parse_tree
from kalam_props.reference.queries import Source, run_query
from kalam_props.reference.refusals import Refusal
from kalam_props.reference.roles import Caller, may_run, may_use
from kalam_props.reference.snapshots import batch_of
from kalam_props.reference.statements import Query, TableName
from kalam_props.reference.tables import DELETED, SEQ, Column, Table
from kalam_props.reference.transactions import Change, Transaction

Message: TypeAlias = dict[str, Any]
DEFAULT_BATCH = 1000


@frozen
class Wanted:
    """A SELECT that can be subscribed to: one table, the columns (None: all), the condition."""

    table: TableName
    columns: tuple[str, ...] | None
    where: str | None


@define(eq=False)
class Subscription:
    """One subscription of one connection.

    Attributes:
        waiting: initial rows that were not asked for yet.
        holding: a notification is being held back (`notification-overtaken`).

    """

    id: str
    table: Table
    owner: str
    wanted: Wanted
    send: Callable[[Message], None]
    waiting: deque[Message] = field(factory=deque)
    batch_size: int = DEFAULT_BATCH
    batches: int = 0
    holding: bool = False


def parse_subscription(sql: str) -> Wanted:
    """What a subscription asks for.

    Raises:
        Refusal: INVALID_SQL, it is not a plain SELECT from one table.

    """

    def bad(message: str) -> Refusal:
        return Refusal(f"Invalid SQL: {message}", code="INVALID_SQL")

    parsed = parse_request(sql)
    statement = parsed[0].statement
    if len(parsed) > 1 or parsed[0].as_user or not isinstance(statement, Query) or len(statement.tables) != 1:
        raise bad("a subscription is one SELECT from one table")
    tree = parse_tree(statement.sql)
    if not isinstance(tree, exp.Select) or any(tree.args.get(name) for name in ("order", "limit", "group")):
        raise bad("a subscription has no ORDER BY, LIMIT or GROUP BY")
    names = [item.name.lower() for item in tree.expressions if isinstance(item, exp.Column)]
    everything = len(names) != len(tree.expressions)
    where = tree.args.get("where")
    return Wanted(
        statement.tables[0],
        None if everything else tuple(names),
        where.this.sql(dialect="postgres") if where else None,
    )


class Subscriptions:
    """All subscriptions of a server, told of every commit in its order."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self._lock = threading.Lock()
        self._open: dict[int, list[Subscription]] = {}
        executor.server.database.on_commit(self._committed)

    def open(
        self,
        caller: Caller,
        name: str,
        sql: str,
        options: dict[str, Any] | None,
        send: Callable[[Message], None],
    ) -> Subscription:
        """Register a subscription and send its acknowledgement and first rows.

        The partition is locked meanwhile: what is committed before is in the initial rows, what is committed
        after is a change, nothing is both or neither.

        Raises:
            Refusal: its code is the `code` of the error message.

        """
        executor = self._executor
        wanted = parse_subscription(sql)
        table = self._allowed(caller, wanted)
        subscription = Subscription(name, table, table.owner_for(caller.user), wanted, send)
        with executor.locks.holding([(table.id, subscription.owner)]):
            rows, schema = self._initial_rows(subscription)
            if options is not None:
                _choose(subscription, rows, options)
            control = _control(subscription, loading=options is not None)
            send(
                {
                    "type": "subscription_ack",
                    "subscription_id": name,
                    "total_rows": 0,
                    "batch_control": control,
                    "schema": schema,
                }
            )
            if options is not None:
                self.next_batch(subscription)
            with self._lock:
                self._open.setdefault(table.id, []).append(subscription)
        return subscription

    def next_batch(self, subscription: Subscription, after: int | None = None) -> None:
        """Send the next initial rows. `after`: none up to this sequence number."""
        while after is not None and subscription.waiting and int(subscription.waiting[0][SEQ]) <= after:
            subscription.waiting.popleft()
        size = min(subscription.batch_size, len(subscription.waiting))
        rows = [subscription.waiting.popleft() for _ in range(size)]
        control = _control(subscription, loading=bool(subscription.waiting))
        control["last_seq_id"] = max((int(row[SEQ]) for row in rows), default=control["last_seq_id"])
        subscription.batches += 1
        subscription.send(
            {
                "type": "initial_data_batch",
                "subscription_id": subscription.id,
                "rows": [_projected(row, subscription) for row in rows],
                "batch_control": control,
            }
        )

    def close(self, subscription: Subscription) -> None:
        with self._lock:
            known = self._open.get(subscription.table.id, [])
            if subscription in known:
                known.remove(subscription)
            if not known:
                self._open.pop(subscription.table.id, None)

    def _allowed(self, caller: Caller, wanted: Wanted) -> Table:
        namespace, name = wanted.table
        if namespace in {"system", "information_schema"}:
            code = "UNSUPPORTED" if caller.administrator else "UNAUTHORIZED"
            raise Refusal(f"{namespace}.{name} cannot be subscribed to", code=code)
        table = self._executor.server.database.catalog.tables.get(wanted.table)
        if table is None:
            raise Refusal(f"Not found: Table not found: {namespace}:{name}", code="NOT_FOUND")
        query = Query("", (wanted.table,), limited=False)
        try:
            may_run(caller, query)
            may_use(caller, query, table)
        except Refusal as refusal:
            raise Refusal(refusal.message, code="UNAUTHORIZED") from None
        return table

    def _initial_rows(self, subscription: Subscription) -> tuple[list[Message], list[Message]]:
        """The rows that are there, oldest version first, and the schema of what was asked for."""
        table, wanted = subscription.table, subscription.wanted
        transaction = Transaction(self._executor.server.database, time.perf_counter())
        source = Source(table.schema, transaction.rows(table, subscription.owner))
        where = f" WHERE {wanted.where}" if wanted.where else ""
        rows = run_query(
            f"SELECT * FROM {table.full_name}{where} ORDER BY {SEQ}", {wanted.table: source}, None
        )
        result = rows_result(rows, subscription.owner)
        names = [entry["name"] for entry in result["schema"]]
        found = [dict(zip(names, row, strict=True)) for row in result["rows"]]
        columns = wanted.columns
        schema = [entry for entry in result["schema"] if columns is None or entry["name"] in columns]
        return found, [{**entry, "index": place} for place, entry in enumerate(schema)]

    def _committed(self, changes: Sequence[Change]) -> None:
        if not self._open:
            return
        faults = self._executor.server.database.faults
        for change in changes:
            with self._lock:
                interested = [
                    subscription
                    for subscription in self._open.get(change.table.id, ())
                    if subscription.owner == change.owner or faults.chance("foreign-notification")
                ]
            for subscription in interested:
                if _matches(subscription, change):
                    self._deliver(subscription, change_message(subscription, change))

    def _deliver(self, subscription: Subscription, message: Message) -> None:
        faults = self._executor.server.database.faults
        if faults.chance("missed-notification"):
            return
        if faults.on("notification-overtaken") and not subscription.holding:
            self._hold_back(subscription, message)
            return
        subscription.send(message)
        if faults.chance("notification-twice"):
            subscription.send(message)

    def _hold_back(self, subscription: Subscription, message: Message) -> None:
        """Send a message after a window, in which the next ones go out (`notification-overtaken`)."""
        faults = self._executor.server.database.faults
        began = time.perf_counter()
        subscription.holding = True

        def send() -> None:
            subscription.send(message)
            subscription.holding = False
            faults.struck("notification-overtaken", time.perf_counter() - began)

        threading.Timer(faults.seconds("notification-overtaken"), send).start()


def change_message(subscription: Subscription, change: Change) -> Message:
    """How a subscriber is told of a change."""
    message: Message = {
        "type": "change",
        "subscription_id": subscription.id,
        "change_type": change.kind,
    }
    new = _row_json(change.table, change.new)
    if change.kind == "delete":
        return message | {"old_values": [_projected(new, subscription)]}
    if change.kind == "insert" or change.old is None:
        return message | {"rows": [_projected(new, subscription)]}
    old = _row_json(change.table, change.old)
    key = change.table.key.name
    shown = {name: value for name, value in new.items() if value is not None and name != DELETED}
    before = {name: value for name, value in old.items() if name in {key, SEQ} or value != new[name]}
    return message | {
        "rows": [_projected(shown, subscription)],
        "old_values": [_projected(before, subscription)],
    }


def _choose(subscription: Subscription, rows: list[Message], options: dict[str, Any]) -> None:
    """Which of the rows that are there come first, and in batches of how many."""
    subscription.batch_size = int(options.get("batch_size") or DEFAULT_BATCH)
    last = options.get("last_rows")
    if last is not None:
        if last > subscription.batch_size:
            raise Refusal("last_rows may not be greater than batch_size", code="UNSUPPORTED")
        rows = rows[::-1][:last]
    since = options.get("from_seq_id")
    if since is not None:
        rows = [row for row in rows if int(row[SEQ]) > int(since)]
    subscription.waiting.extend(rows)


def _control(subscription: Subscription, *, loading: bool) -> Message:
    rows = subscription.waiting
    return {
        "batch_num": subscription.batches,
        "has_more": loading,
        "status": ("loading" if not subscription.batches else "loading_batch") if loading else "ready",
        "last_seq_id": max((int(row[SEQ]) for row in rows), default=None),
    }


def _matches(subscription: Subscription, change: Change) -> bool:
    """Whether the row is one that was asked for: a deleted one as it was, any other as it is now."""
    if subscription.wanted.where is None:
        return True
    table = change.table
    source = Source(table.schema, [batch_of(table, [change.new])])
    sql = f"SELECT 1 FROM {table.full_name} WHERE {subscription.wanted.where}"
    try:
        return run_query(sql, {subscription.wanted.table: source}, None).count > 0
    except Refusal:  # a condition on a column that is not there (any more) selects nothing
        return False


def _row_json(table: Table, version: Version) -> Message:
    row = {column.name: _cell_json(column, version.values) for column in table.visible}
    return {**row, SEQ: str(version.seq), DELETED: version.deleted}


def _cell_json(column: Column, values: tuple[Stored, ...]) -> Any:
    value = values[column.place] if column.place < len(values) else None
    return json_values(to_arrow([value], column.type))[0]


def _projected(row: Message, subscription: Subscription) -> Message:
    columns = subscription.wanted.columns
    if columns is None:
        return row
    kept = {*columns, SEQ, subscription.table.key.name}
    return {name: value for name, value in row.items() if name in kept}
