"""Faults in what a start makes of what the last process left. Does nothing while they are off."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import evolve

from kalam_props.reference.cold import ColdStore
from kalam_props.reference.fault_points import FaultPoints
from kalam_props.reference.hot import HotStore, new_batch
from kalam_props.reference.snapshots import Reader
from kalam_props.reference.tables import Table


def spoil_restart(
    faults: FaultPoints,
    hot: HotStore,
    cold: ColdStore,
    reader: Reader,
    tables: Mapping[int, Table],
    *,
    killed: bool,
) -> None:
    """Lose hot rows (`hot-not-replayed`) or apply flushes again (`flush-replayed`)."""
    if killed and faults.on("hot-not-replayed"):
        for table_id in tables:
            for partition in hot.partitions(table_id):
                if faults.chance("hot-not-replayed"):
                    versions = hot.snapshot().all_versions(partition)
                    batch = new_batch()
                    for version in versions:
                        hot.remove(batch, partition, version)
                    hot.write(batch, [(partition, -len(versions))])
    if faults.on("flush-replayed"):
        for partition, manifest in cold.published.items():
            if manifest.segments and faults.chance("flush-replayed"):
                rows = reader.segment_versions(tables[partition[0]], manifest.segments[-1])
                batch = new_batch()
                for version in rows:
                    hot.put(batch, partition, evolve(version, seq=hot.sequence.take()))
                hot.write(batch, [(partition, len(rows))])
