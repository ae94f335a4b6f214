"""Faults in what a flush writes and deletes. `spoil` does nothing while they are off."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import evolve

from kalam_props.reference.database import Database
from kalam_props.reference.fault_points import FaultPoints
from kalam_props.reference.hot import Partition, Version
from kalam_props.reference.tables import Table

FAULTS = (
    "boundary-row-dropped",
    "tombstone-dropped",
    "old-version-flushed",
    "shifted-column",
    "foreign-flush",
)
"""Those of `spoil`; the others act while a flush runs."""


def spoil(
    faults: FaultPoints,
    table: Table,
    read: Mapping[Partition, list[Version]],
    kept: dict[Partition, list[Version]],
) -> None:
    """Change what is about to be written. `read`: hot versions, newest first; `kept`: one for each key."""
    if not any(map(faults.on, FAULTS)):
        return
    if sum(map(len, read.values())) == table.flush_rows and faults.chance("boundary-row-dropped"):
        _remove_last(kept)
    if any(version.deleted for found in kept.values() for version in found) and faults.chance(
        "tombstone-dropped"
    ):
        for found in kept.values():
            found[:] = [version for version in found if not version.deleted]
    several = {partition for partition, found in kept.items() if len(found) < len(read[partition])}
    if several and faults.chance("old-version-flushed"):
        for partition in several:
            oldest = {version.key: version for version in read[partition]}
            kept[partition][:] = oldest.values()
    if any(len(found) > 1 for found in kept.values()) and faults.chance("shifted-column"):
        for found in kept.values():
            found[:] = _shifted(table, found)
    if len(kept) > 1 and faults.chance("foreign-flush"):
        owner, version = _remove_last(kept)
        other = next(partition for partition in kept if partition != owner)
        kept[other].append(version)


def with_arrivals_of_the_window(
    database: Database, read: dict[Partition, list[Version]]
) -> dict[Partition, list[Version]]:
    """What a flush deletes when it deletes by range what it should delete by key (`lost-on-flush`)."""
    before = database.hot.snapshot()
    database.faults.hold_open("lost-on-flush")
    after = database.hot.snapshot()
    gone = {}
    for partition, versions in read.items():
        known = {version.seq for version in before.all_versions(partition)}
        arrived = [version for version in after.all_versions(partition) if version.seq not in known]
        gone[partition] = versions + arrived
    return gone


def _remove_last(kept: dict[Partition, list[Version]]) -> tuple[Partition, Version]:
    """Take away the version that was written last."""
    partition, version = max(
        ((partition, version) for partition, versions in kept.items() for version in versions),
        key=lambda found: found[1].seq,
    )
    kept[partition].remove(version)
    return partition, version


def _shifted(table: Table, versions: list[Version]) -> list[Version]:
    """The versions with the values of the first text column taken from their neighbour."""
    column = next((c for c in table.visible if c.type.name == "Text" and not c.primary_key), None)
    if column is None:
        return versions
    place = column.place
    return [
        evolve(version, values=(*version.values[:place], other.values[place], *version.values[place + 1 :]))
        for version, other in zip(versions, versions[1:] + versions[:1], strict=True)
        if place < len(version.values) and place < len(other.values)
    ]
