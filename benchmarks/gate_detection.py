"""How soon a race is found with the gate, without it, and by the fixed scenario in a loop, side by side.

    python benchmarks/gate_detection.py [--fault NAME]... [--window 1ms|…] [--seeds 5] [--first-seed 1]
        [--limit 120] [--times 30] [--machine NAME]... [--steps 1] [--pairs] [--driver process]
        [--kalam PATH] [--identity auto] [--shrink 0] [--scenario 0]

For each race fault, with a window of about 1 ms (see `window_of`; the server reports what it really was):
programs and seconds until a hunt first finds it, for each seed and as the median of all. A search ends after
`--limit` seconds; one without the gate also after `--times` as many programs as the median with the gate had
needed. Where most found nothing until then, the median is above the shortest of them, and the ratio is
marked: it is at least so much; other seeds could not change that, and are not searched. Seconds hold all that
a hunt does, also the flushes that it makes to learn when they run; a program is one that a machine drew.

Both sides draw the same programs, for the same seed: from `--machine`, by default `meetings` for what takes a
flush, `neighbours` for what takes two users, `watchers` for what takes a scan or a count, `writers` for the
rest, with `--steps` rules each, by default one: one meeting, or up to four writes that are met, are a chance.
With the gate a program of five is enough for some faults, and there can't be fewer programs than one. With
`--pairs` only those of them are run in which one request meets one other, once: a program is one chance.

With `--shrink SECONDS` the first finding with the gate is shrunk for so long, and its program then run 40
times with the gate and 40 times without: how often it shows the fault again. With `--scenario SECONDS` the
fixed scenario of five users who insert 150 rows each is then repeated for so long, without the gate and with
all the faults on at once; which of them struck until it first found something is told with that.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
from attrs import define, evolve, frozen

from kalam_props.errors import TargetError
from kalam_props.history.operations import Count, Flush, Select
from kalam_props.hunt.campaign import Listener, Plan, hunt
from kalam_props.hunt.finding import Finding
from kalam_props.hunt.lab import Lab
from kalam_props.hunt.measure import estimate
from kalam_props.hunt.scenario import Scenario, run
from kalam_props.hunt.structure import steps_of
from kalam_props.measure.yardsticks import YARDSTICKS
from kalam_props.programs.machine import ProgramMachine
from kalam_props.programs.machines import MACHINES
from kalam_props.programs.model import Program
from kalam_props.reference import FAULTS
from kalam_props.targets.opening import TargetOptions, open_run
from kalam_props.targets.workspace import Workspace

FAULTS_OF_RACES = tuple(
    name
    for name, fault in FAULTS.items()
    # A hang costs its deadline each time, and notifications have no part in these machines.
    if "window" in fault.parameters and name not in ("hang-at-flush", "notification-overtaken")
)

AFTER_A_COMMIT = ("stale-count", "stale-snapshot", "stale-index", "split-scan")
"""Their windows begin with a commit, or before it, and are met by what is sent after its answer."""

AGAIN = 40
"""Runs of a shrunk program on each side."""


class FoundError(Exception):
    """Ends a hunt at its first failure, before it is investigated."""


@define
class Search:
    """One hunt up to its first failure."""

    programs: int = 0
    seconds: float = 0.0
    finding: Finding | None = None
    window: str = ""


@frozen
class Setting:
    fault: str
    machines: tuple[str, ...]
    target: TargetOptions
    limit: float
    steps: int
    pairs: bool

    def plan(self, lab: Lab, seed: int, programs: int | None, shrink_s: float = 0.0) -> Plan:
        return Plan(
            machines={name: of_steps(MACHINES[name], self.steps, pairs=self.pairs) for name in self.machines},
            random_seed=seed,
            programs=programs,
            seconds=self.limit,
            shrink_s=shrink_s,
            fail_fast=True,
            seeds_folder=lab.folder.parent / "seeds",
        )


def window_of(fault: str) -> str:
    """A window of which about 1 ms is left to meet.

    From a commit until what was sent at its answer looks, or commits, it takes another.
    """
    return "2ms" if fault in AFTER_A_COMMIT else "1ms"


def of_steps(machine: type[ProgramMachine], steps: int, *, pairs: bool) -> type[ProgramMachine]:
    """The machine with programs of so many rules; Hypothesis counts the one for the shape as well."""

    def teardown(self: ProgramMachine) -> None:
        if not pairs or is_one_pair(self.program()):
            machine.teardown(self)

    return type(machine.__name__, (machine,), {"steps": 1 + steps, "teardown": teardown})


def is_one_pair(program: Program) -> bool:
    """Whether one request meets one other, in one round, and nothing else is concurrent."""
    meetings = [list(round_.lanes.values()) for round_ in program.rounds if round_.concurrent]
    return [[len(lane) for lane in lanes] for lanes in meetings] == [[1, 1]]


def machine_for(fault: str) -> str:
    """The machine whose programs meet what the fault is in: a flush, another user, or another request."""
    program = YARDSTICKS[fault].minima[0]
    steps = steps_of(program)
    if len(program.users) > 1:
        return "neighbours"
    by_rows = any(table.flush_rows is not None for table in program.tables.values())
    if by_rows or any(isinstance(step.op, Flush) for step in steps):
        return "meetings"
    reads = any(isinstance(step.op, (Select, Count)) for step in steps)
    return "watchers" if reads else "writers"


@contextmanager
def lab_on(target: TargetOptions, *faults: str) -> Iterator[Lab]:
    """A lab on a server of its own with these faults, in a folder that is gone afterwards."""
    with (
        tempfile.TemporaryDirectory() as folder,
        open_run(evolve(target, faults=faults), Path(folder)) as workspace,
    ):
        yield Lab(workspace, Path(folder) / "histories")


def window(lab: Lab, fault: str) -> str:
    """How long the fault's window really was, as the server measured it."""
    seen = stats(lab.workspace.target.url)[fault.partition(":")[0]]
    lengths = seen["window_ms"]
    return f"{seen['hits']} hits" + (f" of {lengths['median']:.2f} ms" if lengths else "")


def stats(url: str) -> dict[str, Any]:
    """What the reference server says of each fault that is on."""
    return dict(httpx.get(f"{url}/v1/reference/stats", trust_env=False).json()["faults"])


def search(setting: Setting, seed: int, *, gate: bool, programs: int | None) -> Search:
    found = Search()

    def ran(_trial: object) -> None:
        found.programs += 1

    def failed(finding: Finding) -> None:
        found.finding = finding
        raise FoundError

    with lab_on(evolve(setting.target, gate=gate), setting.fault) as lab:
        began = time.monotonic()
        with suppress(FoundError):
            hunt(lab, setting.plan(lab, seed, programs), Listener(on_trial=ran, on_failure=failed))
        found.seconds = time.monotonic() - began
        found.window = window(lab, setting.fault)
    names = YARDSTICKS[setting.fault.partition(":")[0]].names
    if found.finding is not None and found.finding.sighting.name not in names:
        print(f"  not one of its names: {found.finding.sighting.name}")
    return found


def searches(setting: Setting, seeds: range, *, gate: bool, programs: int | None) -> list[Search]:
    found: list[Search] = []
    for seed in seeds:
        found.append(search(setting, seed, gate=gate, programs=programs))
        if len(missed(found)) > len(seeds) / 2:
            break
    print(
        f"  {'gate   ' if gate else 'no gate'}   programs {told(found, lambda s: s.programs)}; "
        f"seconds {told(found, lambda s: s.seconds)}; windows: {', '.join(s.window for s in found)}",
        flush=True,
    )
    return found


def told(found: Sequence[Search], of: Callable[[Search], float]) -> str:
    each = " ".join(f"{'' if search.finding else '>'}{of(search):.0f}" for search in found)
    return f"{mark(found)}{middle(found, of):.0f} ({each})"


def middle(found: Sequence[Search], of: Callable[[Search], float]) -> float:
    """The median; where most found nothing, what it is above."""
    if mark(found):
        return min(map(of, missed(found)))
    return statistics.median(of(search) for search in found)


def mark(found: Sequence[Search]) -> str:
    """`>` where most found nothing: the median is then a limit."""
    return ">" if len(missed(found)) > len(found) / 2 else ""


def missed(found: Sequence[Search]) -> list[Search]:
    """Those that found nothing."""
    return [search for search in found if search.finding is None]


def compare(setting: Setting, seeds: range, times: float) -> None:
    with_gate = searches(setting, seeds, gate=True, programs=None)
    needed = middle(with_gate, lambda s: s.programs)
    most = None if mark(with_gate) else round(times * needed)
    without = searches(setting, seeds, gate=False, programs=most)
    ratio = middle(without, lambda s: s.programs) / max(1, needed)
    if mark(with_gate):
        print("  ratio     none: most searches with the gate found nothing", flush=True)
    else:
        print(f"  ratio     {mark(without)}{ratio:.1f} times fewer programs", flush=True)


def reproduction(setting: Setting, shrink_s: float) -> str:
    """How often the shrunk program shows the fault, with the gate and without it."""
    with lab_on(setting.target, setting.fault) as lab:
        outcome = hunt(lab, setting.plan(lab, 1, None, shrink_s), Listener())
        if not outcome.findings:
            return "nothing was found to shrink"
        finding = outcome.findings[0]
        program, wanted = finding.program, finding.sighting
        with_gate = estimate(lab, program, wanted, runs=AGAIN, enough=AGAIN)
    with lab_on(evolve(setting.target, gate=False), setting.fault) as other:
        without = estimate(other, program, wanted, runs=AGAIN, enough=AGAIN)
    return (
        f"{wanted.name}, {program.operations} operations: "
        f"{with_gate.seen} of {with_gate.runs} with the gate, {without.seen} of {without.runs} without"
    )


def scenario_loop(target: TargetOptions, faults: tuple[str, ...], limit: float) -> str:
    """What a user does today: five users insert 150 rows each, over and over.

    Told is what it found first, which faults had struck by then, and in how many runs it found anything.
    """
    first = "nothing found"
    runs = failed = 0
    with lab_on(evolve(target, gate=False), *faults) as lab:
        url = lab.workspace.target.url
        began = time.monotonic()
        while time.monotonic() - began < limit:
            runs += 1
            seen = scenario_run(lab.workspace, lab.folder.with_name("history.jsonl"))
            if seen and not failed:
                first = f"{seen} in run {runs}, {time.monotonic() - began:.0f} s, struck by then: {hits(url)}"
            failed += bool(seen)
        seconds = time.monotonic() - began
        return f"{first}; {failed} of {runs} runs failed, {seconds:.0f} s, struck: {hits(url)}"


def scenario_run(workspace: Workspace, history: Path) -> str:
    """What one run finds; empty: nothing."""
    try:
        result = run(Scenario(), workspace, history, lambda _: None)
    except TargetError as error:  # a refused insert ends it
        return str(error)
    if result.passed:
        return ""
    return ", ".join(sorted({anomaly.name for anomaly in result.verdict.anomalies})) or "failed"


def hits(url: str) -> str:
    """The faults that the server has shown to anybody so far, and how often."""
    return ", ".join(f"{name} {seen['hits']}" for name, seen in stats(url).items() if seen["hits"]) or "none"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--fault", action="append", choices=FAULTS_OF_RACES)
    parser.add_argument("--window", help="the parameter of every fault, such as 500us")
    parser.add_argument("--seeds", type=int, default=5, help="0: without the searches")
    parser.add_argument("--first-seed", type=int, default=1)
    parser.add_argument("--limit", type=float, default=120.0, help="seconds for one search")
    parser.add_argument("--times", type=float, default=30.0, help="programs without the gate, at the most")
    parser.add_argument("--machine", action="append", choices=list(MACHINES))
    parser.add_argument("--steps", type=int, default=1, help="rules in a program, at the most")
    parser.add_argument(
        "--pairs", action="store_true", help="only programs of one request that meets another"
    )
    parser.add_argument("--driver", default="process", choices=("process", "session", "http"))
    parser.add_argument("--kalam", type=Path, help="a kalam binary; default: as for a hunt")
    parser.add_argument("--identity", default="auto", choices=("auto", "login", "execute-as", "token"))
    parser.add_argument("--shrink", type=float, default=0.0, help="seconds; 0: without reproduction rates")
    parser.add_argument("--scenario", type=float, default=0.0, help="seconds; 0: without the scenario")
    chosen = parser.parse_args()
    names = tuple(chosen.fault or FAULTS_OF_RACES)
    faults = tuple(f"{name}:window={chosen.window or window_of(name)}" for name in names)
    seeds = range(chosen.first_seed, chosen.first_seed + chosen.seeds)
    target = TargetOptions(driver=chosen.driver, kalam=chosen.kalam, identity=chosen.identity)
    for name, fault in zip(names, faults, strict=True):
        machines = tuple(chosen.machine or (machine_for(name),))
        setting = Setting(fault, machines, target, chosen.limit, chosen.steps, chosen.pairs)
        if seeds or chosen.shrink:
            print(fault, flush=True)
        if seeds:
            compare(setting, seeds, chosen.times)
        if chosen.shrink:
            print(f"  again     {reproduction(setting, chosen.shrink)}", flush=True)
    if chosen.scenario:
        print(f"scenario  {scenario_loop(target, faults, chosen.scenario)}", flush=True)


if __name__ == "__main__":
    main()
