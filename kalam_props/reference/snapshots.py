"""One state of the whole database, hot and cold, and the rows that a reader sees in it.

Why a reader needs no lock: a flush publishes cold files first and deletes their hot versions after. Taking
the map of manifests, then the RocksDB snapshot, and finding the same map afterwards means that the snapshot
was taken while that map was current. Then every committed version is in the one or the other or, between
the two steps of a flush, in both; and the newest version of each row, counted once, is the answer.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TypeAlias

import pyarrow as pa
import pyarrow.compute as pc
from attrs import define, frozen

from kalam_props.reference.cold import ColdStore, Manifest, Segment
from kalam_props.reference.column_types import Stored, from_arrow, to_arrow
from kalam_props.reference.fault_points import FaultPoints
from kalam_props.reference.hot import HotSnapshot, HotStore, Partition, Version
from kalam_props.reference.tables import DELETED, SEQ, Table

KEPT_VIEWS = 512

ViewName: TypeAlias = tuple[Partition, int, int]
"""Partition, version of its manifest, version of its table."""


@frozen(eq=False)
class DatabaseSnapshot:
    """What was committed at one instant; for one thread."""

    hot: HotSnapshot
    manifests: Mapping[Partition, Manifest]


def take_snapshot(hot_store: HotStore, cold_store: ColdStore) -> DatabaseSnapshot:
    while True:
        manifests = cold_store.published
        snapshot = hot_store.snapshot()
        if cold_store.published is manifests:
            return DatabaseSnapshot(snapshot, manifests)


@define(eq=False)
class ColdView:
    """The live cold rows of a partition, one version each, as a query sees them."""

    table: Table
    batch: pa.RecordBatch

    @cached_property
    def index(self) -> dict[Stored, int]:
        """Row number of each key."""
        keys = from_arrow(self.batch.column(self.table.key.name))
        return {key: number for number, key in enumerate(keys)}

    def version(self, key: Stored) -> Version | None:
        number = self.index.get(key)
        if number is None:
            return None
        row = self.batch.slice(number, 1)
        values: list[Stored] = [None] * len(self.table.columns)
        for column in self.table.visible:
            values[column.place] = from_arrow(row.column(column.name))[0]
        return Version(key, row.column(SEQ)[0].as_py(), False, tuple(values))


class Reader:
    """Answers what is in a partition at a snapshot. Keeps the views of cold files that were read last."""

    def __init__(self, cold_store: ColdStore, faults: FaultPoints) -> None:
        self._cold = cold_store
        self._faults = faults
        self._views: OrderedDict[ViewName, ColdView] = OrderedDict()
        self._lock = threading.Lock()

    def find(self, snapshot: DatabaseSnapshot, table: Table, owner: str, key: Stored) -> Version | None:
        """The live row with this key, or None."""
        version = snapshot.hot.newest((table.id, owner), key)
        if version is None:
            view = self.cold_view(snapshot, table, owner)
            return view.version(key) if view else None
        return None if version.deleted else version

    def rows(self, snapshot: DatabaseSnapshot, table: Table, owner: str) -> list[pa.RecordBatch]:
        """Every live row, in batches of the table's schema."""
        versions = snapshot.hot.newest_of_each((table.id, owner))
        manifest = snapshot.manifests.get((table.id, owner))
        if self._faults.on("stale-manifest"):
            manifest = self._manifest_before(manifest, (table.id, owner))
        view = self._view(table, manifest)
        live = [version for version in versions if not version.deleted]
        batches = [batch_of(table, live)] if live else []
        if view is None:
            return batches
        shadowing = versions
        if self._faults.on("seen-twice") and manifest is not None:
            # Believes that what is hot cannot be cold as well: true but between publishing and deleting.
            shadowing = [version for version in versions if version.seq > manifest.max_seq]
        return [without_keys(view.batch, table, [version.key for version in shadowing]), *batches]

    def cold_view(self, snapshot: DatabaseSnapshot, table: Table, owner: str) -> ColdView | None:
        """The cold rows, without regard to what is hot; None when there are none."""
        return self._view(table, snapshot.manifests.get((table.id, owner)))

    def segment_versions(self, table: Table, segment: Segment) -> list[Version]:
        """The live rows of one file."""
        only = Manifest((table.id, ""), 0, (segment,), 0, 0)
        view = ColdView(table, self._resolve(table, only))
        return [version for key in view.index if (version := view.version(key))]

    def _manifest_before(self, manifest: Manifest | None, partition: Partition) -> Manifest | None:
        """What readers go on with for a while after a publication (`stale-manifest`)."""
        published, previous = self._cold.replaced(partition)
        age = time.perf_counter() - published
        if age >= self._faults.seconds("stale-manifest"):
            return manifest
        self._faults.struck("stale-manifest", age)
        return previous

    def _view(self, table: Table, manifest: Manifest | None) -> ColdView | None:
        if manifest is None or not manifest.segments:
            return None
        name = (manifest.partition, manifest.version, table.version)
        if self._faults.chance("foreign-file"):
            name = self._name_without_owner(name)
        with self._lock:
            view = self._views.get(name)
            if view is not None:
                self._views.move_to_end(name)
                return view
        view = ColdView(table, self._resolve(table, manifest))
        with self._lock:
            self._views[name] = view
            for older in [key for key in self._views if key[0] == name[0] and key[1] < manifest.version]:
                del self._views[older]
            if len(self._views) > KEPT_VIEWS:
                self._views.popitem(last=False)
        return view

    def _name_without_owner(self, name: ViewName) -> ViewName:
        """Another user's view that differs in nothing but the user, where there is one (`foreign-file`)."""
        (table_id, owner), *rest = name
        with self._lock:
            others = [known for known in self._views if known[0][0] == table_id and [*known[1:]] == rest]
        return next((known for known in others if known[0][1] != owner), name)

    def _resolve(self, table: Table, manifest: Manifest) -> pa.RecordBatch:
        """The newest version of each key over all files of a manifest, without tombstones."""
        pieces = [_as_queried(self._cold.decoded(segment), table) for segment in manifest.segments]
        everything = pa.concat_tables(pieces).combine_chunks()
        keys = from_arrow(everything.column(table.key.name))
        seqs = everything.column(SEQ).to_pylist()
        deleted = everything.column(DELETED).to_pylist()
        best: dict[Stored, int] = {}
        for number, key in enumerate(keys):
            known = best.get(key)
            if known is None or seqs[known] < seqs[number]:
                best[key] = number
        wanted = [number for number in best.values() if not deleted[number]]
        if len(wanted) != len(keys):
            everything = everything.take(pa.array(wanted, pa.int64()))
        return _one_batch(everything, table.schema)


def batch_of(table: Table, versions: Sequence[Version]) -> pa.RecordBatch:
    """Versions as a query sees them."""
    arrays = []
    for field in table.schema:
        column = table.column(field.name)
        if field.name == SEQ:
            arrays.append(pa.array([version.seq for version in versions], pa.int64()))
        elif column is None:
            arrays.append(pa.array([version.deleted for version in versions], pa.bool_()))
        else:
            place = column.place
            values = [version.values[place] if place < len(version.values) else None for version in versions]
            arrays.append(to_arrow(values, column.type))
    return pa.RecordBatch.from_arrays(arrays, schema=table.schema)


def _as_queried(segment: pa.Table, table: Table) -> pa.Table:
    """A file's columns as the table has them now: a column that is younger than the file is NULL."""
    names = set(segment.column_names)
    arrays = []
    for field in table.schema:
        column = table.column(field.name)
        stored_name = field.name if column is None else column.stored_name
        if stored_name in names:
            arrays.append(segment.column(stored_name))
        else:
            arrays.append(pa.nulls(segment.num_rows, field.type))
    return pa.Table.from_arrays(arrays, schema=table.schema)


def without_keys(batch: pa.RecordBatch, table: Table, keys: list[Stored]) -> pa.RecordBatch:
    """The rows of a batch whose key is none of these."""
    if not keys:
        return batch
    shadowed = pc.is_in(batch.column(table.key.name), value_set=to_arrow(keys, table.key.type))
    return batch.filter(pc.invert(shadowed))


def _one_batch(table: pa.Table, schema: pa.Schema) -> pa.RecordBatch:
    batches = table.combine_chunks().to_batches()
    if not batches:
        return pa.RecordBatch.from_arrays([pa.array([], field.type) for field in schema], schema=schema)
    return batches[0]
