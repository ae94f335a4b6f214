"""`kalam-props clean` removes what a killed run left, and nothing that is not from that run."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from kalam_props.cli import cli
from kalam_props.errors import TargetError
from kalam_props.targets.journal import JOURNAL
from kalam_props.targets.opening import TargetOptions, open_target
from kalam_props.targets.workspace import open_workspace

NAMESPACES = "SELECT namespace_id FROM system.namespaces LIMIT 100"

USERS = "SELECT user_id FROM system.users WHERE deleted_at IS NULL LIMIT 100"


def clean(*words, root="-"):
    return CliRunner().invoke(
        cli, ["clean", *map(str, words)], env={"KALAM_PROPS_ROOT_PASSWORD": root, "COLUMNS": "200"}
    )


def namespaces(target):
    return {row[0] for row in target.ask(NAMESPACES).results[0].rows}


def test_what_a_killed_run_made_on_a_server_that_runs_is_dropped(tmp_path):
    """By its journal; the namespaces of others stay."""
    with open_target(TargetOptions(driver="http"), tmp_path) as target:
        killed = tmp_path / "killed"
        killed.mkdir()
        left = open_workspace(target, "login", killed / JOURNAL)
        left.credential("u0")
        other = open_workspace(target, "login", tmp_path / "other.jsonl")
        assert {left.namespace, other.namespace} <= namespaces(target)
        done = clean(killed, root=target.managed.root_password)
        assert done.exit_code == 0, done.output
        assert f"{left.namespace} and 2 users are gone from {target.url}" in done.output
        assert left.namespace not in namespaces(target)
        assert other.namespace in namespaces(target)
        users = target.ask(USERS).results[0].rows
        assert not [user for (user,) in users if user.startswith(left.namespace)]


@pytest.mark.parametrize("name", ["kalam-props-left", "somebody-elses"])
def test_the_data_of_a_server_that_ended_with_its_run_is_removed(tmp_path, name):
    """Where the folder has our name; the server is not looked for."""
    data = tmp_path / name
    (data / "server-data").mkdir(parents=True)
    noted = [
        {"folder": str(data), "server_ours": True},
        {"url": "http://127.0.0.1:1", "namespace": "kp_00000000", "user": "kp_00000000_probe"},
    ]
    (tmp_path / JOURNAL).write_text("".join(json.dumps(entry) + "\n" for entry in noted))
    done = clean(tmp_path)
    assert done.exit_code == 0, done.output
    assert data.exists() == (name == "somebody-elses")
    assert ("is gone" in done.output) == (name == "kalam-props-left")


def test_a_server_that_is_not_ours_and_does_not_answer_is_named(tmp_path):
    """What is left there is still there, so that is a failure."""
    noted = {"url": "http://127.0.0.1:1", "namespace": "kp_00000000", "user": "kp_00000000_probe"}
    (tmp_path / JOURNAL).write_text(json.dumps(noted) + "\n")
    done = clean(tmp_path)
    assert isinstance(done.exception, TargetError)
    assert "no server answers at http://127.0.0.1:1" in str(done.exception)
