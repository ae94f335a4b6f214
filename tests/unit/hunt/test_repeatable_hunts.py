"""The same --seed draws the same programs, whatever was seen on the way."""

from __future__ import annotations

import pytest

from kalam_props.execution.aim import Aim
from kalam_props.hunt.campaign import Listener, Plan, hunt
from kalam_props.hunt.lab import Lab
from kalam_props.programs.machines import MACHINES
from kalam_props.targets.opening import TargetOptions, open_run

PROGRAMS = 24
"""More than one batch, so that there is a moment at which something could be learnt."""


def drawn(workspace, folder, *, feedback):
    lab = Lab(workspace, folder, feedback=feedback)
    machines = {name: MACHINES[name] for name in ("isolation", "exact-counts")}
    plan = Plan(machines, random_seed=11, programs=PROGRAMS, feedback=feedback, seeds_folder=folder)
    outcome = hunt(lab, plan, Listener())
    assert outcome.findings == ()
    return lab, sorted(path.name for path in folder.glob("*.jsonl"))


@pytest.mark.nightly
def test_without_feedback_a_seed_repeats_its_programs_and_its_aims(tmp_path):
    """File names tell the order and the digest of each program."""
    with open_run(TargetOptions(driver="http"), tmp_path) as workspace:
        lab, first = drawn(workspace, tmp_path / "first", feedback=False)
        _, second = drawn(workspace, tmp_path / "second", feedback=False)
    assert len(first) == PROGRAMS
    assert first == second
    assert lab.aim == Aim()
