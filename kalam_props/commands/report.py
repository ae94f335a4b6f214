"""`kalam-props report`: a run's findings again, from its folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from rich.console import Console

from kalam_props.errors import CorruptInputError
from kalam_props.hunt.finding import load_all
from kalam_props.programs import codec
from kalam_props.report.finding import finding_text
from kalam_props.report.hunting import DOCUMENT
from kalam_props.report.page import write_page


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
def report(run: Path) -> int:
    """Show the findings of RUN (a hunt's folder) again, and write its page, RUN/report.html.

    A run that was killed is shown as far as it came. Exit 1 when it has findings.
    """
    findings = tuple(load_all(run))
    document = _document(run)
    console = Console(highlight=False)
    for finding in findings:
        text = finding_text(finding, document["target"]["name"])
        console.print(text, markup=False, soft_wrap=True)
    page = write_page(document, findings, run)
    console.print(f"{len(findings)} findings; {page}", markup=False, soft_wrap=True)
    return 1 if findings else 0


def _document(run: Path) -> dict[str, Any]:
    """The run's own document; for one that was killed, what can be said without."""
    path = run / DOCUMENT
    if not path.exists():
        if not (run / "histories").is_dir():
            raise CorruptInputError(str(run), None, "no hunt has kept its files there")
        return _unfinished(run)
    data = codec.read_json(path)
    if not isinstance(data, dict) or "verdict" not in data:
        raise CorruptInputError(str(path), None, "is not the document of a hunt")
    return data


def _unfinished(run: Path) -> dict[str, Any]:
    histories = len(list(run.glob("histories*/*.jsonl")))
    return {
        "verdict": "not finished",
        "target": {"name": "not recorded", "version": ""},
        "client": {"name": "not recorded", "version": ""},
        "driver": "not recorded",
        "identity": "not recorded",
        "gate": False,
        "seed": None,
        "faults": [],
        "programs": None,
        "executions": histories,
        "operations": None,
        "seconds": None,
        "evidence": {},
        "known_failures": 0,
        "unknown": [f"the run was killed: kalam-props hunt --resume {run}"],
    }
