"""Long histories judged user by user: the same as whole."""

from __future__ import annotations

import tempfile
from pathlib import Path
from random import Random

import pytest
from attrs import evolve
from history_mutation import mutate
from hypothesis import given, note, settings
from hypothesis import strategies as st
from recorded import MS, told
from simulation import simulate
from test_columns import _numbered, _told, _write

from kalam_props.checks.apart import NotApartError, judge_apart
from kalam_props.checks.judge import judge, verdict_of
from kalam_props.checks.stream import judge_file
from kalam_props.checks.verdict import Verdict
from kalam_props.history.events import History, Invoke, Notify, Ok, ServerEvent
from kalam_props.history.operations import Insert, Txn

SHAPES = (
    {"operations": 16, "processes": 6, "keys": 3, "users": 3},
    {"operations": 14, "processes": 4, "keys": 2, "users": 4, "lost_answers": 0.3},
)


def _apart(history: History, folder: str | Path, *, parts: int = 5) -> Verdict:
    found, operations, _ = judge_apart(_write(history, folder), parts, expect="linearizable")
    return verdict_of(found, operations, "linearizable")


@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 2**48), shape=st.sampled_from(SHAPES))
def test_parts_say_what_the_whole_says(seed, shape):
    """The same verdict, names, witnesses, users and keys, whatever was changed."""
    random = Random(seed)
    change, history = mutate(random, simulate(random, **shape))
    note(change)
    history = _numbered(history)
    with tempfile.TemporaryDirectory() as folder:
        apart = _apart(history, folder)
    whole = judge(history)
    assert (apart.verdict, apart.operations) == (whole.verdict, whole.operations)
    assert _told(apart) == _told(whole)
    assert [one.name for one in apart.sessions] == [one.name for one in whole.sessions]


@pytest.mark.parametrize("reader", ["u0", "u1", "u2", "u3", "u4", "u5"])
def test_who_wrote_a_foreign_row_is_known_across_parts(reader, tmp_path):
    """The writer may be in any other part."""
    history = told(
        f"""
        w/1 0-1 insert 1=theirs       -> ok 1
        {reader}/1 0-1 insert 2=own   -> ok 1
        {reader}/1 2-3 select         -> 1=theirs 2=own
        """
    )
    verdict = _apart(history, tmp_path)
    assert [(one.name, one.witness) for one in verdict.anomalies] == [("foreign-row", (1, 5))]


def test_a_foreign_notification_is_known_across_parts(tmp_path):
    """Also by the value alone, under another key."""
    history = told(
        """
        u0/1 0-1 subscribe       -> ok
        w/1 2-3 insert 1=theirs  -> ok 1
        """,
        Notify(1, 5 * MS, 1, "insert", rows=((1, "theirs", 0),)),
    )
    verdict = _apart(history, tmp_path)
    assert [(one.name, one.witness) for one in verdict.anomalies] == [("foreign-notification", (1, 3))]


def test_a_server_that_died_is_told_once(tmp_path):
    """Though every part knows of it."""
    text = "\n".join(f"u{n}/1 0-1 insert 1=a -> ok 1" for n in range(8))
    verdict = _apart(told(text, ServerEvent(1, 4 * MS, "died", "signal 11")), tmp_path)
    assert [one.name for one in verdict.anomalies] == ["server-died"]
    assert "more time" not in verdict.anomalies[0].explanation


def test_a_transaction_over_a_user_table_and_a_shared_one_is_not_taken_apart(tmp_path):
    """It binds them, so the whole is judged at once."""
    both = Txn((Insert("t", ((1, "a", 0),)), Insert("s", ((2, "b", 0),))))
    history = told("u0/1 0-1 txn insert 1=a; insert 2=b -> ok")
    invoke, answer = history.events
    history = evolve(history, events=(evolve(invoke, op=both), answer))
    with pytest.raises(NotApartError):
        _apart(history, tmp_path, parts=97)


@pytest.mark.parametrize("part_bytes", [200, 1_000, 1 << 30])
def test_a_file_is_judged_the_same_in_parts_of_any_size(part_bytes, tmp_path):
    """Also one that was cut off, and one with a transaction that binds a user's table and a shared one."""
    both = Txn((Insert("t", ((7, "a", 0),)), Insert("s", ((8, "b", 0),))))
    history = _numbered(simulate(Random(3), operations=40, processes=8, users=4))
    for number, text in enumerate(("", '{"i":')):
        path = _write(history, tmp_path)
        path.write_bytes(path.read_bytes() + text.encode())
        verdict, truncated = judge_file(path, part_bytes=part_bytes)
        assert (verdict, truncated) == (judge(history), number == 1)
    last = history.events[-1]
    bound = (
        *history.events,
        Invoke(last.i + 1, last.t + 1, "x/1", "x", both),
        Ok(last.i + 2, last.t + 2, last.i + 1),
    )
    verdict, _ = judge_file(_write(evolve(history, events=bound), tmp_path), part_bytes=part_bytes)
    assert (verdict.verdict, verdict.operations) == ("holds", judge(history).operations + 1)
