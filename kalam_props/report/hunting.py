"""A hunt for people and for programs: heading, findings, evidence, and the JSON document."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from kalam_props.errors import StorageError
from kalam_props.hunt.campaign import Outcome, Plan
from kalam_props.hunt.lab import Lab
from kalam_props.report.finding import finding_json
from kalam_props.targets.workspace import Workspace

DOCUMENT = "report.json"


def heading(workspace: Workspace, plan: Plan, folder: Path) -> str:
    """What is about to run: server, client, identity, machines, random seed, folder."""
    target = workspace.target
    faults = f" with {', '.join(plan.faults)}" if plan.faults else ""
    client = target.driver.client
    return (
        f"server    {target.product.name} {target.product.version}{faults} at {target.url}\n"
        f"client    {client.name} {client.version}, driver {target.driver.name}, {gate_words(workspace)}\n"
        f"identity  {workspace.identity}\n"
        f"machines  {', '.join(plan.machines)}; --seed {plan.random_seed}\n"
        f"run       {folder}"
    )


def gate_words(workspace: Workspace) -> str:
    """Whether there is a gate, and what it can't do here."""
    gate = workspace.target.gate
    if gate is None:
        return "no gate"
    return "gate" if gate.realtime else "gate (without real-time priority: releases may be milliseconds late)"


def verdict(outcome: Outcome, lab: Lab) -> str:
    """`violated`, `vacuous`, `unknown` or `holds`."""
    if outcome.findings or outcome.stopped is not None:
        return "violated"
    if lab.exercised.evidence.vacuous is not None:
        return "vacuous"
    return "unknown" if lab.exercised.unknown else "holds"


def summary(outcome: Outcome, lab: Lab, start_mib: int | None, end_mib: int | None) -> str:
    """The evidence table, and what it adds up to."""
    done = lab.exercised
    shown = done.evidence
    found = {"violated": f"{len(outcome.findings)} distinct findings", "holds": "nothing found"}
    result = verdict(outcome, lab)
    words = found.get(result) or f"{result}: {shown.vacuous or '; '.join(sorted(set(done.unknown))[:3])}"
    known = f", {outcome.known_failures} more programs with known ones" if outcome.known_failures else ""
    rows = (
        ("programs", outcome.programs),
        ("executions", done.executions),
        ("operations", shown.operations),
        ("pairs of operations that overlapped", shown.overlapping_pairs),
        ("flushes that completed", shown.flushes),
        ("rows that they moved", shown.rows_flushed),
        ("programs that asked for a flush / saw one", f"{shown.asked_for_flush} / {shown.flushed}"),
        ("operations that overlapped a flush", shown.ops_overlapping_flush),
        ("reads after rows had gone cold", shown.cold_reads),
        ("changes that subscribers were told of", shown.notifications),
        ("indeterminate operations", shown.indeterminate),
        ("operations that the gate saw sent on", shown.wire_times if shown.behind_gate else "no gate"),
        ("seconds", f"{outcome.seconds:.1f}"),
        ("MiB resident at the start / at the end", f"{start_mib} / {end_mib}"),
    )
    table = "\n".join(f"  {name:<44}{value:>12}" for name, value in rows)
    still_open = "".join(f"\nknown and open, in {seen} programs: {bug}" for bug, seen in outcome.known_open)
    return f"\nexercised\n{table}\n\n{words}{known}{still_open}"


def document(outcome: Outcome, lab: Lab, start_mib: int | None, end_mib: int | None) -> dict[str, Any]:
    """The stable JSON document of a hunt."""
    target, shown = lab.workspace.target, lab.exercised.evidence
    return {
        "verdict": verdict(outcome, lab),
        "target": {"name": target.product.name, "version": target.product.version},
        "client": {"name": target.driver.client.name, "version": target.driver.client.version},
        "driver": target.driver.name,
        "identity": str(lab.workspace.identity),
        "gate": target.gate is not None,
        "seed": outcome.plan.random_seed,
        "faults": list(outcome.plan.faults),
        "programs": outcome.programs,
        "executions": lab.exercised.executions,
        "operations": shown.operations,
        "seconds": round(outcome.seconds, 1),
        "evidence": {
            "flushes": shown.flushes,
            "rows_flushed": shown.rows_flushed,
            "ops_overlapping_flush": shown.ops_overlapping_flush,
            "overlapping_pairs": shown.overlapping_pairs,
            "cold_reads": shown.cold_reads,
            "notifications": shown.notifications,
            "indeterminate": shown.indeterminate,
            "wire_times": shown.wire_times if shown.behind_gate else None,
            "programs_asking_for_flush": shown.asked_for_flush,
            "programs_with_flush": shown.flushed,
        },
        "rss_mib": {"start": start_mib, "end": end_mib},
        "interrupted": outcome.interrupted,
        "stopped": outcome.stopped,
        "known_failures": outcome.known_failures,
        "known_open": [
            {
                "seed_file": str(bug.seed_file),
                "anomaly": bug.name.sighting.name,
                "reason": bug.reason,
                "programs": seen,
            }
            for bug, seen in outcome.known_open
        ],
        "unknown": sorted(set(lab.exercised.unknown)),
        "findings": [finding_json(finding) for finding in outcome.findings],
    }


def save(document: dict[str, Any], folder: Path) -> None:
    """Keep the document with the run.

    Raises:
        StorageError: it cannot be written.

    """
    path = folder / DOCUMENT
    try:
        path.write_text(json.dumps(document, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise StorageError(f"{path}: cannot be written ({error.strerror})") from None
