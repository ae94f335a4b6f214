"""The checks themselves, against a simulated correct store and against trying every order.

A store that is correct is never condemned, and after one small change the verdict is `violated` exactly when
no legal order exists: disagreement in either direction is a bug.
"""

from __future__ import annotations

from random import Random

import pytest
from every_order import legal
from history_mutation import mutate
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st
from simulation import simulate

from kalam_props.checks.judge import judge
from kalam_props.history.codec import event_to_json
from kalam_props.history.events import History

SHAPES = (
    {"operations": 12, "processes": 4, "keys": 3, "users": 2},
    {"operations": 8, "processes": 3, "keys": 2, "users": 1, "lost_answers": 0.25},
    {
        "operations": 10,
        "processes": 5,
        "keys": 4,
        "users": 1,
        "only": ("insert", "batch", "select", "get", "count"),
    },
    {
        "operations": 10,
        "processes": 4,
        "keys": 2,
        "users": 1,
        "only": ("insert", "update", "increment", "delete", "select"),
    },
    {
        "operations": 9,
        "processes": 6,
        "keys": 3,
        "users": 1,
        "only": ("insert", "delete", "statements", "page", "count"),
    },
    {
        "operations": 8,
        "processes": 4,
        "keys": 2,
        "users": 1,
        "only": ("insert", "txn", "txn", "select", "delete", "increment"),
    },
)
NIGHTLY = 100_000
seeds = st.integers(0, 2**48)
shapes = st.sampled_from(SHAPES)
relaxed = settings(
    max_examples=2_000,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)


def _note(history: History) -> None:
    for event in history.events:
        note(str(event_to_json(event)))


@relaxed
@given(seed=seeds, shape=shapes)
def test_a_correct_store_is_never_condemned(seed, shape):
    """Whatever its operations overlap, whatever answers are lost, whenever it crashes or flushes."""
    history = simulate(Random(seed), **shape)
    _note(history)
    verdict = judge(history)
    assert verdict.verdict == "holds", verdict


@relaxed
@given(seed=seeds, shape=shapes)
def test_a_changed_history_is_condemned_exactly_when_no_order_is_legal(seed, shape):
    """The oracle tries every order; the checks must agree with it."""
    random = Random(seed)
    change, history = mutate(random, simulate(random, **shape))
    note(change)
    _note(history)
    verdict = judge(history)
    assert verdict.verdict == ("holds" if legal(history) else "violated"), verdict


@settings(relaxed, max_examples=150)
@given(seed=seeds)
def test_many_operations_at_once_are_still_decided(seed):
    """Wide histories of a correct store hold; the search does not give up on them."""
    history = simulate(Random(seed), operations=80, processes=12, keys=10, users=2, lost_answers=0.03)
    _note(history)
    assert judge(history).verdict == "holds"


@pytest.mark.nightly
def test_a_hundred_thousand_correct_histories_are_never_condemned():
    """The same as above, over night, and with the changed ones against the oracle."""
    for seed in range(NIGHTLY):
        random = Random(seed)
        history = simulate(random, **SHAPES[seed % len(SHAPES)])
        assert judge(history).verdict == "holds", seed
        _, changed = mutate(random, history)
        assert (judge(changed).verdict == "holds") == legal(changed), seed
