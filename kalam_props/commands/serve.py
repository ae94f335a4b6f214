"""`kalam-props serve`: the reference server, with faults."""

from __future__ import annotations

import os
from pathlib import Path

import click

from kalam_props.commands.options import ROOT_PASSWORD, option
from kalam_props.reference import ServerConfig, parse_fault, run_server
from kalam_props.targets.launch import REFERENCE_CHECK_INTERVAL_S


@click.command()
@option("--port", type=click.IntRange(0, 65535), default=8080, show_default=True, help="0: any free port.")
@option(
    "--data-dir",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Where its data stays; default: a folder that is removed at the end.",
)
@option("--fault", "faults", multiple=True, metavar="NAME[:k=v,…]", help="Switch on a fault; repeatable.")
@option(
    "--flush-check-interval",
    type=click.FloatRange(min=0, min_open=True),
    default=REFERENCE_CHECK_INTERVAL_S,
    show_default=True,
    metavar="SECONDS",
    help="How often it looks for tables to flush by row count.",
)
def serve(port: int, data_dir: Path | None, faults: tuple[str, ...], flush_check_interval: float) -> None:
    """Run the reference server on loopback until it is told to stop. It is not KalamDB.

    Root's password is taken from KALAM_PROPS_ROOT_PASSWORD, or made and printed.
    """
    run_server(
        ServerConfig(
            port=port,
            data_dir=data_dir,
            flush_check_interval=flush_check_interval,
            root_password=os.environ.get(ROOT_PASSWORD),
            faults=tuple(parse_fault(fault) for fault in faults),
        )
    )
