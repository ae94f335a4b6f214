"""Making a hang small: no longer is waited than is needed to tell, and no shorter."""

from __future__ import annotations

import threading

import pytest
from attrs import define, field

from kalam_props.checks.verdict import Verdict
from kalam_props.execution.run import Limits
from kalam_props.hunt import lab as lab_module
from kalam_props.hunt.investigate import hanging
from kalam_props.hunt.lab import HANGING_AT_ONCE, Lab, Trial, races
from kalam_props.measure.yardsticks import YARDSTICKS
from kalam_props.targets.opening import TargetOptions, open_run


@pytest.mark.nightly
def test_a_request_that_was_held_before_it_hung_is_seen_to_hang(tmp_path):
    """The client waits from its start on, the server's time counts from when the gate sent the request on."""
    program = YARDSTICKS["hang-at-flush"].aimed
    options = TargetOptions(faults=("hang-at-flush:window=8ms",), driver="http")
    with open_run(options, tmp_path) as workspace:
        lab = Lab(workspace, tmp_path / "histories", limits=hanging(Limits(), workspace.target))
        trials = lab.until(program, 60, lambda trials: any(trial.sightings for trial in trials))
    unanswered = [trial for trial in trials if '"timeout"' in trial.history.read_text()]
    assert unanswered
    for trial in unanswered:
        assert [seen.name for seen in trial.sightings] == ["hung"]


@define
class Meeting(Lab):
    """A lab whose runs end when as many are under way as may be where requests hang."""

    barrier: threading.Barrier = field(factory=lambda: threading.Barrier(HANGING_AT_ONCE))

    def run(self, program):
        self.barrier.wait(timeout=60)
        return Trial(program, self.folder, Verdict("holds", 0))


def test_while_a_run_hangs_others_are_made_beside_it(tmp_path, monkeypatch):
    """The first one of a race is alone; what it waits for is not waited for by all, one after the other."""
    monkeypatch.setattr(lab_module, "HANGS_AFTER_S", 0.05)
    program = YARDSTICKS["hang-at-flush"].aimed
    assert races(program)
    with open_run(TargetOptions(), tmp_path) as workspace:
        lab = Meeting(workspace, tmp_path / "histories", feedback=False, hanging=True)
        assert len(lab.until(program, HANGING_AT_ONCE, lambda _: False)) == HANGING_AT_ONCE
