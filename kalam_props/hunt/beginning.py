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
from kalam_props.hunt.measure import PROMISED, Bench, Rate, count, estimate
from kalam_props.hunt.shapes import shapes
from kalam_props.hunt.sharpen import placed_together
from kalam_props.hunt.shrink import Best, best_of
from kalam_props.hunt.structure import goes_down, steps_of
from kalam_props.programs.codec import digest
from kalam_props.programs.model import Program

SHAPES_SHARE = 0.55
HANGING_SHARE = 0.7
"""Of the seconds for shrinking, those that shapes may take; and where a failure is to wait for nothing."""

OTHERS_FIRST = 0.5
OUTAGES_UNTIL = 0.85
"""Of that, when the first turn of those without an outage is over, and those with one."""

GUESS_RUNS = 36
"""Runs of a guess at the most, at all places together, before it is given up."""

GUESS_SHARE = 1 / 3
"""Of the seconds that are left, those that one guess, or the estimate of its rate, may take: where the server
goes down, a run takes a second."""

TURN = 4
"""Runs at one place before the next one has its turn."""


def begin(bench: Bench, found: Best, deadline: float) -> tuple[Best, Rate]:
    """What to shrink, and how often it fails; the rate is 0 of n when nothing was seen to fail again.

    A shape that was taken and then fails in less than one of ten runs was luck, or was helped by what went on
    meanwhile: it is tried at other places, then others are, as far as there is time, and it stays only where
    none is better.

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
    began = time.monotonic()
    shapes_until = began + share * (deadline - began)
    lucky: list[tuple[Best, Rate]] = []
    while trials := _shape_that_fails(bench, known, wanted, began, shapes_until):
        best, rate = _estimated(bench, best_of(trials, wanted), deadline)
        if rate.likely < PROMISED and not goes_down(best.program):
            placed = probe(bench, best.program, wanted, min(shapes_until, share_until(deadline)))
            if placed:
                again = _estimated(bench, best_of(placed, wanted), deadline)
                best, rate = max((best, rate), again, key=lambda one: one[1].likely)
        if rate.likely >= PROMISED:
            return best, rate
        lucky.append((best, rate))
        known = [shape for shape in known if _operations(shape) != _operations(best.program)]
    best, rate = max(lucky, key=lambda one: one[1].likely, default=(found, Rate()))
    if rate.seen:
        return best, rate
    trials = _cut_that_fails(bench, found, history, deadline)
    return _estimated(bench, best_of(trials, wanted) if trials else found, deadline)


def _estimated(bench: Bench, best: Best, deadline: float) -> tuple[Best, Rate]:
    return best, estimate(bench, best.program, best.sighting, deadline=share_until(deadline))


def _operations(program: Program) -> list[str]:
    """In no order: where a program is placed in time, lanes and rounds are made of its steps anew."""
    return sorted(repr(step.op) for step in steps_of(program))


def _shape_that_fails(
    bench: Bench, known: list[Program], wanted: Sighting, began: float, deadline: float
) -> list[Trial]:
    """Those in which the server goes down have a part of the time for themselves, and come in between.

    A run of one takes as long as ten without: they must not take the time of all. And of the others there are
    many, at all their places: where a failure needs an outage, none of them shows it.
    """
    outages = [shape for shape in known if goes_down(shape)]
    others = [shape for shape in known if not goes_down(shape)]
    if not outages:
        return shape_that_fails(bench, others, wanted, deadline)
    spent = deadline - began
    return (
        shape_that_fails(bench, others, wanted, began + OTHERS_FIRST * spent, turns=1)
        or shape_that_fails(bench, outages, wanted, began + OUTAGES_UNTIL * spent)
        or shape_that_fails(bench, others, wanted, deadline)
    )


def share_until(deadline: float) -> float:
    """When the share of what is left until the deadline is over."""
    now = time.monotonic()
    return now + GUESS_SHARE * (deadline - now)


def _cut_that_fails(bench: Bench, found: Best, history: History, deadline: float) -> list[Trial]:
    """Trials of the first cut of the program that fails; none where none does."""
    cuts = cut_to_witness(found.program, history, found.sighting.anomaly)
    for guess in {digest(cut): cut for cut in cuts}.values():
        if 0 < guess.operations < found.program.operations:
            trials = probe(bench, guess, found.sighting, share_until(deadline))
            if trials:
                return trials
    return []


def probe(
    bench: Bench, guess: Program, wanted: Sighting, deadline: float, *, each: int | None = None
) -> list[Trial]:
    """Trials of the guess, at the place where it failed most often; none: it is given up.

    `each`: runs at each place, where it is known that the program fails; else some runs in all.
    """
    choices = placed_together(guess)
    arms: list[list[Trial]] = [[] for _ in choices]
    most = GUESS_RUNS if each is None else each * len(choices)
    while sum(map(len, arms)) < most and time.monotonic() < deadline:
        for arm, choice in zip(arms, choices, strict=True):
            if time.monotonic() >= deadline:
                break
            arm.extend(bench.until(choice, TURN, lambda trials: count(trials, wanted) >= ENOUGH))
            if count(arm, wanted) >= ENOUGH:
                return arm
    seen = sum(count(arm, wanted) for arm in arms)
    return max(arms, key=lambda arm: count(arm, wanted)) if seen >= ENOUGH else []
