"""A hunt from its first program to its report: explore in turns, confirm, shrink, save, go on."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path

import orjson
from attrs import define, evolve, field, frozen

from kalam_props.checks.verdict import Anomaly
from kalam_props.errors import CancelledError, StorageError
from kalam_props.history.operations import kind
from kalam_props.hunt import seeds
from kalam_props.hunt.explore import Explorer, Failure, explore
from kalam_props.hunt.families import Sighting, shows
from kalam_props.hunt.lab import Lab, Trial
from kalam_props.hunt.shrink import Rate, Shrunk, estimate, shrink
from kalam_props.programs.machine import ProgramMachine
from kalam_props.programs.model import Program

BATCH = 20
"""Programs that one machine draws before the next has its turn."""

CONFIRM_RUNS = 20
"""Runs of a minimal program from which its rate of reproduction is told."""


@frozen
class Plan:
    """What a hunt is to do. It ends at `programs` or after `seconds`, whichever comes first.

    Attributes:
        machines: by name, taking turns.
        shrink_s: seconds for shrinking one finding, at the most.
        fail_fast: stop at the first finding.
        feedback: whether what was found decides what later batches are drawn without.

    """

    machines: dict[str, type[ProgramMachine]]
    random_seed: int
    programs: int | None = None
    seconds: float | None = None
    shrink_s: float = 60.0
    fail_fast: bool = False
    feedback: bool = True
    faults: tuple[str, ...] = ()
    seeds_folder: Path = seeds.SEEDS_FOLDER


@frozen
class Name:
    """A name that a finding goes by, and the smallest program that was seen to fail under it."""

    sighting: Sighting
    program: Program

    @property
    def kinds(self) -> frozenset[str]:
        return kinds(self.program)


@frozen
class Finding:
    """One distinct anomaly with its minimal program.

    Attributes:
        names: its own first; then those by which it was discovered, with their programs.
        reproduced: runs that showed it and runs, with the hunt's own driver, after shrinking.
        original: operations of the program that discovered it.
        history: one that shows it.
        witness: the `i` of the invocations there that prove it.

    """

    names: tuple[Name, ...]
    needs_concurrency: bool
    reproduced: tuple[int, int]
    original: int
    machine: str
    history: Path
    seed_file: Path
    folder: Path
    confirm_s: float
    shrink_s: float
    shrink_tried: int
    shrink_finished: bool
    faults: tuple[str, ...] = ()

    @property
    def sighting(self) -> Sighting:
        return self.names[0].sighting

    @property
    def anomaly(self) -> Anomaly:
        return self.sighting.anomaly

    @property
    def program(self) -> Program:
        return self.names[0].program

    @property
    def kinds(self) -> frozenset[str]:
        return kinds(self.program)

    @property
    def also(self) -> tuple[str, ...]:
        """The other names that it was discovered by."""
        return tuple(dict.fromkeys(name.sighting.name for name in self.names[1:]))


@frozen
class Outcome:
    """What a hunt found and what it really did."""

    plan: Plan
    programs: int
    seconds: float
    findings: tuple[Finding, ...]
    known_failures: int
    interrupted: bool = False


@define
class Listener:
    """What a hunt tells while it runs; each does nothing unless replaced."""

    on_trial: Callable[[Trial], None] = field(default=lambda _: None)
    on_failure: Callable[[Failure], None] = field(default=lambda _: None)
    on_finding: Callable[[Finding], None] = field(default=lambda _: None)


def hunt(lab: Lab, plan: Plan, listener: Listener) -> Outcome:
    """Run a hunt to its end, or until it is interrupted: then the outcome so far, marked as such.

    Raises:
        KalamPropsError: the target or the disk made it impossible to go on; findings are on disk.

    """
    campaign = _Campaign(lab, plan, listener)
    interrupted = False
    try:
        campaign.run()
    except (KeyboardInterrupt, CancelledError):
        interrupted = True
        lab.workspace.cancel()
    seconds = time.monotonic() - campaign.began
    return Outcome(
        plan, campaign.programs, seconds, tuple(campaign.findings), campaign.known_failures, interrupted
    )


@define
class _Campaign:
    lab: Lab
    plan: Plan
    listener: Listener
    began: float = field(factory=time.monotonic)
    programs: int = 0
    known_failures: int = 0
    findings: list[Finding] = field(factory=list)
    random: random.Random = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.random = random.Random(self.plan.random_seed)

    def run(self) -> None:
        explorer = Explorer(self.lab, self.first_new, self.over, self.ran)
        while not self.over():
            for name, machine in self.plan.machines.items():
                if self.over():
                    break
                self.lab.take_aim()
                failure = explore(
                    machine,
                    explorer,
                    programs=BATCH,
                    random_seed=self.random.getrandbits(64),
                    without=self.avoided(),
                )
                self.known_failures += explorer.known_failures
                explorer.known_failures = 0
                if failure is not None:
                    self.listener.on_failure(failure)
                    finding = investigate(
                        self.lab, failure, self.plan, machine=name, number=len(self.findings) + 1
                    )
                    self.add(finding)

    def add(self, finding: Finding) -> None:
        """Keep a finding; one that shrank to what is known already is another name of that."""
        for at, known in enumerate(self.findings):
            if known.sighting.label == finding.sighting.label and known.kinds == finding.kinds:
                self.findings[at] = evolve(known, names=(*known.names, *finding.names[1:]))
                self.known_failures += 1
                return
        self.findings.append(finding)
        self.listener.on_finding(finding)

    def over(self) -> bool:
        """Whether the budget is spent; shrinking has a budget of its own."""
        plan = self.plan
        return (
            (plan.programs is not None and self.programs >= plan.programs)
            or (plan.seconds is not None and time.monotonic() - self.began >= plan.seconds)
            or (plan.fail_fast and bool(self.findings))
        )

    def ran(self, trial: Trial) -> None:
        self.programs += 1
        self.listener.on_trial(trial)

    def first_new(self, trial: Trial) -> Sighting | None:
        """The most telling anomaly of a trial that no finding explains."""
        program = kinds(trial.program)
        known = [
            found
            for finding in self.findings
            for found in finding.names
            if found.kinds <= program and any(seen.label == found.sighting.label for seen in trial.sightings)
        ]
        return next((seen for seen in trial.sightings if not _explained(seen, known)), None)

    def avoided(self) -> frozenset[str]:
        """Kinds of operations to leave out of the next batch, so that a frequent bug does not hide others.

        Three batches in four avoid what triggers the known findings, where something can be left out.
        """
        if not self.plan.feedback or not self.findings or self.random.random() < 0.25:
            return frozenset()
        finding = self.random.choice(self.findings)
        optional = sorted(finding.kinds - {"insert", "select"})
        return frozenset({self.random.choice(optional)}) if optional else frozenset()


def investigate(lab: Lab, failure: Failure, plan: Plan, *, machine: str, number: int) -> Finding:
    """Keep a failure, learn how often it shows itself, make it small, learn that again, and save a seed."""
    folder = lab.folder.parent / f"finding-{number:02d}"
    keep_program(folder, "found.json", failure.trial.program)
    rate = estimate(lab, failure.trial.program, failure.sighting)
    shrunk = shrink(lab, failure.trial, failure.sighting, rate, budget_s=plan.shrink_s)
    keep_program(folder, "program.json", shrunk.trial.program)
    began = time.monotonic()
    confirmed = estimate(lab, shrunk.trial.program, shrunk.sighting, runs=CONFIRM_RUNS, enough=CONFIRM_RUNS)
    seed = _seed(lab, plan, shrunk, confirmed)
    seed_file = seeds.save(seed, plan.seeds_folder)
    seeds.save(seed, folder)
    return Finding(
        names=_names(failure, shrunk),
        needs_concurrency=seed.needs_concurrency,
        reproduced=(confirmed.seen, confirmed.runs),
        original=failure.trial.program.operations,
        machine=machine,
        history=shrunk.trial.history,
        seed_file=seed_file,
        folder=folder,
        confirm_s=time.monotonic() - began,
        shrink_s=shrunk.seconds,
        shrink_tried=shrunk.tried,
        shrink_finished=shrunk.finished,
        faults=plan.faults,
    )


def _names(failure: Failure, shrunk: Shrunk) -> tuple[Name, ...]:
    final = Name(shrunk.sighting, shrunk.trial.program)
    if shrunk.sighting.label == failure.sighting.label:
        return (final,)
    return final, Name(failure.sighting, shrunk.as_discovered)


def _explained(seen: Sighting, known: list[Name]) -> bool:
    """Whether a name seen in the same run is this one, or tells more of what may be the same defect."""
    return any(name.sighting.label == seen.label or shows(name.sighting, seen) for name in known)


def keep_program(folder: Path, name: str, program: Program) -> None:
    """Write a program where a killed hunt leaves it behind.

    Raises:
        StorageError: it cannot be written.

    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(seeds.program_text(program) + "\n", encoding="utf-8")
    except OSError as error:
        raise StorageError(f"{folder / name}: cannot be written ({error.strerror})") from None


def kinds(program: Program) -> frozenset[str]:
    """The kinds of operations of a program, without those that only wait."""
    return frozenset(_kinds(program)) - {"await-flush", "pause"}


def _kinds(program: Program) -> Iterable[str]:
    for round_ in program.rounds:
        for lane in round_.lanes.values():
            for step in lane:
                yield kind(step.op)


def _seed(lab: Lab, plan: Plan, shrunk: Shrunk, confirmed: Rate) -> seeds.Seed:
    target = lab.workspace.target
    lines = shrunk.trial.history.read_bytes().splitlines()
    found = seeds.Found(
        target=f"{target.product.name} {target.product.version}",
        client=f"{target.driver.client.name} {target.driver.client.version}",
        driver=target.driver.name,
        identity=str(lab.workspace.identity),
        gate=target.gate is not None,
        date=datetime.now(UTC).date().isoformat(),
        faults=plan.faults,
        random_seed=plan.random_seed,
    )
    return seeds.Seed(
        anomaly=shrunk.sighting.name,
        explanation=shrunk.sighting.anomaly.explanation,
        program=shrunk.trial.program,
        reproduced=(confirmed.seen, confirmed.runs),
        needs_concurrency=any(round_.concurrent for round_ in shrunk.trial.program.rounds),
        found=found,
        history=tuple(orjson.loads(line) for line in lines),
    )
