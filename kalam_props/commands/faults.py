"""`kalam-props faults`: what can be switched on in the reference server."""

from __future__ import annotations

import json

import click
from rich.console import Console
from rich.table import Table

from kalam_props.commands.options import json_option
from kalam_props.reference import FAULTS


@click.command()
@json_option
def faults(as_json: bool) -> None:  # noqa: FBT001  # click passes options by name
    """List the faults of the reference server: what each does, and the anomaly that it must cause."""
    if as_json:
        click.echo(
            json.dumps(
                {"faults": [fault.to_json() for fault in FAULTS.values()]}, ensure_ascii=False, indent=1
            )
        )
        return
    table = Table("fault", "what it does", "anomaly", "parameters")
    for fault in FAULTS.values():
        parameters = ", ".join(f"{key}={value}" for key, value in fault.parameters.items())
        table.add_row(fault.name, fault.summary, fault.anomaly, parameters)
    Console(highlight=False).print(table)
