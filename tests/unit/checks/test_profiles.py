"""Consistency profiles: for each a history just over its line, and the same fault just inside of the next."""

from __future__ import annotations

from random import Random

import pytest
from every_order import legal, legal_with_late_reads
from history_mutation import mutate
from hypothesis import given, note, settings
from hypothesis import strategies as st
from recorded import told
from simulation import simulate
from test_judge_agrees_with_every_order import SHAPES

from kalam_props.checks.judge import judge, names
from kalam_props.checks.profiles import PROFILES
from kalam_props.history.codec import event_to_json

LINEARIZABLE, SNAPSHOT, READ_COMMITTED, EVENTUAL = PROFILES

# why: (history, for each profile from strong to weak the names that count)
LINES = {
    "an old state, and the right one later": (
        """
        u0/1 0-1 insert 1=a     -> ok 1
        u0/2 2-3 select         -> none
        u0/2 4-5 select         -> 1=a
        """,
        (["stale-read"], [], [], []),
    ),
    "an old version, and the right one later": (
        """
        u0/1 0-1 insert 1=a     -> ok 1
        u0/1 2-3 update 1=b     -> ok 1
        u0/2 4-5 get 1          -> 1=a
        u0/2 6-7 get 1          -> 1=b
        """,
        (["stale-value"], [], [], []),
    ),
    "seen, gone, seen": (
        """
        u0/1 0-1 insert 1=a     -> ok 1
        u0/2 2-3 select         -> 1=a
        u0/2 4-5 select         -> none
        u0/2 6-7 select         -> 1=a
        """,
        (["flickering-row"], [], [], []),
    ),
    "deleted, shown late, and gone in the end": (
        """
        u0/1 0-1 insert 1=a     -> ok 1
        u0/1 2-3 delete 1       -> ok 1
        u0/2 4-5 select         -> 1=a
        u0/2 6-7 select         -> none
        """,
        (["resurrected-row"], [], [], []),
    ),
    "deleted, and there in the end": (
        """
        u0/1 0-1 insert 1=a     -> ok 1
        u0/1 2-3 delete 1       -> ok 1
        u0/2 4-5 select         -> none
        u0/2 6-7 select         -> 1=a
        """,
        (["resurrected-row"], ["resurrected-row"], ["resurrected-row"], []),
    ),
    "stale in one row and not in another: no moment had both": (
        """
        u0/1 0-1 insert 1=a     -> ok 1
        u0/1 2-3 insert 2=b     -> ok 1
        u0/2 4-5 select         -> 2=b
        u0/2 6-7 select         -> 1=a 2=b
        """,
        (["stale-read"], ["not-atomic-scan"], [], []),
    ),
    "stale in both rows: a moment had that": (
        """
        u0/1 0-1 insert 1=a     -> ok 1
        u0/1 2-3 insert 2=b     -> ok 1
        u0/2 4-5 select         -> 1=a
        u0/2 6-7 select         -> 1=a 2=b
        """,
        (["stale-read"], [], [], []),
    ),
    "two scans that saw two writes in two orders": (
        """
        u0/1 0-20 insert 1=a    -> ok 1
        u0/2 0-20 insert 2=b    -> ok 1
        u0/3 5-6 select         -> 1=a
        u0/4 5-6 select         -> 2=b
        """,
        (["not-atomic-scan"], ["not-atomic-scan"], [], []),
    ),
    "half of a statement": (
        """
        u0/1 0-9 insert 1=a 2=b -> ok 2
        u0/2 2-3 select         -> 1=a
        u0/2 10-11 select       -> 1=a 2=b
        """,
        (["torn-batch"], ["torn-batch"], [], []),
    ),
    "half of a statement that is acknowledged": (
        """
        u0/1 0-1 insert 1=a 2=b -> ok 2
        u0/2 2-3 select         -> 1=a
        u0/2 10-11 select       -> 1=a 2=b
        """,
        (["stale-read"], ["torn-batch"], [], []),
    ),
    "a value that no order of the writes ever gives": (
        """
        u0/1 0-1 insert 1=a:0     -> ok 1
        u0/1 2-3 increment 1      -> ok 1
        u0/1 4-5 update 1=b:5     -> ok 1
        u0/2 6-7 get 1            -> 1=b:6
        u0/2 8-9 get 1            -> 1=b:5
        """,
        (["corrupt-row"], ["corrupt-row"], ["corrupt-row"], ["corrupt-row"]),
    ),
    "a count of an older state": (
        """
        u0/1 0-1 insert 1=a     -> ok 1
        u0/2 2-9 insert 2=a     -> ok 1
        u0/3 3-4 count          -> 0
        u0/3 10-11 count        -> 2
        """,
        (["wrong-count"], [], [], []),
    ),
    "a count of no state at all": (
        """
        u0/1 0-1 insert 1=a     -> ok 1
        u0/2 2-9 insert 2=a     -> ok 1
        u0/3 3-4 count          -> 3
        u0/3 10-11 count        -> 2
        """,
        (["wrong-count"], ["wrong-count"], [], []),
    ),
    "a wrong count while nothing happens": (
        """
        u0/1 0-1 insert 1=a     -> ok 1
        u0/1 2-3 count          -> 0
        """,
        (["wrong-count"],) * 4,
    ),
    "an update that is never seen": (
        """
        u0/1 0-1 insert 1=a     -> ok 1
        u0/1 2-3 update 1=b     -> ok 1
        u0/1 4-5 get 1          -> 1=a
        """,
        (["lost-update"], ["lost-update"], [], []),
    ),
    "a second insert of a key that is there": (
        """
        u0/1 0-1 insert 1=a     -> ok 1
        u0/1 2-3 insert 1=b     -> ok 1
        """,
        (["wrongly-accepted"], ["wrongly-accepted"], ["wrongly-accepted"], []),
    ),
    "two deletes that both say 1": (
        """
        u0/1 0-1 insert 1=a     -> ok 1
        u0/1 2-5 delete 1       -> ok 1
        u0/2 2-5 delete 1       -> ok 1
        """,
        (["wrong-affected"], ["wrong-affected"], ["wrong-affected"], []),
    ),
    "not found, and it must be there": (
        """
        u0/1 0-1 insert 1=a     -> ok 1
        u0/1 2-3 update 1=b     -> fail not-found
        """,
        (["wrongly-refused"], ["wrongly-refused"], ["wrongly-refused"], []),
    ),
    "what was acknowledged is gone": (
        "u0/1 0-1 insert 1=a -> ok 1\nu0/1 2-3 select -> none",
        (["lost-row"],) * 4,
    ),
    "a row of another user": (
        "u1/1 0-1 insert 1=a -> ok 1\nu0/1 2-3 select -> 1=a",
        (["foreign-row"],) * 4,
    ),
    "a row that nobody wrote": ("u0/1 2-3 select -> 1=a", (["phantom-row"],) * 4),
    "one row twice": (
        "u0/1 0-1 insert 1=a -> ok 1\nu0/1 2-3 select -> 1=a 1=a",
        (["duplicate-row"],) * 4,
    ),
    "a row whose insert was refused": (
        "u0/1 0-1 insert 1=a -> fail invalid\nu0/1 2-3 select -> 1=a",
        (["failed-but-visible"],) * 4,
    ),
}


@pytest.mark.parametrize("why", LINES)
@pytest.mark.parametrize("place", range(len(PROFILES)), ids=PROFILES)
def test_what_counts_under_each_profile(why, place):
    """What counts fails the run; what the profile allows is told, and the run holds."""
    text, expected = LINES[why]
    verdict = judge(told(text), expect=PROFILES[place])
    assert list(names(verdict)) == expected[place], verdict
    assert verdict.verdict == ("violated" if expected[place] else "holds")
    assert verdict.anomalies or verdict.told


def test_every_profile_has_histories_on_both_sides_of_its_line():
    """Between two neighbours something is forbidden by the stronger one alone."""
    for strong in range(len(PROFILES) - 1):
        assert any(row[strong] and not row[strong + 1] for _, row in LINES.values()), PROFILES[strong]


ALWAYS = {
    "lost-row",
    "lost-update",
    "lost-after-crash",
    "resurrected-row",
    "wrong-count",
    "failed-but-visible",
}
"""Names that count under `snapshot` though old states would explain them: what is lost stays lost."""


@settings(max_examples=400, deadline=None)
@given(seed=st.integers(0, 2**48), shape=st.sampled_from(SHAPES))
def test_the_snapshot_profile_agrees_with_every_order_of_late_reads(seed, shape):
    """What no order allows even when reads may be late is violated; what one allows is not, but for loss."""
    random = Random(seed)
    change, history = mutate(random, simulate(random, **shape))
    note(change)
    for event in history.events:
        note(str(event_to_json(event)))
    verdict = judge(history, expect=SNAPSHOT)
    if not legal_with_late_reads(history):
        assert verdict.verdict == "violated", verdict
    else:
        assert set(names(verdict)) <= ALWAYS, verdict
    if legal(history):
        assert verdict.verdict == "holds"


@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 2**48), shape=st.sampled_from(SHAPES))
def test_a_weaker_profile_never_counts_more_histories(seed, shape):
    """What holds under a profile holds under every weaker one."""
    random = Random(seed)
    _, history = mutate(random, simulate(random, **shape))
    held = [judge(history, expect=profile).verdict == "holds" for profile in PROFILES]
    assert held == sorted(held)
