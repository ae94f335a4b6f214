"""From what was made small over HTTP to a program that the hunt's own driver makes fail.

There a client starts anew for each operation, some ten milliseconds after the last one. What met in time over
HTTP need not meet then, and what was written together is flushed one by one. So each program is tried as it
is, with clients that are started before they are needed, with flushes that wait for all that it writes, and
with its requests placed anew. What is to be the result has them where it fails most often with this driver.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from itertools import groupby

from attrs import evolve

from kalam_props.hunt.beginning import probe, share_until
from kalam_props.hunt.flushing import flushed_later
from kalam_props.hunt.lab import Trial, races
from kalam_props.hunt.measure import CONFIRM_RUNS, ESTIMATE_RUNS, PROMISED, Bench, Rate, count, estimate
from kalam_props.hunt.rates import still_fails
from kalam_props.hunt.sharpen import sharpen, with_clients_ahead
from kalam_props.hunt.shrink import SHORT, Best, best_of
from kalam_props.hunt.structure import distinct, steps_of
from kalam_props.programs.model import Program

WORTH_SHRINKING = 0.3
"""A rate with the hunt's own driver that is not asked to be higher still."""

STEADY, STEADY_RUNS = 0.9, 10
"""A rate with the hunt's own driver, in so many runs, for which no better places are looked for."""

EACH_PLACE = 8
"""Runs at each place at which a program is placed anew."""

AS_OFTEN = 0.5
"""Of the programs with as many operations two are tried: the last one that failed so often, compared with the
steadiest, and that. Which is the last may be luck."""

SEEN_TWICE = 5.0
"""Failures to be expected of so many runs that two of them will be seen, 24 times in 25."""


def failing_here(bench: Bench, chain: Iterable[Best], deadline: float) -> tuple[Best, Rate] | None:
    """The first of some programs, the smallest first, that fails on this bench about as often.

    Where none does, the smallest that failed here at all, of those the steadiest: nobody knows a better one.
    `deadline`: for this and all that is left to do; placing a program anew may take a third of that.
    """
    failed: list[tuple[Best, Rate]] = []
    for _, of_one_size in groupby(chain, key=lambda best: best.program.operations):
        small, steadiest = _last_and_steadiest(list(of_one_size))
        tries = [
            (best, program)
            for best in ((small,) if small is steadiest else (small, steadiest))
            for program in _for_slower_clients(best.program)
        ]
        for best, program in tries:
            if time.monotonic() >= deadline:
                return _smallest(failed)
            trials, expected = _runs_of(bench, program, best, deadline)
            rate = Rate(count(trials, best.sighting), len(trials))
            if rate.seen > 1 and rate.likely >= expected / 2:
                return best_of(trials, best.sighting), rate
            if rate.seen:
                failed.append((best_of(trials, best.sighting), rate))
        placed = _placed_anew(bench, steadiest, deadline)
        if placed is not None:
            return placed, placed.rate
    return _smallest(failed)


def steadied(bench: Bench, best: Best, deadline: float) -> Best | None:
    """A small program with its requests where it clearly fails more often on this bench; None: nowhere."""
    if best.program.operations > SHORT or not races(best.program):
        return None
    # The few runs for which it was taken flatter it.
    rate = estimate(
        bench, best.program, best.sighting, runs=STEADY_RUNS, enough=STEADY_RUNS, deadline=deadline
    )
    if rate.likely >= STEADY:
        return None
    trials = sharpen(bench, best.program, best.sighting, deadline=deadline)
    if not trials or trials[0].program == best.program:
        return None
    return best_of(trials, best.sighting)


def _last_and_steadiest(of_one_size: list[Best]) -> tuple[Best, Best]:
    """Of programs with as many operations, the last first."""
    steadiest = max(of_one_size, key=lambda one: one.rate.interval[0])
    often = (one for one in of_one_size if one.rate.likely >= AS_OFTEN * steadiest.rate.likely)
    return next(often), steadiest


def _smallest(failed: list[tuple[Best, Rate]]) -> tuple[Best, Rate] | None:
    return min(failed, key=lambda one: (one[0].program.operations, -one[1].interval[0]), default=None)


def _placed_anew(bench: Bench, best: Best, deadline: float) -> Best | None:
    """A small program with its requests at other places, where one is seen to fail."""
    if best.program.operations <= SHORT:
        for program in distinct((best.program, _flushed_later(best.program))).values():
            trials = probe(bench, program, best.sighting, share_until(deadline), each=EACH_PLACE)
            if trials:
                return best_of(trials, best.sighting)
    return None


def _runs_of(bench: Bench, program: Program, best: Best, deadline: float) -> tuple[list[Trial], float]:
    """Trials until it is clear whether it fails as often as is asked for, and how often that is."""
    # A rate from few runs may have been luck. Where nothing has to be met in time it does not depend on
    # the driver either: then only what hardly ever fails is dropped.
    most = WORTH_SHRINKING if races(program) else PROMISED
    expected = min(most, best.rate.interval[0])
    rare = min(ESTIMATE_RUNS, round(SEEN_TWICE / expected)) if expected else 0

    def clear(trials: list[Trial]) -> bool:
        seen = count(trials, best.sighting)
        return time.monotonic() >= deadline or still_fails(seen, len(trials), expected) is not None

    return bench.until(program, max(CONFIRM_RUNS, rare), clear), expected


def _for_slower_clients(program: Program) -> Iterable[Program]:
    """The program; with clients ahead; with flushes by row count only once all is written: those that differ.

    What is released at some moment is tried with clients ahead first: without, the moment is mostly over.
    """
    ahead = with_clients_ahead(program)
    timed = any(step.release is not None for step in steps_of(program))
    first, second = (ahead, program) if timed else (program, ahead)
    return distinct((first, second, _flushed_later(program))).values()


def _flushed_later(program: Program) -> Program:
    return evolve(program, tables={**program.tables, **flushed_later(program)})
