"""From a program that failed to the smallest that still does, although it fails only at times.

A candidate is run until it is clear whether it fails about as often as the best so far (a sequential test;
only its family of anomalies counts, see `families`), and is remembered by its digest, so that no candidate is
tried twice in a phase and the answer never wavers. The first phase asks for the rate of the best, which is
quick; the next ones forget what was rejected, since that may have been bad luck, and are content with less.
A program that is rare is repeated within each run (see `amplify`) to drop what is hopeless early; what is
accepted failed alone. A budget in seconds bounds it all; at its end the best so far is the result.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from attrs import define, field, frozen

from kalam_props.hunt.amplify import amplified, repetitions
from kalam_props.hunt.families import Sighting, majority
from kalam_props.hunt.lab import Enough, Trial
from kalam_props.hunt.measure import Bench, Rate, count, estimate
from kalam_props.hunt.rates import lower_bound, runs_needed, still_fails
from kalam_props.hunt.reductions import REDUCTIONS
from kalam_props.hunt.sharpen import sharpen
from kalam_props.hunt.size import size
from kalam_props.programs.codec import digest
from kalam_props.programs.model import Program
from kalam_props.programs.tables import misplaced

CONTENT_WITH = 0.3
"""A rate that later phases are content with, or half the rate of the best if that is more."""

PHASES = 4

SHORT = 6
"""Operations of a program whose timing is looked into."""

TIMING_SHARE = 0.25
"""Of the seconds that are left, those that this may take."""


@frozen
class Best:
    """A program that was seen to fail, and how.

    Attributes:
        history: of a run that shows it.
        rate: the runs from which it was accepted; a sequential test stops when it likes what it sees, so this
            flatters.

    """

    program: Program
    history: Path
    sighting: Sighting
    rate: Rate = field(factory=Rate)


def best_of(trials: list[Trial], wanted: Sighting) -> Best:
    """The program of trials that show `wanted` at times, under the most telling name that it mostly has."""
    failed = [trial for trial in trials if trial.showing(wanted) is not None]
    name = majority([trial.sightings for trial in failed], wanted)
    trial, shown = next((t, s) for t in reversed(failed) if (s := t.showing(name)) is not None)
    return Best(trial.program, trial.history, shown, Rate(len(failed), len(trials)))


@frozen
class Shrunk:
    """The smallest program that still failed.

    Attributes:
        best: the program, with a history of it that shows the anomaly.
        as_discovered: the smallest that failed under the name that was discovered.
        larger: the programs that were accepted before it, the last first.
        tried, runs: candidates, and executions for them.
        finished: every reduction was tried on it; False when the budget ended first.

    """

    best: Best
    as_discovered: Program
    tried: int
    runs: int
    seconds: float
    finished: bool
    larger: tuple[Best, ...] = ()

    @property
    def hardly_larger(self) -> tuple[Best, ...]:
        """The programs of up to two operations more, the last accepted first."""
        most = self.best.program.operations + 2
        return tuple(other for other in self.larger if other.program.operations <= most)


OnBetter = Callable[[Best, Program], None]
"""Told of each smaller program, and of the smallest under the discovered name, as soon as it is accepted."""


def shrink(
    bench: Bench,
    found: Best,
    rate: Rate,
    *,
    budget_s: float,
    on_better: OnBetter = lambda _best, _as_discovered: None,
) -> Shrunk:
    """The smallest program found within the budget that shows the same anomaly, or a more telling one.

    `rate`: how often the program that was found fails. One that was never seen to fail again comes back as it
    is: there is nothing to compare a candidate with.
    """
    began = time.monotonic()
    search = _Search(bench, [found], found.program, began + budget_s, on_better)
    if not rate.seen:
        return Shrunk(found, found.program, 0, 0, 0.0, finished=False)
    finished = False
    search.begin_phase(search.best.rate if search.sharpen() else rate)
    for phase in range(PHASES):
        before = search.best.program
        search.reduce()
        if search.over:
            break
        if search.best.program == before and phase > 0:
            finished = True
            break
        search.sharpen()
        fresh = search.step_back_until_it_fails()
        search.begin_phase(fresh, content_with=max(CONTENT_WITH, fresh.likely / 2))
    return Shrunk(
        search.best,
        search.as_discovered,
        search.tried,
        search.runs,
        time.monotonic() - began,
        finished,
        tuple(reversed(search.accepted[:-1])),
    )


@define
class _Search:
    """The programs accepted so far, the best last, and the verdicts of this phase."""

    bench: Bench
    accepted: list[Best]
    as_discovered: Program
    deadline: float
    on_better: OnBetter
    reference: float = 0.0
    alone: float = 0.0
    repeat: int = 1
    tried: int = 0
    runs: int = 0
    verdicts: dict[str, bool] = field(factory=dict)

    @property
    def best(self) -> Best:
        return self.accepted[-1]

    @property
    def over(self) -> bool:
        return time.monotonic() >= self.deadline

    def until(self, program: Program, runs: int, enough: Enough) -> list[Trial]:
        """Run on the bench, and count the runs."""
        trials = self.bench.until(program, runs, enough)
        self.runs += len(trials)
        return trials

    def begin_phase(self, rate: Rate, *, content_with: float = 1.0) -> None:
        """Forget what was rejected; test for this rate, repeated if it is low."""
        self.verdicts.clear()
        self.alone = max(rate.likely, 0.01)
        self.reference = min(self.alone, content_with)
        self.repeat = repetitions(self.best.program, rate.likely)
        if self.repeat > 1:
            program = amplified(self.best.program, self.repeat)
            repeated = self.estimate(program)
            if repeated.likely > 1.3 * rate.likely:
                self.reference = min(repeated.likely, content_with + 0.2)
            else:
                self.repeat = 1

    def reduce(self) -> None:
        """Every reduction, again and again, until none makes the best smaller."""
        before = None
        while before != size(self.best.program) and not self.over:
            before = size(self.best.program)
            for reduction in REDUCTIONS:
                while self.improve(reduction(self.best.program)):
                    pass

    def sharpen(self) -> bool:
        """Let the requests of the best arrive when it fails most often; whether that changed it.

        Not for what is long: its next reductions would undo it.
        """
        if self.best.program.operations > SHORT:
            return False
        until = time.monotonic() + TIMING_SHARE * (self.deadline - time.monotonic())
        trials = sharpen(self, self.best.program, self.best.sighting, deadline=until)
        if not trials or trials[0].program == self.best.program:
            return False
        self.accept(trials[0].program, trials)
        return True

    def improve(self, candidates: Iterator[Program]) -> bool:
        """Take the first candidate that is smaller and still fails; whether there was one."""
        smallest = size(self.best.program)
        for candidate in candidates:
            if self.over:
                return False
            if not candidate.operations or size(candidate) >= smallest or misplaced(candidate) is not None:
                continue
            if self.fails(candidate):
                return True
        return False

    def fails(self, candidate: Program) -> bool:
        """Whether a candidate fails about as often as is asked for; it becomes the best if so."""
        key = digest(candidate)
        if key not in self.verdicts:
            self.tried += 1
            trials = self.until(amplified(candidate, self.repeat), self.most_runs(), self.decided)
            seen = count(trials, self.best.sighting)
            clear = still_fails(seen, len(trials), self.reference)
            # Undecided after all its runs: what failed more than once still fails.
            fails = clear if clear is not None else seen > 1
            if fails and self.repeat > 1:
                trials = self.run_alone(candidate)
                fails = count(trials, self.best.sighting) > 0
            self.verdicts[key] = fails
            if fails:
                self.accept(candidate, trials)
        return self.verdicts[key]

    def accept(self, candidate: Program, trials: list[Trial]) -> None:
        """Take a candidate as the best, and a more telling name if it mostly goes by that.

        What was rejected under the old name stays rejected under the new one, which is asked for more.
        """
        best = best_of(trials, self.best.sighting)
        if best.sighting.label == self.accepted[0].sighting.label:
            self.as_discovered = candidate
        self.accepted.append(best)
        if self.repeat == 1:
            # Fewer runs are enough from here on if it clearly fails more often than asked for.
            self.reference = max(self.reference, min(lower_bound(best.rate.seen, best.rate.runs), 0.95))
        self.on_better(self.best, self.as_discovered)

    def run_alone(self, candidate: Program) -> list[Trial]:
        """Run a candidate without repetition until it fails: one repetition may have helped the next."""
        runs = runs_needed(self.alone / 2, 0.05)
        return self.until(candidate, runs, lambda ts: self.over or count(ts, self.best.sighting) > 0)

    def decided(self, trials: list[Trial]) -> bool:
        seen = count(trials, self.best.sighting)
        return self.over or still_fails(seen, len(trials), self.reference) is not None

    def most_runs(self) -> int:
        """Runs for a candidate at the most: enough for the sequential test to come to its end, as a rule."""
        return math.ceil(2.5 * runs_needed(min(self.reference, 0.7), 0.05))

    def estimate(self, program: Program) -> Rate:
        return estimate(self, program, self.best.sighting, deadline=self.deadline)

    def step_back_until_it_fails(self) -> Rate:
        """The rate of the best; of the last one before it that fails at all, if the best was luck."""
        while True:
            rate = self.estimate(self.best.program)
            if rate.seen or self.over or len(self.accepted) == 1:
                return rate
            self.accepted.pop()
