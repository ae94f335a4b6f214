"""`kalam-props hunt`: draw programs, run them, and report what they found."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from functools import partial
from pathlib import Path

import click
from attrs import evolve
from rich.console import Console

from kalam_props.commands.options import (
    json_option,
    known_option,
    machine_option,
    make_run_dir,
    option,
    run_dir_option,
    target_options,
)
from kalam_props.errors import UsageError
from kalam_props.execution.diagnosis import missing
from kalam_props.hunt import campaign
from kalam_props.hunt.campaign import Listener, Outcome, Plan
from kalam_props.hunt.database import open_database
from kalam_props.hunt.finding import Finding
from kalam_props.hunt.known import known_and_open
from kalam_props.hunt.lab import Lab, Trial
from kalam_props.hunt.run_file import RESUMED, Run, read_run, with_resumed, write_run
from kalam_props.hunt.seeds import program_of
from kalam_props.programs.machine import ProgramMachine, fitted
from kalam_props.programs.machines import MACHINES
from kalam_props.report import hunting
from kalam_props.report.finding import finding_text
from kalam_props.report.memory import resident_mib
from kalam_props.report.page import write_page
from kalam_props.report.progress import progress
from kalam_props.targets.journal import JOURNAL, read_journal
from kalam_props.targets.opening import TargetOptions, open_run
from kalam_props.targets.workspace import Workspace

DEFAULT_SECONDS = 45.0

_Act = Callable[[Lab, Plan, Listener], Outcome]


@click.command()
@target_options
@machine_option
@option("--programs", type=click.IntRange(min=1), metavar="N", help="Stop after N programs.")
@option(
    "--time",
    "seconds",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    help=f"Stop drawing programs after so long; default: {DEFAULT_SECONDS:.0f} unless --programs is given.",
)
@option("--seed", "random_seed", type=int, metavar="N", help="Draw the same programs as another hunt.")
@option("--fail-fast", is_flag=True, help="Stop at the first finding.")
@option(
    "--no-feedback",
    is_flag=True,
    help="Let nothing that was seen change later programs and aims: the same --seed, the same programs.",
)
@option(
    "--shrink-time",
    type=click.FloatRange(min=0),
    default=60.0,
    show_default=True,
    metavar="SECONDS",
    help="Budget for shrinking one finding.",
)
@option(
    "--expect",
    type=click.Choice(["linearizable", "snapshot", "read-committed", "eventual"]),
    default="linearizable",
    show_default=True,
    help="Which anomalies fail the run; others are told.",
)
@option(
    "--seeds-dir",
    type=click.Path(path_type=Path),
    default=Path(".hypothesis/seeds"),
    show_default=True,
    metavar="DIR",
    help="Where findings are saved as seeds, and where bugs that are known and open are looked up.",
)
@known_option
@option(
    "--from-seed",
    "from_seeds",
    type=click.Path(path_type=Path),
    multiple=True,
    metavar="FILE",
    help="Change this seed (or program) at random instead of drawing programs; repeatable.",
)
@option(
    "--database",
    metavar="DIR|redis://…",
    help="Hypothesis example database to share: programs that failed before are tried first.",
)
@click.option(
    "--resume",
    type=click.Path(path_type=Path),
    metavar="RUN",
    help="Go on shrinking what a killed run had found, with its own options; draws nothing new.",
)
@run_dir_option
@json_option
def hunt(
    target: TargetOptions,
    machines: tuple[str, ...],
    programs: int | None,
    seconds: float | None,
    random_seed: int | None,
    fail_fast: bool,  # noqa: FBT001  # click passes options by name
    no_feedback: bool,  # noqa: FBT001  # as above
    shrink_time: float,
    expect: str,
    seeds_dir: Path,
    known: tuple[Path, ...],
    from_seeds: tuple[Path, ...],
    database: str | None,
    resume: Path | None,
    run_dir: Path | None,
    as_json: bool,  # noqa: FBT001  # as above
) -> int:
    """Draw programs, run them on a live server, check every history, shrink what fails."""
    if resume is not None:
        return _resume(resume, target, as_json=as_json)
    if programs is None and seconds is None:
        seconds = DEFAULT_SECONDS
    run = Run(
        target=target,
        machines=machines or tuple(MACHINES),
        random_seed=random.SystemRandom().getrandbits(32) if random_seed is None else random_seed,
        shrink_s=shrink_time,
        expect=expect,
        seeds_folder=seeds_dir,
        known=known,
    )
    plan = Plan(
        machines={name: MACHINES[name] for name in run.machines},
        random_seed=run.random_seed,
        programs=programs,
        seconds=seconds,
        shrink_s=shrink_time,
        fail_fast=fail_fast,
        feedback=not no_feedback,
        faults=target.faults,
        seeds_folder=seeds_dir,
        known=known_and_open(seeds_dir, *known),
        relatives_of=tuple(program_of(path) for path in from_seeds),
        database=None if database is None else open_database(database, partial(click.echo, err=True)),
    )
    folder = make_run_dir(run_dir, "hunt")
    write_run(run, folder)
    return _hunt(run, plan, folder, folder, campaign.hunt, as_json=as_json)


def _resume(folder: Path, target: TargetOptions, *, as_json: bool) -> int:
    run = read_run(folder, root_password=target.root_password)
    unknown = [name for name in run.machines if name not in MACHINES]
    if unknown:
        raise UsageError(f"{folder} was made with machines that are not here: {', '.join(unknown)}")
    plan = Plan(
        machines={name: MACHINES[name] for name in run.machines},
        random_seed=run.random_seed,
        shrink_s=run.shrink_s,
        faults=run.target.faults,
        seeds_folder=run.seeds_folder,
        known=known_and_open(run.seeds_folder, *run.known),
    )
    for journal in (left / JOURNAL for left in with_resumed(folder)):
        if journal.exists():  # killed before, it left nothing
            read_journal(journal).remove_folders()
    # Of its own, since the journal and the server's log of the killed run are still needed as they are.
    again = make_run_dir(folder / RESUMED, "hunt")
    return _hunt(run, plan, folder, again, campaign.resume, as_json=as_json)


def _hunt(run: Run, plan: Plan, folder: Path, target_folder: Path, act: _Act, *, as_json: bool) -> int:
    start_mib = resident_mib()
    console = Console(stderr=as_json, highlight=False)
    with open_run(run.target, target_folder) as workspace:
        plan = evolve(plan, machines=_able(plan.machines, workspace, console))
        lab = Lab(workspace, folder / "histories", run.expect, feedback=plan.feedback)
        console.print(hunting.heading(workspace, plan, folder), markup=False, soft_wrap=True)
        with progress("programs", plan.programs) as advance:
            listener = Listener(
                on_trial=lambda trial: advance(_anomalies(trial)),
                on_failure=lambda finding: console.print(_found(finding, plan), markup=False, soft_wrap=True),
                on_finding=lambda finding: _show(console, finding, workspace.target.product.name),
            )
            outcome = act(lab, plan, listener)
        end_mib = resident_mib()
        document = hunting.document(outcome, lab, start_mib, end_mib)
    hunting.save(document, folder)
    page = write_page(document, outcome.findings, folder)
    console.print(hunting.summary(outcome, lab, start_mib, end_mib), markup=False, soft_wrap=True)
    if as_json:
        click.echo(json.dumps(document, ensure_ascii=False, indent=1))
    if outcome.findings:
        console.print(f"page       {page}", markup=False, soft_wrap=True)
    kept = f"histories and findings are in {folder}; kalam-props hunt --resume {folder}"
    if outcome.stopped is not None:
        console.print(f"stopped: {outcome.stopped}\n{kept}", markup=False, soft_wrap=True)
    if outcome.interrupted:
        console.print(f"interrupted; {kept}", markup=False, soft_wrap=True)
    return _exit_code(outcome, lab)


def _able(
    machines: dict[str, type[ProgramMachine]], workspace: Workspace, console: Console
) -> dict[str, type[ProgramMachine]]:
    """The machines that this target has everything for; says which it has not.

    Raises:
        UsageError: none.

    """
    lacks = {name: why for name, machine in machines.items() if (why := missing(machine, workspace))}
    for name, why in lacks.items():
        console.print(f"not {name}, which needs {why}", markup=False, soft_wrap=True)
    if len(lacks) == len(machines):
        raise UsageError("this server lacks what every machine needs; `kalam-props doctor` says more")
    found = workspace.capabilities.lacks
    return {name: fitted(machine, found) for name, machine in machines.items() if name not in lacks}


def _anomalies(trial: Trial) -> str:
    return ", ".join(sorted({anomaly.name for anomaly in trial.verdict.anomalies}))


def _found(finding: Finding, plan: Plan) -> str:
    then = "; shrinking" if plan.shrink_s else ""
    return (
        f"{finding.anomaly.name} in a program of {finding.original.operations} operations "
        f"({finding.discovered}){then}"
    )


def _show(console: Console, finding: Finding, target: str) -> None:
    console.print(finding_text(finding, target), markup=False, soft_wrap=True)


def _exit_code(outcome: Outcome, lab: Lab) -> int:
    if outcome.interrupted:
        return 130
    return {"violated": 1, "holds": 0}.get(hunting.verdict(outcome, lab), 3)
