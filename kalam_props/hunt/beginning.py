"""What shrinking begins with: what the witness leaves of a program that failed, else all of it.

The program that was found may run for seconds. What its witness names costs little to try, so that is tried
before it is asked how often the whole fails.
"""

from __future__ import annotations

import time

from kalam_props.history.reader import read_history
from kalam_props.hunt.cuts import cut_to_witness
from kalam_props.hunt.families import Sighting
from kalam_props.hunt.lab import Trial
from kalam_props.hunt.measure import Bench, Rate, count, estimate
from kalam_props.hunt.sharpen import placed_together
from kalam_props.hunt.shrink import Best, best_of
from kalam_props.programs.model import Program

GUESS_RUNS = 36
"""Runs of a guess at the most, at all places in a flush together, before it is given up."""

TURN = 4
"""Runs at one place before the next one has its turn."""

ENOUGH = 2
"""Failures after which a guess is taken: one may have been luck."""


def begin(bench: Bench, found: Best, deadline: float) -> tuple[Best, Rate]:
    """What to shrink, and how often it fails; the rate is 0 of n when nothing was seen to fail again.

    `deadline`: for all of shrinking; estimating the whole may take a third of what is left.
    """
    wanted = found.sighting
    for guess in cut_to_witness(found.program, read_history(found.history), wanted.anomaly):
        if 0 < guess.operations < found.program.operations:
            trials = _probe(bench, guess, wanted, deadline)
            if trials:
                best = best_of(trials, wanted)
                return best, estimate(bench, best.program, best.sighting, deadline=deadline)
    whole_until = (2 * time.monotonic() + deadline) / 3
    return found, estimate(bench, found.program, wanted, deadline=whole_until)


def _probe(bench: Bench, guess: Program, wanted: Sighting, deadline: float) -> list[Trial]:
    """Trials of the guess, at the place in a flush where it failed most often; none: it is given up."""
    choices = placed_together(guess)
    arms: list[list[Trial]] = [[] for _ in choices]
    while sum(map(len, arms)) < GUESS_RUNS:
        for arm, choice in zip(arms, choices, strict=True):
            if time.monotonic() >= deadline:
                return []
            arm.extend(bench.until(choice, TURN, lambda trials: count(trials, wanted) >= ENOUGH))
            if count(arm, wanted) >= ENOUGH:
                return arm
    seen = sum(count(arm, wanted) for arm in arms)
    return max(arms, key=lambda arm: count(arm, wanted)) if seen >= ENOUGH else []
