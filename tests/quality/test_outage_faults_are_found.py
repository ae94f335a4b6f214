"""What the machine of crashes is for: each fault of a restart is found by programs that it draws."""

from __future__ import annotations

import pytest

from kalam_props.hunt.campaign import Listener, Plan, hunt
from kalam_props.hunt.lab import Lab
from kalam_props.programs.machines import MACHINES
from kalam_props.targets.opening import TargetOptions, open_run

SHOWS_AS = {
    "not-durable": {"lost-after-crash", "resurrected-row", "lost-update", "wrong-count"},
    "hot-not-replayed": {"lost-after-crash", "resurrected-row", "lost-update", "wrong-count"},
    "flush-replayed": {"resurrected-row", "lost-update", "wrong-count", "stale-value", "duplicate-row"},
}


@pytest.mark.parametrize("fault", SHOWS_AS)
def test_a_fault_of_restarts_is_found(fault, tmp_path):
    """At its highest rate, within sixty programs; how small it gets is asked of every night."""
    options = TargetOptions(faults=(f"{fault}:rate=1",), driver="http")
    with open_run(options, tmp_path) as workspace:
        plan = Plan(
            machines={"crashes": MACHINES["crashes"]},
            random_seed=1,
            programs=60,
            shrink_s=0,
            fail_fast=True,
            seeds_folder=tmp_path / "seeds",
        )
        outcome = hunt(Lab(workspace, tmp_path / "histories"), plan, Listener())
    assert outcome.findings, f"{fault} was not found in {outcome.programs} programs"
    assert outcome.findings[0].anomaly.name in SHOWS_AS[fault]
