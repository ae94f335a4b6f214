"""The reference server: a small real database with a hot and a cold tier, and faults that can be switched on.

A test instrument, never a product, and not KalamDB. Nothing here may import the rest of the project except
`errors`; nothing else may import more of it than this module says. Importing it loads no heavy dependency.
"""

from kalam_props.reference.config import ServerConfig
from kalam_props.reference.fault_catalogue import FAULTS
from kalam_props.reference.fault_options import parse_fault
from kalam_props.reference.faults import Fault, SwitchedFault

__all__ = ["FAULTS", "Fault", "ServerConfig", "SwitchedFault", "parse_fault", "run_server"]


def run_server(config: ServerConfig) -> None:
    """Run a server until SIGTERM or SIGINT; print one JSON line on stdout when it is ready.

    Raises:
        UsageError: an optional dependency is missing; the message names the extra.
        TargetError: the port is taken or the data directory cannot be used.

    """
    from kalam_props.reference.serve import run  # noqa: PLC0415  # heavy: RocksDB, Arrow, DataFusion

    run(config)
