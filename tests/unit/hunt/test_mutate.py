"""Relatives of a program: near it, valid, and not always the same."""

from __future__ import annotations

import itertools
import random

import pytest
from findings import PROGRAM

from kalam_props.history.operations import kind
from kalam_props.hunt.mutate import CHANGES, MOST_OPERATIONS, relatives
from kalam_props.hunt.structure import steps_of
from kalam_props.programs import codec


def some(number, seed=1):
    return list(itertools.islice(relatives([PROGRAM], random.Random(seed)), number))


def test_every_relative_is_a_program():
    """It can be saved and read again, is not empty, and does not grow without end."""
    for program in some(300):
        assert codec.from_json(codec.to_json(program)) == program
        assert 0 < program.operations <= MOST_OPERATIONS


def test_relatives_differ_and_repeat_from_their_seed():
    """Most of a hundred are new; the same random seed gives the same ones."""
    assert len({codec.digest(program) for program in some(100)}) > 60
    assert some(20, seed=3) == some(20, seed=3) != some(20, seed=4)


def test_relatives_bring_other_operations_users_and_timing():
    """Bugs near a known one may need an update, another user, another moment."""
    found = some(300)
    kinds = {kind(step.op) for program in found for step in steps_of(program)}
    assert {"insert", "update", "delete", "select", "get", "count", "flush"} <= kinds
    assert any(len(program.users) > 1 for program in found)
    assert any(step.release is not None for program in found for step in steps_of(program))
    assert any(program.tables["t"].flush_rows != 2 for program in found)


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_every_change_changes_something(change):
    """A change that never does is dead."""
    source = random.Random(1)
    assert any(change(PROGRAM, source) != PROGRAM for _ in range(50))
