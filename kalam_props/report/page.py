"""A run as one HTML file that needs nothing else: no script, no font, no network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from attrs import frozen
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from kalam_props.errors import StorageError
from kalam_props.history.reader import read_history
from kalam_props.hunt.finding import Finding
from kalam_props.report.finding import SCRIPT, how_found, how_often, replay_command
from kalam_props.report.lanes import lanes
from kalam_props.report.programs import describe_program
from kalam_props.report.timeline import Timeline, timeline

PAGE = "report.html"


@frozen
class _Section:
    """A finding as the page shows it."""

    finding: Finding
    program: str
    witness: str
    timeline: Timeline
    often: tuple[str, ...]
    found: tuple[str, ...]
    script: str
    replay: str


def write_page(document: dict[str, Any], findings: tuple[Finding, ...], folder: Path) -> Path:
    """Write the page of a run into its folder. `document`: the hunt's JSON document.

    Raises:
        StorageError: it cannot be written.

    """
    path = folder / PAGE
    try:
        path.write_text(page(document, findings), encoding="utf-8")
    except OSError as error:
        raise StorageError(f"{path}: cannot be written ({error.strerror})") from None
    return path


def page(document: dict[str, Any], findings: tuple[Finding, ...]) -> str:
    """The HTML."""
    environment = Environment(
        loader=PackageLoader("kalam_props.report"),
        autoescape=select_autoescape(),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    sections = [_section(finding) for finding in findings]
    return environment.get_template("run.html").render(run=document, sections=sections)


def _section(finding: Finding) -> _Section:
    history = read_history(finding.history)
    script = finding.folder / SCRIPT
    return _Section(
        finding,
        describe_program(finding.program),
        lanes(history, finding.anomaly.witness),
        timeline(history, finding.anomaly.witness),
        how_often(finding),
        how_found(finding),
        script.read_text(encoding="utf-8") if script.exists() else "",
        replay_command(finding),
    )
