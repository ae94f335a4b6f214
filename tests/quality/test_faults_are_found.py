"""What the tool is for: each fault is found, and shrinks to at most twice the program written beside it."""

from __future__ import annotations

from pathlib import Path

import pytest
from attrs import evolve, frozen

from kalam_props.history.operations import Count, Flush, Insert, Select
from kalam_props.hunt.campaign import Listener, Plan, hunt
from kalam_props.hunt.lab import Lab
from kalam_props.hunt.replay import replay
from kalam_props.programs.codec import to_json
from kalam_props.programs.machines import MACHINES
from kalam_props.programs.model import Program, Release, Round, Step, TableDef
from kalam_props.reference import FAULTS
from kalam_props.targets.opening import TargetOptions, open_run

COLUMNS = (("id", "BIGINT"), ("v", "TEXT"), ("n", "BIGINT"))


@frozen
class Expected:
    """The smallest program that we could write by hand, and the anomalies that the fault may show as.

    `aimed`: one that meets the fault's window whatever the machine is doing, where the smallest one does not.
    """

    smallest: Program
    anomalies: frozenset[str]
    aimed: Program | None = None


def table(flush_rows):
    return {"t": TableDef(COLUMNS, "id", flush_rows=flush_rows)}


def insert(*keys, by="a"):
    return Step(Insert("t", tuple((key, f"{by}{key}", 0) for key in keys)))


IN_FLUSH = Release("flush", fraction=1.0)
"""Where the window of 10 ms of a flush's fault is open: a flush takes 3 ms without it.

The client of what is released there runs by then: how long one takes to start, on a busy machine longer than
any flush, has no part in it.
"""


def into_flush(step):
    """A row, then a flush by command with a step released into it."""
    return Program(
        table(None),
        (
            Round({"u0/1": (insert(1),)}),
            Round({"u0/1": (Step(Flush("t")),), "u0/2": (evolve(step, release=IN_FLUSH),)}),
        ),
    )


LOSSES = frozenset(
    {
        "lost-row",
        "lost-update",
        "stale-read",
        "flickering-row",
        "wrong-count",
        "wrong-affected",
        "stale-value",
    }
    | {"resurrected-row", "wrongly-accepted", "wrongly-refused", "torn-batch", "not-atomic-scan"}
)

EXPECTED = {
    "lost-on-flush": Expected(
        into_flush(insert(2)), LOSSES
    ),
    "boundary-row-dropped": Expected(
        Program(table(1), (Round({"u0/1": (insert(1),)}),)), LOSSES
    ),
    "seen-twice": Expected(
        Program(table(1), (Round({"u0/1": (insert(1), Step(Select("t")))}),)),
        frozenset({"duplicate-row", "wrong-count"}),
        aimed=into_flush(Step(Select("t"))),
    ),
    "gone-between": Expected(
        Program(table(1), (Round({"u0/1": (insert(1), Step(Select("t")))}),)),
        LOSSES,
        aimed=into_flush(Step(Select("t"))),
    ),
    "foreign-flush": Expected(
        Program(table(2), (Round({"u0/1": (insert(1),)}), Round({"u1/1": (insert(2),)}))),
        frozenset({"foreign-row", "lost-row", "wrong-count", "phantom-row"}),
    ),
    "stale-count": Expected(
        Program(table(None), (Round({"u0/1": (insert(1), Step(Count("t")))}),)), frozenset({"wrong-count"})
    ),
}  # fmt: skip

CI_FAULTS = ("boundary-row-dropped", "foreign-flush", "stale-count")
"""Found in seconds whatever the machine is doing; the races have their turn in the nightly profile."""


def hunt_for(fault: str, folder: Path):
    with open_run(TargetOptions(faults=(fault,)), folder) as workspace:
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


@pytest.mark.parametrize(
    "fault",
    [name if name in CI_FAULTS else pytest.param(name, marks=pytest.mark.nightly) for name in EXPECTED],
)
def test_a_fault_is_found_shrunk_and_replayed(fault, tmp_path):
    """At most twice the smallest program; FAILED with the fault on, FIXED with it off."""
    finding, with_fault = hunt_for(fault, tmp_path)
    expected = EXPECTED[fault]
    assert finding.anomaly.name in expected.anomalies
    assert finding.program.operations <= 2 * expected.smallest.operations, to_json(finding.program)
    assert with_fault.status == "FAILED", with_fault.message
    with open_run(TargetOptions(), tmp_path) as workspace:
        healthy = replay(Lab(workspace, tmp_path / "healthy"), finding.seed_file, until_confident=False)
    assert healthy.status in ("FIXED", "NOT-REPRODUCED"), healthy.message
    assert healthy.reproduced[0] == 0


@pytest.mark.parametrize("fault", EXPECTED)
def test_the_program_written_by_hand_shows_the_fault(fault, tmp_path):
    """The yardstick is honest: in at most 60 runs it shows the fault."""
    expected = EXPECTED[fault]

    def shows(trial):
        return any(anomaly.name in expected.anomalies for anomaly in trial.verdict.anomalies)

    with open_run(TargetOptions(faults=(fault,)), tmp_path) as workspace:
        lab = Lab(workspace, tmp_path / "histories")
        trials = lab.until(expected.aimed or expected.smallest, 60, lambda trials: any(map(shows, trials)))
    assert any(map(shows, trials)), f"not in {len(trials)} runs"


def test_the_six_faults_of_the_first_release_are_there():
    """Each yardstick has its fault."""
    assert set(EXPECTED) <= set(FAULTS)
