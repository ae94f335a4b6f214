"""Making a hang small: no longer is waited than is needed to tell, and no shorter."""

from __future__ import annotations

import pytest

from kalam_props.execution.run import Limits
from kalam_props.hunt.investigate import hanging
from kalam_props.hunt.lab import Lab
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
