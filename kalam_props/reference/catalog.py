"""Namespaces, tables and users: what there is, kept in memory and in the records of the hot store."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from typing import Any

from attrs import asdict, evolve, field, frozen

from kalam_props.reference.hot import HotStore, new_batch
from kalam_props.reference.refusals import Refusal, no_such_column, no_such_table, table_not_found
from kalam_props.reference.statements import (
    AddColumn,
    ColumnSpec,
    CreateTable,
    DropColumn,
    RenameColumn,
    TableName,
)
from kalam_props.reference.tables import Column, Kind, Table, table_from_json, table_to_json

ROLES = ("user", "service", "dba", "system")
RESERVED_NAMESPACES = frozenset({"system", "information_schema", "default"})
RESERVED_COLUMNS = frozenset({"_seq", "_deleted"})


@frozen
class User:
    """`deleted_at`: milliseconds since 1970, or None. A name is never given out again."""

    name: str
    role: str
    password_hash: str = field(repr=False)
    email: str | None
    created_at: int
    updated_at: int
    deleted_at: int | None = None


@frozen
class Namespace:
    name: str
    created_at: int


class Catalog:
    """Every definition. Reads take no lock: a change replaces a whole map."""

    def __init__(self, store: HotStore) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._namespaces: Mapping[str, Namespace] = {
            data["name"]: Namespace(**data) for data in store.records("namespace/")
        }
        self._tables: Mapping[TableName, Table] = {
            (table.namespace, table.name): table
            for table in (table_from_json(data) for data in store.records("table/"))
        }
        self._users: Mapping[str, User] = {data["name"]: User(**data) for data in store.records("user/")}
        numbers = [data["next"] for data in store.records("counter/table")]
        self._next_table = numbers[0] if numbers else 1
        self._kept_places: dict[TableName, int] = {}
        if "default" not in self._namespaces:
            self.create_namespace("default")

    # Namespaces

    @property
    def namespaces(self) -> Mapping[str, Namespace]:
        return self._namespaces

    def create_namespace(self, name: str) -> bool:
        """False when it exists already."""
        with self._lock:
            if name in self._namespaces or name in RESERVED_NAMESPACES - {"default"}:
                return False
            namespace = Namespace(name, _now_ms())
            self._save(f"namespace/{name}", asdict(namespace))
            self._namespaces = {**self._namespaces, name: namespace}
        return True

    def drop_namespace(self, name: str) -> list[Table] | None:
        """The tables that went with it, or None when there is no such namespace."""
        if name in RESERVED_NAMESPACES:
            raise Refusal(f"Invalid operation: Cannot drop reserved namespace '{name}'")
        with self._lock:
            if name not in self._namespaces:
                return None
            gone = [table for table in self._tables.values() if table.namespace == name]
            batch = new_batch()
            self._store.forget(batch, f"namespace/{name}")
            for table in gone:
                self._store.forget(batch, f"table/{table.id}")
            self._store.write(batch)
            self._namespaces = {key: value for key, value in self._namespaces.items() if key != name}
            self._tables = {key: value for key, value in self._tables.items() if key[0] != name}
        return gone

    # Tables

    @property
    def tables(self) -> Mapping[TableName, Table]:
        return self._tables

    def table(self, name: TableName) -> Table:
        """The table of this name.

        Raises:
            Refusal: there is none.

        """
        table = self._tables.get(name)
        if table is None:
            raise table_not_found(*name)
        return table

    def create_table(self, wanted: CreateTable, kind: Kind) -> bool:
        """False when it exists and the statement says IF NOT EXISTS."""
        namespace, name = wanted.table
        with self._lock:
            if namespace not in self._namespaces:
                raise Refusal(
                    f"Invalid operation: Namespace '{namespace}' does not exist. "
                    f"Create it first with CREATE NAMESPACE {namespace}"
                )
            if wanted.table in self._tables:
                if wanted.if_not_exists:
                    return False
                raise Refusal(f"Already exists: Table {namespace}.{name} already exists")
            for column in wanted.columns:
                _refuse_reserved(column.name)
            place = self._kept_places.pop(wanted.table, self._next_table)
            table = Table(
                place,
                namespace,
                name,
                kind,
                tuple(_column(place, spec) for place, spec in enumerate(wanted.columns)),
                wanted.flush_rows,
                wanted.flush_policy,
                wanted.options.get("ACCESS_LEVEL", "private").lower(),
                created_at=_now_ms(),
                options=wanted.options,
            )
            batch = new_batch()
            self._next_table = max(self._next_table, table.id + 1)
            self._store.record(batch, "counter/table", {"next": self._next_table})
            self._store.record(batch, f"table/{table.id}", table_to_json(table))
            self._store.write(batch)
            self._tables = {**self._tables, wanted.table: table}
        return True

    def drop_table(self, name: TableName) -> Table | None:
        with self._lock:
            table = self._tables.get(name)
            if table is not None:
                batch = new_batch()
                self._store.forget(batch, f"table/{table.id}")
                self._store.write(batch)
                self._tables = {key: value for key, value in self._tables.items() if key != name}
        return table

    def keep_place(self, table: Table) -> None:
        """Let the next table of this name be where the dropped one was (`dropped-rows-return`)."""
        with self._lock:
            self._kept_places[table.namespace, table.name] = table.id

    def alter_table(self, change: AddColumn | DropColumn | RenameColumn) -> Table:
        with self._lock:
            if change.table not in self._tables:
                raise no_such_table(*change.table)
            table = self.table(change.table)
            changed = _altered(table, change)
            self._save(f"table/{table.id}", table_to_json(changed))
            self._tables = {**self._tables, change.table: changed}
        return changed

    # Users

    @property
    def users(self) -> Mapping[str, User]:
        return self._users

    def active_user(self, name: str) -> User | None:
        user = self._users.get(name)
        return user if user is not None and user.deleted_at is None else None

    def create_user(self, name: str, role: str, password_hash: str, email: str | None) -> User:
        if not name.strip() or any(part in name for part in ("/", "\\", "..", "\0")) or len(name) > 128:
            raise Refusal(f"Invalid input: '{name}' cannot be the name of a user")
        if role not in ROLES:
            raise Refusal(
                f"Invalid role '{role}'. Hint: Valid roles: {', '.join(ROLES)}",
                code="INVALID_SQL",
                numbered=False,
            )
        with self._lock:
            if name in self._users:
                raise Refusal(f"Already exists: User '{name}' already exists")
            now = _now_ms()
            user = User(name, role, password_hash, email, now, now)
            self._keep_user(user)
        return user

    def set_password(self, name: str, password_hash: str) -> None:
        with self._lock:
            self._keep_user(evolve(self._users[name], password_hash=password_hash, updated_at=_now_ms()))

    def drop_user(self, name: str) -> bool:
        """False when there is no such user (any more)."""
        if name == "root":
            raise Refusal("Invalid operation: user 'root' cannot be dropped")
        with self._lock:
            if self.active_user(name) is None:
                return False
            now = _now_ms()
            self._keep_user(evolve(self._users[name], deleted_at=now, updated_at=now))
        return True

    def _keep_user(self, user: User) -> None:
        self._save(f"user/{user.name}", asdict(user))
        self._users = {**self._users, user.name: user}

    def _save(self, record: str, value: dict[str, Any]) -> None:
        batch = new_batch()
        self._store.record(batch, record, value)
        self._store.write(batch)


def _column(place: int, spec: ColumnSpec) -> Column:
    return Column(place, spec.name, spec.type, spec.nullable, spec.primary_key, spec.default)


def _altered(table: Table, change: AddColumn | DropColumn | RenameColumn) -> Table:
    if isinstance(change, AddColumn):
        _refuse_reserved(change.column.name)
        if table.column(change.column.name):
            raise Refusal(f"Invalid operation: Column '{change.column.name}' already exists")
        new = evolve(_column(len(table.columns), change.column), added=True)
        return table.with_columns((*table.columns, new))
    name = change.old if isinstance(change, RenameColumn) else change.column
    column = table.column(name)
    if column is None:
        raise no_such_column(name)
    if isinstance(change, RenameColumn):
        _refuse_reserved(change.new)
        if table.column(change.new):
            raise Refusal(f"Invalid operation: Column '{change.new}' already exists")
        replacement = evolve(column, name=change.new)
    elif column.primary_key:
        raise Refusal(f"Invalid operation: primary key column '{name}' cannot be dropped")
    else:
        replacement = evolve(column, dropped=True)
    return table.with_columns(tuple(replacement if c is column else c for c in table.columns))


def _refuse_reserved(column: str) -> None:
    if column in RESERVED_COLUMNS:
        raise Refusal(f"Invalid operation: column name '{column}' is reserved")


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
