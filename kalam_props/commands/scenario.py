"""`kalam-props scenario`: fixed scenarios whose result its readers know by heart."""

from __future__ import annotations

import statistics
from pathlib import Path

import click
from rich.console import Console

from kalam_props.commands.options import make_run_dir, run_dir_option, target_options
from kalam_props.hunt.scenario import Scenario, ScenarioResult, run
from kalam_props.report.progress import progress
from kalam_props.targets.opening import TargetOptions, open_run


@click.group()
def scenario() -> None:
    """Fixed scenarios."""


@scenario.command("concurrent-users")
@target_options
@click.option("--users", type=click.IntRange(1, 100), default=5, show_default=True)
@click.option("--rows", type=click.IntRange(1, 100_000), default=150, show_default=True, help="Rows a user.")
@click.option("--flush-rows", type=click.IntRange(1, 999_999), default=100, show_default=True)
@click.option("--batch", type=click.IntRange(1, 500), default=1, show_default=True, help="Rows an INSERT.")
@run_dir_option
def concurrent_users(
    target: TargetOptions, users: int, rows: int, flush_rows: int, batch: int, run_dir: Path | None
) -> int:
    """Users insert side by side, across the flush boundary; each must then see exactly their own rows."""
    shape = Scenario(users, rows, flush_rows, batch)
    console = Console(highlight=False)
    folder = make_run_dir(run_dir, "scenario")
    with open_run(target, folder) as workspace:
        product, client = workspace.target.product, workspace.target.driver.client
        console.print(
            f"{users} users insert {rows} rows each, {batch} a statement, FLUSH ROWS {flush_rows}\n"
            f"server {product.name} {product.version}; client {client.name} {client.version}, "
            f"driver {workspace.target.driver.name}, identity {workspace.identity}",
            markup=False,
        )
        with progress("inserts", -(-users * rows // batch)) as advance:
            result = run(shape, workspace, folder / "history.jsonl", lambda _: advance(""))
    console.print(_summary(result), markup=False, soft_wrap=True)
    return 0 if result.passed else 1


def _summary(result: ScenarioResult) -> str:
    lines = [f"total rows inserted: {result.inserted}"]
    for user in result.users:
        foreign = f", {user.foreign} of them not their own" if user.foreign else ", only their own"
        lines.append(
            f"{'✓' if user.passed else '✗'} {user.user}: {user.seen} of {user.expected} rows{foreign}"
        )
    flushes = f"{len(result.flush_ms)} flushes"
    if result.flush_ms:
        flushes += (
            f", median {statistics.median(result.flush_ms):.0f} ms, longest {max(result.flush_ms):.0f} ms"
        )
    lines += [
        f"time {result.seconds:.2f} s, {result.inserted / result.seconds:.0f} rows/s",
        f"insert latency p50 {result.p50_ms:.1f} ms, p99 {result.p99_ms:.1f} ms",
        f"{flushes}; operations that overlapped one: {result.evidence.ops_overlapping_flush}",
        f"pairs of operations that overlapped: {result.evidence.overlapping_pairs}",
        f"history {result.history}",
    ]
    lines += [f"{anomaly.name}: {anomaly.explanation}" for anomaly in result.verdict.anomalies]
    lines.append("PASSED" if result.passed else "FAILED")
    return "\n".join(lines)
