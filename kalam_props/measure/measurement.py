"""Hunt for one fault with several random seeds, and set what was found against what an expert wrote."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from pathlib import Path
from statistics import median
from typing import TypeAlias

from attrs import asdict, frozen

from kalam_props.errors import KalamPropsError, StorageError
from kalam_props.hunt.campaign import Listener, Plan, hunt
from kalam_props.hunt.finding import Finding
from kalam_props.hunt.lab import Lab
from kalam_props.measure import records
from kalam_props.measure.records import Attempt
from kalam_props.measure.yardsticks import YARDSTICKS
from kalam_props.programs.machines import MACHINES
from kalam_props.reference import FAULTS
from kalam_props.targets.opening import TargetOptions, open_run

RECORD = "attempt.json"


@frozen
class Budget:
    """What one hunt may take: programs, or seconds of exploring, whichever ends first; then shrinking."""

    programs: int | None
    seconds: float | None
    shrink_s: float


@frozen
class Measurement:
    """All attempts at one fault and difficulty."""

    fault: str
    difficulty: str
    minimum: int
    attempts: tuple[Attempt, ...]

    @property
    def found(self) -> tuple[Attempt, ...]:
        return tuple(attempt for attempt in self.attempts if attempt.found)

    @property
    def named_right(self) -> int:
        return sum(attempt.named_right for attempt in self.found)

    @property
    def minimal(self) -> int:
        return sum(attempt.minimal for attempt in self.found)

    @property
    def above_minimum(self) -> tuple[int, ...]:
        """Operations that each shrunk program has more than the minimum; below 0 when it beat the expert."""
        return tuple(one.operations - self.minimum for one in self.found if one.operations is not None)

    @property
    def reproduced(self) -> tuple[int, int]:
        """Runs of the shrunk programs that showed the anomaly, and runs, all seeds together."""
        rates = [attempt.reproduced for attempt in self.found if attempt.reproduced is not None]
        return sum(seen for seen, _ in rates), sum(runs for _, runs in rates)


OnAttempt: TypeAlias = Callable[[str, str, Attempt], None]
"""Told of each attempt when it has ended: fault, difficulty, what came of it."""


def measure(
    fault: str,
    difficulty: str,
    seeds: int,
    budget: Budget,
    target: TargetOptions,
    folder: Path,
    on_attempt: OnAttempt,
) -> Measurement:
    """Hunt for a fault with random seeds 1 to `seeds`, each on a server of its own.

    What was hunted for in this folder before, with the same budget and driver, is not hunted for again: a
    measurement of hours goes on where it was interrupted.

    Raises:
        StorageError: the folder cannot be written.
        CorruptInputError: what is in it cannot be read.

    """
    attempts = []
    for random_seed in range(1, seeds + 1):
        made_with = {
            "fault": fault,
            "parameters": {str(name): values for name, values in FAULTS[fault].difficulties.items()}[
                difficulty
            ],
            "seed": random_seed,
            "driver": target.driver,
            **asdict(budget),
        }
        own = folder / f"{fault}-{difficulty}-{random_seed:02d}"
        attempt = records.read(own / RECORD, made_with)
        if attempt is None:
            attempt = _attempt(fault, difficulty, random_seed, budget, target, own)
            records.write(own / RECORD, made_with, attempt)
        attempts.append(attempt)
        on_attempt(fault, difficulty, attempt)
    return Measurement(fault, difficulty, YARDSTICKS[fault].operations, tuple(attempts))


def _attempt(
    fault: str, difficulty: str, random_seed: int, budget: Budget, target: TargetOptions, folder: Path
) -> Attempt:
    switch = f"{fault}:difficulty={difficulty}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"{folder}: cannot be created ({error.strerror})") from None
    plan = Plan(
        machines=dict(MACHINES),
        random_seed=random_seed,
        programs=budget.programs,
        seconds=budget.seconds,
        shrink_s=budget.shrink_s,
        fail_fast=True,
        faults=(switch,),
        seeds_folder=folder / "seeds",
    )
    began = time.monotonic()
    programs = 0
    detected: float | None = None

    def ran(_: object) -> None:
        nonlocal programs
        programs += 1

    def failed(_: object) -> None:
        nonlocal detected
        detected = time.monotonic() - began

    ended_early: str | None = None
    findings: tuple[Finding, ...] = ()
    options = TargetOptions(
        kalam=target.kalam, driver=target.driver, identity=target.identity, faults=(switch,)
    )
    try:
        with open_run(options, folder) as workspace:
            lab = Lab(workspace, folder / "histories")
            began = time.monotonic()
            outcome = hunt(lab, plan, Listener(on_trial=ran, on_failure=failed))
            findings = outcome.findings
            if outcome.interrupted:
                raise KeyboardInterrupt
    except StorageError:
        raise
    except KalamPropsError as error:
        ended_early = str(error)
    seconds = detected if detected is not None else time.monotonic() - began
    if not findings:
        return Attempt(random_seed, programs, seconds, error=ended_early)
    finding, yardstick = findings[0], YARDSTICKS[fault]
    return Attempt(
        random_seed,
        programs,
        seconds,
        anomaly=finding.anomaly.name,
        named_right=finding.anomaly.name in yardstick.names,
        program=finding.program,
        operations=finding.program.operations,
        minimal=finding.program.operations < yardstick.operations
        or yardstick.has(finding.program, finding.anomaly.name),
        shrink_s=finding.shrinking.seconds,
        reproduced=finding.reproduced,
        error=ended_early,
    )


def middle_and_ninetieth(values: Iterable[float]) -> tuple[float, float] | None:
    """Median and 90th percentile (the smallest value that nine in ten do not exceed); None of nothing."""
    ordered = sorted(values)
    if not ordered:
        return None
    return median(ordered), ordered[-(-len(ordered) * 9 // 10) - 1]
