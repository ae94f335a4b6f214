"""The search over orders: what need not be done, and what it says when its budget is spent."""

from __future__ import annotations

import pytest

from kalam_props.checks.orders import DONE, Call, find_order
from kalam_props.checks.parts import Look, Put
from kalam_props.checks.world import World
from kalam_props.history.events import TableShape


@pytest.fixture
def world():
    world = World({"t": TableShape("user", ("id", "v"), "id")})
    scope = world.scope("t", "u0")
    for key in range(6):
        assert world.cell(scope, key) == key
        assert world.version((key, "a")) == key
    return world


def one(i, part, *, required=True):
    """An operation on its own, the i-th in time."""
    return Call(i, 10 * i, 10 * i + 5, (((part, DONE),),), required=required)


def put(i, key):
    return one(i, Put(((key, key),)), required=False)


@pytest.mark.parametrize("shown", [None, 0])
def test_what_need_not_be_done_is_or_is_not_when_a_later_read_tells(world, shown):
    assert find_order(world, [put(0, 0), one(1, Look({0: shown}))]).verdict == "holds"


def test_it_is_not_done_and_undone(world):
    gone = [put(0, 0), one(1, Look({0: 0})), one(2, Look({0: None}))]
    assert find_order(world, gone).stuck == 2


def test_a_legal_history_is_never_violated_however_small_the_budget(world):
    """All six are done: the one configuration of 64 that must not be given up without being told."""
    calls = [put(key, key) for key in range(6)]
    calls += [one(6, Look({key: key for key in range(6)})), *(one(i, Look({0: 0})) for i in range(7, 20))]
    verdicts = {find_order(world, calls, budget=budget).verdict for budget in range(1500, 3500, 3)}
    assert verdicts == {"holds", "unknown"}
