"""`kalam-props doctor`: what is there, what a hunt will test, and what to do about the rest."""

from __future__ import annotations

import json
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from kalam_props.commands.options import json_option, target_options
from kalam_props.execution.diagnosis import Diagnosis, diagnose
from kalam_props.programs.machines import MACHINES
from kalam_props.targets.opening import TargetOptions

_MARKS = {"ok": "[green]✓[/]", "missing": "[yellow]-[/]", "problem": "[red]✗[/]"}


@click.command()
@target_options
@json_option
def doctor(target: TargetOptions, as_json: bool) -> int:  # noqa: FBT001  # click passes by name
    """Look at the server and the client, and say what a hunt would test. Exit 2 if it could not run."""
    diagnosis = diagnose(target, MACHINES)
    if as_json:
        click.echo(json.dumps(to_json(diagnosis), ensure_ascii=False, indent=1))
    else:
        _print(Console(highlight=False), diagnosis)
    return 0 if diagnosis.able else 2


def to_json(diagnosis: Diagnosis) -> dict[str, Any]:
    """The JSON document of a diagnosis."""
    return {
        "able": diagnosis.able,
        "findings": [
            {"about": f.about, "state": f.state, "found": f.found, "advice": f.advice}
            for f in diagnosis.findings
        ],
        "tests": list(diagnosis.tests),
        "skips": [{"machine": name, "lacks": why} for name, why in diagnosis.skips],
    }


def _print(console: Console, diagnosis: Diagnosis) -> None:
    table = Table("", "what", "found", "what to do", show_edge=False)
    for finding in diagnosis.findings:
        table.add_row(_MARKS[finding.state], *map(_plain, (finding.about, finding.found, finding.advice)))
    console.print(table)
    lines = [f"a hunt tests: {', '.join(diagnosis.tests) or 'nothing'}"]
    lines += [f"not {name}, which needs {why}" for name, why in diagnosis.skips]
    console.print("\n".join(lines), markup=False, soft_wrap=True)


def _plain(text: str) -> str:
    """Text of a server, so that its brackets are not taken for colours."""
    return text.replace("[", "\\[")
