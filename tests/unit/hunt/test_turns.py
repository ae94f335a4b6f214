"""Machines take turns, short ones at first: what only one of them can find does not wait for all others."""

from __future__ import annotations

from itertools import groupby
from types import SimpleNamespace

from kalam_props.checks.verdict import Verdict
from kalam_props.hunt import campaign
from kalam_props.hunt.campaign import BATCHES, Listener, Plan, hunt
from kalam_props.hunt.lab import Trial
from kalam_props.programs.model import Program


def test_turns_are_short_at_first_and_every_machine_has_one(monkeypatch):
    """5 programs of each, then 10, then 20 again and again, until the number of programs is reached."""
    drawn = []

    def explore(machine, explorer, *, programs, **_):
        for _ in range(programs):
            if explorer.over():
                break
            drawn.append(machine)
            explorer.on_trial(Trial(Program({}, ()), None, Verdict("holds", 1, ()), ()))

    monkeypatch.setattr(campaign, "explore", explore)
    lab = SimpleNamespace(take_aim=lambda: None)
    plan = Plan(machines={"a": "a", "b": "b", "c": "c"}, random_seed=1, programs=3 * sum(BATCHES) + 27)
    outcome = hunt(lab, plan, Listener())
    turns = [(machine, len(list(run))) for machine, run in groupby(drawn)]
    in_turn = [(machine, size) for size in BATCHES for machine in "abc"]
    assert turns == [*in_turn, ("a", BATCHES[-1]), ("b", 7)]
    assert outcome.programs == plan.programs
