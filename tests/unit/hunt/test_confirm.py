"""How often a result fails, which its seed says: k of n, and more of them where k would be 0."""

from __future__ import annotations

import pytest
from attrs import evolve
from findings import finding
from simulated import SimulatedLab, sighting

from kalam_props.checks.verdict import Verdict
from kalam_props.hunt.investigate import Care, investigate
from kalam_props.hunt.lab import Trial
from kalam_props.hunt.measure import CONFIRM_RUNS, ESTIMATE_RUNS
from kalam_props.hunt.seeds import read


class Scripted(SimulatedLab):
    """A lab in which some runs of the result fail, by their numbers."""

    def __init__(self, workspace, history, failing=()):
        super().__init__(None, seed=1)
        self.workspace, self.history, self.failing = workspace, history, failing

    def trial(self, program):
        seen = (sighting("lost-row"),) if self.executions in self.failing else ()
        return Trial(program, self.history, Verdict("holds", 0), seen)


@pytest.mark.parametrize(
    ("failing", "reproduced"),
    [
        ({1, 20, 21}, (2, CONFIRM_RUNS)),
        ({CONFIRM_RUNS + 7, CONFIRM_RUNS + 8}, (1, CONFIRM_RUNS + 7)),
        ({ESTIMATE_RUNS + 1}, (0, ESTIMATE_RUNS)),
    ],
)
def test_a_rate_of_nothing_is_looked_for_longer(workspace, tmp_path, failing, reproduced):
    """One that was seen once in 27 can be said to be mended one day; one that was never seen cannot."""
    found = evolve(finding(tmp_path), stage="shrunk", seed_file=None)
    lab = Scripted(workspace, found.history, failing)
    confirmed = investigate(lab, found, Care(60.0, tmp_path / "seeds"), lambda _: None)
    assert (confirmed.confirmed.seen, confirmed.confirmed.runs) == reproduced
    assert read(confirmed.seed_file).reproduced == reproduced


def test_who_wants_a_finding_soon_does_not_wait_for_its_rate(workspace, tmp_path):
    """Without time for shrinking."""
    found = evolve(finding(tmp_path), stage="found", seed_file=None)
    lab = Scripted(workspace, found.history)
    confirmed = investigate(lab, found, Care(0.0, tmp_path / "seeds"), lambda _: None)
    assert confirmed.confirmed.runs == lab.executions <= 5
