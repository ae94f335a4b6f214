"""No false alarms: programs of every machine, with kills and network faults, on a healthy server."""

from __future__ import annotations

import pytest

from kalam_props.hunt.lab import Lab
from kalam_props.hunt.soak import SoakPlan, soak
from kalam_props.programs.machines import MACHINES
from kalam_props.targets.opening import TargetOptions, open_run


def soaked(folder, programs, seed):
    """What `programs` programs showed; over HTTP, where a program takes a few milliseconds a step."""
    with open_run(TargetOptions(driver="http"), folder) as workspace:
        lab = Lab(workspace, folder / "histories")
        plan = SoakPlan(dict(MACHINES), random_seed=seed, programs=programs, seconds=None, kills=True)
        return lab, soak(lab, plan, lambda _: None)


@pytest.mark.parametrize(
    "programs", [200, pytest.param(2000, marks=pytest.mark.nightly)], ids=["200", "2000"]
)
def test_nothing_is_reported_on_a_healthy_server(tmp_path, programs):
    """An anomaly would be a bug of ours; and the programs did meet flushes, each other, faults and kills."""
    lab, result = soaked(tmp_path, programs, seed=programs)
    told = [(seen.anomaly, trial.history) for trial in result.anomalous for seen in trial.sightings]
    assert not told, told
    assert not lab.exercised.unknown
    assert lab.exercised.evidence.vacuous is None
    assert result.programs == programs
    assert set(result.by_machine) == set(MACHINES)
    assert result.kills >= programs // 50
    assert result.net_faults > 0
    assert lab.exercised.evidence.ops_overlapping_flush > 0


def test_a_faulty_server_is_noticed(tmp_path):
    """The soak can fail: with a fault on that any insert shows, the same programs report it."""
    faults = ("applied-but-refused:rate=1",)
    with open_run(TargetOptions(driver="http", faults=faults), tmp_path) as workspace:
        lab = Lab(workspace, tmp_path / "histories")
        plan = SoakPlan(dict(MACHINES), random_seed=1, programs=16, seconds=None, kills=False)
        result = soak(lab, plan, lambda _: None)
    assert any(seen.name == "failed-but-visible" for trial in result.anomalous for seen in trial.sightings)
