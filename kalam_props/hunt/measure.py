"""How often a program shows an anomaly, by running it: k of n, with the interval that this leaves open."""

from __future__ import annotations

import time
from typing import Protocol

from attrs import frozen

from kalam_props.hunt.families import Sighting
from kalam_props.hunt.lab import Enough, Trial
from kalam_props.hunt.rates import lower_bound, upper_bound
from kalam_props.programs.model import Program

ESTIMATE_RUNS = 60
"""Runs to learn a rate at the most: one failure in ten is then missed twice in a thousand times."""

CONFIRM_RUNS = 20
"""Runs from which it is told how often a program fails, and with the hunt's own driver at the least."""

ENOUGH_SEEN = 4
"""Failures after which a rate is known well enough to plan with."""

PROMISED = 0.1
"""A rate that we promise to shrink."""


class Bench(Protocol):
    """Where programs are run and judged: a `Lab`, or a model of one in tests."""

    def until(self, program: Program, runs: int, enough: Enough) -> list[Trial]:
        """Run a program up to `runs` times, until the trials so far are `enough`."""
        ...


@frozen
class Rate:
    """An anomaly was seen in `seen` of `runs` runs, which took `seconds`."""

    seen: int = 0
    runs: int = 0
    seconds: float = 0.0

    def __add__(self, other: Rate) -> Rate:
        """Of both together: what is measured once more."""
        return Rate(self.seen + other.seen, self.runs + other.runs, self.seconds + other.seconds)

    @property
    def likely(self) -> float:
        return self.seen / self.runs if self.runs else 0.0

    @property
    def interval(self) -> tuple[float, float]:
        """The rates that these runs leave possible, at 90 % confidence (5 % on either side)."""
        return lower_bound(self.seen, self.runs, 0.95), upper_bound(self.seen, self.runs, 0.95)

    @property
    def cost(self) -> float:
        """Seconds until it is seen once, on average; infinite when it never was."""
        return self.seconds / self.seen if self.seen else float("inf")

    def __str__(self) -> str:
        low, high = self.interval
        return f"{self.seen} of {self.runs} ({low:.0%} to {high:.0%})"


def estimate(
    bench: Bench,
    program: Program,
    wanted: Sighting,
    *,
    runs: int = ESTIMATE_RUNS,
    enough: int = ENOUGH_SEEN,
    deadline: float = float("inf"),
) -> Rate:
    """Run a program until its rate is clear: after `enough` failures, `runs` runs, or at the deadline.

    The run that discovered the failure is left out: it was chosen for having failed.
    """
    began = time.monotonic()

    def clear(trials: list[Trial]) -> bool:
        return count(trials, wanted) >= enough or time.monotonic() >= deadline

    trials = bench.until(program, runs, clear)
    return Rate(count(trials, wanted), len(trials), time.monotonic() - began)


def count(trials: list[Trial], wanted: Sighting) -> int:
    """How many of these trials show the anomaly, or a more telling one of its family."""
    return sum(trial.showing(wanted) is not None for trial in trials)
