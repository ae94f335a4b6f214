"""What the machine of crashes is for: each fault of a restart is found by programs that it draws."""

from __future__ import annotations

import pytest

from kalam_props.hunt.explore import Explorer, explore
from kalam_props.hunt.lab import Lab, Trial
from kalam_props.programs.machines import MACHINES
from kalam_props.targets.opening import TargetOptions, open_run

LOST = {"lost-after-crash", "resurrected-row", "lost-update", "wrong-count"}
REPLAYED = {"resurrected-row", "lost-update", "wrong-count", "stale-value", "duplicate-row"}
PROGRAMS = 60


@pytest.mark.parametrize(
    ("fault", "shows_as"),
    [("not-durable", LOST), ("hot-not-replayed", LOST), ("flush-replayed", REPLAYED)],
)
def test_a_fault_of_restarts_is_found(fault, shows_as, tmp_path):
    """At its highest rate, within sixty programs."""
    failed: list[Trial] = []

    def note(trial: Trial) -> None:
        if trial.verdict.anomalies:
            failed.append(trial)

    options = TargetOptions(faults=(f"{fault}:rate=1",), driver="http")
    with open_run(options, tmp_path) as workspace:
        lab = Lab(workspace, tmp_path / "histories")
        explorer = Explorer(lab, lambda _: None, lambda: bool(failed), note)
        explore(MACHINES["crashes"], explorer, programs=PROGRAMS, random_seed=1)
    assert failed, f"{fault} was not found in {lab.executions} programs"
    assert failed[0].verdict.anomalies[0].name in shows_as
