"""The shell reproduction: runs against a live server, and says whether it saw the anomaly."""

from __future__ import annotations

import os
import shlex
import stat
import subprocess

import pytest

from kalam_props.checks.judge import judge
from kalam_props.history.operations import Insert
from kalam_props.history.reader import read_history
from kalam_props.hunt.lab import Lab
from kalam_props.programs.model import Program, Round, Step, TableDef
from kalam_props.reference.client import client_command
from kalam_props.report.script import shell_script
from kalam_props.targets.opening import TargetOptions, open_run

AWKWARD = 'a\'; "$HOME" `id` \\ $(id) -- ż'


@pytest.fixture
def dropped(tmp_path):
    """A server that drops a row at the boundary, a program that shows it, and its script."""
    program = Program(
        {"t": TableDef((("id", "BIGINT"), ("v", "TEXT")), "id", flush_rows=1)},
        (Round({"u0/1": (Step(Insert("t", ((1, AWKWARD),))),)}),),
    )
    with open_run(TargetOptions(faults=("boundary-row-dropped",)), tmp_path) as workspace:
        trial = Lab(workspace, tmp_path / "histories").run(program)
        recorded = read_history(trial.history)
        (anomaly, *_) = judge(recorded).anomalies
        text = shell_script(program, anomaly, recorded, reproduced=(20, 20), found_on="the reference server")
        yield workspace.target, text


def run_script(text, folder, target):
    kalam = folder / "kalam"
    kalam.write_text(f'#!/bin/sh\nexec {shlex.join(client_command())} "$@"\n')
    kalam.chmod(kalam.stat().st_mode | stat.S_IXUSR)
    script = folder / "reproduce.sh"
    script.write_text(text)
    environment = {
        **os.environ,
        "KALAM": str(kalam),
        "KALAM_URL": target.url,
        "KALAM_TOKEN": target.root.token,
        "FLUSH_WAIT": "0.4",
        "HOME": str(folder),
    }
    return subprocess.run(
        ["sh", str(script), "3"], env=environment, capture_output=True, text=True, timeout=60, check=False
    )


def test_the_script_sees_the_anomaly_where_it_is(dropped, tmp_path):
    """Exit 1, and the answer that shows it; values come through the shell as they are."""
    target, text = dropped
    done = run_script(text, tmp_path, target)
    assert (done.returncode, done.stderr) == (1, ""), done
    assert "saw lost-row at try 1" in done.stdout


def test_the_script_says_so_where_it_is_not(dropped, tmp_path):
    """The same script against a healthy server: exit 0 after its tries."""
    _, text = dropped
    (tmp_path / "healthy").mkdir()
    with open_run(TargetOptions(), tmp_path / "healthy") as workspace:
        done = run_script(text, tmp_path, workspace.target)
    assert (done.returncode, done.stderr) == (0, ""), done
    assert "did not see lost-row in 3 tries" in done.stdout
