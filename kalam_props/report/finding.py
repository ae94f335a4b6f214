"""A finding in the order in which an engineer asks: what, by what program, seen how, how often, and again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kalam_props.errors import StorageError
from kalam_props.history.reader import read_history
from kalam_props.hunt.finding import Finding
from kalam_props.hunt.flushing import meetings
from kalam_props.hunt.measure import Rate
from kalam_props.hunt.rates import runs_needed
from kalam_props.hunt.structure import in_turns
from kalam_props.programs import codec
from kalam_props.report.lanes import lanes
from kalam_props.report.programs import describe_program
from kalam_props.report.script import shell_script

SCRIPT = "reproduce.sh"


def finding_text(finding: Finding, target: str) -> str:
    """The finding for a terminal. Writes its shell reproduction, which it names.

    Raises:
        StorageError: the script cannot be written.

    """
    script = write_script(finding, target)
    facts = "\n".join((*how_often(finding), *how_found(finding)))
    return (
        f"\n{finding.anomaly.name}: {finding.anomaly.explanation}\n\n"
        f"{describe_program(finding.program)}\n\n"
        f"{lanes(read_history(finding.history), finding.anomaly.witness)}\n\n"
        f"{facts}\n"
        f"history    {finding.history}\n"
        f"by hand    sh {script}\n"
        f"seed       {finding.seed_file or 'not saved: the run ended before'}\n"
        f"reproduce  {replay_command(finding)}\n"
    )


def how_often(finding: Finding) -> tuple[str, ...]:
    """How often the program fails, at what cost, and whether it is a race."""
    rate = finding.confirmed
    if not rate.runs:
        return ("not measured how often it reproduces: the run ended before",)
    if not rate.seen:
        most = f"{rate.interval[1]:.0%}"
        return (f"reproduced 0 of {rate.runs} runs: seen once, in the run kept; up to {most} may show it",)
    cost = f"{rate.seconds / rate.runs:.2f} s a run, {rate.cost:.2f} s a failure"
    low, high = rate.interval
    lines = [f"reproduced {rate.seen} of {rate.runs} runs ({low:.0%} to {high:.0%}), {cost}"]
    turns = finding.in_turns
    beside = ", beside a flush that it asks for," if any(map(meetings, in_turns(finding.program))) else ""
    if not finding.needs_concurrency and turns is None:
        lines.append(f"needs no concurrency: it fails with every operation in turn{beside.rstrip(',')}")
    elif turns is not None and turns.seen:
        lines.append(f"needs no concurrency: with its lanes in turn{beside} it failed in {turns}")
    elif turns is not None:
        few = ", too few to tell" if turns.runs < runs_needed(rate.likely, 0.05) else ""
        lines.append(f"needs concurrency: with its lanes in turn it failed in 0 of {turns.runs} runs{few}")
    if finding.steadier is not None:
        program, steadier = finding.steadier
        lines.append(f"steadier: a program of {program.operations} operations failed in {steadier}")
    return tuple(lines)


def how_found(finding: Finding) -> tuple[str, ...]:
    """How it was discovered and made small."""
    shrinking, rate = finding.shrinking, finding.discovery
    lines = [f"discovered as {', '.join(finding.also)}"] if finding.also else []
    first = f"the program that discovered it failed again in {rate}" if rate.runs else ""
    if shrinking.tried:
        ended = "" if shrinking.finished else "; the budget ended before all was tried"
        lines.append(
            f"shrunk from {finding.original.operations} to {finding.program.operations} operations in "
            f"{shrinking.seconds:.0f} s: {shrinking.tried} candidates, {shrinking.runs} runs, "
            f"driver {shrinking.driver}{ended}"
        )
    elif rate.runs and not rate.seen:
        first += ": not shrunk, since nothing could be compared with it"
    return (*lines, first) if first else tuple(lines)


def replay_command(finding: Finding) -> str:
    """What to paste to run it again."""
    if finding.seed_file is None:
        return f"kalam-props hunt --resume {finding.folder.parent}"
    faults = "".join(f" --fault {fault}" for fault in finding.faults)
    return f"kalam-props replay {finding.seed_file}{faults}"


def write_script(finding: Finding, target: str) -> Path:
    """The finding's shell reproduction, in its folder.

    Raises:
        StorageError: it cannot be written.

    """
    path = finding.folder / SCRIPT
    text = shell_script(
        finding.program,
        finding.anomaly,
        read_history(finding.history),
        reproduced=finding.reproduced,
        found_on=target,
    )
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise StorageError(f"{path}: cannot be written ({error.strerror})") from None
    return path


def finding_json(finding: Finding) -> dict[str, Any]:
    """A finding in the stable JSON document of a hunt."""
    return {
        "anomaly": finding.anomaly.name,
        "explanation": finding.anomaly.explanation,
        "discovered_as": list(finding.also),
        "witness": list(finding.anomaly.witness),
        "program": codec.to_json(finding.program),
        "operations": finding.program.operations,
        "found_operations": finding.original.operations,
        "machine": finding.machine,
        "stage": finding.stage,
        "needs_concurrency": finding.needs_concurrency,
        "reproduced": list(finding.reproduced),
        "rate": _rate(finding.confirmed),
        "in_turns": _rate(finding.in_turns),
        "discovery": _rate(finding.discovery),
        "shrink_seconds": round(finding.shrinking.seconds, 1),
        "shrink_tried": finding.shrinking.tried,
        "shrink_runs": finding.shrinking.runs,
        "shrink_driver": finding.shrinking.driver,
        "shrink_finished": finding.shrinking.finished,
        "seed_file": None if finding.seed_file is None else str(finding.seed_file),
        "script": str(finding.folder / SCRIPT),
        "history": str(finding.history),
    }


def _rate(rate: Rate | None) -> dict[str, Any] | None:
    if rate is None or not rate.runs:
        return None
    low, high = rate.interval
    return {
        "seen": rate.seen,
        "runs": rate.runs,
        "interval": [round(low, 3), round(high, 3)],
        "seconds": round(rate.seconds, 2),
    }
