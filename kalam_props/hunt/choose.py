"""Which of the programs that shrinking came by is the result: the smallest, unless it hardly ever fails."""

from __future__ import annotations

import time
from collections.abc import Iterable

from attrs import evolve

from kalam_props.history.operations import READS
from kalam_props.hunt.measure import CONFIRM_RUNS, Bench, Rate, count, estimate
from kalam_props.hunt.shrink import Best, Shrunk, best_of
from kalam_props.hunt.structure import steps_of
from kalam_props.programs.model import Program, Round, Step, user_of

TOO_RARE = 0.3
CLEARLY_MORE = 4
"""A smallest program that fails less often is given up for a slightly larger one that fails so many times as
often."""

SELDOM = 0.5
TWICE = 2
"""The same for one with as many operations; and so many times as often a larger one fails that is told of."""

CROWD_RUNS = 8
"""Runs of a lone read beside itself, before it is compared."""

CLEAR_AFTER = 10
"""Failures after which it is known how often another one fails. With four, luck makes one in two of one in
five, and the result has an operation too many."""

PROMISING = 0.5
"""Of the others, those are tried that were seen to fail so often, compared with the steadiest."""


def settled(bench: Bench, result: Shrunk, deadline: float, choosing_s: float) -> tuple[Best, Best | None]:
    """What shrinking comes to, and a steadier program that is told of beside it, if there is one.

    A lone read that hardly ever fails is also tried three times beside itself: what fails under load only
    failed beside the reads that every program ends with, and nothing larger was looked at. Of a smallest that
    is not seen to fail at all any more, the last one before it that is takes the place.

    `deadline`: of what was shrunk until now, which is mostly over; then there are `choosing_s` seconds more.
    """
    small = result.best
    crowd = _three_beside_each_other(small.program)
    if not result.larger and crowd is None:
        return small, None
    until = deadline + choosing_s
    known_by = min(until, max(deadline, time.monotonic() + choosing_s / 2))
    rate = estimate(bench, small.program, small.sighting, deadline=known_by)
    if crowd is not None and rate.likely < TOO_RARE:
        trials = bench.until(crowd, CROWD_RUNS, lambda _: time.monotonic() >= until)
        failing = [best_of(trials, small.sighting)] if count(trials, small.sighting) else []
        result = evolve(result, larger=(*failing, *result.larger))
    other = _instead(bench, result, rate, until)
    if other is None and not rate.seen:
        other = _last_that_fails(bench, result.larger, until)
    if other is not None:
        return other, None
    larger = _steadier(result, rate)
    if larger is None:
        return small, None
    # What it was accepted for may have been seen with another driver.
    again = estimate(bench, larger.program, larger.sighting, enough=CLEAR_AFTER, deadline=until)
    return small, evolve(larger, rate=again) if _clearly_more(again, rate, TWICE) else None


def _three_beside_each_other(program: Program) -> Program | None:
    """The program three times at once, by sessions of one user; None where it is more than one read."""
    steps = steps_of(program)
    if len(steps) != 1 or not isinstance(steps[0].op, READS):
        return None
    (session,) = program.rounds[0].lanes
    read: tuple[Step, ...] = (Step(steps[0].op),)
    lanes = {f"{user_of(session)}/{number}": read for number in (1, 2, 3)}
    return program.with_rounds((Round(lanes),))


def _instead(bench: Bench, result: Shrunk, rate: Rate, deadline: float) -> Best | None:
    """One that is hardly larger, where the smallest hardly ever fails; one as large, where it does so seldom.

    `rate`: of the smallest, from a few failures; it is measured again before it is given up for that.
    """
    small = result.best
    own = small.program.operations
    others = [
        other
        for other in result.hardly_larger
        if rate.likely < (TOO_RARE if other.program.operations > own else SELDOM)
    ]
    steady = max((other.rate.interval[0] for other in others), default=0.0)
    steadiest: dict[int, Best] = {}
    for other in sorted(others, key=lambda other: other.rate.interval[0]):
        if other.rate.interval[0] >= PROMISING * steady:
            steadiest[other.program.operations] = other
    for _, other in sorted(steadiest.items()):
        times = CLEARLY_MORE if other.program.operations > own else TWICE
        again = estimate(bench, other.program, other.sighting, enough=CLEAR_AFTER, deadline=deadline)
        if _clearly_more(again, rate, times):
            rate += estimate(bench, small.program, small.sighting, deadline=deadline)
            if _clearly_more(again, rate, times):
                return other
    return None


def _last_that_fails(bench: Bench, larger: Iterable[Best], deadline: float) -> Best | None:
    """Of the programs that were accepted before, the last first, one that is seen to fail again."""
    for other in larger:
        rate = estimate(bench, other.program, other.sighting, runs=CONFIRM_RUNS, enough=1, deadline=deadline)
        if rate.seen:
            return other
    return None


def _steadier(result: Shrunk, rate: Rate) -> Best | None:
    """One with more operations that was accepted for failing clearly twice as often, if there is one."""
    own = result.best.program.operations
    larger = (other for other in result.hardly_larger if other.program.operations > own)
    return next((other for other in larger if _clearly_more(other.rate, rate, TWICE)), None)


def _clearly_more(one: Rate, other: Rate, times: float) -> bool:
    """Whether one was seen so many times as often as the other, and more often even if both were luck."""
    return one.likely >= times * other.likely and one.interval[0] > other.interval[1]
