"""The reference server: a small real database with a hot and a cold tier, and faults that can be switched on.

A test instrument, never a product, and not KalamDB. Nothing here may import the rest of the project except
`errors`; nothing else may import more of it than this module says. Importing it loads no heavy dependency,
and names are loaded when they are asked for: the compatible client lives in this package too, and a tester
starts it for each operation.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kalam_props.reference.config import ServerConfig
    from kalam_props.reference.fault_catalogue import FAULTS
    from kalam_props.reference.fault_options import parse_fault
    from kalam_props.reference.faults import Fault, SwitchedFault

__all__ = ["FAULTS", "Fault", "ServerConfig", "SwitchedFault", "parse_fault", "run_server"]

_HOMES = {
    "FAULTS": "fault_catalogue",
    "Fault": "faults",
    "ServerConfig": "config",
    "SwitchedFault": "faults",
    "parse_fault": "fault_options",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)


def run_server(config: ServerConfig) -> None:
    """Run a server until SIGTERM or SIGINT; print one JSON line on stdout when it is ready.

    Raises:
        UsageError: an optional dependency is missing; the message names the extra.
        TargetError: the port is taken or the data directory cannot be used.

    """
    from kalam_props.reference.serve import run  # noqa: PLC0415  # heavy: RocksDB, Arrow, DataFusion

    run(config)
