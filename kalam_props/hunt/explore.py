"""Draw programs with a machine and run each once, until one fails in a way that is not known yet.

Hypothesis only generates here. Shrinking is ours: see `shrink`.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterator
from typing import TypeAlias

from attrs import define, field, frozen
from hypothesis import HealthCheck, Phase, Verbosity, seed, settings
from hypothesis.database import ExampleDatabase
from hypothesis.stateful import run_state_machine_as_test

from kalam_props.checks.verdict import Anomaly
from kalam_props.errors import KalamPropsError
from kalam_props.hunt.families import Sighting
from kalam_props.hunt.lab import Lab, Trial
from kalam_props.programs.codec import digest
from kalam_props.programs.machine import ProgramMachine, bind
from kalam_props.programs.model import Program


class AnomalyFoundError(AssertionError):
    """A program failed; how is in the message. Hypothesis tells failures apart by the class and the place."""


@frozen
class Failure:
    """A trial that failed, and the anomaly that it is about."""

    trial: Trial
    sighting: Sighting

    @property
    def anomaly(self) -> Anomaly:
        return self.sighting.anomaly


FirstNew: TypeAlias = Callable[[Trial], Sighting | None]
"""The most telling anomaly of a failed trial that no known finding explains; None: all are explained."""


@define
class Explorer:
    """Runs each program that a machine draws, once; remembers what came of it, so that no answer wavers."""

    lab: Lab
    first_new: FirstNew
    over: Callable[[], bool]
    on_trial: Callable[[Trial], None]
    failure: Failure | None = None
    error: KalamPropsError | None = None
    seen: set[str] = field(factory=set)
    known_failures: int = 0

    def __call__(self, program: Program) -> None:
        """Run one program.

        Raises:
            AnomalyFoundError: it failed in a way that is not known yet, or the run cannot go on.

        """
        key = digest(program)
        if self.error is not None:
            raise AnomalyFoundError(str(self.error))
        if self.failure is not None and key == digest(self.failure.trial.program):
            raise AnomalyFoundError(self.failure.anomaly.name)
        if key in self.seen or self.failure is not None or self.over():
            return
        try:
            failure = self.attempt(program)
        except KalamPropsError as error:
            # Hypothesis would run it again and call it flaky; it is kept and raised when the batch is over.
            self.error = error
            raise AnomalyFoundError(str(error)) from None
        if failure is not None:
            raise AnomalyFoundError(failure.anomaly.name)

    def attempt(self, program: Program) -> Failure | None:
        """Run a program that was not run before; how it failed, if that is new.

        Raises:
            KalamPropsError: it cannot be run.

        """
        self.seen.add(digest(program))
        trial = self.lab.run(program)
        self.on_trial(trial)
        if trial.sightings:
            new = self.first_new(trial)
            if new is None:
                self.known_failures += 1
            else:
                self.failure = Failure(trial, new)
                return self.failure
        return None

    def first_failure(self, programs: Iterator[Program], number: int) -> Failure | None:
        """Run up to `number` programs that were not run before; the first new failure, or None.

        Raises:
            KalamPropsError: one of them cannot be run.

        """
        for program in itertools.islice(programs, number):
            if self.over():
                break
            if digest(program) not in self.seen and (failure := self.attempt(program)) is not None:
                return failure
        return None


def explore(
    machine: type[ProgramMachine],
    explorer: Explorer,
    *,
    programs: int,
    random_seed: int,
    without: frozenset[str] = frozenset(),
    database: ExampleDatabase | None = None,
) -> Failure | None:
    """Draw up to `programs` programs; the first new failure, or None.

    Raises:
        KalamPropsError: a program could not be run; never a finding.

    """
    explorer.failure = None
    bound = seed(random_seed)(_class_for(machine, without))
    bound.run_program = staticmethod(explorer)
    try:
        run_state_machine_as_test(bound, settings=_settings(machine, programs, database))
    except AnomalyFoundError:
        if explorer.error is not None:
            raise explorer.error from None
    return explorer.failure


@functools.cache
def _class_for(machine: type[ProgramMachine], without: frozenset[str]) -> type[ProgramMachine]:
    """One class for all batches of a machine: Hypothesis keeps the rules of each class for good."""
    return bind(machine, lambda _: None, without)


def draw(machine: type[ProgramMachine], *, programs: int, random_seed: int) -> list[Program]:
    """Up to `programs` programs of a machine, run by nobody."""
    drawn: list[Program] = []
    run_state_machine_as_test(
        seed(random_seed)(bind(machine, drawn.append)), settings=_settings(machine, programs, None)
    )
    return drawn


def _settings(machine: type[ProgramMachine], programs: int, database: ExampleDatabase | None) -> settings:
    """Generate only, and what the database knows first; no deadlines, no health checks, no words."""
    return settings(
        max_examples=programs,
        stateful_step_count=machine.steps,
        deadline=None,
        database=database,
        phases=(Phase.reuse, Phase.generate) if database is not None else (Phase.generate,),
        suppress_health_check=tuple(HealthCheck),
        report_multiple_bugs=False,
        print_blob=False,
        verbosity=Verbosity.quiet,
    )
