"""Where programs are tried: run one on the target, judge its history, keep the file and what it showed."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import TypeAlias

from attrs import define, evolve, field, frozen

from kalam_props.checks.judge import judge
from kalam_props.checks.verdict import Verdict
from kalam_props.drivers.protocol import Driver
from kalam_props.errors import ServerDiedError, StorageError, TargetError
from kalam_props.execution.aim import Aim, FlushTimes
from kalam_props.execution.calibration import calibration
from kalam_props.execution.evidence import Evidence, evidence, met_its_flush
from kalam_props.execution.run import Limits, execute
from kalam_props.history.events import History, ServerEvent
from kalam_props.history.operations import AwaitFlush, Compact, Flush, Pause
from kalam_props.history.reader import read_history
from kalam_props.hunt.families import Sighting, most_telling, sight
from kalam_props.hunt.seeds import program_text
from kalam_props.hunt.structure import goes_down, steps_of
from kalam_props.programs.codec import digest
from kalam_props.programs.model import Program
from kalam_props.targets.workspace import Workspace

CALIBRATION_S = 1.0
"""Seconds in which an operation is answered from whose flush one can learn; a server may hang there."""

LONGEST_PAUSE_S = 0.1
"""Seconds before a run that waits for a look of the server at its tables, at the most."""

HANGING_AT_ONCE = 8
"""Executions of one program side by side where requests hang: one waits for most of its time."""

HANGS_AFTER_S = 2.0
"""Seconds without an end of any execution after which one is taken to hang, where that is looked for."""

WAITING_AT_ONCE = 4
"""As many where nothing has to be met in time, and a flush or a pause is waited for. All others run one after
the other: side by side races are met less often (on two cores a scan in a flush showed a fault in 41 % of
runs alone and in 15 % of runs two at once, in about the same time), and a read comes later after a write than
it does when somebody runs the program by hand."""


@frozen
class Trial:
    """One execution, judged.

    Attributes:
        history: where its events are.
        sightings: the verdict's anomalies, in its order, with their sides.
        met: what was aimed at a flush met one; True where nothing was.

    """

    program: Program
    history: Path
    verdict: Verdict
    sightings: tuple[Sighting, ...] = ()
    met: bool = True

    def showing(self, wanted: Sighting) -> Sighting | None:
        """What of this run counts as `wanted`: the most telling name of its family, or None."""
        return most_telling(self.sightings, wanted)


@define
class Deaths:
    """Whether the server has ended by itself under a program, which is a finding and starts it again."""

    seen: bool = False
    lock: threading.Lock = field(factory=threading.Lock, repr=False)


@define
class Exercised:
    """What was done by all labs on one target; `unknown` is why a check could not decide."""

    executions: int = 0
    evidence: Evidence = field(factory=Evidence)
    unknown: list[str] = field(factory=list)
    lock: threading.Lock = field(factory=threading.Lock, repr=False)

    def add(self, shown: Evidence, unknown: Iterable[str]) -> None:
        with self.lock:
            self.executions += 1
            self.evidence += shown
            self.unknown.extend(unknown)


_WAITED_FOR = (Flush, Compact, AwaitFlush, Pause)

Enough: TypeAlias = Callable[[list[Trial]], bool]
"""Whether the trials so far decide; asked before each new one."""


@define
class Lab:
    """Runs and judges programs in one workspace. Thread-safe.

    `feedback`: whether what was learnt of flushes aims at later ones. `hanging`: what is looked for is a
    request that is never answered. `waiting_at_once`: executions side by side of a program that mostly waits.
    `deaths` of the server, and what was `exercised`: labs on one target share both. `executions`: of this lab
    alone.
    """

    workspace: Workspace
    folder: Path
    expect: str = "linearizable"
    limits: Limits = field(factory=Limits)
    aim: Aim = field(factory=Aim)
    executions: int = 0
    feedback: bool = True
    hanging: bool = False
    waiting_at_once: int = WAITING_AT_ONCE
    flush_times: FlushTimes = field(factory=FlushTimes)
    deaths: Deaths = field(factory=Deaths)
    exercised: Exercised = field(factory=Exercised)
    _programs: set[str] = field(factory=set, repr=False)
    _calibrated: bool = field(default=False, repr=False)
    _taken: int | None = field(default=None, repr=False)
    _lock: threading.Lock = field(factory=threading.Lock, repr=False)

    def run(self, program: Program) -> Trial:
        """Run a program once. A server of ours that died under one before is started again.

        Raises:
            SetupRefusedError, TargetError, StorageError: the run is not possible; never a finding.
            ServerDiedError: a server that we manage ended by itself, and not under a program, or does not
                come up again; nothing more can be run on it.

        """
        path = self._new_path(program)
        flush_rows = {name: table.flush_rows for name, table in program.tables.items()}
        if any(rows is not None for rows in flush_rows.values()):
            self._pause()
        history = self._execute(program, path, self.limits, self.aim)
        verdict = judge(history, expect=self.expect)
        shown = evidence(history, flush_rows)
        self.exercised.add(shown, verdict.unknown)
        with self._lock:
            self.flush_times.learn(history)
        sightings = tuple(sight(anomaly, history) for anomaly in verdict.anomalies)
        return Trial(program, path, verdict, sightings, met_its_flush(history))

    def _pause(self) -> None:
        """For a part of the interval at which the server looks at its tables, at random.

        A run that is over when it has looked would have the next one begin at the same time after that, over
        and over: what it meets would be a matter of luck for all of them together.
        """
        interval_s = self.workspace.target.check_interval_s or 0.0
        time.sleep(random.uniform(0.0, min(interval_s, LONGEST_PAUSE_S)))

    def _execute(self, program: Program, path: Path, limits: Limits, aim: Aim | None = None) -> History:
        """Run a program; a death of the server under it is told by its history."""
        self._bring_up()
        try:
            return execute(program, self.workspace, path, limits, aim=aim)
        except ServerDiedError:
            history = read_history(path) if path.exists() else None
            if history is None or not _tells_of_death(history):
                raise
            self.deaths.seen = True
            return history

    def _bring_up(self) -> None:
        server = self.workspace.target.managed
        if server is None or not self.deaths.seen:
            return
        with self.deaths.lock:
            try:
                server.start_again()
            except TargetError as error:
                raise ServerDiedError(f"the server died and does not come up again: {error}") from None

    def take_aim(self) -> None:
        """Aim at flushes as the runs so far say. For between batches of programs, never inside of one.

        Where nothing was run yet, a few flushes are made to learn from.

        Raises:
            KalamPropsError: the target is not usable.

        """
        target = self.workspace.target
        if not self.feedback or target.gate is None:
            return
        with self._lock:
            calibrate = not (self._calibrated or self.flush_times.enough)
            self._calibrated = True
        if calibrate:
            self._calibrate()
        with self._lock:
            self.aim = self.flush_times.aim(target.check_interval_s)

    def _calibrate(self) -> None:
        target = self.workspace.target
        path = self.folder.parent / f"calibration-{target.driver.name}.jsonl"
        limits = evolve(self.limits, operation_s=CALIBRATION_S)
        history = self._execute(calibration(target.check_interval_s), path, limits)
        with self._lock:
            self.flush_times.learn(history)
            if _tells_of_death(history):
                # The programs to come show it as a finding; should none do so, it is told all the same.
                self.exercised.unknown.append(f"the server ended by itself while flushes were timed: {path}")

    def until(self, program: Program, runs: int, enough: Enough) -> list[Trial]:
        """Run a program up to `runs` times, each on fresh tables, until its trials are `enough`.

        Returns the trials in the order in which they ended; those that were under way are among them.
        """
        self.take_aim()
        alone = goes_down(program) or self.deaths.seen
        most = self.waiting_at_once if waits(program) and not (alone or races(program)) else 1
        ended: list[Trial] = []
        with ThreadPoolExecutor(HANGING_AT_ONCE) as pool:
            open_: set[Future[Trial]] = set()
            started = 0
            while open_ or (started < runs and not enough(ended)):
                while started < runs and len(open_) < most and not enough(ended):
                    open_.add(pool.submit(self.run, program))
                    started += 1
                done, open_ = wait(open_, HANGS_AFTER_S if self.hanging else None, FIRST_COMPLETED)
                ended.extend(future.result() for future in done)
                if not alone and (not done or any(map(_hung, ended))):
                    most = HANGING_AT_ONCE
        return ended

    def alone(self) -> Lab:
        """A lab like this in which every execution is alone: what others ask for is a load of its own."""
        return evolve(self.with_driver(self.workspace.target.driver), waiting_at_once=1)

    def with_driver(self, driver: Driver, limits: Limits | None = None, *, hanging: bool = False) -> Lab:
        """A lab on the same target with a driver, limits and a folder for histories of its own."""
        workspace = evolve(self.workspace, target=evolve(self.workspace.target, driver=driver))
        folder = self.folder.with_name(f"{self.folder.name}-{driver.name}")
        return Lab(
            workspace,
            folder,
            self.expect,
            limits or self.limits,
            feedback=self.feedback,
            hanging=hanging,
            waiting_at_once=self.waiting_at_once,
            flush_times=self.flush_times,
            aim=self.aim,
            deaths=self.deaths,
            exercised=self.exercised,
        )

    def _new_path(self, program: Program) -> Path:
        """A path for a history; the program is on disk before anything is run."""
        name = digest(program)
        with self._lock:
            self.executions += 1
            number = self._numbers_taken() + self.executions
            new = name not in self._programs
            self._programs.add(name)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            if new:
                self.programs_folder.mkdir(exist_ok=True)
                (self.programs_folder / f"{name}.json").write_text(program_text(program), encoding="utf-8")
        except OSError as error:
            raise StorageError(f"{self.folder}: cannot be written ({error.strerror})") from None
        return self.folder / f"{number:06d}-{name}.jsonl"

    @property
    def programs_folder(self) -> Path:
        """Every program that was run, by its digest, which is in the name of its histories."""
        return self.folder.parent / "programs"

    def _numbers_taken(self) -> int:
        """Histories of a run that is resumed keep their numbers."""
        if self._taken is None:
            numbers = (path.name.split("-")[0] for path in self.folder.glob("*-*.jsonl"))
            self._taken = max((int(number) for number in numbers if number.isdigit()), default=0)
        return self._taken


def races(program: Program) -> bool:
    """Whether something is to meet something else: lanes each other, or a request a flush."""
    return any(
        round_.concurrent or any(step.release is not None for lane in round_.lanes.values() for step in lane)
        for round_ in program.rounds
    )


def waits(program: Program) -> bool:
    """Whether a run is mostly a matter of waiting: for a flush, or because it is told to."""
    by_policy = any(table.flush_rows is not None for table in program.tables.values())
    return by_policy or any(isinstance(step.op, _WAITED_FOR) for step in steps_of(program))


def _hung(trial: Trial) -> bool:
    return any(anomaly.name == "hung" for anomaly in trial.verdict.anomalies)


def _tells_of_death(history: History) -> bool:
    """Whether the server ended by itself under it."""
    return any(isinstance(event, ServerEvent) and event.what == "died" for event in history.events)
