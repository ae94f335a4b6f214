"""Atomic changes: partition locks, one snapshot, and one write batch at the end.

A statement outside BEGIN is a transaction of its own. All locks are taken first, in one order, and the
snapshot after them; so a transaction is alone on the partitions that it writes, nobody waits in a circle, and
readers and flushes never wait for it.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Literal, TypeAlias

import pyarrow as pa
from attrs import frozen

from kalam_props.reference.column_types import Stored
from kalam_props.reference.database import Database
from kalam_props.reference.hot import Partition, Version, new_batch
from kalam_props.reference.snapshots import batch_of, without_keys
from kalam_props.reference.tables import Table

ChangeKind: TypeAlias = Literal["insert", "update", "delete"]


@frozen
class Change:
    """What a statement did to one row, for notifications."""

    table: Table
    owner: str
    kind: ChangeKind
    new: Version
    old: Version | None


class PartitionLocks:
    """One lock for each partition, made when it is first asked for."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._locks: dict[Partition, threading.Lock] = {}

    @contextmanager
    def holding(self, partitions: Iterable[Partition]) -> Iterator[None]:
        with ExitStack() as stack:
            for partition in sorted(set(partitions)):
                with self._guard:
                    lock = self._locks.setdefault(partition, threading.Lock())
                stack.enter_context(lock)
            yield


class Transaction:
    """Reads see its snapshot and its own writes; nobody else sees them before `commit`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._snapshot = database.snapshot()
        self._pending: dict[Partition, dict[Stored, Version]] = {}
        self._changes: list[Change] = []

    def find(self, table: Table, owner: str, key: Stored) -> Version | None:
        """The live row with this key."""
        pending = self._pending.get((table.id, owner), {}).get(key)
        if pending is not None:
            return None if pending.deleted else pending
        return self._database.reader.find(self._snapshot, table, owner, key)

    def rows(self, table: Table, owner: str) -> list[pa.RecordBatch]:
        """Every live row."""
        batches = self._database.reader.rows(self._snapshot, table, owner)
        pending = self._pending.get((table.id, owner))
        if not pending:
            return batches
        live = [version for version in pending.values() if not version.deleted]
        kept = [without_keys(batch, table, list(pending)) for batch in batches]
        return [*kept, batch_of(table, live)] if live else kept

    def put(
        self,
        table: Table,
        owner: str,
        kind: ChangeKind,
        key: Stored,
        values: tuple[Stored, ...],
        old: Version | None,
    ) -> None:
        """A new version of a row; with kind `delete` a tombstone."""
        version = Version(key, self._database.hot.sequence.take(), kind == "delete", values)
        self._pending.setdefault((table.id, owner), {})[key] = version
        self._changes.append(Change(table, owner, kind, version, old))

    def commit(self) -> None:
        if not self._pending:
            return
        store = self._database.hot
        batch = new_batch()
        for partition, versions in self._pending.items():
            for version in versions.values():
                store.put(batch, partition, version)
        store.write(batch, [(partition, len(versions)) for partition, versions in self._pending.items()])
        self._database.committed(self._changes)
