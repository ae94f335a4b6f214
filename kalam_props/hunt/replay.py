"""Run seeds again: is the bug still there?"""

from __future__ import annotations

from pathlib import Path
from typing import Literal, TypeAlias

from attrs import frozen

from kalam_props.errors import CorruptInputError, KalamPropsError, StorageError
from kalam_props.hunt.lab import Lab, Trial
from kalam_props.hunt.rates import lower_bound, runs_needed
from kalam_props.hunt.seeds import Seed, read

Status: TypeAlias = Literal["FIXED", "FAILED", "NOT-REPRODUCED", "ERROR"]

MAX_RUNS = 30
"""Runs of one seed unless told to go on until confident."""


@frozen
class Replayed:
    """What became of one seed.

    Attributes:
        reproduced: runs that showed the anomaly, and runs.
        needed: runs without it that are evidence of a fix, at the seed's rate and 99 % confidence.
        history: one that shows it, if any.
        known_open: the seed's reason to be expected to fail.

    """

    seed_file: Path
    status: Status
    anomaly: str | None
    reproduced: tuple[int, int]
    needed: int | None
    message: str
    history: Path | None = None
    known_open: str | None = None

    @property
    def red(self) -> bool:
        """Whether this must turn a run red: it failed unexpectedly, or an open bug no longer shows."""
        if self.known_open is not None:
            return self.status == "FIXED"
        return self.status == "FAILED"


def replay(lab: Lab, path: Path, *, until_confident: bool) -> Replayed:
    """Run the seed in a file as often as its recorded rate asks for, until it fails.

    Returns ERROR, with the reason, for a file that is no seed and for a target that refuses its programs.
    """
    try:
        seed = read(path)
    except CorruptInputError as error:
        return Replayed(path, "ERROR", None, (0, 0), None, str(error))
    needed = needed_runs(seed)
    runs = needed if until_confident else min(needed, MAX_RUNS)
    try:
        trials = lab.until(seed.program, runs, lambda trials: any(_shows(trial, seed) for trial in trials))
    except StorageError:
        raise
    except KalamPropsError as error:
        return Replayed(path, "ERROR", seed.anomaly, (0, 0), needed, str(error), known_open=seed.known_open)
    seen = sum(_shows(trial, seed) for trial in trials)
    failed = next((trial for trial in trials if _shows(trial, seed)), None)
    status = _status(seen, len(trials), needed)
    message = _message(status, seed, seen, len(trials), needed)
    if failed is not None and (found := failed.anomaly(seed.anomaly)) is not None:
        message = f"{message}: {found.explanation}"
    others = sorted({a.name for trial in trials for a in trial.verdict.anomalies} - {seed.anomaly})
    if others:
        message = f"{message}; also seen: {', '.join(others)}"
    return Replayed(
        path,
        status,
        seed.anomaly,
        (seen, len(trials)),
        needed,
        message,
        failed.history if failed else None,
        seed.known_open,
    )


def needed_runs(seed: Seed) -> int:
    """Runs that 99 % confidence needs at the recorded rate's lower bound, since the record is an estimate."""
    seen, runs = seed.reproduced
    rate = lower_bound(seen, runs) or 0.01
    return runs_needed(rate)


def _shows(trial: Trial, seed: Seed) -> bool:
    return trial.anomaly(seed.anomaly) is not None


def _status(seen: int, runs: int, needed: int) -> Status:
    if seen:
        return "FAILED"
    return "FIXED" if runs >= needed else "NOT-REPRODUCED"


def _message(status: Status, seed: Seed, seen: int, runs: int, needed: int) -> str:
    match status:
        case "FAILED":
            return f"{seed.anomaly} in {seen} of {runs} runs"
        case "FIXED":
            return f"not seen in {runs} runs; {needed} are evidence at the recorded rate"
        case _:
            return (
                f"not seen in {runs} runs, which is no evidence yet: {needed} are needed (--until-confident)"
            )
