"""Where a lab keeps its files: nothing is overwritten, and every history has its program."""

from __future__ import annotations

from findings import PROGRAM

from kalam_props.hunt.lab import Lab
from kalam_props.programs.codec import digest, read_program


def test_a_resumed_run_does_not_overwrite_its_histories(tmp_path):
    """Numbers go on after those that are there."""
    folder = tmp_path / "histories"
    first = Lab(None, folder)._new_path(PROGRAM)
    first.write_text("")
    assert Lab(None, folder)._new_path(PROGRAM) != first
    assert first.name.startswith("000001-")


def test_the_program_is_on_disk_before_it_runs(tmp_path):
    """By its digest, which is in the history's name: killed in the middle of it, the run can be read."""
    path = Lab(None, tmp_path / "histories")._new_path(PROGRAM)
    assert path.stem.endswith(digest(PROGRAM))
    assert read_program(tmp_path / "programs" / f"{digest(PROGRAM)}.json") == PROGRAM
