"""Atomic changes: partition locks, one snapshot, and one write batch at the end.

A statement outside BEGIN is a transaction of its own. All locks are taken first, in one order, and the
snapshot after them; so a transaction is alone on the partitions that it writes, nobody waits in a circle, and
readers and flushes never wait for it.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
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

    def __init__(self, database: Database, arrived: float) -> None:
        """`arrived`: when the request came in, by `time.perf_counter`."""
        self._database = database
        self.arrived = arrived
        self._snapshot = database.snapshot()
        self.taken = time.perf_counter()
        self._pretended: dict[Partition, Mapping[Stored, Version | None]] = {}
        self._pending: dict[Partition, dict[Stored, Version]] = {}
        self._changes: list[Change] = []
        self._ties: set[tuple[Partition, Stored]] = set()
        self._displaced: tuple[Partition, Version] | None = None

    def find(self, table: Table, owner: str, key: Stored) -> Version | None:
        """The live row with this key."""
        pending = self._pending.get((table.id, owner), {}).get(key)
        if pending is not None:
            return None if pending.deleted else pending
        pretended = self._pretended.get((table.id, owner), {})
        if key in pretended:
            return pretended[key]
        return self._database.reader.find(self._snapshot, table, owner, key)

    def rows(self, table: Table, owner: str) -> list[pa.RecordBatch]:
        """Every live row."""
        batches = self._database.reader.rows(self._snapshot, table, owner)
        partition = (table.id, owner)
        changed = {**self._pretended.get(partition, {}), **self._pending.get(partition, {})}
        if not changed:
            return batches
        live = [version for version in changed.values() if version is not None and not version.deleted]
        kept = [without_keys(batch, table, list(changed)) for batch in batches]
        return [*kept, batch_of(table, live)] if live else kept

    def pretend(self, table: Table, owner: str, rows: Mapping[Stored, Version | None]) -> None:
        """Read these rows as if they were so; None is no row. For faults that do not see recent commits."""
        self._pretended[table.id, owner] = rows

    def lose_ties(self, table: Table, owner: str, keys: Iterable[Stored]) -> None:
        """Give the next versions of these rows numbers that lose against the ones that are there."""
        self._ties = {((table.id, owner), key) for key in keys}

    def displace(self, table: Table, owner: str, version: Version) -> None:
        """Remove a hot version with the commit."""
        self._displaced = ((table.id, owner), version)

    def hot_rows(self, table: Table, owner: str) -> int:
        """How many live rows are hot."""
        versions = self._snapshot.hot.newest_of_each((table.id, owner))
        return sum(not version.deleted for version in versions)

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
        partition = (table.id, owner)
        seq = self._database.hot.sequence.take()
        if kind == "update" and old is not None and (partition, key) in self._ties:
            seq = old.seq - 1
        version = Version(key, seq, kind == "delete", values)
        self._pending.setdefault(partition, {})[key] = version
        self._changes.append(Change(table, owner, kind, version, old))

    def commit(self) -> None:
        written = [
            (partition, version)
            for partition, versions in self._pending.items()
            for version in versions.values()
        ]
        if not written:
            return
        if self._database.faults.on("torn-batch") and len(written) > 1:
            half = len(written) // 2
            self._write(written[:half])
            self._database.faults.hold_open("torn-batch")
            written = written[half:]
        self._write(written)
        self._database.committed(self._changes)

    def _write(self, written: Sequence[tuple[Partition, Version]]) -> None:
        store = self._database.hot
        batch = new_batch()
        for partition, version in written:
            store.put(batch, partition, version)
        added = Counter(partition for partition, _ in written)
        if self._displaced is not None:
            partition, version = self._displaced
            if self._snapshot.hot.newest(partition, version.key) == version:
                store.remove(batch, partition, version)
                added[partition] -= 1
        if self._database.faults.chance("not-durable"):
            store.write_without_log(batch, added.items())
        else:
            store.write(batch, added.items())
