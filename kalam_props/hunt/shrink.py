"""From a program that failed to the smallest that still does, although it fails only at times.

A candidate is run until it is clear whether it fails about as often as the program that was found (a
sequential test; only the same anomaly counts), and is remembered by its digest, so that no candidate is tried
twice and the answer never wavers. So the smallest program is not one that hardly ever fails. A budget in
seconds bounds it all; at its end the best so far is the result.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

from attrs import define, field, frozen

from kalam_props.checks.verdict import Anomaly
from kalam_props.history.events import History, Invoke
from kalam_props.history.reader import read_history
from kalam_props.hunt.families import Sighting, majority
from kalam_props.hunt.lab import Lab, Trial
from kalam_props.hunt.rates import lower_bound, still_fails
from kalam_props.hunt.reductions import REDUCTIONS, keep, places, size
from kalam_props.programs.codec import digest
from kalam_props.programs.model import Program

MAX_RUNS = 40
"""Runs for a candidate at the most: a failure too rare for that is shrunk with less certainty."""


@frozen
class Rate:
    """How often a program showed an anomaly: `seen` of `runs`."""

    seen: int
    runs: int

    @property
    def low(self) -> float:
        return lower_bound(self.seen, self.runs)


@frozen
class Shrunk:
    """The smallest program that still failed, and the trial in which it did.

    `sighting`: what that trial showed; it may have a more telling name than the one discovered.
    `as_discovered`: the smallest program that failed under the name that was discovered.
    `finished`: every reduction was tried on it; False when the budget ended first.
    """

    trial: Trial
    sighting: Sighting
    as_discovered: Program
    tried: int
    seconds: float
    finished: bool


def estimate(lab: Lab, program: Program, wanted: Sighting, *, runs: int = 20, enough: int = 4) -> Rate:
    """How often a program shows an anomaly; stops early when it is clear that it does.

    The run that discovered the failure is left out: it was chosen for having failed.
    """
    seen = done = 0
    while done < runs and seen < enough:
        trials = lab.until(program, min(4, runs - done), lambda _: False)
        done += len(trials)
        seen += sum(trial.showing(wanted) is not None for trial in trials)
    return Rate(seen, done)


def shrink(lab: Lab, trial: Trial, wanted: Sighting, rate: Rate, *, budget_s: float) -> Shrunk:
    """The smallest program found within the budget that shows the same anomaly, or a more telling one."""
    reference = max(rate.seen, 1) / max(rate.runs, 1)
    search = _Search(lab, wanted, reference, time.monotonic() + budget_s, trial, trial.program)
    began = time.monotonic()
    search.improve(cut_to_witness(trial.program, read_history(trial.history), wanted.anomaly))
    finished = False
    while not finished and not search.over:
        before = size(search.best.program)
        for reduction in REDUCTIONS:
            while search.improve(reduction(search.best.program)):
                pass
        finished = size(search.best.program) == before and not search.over
    found = search.best.showing(search.wanted) or wanted
    return Shrunk(search.best, found, search.as_discovered, search.tried, time.monotonic() - began, finished)


def cut_to_witness(program: Program, history: History, anomaly: Anomaly) -> Iterator[Program]:
    """The witness alone, with the writes of its table; then all that came before the witness ended.

    The n-th invocation of a session is its n-th step; what comes after its steps are closing reads.
    """
    steps = {}
    position: dict[str, int] = {}
    ordered: dict[str, list[tuple[int, str, int]]] = {}
    for place in places(program):
        ordered.setdefault(place[1], []).append(place)
    for event in history.events:
        if isinstance(event, Invoke):
            session = event.p.split("#")[0]
            at = position.get(session, 0)
            position[session] = at + 1
            if at < len(ordered.get(session, [])):
                steps[event.i] = ordered[session][at]
    witness = {steps[i] for i in anomaly.witness if i in steps}
    if not witness:
        return
    last = (
        max(place[0] for place in witness)
        if all(i in steps for i in anomaly.witness)
        else len(program.rounds)
    )
    yield keep(program, witness)
    flushes = {place for place in places(program) if _kind(program, place) in ("Flush", "AwaitFlush")}
    yield keep(program, witness | {place for place in flushes if place[0] <= last})
    yield keep(program, {place for place in places(program) if place[0] <= last})


def _kind(program: Program, place: tuple[int, str, int]) -> str:
    at, session, index = place
    return type(program.rounds[at].lanes[session][index].op).__name__


@define
class _Search:
    """The best program so far, and the verdicts on all that were tried."""

    lab: Lab
    wanted: Sighting
    rate: float
    deadline: float
    best: Trial
    as_discovered: Program
    tried: int = 0
    verdicts: dict[str, bool] = field(factory=dict)

    @property
    def over(self) -> bool:
        return time.monotonic() >= self.deadline

    def improve(self, candidates: Iterator[Program]) -> bool:
        """Take the first candidate that is smaller and still fails; whether there was one."""
        smallest = size(self.best.program)
        for candidate in candidates:
            if self.over:
                return False
            if candidate.operations and size(candidate) < smallest and self.fails(candidate):
                return True
        return False

    def fails(self, candidate: Program) -> bool:
        key = digest(candidate)
        if key not in self.verdicts:
            self.tried += 1
            trials = self.lab.until(candidate, MAX_RUNS, self._decided)
            failed = [trial for trial in trials if self._same(trial)]
            # Undecided after all its runs: what failed more than once still fails.
            clear = still_fails(len(failed), len(trials), self.rate)
            self.verdicts[key] = clear if clear is not None else len(failed) > 1
            if self.verdicts[key]:
                self._accept(failed)
        return self.verdicts[key]

    def _accept(self, failed: list[Trial]) -> None:
        """Take a candidate as the best, and the more telling name if it mostly goes by that.

        What was rejected under the old name stays rejected under the new one, which is asked for more.
        """
        wanted = majority([trial.sightings for trial in failed], self.wanted)
        self.best = next(trial for trial in reversed(failed) if trial.showing(wanted) is not None)
        if wanted.label == self.wanted.label:
            self.as_discovered = self.best.program
        self.wanted = wanted

    def _decided(self, trials: list[Trial]) -> bool:
        seen = sum(map(self._same, trials))
        return self.over or still_fails(seen, len(trials), self.rate) is not None

    def _same(self, trial: Trial) -> bool:
        return trial.showing(self.wanted) is not None
