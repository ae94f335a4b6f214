"""A hunt from its first program to its report: explore in turns, confirm, shrink, save, go on."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

from attrs import define, evolve, field, frozen
from hypothesis.database import ExampleDatabase

from kalam_props.checks.judge import judge
from kalam_props.errors import CancelledError, CorruptInputError, ServerDiedError
from kalam_props.history.reader import read_history
from kalam_props.hunt import finding as findings_on_disk
from kalam_props.hunt import seeds
from kalam_props.hunt.explore import Explorer, Failure, explore
from kalam_props.hunt.families import Sighting, sight
from kalam_props.hunt.finding import Finding, Name
from kalam_props.hunt.investigate import Care, investigate, save_seed
from kalam_props.hunt.known import Open, first_new, is_open, shown
from kalam_props.hunt.lab import Lab, Trial
from kalam_props.hunt.mutate import relatives
from kalam_props.programs import codec
from kalam_props.programs.machine import ProgramMachine
from kalam_props.programs.model import Program

TURN = 5
"""Programs that one machine draws before the next has its turn.

Few: what only one machine can find is soon found by it, and waiting for its turn is most of what that takes.
"""

UNDER_WAY = 4
"""The last histories of a killed run, which it may have written and not judged."""


@frozen
class Plan:
    """What a hunt is to do. It ends at `programs` or after `seconds`, whichever comes first.

    Attributes:
        machines: by name, taking turns.
        shrink_s: seconds for shrinking one finding, at the most.
        fail_fast: stop at the first finding.
        feedback: whether what was found decides what later batches are drawn without.
        known: bugs that are open, of which no more is told than that they were seen.
        relatives_of: programs to change at random, instead of drawing some with the machines.
        database: Hypothesis' example database, where programs that failed before are tried first.

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
    known: tuple[Open, ...] = ()
    relatives_of: tuple[Program, ...] = ()
    database: ExampleDatabase | None = None

    @property
    def care(self) -> Care:
        return Care(self.shrink_s, self.seeds_folder, self.random_seed, self.known)


@frozen
class Outcome:
    """What a hunt found and what it really did.

    Attributes:
        known_failures: programs that showed nothing but what was known, from seeds or of this run.
        known_open: the open bugs of seeds that were seen, and in how many programs each.
        stopped: why it could not go on: a server of ours that died, and not under a program that shows it, or
            that does not come up again.

    """

    plan: Plan
    programs: int
    seconds: float
    findings: tuple[Finding, ...]
    known_failures: int
    known_open: tuple[tuple[Open, int], ...] = ()
    interrupted: bool = False
    stopped: str | None = None


@define
class Listener:
    """What a hunt tells while it runs; each does nothing unless replaced."""

    on_trial: Callable[[Trial], None] = field(default=lambda _: None)
    on_failure: Callable[[Finding], None] = field(default=lambda _: None)
    on_finding: Callable[[Finding], None] = field(default=lambda _: None)


def hunt(lab: Lab, plan: Plan, listener: Listener) -> Outcome:
    """Run a hunt to its end, or until it is interrupted: then the outcome so far, marked as such.

    Raises:
        KalamPropsError: the target or the disk made it impossible to go on; findings are on disk.

    """
    return _outcome(_Campaign(lab, plan, listener), lambda campaign: campaign.run())


def resume(lab: Lab, plan: Plan, listener: Listener) -> Outcome:
    """Finish the findings of a run that was killed or interrupted, in the lab's run folder; draw nothing new.

    Raises:
        CorruptInputError: the folder holds no run.
        KalamPropsError: as for a hunt.

    """
    return _outcome(_Campaign(lab, plan, listener), lambda campaign: campaign.resume())


def _outcome(campaign: _Campaign, act: Callable[[_Campaign], None]) -> Outcome:
    interrupted = False
    stopped = None
    try:
        act(campaign)
    except ServerDiedError as error:
        stopped = str(error)
        campaign.keep_what_is_known()
    except (KeyboardInterrupt, CancelledError):
        interrupted = True
        campaign.lab.workspace.cancel()
        campaign.keep_what_is_known()
    seconds = time.monotonic() - campaign.began
    return Outcome(
        campaign.plan,
        campaign.programs,
        seconds,
        tuple(campaign.findings),
        campaign.known_failures,
        tuple((bug, seen) for bug in campaign.plan.known if (seen := campaign.open_seen[bug.seed_file])),
        interrupted,
        stopped,
    )


@define
class _Campaign:
    lab: Lab
    plan: Plan
    listener: Listener
    began: float = field(factory=time.monotonic)
    programs: int = 0
    known_failures: int = 0
    open_seen: Counter[Path] = field(factory=Counter)
    findings: list[Finding] = field(factory=list)
    current: Finding | None = None
    random: random.Random = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.random = random.Random(self.plan.random_seed)

    def run(self) -> None:
        explorer = Explorer(self.lab, self.first_new, self.over, self.ran)
        while not self.over():
            for name, draw in self.sources(explorer):
                if self.over():
                    break
                self.lab.take_aim()
                failure = draw()
                self.known_failures += explorer.known_failures
                explorer.known_failures = 0
                if failure is not None:
                    self.look_into(self.begin(failure, name))

    def sources(self, explorer: Explorer) -> Iterable[tuple[str, Callable[[], Failure | None]]]:
        """What draws the programs of one turn each, by name: each machine, or changes to given programs."""
        if self.plan.relatives_of:
            drawn = relatives(self.plan.relatives_of, random.Random(self.random.getrandbits(64)))
            yield "relatives", lambda: explorer.first_failure(drawn, TURN)
            return
        for name, machine in self.plan.machines.items():
            yield (
                name,
                lambda machine=machine: explore(  # type: ignore[misc]
                    machine,
                    explorer,
                    programs=TURN,
                    random_seed=self.random.getrandbits(64),
                    without=self.avoided(),
                    database=self.plan.database,
                ),
            )

    def resume(self) -> None:
        run = self.lab.folder.parent
        for finding in findings_on_disk.load_all(run):
            if finding.stage == "confirmed":
                self.add(finding)
            else:
                self.look_into(finding)
        for failure in self.not_judged():
            self.look_into(self.begin(failure, "?"))

    def not_judged(self) -> Iterable[Failure]:
        """What the killed run recorded last and may not have looked at."""
        told = {finding.discovered.name for finding in self.findings}
        for path in sorted(self.lab.folder.glob("*.jsonl"))[-UNDER_WAY:]:
            program_file = self.lab.programs_folder / f"{path.stem.split('-')[-1]}.json"
            if path.name in told or not program_file.exists():
                continue
            try:
                history = read_history(path)
                program = codec.read_program(program_file)
            except CorruptInputError:
                continue  # killed before the header was whole: nothing was run yet
            verdict = judge(history, expect=self.lab.expect)
            seen = tuple(sight(anomaly, history) for anomaly in verdict.anomalies)
            trial = Trial(program, path, verdict, seen)
            new = self.first_new(trial)
            if new is not None:
                yield Failure(trial, new)

    def begin(self, failure: Failure, machine: str) -> Finding:
        """A finding as it is known at first."""
        trial = failure.trial
        number = len(list(self.lab.folder.parent.glob("finding-*"))) + 1
        return Finding(
            names=(Name(failure.sighting, trial.program),),
            folder=self.lab.folder.parent / f"finding-{number:02d}",
            machine=machine,
            original=trial.program,
            discovered=trial.history,
            history=trial.history,
            faults=self.plan.faults,
        )

    def look_into(self, finding: Finding) -> None:
        self.keep(finding)
        self.listener.on_failure(finding)
        self.add(investigate(self.lab, finding, self.plan.care, self.keep))
        self.current = None

    def keep(self, finding: Finding) -> None:
        """What is known of a finding goes to disk at once."""
        self.current = finding
        findings_on_disk.save(finding)

    def keep_what_is_known(self) -> None:
        """After an interruption: the finding that was being looked into, with its best program so far."""
        if self.current is not None:
            self.keep(save_seed(self.lab, self.current, self.plan.care))
            self.add(self.current)
            self.current = None

    def add(self, finding: Finding) -> None:
        """Keep a finding; one that shrank to what is known already is another name of that."""
        if (bug := is_open(finding.names[0], self.plan.known)) is not None:
            self.known_failures += 1
            self.open_seen[bug.seed_file] += 1
            return
        for at, known in enumerate(self.findings):
            if known.sighting.label == finding.sighting.label and known.kinds == finding.kinds:
                merged = evolve(known, names=(*known.names, *finding.names[1:]))
                self.findings[at] = merged
                findings_on_disk.save(merged)
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
        names = shown(trial, (bug.name for bug in self.plan.known))
        self.open_seen.update(bug.seed_file for bug in self.plan.known if bug.name in names)
        self.listener.on_trial(trial)

    def first_new(self, trial: Trial) -> Sighting | None:
        """The most telling anomaly of a trial that nothing known explains."""
        return first_new(
            trial,
            [
                *(bug.name for bug in self.plan.known),
                *(name for found in self.findings for name in found.names),
            ],
        )

    def avoided(self) -> frozenset[str]:
        """Kinds of operations to leave out of the next batch, so that a frequent bug does not hide others.

        Three batches in four avoid what triggers the known findings, where something can be left out.
        """
        known = [*(bug.name for bug in self.plan.known), *(finding.names[0] for finding in self.findings)]
        if not self.plan.feedback or not known or self.random.random() < 0.25:
            return frozenset()
        optional = sorted(self.random.choice(known).kinds - {"insert", "select"})
        return frozenset({self.random.choice(optional)}) if optional else frozenset()
