"""Runs that wait for the server's look at its tables do not all begin at the same time after it."""

from __future__ import annotations

from attrs import evolve

from kalam_props.history.operations import Insert
from kalam_props.hunt import lab as lab_module
from kalam_props.hunt.lab import LONGEST_PAUSE_S, Lab
from kalam_props.programs.model import Program, Round, Step, TableDef
from kalam_props.targets.opening import TargetOptions, open_run


def program(flush_rows):
    table = TableDef((("id", "BIGINT"), ("v", "TEXT")), "id", flush_rows=flush_rows)
    return Program({"t": table}, (Round({"u0/1": (Step(Insert("t", ((1, "a"),))),)}),))


def test_a_run_with_a_policy_begins_within_an_interval_at_random(tmp_path, monkeypatch):
    """One without a policy begins at once; where looks are rare, no pause is as long as an interval."""
    bounds = []
    monkeypatch.setattr(lab_module.random, "uniform", lambda *between: bounds.append(between) or 0.0)
    with open_run(TargetOptions(driver="http"), tmp_path) as workspace:
        interval_s = workspace.target.check_interval_s
        lab = Lab(workspace, tmp_path / "histories")
        lab.run(program(None))
        assert bounds == []
        lab.run(program(1))
        seldom = evolve(workspace, target=evolve(workspace.target, check_interval_s=60.0))
        Lab(seldom, tmp_path / "others").run(program(2))
    assert 0 < interval_s <= LONGEST_PAUSE_S
    assert bounds == [(0.0, interval_s), (0.0, LONGEST_PAUSE_S)]
