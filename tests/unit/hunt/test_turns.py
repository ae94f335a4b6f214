"""Machines take short turns: what only one of them can find does not wait long for all others."""

from __future__ import annotations

from itertools import groupby
from types import SimpleNamespace

from kalam_props.checks.verdict import Verdict
from kalam_props.hunt import campaign
from kalam_props.hunt.campaign import TURN, Listener, Plan, hunt
from kalam_props.hunt.lab import Trial
from kalam_props.programs.model import Program


def test_every_machine_has_a_turn_and_then_another(monkeypatch):
    """So many programs of each, again and again, until the number of programs is reached."""
    drawn = []

    def explore(machine, explorer, *, programs, **_):
        for _ in range(programs):
            if explorer.over():
                break
            drawn.append(machine)
            explorer.on_trial(Trial(Program({}, ()), None, Verdict("holds", 1, ()), ()))

    monkeypatch.setattr(campaign, "explore", explore)
    lab = SimpleNamespace(take_aim=lambda: None)
    plan = Plan(machines={"a": "a", "b": "b", "c": "c"}, random_seed=1, programs=4 * TURN + 2)
    outcome = hunt(lab, plan, Listener())
    turns = [(machine, len(list(run))) for machine, run in groupby(drawn)]
    assert turns == [("a", TURN), ("b", TURN), ("c", TURN), ("a", TURN), ("b", 2)]
    assert outcome.programs == plan.programs
