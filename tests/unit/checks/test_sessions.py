"""Session guarantees: for each a history that breaks it, and the nearest one that need not have."""

from __future__ import annotations

from random import Random

import pytest
from every_order import legal
from history_mutation import mutate
from hypothesis import given, note, settings
from hypothesis import strategies as st
from recorded import told
from simulation import simulate
from test_judge_agrees_with_every_order import SHAPES

from kalam_props.checks.acts import acts
from kalam_props.checks.contents import read_contents
from kalam_props.checks.judge import judge
from kalam_props.checks.sessions import GUARANTEES, broken_guarantees
from kalam_props.checks.world import World
from kalam_props.checks.writes import index_writes
from kalam_props.history.codec import event_to_json
from kalam_props.history.events import History

# guarantee: (broken, its witness, the history beside it that need not break it)
PAIRS = {
    "read-your-writes": (
        """
        u0/1 0-1 insert 1=a     -> ok 1
        u0/1 2-3 select         -> none
        u0/2 4-5 select         -> 1=a
        """,
        (1, 3),
        """
        u0/1 0-1 insert 1=a     -> ok 1
        u0/2 2-3 select         -> none
        u0/1 4-5 select         -> 1=a
        """,
    ),
    "read-your-writes: an update": (
        """
        u0/1 0-1 insert 1=a     -> ok 1
        u0/1 2-3 update 1=b     -> ok 1
        u0/1 4-5 get 1          -> 1=a
        """,
        (3, 5),
        """
        u0/1 0-1 insert 1=a     -> ok 1
        u0/1 2-3 update 1=b     -> ok 1
        u0/2 2-4 update 1=c     -> ok 1
        u0/1 4-5 get 1          -> 1=c
        u0/3 8-9 get 1          -> 1=a
        """,
    ),
    "read-your-writes: a delete, after an answer was lost": (
        """
        u0/1   0-1 insert 1=a     -> ok 1
        u0/1   2-3 delete 1       -> ok 1
        u0/1   4-5 select         -> info
        u0/1#2 6-7 get 1          -> 1=a
        """,
        (3, 7),
        """
        u0/1   0-1 insert 1=a     -> ok 1
        u0/1   2-3 delete 1       -> ok 1
        u0/1   4-5 insert 1=a     -> info
        u0/1#2 6-7 get 1          -> 1=a
        u0/2   8-9 get 1          -> none
        """,
    ),
    "monotonic-reads": (
        """
        u0/1 0-9 insert 1=a     -> ok 1
        u0/2 1-2 get 1          -> 1=a
        u0/2 3-4 get 1          -> none
        """,
        (2, 4),
        """
        u0/1 0-9 insert 1=a     -> ok 1
        u0/2 1-2 get 1          -> 1=a
        u0/3 3-4 get 1          -> none
        """,
    ),
    "monotonic-reads: two versions": (
        """
        u0/1 0-1 insert 1=a     -> ok 1
        u0/1 2-9 update 1=b     -> ok 1
        u0/2 3-4 get 1          -> 1=b
        u0/2 5-6 get 1          -> 1=a
        """,
        (4, 6),
        """
        u0/1 0-1 insert 1=a     -> ok 1
        u0/1 2-9 update 1=b     -> ok 1
        u0/2 3-4 get 1          -> 1=a
        u0/2 5-6 get 1          -> 1=b
        u0/3 7-8 get 1          -> 1=a
        """,
    ),
    "monotonic-writes": (
        """
        u0/1 0-1 insert 1=a     -> ok 1
        u0/1 2-3 insert 2=b     -> ok 1
        u0/2 4-5 select         -> 2=b
        """,
        (1, 3, 5),
        """
        u0/1 0-1 insert 1=a     -> ok 1
        u0/3 2-3 insert 2=b     -> ok 1
        u0/2 4-5 select         -> 2=b
        """,
    ),
    "writes-follow-reads": (
        """
        u0/1 0-1 insert 1=a     -> ok 1
        u0/2 2-3 get 1          -> 1=a
        u0/2 4-5 insert 2=b     -> ok 1
        u0/3 6-7 select         -> 2=b
        """,
        (3, 5, 7),
        """
        u0/1 0-1 insert 1=a     -> ok 1
        u0/2 2-3 get 1          -> 1=a
        u0/4 4-5 insert 2=b     -> ok 1
        u0/3 6-7 select         -> 2=b
        """,
    ),
}


def _guarantee(name: str) -> str:
    return name.split(":", maxsplit=1)[0]


@pytest.mark.parametrize("name", PAIRS)
def test_a_broken_guarantee_is_told_with_its_operations(name):
    """The witness is the session's operations and the read that shows it."""
    broken, witness, _ = PAIRS[name]
    verdict = judge(told(broken))
    assert verdict.verdict == "violated"
    found = {one.name: one for one in verdict.sessions}
    assert found[_guarantee(name)].witness == witness
    assert all(f"#{i}" in found[_guarantee(name)].explanation for i in witness)


@pytest.mark.parametrize("name", PAIRS)
def test_a_guarantee_that_need_not_be_broken_is_not_told(name):
    """The same fault in another session, or a state that a later write may have given: violated otherwise."""
    verdict = judge(told(PAIRS[name][2]))
    assert verdict.verdict == "violated"
    assert _guarantee(name) not in [one.name for one in verdict.sessions]


def test_every_guarantee_has_its_histories():
    """None is forgotten."""
    assert {_guarantee(name) for name in PAIRS} == set(GUARANTEES)


def _broken(history: History):
    operations = acts(history.events)
    writes = index_writes(World(history.header.tables), operations)
    return broken_guarantees(writes, read_contents(writes, operations), operations)


@settings(max_examples=300, deadline=None)
@given(seed=st.integers(0, 2**48), shape=st.sampled_from(SHAPES))
def test_a_legal_history_breaks_no_guarantee(seed, shape):
    """All of them are part of linearizability; also after a change that leaves the history legal."""
    random = Random(seed)
    history = simulate(random, **shape)
    assert _broken(history) == []
    change, changed = mutate(random, history)
    note(change)
    for event in changed.events:
        note(str(event_to_json(event)))
    if legal(changed):
        assert _broken(changed) == []
