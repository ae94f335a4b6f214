"""Cold rows: Parquet files, one manifest for each partition, and how both change without a reader noticing.

A manifest is a value. Publishing renames a file over the old one and then replaces the map of all manifests
in one assignment, so a reader that holds a map holds one state of everything cold. Files that no manifest
names any more are removed when the last reader that could need them is gone.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import shutil
import threading
import time
import urllib.parse
import weakref
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
from attrs import frozen

from kalam_props.reference.column_types import to_arrow
from kalam_props.reference.fault_points import FaultPoints
from kalam_props.reference.hot import Partition, Version
from kalam_props.reference.tables import DELETED, SEQ, Table

KEPT_ROWS = 2_000_000
"""Rows of decoded files that are kept in memory, the least recently read given up first."""


@frozen(eq=False)
class Segment:
    """One immutable Parquet file with the newest version of each row that a flush found."""

    path: Path
    rows: int
    live_rows: int
    min_seq: int
    max_seq: int
    created_at: int

    @property
    def size(self) -> int:
        return self.path.stat().st_size


@frozen(eq=False)
class Manifest:
    """The cold files of one partition, oldest first."""

    partition: Partition
    version: int
    segments: tuple[Segment, ...]
    created_at: int
    updated_at: int

    @property
    def max_seq(self) -> int:
        return max((segment.max_seq for segment in self.segments), default=0)


class ColdStore:
    """The cold files below one folder, and the map of what is published."""

    def __init__(self, root: Path, faults: FaultPoints) -> None:
        self._root = root
        self._faults = faults
        self._replaced: dict[Partition, tuple[float, Manifest | None]] = {}
        self._lock = threading.Lock()
        self._published: Mapping[Partition, Manifest] = {}
        self._decoded: OrderedDict[Path, pa.Table] = OrderedDict()
        self._decoded_rows = 0
        self._numbers = itertools.count()
        root.mkdir(parents=True, exist_ok=True)

    @property
    def published(self) -> Mapping[Partition, Manifest]:
        """Every manifest; the mapping never changes, a later publication makes a new one."""
        return self._published

    def recover(self, table_ids: set[int]) -> None:
        """Read the manifests of these tables; remove other tables and half-published files."""
        found: dict[Partition, Manifest] = {}
        for table_dir in self._root.iterdir():
            if not table_dir.name.isdigit() or int(table_dir.name) not in table_ids:
                shutil.rmtree(table_dir, ignore_errors=True)
                continue
            for owner_dir in table_dir.iterdir():
                manifest = _read_manifest(owner_dir)
                if manifest is not None:
                    found[manifest.partition] = manifest
                kept = {"manifest.json"} | {
                    segment.path.name for segment in (manifest.segments if manifest else ())
                }
                for path in owner_dir.iterdir():
                    if path.name not in kept:
                        path.unlink()
        used = [int(segment.path.stem.split("-")[1]) for one in found.values() for segment in one.segments]
        self._numbers = itertools.count(max(used, default=-1) + 1)
        self._published = found

    def write_segment(self, table: Table, owner: str, versions: Sequence[Version]) -> Segment:
        """A new file with these versions, complete but not published yet. At least one version."""
        folder = self._folder(table.id, owner)
        folder.mkdir(parents=True, exist_ok=True)
        columns = [
            [
                version.values[column.place] if column.place < len(version.values) else None
                for version in versions
            ]
            for column in table.columns
        ]
        seqs = [version.seq for version in versions]
        data = pa.table(
            [
                *(
                    to_arrow(values, column.type)
                    for values, column in zip(columns, table.columns, strict=True)
                ),
                pa.array(seqs, pa.int64()),
                pa.array([version.deleted for version in versions], pa.bool_()),
            ],
            names=[*(column.stored_name for column in table.columns), SEQ, DELETED],
        )
        # Numbers are never used twice: what is known of a file by its path stays true.
        path = folder / f"batch-{next(self._numbers)}.parquet"
        unfinished = path.with_suffix(".tmp")
        pq.write_table(data, unfinished, use_dictionary=False)
        unfinished.rename(path)
        live = sum(not version.deleted for version in versions)
        return Segment(path, len(seqs), live, min(seqs), max(seqs), _now_us())

    def publish(self, added: Mapping[Partition, Segment]) -> None:
        """Make new files part of what readers see, all of them in one instant."""
        with self._lock:
            changed = {}
            for partition, segment in added.items():
                old = self._published.get(partition)
                segments = (*(old.segments if old else ()), segment)
                changed[partition] = self._write_manifest(partition, old, segments)
            if self._faults.on("stale-manifest") or self._faults.on("hot-only-count"):
                now = time.perf_counter()
                for partition in changed:
                    self._replaced[partition] = (now, self._published.get(partition))
            self._published = {**self._published, **changed}

    def hot_rows_gone(self, partitions: Iterable[Partition]) -> None:
        """Say that the hot rows of what was published last are gone: see `replaced`."""
        now = time.perf_counter()
        for partition in partitions:
            if partition in self._replaced:
                self._replaced[partition] = (now, self._replaced[partition][1])

    def replaced(self, partition: Partition) -> tuple[float, Manifest | None]:
        """Since when cold rows were flushed last, by `time.perf_counter`, and which manifest they replaced.

        Since their publication, or since their hot rows were gone as soon as they are. Known only while one
        of the faults is on that need it; else long ago.
        """
        return self._replaced.get(partition, (float("-inf"), None))

    def replace(self, partition: Partition, old: Manifest, new: Segment | None) -> bool:
        """Put one file in the place of all of `old`; False when something else was published since."""
        with self._lock:
            if self._published.get(partition) is not old:
                return False
            manifest = self._write_manifest(partition, old, (new,) if new else ())
            self._published = {**self._published, partition: manifest}
        for segment in old.segments:
            self._discard(segment)
        return True

    def drop_table(self, table_id: int) -> None:
        with self._lock:
            gone = [manifest for partition, manifest in self._published.items() if partition[0] == table_id]
            self._published = {
                partition: manifest
                for partition, manifest in self._published.items()
                if partition[0] != table_id
            }
            for manifest in gone:
                (self._folder(*manifest.partition) / "manifest.json").unlink(missing_ok=True)
        for manifest in gone:
            for segment in manifest.segments:
                self._discard(segment)

    def decoded(self, segment: Segment) -> pa.Table:
        """The content of a file; immutable, so it is kept while there is room."""
        with self._lock:
            known = self._decoded.get(segment.path)
            if known is not None:
                self._decoded.move_to_end(segment.path)
                return known
        table = pq.read_table(segment.path, use_threads=False, partitioning=None)
        with self._lock:
            if segment.path not in self._decoded:
                self._decoded[segment.path] = table
                self._decoded_rows += table.num_rows
            while self._decoded_rows > KEPT_ROWS and len(self._decoded) > 1:
                _, evicted = self._decoded.popitem(last=False)
                self._decoded_rows -= evicted.num_rows
        return table

    def _discard(self, segment: Segment) -> None:
        with self._lock:
            known = self._decoded.pop(segment.path, None)
            self._decoded_rows -= known.num_rows if known is not None else 0
        weakref.finalize(segment, _remove_file, segment.path).atexit = False

    def _write_manifest(
        self, partition: Partition, old: Manifest | None, segments: tuple[Segment, ...]
    ) -> Manifest:
        now = _now_us()
        manifest = Manifest(
            partition, old.version + 1 if old else 1, segments, old.created_at if old else now, now
        )
        path = self._folder(*partition) / "manifest.json"
        unfinished = path.with_suffix(".tmp")
        unfinished.write_bytes(orjson.dumps(manifest_to_json(manifest)))
        unfinished.rename(path)
        return manifest

    def _folder(self, table_id: int, owner: str) -> Path:
        return self._root / str(table_id) / _folder_name(owner)


def manifest_to_json(manifest: Manifest) -> dict[str, Any]:
    return {
        "table_id": manifest.partition[0],
        "user_id": manifest.partition[1],
        "version": manifest.version,
        "created_at": manifest.created_at,
        "updated_at": manifest.updated_at,
        "segments": [
            {
                "path": segment.path.name,
                "row_count": segment.rows,
                "live_rows": segment.live_rows,
                "min_seq": segment.min_seq,
                "max_seq": segment.max_seq,
                "created_at": segment.created_at,
            }
            for segment in manifest.segments
        ],
    }


def _read_manifest(folder: Path) -> Manifest | None:
    path = folder / "manifest.json"
    if not path.exists():
        return None
    data = orjson.loads(path.read_bytes())
    segments = tuple(
        Segment(
            folder / entry["path"],
            entry["row_count"],
            entry["live_rows"],
            entry["min_seq"],
            entry["max_seq"],
            entry["created_at"],
        )
        for entry in data["segments"]
    )
    return Manifest(
        (data["table_id"], data["user_id"]), data["version"], segments, data["created_at"], data["updated_at"]
    )


def _folder_name(owner: str) -> str:
    quoted = "u-" + urllib.parse.quote(owner, safe="")
    # The manifest has the owner's name, so a long one may be replaced by its digest here.
    return quoted if len(quoted) <= 200 else "d-" + hashlib.sha256(owner.encode()).hexdigest()


def _remove_file(path: Path) -> None:
    path.unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        path.parent.rmdir()


def _now_us() -> int:
    return time.time_ns() // 1000
