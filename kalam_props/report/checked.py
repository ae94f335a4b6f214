"""Checked histories for people: a table of verdicts, and each anomaly with its lanes."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from kalam_props.checks.files import FileResult
from kalam_props.checks.verdict import Anomaly
from kalam_props.history.events import History, Invoke
from kalam_props.history.reader import open_history
from kalam_props.report.lanes import lanes

_COLOURS = {"holds": "green", "violated": "red", "unknown": "yellow", "error": "red"}
_LANES = 24
"""Operations of a witness that are drawn at most; larger ones are told in words only."""


def print_results(console: Console, results: Iterable[FileResult]) -> None:
    """Print a table of verdicts, then what is wrong with each file that is not clean."""
    results = list(results)
    table = Table(box=None, pad_edge=False)
    table.add_column("verdict")
    table.add_column("operations", justify="right")
    table.add_column("anomalies")
    table.add_column("history", overflow="fold")
    for result in results:
        name = _name(result)
        operations = "" if result.verdict is None else str(result.verdict.operations)
        anomalies = () if result.verdict is None else result.verdict.anomalies
        found = ", ".join(dict.fromkeys(anomaly.name for anomaly in anomalies))
        table.add_row(f"[{_COLOURS[name]}]{name}[/]", operations, found, escape(result.file))
    console.print(table)
    for result in results:
        _print_details(console, result)


def _name(result: FileResult) -> str:
    return "error" if result.verdict is None else result.verdict.verdict


def _print_details(console: Console, result: FileResult) -> None:
    if result.error is not None:
        console.print(f"\n{escape(result.error)}", highlight=False, soft_wrap=True)
    if result.truncated:
        console.print(
            f"\n{escape(result.file)}: its last line was cut off; what came before it was judged",
            highlight=False,
            soft_wrap=True,
        )
    if result.verdict is None:
        return
    for anomaly in result.verdict.anomalies:
        _print_anomaly(console, result.file, anomaly)
    for anomaly in result.verdict.told:
        console.print(
            f"\n{escape(result.file)}: told, not counted: {anomaly.name}: {escape(anomaly.explanation)}",
            highlight=False,
            soft_wrap=True,
        )
    for broken in result.verdict.sessions:
        console.print(
            f"\n{escape(result.file)}: breaks {broken.name}: {escape(broken.explanation)}",
            highlight=False,
            soft_wrap=True,
        )
    for why in result.verdict.unknown:
        console.print(f"\n{escape(result.file)}: unknown: {escape(why)}", highlight=False, soft_wrap=True)


def _print_anomaly(console: Console, file: str, anomaly: Anomaly) -> None:
    console.print(f"\n{escape(file)}: [red]{anomaly.name}[/]", highlight=False, soft_wrap=True)
    console.print(escape(anomaly.explanation), highlight=False, soft_wrap=True)
    if 0 < len(anomaly.witness) <= _LANES:
        diagram = lanes(_around(Path(file), anomaly.witness), anomaly.witness)
        console.print("\n" + escape(diagram), highlight=False, soft_wrap=True)


def _around(path: Path, witness: tuple[int, ...]) -> History:
    """The part of a history that a diagram of these operations needs; read again, so that none is kept."""
    wanted = set(witness)
    with open_history(path) as reader:
        events = tuple(
            event
            for event in reader
            if (isinstance(event, Invoke) and event.i in wanted)
            or getattr(event, "of", None) in wanted
            or not (isinstance(event, Invoke) or hasattr(event, "of"))
        )
    return History(reader.header, events, reader.truncated)
