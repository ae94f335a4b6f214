"""The fault `stale-count`: a statistic of rows for each partition, refreshed a while after each write."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Sequence

from kalam_props.reference.database import Database
from kalam_props.reference.tables import Table
from kalam_props.reference.transactions import Change

FAULT = "stale-count"


class StaleCounts:
    """Remembers the count after each commit; does nothing and answers None while the fault is off."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._counts: dict[tuple[int, str], deque[tuple[float, int]]] = {}
        if database.faults.on(FAULT):
            database.on_commit(self._remember)

    def answer(self, table: Table, owner: str) -> int | None:
        """The count as it was a window ago; None to count for real."""
        faults = self._database.faults
        if not faults.on(FAULT):
            return None
        refreshed = time.monotonic() - faults.seconds(FAULT)
        with self._lock:
            known = self._counts.get((table.id, owner))
            if not known:
                return None
            stale = 0
            while known and known[0][0] <= refreshed:
                stale = known[0][1]
                if len(known) == 1:
                    return stale
                if known[1][0] > refreshed:
                    break
                known.popleft()
            newest = known[-1][0]
        faults.struck(FAULT, time.monotonic() - newest)
        return stale

    def _remember(self, changes: Sequence[Change]) -> None:
        for table, owner in {
            (change.table.id, change.owner): (change.table, change.owner) for change in changes
        }.values():
            batches = self._database.reader.rows(self._database.snapshot(), table, owner)
            count = sum(batch.num_rows for batch in batches)
            with self._lock:
                known = self._counts.setdefault((table.id, owner), deque(maxlen=1000))
                known.append((time.monotonic(), count))
