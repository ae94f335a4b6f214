"""What was committed in the last moments, for the faults that do not see it.

A race between requests is a window that begins at an instant the fault names (the arrival of a request, a
commit) and lasts exactly as long as asked for: it is measured by commit times and not by sleeping.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from attrs import frozen

from kalam_props.reference.column_types import Stored
from kalam_props.reference.hot import Partition, Version

if TYPE_CHECKING:
    from kalam_props.reference.transactions import Change

KEPT_COMMITS = 256
FAULTS = frozenset(
    {
        "delete-race",
        "insert-race",
        "keys-not-per-user",
        "sequence-collision",
        "split-scan",
        "stale-index",
        "stale-snapshot",
        "update-race",
        "version-tie",
    }
)
"""The faults that need this; without one of them nothing is remembered."""


@frozen
class Commit:
    """`at`: `time.perf_counter` when it was visible."""

    at: float
    partition: Partition
    changes: tuple[Change, ...]


class RecentChanges:
    """The last commits of each table, oldest first; none while no fault needs them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._commits: dict[int, deque[Commit]] = {}

    def committed(self, changes: Sequence[Change]) -> None:
        now = time.perf_counter()
        by_partition: dict[Partition, list[Change]] = {}
        for change in changes:
            by_partition.setdefault((change.table.id, change.owner), []).append(change)
        with self._lock:
            for partition, own in by_partition.items():
                commits = self._commits.setdefault(partition[0], deque(maxlen=KEPT_COMMITS))
                commits.append(Commit(now, partition, tuple(own)))

    def between(self, table_id: int, begin: float, end: float) -> list[Commit]:
        """The commits of a table in a stretch of time."""
        with self._lock:
            return [commit for commit in self._commits.get(table_id, ()) if begin < commit.at < end]


def before(commits: Iterable[Commit], partition: Partition) -> Mapping[Stored, Version | None]:
    """The rows of a partition that commits changed, as they were before the first of these commits."""
    found: dict[Stored, Version | None] = {}
    for commit in commits:
        if commit.partition == partition:
            for change in commit.changes:
                found.setdefault(change.new.key, None if change.kind == "insert" else change.old)
    return found
