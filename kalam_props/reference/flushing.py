"""Flushes: what moves hot versions into cold files, and what decides that it is time.

A flush reads one snapshot, writes one file for each owner, publishes them, then deletes exactly the versions
that it read. Nothing waits for it, and a kill between two steps leaves each version in at least one place.
"""

from __future__ import annotations

import threading
import time

from kalam_props.reference.activity import Activity
from kalam_props.reference.cold import Segment
from kalam_props.reference.database import Database
from kalam_props.reference.flush_faults import spoil, with_arrivals_of_the_window
from kalam_props.reference.hot import Partition, Version, new_batch
from kalam_props.reference.jobs import Job, JobQueue
from kalam_props.reference.snapshots import take_snapshot
from kalam_props.reference.tables import Table


def run_job(database: Database, activity: Activity, job: Job) -> str:
    """Do what a job asks for; the text is the job's message."""
    table = _table_of(database, job)
    if table is None:
        return f"Table {job.namespace}:{job.table} was dropped"
    name = f"{job.namespace}:{job.table}"
    if job.job_type == "compact":
        before, after = _compact(database, table)
        return f"Compacted {name} successfully ({before} files into {after})"
    with activity.flush() as progress:
        rows, files = _flush(database, table)
        progress.rows = rows
    if _table_of(database, job) is None:  # dropped meanwhile: what was published for it has no table any more
        database.cold.drop_table(table.id)
        database.hot.drop_table(table.id)
    return f"Flushed {name} successfully ({rows} rows, {files} files)"


def _table_of(database: Database, job: Job) -> Table | None:
    table = database.catalog.tables.get((job.namespace, job.table))
    return table if table is not None and table.id == job.table_id else None


def _flush(database: Database, table: Table) -> tuple[int, int]:
    snapshot = database.hot.snapshot()
    read = {
        partition: versions
        for partition in database.hot.partitions(table.id)
        if (versions := snapshot.all_versions(partition))
    }
    kept = {partition: newest_of_each(versions) for partition, versions in read.items()}
    spoil(database.faults, table, read, kept)
    segments = {
        partition: database.cold.write_segment(table, partition[1], versions)
        for partition, versions in kept.items()
        if versions
    }
    faults = database.faults
    if faults.on("gone-between"):
        _delete(database, read)
        faults.hold_open("gone-between")
        database.cold.publish(segments)
        return _totals(segments)
    faults.hold_open("hang-at-flush", table.id)
    database.cold.publish(segments)
    faults.hold_open("seen-twice")
    if faults.on("lost-on-flush"):
        read = with_arrivals_of_the_window(database, read)
    _delete(database, read)
    database.cold.hot_rows_gone(segments)
    return _totals(segments)


def newest_of_each(versions: list[Version]) -> list[Version]:
    """The newest version of each key; they come newest first."""
    found: dict[object, Version] = {}
    for version in versions:
        found.setdefault(version.key, version)
    return list(found.values())


def _delete(database: Database, read: dict[Partition, list[Version]]) -> None:
    batch = new_batch()
    for partition, versions in read.items():
        for version in versions:
            database.hot.remove(batch, partition, version)
    database.hot.write(batch, [(partition, -len(versions)) for partition, versions in read.items()])


def _totals(segments: dict[Partition, Segment]) -> tuple[int, int]:
    return sum(segment.live_rows for segment in segments.values()), len(segments)


def _compact(database: Database, table: Table) -> tuple[int, int]:
    """Merge the files of each partition into one; a tombstone has nothing older left to hide."""
    before = after = 0
    for partition, manifest in database.cold.published.items():
        if partition[0] != table.id or not manifest.segments:
            continue
        before += len(manifest.segments)
        after += 1
        if len(manifest.segments) == 1:
            continue
        view = database.reader.cold_view(take_snapshot(database.hot, database.cold), table, partition[1])
        versions = [view.version(key) for key in view.index] if view else []
        live = [version for version in versions if version is not None]
        segment = database.cold.write_segment(table, partition[1], live) if live else None
        if not database.cold.replace(partition, manifest, segment) and segment is not None:
            segment.path.unlink()  # a flush published meanwhile; the next compaction takes both
    return before, after


class FlushScheduler:
    """Looks at the row counts every `interval` seconds and queues a flush where a policy asks for one.

    At a fixed rate, as the timers of servers have it: how long a look took does not put off the next.
    """

    def __init__(self, database: Database, queue: JobQueue, interval: float) -> None:
        self._database = database
        self._queue = queue
        self._interval = interval
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="flush-scheduler", daemon=True)

    def start(self) -> None:
        if self._interval > 0:
            self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        next_look = time.monotonic() + self._interval
        while not self._stop.wait(max(0.0, next_look - time.monotonic())):
            next_look += self._interval
            for name, table in self._database.catalog.tables.items():
                if table.flush_rows and self._database.hot.hot_versions(table.id) >= table.flush_rows:
                    self._queue.submit("flush", name, table.id, f"FL:{name[0]}:{name[1]}:{_hour()}")


def _hour() -> str:
    return time.strftime("%Y-%m-%d-%H", time.gmtime())
