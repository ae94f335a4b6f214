"""Several tables, namespaces, and names that are used again, end to end on the reference server."""

from __future__ import annotations

import pytest
from attrs import evolve

from kalam_props.checks.judge import judge
from kalam_props.errors import SetupRefusedError
from kalam_props.execution.run import execute
from kalam_props.history.events import Fail, FlushRun, Info, Invoke, Ok
from kalam_props.history.operations import AwaitFlush, Flush, Insert, Recreate, Select, Update
from kalam_props.programs.model import Program, Round, Step, TableDef
from kalam_props.targets.journal import JOURNAL, read_journal
from kalam_props.targets.opening import TargetOptions, open_run

T = TableDef((("id", "BIGINT"), ("v", "TEXT")), "id")
TABLES = {"t": T, "t_2": evolve(T, name="t"), "t_far": evolve(T, name="t", namespace=1)}


@pytest.fixture(scope="module", params=["http", "process"])
def workspace(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    with open_run(TargetOptions(driver=request.param), folder) as opened:
        yield opened


def in_rounds(*rounds, tables=TABLES):
    return Program(tables, tuple(Round({session: tuple(map(Step, ops))}) for session, ops in rounds))


def scans(history, table):
    """What the scans of a table saw."""
    invoked = {event.i: event.op for event in history.events if isinstance(event, Invoke)}
    return [
        sorted(event.rows)
        for event in history.events
        if isinstance(event, Ok) and invoked[event.of] == Select(table)
    ]


AGAIN = in_rounds(
    ("u0/1", (Insert("t", ((1, "old"),)), Insert("t_far", ((1, "far"),)), Flush("t"), AwaitFlush("t"))),
    ("u0/2", (Flush("t"), Recreate("t_2"))),
    ("u0/1", (Insert("t_2", ((1, "new"),)), Flush("t_2"), AwaitFlush("t_2"))),
)


def test_tables_of_one_name_keep_their_rows_apart(workspace, tmp_path):
    """One after another, and in another namespace at once; none is a row of another."""
    history = execute(AGAIN, workspace, tmp_path / "h.jsonl")
    assert judge(history).verdict == "holds", judge(history)
    assert scans(history, "t_2") == [[(1, "new")], [(1, "new")]]
    assert scans(history, "t_far") == [[(1, "far")], [(1, "far")]]
    assert scans(history, "t") == []


def test_a_flush_is_that_of_the_table_that_was_there(workspace, tmp_path):
    """The server knows them by their name, which is the same."""
    history = execute(AGAIN, workspace, tmp_path / "h.jsonl")
    flushed = [event.table for event in history.events if isinstance(event, FlushRun)]
    assert sorted(set(flushed)) == ["t", "t_2"]


def test_nothing_is_left_and_every_namespace_was_noted(tmp_path):
    """The journal has them before they are created; closing drops them."""
    with open_run(TargetOptions(driver="http"), tmp_path) as opened:
        execute(AGAIN, opened, tmp_path / "h.jsonl")
        namespaces = read_journal(tmp_path / JOURNAL).namespaces
        assert namespaces == (opened.namespace, opened.namespace.replace("kp_", "kp_n1_"))
        tables = "SELECT namespace_id, table_name FROM system.tables LIMIT 100"
        rows = opened.target.ask(tables).results[0].rows
        assert not [row for row in rows if row[0] in namespaces]
        opened.close()
        known = opened.target.ask("SELECT namespace_id FROM system.namespaces LIMIT 100").results[0].rows
        assert not {row[0] for row in known} & set(namespaces)


def test_a_further_namespace_that_is_in_use_is_left_alone(tmp_path):
    """It is refused in the server's words; neither closing nor `clean` removes what was there."""
    known = "SELECT namespace_id FROM system.namespaces LIMIT 100"
    with open_run(TargetOptions(driver="http"), tmp_path) as opened:
        taken = opened.namespace.replace("kp_", "kp_n1_")
        opened.target.ask(f"CREATE NAMESPACE {taken}")
        with pytest.raises(SetupRefusedError, match=f"CREATE NAMESPACE {taken} was refused"):
            execute(AGAIN, opened, tmp_path / "h.jsonl")
        assert read_journal(tmp_path / JOURNAL).namespaces == (opened.namespace,)
        opened.close()
        assert (taken,) in {tuple(row) for row in opened.target.ask(known).results[0].rows}


def test_a_table_that_may_not_be_there_ends_the_program(workspace, tmp_path):
    """What follows would be done to another table, and judged as if it were this one."""
    odd = {"t": T, "t_2": evolve(T, columns=(("id", "BIGINT"), ("_seq", "TEXT")), name="t")}
    program = in_rounds(
        ("u0/1", (Insert("t", ((1, "old"),)), Recreate("t_2"))),
        ("u0/1", (Update("t_2", 1, {"_seq": "changed"}),)),
        tables=odd,
    )
    history = execute(program, workspace, tmp_path / "h.jsonl")
    kinds = [type(event.op).__name__ for event in history.events if isinstance(event, Invoke)]
    assert kinds == ["Insert", "Recreate"]
    assert isinstance(history.events[-1], (Fail, Info))
