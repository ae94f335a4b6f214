"""Programs of every machine against a server that is believed to be healthy: whatever is found is our bug.

Nothing is shrunk and nothing is told apart: a false alarm is looked at with its history in hand. Some
programs kill or restart the server, where it is ours to kill.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

from attrs import define, field, frozen

from kalam_props.errors import CancelledError
from kalam_props.history.events import CONNECTION_LOST
from kalam_props.history.operations import Kill, Restart
from kalam_props.hunt.explore import draw
from kalam_props.hunt.known import Open, first_new
from kalam_props.hunt.lab import Lab, Trial
from kalam_props.hunt.structure import goes_down
from kalam_props.programs.codec import digest
from kalam_props.programs.machine import ProgramMachine
from kalam_props.programs.model import Program, Round, Step

BATCH = 8
"""Programs that one machine draws before the next has its turn."""

AT_ONCE = 2
"""Programs side by side: more of them a second, and nothing has to be met in time."""

KILLS_EVERY = 25
"""One program in so many kills or restarts the server: that takes as long as fifty operations."""


@frozen
class SoakPlan:
    """What to run: programs, or seconds, whichever ends first.

    `kills`: whether some kill the server; `known`: open bugs, which a server may show.
    """

    machines: dict[str, type[ProgramMachine]]
    random_seed: int
    programs: int | None
    seconds: float | None
    kills: bool
    known: tuple[Open, ...] = ()


@define
class Soaked:
    """What was run. Its evidence is the lab's.

    Attributes:
        net_faults: cut, stalled or slowed requests, as the gate really did them.
        kills: servers that were killed or stopped in an orderly way.
        anomalous: the trials that found something that is not known.
        known_failures: those that showed nothing but open bugs.

    """

    programs: int = 0
    seconds: float = 0.0
    net_faults: int = 0
    kills: int = 0
    by_machine: dict[str, int] = field(factory=dict)
    anomalous: list[Trial] = field(factory=list)
    known_failures: int = 0
    interrupted: bool = False


def soak(lab: Lab, plan: SoakPlan, on_trial: Callable[[Trial], None]) -> Soaked:
    """Run programs until the plan is done, or it is interrupted.

    Raises:
        KalamPropsError: the target or the disk made it impossible to go on.

    """
    began = time.monotonic()
    soaked = Soaked()

    def over() -> bool:
        done = plan.programs is not None and soaked.programs >= plan.programs
        return done or (plan.seconds is not None and time.monotonic() - began >= plan.seconds)

    def run(programs: list[Program]) -> Iterator[Trial]:
        """Side by side, but for those that need the server for themselves, which come last."""
        alone = [program for program in programs if goes_down(program)]
        with ThreadPoolExecutor(AT_ONCE) as pool:
            together = [program for program in programs if not goes_down(program)]
            for at in range(0, len(together), AT_ONCE):
                if over():
                    return
                yield from pool.map(lab.run, together[at : at + AT_ONCE])
        for program in alone:
            if not over():
                yield lab.run(program)

    try:
        for name, programs in _batches(plan):
            if over():
                break
            lab.take_aim()
            left = len(programs) if plan.programs is None else plan.programs - soaked.programs
            for trial in run(programs[:left]):
                _count(soaked, name, trial, plan.known)
                on_trial(trial)
    except (KeyboardInterrupt, CancelledError):
        soaked.interrupted = True
        lab.workspace.cancel()
    soaked.seconds = time.monotonic() - began
    return soaked


def _batches(plan: SoakPlan) -> Iterator[tuple[str, list[Program]]]:
    """Programs of each machine in turn, without end, each program once."""
    source = random.Random(plan.random_seed)
    seen: set[str] = set()
    number = 0
    while True:
        for name, machine in plan.machines.items():
            drawn = draw(machine, programs=BATCH, random_seed=source.getrandbits(64))
            fresh: list[Program] = []
            for program in drawn:
                if digest(program) in seen:
                    continue
                seen.add(digest(program))
                number += 1
                kills = plan.kills and number % KILLS_EVERY == KILLS_EVERY // 2
                fresh.append(_with_a_kill(program, source) if kills else program)
            yield name, fresh


def _with_a_kill(program: Program, source: random.Random) -> Program:
    """The server killed, or stopped in an orderly way, between two rounds."""
    at = source.randint(1, len(program.rounds))
    op = source.choice((Kill(), Kill(), Restart()))
    session = source.choice(program.sessions)
    return program.with_rounds((*program.rounds[:at], Round({session: (Step(op),)}), *program.rounds[at:]))


def _count(soaked: Soaked, machine: str, trial: Trial, known: tuple[Open, ...]) -> None:
    recorded = trial.history.read_bytes()
    soaked.programs += 1
    lost = recorded.count(f'"what":"{CONNECTION_LOST}'.encode())
    soaked.net_faults += recorded.count(b'"e":"net"') - lost
    soaked.kills += recorded.count(b'"what":"killed"') + recorded.count(b'"what":"stopped"')
    soaked.by_machine[machine] = soaked.by_machine.get(machine, 0) + 1
    if first_new(trial, [bug.name for bug in known]) is not None:
        soaked.anomalous.append(trial)
    elif trial.sightings:
        soaked.known_failures += 1
