"""`kalam-props faults`: what can be switched on in the reference server."""

from __future__ import annotations

import json
from typing import Any

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
        click.echo(json.dumps({"faults": [_json(name) for name in FAULTS]}, ensure_ascii=False, indent=1))
        return
    table = Table("fault", "what it does", "anomaly", "parameters")
    for name in FAULTS:
        entry = _json(name)
        parameters = ", ".join(f"{key}={value}" for key, value in entry["parameters"].items())
        table.add_row(name, entry["summary"], entry["anomaly"], parameters)
    Console(highlight=False).print(table)


def _json(name: str) -> dict[str, Any]:
    fault = FAULTS[name]
    return {
        "name": fault.name,
        "summary": fault.summary,
        "anomaly": fault.anomaly,
        "parameters": dict(fault.parameters),
    }
