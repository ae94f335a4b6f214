"""Which of some shapes fails: those of few operations first, and quick ones; of these the most frequent.

A shape is run several times in one, which costs little; what is taken failed alone.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from itertools import groupby

from attrs import define, field

from kalam_props.history.operations import Insert
from kalam_props.hunt.amplify import amplified
from kalam_props.hunt.families import Sighting
from kalam_props.hunt.lab import Enough, Trial
from kalam_props.hunt.measure import Bench, count
from kalam_props.hunt.sharpen import placed_together, without_release_points
from kalam_props.hunt.size import size
from kalam_props.hunt.structure import distinct, goes_down, steps_of
from kalam_props.programs.model import Program

TIMES = 4
"""So often a shape is repeated in a run, each time on keys of its own: chances that cost next to nothing."""

BESIDE = 8
"""So often one with an outage, beside itself: the outage is most of what it costs."""

PLACES = (0.0, 0.5, 0.75, 1.0)
IN_A_WRITE = (0.3, 0.6, 0.9)
"""In a flush, and in another lane's write; fewer than where a shape is placed when it has won."""

TURNS = 3
RUNS = 2
"""Runs of each shape in each turn: all are tried soon, and the rare ones again. Each is as it was found and
without release points in the first one, and at places only in the others."""

HANGING_RUNS = 4
"""The same where a failure is an answer that does not come; then places come in the first turn as well, for a
run that does not fail costs next to nothing."""

LATE_S = 2.0
"""Seconds after the deadline in which what has failed by then is still run alone."""

FINALISTS = 6
PLAINEST = 2
ALONE_RUNS = 8
"""Of the shapes with as many operations, so many that failed most often, and so many of the plainest others
that failed, are run so often alone, and compared by that; in the next turn as often again, for one that fails
one time in ten need not have done so yet."""

MORE_RUNS = 16
"""As often again one that failed alone once or twice."""

ENOUGH = 2
CLEAR = 4
"""Failures after which a shape may be taken, and those after which nothing larger is looked at: one or two
may have been luck, and what hardly ever fails is no beginning where something else does."""


def shape_that_fails(
    bench: Bench, known: list[Program], wanted: Sighting, deadline: float, *, turns: int = TURNS
) -> list[Trial]:
    """Trials of a shape that fails, at a place in a flush; of few operations, and often. None: none does.

    One that failed once alone, and clearly when it was repeated, is taken where the turns, or the time, are
    over: nobody knows a better one.

    Where a failure is an answer that does not come, a run takes seconds if it fails and next to none if not:
    then nothing is repeated in the runs, and the first that fails clearly is taken.
    """
    hangs = wanted.name == "hung"
    at_first = distinct(one for shape in known for one in (shape, without_release_points(shape)))
    placed = distinct(other for shape in known for other in _placed(shape))
    arms = [_Arm(other, 1 if hangs or key in at_first else 2) for key, other in placed.items()]
    groups = [list(group) for _, group in groupby(sorted(arms, key=_turn_of), _turn_of)]
    clear = ENOUGH if hangs else CLEAR
    hardly: _Arm | None = None
    for turn in range(1, turns + 1):
        rare: _Arm | None = None
        for winner in _winners(bench, groups, wanted, turn, deadline):
            seen = count(winner.alone, wanted)
            if seen >= clear:
                return winner.alone
            if seen >= ENOUGH:
                rare = rare or winner
            else:
                hardly = hardly or winner
        if rare is not None:
            return rare.alone
        if time.monotonic() >= deadline:
            break
    return hardly.alone if hardly is not None else []


def _winners(
    bench: Bench, groups: list[list[_Arm]], wanted: Sighting, turn: int, deadline: float
) -> Iterator[_Arm]:
    """The best of each group, when it had its runs of a turn; one that hangs at once. Until the deadline."""
    hangs = wanted.name == "hung"
    times, runs = (1, HANGING_RUNS) if hangs else (TIMES, RUNS)
    for group in groups:
        for arm in group:
            if arm.first_turn > turn:
                continue
            if time.monotonic() >= deadline:
                break
            arm.run(bench, times, runs, wanted)
            if hangs and arm.seen >= ENOUGH:
                yield arm
        winner = None if hangs else _best_alone(bench, group, wanted, turn * ALONE_RUNS, deadline)
        if winner is not None:
            yield winner
        if time.monotonic() >= deadline:
            return


def _turn_of(arm: _Arm) -> tuple[int, bool]:
    """Which come first: of few operations, and what waits for no look of the server at its tables.

    A run that waits takes up to ten times as long, and there are many such shapes: as if of twice as many.
    """
    tables = arm.program.tables
    written = {step.op.table for step in steps_of(arm.program) if isinstance(step.op, Insert)}
    waits = any(tables[name].flush_rows is not None for name in written)
    return (2 if waits else 1) * arm.program.operations, waits


def _placed(shape: Program) -> list[Program]:
    """At places of the flushes that it meets; not where a server goes down: each run takes a second."""
    return [shape] if goes_down(shape) else placed_together(shape, PLACES, IN_A_WRITE)


def _best_alone(bench: Bench, group: list[_Arm], wanted: Sighting, runs: int, deadline: float) -> _Arm | None:
    """The plainest of a group that alone does not fail clearly less often than any other."""
    by_seen = sorted((arm for arm in group if arm.seen), key=lambda arm: (-arm.seen, size(arm.program)))
    others = sorted(by_seen[FINALISTS:], key=lambda arm: size(arm.program))
    likely = [*by_seen[:FINALISTS], *others[:PLAINEST]]
    if not likely:
        return None

    def enough(most: int) -> Enough:
        return lambda trials: time.monotonic() >= deadline + LATE_S or count(trials, wanted) >= most

    for arm in likely:
        arm.alone += bench.until(arm.program, runs - len(arm.alone), enough(runs))
    failed = {arm: count(arm.alone, wanted) for arm in likely}
    best = max(likely, key=lambda arm: failed[arm])
    if failed[best] < ENOUGH - 1:
        return None
    # Two counts of the same rate differ by so much: a plainer one that does not need not fail less often.
    as_often = max(min(ENOUGH, failed[best]), failed[best] - math.sqrt(2 * failed[best]))
    winner = min((arm for arm in likely if failed[arm] >= as_often), key=lambda arm: size(arm.program))
    if failed[winner] < CLEAR:
        winner.alone += bench.until(winner.program, MORE_RUNS, enough(CLEAR - failed[winner]))
        if count(winner.alone, wanted) < CLEAR <= failed[best]:
            winner = best
    alone = count(winner.alone, wanted)
    return winner if alone >= ENOUGH or (alone and winner.seen >= ENOUGH) else None


@define(eq=False)
class _Arm:
    """A shape at a place in a flush: its failures so far, repeated or not, and its runs alone."""

    program: Program
    first_turn: int
    seen: int = 0
    alone: list[Trial] = field(factory=list)

    def run(self, bench: Bench, times: int, runs: int, wanted: Sighting) -> None:
        """Run it, repeated where that can be done."""
        outage = times > 1 and goes_down(self.program)
        repeated = amplified(self.program, BESIDE if outage else times)
        trials = bench.until(repeated, runs, lambda _: False)
        self.seen += count(trials, wanted)
        if repeated == self.program:
            self.alone += trials
