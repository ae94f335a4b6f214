"""What the tool is for: each fault is found, and shrinks to at most twice the program written by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from kalam_props.hunt.campaign import Listener, Plan, hunt
from kalam_props.hunt.lab import Lab
from kalam_props.hunt.replay import replay
from kalam_props.measure.yardsticks import YARDSTICKS
from kalam_props.programs.codec import to_json
from kalam_props.programs.machines import MACHINES
from kalam_props.reference import FAULTS
from kalam_props.targets.opening import TargetOptions, open_run

CI_FAULTS = ("stale-count", "applied-but-refused")
"""Found in seconds whatever the machine is doing; the others have their turn in the nightly profile."""

WIDE = {"stale-count": "stale-count:window=1s"}
"""A window that is open still when a busy machine has started the next client."""

OUTAGES = ("not-durable", "hot-not-replayed", "flush-replayed")
"""Need a kill or a restart: `test_easy_faults_are_found` has them, with the machine that draws it."""


def in_ci(names, faults):
    """Faults as parameters: all, with those outside of CI marked."""
    return [name if name in names else pytest.param(name, marks=pytest.mark.nightly) for name in faults]


def surely(fault):
    """The switch that makes a fault show itself as often as it can."""
    (parameter,) = FAULTS[fault].parameters
    return f"{fault}:{'window=100ms' if parameter == 'window' else 'rate=1'}"


def hunt_for(fault: str, folder: Path):
    with open_run(TargetOptions(faults=(WIDE.get(fault, fault),)), folder) as workspace:
        lab = Lab(workspace, folder / "histories")
        plan = Plan(
            machines=dict(MACHINES),
            random_seed=1,
            programs=300,  # and not a time: the machine may be busy with something else
            shrink_s=300,
            fail_fast=True,
            faults=(fault,),
            seeds_folder=folder / "seeds",
        )
        outcome = hunt(lab, plan, Listener())
        assert outcome.findings, f"{fault} was not found in {outcome.programs} programs"
        (finding,) = outcome.findings
        return finding, replay(lab, finding.seed_file, until_confident=True)


@pytest.mark.parametrize("fault", in_ci(CI_FAULTS, [name for name in FAULTS if name not in OUTAGES]))
def test_a_fault_is_found_shrunk_and_replayed(fault, tmp_path):
    """At most twice the smallest program; FAILED with the fault on, FIXED with it off."""
    finding, with_fault = hunt_for(fault, tmp_path)
    yardstick = YARDSTICKS[fault]
    assert finding.anomaly.name in yardstick.names
    assert finding.program.operations <= 2 * yardstick.operations, to_json(finding.program)
    assert with_fault.status == "FAILED", with_fault.message
    with open_run(TargetOptions(), tmp_path) as workspace:
        healthy = replay(Lab(workspace, tmp_path / "healthy"), finding.seed_file, until_confident=False)
    assert healthy.status in ("FIXED", "NOT-REPRODUCED"), healthy.message
    assert healthy.reproduced[0] == 0


@pytest.mark.parametrize(
    "fault",
    in_ci(
        (
            *CI_FAULTS,
            "boundary-row-dropped",
            "foreign-flush",
            "lost-on-flush",
            "flush-replayed",
            "missed-notification",
        ),
        FAULTS,
    ),
)
def test_the_program_written_by_hand_shows_the_fault(fault, tmp_path):
    """The yardstick is honest: in at most 60 runs it shows the fault, and nothing that is not the fault."""
    yardstick = YARDSTICKS[fault]
    with open_run(TargetOptions(faults=(surely(fault),)), tmp_path) as workspace:
        lab = Lab(workspace, tmp_path / "histories")
        trials = lab.until(
            yardstick.aimed or yardstick.minima[0],
            60,
            lambda trials: any(trial.verdict.anomalies for trial in trials),
        )
    seen = {anomaly.name for trial in trials for anomaly in trial.verdict.anomalies}
    assert seen, f"not in {len(trials)} runs"
    assert seen <= yardstick.names
