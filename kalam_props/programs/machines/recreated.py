"""Tables that could be taken for each other."""

from __future__ import annotations

from typing import ClassVar

from attrs import evolve, frozen
from hypothesis import strategies as st
from hypothesis.stateful import rule

from kalam_props.history.operations import Flush, Recreate
from kalam_props.programs.machine import JOINS, SESSIONS, TABLE, Size
from kalam_props.programs.machines.races import ACTIONS, Action, Races
from kalam_props.programs.machines.rules import Inserts
from kalam_props.programs.model import Program
from kalam_props.programs.moments import in_race
from kalam_props.programs.tables import before, is_named


@frozen
class Again:
    """Rows, and a flush that may still run when their table is dropped and created; drawn as one argument.

    Attributes:
        flush: of the table, of its namespace, or none.
        actions: on other tables, meanwhile.

    """

    rows: int
    flush: str
    actions: list[Action]


AGAIN = st.lists(
    st.builds(
        Again,
        rows=st.integers(1, 3),
        flush=st.sampled_from(("none", "table", "namespace")),
        actions=st.lists(ACTIONS, max_size=3),
    ),
    min_size=1,
    max_size=4,
)


AT_THE_END = 5
"""So often a table is created again where a program did not: what happens one time in ten is seen soon."""


class Tables(Inserts, Races):
    """Tables that could be taken for each other: of one namespace, of one name, and of one name in turn.

    All have the same keys. A table that is dropped and created again is a new one, whatever a flush of the
    old one is doing.
    """

    needs = frozenset({"recreate", "flush-namespace"})
    max_users = 2
    race_kinds = ("insert", "select", "delete", "get", "update", "count")
    also: ClassVar[tuple[tuple[str, str | None, int], ...]] = (("s", None, 0), ("t_far", TABLE, 1))
    max_generations: ClassVar[int] = 9

    def __init__(self) -> None:
        super().__init__()
        for name, called, namespace in self.also:
            self.tables[name] = evolve(self.table_def, name=called, namespace=namespace)
        self.current = list(self.tables)
        self.generations = 1

    @rule(which=SESSIONS)
    def turn_to(self, which: int) -> None:
        """What follows is about another table."""
        self.on = self.current[which % len(self.current)]
        self.last = None

    def act(self, action: Action, session: int) -> None:
        self.turn_to(action.key + action.pick)
        super().act(action, session)

    @rule(session=SESSIONS, join=JOINS)
    def flush_namespace(self, session: int, join: bool) -> None:  # noqa: FBT001
        self.add(Flush(self.on, "namespace"), session, join=join)

    @rule(which=SESSIONS, again=AGAIN)
    def create_again(self, which: int, again: list[Again]) -> None:
        """A table, time after time; others go on."""
        self.turn_to(which)
        self.create_repeatedly(again)

    def create_repeatedly(self, again: list[Again]) -> None:
        for one in again:
            if "recreate" not in self.without and self.generations < self.max_generations:
                self._create_again(one)

    def _create_again(self, again: Again) -> None:
        self.generations += 1
        old, place = self.on, self.current.index(self.on)
        self.insert(0, Size(0, again.rows))
        new = f"{self.table.name or old}_{self.generations}"
        self.tables[new] = evolve(self.table, name=self.table.name or old)
        self.new_round()
        lane = f"u0/{self.max_sessions + 1}"
        if again.flush != "none":
            self.add(Flush(old, "namespace" if again.flush == "namespace" else "table"), lane, join=True)
        self.add(Recreate(new), lane, join=True)
        self.current[place] = new
        others = [name for name in self.current if name != new]
        for at, action in enumerate(again.actions):
            self.on = others[action.key % len(others)]
            super().act(action, action.session + at)
            self.when(in_race(action.moment))
        self.on = new
        self.new_round()

    def program(self) -> Program:
        """Only the tables that something is done to; one is created again at the end, if none was before.

        Hypothesis leaves some rules out of each program, and whole turns came and went without that one.
        """
        if self.generations == 1:
            self.create_repeatedly([Again(rows=1, flush="none", actions=[])] * AT_THE_END)
        drawn = super().program()
        named = {name for name in drawn.tables if is_named(drawn, name)}
        named |= {earlier for name in named if (earlier := before(drawn, name)) is not None}
        return evolve(drawn, tables={name: t for name, t in drawn.tables.items() if name in named})
