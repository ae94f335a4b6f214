"""Seed files as pytest items: readable names, red where a bug is back or an open one is gone."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from attrs import evolve

from kalam_props.hunt import seeds

COMMITTED = Path(__file__).parents[2] / ".hypothesis" / "seeds"


def test_seeds_are_test_items(tmp_path):
    """A fixed seed passes; one that is marked as known and open fails when it stops failing."""
    folder = tmp_path / "seeds"
    (source, *_) = seeds.find((COMMITTED,))
    folder.mkdir()
    shutil.copy(source, folder / "fixed.json")
    still_marked = evolve(seeds.read(source), known_open="issue 12")
    (folder / "marked.json").write_text(seeds.to_text(still_marked))
    (folder / "other.json").write_text("{}")
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-v",
            "-p",
            "no:cacheprovider",
            "--kalam-driver",
            "http",
            str(folder),
        ],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    assert "fixed.json::lost-row after insert PASSED" in done.stdout, done.stdout
    assert "marked.json::lost-row after insert FAILED" in done.stdout, done.stdout
    assert "expected to fail: issue 12" in done.stdout
    assert "kalam-props replay" in done.stdout
    assert "other.json" not in done.stdout
    assert done.returncode == 1
