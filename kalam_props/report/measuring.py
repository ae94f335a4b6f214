"""Measurements of how well faults are found: as a table on a terminal, as Markdown, as JSON."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from typing import Any

from attrs import frozen
from rich.table import Table

from kalam_props.measure import records
from kalam_props.measure.measurement import Measurement, middle_and_ninetieth
from kalam_props.measure.records import Attempt

_COLUMNS = (
    "fault",
    "difficulty",
    "found",
    "programs",
    "seconds",
    "named right",
    "shrunk to (minimum)",
    "minimal",
    "shrink s",
    "reproduced",
)

_LEGEND = """\
- **found**: hunts that found it, of those that were made, each with a random seed of its own.
- **programs**, **seconds**: until the first detection, median / 90th percentile over those hunts.
- **named right**: findings whose anomaly is one under which this fault may show itself.
- **shrunk to (minimum)**: operations of the shrunk programs, fewest to most, and of the hand-written minimum.
- **minimal**: findings whose shrunk program is a hand-written one up to names, or smaller.
- **shrink s**: seconds of shrinking, median / 90th percentile.
- **reproduced**: runs of the shrunk programs that showed the anomaly again, of all their runs."""


@frozen
class Setting:
    """What the measurements were made with, for a reader who wants to make them again."""

    date: str
    command: tuple[str, ...]
    server: str
    driver: str
    machine: str


def table(measurements: Iterable[Measurement]) -> Table:
    """The table for a terminal."""
    drawn = Table(*_COLUMNS)
    for measurement in measurements:
        drawn.add_row(*_cells(measurement))
    return drawn


def markdown(setting: Setting, measurements: Sequence[Measurement]) -> str:
    """A document with the table, marked as made by a command."""
    rows = [_COLUMNS, tuple("---" for _ in _COLUMNS), *(_cells(one) for one in measurements)]
    lines = "\n".join("| " + " | ".join(row) + " |" for row in rows)
    command = shlex.join(setting.command)
    failed = [
        f"- {one.fault}, {one.difficulty}, seed {attempt.random_seed}: {attempt.error}"
        for one in measurements
        for attempt in one.attempts
        if attempt.error is not None
    ]
    ended = "\n\nHunts that ended early:\n\n" + "\n".join(failed) if failed else ""
    return f"""\
# How well each fault is found

<!-- Made by `{command}`; do not edit. -->

Measured on {setting.date} by `{command}`: {setting.server}, driver {setting.driver}, {setting.machine}.
What each fault does, and its windows and rates: `kalam-props faults`. The hand-written minima are in
`kalam_props/measure/yardsticks.py`. Rows that are not here were not measured.

{lines}

{_LEGEND}{ended}
"""


def document(setting: Setting, measurements: Iterable[Measurement]) -> dict[str, Any]:
    """The JSON document: every attempt, with the program that it was shrunk to."""
    return {
        "date": setting.date,
        "command": list(setting.command),
        "server": setting.server,
        "driver": setting.driver,
        "machine": setting.machine,
        "measurements": [
            {
                "fault": one.fault,
                "difficulty": one.difficulty,
                "minimum": one.minimum,
                "found": len(one.found),
                "attempts": [records.to_json(attempt) for attempt in one.attempts],
            }
            for one in measurements
        ],
    }


def attempt_line(fault: str, difficulty: str, attempt: Attempt) -> str:
    """One attempt, for progress."""
    where = f"{fault} {difficulty} seed {attempt.random_seed}"
    cost = f"{attempt.programs} programs, {attempt.seconds:.0f} s"
    if not attempt.found:
        return f"{where}: not found in {cost}" + (f" ({attempt.error})" if attempt.error else "")
    seen, runs = attempt.reproduced or (0, 0)
    named = "" if attempt.named_right else " (not one of its names)"
    minimal = ", the minimum" if attempt.minimal else ""
    size = "1 operation" if attempt.operations == 1 else f"{attempt.operations} operations"
    return (
        f"{where}: {attempt.anomaly}{named} after {cost}; shrunk to {size}{minimal} "
        f"in {attempt.shrink_s or 0:.0f} s; reproduced {seen} of {runs}"
    )


def _cells(one: Measurement) -> tuple[str, ...]:
    found = one.found
    seen, runs = one.reproduced
    sizes = sorted(attempt.operations for attempt in found if attempt.operations is not None)
    shrunk = "-" if not sizes else str(sizes[0]) if sizes[0] == sizes[-1] else f"{sizes[0]} to {sizes[-1]}"
    return (
        one.fault,
        one.difficulty,
        f"{len(found)} of {len(one.attempts)}",
        _pair([float(attempt.programs) for attempt in found], 0),
        _pair([attempt.seconds for attempt in found], 1),
        f"{one.named_right} of {len(found)}",
        f"{shrunk} ({one.minimum})",
        f"{one.minimal} of {len(found)}",
        _pair([attempt.shrink_s for attempt in found if attempt.shrink_s is not None], 0),
        f"{seen} of {runs}",
    )


def _pair(values: Sequence[float], digits: int) -> str:
    known = middle_and_ninetieth(values)
    return "-" if known is None else f"{known[0]:.{digits}f} / {known[1]:.{digits}f}"
