"""`kalam-props faults`: the list for people and for programs, and what it refuses."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from kalam_props.cli import cli
from kalam_props.errors import UsageError
from kalam_props.reference import FAULTS


def run(*arguments):
    return CliRunner().invoke(cli, ["faults", *arguments])


def test_every_fault_is_in_the_json_with_what_a_program_needs():
    """One document on stdout: name, summary, anomaly and parameters of each."""
    result = run("--json")
    assert result.exit_code == 0
    listed = json.loads(result.stdout)["faults"]
    assert [fault["name"] for fault in listed] == list(FAULTS)
    assert len(listed) >= 24
    assert all({"name", "summary", "anomaly", "parameters"} <= set(fault) for fault in listed)


def test_the_json_goes_to_a_file_that_is_named(tmp_path):
    """Folders on the way are made."""
    file = tmp_path / "new" / "faults.json"
    assert run("stale-count", "--json", str(file)).exit_code == 0
    assert [fault["name"] for fault in json.loads(file.read_text())["faults"]] == ["stale-count"]


def test_the_list_for_people_names_each_fault():
    """The table has a row for each."""
    result = CliRunner().invoke(cli, ["faults"], env={"COLUMNS": "200"})
    assert result.exit_code == 0
    assert all(name in result.stdout for name in FAULTS)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["stale-cuont"], "did you mean stale-count?"),
        (["nope", "--measure"], "unknown fault 'nope' (`kalam-props faults` lists them)"),
        (["stale-count:window=2ms", "--measure"], "give the fault's name alone, and --difficulty"),
        (["--json", "stale-count"], "faults stale-count --json"),
    ],
)
def test_what_cannot_be_meant_is_a_usage_error(arguments, words):
    """One sentence, before anything starts."""
    result = run(*arguments)
    assert isinstance(result.exception, UsageError)
    assert words in str(result.exception)
