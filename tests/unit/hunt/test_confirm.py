"""How often a result fails, which its seed says: k of n, and more of them where k would be 0."""

from __future__ import annotations

from pathlib import Path

import pytest
from attrs import define, evolve, field
from findings import finding
from simulated import sighting

from kalam_props.checks.verdict import Verdict
from kalam_props.hunt.investigate import Care, investigate
from kalam_props.hunt.lab import Lab, Trial
from kalam_props.hunt.measure import CONFIRM_RUNS, ESTIMATE_RUNS
from kalam_props.hunt.seeds import read
from kalam_props.targets.opening import TargetOptions, open_run


@define
class Scripted(Lab):
    """A lab in which some runs of the result fail, by their numbers; nothing is run."""

    failing: frozenset[int] = frozenset()
    history: Path = Path("none")
    ran: int = field(default=0)

    def until(self, program, runs, enough):
        trials = []
        while len(trials) < runs and not enough(trials):
            self.ran += 1
            seen = (sighting("lost-row"),) if self.ran in self.failing else ()
            trials.append(Trial(program, self.history, Verdict("holds", 0), seen))
        return trials


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    with open_run(TargetOptions(), tmp_path_factory.mktemp("run")) as opened:
        yield opened


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
    lab = Scripted(workspace, tmp_path, failing=frozenset(failing), history=found.history)
    confirmed = investigate(lab, found, Care(60.0, tmp_path / "seeds"), lambda _: None)
    assert (confirmed.confirmed.seen, confirmed.confirmed.runs) == reproduced
    assert read(confirmed.seed_file).reproduced == reproduced


def test_who_wants_a_finding_soon_does_not_wait_for_its_rate(workspace, tmp_path):
    """Without time for shrinking."""
    found = evolve(finding(tmp_path), stage="found", seed_file=None)
    lab = Scripted(workspace, tmp_path, history=found.history)
    assert (
        investigate(lab, found, Care(0.0, tmp_path / "seeds"), lambda _: None).confirmed.runs == lab.ran <= 5
    )
