"""A finding that is wanted at once: no time for shrinking is none for anything but a few runs."""

from __future__ import annotations

from kalam_props.drivers.http import HttpDriver
from kalam_props.history.operations import Count, Insert
from kalam_props.hunt.campaign import Listener, Plan, hunt
from kalam_props.hunt.investigate import QUICK_RUNS
from kalam_props.hunt.lab import Lab
from kalam_props.programs.machines import MACHINES
from kalam_props.programs.model import Program, Round, Step, TableDef
from kalam_props.targets.opening import TargetOptions, open_run


def test_without_time_for_shrinking_a_finding_is_reported_as_it_was_found(tmp_path):
    """Its program, its seed, and k of a few runs."""
    with open_run(
        TargetOptions(driver="http", faults=("boundary-row-dropped:rate=1",)), tmp_path
    ) as workspace:
        lab = Lab(workspace, tmp_path / "histories")
        plan = Plan(
            machines={"exact-counts": MACHINES["exact-counts"]},
            random_seed=1,
            programs=200,
            shrink_s=0,
            fail_fast=True,
            seeds_folder=tmp_path / "seeds",
        )
        outcome = hunt(lab, plan, Listener())
    (finding,) = outcome.findings
    assert finding.program == finding.original
    assert finding.reproduced[1] == QUICK_RUNS
    assert lab.exercised.executions == outcome.programs + QUICK_RUNS
    assert finding.seed_file.exists()


def test_what_was_exercised_while_shrinking_over_http_is_told_too(tmp_path):
    """Labs with another driver on the same target add to the same counts."""
    program = Program(
        {"t": TableDef((("id", "BIGINT"), ("v", "TEXT")), "id")},
        (Round({"u0/1": (Step(Insert("t", ((1, "a"),))),), "u0/2": (Step(Count("t")),)}),),
    )
    with open_run(TargetOptions(driver="session"), tmp_path) as workspace:
        lab = Lab(workspace, tmp_path / "histories")
        lab.run(program)
        alone = lab.exercised.evidence.operations
        lab.with_driver(HttpDriver()).run(program)
    assert lab.exercised.executions == 2
    assert lab.exercised.evidence.operations == 2 * alone > 0
