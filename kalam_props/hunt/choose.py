"""Which of the programs that shrinking came by is the result: the smallest, unless it hardly ever fails."""

from __future__ import annotations

import time

from attrs import evolve

from kalam_props.hunt.measure import Bench, Rate, estimate
from kalam_props.hunt.shrink import Best, Shrunk

TOO_RARE = 0.3
CLEARLY_MORE = 4
"""A smallest program that fails less often is given up for a slightly larger one that fails so many times as
often."""

SELDOM = 0.5
TWICE = 2
"""The same for one with as many operations; and so many times as often a larger one fails that is told of."""

CLEAR_AFTER = 10
"""Failures after which it is known how often another one fails. With four, luck makes one in two of one in
five, and the result has an operation too many."""

PROMISING = 0.5
"""Of the others, those are tried that were seen to fail so often, compared with the steadiest."""


def settled(bench: Bench, result: Shrunk, deadline: float, choosing_s: float) -> tuple[Best, Best | None]:
    """What shrinking comes to, and a steadier program that is told of beside it, if there is one.

    `deadline`: of what was shrunk until now, which is mostly over; then there are `choosing_s` seconds more.
    """
    if not result.hardly_larger:
        return result.best, None
    until = deadline + choosing_s
    known_by = min(until, max(deadline, time.monotonic() + choosing_s / 2))
    small = result.best
    rate = estimate(bench, small.program, small.sighting, deadline=known_by)
    other = _instead(bench, result, rate, until)
    if other is not None:
        return other, None
    larger = _steadier(result, rate)
    if larger is None:
        return small, None
    # What it was accepted for may have been seen with another driver.
    again = estimate(bench, larger.program, larger.sighting, enough=CLEAR_AFTER, deadline=until)
    return small, evolve(larger, rate=again) if _clearly_more(again, rate, TWICE) else None


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


def _steadier(result: Shrunk, rate: Rate) -> Best | None:
    """One with more operations that was accepted for failing clearly twice as often, if there is one."""
    own = result.best.program.operations
    larger = (other for other in result.hardly_larger if other.program.operations > own)
    return next((other for other in larger if _clearly_more(other.rate, rate, TWICE)), None)


def _clearly_more(one: Rate, other: Rate, times: float) -> bool:
    """Whether one was seen so many times as often as the other, and more often even if both were luck."""
    return one.likely >= times * other.likely and one.interval[0] > other.interval[1]
