"""Run seeds again: is the bug still there?"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal, TypeAlias

from attrs import frozen

from kalam_props.checks.judge import judge
from kalam_props.checks.verdict import Anomaly
from kalam_props.errors import CorruptInputError, KalamPropsError, StorageError
from kalam_props.history.reader import read_history
from kalam_props.hunt.families import Sighting, shows, sight
from kalam_props.hunt.lab import Lab, Trial
from kalam_props.hunt.rates import lower_bound, runs_needed
from kalam_props.hunt.seeds import Seed, read
from kalam_props.hunt.structure import goes_down
from kalam_props.programs.model import Program

Status: TypeAlias = Literal["FIXED", "FAILED", "NOT-REPRODUCED", "ERROR"]

AIMED_RUNS = 8
"""Runs before aim is taken anew."""

MISSES = 3
"""So many times the runs that are needed are made at the most, where some miss the flush."""

RATE_UNKNOWN = 0.01
"""A rate to look for where the record has none."""

MAX_RUNS = 30
"""Runs of one seed unless told to go on until confident."""


@frozen
class Replayed:
    """What became of one seed.

    Attributes:
        reproduced: runs that showed the anomaly, and runs.
        needed: runs without it that are evidence of a fix, at the seed's rate and 99 % confidence; None where
            that rate is not known.
        seconds: how long the runs took together.
        history: one that shows it, if any.
        known_open: the seed's reason to be expected to fail.
        others: anomalies of other kinds that the runs showed.

    """

    seed_file: Path
    status: Status
    anomaly: str | None
    reproduced: tuple[int, int]
    needed: int | None
    message: str
    history: Path | None = None
    known_open: str | None = None
    others: tuple[str, ...] = ()
    seconds: float = 0.0

    @property
    def red(self) -> bool:
        """Whether this must turn a run red.

        It failed unexpectedly, an open bug no longer shows, or another anomaly was seen.
        """
        return bool(self.others) or self.status == ("FAILED" if self.known_open is None else "FIXED")


def replay(lab: Lab, path: Path, *, until_confident: bool) -> Replayed:
    """Run the seed in a file as often as its recorded rate asks for, until it fails.

    Returns ERROR, with the reason, for a file that is no seed and for a target that refuses its programs.
    """
    try:
        seed = read(path)
    except CorruptInputError as error:
        return Replayed(path, "ERROR", None, (0, 0), None, str(error))
    began = time.monotonic()
    needed = needed_runs(seed)
    known = seed.reproduced[0] > 0
    told = needed if known else None
    runs = needed if until_confident else min(needed, MAX_RUNS)
    wanted = sighting(seed)
    try:
        trials, met = _run(lab, seed.program, wanted, runs)
    except StorageError:
        raise
    except KalamPropsError as error:
        return Replayed(path, "ERROR", seed.anomaly, (0, 0), told, str(error), known_open=seed.known_open)
    failures = [(trial, seen) for trial in trials if (seen := trial.showing(wanted)) is not None]
    comparable = not seed.found.gate or lab.workspace.target.gate is not None
    status = outcome_of(len(failures), met, needed, comparable=comparable and known)
    if failures:
        explanation = failures[0][1].anomaly.explanation
        message = f"{seed.anomaly} in {len(failures)} of {len(trials)} runs: {explanation}"
    else:
        worth = _worth(seed, len(trials), met, needed, comparable=comparable)
        message = f"not seen in {len(trials)} runs{worth}"
    # Where the seed's anomaly was seen, other names of its family are sides of it.
    others = tuple(
        sorted(
            {
                seen.name
                for trial in trials
                for seen in trial.sightings
                if not shows(seen, wanted) and not (failures and seen.family == wanted.family)
            }
        )
    )
    if others:
        message = f"{message}; also seen: {', '.join(others)}"
    return Replayed(
        path,
        status,
        seed.anomaly,
        (len(failures), len(trials)),
        told,
        message,
        failures[0][0].history if failures else None,
        seed.known_open,
        others,
        time.monotonic() - began,
    )


def _run(lab: Lab, program: Program, wanted: Sighting, runs: int) -> tuple[list[Trial], int]:
    """Trials until one shows it or `runs` of them are evidence; and how many are.

    What misses the flush that it is aimed at is none. Aim is taken anew before each few.
    """
    trials: list[Trial] = []
    met = 0
    while met < runs and len(trials) < MISSES * runs and not any(trial.showing(wanted) for trial in trials):
        more = lab.until(
            program, min(runs, AIMED_RUNS), lambda ended: any(trial.showing(wanted) for trial in ended)
        )
        trials += more
        met += sum(trial.met for trial in more)
    return trials, met


def replay_all(
    lab: Lab, paths: Sequence[Path], *, until_confident: bool, parallel: int
) -> Iterator[Replayed]:
    """Replay seeds, `parallel` at once; their results in the order of `paths`.

    One that kills or restarts the server is run when no other is.
    """
    together: list[Path] = []
    for path in paths:
        if _disturbs(path):
            yield from _side_by_side(lab, together, until_confident, parallel)
            yield replay(lab, path, until_confident=until_confident)
            together = []
        else:
            together.append(path)
    yield from _side_by_side(lab, together, until_confident, parallel)


def _side_by_side(lab: Lab, paths: list[Path], until_confident: bool, parallel: int) -> Iterator[Replayed]:  # noqa: FBT001
    with ThreadPoolExecutor(parallel) as pool:
        yield from pool.map(lambda path: replay(lab, path, until_confident=until_confident), paths)


def _disturbs(path: Path) -> bool:
    try:
        return goes_down(read(path).program)
    except CorruptInputError:
        return False


def sighting(seed: Seed) -> Sighting:
    """The seed's anomaly, with the side on which its recorded history shows it."""
    anomaly = Anomaly(seed.anomaly, (), seed.explanation)
    if not seed.history:
        return Sighting(anomaly)
    try:
        lines = "\n".join(json.dumps(event) for event in seed.history)
        history = read_history(lines)
    except CorruptInputError:
        return Sighting(anomaly)  # a seed may be cut by hand: what it does not show is not known
    recorded = next((found for found in judge(history).anomalies if found.name == seed.anomaly), None)
    return sight(recorded, history) if recorded is not None else Sighting(anomaly)


def needed_runs(seed: Seed) -> int:
    """Runs that 99 % confidence needs at the recorded rate's lower bound, since the record is an estimate.

    Where the record has no failure, as many as a rate of one in a hundred needs: none are evidence then.
    """
    seen, runs = seed.reproduced
    return runs_needed(lower_bound(seen, runs) or RATE_UNKNOWN)


def outcome_of(seen: int, runs: int, needed: int, *, comparable: bool) -> Status:
    """What `seen` failures in `runs` runs mean, where `needed` without one are evidence of a fix.

    `comparable`: the rate is known, from runs that met the races no better than these.
    """
    if seen:
        return "FAILED"
    return "FIXED" if comparable and runs >= needed else "NOT-REPRODUCED"


def _worth(seed: Seed, runs: int, met: int, needed: int, *, comparable: bool) -> str:
    """What runs that did not show it are worth as evidence, in words that follow their number."""
    if not comparable:
        return (
            ", which is no evidence: its rate is one with the gate, and this "
            "was without (leave out --no-gate)"
        )
    if not seed.reproduced[0]:
        return (
            ", which is no evidence: it was not seen again when it was found "
            f"(0 of {seed.reproduced[1]}) either, so how many are needed is not known"
        )
    if met >= needed:
        return f"; {needed} are evidence at the recorded rate"
    if met < runs:
        return (
            f", but only {met} of them met the flush that they are aimed at, and {needed} such are needed; "
            "the machine may be busier than when it was found"
        )
    return f", which is no evidence yet: {needed} are needed (--until-confident)"
