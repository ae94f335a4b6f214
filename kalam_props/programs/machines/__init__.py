"""The machines: which operations meet. Each hunts one kind of bug."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from kalam_props.programs.machine import ProgramMachine
from kalam_props.programs.machines.columns import Columns, Shared
from kalam_props.programs.machines.key_types import Keys, UuidKeys
from kalam_props.programs.machines.maintenance import Maintenance
from kalam_props.programs.machines.mixed import (
    ExactCounts,
    FlushRaces,
    Isolation,
    Meetings,
    Neighbours,
    Updates,
    Watchers,
    Writers,
)
from kalam_props.programs.machines.network import LossyNetwork
from kalam_props.programs.machines.notifications import Notifications
from kalam_props.programs.machines.outages import Crashes
from kalam_props.programs.machines.recreated import Tables
from kalam_props.programs.machines.transactions import Transactions

__all__ = [
    "MACHINES",
    "Columns",
    "Crashes",
    "ExactCounts",
    "FlushRaces",
    "Isolation",
    "Keys",
    "LossyNetwork",
    "Maintenance",
    "Meetings",
    "Neighbours",
    "Notifications",
    "Shared",
    "Tables",
    "Transactions",
    "Updates",
    "UuidKeys",
    "Watchers",
    "Writers",
]

MACHINES: Mapping[str, type[ProgramMachine]] = MappingProxyType(
    {
        "meetings": Meetings,
        "writers": Writers,
        "watchers": Watchers,
        "neighbours": Neighbours,
        "notifications": Notifications,
        "crashes": Crashes,
        "flush-races": FlushRaces,
        "exact-counts": ExactCounts,
        "isolation": Isolation,
        "updates": Updates,
        "lossy-network": LossyNetwork,
        "columns": Columns,
        "shared": Shared,
        "maintenance": Maintenance,
        "transactions": Transactions,
        "keys": Keys,
        "uuid-keys": UuidKeys,
        "tables": Tables,
    }
)
"""The machines by the name that `--machine` takes, in the order in which a hunt takes turns."""
