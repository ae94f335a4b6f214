"""A server that goes down and comes up again, and what it may not lose."""

from __future__ import annotations

from typing import ClassVar

from attrs import frozen
from hypothesis import strategies as st
from hypothesis.stateful import initialize, rule

from kalam_props.history.operations import Count, Flush, Kill, Pause, Restart
from kalam_props.programs.machine import Size
from kalam_props.programs.machines.races import ACTIONS, Action, Races
from kalam_props.programs.machines.rules import Flushes, Inserts
from kalam_props.programs.model import Program, Release
from kalam_props.programs.moments import MOMENTS, at_flush, in_race

PAUSES_US = st.sampled_from((0, 500, 1_000, 2_000, 5_000, 10_000, 15_000, 20_000, 30_000, 50_000, 80_000))
"""How long after the answer to its lane's first request the server goes down: within a flush, or after."""


@frozen
class Outage:
    """How a server goes down; drawn as one argument.

    Attributes:
        flush: of what was written before, of the race by command or by row count, or none.
        pause_us: how long after the answer to its lane's first request, where it is not aimed.
        moment: of the race, or of its flush, where it is aimed.

    """

    flush: str
    how: str
    pause_us: int
    moment: int


OUTAGES = st.lists(
    st.builds(
        Outage,
        flush=st.sampled_from(("before", "command", "before", "policy", "before", "none")),
        how=st.sampled_from(("kill", "restart", "late kill")),
        pause_us=PAUSES_US,
        moment=MOMENTS,
    ),
    min_size=1,
    max_size=3,
)


FEW_ACTIONS = st.lists(ACTIONS, min_size=2, max_size=6)


class Crashes(Inserts, Flushes, Races):
    """The server is killed or restarted among inserts, updates, deletes and flushes; nothing may be lost."""

    needs = frozenset({"crash"})
    max_users = 4
    # Mostly none: a flush by row count would take what was changed since the last one, and is to go down hot.
    flush_rows = (None, 4, None, 12)
    max_outages: ClassVar[int] = 4
    race_kinds = ("insert", "update", "delete", "insert", "increment", "reinsert", "select")

    def __init__(self) -> None:
        super().__init__()
        self.outages = 0
        self.at_the_end: tuple[list[Action], list[Outage]] = ([], [])

    @initialize(actions=FEW_ACTIONS, outages=OUTAGES)
    def keep_for_the_end(self, actions: list[Action], outages: list[Outage]) -> None:
        """What goes on at the end of a program that would be without an outage."""
        self.at_the_end = actions, outages[:1]

    @rule(actions=FEW_ACTIONS, outages=OUTAGES)
    def go_down(self, actions: list[Action], outages: list[Outage]) -> None:
        """Races in which the server goes down, one after the other.

        Before each, every user's writes are acknowledged and, mostly, hot: what a server may not lose. They
        are of rows that were just flushed, mostly, which nothing may bring back.
        """
        for outage in outages[: self.max_outages - self.outages]:
            self.outages += 1
            self.change_what_is_cold(actions, flush=outage.flush == "before")
            self.race_and_go_down(actions, outage)

    def change_what_is_cold(self, actions: list[Action], *, flush: bool) -> None:
        """Each user changes one of its last rows, after a flush of them, and inserts others."""
        if flush:
            self.new_round()
            for user in range(self.user_count):
                self.insert(user, Size(0, 2), join=True)
            self.flush(0)
            self.await_flush(0)
        self.new_round()
        for user in range(self.user_count):
            action = actions[user % len(actions)]
            change = self.delete if action.pick % 2 else self.update
            recent = len(self.model(self.session(user)).live) - 1 - action.key % 2
            change(user, max(0, recent), join=True)
            self.insert(user, Size(0, 1), join=True)

    def race_and_go_down(self, actions: list[Action], outage: Outage) -> None:
        """A kill is aimed at the requests of the race, or at the flush among them.

        A late one, and a restart, come a while after an answer: when their clients have gone.
        """
        self.race(actions, "policy" if outage.flush == "policy" else "none")
        by_command = outage.flush == "command"
        lane, beside = f"u0/{self.max_sessions + 1}", f"u0/{self.max_sessions + 2}"
        # A lane that begins with a request is released with the others', and not while they start.
        self.add(Flush(self.on) if by_command else Count(self.on), lane, join=True)
        if outage.how == "kill":
            self.add(Kill(), beside, join=True)
            aimed = at_flush(outage.moment) if by_command else in_race(outage.moment)
            self.when(aimed or Release(us=100 * outage.moment))
        else:
            if outage.pause_us:
                self.add(Pause(outage.pause_us), lane, join=True)
            self.add(Restart() if outage.how == "restart" else Kill(), lane, join=True)
        self.new_round()
        # What a kill cut may or may not be there: the model no longer knows how many rows are hot.
        self.hot = 0

    def program(self) -> Program:
        """With an outage at its end where none was drawn: it is another machine's otherwise."""
        if not self.outages:
            self.go_down(*self.at_the_end)
        return super().program()
