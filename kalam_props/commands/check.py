"""`kalam-props check`: judge recorded histories."""

from __future__ import annotations

import json
from pathlib import Path

import click
from rich.console import Console

from kalam_props.checks.files import check_files, exit_code, to_json
from kalam_props.commands.options import json_option, option
from kalam_props.report.checked import print_results


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@option(
    "--expect",
    type=click.Choice(["linearizable", "snapshot", "read-committed", "eventual"]),
    default="linearizable",
    show_default=True,
    help="Which anomalies count; others are told.",
)
@json_option
def check(files: tuple[Path, ...], expect: str, as_json: bool) -> int:  # noqa: FBT001  # click passes by name
    """Judge histories: files, folders, plain or gzip. A file that cannot be read does not stop the others."""
    results = check_files(files, expect)
    if as_json:
        click.echo(json.dumps(to_json(results), ensure_ascii=False, indent=1))
    else:
        print_results(Console(highlight=False), results)
    return exit_code(results)
