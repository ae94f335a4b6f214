"""A hunt that is killed at a bad moment loses nothing: what it found is on disk, and is made small later."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from kalam_props.history.reader import read_history
from kalam_props.hunt.finding import load_all
from kalam_props.targets.journal import JOURNAL, read_journal

COMMAND = [sys.executable, "-m", "kalam_props.cli"]


def start(*words):
    return subprocess.Popen(
        [*COMMAND, *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )


def test_a_hunt_killed_while_it_shrinks_goes_on(tmp_path):
    """SIGKILL after the discovery: finding and histories are there; --resume brings it to its minimum."""
    run = tmp_path / "run"
    hunt = start(
        "hunt",
        *("--fault", "boundary-row-dropped", "--machine", "exact-counts", "--driver", "http"),
        *("--programs", 200, "--seed", 7, "--fail-fast", "--shrink-time", 300),  # however busy the machine is
        *("--run-dir", run, "--seeds-dir", tmp_path / "seeds"),
    )
    with hunt:
        told = next((line for line in hunt.stdout if "shrinking" in line), None)
        hunt.send_signal(signal.SIGKILL)
    assert told is not None, "nothing was found in 200 programs"
    (left,) = load_all(run)
    assert left.stage in ("found", "shrunk")
    assert any(event for event in read_history(left.discovered).events)
    (data,) = read_journal(run / JOURNAL).folders
    assert data.is_dir()
    resumed = start("hunt", "--resume", run)
    output, _ = resumed.communicate()
    assert resumed.returncode == 1, output
    assert not data.exists(), "what the killed server had stored is left"
    (finding,) = load_all(run)
    assert (finding.stage, finding.anomaly.name) == ("confirmed", "lost-row"), output
    assert finding.program.operations == 1, output
    assert finding.confirmed.seen
    assert Path(finding.seed_file).exists()
    assert json.loads((run / "report.json").read_text())["verdict"] == "violated"
    assert "lost-row" in (run / "report.html").read_text()
