"""`kalam-props soak`: no false alarms, measured."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import click
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
from kalam_props.history.reader import read_history
from kalam_props.hunt.known import Open, first_new, known_and_open
from kalam_props.hunt.lab import Lab, Trial
from kalam_props.hunt.seeds import SEEDS_FOLDER
from kalam_props.hunt.soak import Soaked, SoakPlan
from kalam_props.hunt.soak import soak as run_soak
from kalam_props.programs.codec import digest
from kalam_props.programs.machine import fitted
from kalam_props.programs.machines import MACHINES
from kalam_props.report.hunting import gate_words
from kalam_props.report.lanes import lanes
from kalam_props.report.progress import progress
from kalam_props.targets.opening import TargetOptions, open_run

DEFAULT_PROGRAMS = 200


@click.command()
@target_options
@machine_option
@option(
    "--programs",
    type=click.IntRange(min=1),
    metavar="N",
    help=f"Stop after N programs; default: {DEFAULT_PROGRAMS} unless --time is given.",
)
@option(
    "--time",
    "seconds",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    help="Stop after so long.",
)
@option("--seed", "random_seed", type=int, metavar="N", help="Draw the same programs as another soak.")
@known_option
@run_dir_option
@json_option
def soak(
    target: TargetOptions,
    machines: tuple[str, ...],
    programs: int | None,
    seconds: float | None,
    random_seed: int | None,
    known: tuple[Path, ...],
    run_dir: Path | None,
    as_json: bool,  # noqa: FBT001  # click passes options by name
) -> int:
    """Run programs of every machine on a healthy server, with network faults and kills where available.

    Any anomaly is a bug of kalam-props (or of the server, if that is not the reference): exit 1, with the
    history. Exit 3 when nothing was exercised or a check could not decide.
    """
    if programs is None and seconds is None:
        programs = DEFAULT_PROGRAMS
    folder = make_run_dir(run_dir, "soak")
    seed = random.SystemRandom().getrandbits(32) if random_seed is None else random_seed
    console = Console(stderr=as_json, highlight=False)
    open_bugs = known_and_open(SEEDS_FOLDER, *known)
    with open_run(target, folder) as workspace:
        product = workspace.target.product
        console.print(
            f"server {product.name} {product.version}, {gate_words(workspace)}; --seed {seed}; run {folder}",
            markup=False,
            soft_wrap=True,
        )
        lab = Lab(workspace, folder / "histories")
        plan = SoakPlan(
            machines={
                name: fitted(MACHINES[name], workspace.capabilities.lacks) for name in machines or MACHINES
            },
            random_seed=seed,
            programs=programs,
            seconds=seconds,
            kills=workspace.target.managed is not None,
            known=open_bugs,
        )
        with progress("programs", programs) as advance:
            soaked = run_soak(lab, plan, lambda trial: _told(console, trial, open_bugs, advance))
    document = _document(soaked, lab, seed)
    console.print(_summary(document), markup=False, soft_wrap=True)
    if as_json:
        click.echo(json.dumps(document, ensure_ascii=False, indent=1))
    if soaked.anomalous:
        return 1
    return 130 if soaked.interrupted else {"holds": 0}.get(document["verdict"], 3)


def _told(console: Console, trial: Trial, open_bugs: tuple[Open, ...], advance: Any) -> None:
    advance("")
    if first_new(trial, [bug.name for bug in open_bugs]) is None:
        return
    for seen in trial.sightings:
        console.print(
            f"\n{seen.name}: {seen.anomaly.explanation}\n\n"
            f"{lanes(read_history(trial.history), seen.anomaly.witness)}\n\n"
            f"history {trial.history}, program {digest(trial.program)}",
            markup=False,
            soft_wrap=True,
        )


def _document(soaked: Soaked, lab: Lab, seed: int) -> dict[str, Any]:
    shown = lab.exercised.evidence
    if soaked.anomalous:
        verdict = "violated"
    elif shown.vacuous is not None:
        verdict = "vacuous"
    else:
        verdict = "unknown" if lab.exercised.unknown else "holds"
    return {
        "verdict": verdict,
        "seed": seed,
        "programs": soaked.programs,
        "known_failures": soaked.known_failures,
        "by_machine": soaked.by_machine,
        "operations": shown.operations,
        "overlapping_pairs": shown.overlapping_pairs,
        "flushes": shown.flushes,
        "rows_flushed": shown.rows_flushed,
        "ops_overlapping_flush": shown.ops_overlapping_flush,
        "cold_reads": shown.cold_reads,
        "notifications": shown.notifications,
        "network_faults": soaked.net_faults,
        "kills": soaked.kills,
        "indeterminate": shown.indeterminate,
        "unknown": sorted(set(lab.exercised.unknown)),
        "seconds": round(soaked.seconds, 1),
        "interrupted": soaked.interrupted,
        "anomalies": [
            {
                "anomaly": seen.name,
                "explanation": seen.anomaly.explanation,
                "history": str(trial.history),
                "program": str(lab.programs_folder / f"{digest(trial.program)}.json"),
            }
            for trial in soaked.anomalous
            for seen in trial.sightings
        ],
    }


def _summary(document: dict[str, Any]) -> str:
    machines = ", ".join(f"{name} {number}" for name, number in document["by_machine"].items())
    why = "; ".join(document["unknown"][:3])
    rows = (
        ("programs judged", f"{document['programs']} ({machines})"),
        ("of these with known and open bugs", document["known_failures"]),
        ("operations", document["operations"]),
        ("pairs of operations that overlapped", document["overlapping_pairs"]),
        ("flushes that completed", document["flushes"]),
        ("rows that they moved", document["rows_flushed"]),
        ("operations that overlapped a flush", document["ops_overlapping_flush"]),
        ("reads after rows had gone cold", document["cold_reads"]),
        ("changes that subscribers were told of", document["notifications"]),
        ("network faults done", document["network_faults"]),
        ("kills and restarts", document["kills"]),
        ("indeterminate operations", document["indeterminate"]),
        ("seconds", document["seconds"]),
    )
    table = "\n".join(f"  {name:<40}{value}" for name, value in rows)
    result = {"holds": "nothing reported", "violated": f"{len(document['anomalies'])} anomalies"}
    return f"\n{table}\n\n{result.get(document['verdict'], document['verdict'])}{f': {why}' if why else ''}"
