"""Operations beyond single rows of user tables, end to end on the reference server."""

from __future__ import annotations

import pytest

from kalam_props.checks.judge import judge
from kalam_props.execution.run import execute
from kalam_props.history.events import Fail, Info, Ok
from kalam_props.history.operations import (
    AddColumn,
    Compact,
    Count,
    Delete,
    Flush,
    Insert,
    Select,
    Txn,
    Update,
)
from kalam_props.programs.model import Program, Round, Step, TableDef
from kalam_props.targets.opening import TargetOptions, open_run

USER = TableDef((("v", "TEXT"), ("id", "BIGINT"), ("w", "TEXT")), "id")
SHARED = TableDef(USER.columns, "id", type="shared")


@pytest.fixture(scope="module", params=["token", "execute-as"])
def workspace(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    with open_run(TargetOptions(driver="http", identity=request.param), folder) as opened:
        yield opened


def run(workspace, path, table, lanes):
    """What the last scan saw after rounds with one lane each, of which nothing was refused."""
    rounds = tuple(Round({session: tuple(map(Step, ops))}) for session, ops in lanes)
    history = execute(Program({"t": table}, rounds), workspace, path / "h.jsonl")
    assert judge(history).verdict == "holds", judge(history)
    assert not [event for event in history.events if isinstance(event, (Fail, Info))]
    scans = [event.rows for event in history.events if isinstance(event, Ok) and event.rows is not None]
    return sorted(scans[-1])


def test_writers_of_a_shared_table_see_each_others_rows(workspace, tmp_path):
    """And change them; the key is not the first column."""
    lanes = [
        ("u0/1", (Insert("t", (("a", 1, None),)),)),
        ("u1/1", (Update("t", 1, {"w": "by u1"}), Insert("t", (("b", 2, None),)))),
        ("u0/1", (Select("t"), Count("t"))),
    ]
    rows = run(workspace, tmp_path, SHARED, lanes)
    assert rows == [("a", 1, "by u1"), ("b", 2, None)]


def test_a_transaction_is_done_whole_or_rolled_back_whole(workspace, tmp_path):
    """In one request, in the name of its user."""
    lanes = [
        ("u0/1", (Insert("t", (("a", 1, None),)),)),
        ("u0/1", (Txn((Insert("t", (("b", 2, None),)), Delete("t", 1))),)),
        ("u0/1", (Txn((Insert("t", (("c", 3, None),)), Delete("t", 2)), rollback=True), Select("t"))),
    ]
    rows = run(workspace, tmp_path, USER, lanes)
    assert rows == [("b", 2, None)]


def test_maintenance_changes_no_row(workspace, tmp_path):
    """And all forms of it are answered."""
    maintenance = (Flush("t"), Flush("t", "namespace"), Compact("t"), AddColumn("t", "x1"))
    lanes = [
        ("u0/1", (Insert("t", (("a", 1, None),)), *maintenance, Insert("t", (("b", 2, None),)), Select("t")))
    ]
    rows = run(workspace, tmp_path, USER, lanes)
    assert rows == [("a", 1, None), ("b", 2, None)]
