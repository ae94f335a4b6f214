"""Hot rows: versions in RocksDB, and the snapshots that read them.

Key of a version: table, owner, primary key, then the sequence number inverted, so that the newest version of
a row comes first. Every commit is one write batch that also stores the last sequence number of each partition
that it touched, so numbers go on rising after a restart whatever the clock says.
"""

from __future__ import annotations

import struct
import threading
import time
from collections.abc import Iterable, Iterator
from typing import Any, TypeAlias

import orjson
from attrs import frozen
from rocksdict import Options, Rdict, RdictIter, WriteBatch, WriteOptions

from kalam_props.reference.column_types import Stored

Partition: TypeAlias = tuple[int, str]
"""Table id and owner: what is locked, flushed and queried as one."""

Batch: TypeAlias = WriteBatch

_ROW, _LAST_SEQ, _RECORD = b"h", b"s", b"c"
_MAX_U64 = (1 << 64) - 1


@frozen
class Version:
    """One version of a row. `values` are stored values by column place; a tombstone keeps the last ones."""

    key: Stored
    seq: int
    deleted: bool
    values: tuple[Stored, ...]


def new_batch() -> Batch:
    return WriteBatch(raw_mode=True)


class Sequence:
    """Numbers like snowflakes: milliseconds and a counter, strictly increasing in this process and after."""

    def __init__(self, last: int) -> None:
        self._last = last
        self._lock = threading.Lock()

    def take(self) -> int:
        now = (int(time.time() * 1000) - 1_700_000_000_000) << 22
        with self._lock:
            self._last = max(self._last + 1, now)
            return self._last


class HotStore:
    """The RocksDB of a data directory: hot versions, and the records of catalog and jobs."""

    def __init__(self, path: str) -> None:
        options = Options(raw_mode=True)
        options.create_if_missing(True)
        options.set_keep_log_file_num(2)
        self._db = Rdict(path, options)
        self._counts: dict[int, dict[str, int]] = {}
        self._totals: dict[int, int] = {}
        self._counts_lock = threading.Lock()
        for partition in self._scan_partitions():
            self._count(partition, 1)
        self.sequence = Sequence(self._last_seq())

    def close(self) -> None:
        self._db.close()

    # Versions

    def snapshot(self) -> HotSnapshot:
        return HotSnapshot(self._db.iter())

    def put(self, batch: Batch, partition: Partition, version: Version) -> None:
        value = orjson.dumps([version.seq, version.deleted, version.key, *version.values])
        batch.put(_row_key(partition, version.key, version.seq), value)
        batch.put(_last_seq_key(partition), version.seq.to_bytes(8))

    def remove(self, batch: Batch, partition: Partition, version: Version) -> None:
        batch.delete(_row_key(partition, version.key, version.seq))

    def write(self, batch: Batch, added: Iterable[tuple[Partition, int]] = ()) -> None:
        """Commit `batch` at once; it is on the operating system's side of a crash when this returns.

        `added`: by how many versions each partition grows (or shrinks).
        """
        self._db.write(batch)
        self._add(added)

    def write_without_log(self, batch: Batch, added: Iterable[tuple[Partition, int]]) -> None:
        """As `write`, but in memory only (`not-durable`)."""
        options = WriteOptions()
        options.disable_wal = True  # type: ignore[method-assign, assignment]  # its stub calls it a method
        self._db.write(batch, options)
        self._add(added)

    def drop_table(self, table_id: int) -> None:
        for first in (_ROW, _LAST_SEQ):
            begin = first + struct.pack(">I", table_id)
            self._db.delete_range(begin, _after(begin))
        with self._counts_lock:
            self._counts.pop(table_id, None)
            self._totals.pop(table_id, None)

    def partitions(self, table_id: int) -> list[Partition]:
        """Partitions of a table with hot versions, by owner."""
        with self._counts_lock:
            return sorted((table_id, owner) for owner in self._counts.get(table_id, ()))

    def table_ids(self) -> set[int]:
        with self._counts_lock:
            return set(self._counts)

    def hot_versions(self, table_id: int) -> int:
        """How many versions of a table are hot, all owners together: what `rows:n` counts."""
        with self._counts_lock:
            return self._totals.get(table_id, 0)

    def partition_versions(self, partition: Partition) -> int:
        with self._counts_lock:
            return self._counts.get(partition[0], {}).get(partition[1], 0)

    def _add(self, added: Iterable[tuple[Partition, int]]) -> None:
        with self._counts_lock:
            for partition, count in added:
                self._count(partition, count)

    def _count(self, partition: Partition, added: int) -> None:
        table_id, owner = partition
        self._totals[table_id] = self._totals.get(table_id, 0) + added
        owners = self._counts.setdefault(table_id, {})
        # May be below 0 for a moment: a flush can be faster here than the insert that it flushed.
        owners[owner] = owners.get(owner, 0) + added
        if not owners[owner]:
            del owners[owner]

    # Records of the catalog

    def record(self, batch: Batch, name: str, value: Any) -> None:
        batch.put(_RECORD + name.encode(), orjson.dumps(value))

    def forget(self, batch: Batch, name: str) -> None:
        batch.delete(_RECORD + name.encode())

    def records(self, prefix: str) -> Iterator[Any]:
        begin = _RECORD + prefix.encode()
        for _, value in _range(self._db, begin):
            yield orjson.loads(value)

    def _scan_partitions(self) -> Iterator[Partition]:
        for key, _ in _range(self._db, _ROW):
            table_id, length = struct.unpack_from(">IH", key, 1)
            yield table_id, key[7 : 7 + length].decode()

    def _last_seq(self) -> int:
        found = (int.from_bytes(value) for _, value in _range(self._db, _LAST_SEQ))
        return max(found, default=0)


class HotSnapshot:
    """What was in the store at one instant, for one thread.

    Held by an open iterator: RocksDB promises that one sees the state of its creation. The snapshots of
    rocksdict (0.3.29) cannot be used, for iterators made from them see the present.
    """

    def __init__(self, iterator: RdictIter) -> None:
        self._iterator = iterator

    def newest(self, partition: Partition, key: Stored) -> Version | None:
        """The newest hot version of one row, a tombstone included."""
        for _, value in self._scan(_key_prefix(partition, key)):
            return _version(orjson.loads(value))
        return None

    def newest_of_each(self, partition: Partition) -> list[Version]:
        """The newest hot version of every row of a partition, tombstones included."""
        values = []
        last = b""
        for key, value in self._scan(_partition_prefix(partition)):
            if key[:-8] != last:
                last = key[:-8]
                values.append(value)
        return _versions(values)

    def all_versions(self, partition: Partition) -> list[Version]:
        """Every hot version of a partition, newest first for each row."""
        return _versions([value for _, value in self._scan(_partition_prefix(partition))])

    def _scan(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        iterator = self._iterator
        iterator.seek(prefix)
        while iterator.valid():
            key = iterator.key()
            if not key.startswith(prefix):
                return
            yield key, iterator.value()
            iterator.next()
        iterator.status()  # raises if it ended for another reason than the end


def _versions(values: list[bytes]) -> list[Version]:
    # One call of the decoder for all of them costs a tenth of one call each.
    return [_version(data) for data in orjson.loads(b"[" + b",".join(values) + b"]")]


def _version(data: list[Any]) -> Version:
    return Version(data[2], data[0], data[1], tuple(data[3:]))


def _range(source: Any, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
    # Not with an upper bound in ReadOptions: the iterator was seen to read it after it had been freed.
    for key, value in source.items(from_key=prefix):
        if not key.startswith(prefix):
            return
        yield key, value


def _partition_prefix(partition: Partition) -> bytes:
    table_id, owner = partition
    name = owner.encode()
    return _ROW + struct.pack(">IH", table_id, len(name)) + name


def _key_prefix(partition: Partition, key: Stored) -> bytes:
    text = orjson.dumps(key)
    return _partition_prefix(partition) + struct.pack(">I", len(text)) + text


def _row_key(partition: Partition, key: Stored, seq: int) -> bytes:
    return _key_prefix(partition, key) + (_MAX_U64 - seq).to_bytes(8)


def _last_seq_key(partition: Partition) -> bytes:
    return _LAST_SEQ + _partition_prefix(partition)[1:]


def _after(prefix: bytes) -> bytes:
    """The first key after all that begin with `prefix` (whose last byte is never 255 here, or carries)."""
    stripped = prefix.rstrip(b"\xff")
    return stripped[:-1] + bytes([stripped[-1] + 1])
