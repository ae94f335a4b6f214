"""Requests whose connection is cut, or whose answer comes late or never."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import rule

from kalam_props.programs.machines.races import ACTIONS, Action, Races
from kalam_props.programs.machines.rules import Inserts, Reads, Writes
from kalam_props.programs.model import Net
from kalam_props.programs.moments import in_race

NETWORK_FAULTS: st.SearchStrategy[Net] = st.sampled_from(
    (
        Net(delay_us=2_000),
        Net(cut="before-forward"),
        Net(cut="after-forward"),
        Net(cut="after-forward"),
        Net(reset=True),
        Net(delay_us=50_000),
        Net(trickle_bytes=64),
        Net(bandwidth=20_000),
        Net(stall=True),
    )
)
"""What can happen to one request; the mildest first. A stall costs its deadline, and is rare for it."""


class LossyNetwork(Inserts, Reads, Writes, Races):
    """Connections are cut, answers delayed or withheld: what has no answer was done once, or never."""

    max_users = 2
    race_kinds = ("insert", "select", "update", "delete", "increment", "get")

    @rule(actions=st.lists(ACTIONS, min_size=1, max_size=3), net=NETWORK_FAULTS)
    def lose(self, actions: list[Action], net: Net) -> None:
        """A network fault for the first of a few concurrent operations."""
        self.new_round()
        lanes = self.user_count * self.session_count
        for at, action in enumerate(actions):
            self.act(action, (action.session + at) % lanes)
            self.when(in_race(action.moment), net if at == 0 else None)
