"""Faults in what a SELECT reads. Each does nothing while it is off."""

from __future__ import annotations

import time

from kalam_props.reference.column_types import Stored
from kalam_props.reference.database import Database
from kalam_props.reference.hot import Version
from kalam_props.reference.recent_changes import Commit, before
from kalam_props.reference.tables import Table
from kalam_props.reference.transactions import Transaction


def read_stale_rows(database: Database, transaction: Transaction, table: Table, owner: str) -> None:
    """Make a scan miss commits (`stale-snapshot`, `split-scan`)."""
    faults = database.faults
    unseen: list[Commit] = []
    if faults.on("stale-snapshot"):
        unseen = _of_owner(
            database, table, owner, transaction.taken - faults.seconds("stale-snapshot"), transaction
        )
        if unseen:
            faults.struck("stale-snapshot", transaction.taken - unseen[-1].at)
    if faults.on("split-scan"):
        meanwhile = _of_owner(database, table, owner, transaction.arrived, transaction)
        unseen = meanwhile[:-1]
        if unseen:
            last = {change.new.key for change in meanwhile[-1].changes}
            rows = before(unseen, (table.id, owner))
            transaction.pretend(table, owner, {key: row for key, row in rows.items() if key not in last})
            return
    if unseen:
        transaction.pretend(table, owner, before(unseen, (table.id, owner)))


def read_stale_index(database: Database, transaction: Transaction, table: Table, owner: str) -> None:
    """Make a read by key miss updates (`stale-index`)."""
    faults = database.faults
    if not faults.on("stale-index"):
        return
    since = transaction.taken - faults.seconds("stale-index")
    old: dict[Stored, Version | None] = {}
    for commit in _of_owner(database, table, owner, since, transaction):
        for change in commit.changes:
            if change.kind == "update" and change.new.key not in old:
                old[change.new.key] = change.old
                faults.struck("stale-index", transaction.taken - commit.at)
    if old:
        transaction.pretend(table, owner, old)


def hot_only_count(database: Database, transaction: Transaction, table: Table, owner: str) -> int | None:
    """The count without cold rows, soon after a flush; None to count all (`hot-only-count`)."""
    faults = database.faults
    if not faults.on("hot-only-count"):
        return None
    age = time.perf_counter() - database.cold.replaced((table.id, owner))[0]
    if age >= faults.seconds("hot-only-count"):
        return None
    faults.struck("hot-only-count", age)
    return transaction.hot_rows(table, owner)


def _of_owner(
    database: Database, table: Table, owner: str, since: float, transaction: Transaction
) -> list[Commit]:
    commits = database.recent.between(table.id, since, transaction.taken)
    return [commit for commit in commits if commit.partition == (table.id, owner)]
