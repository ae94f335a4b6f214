"""The parts of one open data directory, wired together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from kalam_props.errors import TargetError
from kalam_props.reference.catalog import Catalog
from kalam_props.reference.cold import ColdStore
from kalam_props.reference.fault_points import FaultPoints
from kalam_props.reference.hot import HotStore, new_batch
from kalam_props.reference.recent_changes import FAULTS as FAULTS_OF_RECENT_CHANGES
from kalam_props.reference.recent_changes import RecentChanges
from kalam_props.reference.restart_faults import spoil_restart
from kalam_props.reference.snapshots import DatabaseSnapshot, Reader, take_snapshot

if TYPE_CHECKING:
    from kalam_props.reference.transactions import Change

_OPEN = "open"
"""A record that is there while a process has the directory open; at a start: the last one was killed."""


class Database:
    """Owns the stores. `close` once everything that uses it has ended."""

    def __init__(self, folder: Path, faults: FaultPoints) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self.hot = HotStore(str(folder / "hot"))
        except Exception as error:  # noqa: BLE001  # RocksDB raises it for a locked or unusable folder
            raise TargetError(f"data directory {folder} cannot be used: {error}") from None
        self.faults = faults
        self.catalog = Catalog(self.hot)
        self.cold = ColdStore(folder / "cold", faults)
        self.reader = Reader(self.cold, faults)
        self.recent = RecentChanges()
        self._listeners: list[Callable[[Sequence[Change]], None]] = []
        if any(faults.on(name) for name in FAULTS_OF_RECENT_CHANGES):
            self.on_commit(self.recent.committed)
        tables = {table.id: table for table in self.catalog.tables.values()}
        self.cold.recover(set(tables))
        for table_id in self.hot.table_ids() - set(tables):
            self.hot.drop_table(table_id)
        spoil_restart(faults, self.hot, self.cold, self.reader, tables, killed=any(self.hot.records(_OPEN)))
        batch = new_batch()
        self.hot.record(batch, _OPEN, {"open": True})
        self.hot.write(batch)

    def close(self) -> None:
        batch = new_batch()
        self.hot.forget(batch, _OPEN)
        self.hot.write(batch)
        self.hot.close()

    def snapshot(self) -> DatabaseSnapshot:
        return take_snapshot(self.hot, self.cold)

    def on_commit(self, listener: Callable[[Sequence[Change]], None]) -> None:
        """Call `listener` with the changes of each transaction once it is visible, in commit order."""
        self._listeners.append(listener)

    def committed(self, changes: Sequence[Change]) -> None:
        for listener in self._listeners:
            listener(changes)
