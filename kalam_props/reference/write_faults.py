"""Faults in INSERT, UPDATE and DELETE. Each does nothing while it is off."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from kalam_props.reference.column_types import Stored
from kalam_props.reference.database import Database
from kalam_props.reference.hot import Version, new_batch
from kalam_props.reference.recent_changes import before
from kalam_props.reference.refusals import duplicate_key
from kalam_props.reference.statements import Delete, Insert, Update
from kalam_props.reference.tables import SHARED_OWNER, Table
from kalam_props.reference.transactions import Transaction

_BLIND = {Insert: "insert-race", Update: "update-race", Delete: "delete-race"}


def spoil_write(
    database: Database,
    transaction: Transaction,
    table: Table,
    owner: str,
    statement: Insert | Update | Delete,
) -> None:
    """What a write is made to miss or to collide with, before it looks at any row."""
    _miss_first_moments(database, transaction, table, owner, _BLIND[type(statement)])
    if isinstance(statement, Update):
        _tie(database, transaction, table, owner)
    if isinstance(statement, Insert):
        _collide(database, transaction, table, owner)


def refuse_keys_of_others(
    database: Database, transaction: Transaction, table: Table, owner: str, keys: Collection[Stored]
) -> None:
    """Refuse a key that another user of the table has just inserted (`keys-not-per-user`).

    Raises:
        Refusal: duplicate key.

    """
    faults = database.faults
    if not faults.on("keys-not-per-user") or owner == SHARED_OWNER:
        return
    since = transaction.taken - faults.seconds("keys-not-per-user")
    for commit in database.recent.between(table.id, since, transaction.taken):
        for change in commit.changes:
            if change.owner != owner and change.kind == "insert" and change.new.key in keys:
                faults.struck("keys-not-per-user", transaction.taken - commit.at)
                raise duplicate_key(change.new.key, table.key.name)


def refuse_other_spellings(
    database: Database, transaction: Transaction, table: Table, owner: str, keys: Collection[Stored]
) -> None:
    """Refuse a key of which the other case is there (`keys-folded`).

    Raises:
        Refusal: duplicate key.

    """
    if not database.faults.on("keys-folded"):
        return
    for key in keys:
        other = key.swapcase() if isinstance(key, str) else key
        if (
            other != key
            and transaction.find(table, owner, other) is not None
            and database.faults.chance("keys-folded")
        ):
            raise duplicate_key(key, table.key.name)


def expose_refused(database: Database, table: Table, owner: str, rows: Sequence[tuple[Stored, ...]]) -> None:
    """Write rows and take them back after a window (`refused-batch-seen`)."""
    if not database.faults.on("refused-batch-seen") or not rows:
        return
    partition, place = (table.id, owner), table.key.place
    versions = [Version(row[place], database.hot.sequence.take(), False, row) for row in rows]
    batch = new_batch()
    for version in versions:
        database.hot.put(batch, partition, version)
    database.hot.write(batch, [(partition, len(versions))])
    database.faults.hold_open("refused-batch-seen")
    batch = new_batch()
    for version in versions:
        database.hot.remove(batch, partition, version)
    database.hot.write(batch, [(partition, -len(versions))])


def _miss_first_moments(
    database: Database, transaction: Transaction, table: Table, owner: str, name: str
) -> None:
    """Hide what was committed soon after the request came in (`insert-`, `update-`, `delete-race`)."""
    faults = database.faults
    if not faults.on(name):
        return
    end = min(transaction.arrived + faults.seconds(name), transaction.taken)
    commits = database.recent.between(table.id, transaction.arrived, end)
    unseen = before(commits, (table.id, owner))
    if unseen:
        faults.struck(name, commits[-1].at - transaction.arrived)
        transaction.pretend(table, owner, unseen)


def _tie(database: Database, transaction: Transaction, table: Table, owner: str) -> None:
    """Rows written a moment before the request came in win against their next version (`version-tie`)."""
    faults = database.faults
    if faults.on("version-tie"):
        since = transaction.arrived - faults.seconds("version-tie")
        commits = database.recent.between(table.id, since, transaction.arrived)
        if rows := before(commits, (table.id, owner)):
            faults.struck("version-tie", transaction.arrived - commits[-1].at)
            transaction.lose_ties(table, owner, rows)


def _collide(database: Database, transaction: Transaction, table: Table, owner: str) -> None:
    """An insert takes the place of the row inserted a moment before it came in (`sequence-collision`)."""
    faults = database.faults
    if not faults.on("sequence-collision"):
        return
    since = transaction.arrived - faults.seconds("sequence-collision")
    inserted = [
        (commit.at, change.new)
        for commit in database.recent.between(table.id, since, transaction.arrived)
        if commit.partition == (table.id, owner)
        for change in commit.changes
        if change.kind == "insert"
    ]
    if inserted:
        at, version = inserted[-1]
        faults.struck("sequence-collision", transaction.arrived - at)
        transaction.displace(table, owner, version)
