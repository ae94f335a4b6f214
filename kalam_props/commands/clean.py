"""`kalam-props clean`: remove what a run that was killed left on a server."""

from __future__ import annotations

from pathlib import Path

import click
from attrs import evolve

from kalam_props.commands.options import target_options
from kalam_props.errors import KalamPropsError, TargetError
from kalam_props.hunt.run_file import with_resumed
from kalam_props.targets.journal import JOURNAL, Created, read_journal, temporary_folder
from kalam_props.targets.opening import TargetOptions, open_target
from kalam_props.targets.workspace import remove


@click.command()
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path))
@target_options
def clean(runs: tuple[Path, ...], target: TargetOptions) -> None:
    """Drop the namespaces and users that RUNS (folders of killed runs) noted and did not drop.

    Only names with our own prefix are touched. A server that the run had started ended with it: what is left
    of that is a temporary folder.
    """
    failed: list[str] = []
    folders = [folder for run in runs for folder in with_resumed(run)]
    for run in folders:
        created = read_journal(run / JOURNAL)
        for left in created.remove_folders():
            click.echo(f"{run}: {left} is gone")
        if not created.server_ours or target.server_url is not None:
            failed.extend(_remove_from_server(run, created, target))
    if failed:
        raise TargetError("; ".join(failed))


def _remove_from_server(run: Path, created: Created, target: TargetOptions) -> list[str]:
    """Drop what a run made on a server that is not its own; what could not be dropped."""
    url = target.server_url or created.url
    where = evolve(target, server_url=url, kalamdb_server=None, driver="http")
    with temporary_folder() as folder:
        try:
            with open_target(where, folder) as opened:
                refused = remove(opened, created.namespaces, created.users)
        except KalamPropsError as error:
            return [f"{run}: {error}"]
    gone = f"{', '.join(created.namespaces)} and {len(created.users)} users"
    click.echo(f"{run}: {gone} are gone from {url}")
    return refused
