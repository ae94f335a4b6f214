"""`kalam-props faults`: what can be switched on in the reference server, and how well it is found."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.table import Table

from kalam_props import __version__
from kalam_props.errors import StorageError, UsageError
from kalam_props.reference import FAULTS, parse_fault

if TYPE_CHECKING:
    from kalam_props.measure.measurement import Budget, Measurement
    from kalam_props.report.measuring import Setting

DIFFICULTIES = ("easy", "medium", "hard")
SEEDS = {"easy": 20, "medium": 10, "hard": 3}
EXPLORE_S = {"easy": 120.0, "medium": 120.0, "hard": 600.0}
FILE_WIDTH = 160
"""Columns of the table where nobody's window decides."""

SHRINK_S = {"easy": 60.0, "medium": 180.0, "hard": 300.0}


@click.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--measure", is_flag=True, help="Hunt for them, and tell how well each is found.")
@click.option(
    "--difficulty",
    "difficulties",
    multiple=True,
    type=click.Choice(DIFFICULTIES),
    help="Of what is measured; repeatable; default: all.",
)
@click.option(
    "--seeds",
    type=click.IntRange(min=1),
    metavar="N",
    help="Hunts for each fault and difficulty; default: 20 easy, 10 medium, 3 hard.",
)
@click.option("--programs", type=click.IntRange(min=1), metavar="N", help="End a hunt after N programs.")
@click.option(
    "--time",
    "seconds",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    help="End a hunt after so long; default: 120, hard 600, unless --programs is given.",
)
@click.option(
    "--shrink-time",
    type=click.FloatRange(min=0),
    metavar="SECONDS",
    help="Budget for shrinking a finding; default: 60 easy, 180 medium, 300 hard.",
)
@click.option(
    "--driver",
    type=click.Choice(["process", "session", "http"]),
    default="process",
    show_default=True,
    help="As of `hunt`.",
)
@click.option(
    "--json",
    "json_file",
    is_flag=False,
    flag_value="-",
    metavar="[FILE]",
    help="One JSON document, to FILE or on stdout.",
)
@click.option(
    "--markdown", type=click.Path(path_type=Path), metavar="FILE", help="Write the table as Markdown."
)
@click.option(
    "--run-dir",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Keep the hunts' runs here; what is there already is not hunted for again.",
)
def faults(
    names: tuple[str, ...],
    measure: bool,  # noqa: FBT001  # click passes options by name
    difficulties: tuple[str, ...],
    seeds: int | None,
    programs: int | None,
    seconds: float | None,
    shrink_time: float | None,
    driver: str,
    json_file: str | None,
    markdown: Path | None,
    run_dir: Path | None,
) -> int:
    """List the faults of the reference server: what each does, and the anomaly that it must cause.

    With --measure: hunt for each (or for those NAMED) with several random seeds, shrink what is found, and
    compare it with the program that an expert wrote by hand.
    """
    if json_file in FAULTS:
        raise UsageError(f"--json takes a file; name the faults before it: faults {json_file} --json")
    for name in names:
        if parse_fault(name).values:
            raise UsageError(f"{name}: give the fault's name alone, and --difficulty")
    chosen = names or tuple(FAULTS)
    if not measure:
        if json_file is None:
            _list(chosen)
        else:
            _write_json({"faults": [FAULTS[name].to_json() for name in chosen]}, json_file)
        return 0
    from kalam_props.measure.measurement import Budget  # noqa: PLC0415  # a listing needs no Hypothesis

    budgets = {
        difficulty: Budget(
            programs,
            EXPLORE_S[difficulty] if programs is None and seconds is None else seconds,
            SHRINK_S[difficulty] if shrink_time is None else shrink_time,
        )
        for difficulty in difficulties or DIFFICULTIES
    }
    command = ["kalam-props", "faults", "--measure", *names]
    for name, value in (("seeds", seeds), ("programs", programs), ("time", seconds), ("driver", driver)):
        command += [] if value is None else [f"--{name}", str(value)]
    command += [word for difficulty in difficulties for word in ("--difficulty", difficulty)]
    command += [] if shrink_time is None else ["--shrink-time", f"{shrink_time:g}"]
    return _measure(chosen, budgets, seeds, driver, json_file, markdown, run_dir, tuple(command))


def _list(names: Sequence[str]) -> None:
    table = Table("fault", "what it does", "anomaly", "parameters", "easy · medium · hard")
    for fault in map(FAULTS.__getitem__, names):
        parameters = ", ".join(f"{key}={value}" for key, value in fault.parameters.items())
        presets = " · ".join(", ".join(fault.difficulties[level].values()) for level in fault.difficulties)
        summary = fault.summary if fault.resembles is None else f"{fault.summary} Like {fault.resembles}."
        table.add_row(fault.name, summary, fault.anomaly, parameters, presets)
    Console(highlight=False).print(table)


def _measure(
    names: Sequence[str],
    budgets: dict[str, Budget],
    seeds: int | None,
    driver: str,
    json_file: str | None,
    markdown: Path | None,
    run_dir: Path | None,
    command: tuple[str, ...],
) -> int:
    """0 when every fault was found by every hunt, else 1."""
    # Here and not above: a listing need not wait for Hypothesis.
    from kalam_props.commands.options import make_run_dir  # noqa: PLC0415
    from kalam_props.measure.measurement import measure  # noqa: PLC0415
    from kalam_props.report import measuring  # noqa: PLC0415
    from kalam_props.targets.opening import TargetOptions  # noqa: PLC0415

    console = Console(stderr=json_file == "-", highlight=False)
    if not console.is_terminal:
        console = Console(stderr=json_file == "-", highlight=False, width=FILE_WIDTH)
    folder = make_run_dir(run_dir, "measure")
    measured: list[Measurement] = []
    try:
        for name in names:
            for difficulty, budget in budgets.items():
                measured.append(
                    measure(
                        name,
                        difficulty,
                        seeds or SEEDS[difficulty],
                        budget,
                        TargetOptions(driver=driver),
                        folder,
                        lambda *told: console.print(
                            measuring.attempt_line(*told), markup=False, soft_wrap=True
                        ),
                    )
                )
    except KeyboardInterrupt:
        console.print(f"interrupted; the hunts' runs are in {folder}", markup=False, soft_wrap=True)
        interrupted = True
    else:
        interrupted = False
    console.print(measuring.table(measured))
    setting = _setting(command, driver)
    if json_file is not None:
        _write_json(measuring.document(setting, measured), json_file)
    if markdown is not None:
        _write(markdown, measuring.markdown(setting, measured))
    if interrupted:
        return 130
    return 0 if all(len(one.found) == len(one.attempts) for one in measured) else 1


def _setting(command: tuple[str, ...], driver: str) -> Setting:
    from kalam_props.report.measuring import Setting  # noqa: PLC0415  # as in `_measure`

    return Setting(
        date=datetime.now(UTC).date().isoformat(),
        command=command,
        server=f"reference server {__version__}",
        driver=driver,
        machine=f"{platform.system()}, {os.cpu_count()} cores with a load of {os.getloadavg()[0]:.1f}, "
        f"Python {platform.python_version()}",
    )


def _write_json(document: object, file: str) -> None:
    text = json.dumps(document, ensure_ascii=False, indent=1)
    if file == "-":
        click.echo(text)
    else:
        _write(Path(file), text + "\n")


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise StorageError(f"{path}: cannot be written ({error.strerror})") from None
