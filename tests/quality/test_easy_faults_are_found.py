"""Each fault at its easy setting is found by the programs of the machine that is there for such bugs."""

from __future__ import annotations

import pytest

from kalam_props.execution.run import Limits
from kalam_props.hunt.explore import Explorer, explore
from kalam_props.hunt.investigate import hanging
from kalam_props.hunt.lab import Lab
from kalam_props.measure.yardsticks import YARDSTICKS
from kalam_props.programs.machines import MACHINES
from kalam_props.reference import FAULTS
from kalam_props.targets.opening import TargetOptions, open_run

BY_MACHINE = {
    "crashes": ("not-durable", "hot-not-replayed", "flush-replayed"),
    "exact-counts": ("boundary-row-dropped",),
    "isolation": ("foreign-flush", "foreign-file"),
    "keys": ("keys-folded",),
    "neighbours": ("keys-not-per-user", "shared-identity", "swapped-answers"),
    "notifications": (
        "missed-notification",
        "notification-twice",
        "foreign-notification",
        "notification-overtaken",
    ),
    "tables": ("dropped-rows-return",),
    "updates": ("tombstone-dropped", "old-version-flushed"),
    "watchers": ("stale-count", "split-scan", "torn-batch", "refused-batch-seen"),
    "writers": (
        "stale-index",
        "update-race",
        "insert-race",
        "delete-race",
        "version-tie",
        "sequence-collision",
    ),
}
MACHINE_OF = {fault: machine for machine, faults in BY_MACHINE.items() for fault in faults}

PROGRAMS = 200
"""At the most, and not a time: the machine may be busy with something else. Most need fewer than ten."""


@pytest.mark.parametrize("fault", FAULTS)
def test_an_easy_fault_is_found_and_named(fault, tmp_path):
    """What meets a flush, or shows itself in any program, by the machine of such meetings."""
    machine = MACHINES[MACHINE_OF.get(fault, "meetings")]
    options = TargetOptions(faults=(f"{fault}:difficulty=easy",), driver="http")
    with open_run(options, tmp_path) as workspace:
        limits = hanging(Limits(), workspace.target) if fault == "hang-at-flush" else Limits()
        lab = Lab(workspace, tmp_path / "histories", limits=limits)
        lab.take_aim()
        explorer = Explorer(lab, lambda trial: trial.sightings[0], lambda: False, lambda _: None)
        failure = explore(machine, explorer, programs=PROGRAMS, random_seed=1)
    assert failure is not None, f"{fault} was not found in {lab.executions} programs"
    assert failure.sighting.name in YARDSTICKS[fault].names
