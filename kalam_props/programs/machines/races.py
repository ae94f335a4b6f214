"""A whole round drawn as one: a flush among reads and writes of several lanes."""

from __future__ import annotations

from typing import ClassVar

from attrs import frozen
from hypothesis import strategies as st
from hypothesis.stateful import rule

from kalam_props.history.operations import Flush
from kalam_props.programs.machine import KEYS, SESSIONS, SIZES, ProgramMachine, Size
from kalam_props.programs.moments import MOMENTS, at_flush, in_race


@frozen
class Action:
    """One drawn step of a race; `pick` chooses the kind among those of the machine."""

    pick: int
    session: int
    key: int
    size: Size
    moment: int


ACTIONS = st.builds(Action, pick=st.integers(0, 11), session=SESSIONS, key=KEYS, size=SIZES, moment=MOMENTS)


class Races(ProgramMachine):
    """One rule that draws a whole round: a flush among reads and writes of several lanes."""

    race_kinds: ClassVar[tuple[str, ...]] = ("insert", "select", "count", "get")

    @rule(
        actions=st.lists(ACTIONS, min_size=2, max_size=6),
        flush=st.sampled_from(("none", "command", "policy")),
    )
    def race(self, actions: list[Action], flush: str) -> None:
        """Concurrent lanes; with a flush by command in its own lane, or by an insert over the boundary."""
        self.new_round()
        lanes = self.user_count * self.session_count
        if flush == "policy":
            self.insert(0, Size(1, 0), join=True)
        release = in_race if flush == "none" else at_flush
        for at, action in enumerate(actions):
            # Neighbours go to different lanes, so that a race is one even if all drew the same session.
            self.act(action, (action.session + at) % lanes)
            self.when(release(action.moment))
        if flush == "command":
            # A session of its own: the flush starts when the round does, not behind another operation.
            self.flush_concurrently(lanes)

    def act(self, action: Action, session: int) -> None:
        self.last = None  # an action may find nothing to do
        chosen = self.race_kinds[action.pick % len(self.race_kinds)]
        match chosen:
            case "insert":
                self.insert(session, action.size, join=True)
            case "select":
                self.select(session, join=True)
            case "count":
                self.count(session, join=True)
            case "get":
                self.get(session, action.key, join=True)
            case "update":
                self.update(session, action.key, join=True)
            case "increment":
                self.increment(session, action.key, join=True)
            case "delete":
                self.delete(session, action.key, join=True)
            case "reinsert":
                self.reinsert(session, action.key, join=True)

    def flush_concurrently(self, lanes: int) -> None:
        busy = self.rounds[-1]
        free = [name for name in map(self.session, range(lanes)) if name not in busy]
        self.add(Flush(self.on), free[0] if free else f"u0/{self.max_sessions + 1}", join=True)
