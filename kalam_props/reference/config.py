"""How a server is started: plain data, so that nothing heavy is imported to fill it in."""

from __future__ import annotations

import os
from pathlib import Path

from attrs import field, frozen

from kalam_props.reference.faults import SwitchedFault

PASSWORD_VARIABLES = ("KALAM_PROPS_ROOT_PASSWORD", "KALAMDB_ROOT_PASSWORD")


def root_password_from_environment() -> str | None:
    """The first of `PASSWORD_VARIABLES` that is set, or None."""
    return next((os.environ[name] for name in PASSWORD_VARIABLES if os.environ.get(name)), None)


@frozen
class ServerConfig:
    """Everything a server needs to know.

    Attributes:
        port: 0 takes a free one; the ready line says which.
        data_dir: None is a temporary folder that is removed at exit.
        flush_check_interval: seconds between two looks at the row counts; 0 turns automatic flushes off.
        default_query_limit: rows of a SELECT without LIMIT.
        max_query_limit: the most rows that any SELECT answers.
        max_queries_per_sec: requests per user and second before 429; None has no limit.
        max_flushes: flush jobs that run at the same time.
        root_password: None makes one and prints it in the ready line.
        faults: what is switched on; empty is a healthy server.
        exit_with_stdin: stop when standard input reaches its end, so that a dead parent leaves nothing.

    """

    port: int = 0
    data_dir: Path | None = None
    flush_check_interval: float = 0.05
    default_query_limit: int = 50
    max_query_limit: int = 1000
    max_queries_per_sec: int | None = None
    max_flushes: int = 4
    root_password: str | None = field(default=None, repr=False)
    faults: tuple[SwitchedFault, ...] = ()
    exit_with_stdin: bool = False
