"""`kalam-props clean`: remove what a run that was killed left on a server."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import click
from attrs import evolve

from kalam_props.commands.options import target_options
from kalam_props.errors import KalamPropsError, TargetError
from kalam_props.hunt.run_file import RESUMED
from kalam_props.targets.opening import TargetOptions, open_target
from kalam_props.targets.workspace import JOURNAL, read_journal, remove


@click.command()
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path))
@target_options
def clean(runs: tuple[Path, ...], target: TargetOptions) -> None:
    """Drop the namespaces and users that RUNS (folders of killed runs) noted and did not drop.

    Only names with our own prefix are touched. A server that we had started is gone with its data: nothing
    is left to clean there.
    """
    failed: list[str] = []
    folders = [folder for run in runs for folder in _with_resumed(run)]
    for run in folders:
        url, namespaces, users = read_journal(run / JOURNAL)
        where = evolve(target, server_url=target.server_url or url, kalamdb_server=None, driver="http")
        folder = Path(tempfile.mkdtemp(prefix="kalam-props-"))
        try:
            with open_target(where, folder) as opened:
                failed.extend(remove(opened, namespaces, users))
            gone = f"{', '.join(namespaces)} and {len(users)} users"
            click.echo(f"{run}: {gone} are gone from {where.server_url}")
        except KalamPropsError as error:
            failed.append(f"{run}: {error}")
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    if failed:
        raise TargetError("; ".join(failed))


def _with_resumed(run: Path) -> list[Path]:
    """A run, and what was created when it was resumed."""
    again = run / RESUMED
    return [run, again] if (again / JOURNAL).exists() else [run]
