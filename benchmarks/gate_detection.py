"""How soon a race is found with the gate, without it, and by the fixed scenario in a loop, side by side.

    python benchmarks/gate_detection.py [--fault NAME]... [--window 1ms] [--seeds 5] [--limit 120]
        [--scenario-limit 600] [--shrink 30] [--machine NAME]... [--driver process]

For each race fault, with a window that the server reports as it really was: programs and seconds until a hunt
first finds it, the median of seeds. What was not found until the limit counts as the limit, and is marked.
With `--shrink`, the first program found with the gate is shrunk, and run with and without the gate: how often
it shows the fault again.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
from attrs import define, frozen

from kalam_props.hunt.campaign import Listener, Plan, hunt
from kalam_props.hunt.explore import Failure
from kalam_props.hunt.lab import Lab
from kalam_props.hunt.scenario import Scenario, run
from kalam_props.hunt.shrink import estimate, shrink
from kalam_props.programs.machines import MACHINES
from kalam_props.reference import FAULTS
from kalam_props.targets.opening import TargetOptions, open_run

FAULTS_OF_RACES = tuple(
    name
    for name, fault in FAULTS.items()
    # A hang costs its deadline each time, and notifications have no part in these machines.
    if "window" in fault.parameters and name not in ("hang-at-flush", "notification-overtaken")
)


class FoundError(Exception):
    """Ends a hunt at its first failure, before it is investigated."""


@define
class Search:
    """One hunt up to its first failure."""

    programs: int = 0
    seconds: float = 0.0
    failure: Failure | None = None
    windows: str = ""


@frozen
class Setting:
    machines: tuple[str, ...]
    driver: str
    limit: float
    shrink: float


@contextmanager
def lab_of(fault: str, setting: Setting, *, gate: bool) -> Iterator[Lab]:
    with tempfile.TemporaryDirectory() as folder:
        options = TargetOptions(faults=(fault,), gate=gate, driver=setting.driver)
        with open_run(options, Path(folder)) as workspace:
            yield Lab(workspace, Path(folder) / "histories")


def windows(lab: Lab, fault: str) -> str:
    """The lengths that the fault's window really had, as the server measured them."""
    report = httpx.get(f"{lab.workspace.target.url}/v1/reference/stats", trust_env=False).json()
    seen = report["faults"][fault.partition(":")[0]]
    lengths = seen["window_ms"]
    return f"{seen['hits']} hits" + (f", {lengths['median']:.1f} ms at the median" if lengths else "")


def search(lab: Lab, fault: str, setting: Setting, seed: int) -> Search:
    found = Search()

    def ran(_trial: object) -> None:
        found.programs += 1

    def failed(failure: Failure) -> None:
        found.failure = failure
        raise FoundError

    plan = Plan(
        machines={name: MACHINES[name] for name in setting.machines},
        random_seed=seed,
        seconds=setting.limit,
    )
    began = time.monotonic()
    with suppress(FoundError):
        hunt(lab, plan, Listener(on_trial=ran, on_failure=failed))
    found.seconds = time.monotonic() - began
    found.windows = windows(lab, fault)
    return found


def scenario_loop(fault: str, setting: Setting, limit: float) -> str:
    """What a user does today: five users insert 150 rows each, over and over."""
    with tempfile.TemporaryDirectory() as folder:
        options = TargetOptions(faults=(fault,), gate=False, driver=setting.driver)
        with open_run(options, Path(folder)) as workspace:
            began, runs = time.monotonic(), 0
            while time.monotonic() - began < limit:
                runs += 1
                result = run(Scenario(), workspace, Path(folder) / "history.jsonl", lambda _: None)
                if not result.passed:
                    return f"found in run {runs}, {time.monotonic() - began:.0f} s"
            return f"not found in {runs} runs, {time.monotonic() - began:.0f} s"


def reproduction(lab: Lab, failure: Failure, fault: str, setting: Setting) -> str:
    """How often the shrunk program shows the fault, with the gate and without it."""
    rate = estimate(lab, failure.trial.program, failure.sighting)
    shrunk = shrink(lab, failure.trial, failure.sighting, rate, budget_s=setting.shrink)
    program, wanted = shrunk.trial.program, shrunk.sighting
    with_gate = estimate(lab, program, wanted, runs=20, enough=20)
    with lab_of(fault, setting, gate=False) as other:
        without = estimate(other, program, wanted, runs=20, enough=20)
    return (
        f"{wanted.name}, {program.operations} operations: "
        f"{with_gate.seen} of {with_gate.runs} with the gate, "
        f"{without.seen} of {without.runs} without"
    )


def told(found: list[Search], of: Callable[[Search], float]) -> str:
    missed = sum(search.failure is None for search in found)
    value = statistics.median(of(search) for search in found)
    return f"{'>' if missed > len(found) // 2 else ''}{value:.0f}" + (f" ({missed} missed)" if missed else "")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--fault", action="append", choices=FAULTS_OF_RACES)
    parser.add_argument("--window", default="1ms")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--limit", type=float, default=120.0, help="seconds for one search")
    parser.add_argument("--scenario-limit", type=float, default=600.0, help="0: without the scenario")
    parser.add_argument("--shrink", type=float, default=30.0, help="seconds; 0: without reproduction rates")
    parser.add_argument("--machine", action="append", choices=list(MACHINES))
    parser.add_argument("--driver", default="process")
    chosen = parser.parse_args()
    machines = tuple(chosen.machine or [name for name in MACHINES if name != "lossy-network"])
    setting = Setting(machines, chosen.driver, chosen.limit, chosen.shrink)
    for name in chosen.fault or FAULTS_OF_RACES:
        fault = f"{name}:window={chosen.window}"
        print(f"{fault}", flush=True)
        medians = {}
        shrunk = not setting.shrink
        for gate in (True, False):
            found = []
            for seed in range(1, chosen.seeds + 1):
                with lab_of(fault, setting, gate=gate) as lab:
                    found.append(search(lab, fault, setting, seed))
                    failure = found[-1].failure
                    if gate and failure is not None and not shrunk:
                        shrunk = True
                        print(f"  again     {reproduction(lab, failure, fault, setting)}", flush=True)
            medians[gate] = statistics.median(search.programs for search in found)
            print(
                f"  {'gate   ' if gate else 'no gate'}   programs {told(found, lambda s: s.programs)}; "
                f"seconds {told(found, lambda s: s.seconds)}; {found[-1].windows}",
                flush=True,
            )
        print(f"  ratio     {medians[False] / max(1, medians[True]):.1f} times fewer programs", flush=True)
        if chosen.scenario_limit:
            print(f"  scenario  {scenario_loop(fault, setting, chosen.scenario_limit)}", flush=True)


if __name__ == "__main__":
    main()
