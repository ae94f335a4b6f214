"""From a failure to a finding: learn how often it shows, make it small, learn that again, save a seed.

Each step goes to disk before the next begins.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import orjson
from attrs import evolve, frozen

from kalam_props.checks.health import PATIENCE
from kalam_props.drivers.http import HttpDriver
from kalam_props.errors import StorageError
from kalam_props.execution.aim import LONGEST_PERIOD_NS
from kalam_props.execution.run import Limits
from kalam_props.hunt import seeds
from kalam_props.hunt.beginning import begin
from kalam_props.hunt.choose import settled
from kalam_props.hunt.families import Sighting, majority
from kalam_props.hunt.finding import Finding, Name, Shrinking
from kalam_props.hunt.handover import failing_here, steadied
from kalam_props.hunt.known import Open, is_open
from kalam_props.hunt.lab import Lab
from kalam_props.hunt.measure import CONFIRM_RUNS, ESTIMATE_RUNS, Rate, count, estimate
from kalam_props.hunt.rates import runs_needed
from kalam_props.hunt.shrink import Best, Shrunk, shrink
from kalam_props.hunt.structure import in_turns
from kalam_props.programs.model import Program
from kalam_props.programs.tables import misplaced
from kalam_props.targets.target import Target

QUICK_RUNS = 5
"""As many, where no time is given for shrinking: who wants a finding as it was found wants it soon."""

FAST_SHARE = 0.75
"""Of the seconds for shrinking, those in which candidates are tried over HTTP."""

CHOOSING_SHARE = 0.08
"""Of the seconds for shrinking, those near the end, in which it is settled which program is the result: half
of them to learn how often the smallest fails."""

ENDING_SHARE = 0.03
HANGING_ENDING_SHARE = 0.12
"""Of the same, the last ones, in which what is under way comes to its end; and where that may hang."""

RATE_S = 60.0
"""Seconds after which no more runs are made of a result that did not fail again."""

IN_TURNS_S = 60.0
"""Seconds in which it is seen whether a program fails with its lanes in turn."""

HELD_S = 1.0
"""Seconds in which a client starts and its request is held, apart from waiting for a look at the tables."""

Keep = Callable[[Finding], None]


@frozen
class Care:
    """How a finding is looked after.

    Attributes:
        shrink_s: seconds for making it small, at the most; with 0 it is reported as it was found.
        seeds_folder: where its seed goes.
        random_seed: of the hunt.
        known: bugs that are open; a finding that turns out to be one of them has a seed already.

    """

    shrink_s: float
    seeds_folder: Path
    random_seed: int | None = None
    known: tuple[Open, ...] = ()


def investigate(lab: Lab, finding: Finding, care: Care, keep: Keep) -> Finding:
    """Bring a finding from the stage that it has to the last one; `keep` is told of every step.

    What may be a matter of load is looked into with one execution at a time.
    """
    if finding.sighting.name == "server-error":
        lab = lab.alone()
    _keep_program(finding.folder, "found.json", finding.original)
    keep(finding)
    if finding.stage == "found" and care.shrink_s:
        finding = _make_small(lab, finding, care, keep)
        keep(finding)
    if not care.shrink_s:
        finding = save_seed(lab, _confirm(lab, finding, QUICK_RUNS, QUICK_RUNS), care)
        keep(finding)
    elif finding.stage == "shrunk":
        confirmed = _confirm(lab, finding, CONFIRM_RUNS, ESTIMATE_RUNS)
        in_turns = _rate_in_turns(lab, confirmed, confirmed.confirmed)
        finding = save_seed(lab, evolve(confirmed, in_turns=in_turns), care)
        keep(finding)
    return finding


def save_seed(lab: Lab, finding: Finding, care: Care) -> Finding:
    """Write the finding's seed as it is known now, to the seeds' folder and beside the finding.

    It takes the place of the seed that an interrupted run left for the same finding.
    """
    if is_open(finding.names[0], care.known):
        return finding
    seed = _seed(lab, finding, care)
    _keep_program(finding.folder, "program.json", finding.program)
    beside = seeds.save(seed, finding.folder)
    saved = seeds.save(seed, care.seeds_folder)
    if finding.seed_file is not None and finding.seed_file.name != saved.name:
        for older in (finding.seed_file, beside.with_name(finding.seed_file.name)):
            older.unlink(missing_ok=True)
    return evolve(finding, seed_file=saved)


def _make_small(lab: Lab, finding: Finding, care: Care, keep: Keep) -> Finding:
    """Shrink over HTTP, where a run is cheapest; then with the hunt's driver, from what fails with that.

    Where one waits for requests that hang, a run is no cheaper over HTTP: then with the hunt's driver only.
    """
    lab, fast = _labs(lab, finding.sighting)
    began = time.monotonic()
    ending = HANGING_ENDING_SHARE if lab.hanging else ENDING_SHARE
    choosing_s = CHOOSING_SHARE * care.shrink_s
    deadline = began + (1 - ending) * care.shrink_s - choosing_s
    fast_until = began + FAST_SHARE * care.shrink_s
    found = Best(finding.program, finding.history, finding.sighting)
    handed: tuple[Best, Rate] | None = None
    if fast is not None:
        start, rate = begin(fast, found, fast_until)
        bench, result = fast, _shrink_on(fast, finding, start, rate, fast_until, keep)
        handed = failing_here(lab, (result.best, *result.larger), deadline) if rate.seen else None
    if handed is None or handed[0].program != result.best.program:
        start, rate = handed or begin(lab, found, deadline)
        if start is found:
            finding = evolve(finding, discovery=rate)
        bench, result = lab, _shrink_on(lab, finding, start, rate, deadline, keep)
    elif (placed := steadied(lab, handed[0], deadline)) is not None:
        result = evolve(result, best=placed, larger=(result.best, *result.larger))
    best, larger = settled(lab, result, deadline, choosing_s)
    driver = bench.workspace.target.driver.name
    seconds = time.monotonic() - began
    return evolve(
        _made_small(finding, start, best, result.as_discovered),
        shrinking=Shrinking(result.tried, result.runs, seconds, result.finished, driver),
        steadier=None if larger is None else (larger.program, larger.rate),
        stage="shrunk",
    )


def _labs(lab: Lab, wanted: Sighting) -> tuple[Lab, Lab | None]:
    """Where to make a finding small: with the hunt's driver; over HTTP, where that is quicker.

    A run that hangs waits for most of its time: here for no longer than is needed to tell.
    """
    driver = lab.workspace.target.driver
    if wanted.name == "hung":
        return lab.with_driver(driver, hanging(lab.limits, lab.workspace.target), hanging=True), None
    return lab, None if driver.name == "http" else lab.with_driver(HttpDriver())


def hanging(limits: Limits, target: Target) -> Limits:
    """Limits with which an operation that hangs is seen to, and no longer waited for."""
    look_s = min(target.check_interval_s or 0.0, LONGEST_PERIOD_NS / 1e9)
    return evolve(limits, operation_s=PATIENCE / 1e9 + look_s + HELD_S)


def _shrink_on(lab: Lab, finding: Finding, start: Best, rate: Rate, deadline: float, keep: Keep) -> Shrunk:
    if rate.seen:
        keep(_made_small(finding, start, start, start.program))
    return shrink(
        lab,
        start,
        rate,
        budget_s=deadline - time.monotonic(),
        on_better=lambda best, as_discovered: keep(_made_small(finding, start, best, as_discovered)),
    )


def _made_small(finding: Finding, start: Best, best: Best, as_discovered: Program) -> Finding:
    """The finding with a smaller program; and with the smallest under the name that it was discovered by.

    That is `as_discovered`, unless what was shrunk goes by another name from its `start`.
    """
    discovered = finding.names[-1]
    first = Name(best.sighting, best.program)
    same = best.sighting.label == discovered.sighting.label
    renamed = start.sighting.label != discovered.sighting.label
    under_that = finding.program if renamed else as_discovered
    others = () if same else (Name(discovered.sighting, under_that),)
    return evolve(finding, names=(first, *others), history=best.history)


def _confirm(lab: Lab, finding: Finding, runs: int, most: int) -> Finding:
    """K of n of the minimal program, with the hunt's driver.

    Where none of `runs` fails, others follow until one does, up to `most` in all: without a rate, no replay
    can ever tell that it was mended.
    """
    began = time.monotonic()
    until = began + RATE_S
    trials = lab.until(finding.program, runs, lambda _: False)
    if not count(trials, finding.sighting):
        trials += lab.until(
            finding.program,
            most - runs,
            lambda more: count(more, finding.sighting) > 0 or time.monotonic() >= until,
        )
    rate = Rate(count(trials, finding.sighting), len(trials), time.monotonic() - began)
    failed = [trial for trial in trials if trial.showing(finding.sighting) is not None]
    if failed:
        wanted = majority([trial.sightings for trial in failed], finding.sighting)
        shown = next((t, s) for t in failed if (s := t.showing(wanted)) is not None)
        rate = evolve(rate, seen=count(trials, wanted))
        first = Name(shown[1], finding.program)
        others = finding.names[1:]
        if wanted.label != finding.sighting.label:
            others = (*others, Name(finding.sighting, finding.program))
        finding = evolve(finding, names=(first, *others), history=shown[0].history)
    return evolve(finding, stage="confirmed", confirmed=rate)


def _rate_in_turns(lab: Lab, finding: Finding, rate: Rate) -> Rate | None:
    """Runs of the program with its lanes one after another, in both orders, until one fails.

    As many as would show a failure that is as frequent as that of the program, with 95 % probability; or as
    there is time for.
    """
    sequential = [p for p in in_turns(finding.program) if p != finding.program and misplaced(p) is None]
    if not sequential or not rate.seen:
        return None
    runs = runs_needed(rate.likely, 0.05)
    total = Rate()
    for program in sequential:
        until = time.monotonic() + IN_TURNS_S / len(sequential)
        total += estimate(lab, program, finding.sighting, runs=runs, enough=1, deadline=until)
        if total.seen:
            break
    return total


def _keep_program(folder: Path, name: str, program: Program) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(seeds.program_text(program) + "\n", encoding="utf-8")
    except OSError as error:
        raise StorageError(f"{folder / name}: cannot be written ({error.strerror})") from None


def _seed(lab: Lab, finding: Finding, care: Care) -> seeds.Seed:
    target = lab.workspace.target
    lines = finding.history.read_bytes().splitlines()
    found = seeds.Found(
        target=f"{target.product.name} {target.product.version}",
        client=f"{target.driver.client.name} {target.driver.client.version}",
        driver=target.driver.name,
        identity=str(lab.workspace.identity),
        gate=target.gate is not None,
        date=datetime.now(UTC).date().isoformat(),
        faults=finding.faults,
        random_seed=care.random_seed,
    )
    return seeds.Seed(
        anomaly=finding.sighting.name,
        explanation=finding.anomaly.explanation,
        program=finding.program,
        reproduced=finding.reproduced,
        needs_concurrency=finding.needs_concurrency,
        found=found,
        history=tuple(orjson.loads(line) for line in lines),
    )
