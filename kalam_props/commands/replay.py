"""`kalam-props replay`: are the bugs of these seeds still there?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from kalam_props.commands.options import json_option, make_run_dir, option, run_dir_option, target_options
from kalam_props.errors import UsageError
from kalam_props.hunt import replay as replaying
from kalam_props.hunt.lab import Lab
from kalam_props.hunt.seeds import SEEDS_FOLDER, find
from kalam_props.report import hunting
from kalam_props.report.junit import write_junit
from kalam_props.targets.opening import TargetOptions, open_run

_COLOURS = {"FIXED": "green", "FAILED": "red", "NOT-REPRODUCED": "yellow", "ERROR": "magenta"}


@click.command()
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
@option("--until-confident", is_flag=True, help="As many runs as 99 % confidence needs, however many.")
@option(
    "--parallel",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    metavar="N",
    help="Seeds that are run side by side: sooner over, but races are met less often.",
)
@option(
    "--junit",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Also write a JUnit XML report, as CI systems read it.",
)
@target_options
@run_dir_option
@json_option
def replay(
    files: tuple[Path, ...],
    until_confident: bool,  # noqa: FBT001  # click passes options by name
    parallel: int,
    junit: Path | None,
    target: TargetOptions,
    run_dir: Path | None,
    as_json: bool,  # noqa: FBT001  # as above
) -> int:
    """Run seeds again (default: all of .hypothesis/seeds): FIXED, FAILED, NOT-REPRODUCED or ERROR."""
    paths = find(files)
    if not paths:
        raise UsageError(f"there is no seed in {', '.join(map(str, files)) or SEEDS_FOLDER}")
    console = Console(stderr=as_json, highlight=False)
    results = []
    folder = make_run_dir(run_dir, "replay")
    with open_run(target, folder) as workspace:
        product = workspace.target.product
        gate = hunting.gate_words(workspace)
        console.print(
            f"server {product.name} {product.version}; {gate}; run {folder}", markup=False, soft_wrap=True
        )
        lab = Lab(workspace, folder / "histories")
        for result in replaying.replay_all(lab, paths, until_confident=until_confident, parallel=parallel):
            results.append(result)
            console.print(f"[{_COLOURS[result.status]}]{result.status:<15}[/] ", end="")
            console.print(
                f"{result.seed_file.name}: {result.message}{_expectation(result)}",
                markup=False,
                soft_wrap=True,
            )
    if junit is not None:
        write_junit(results, f"{product.name} {product.version}", junit)
    if as_json:
        click.echo(
            json.dumps({"results": [_json(result) for result in results]}, ensure_ascii=False, indent=1)
        )
    return exit_code(results)


def exit_code(results: list[replaying.Replayed]) -> int:
    """1 before 2 before 3: a failure, a file that is no seed, no evidence."""
    if any(result.red for result in results):
        return 1
    if any(result.status == "ERROR" for result in results):
        return 2
    return 3 if any(result.status == "NOT-REPRODUCED" for result in results) else 0


def _expectation(result: replaying.Replayed) -> str:
    if result.known_open is None:
        return ""
    if result.status == "FAILED":
        return f" (expected: {result.known_open})"
    return f" (expected to fail: {result.known_open}; take the mark away if it is fixed)"


def _json(result: replaying.Replayed) -> dict[str, Any]:
    return {
        "seed_file": str(result.seed_file),
        "status": result.status,
        "anomaly": result.anomaly,
        "reproduced": list(result.reproduced),
        "needed": result.needed,
        "message": result.message,
        "history": str(result.history) if result.history else None,
        "known_open": result.known_open,
    }
