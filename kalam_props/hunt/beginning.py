"""What shrinking begins with: what the witness leaves of a program that failed, else all of it.

The program that was found may run for seconds. What its witness names costs little to try, so that is tried
before it is asked how often the whole fails: first the few shapes that small reproductions have, then cuts.
"""

from __future__ import annotations

import time

from kalam_props.history.events import History
from kalam_props.history.reader import read_history
from kalam_props.hunt.contest import ENOUGH, shape_that_fails
from kalam_props.hunt.cuts import core, cut_to_witness
from kalam_props.hunt.families import Sighting
from kalam_props.hunt.lab import Trial
from kalam_props.hunt.measure import Bench, Rate, count, estimate
from kalam_props.hunt.shapes import shapes
from kalam_props.hunt.sharpen import placed_together
from kalam_props.hunt.shrink import Best, best_of
from kalam_props.programs.codec import digest
from kalam_props.programs.model import Program

SHAPES_SHARE = 0.3
HANGING_SHARE = 0.7
"""Of the seconds for shrinking, those that shapes may take; and where a failure is to wait for nothing."""

GUESS_RUNS = 36
"""Runs of a guess at the most, at all places in a flush together, before it is given up."""

TURN = 4
"""Runs at one place before the next one has its turn."""


def begin(bench: Bench, found: Best, deadline: float) -> tuple[Best, Rate]:
    """What to shrink, and how often it fails; the rate is 0 of n when nothing was seen to fail again.

    `deadline`: for all of shrinking; estimating the whole may take a third of what is left.
    """
    wanted, history = found.sighting, read_history(found.history)
    anomaly = wanted.anomaly
    known = [
        shape
        for shape in shapes(found.program, core(found.program, history, anomaly), anomaly.key)
        if shape.operations < found.program.operations
    ]
    share = HANGING_SHARE if wanted.name == "hung" else SHAPES_SHARE
    shapes_until = time.monotonic() + share * (deadline - time.monotonic())
    trials = shape_that_fails(bench, known, wanted, shapes_until)
    if not trials:
        trials = _cut_that_fails(bench, found, history, deadline)
    if trials:
        best = best_of(trials, wanted)
        return best, estimate(bench, best.program, best.sighting, deadline=deadline)
    whole_until = (2 * time.monotonic() + deadline) / 3
    return found, estimate(bench, found.program, wanted, deadline=whole_until)


def _cut_that_fails(bench: Bench, found: Best, history: History, deadline: float) -> list[Trial]:
    """Trials of the first cut of the program that fails; none where none does."""
    cuts = cut_to_witness(found.program, history, found.sighting.anomaly)
    for guess in {digest(cut): cut for cut in cuts}.values():
        if 0 < guess.operations < found.program.operations:
            trials = _probe(bench, guess, found.sighting, deadline)
            if trials:
                return trials
    return []


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
