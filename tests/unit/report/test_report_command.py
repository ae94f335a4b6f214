"""`kalam-props report`: a run again, whole or killed."""

from __future__ import annotations

import pytest
from click.testing import CliRunner
from findings import finding

from kalam_props.cli import cli
from kalam_props.errors import CorruptInputError
from kalam_props.hunt.finding import save


def reported(run):
    return CliRunner().invoke(cli, ["report", str(run)], standalone_mode=False)


def test_a_killed_run_is_shown_as_far_as_it_came(tmp_path):
    """No document was written: the finding is there all the same, and how to go on is said."""
    save(finding(tmp_path))
    done = reported(tmp_path)
    assert done.return_value == 1
    assert "lost-row: row 1" in done.output
    assert "9 of 20" in done.output
    page = (tmp_path / "report.html").read_text()
    assert "not finished" in page
    assert "--resume" in page
    assert (tmp_path / "finding-01" / "reproduce.sh").exists()


@pytest.mark.parametrize("folder", ["nothing", "."])
def test_what_is_no_run_is_refused(tmp_path, folder):
    """A misspelt folder, or one of something else, is not a run without findings."""
    assert isinstance(reported(tmp_path / folder).exception, CorruptInputError)
