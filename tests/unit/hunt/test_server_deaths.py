"""A server of ours that ends by itself under a program: a finding, and the hunt goes on or ends in order."""

from __future__ import annotations

import os
import signal

import pytest
from doctored import doctored

from kalam_props.checks.judge import names
from kalam_props.errors import ServerDiedError
from kalam_props.history.operations import Count, Insert
from kalam_props.hunt.campaign import Listener, Plan, hunt
from kalam_props.hunt.lab import Lab
from kalam_props.programs.machines import MACHINES
from kalam_props.programs.model import Program, Round, Step, TableDef
from kalam_props.targets.opening import TargetOptions, open_run

PROGRAM = Program(
    {"t": TableDef((("id", "BIGINT"), ("v", "TEXT")), "id")},
    (Round({"u0/1": (Step(Insert("t", ((1, "a"),))), Step(Count("t")))}),),
)


@pytest.fixture
def workspace(tmp_path):
    with open_run(TargetOptions(driver="http"), tmp_path) as opened:
        yield opened


def deadly(workspace, times):
    """With a server that dies of its next counts, so many."""
    server, left = workspace.target.managed, list(range(times))

    def execute(sql, _deadline_s, ask):
        if "COUNT" in sql and left:
            left.pop()
            os.kill(server.pid, signal.SIGKILL)
            server.await_end(10)
        return ask()

    return doctored(workspace, execute, can_subscribe=False)


def test_a_death_under_a_program_is_judged_and_the_next_program_has_a_server_again(workspace, tmp_path):
    """By its history, with the last lines of the log; what it left on disk stays with the run."""
    lab = Lab(deadly(workspace, 1), tmp_path / "histories")
    trial = lab.run(PROGRAM)
    assert names(trial.verdict) == ("server-died",)
    assert "exit -9" in trial.verdict.anomalies[0].explanation
    assert trial.history.exists()
    again = lab.run(PROGRAM)
    assert again.verdict.verdict == "holds"
    assert (tmp_path / "server-data").is_dir()


def test_a_hunt_reports_a_death_like_any_finding(workspace, tmp_path):
    """It is made small and saved as a seed."""
    lab = Lab(deadly(workspace, 1000), tmp_path / "histories")
    plan = Plan(
        machines={"exact-counts": MACHINES["exact-counts"]},
        random_seed=1,
        programs=2,
        shrink_s=0,
        fail_fast=True,
        seeds_folder=tmp_path / "seeds",
    )
    outcome = hunt(lab, plan, Listener())
    assert outcome.stopped is None
    (finding,) = outcome.findings
    assert finding.anomaly.name == "server-died"
    assert finding.seed_file.exists()


def test_a_death_that_no_program_shows_ends_the_hunt_in_order(workspace, tmp_path):
    """With what was found until then, and its last words."""
    server = workspace.target.managed
    os.kill(server.pid, signal.SIGKILL)
    server.await_end(10)
    lab = Lab(workspace, tmp_path / "histories")
    with pytest.raises(ServerDiedError, match="between two programs"):
        lab.run(PROGRAM)
    plan = Plan(machines={"exact-counts": MACHINES["exact-counts"]}, random_seed=1, programs=2)
    outcome = hunt(lab, plan, Listener())
    assert outcome.findings == ()
    assert "between two programs" in outcome.stopped


def test_a_server_that_does_not_come_up_again_ends_it_too(workspace, tmp_path):
    """The death is a finding all the same."""
    lab = Lab(deadly(workspace, 1), tmp_path / "histories")
    lab.run(PROGRAM)
    server = workspace.target.managed
    (server.data_dir / "rocksdb").mkdir(exist_ok=True)
    for path in server.data_dir.rglob("*"):
        if path.is_file():
            path.write_bytes(b"nonsense")
    with pytest.raises(ServerDiedError, match="does not come up again"):
        lab.run(PROGRAM)
