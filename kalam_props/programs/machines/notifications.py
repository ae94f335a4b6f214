"""Users who watch a table while it changes."""

from __future__ import annotations

from types import MappingProxyType
from typing import ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import rule

from kalam_props.history.operations import Count, Kill, Restart, Subscribe, Unsubscribe, kind
from kalam_props.programs.machine import JOINS, SESSIONS, TABLE, Size
from kalam_props.programs.machines.races import ACTIONS, Action, Races
from kalam_props.programs.machines.rules import Flushes, Inserts, Writes
from kalam_props.programs.model import Release

APART_US = st.sampled_from((4_000, 2_000, 3_000, 5_000, 7_000, 9_000))
"""From the beginning of one change to that of the next: somewhat more than a statement takes."""


class Notifications(Inserts, Writes, Flushes, Races):
    """Users watch the table while rows come, change, go and are flushed.

    Each is told of every change of its own rows, once, those of one row in their order, and of nobody else's.
    """

    needs = frozenset({"subscriptions"})
    at_best = MappingProxyType({"crash": frozenset({"kill", "restart"})})
    max_users = 3  # where there is one only, nothing of another can be told
    max_outages: ClassVar[int] = 1
    max_watched: ClassVar[int] = 3
    race_kinds = ("insert", "update", "increment", "delete", "insert", "reinsert")
    # No increment: what one made of a row does not say which one did.
    close_kinds: ClassVar[tuple[str, ...]] = ("insert", "update", "insert", "delete")

    def __init__(self) -> None:
        super().__init__()
        self.watched = 0
        self.outages = 0

    def watch(self, session: int, *, join: bool) -> None:
        """One more subscription, of which each is a client of its own."""
        if self.watched < self.max_watched:
            self.watched += 1
            self.add(Subscribe(self.on), session, join=join)

    @rule(session=SESSIONS, join=JOINS)
    def subscribe(self, session: int, join: bool) -> None:  # noqa: FBT001
        self.watch(session, join=join)

    @rule(session=SESSIONS, actions=st.lists(ACTIONS, min_size=2, max_size=6))
    def watch_a_race(self, session: int, actions: list[Action]) -> None:
        """A subscription, then changes of several sessions at once."""
        self.watch(session, join=False)
        self.race(actions, "none")

    @rule(user=SESSIONS, picks=st.lists(st.integers(0, 3), min_size=3, max_size=5), apart=APART_US)
    def watch_close_changes(self, user: int, picks: list[int], apart: int) -> None:
        """A subscription, then changes by sessions of its user, each begun when the last is just over.

        In one lane they would be a client's start apart, in which any notification has long been delivered.
        """
        index = user % self.user_count
        owner = f"u{index}"
        self.watch(index, join=False)
        self.insert(index, Size(0, 2))
        self.new_round()
        for number, pick in enumerate(picks):
            session, model = f"{owner}/{number + 1}", self.model(owner)
            match self.close_kinds[pick]:
                case "insert":
                    self.on_key("insert", session, model.next)
                    model.live.append(model.next)
                    model.next += 1
                case changed:
                    self.on_key(changed, session, model.live[-1 - pick % 2])
            if number:
                self.when(Release(us=number * apart))

    @rule(actions=st.lists(ACTIONS, min_size=2, max_size=4), kill=st.booleans(), rarely=st.integers(0, 9))
    def go_down(self, actions: list[Action], kill: bool, rarely: int) -> None:  # noqa: FBT001
        """The server goes down among changes that are told; who watches next is told as before."""
        op = Kill() if kill else Restart()
        if rarely < 9 or self.outages == self.max_outages or kind(op) in self.without:
            return
        self.outages += 1
        self.race(actions, "none")
        # As in `Crashes`: it is to go down among the others' requests, and not while they start.
        lane = f"u0/{self.max_sessions + 1}"
        self.add(Count(TABLE), lane, join=True)
        self.add(op, lane, join=True)
        self.new_round()
        self.hot = 0
        self.watched = 0

    @rule(session=SESSIONS, rarely=st.integers(0, 3))
    def unsubscribe(self, session: int, rarely: int) -> None:
        if self.watched and rarely == 3:
            self.add(Unsubscribe(self.on), session, join=False)
