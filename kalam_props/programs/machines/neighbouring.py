"""Users that do something at once, each to rows of their own: none has a part in another's."""

from __future__ import annotations

from typing import ClassVar

from attrs import frozen
from hypothesis import strategies as st
from hypothesis.stateful import rule

from kalam_props.programs.machine import KEYS, READING, SESSIONS, ProgramMachine
from kalam_props.programs.moments import MOMENTS, at_write, in_race, swept


@frozen
class Encounter:
    """A request of one user, and of others at the same time; drawn as one argument. Numbers choose kinds."""

    first: int
    others: list[int]
    moment: int


ENCOUNTERS = st.builds(
    Encounter,
    first=st.integers(0, 11),
    others=st.lists(st.integers(0, 11), min_size=1, max_size=2),
    moment=MOMENTS,
)


class Neighbouring(ProgramMachine):
    """One rule that draws rounds in which each of several users has one request, about the same key."""

    neighbouring: ClassVar[tuple[tuple[str, tuple[str, ...]], ...]] = (
        ("insert", ("insert", "select", "insert", "get")),
        ("select", ("select",)),
        ("update", ("update", "get", "increment")),
        ("insert", ("insert", "count", "insert", "select")),
        ("count", ("count", "select")),
        ("get", ("get",)),
        ("delete", ("delete", "get")),
    )
    """What a user does, and what others do meanwhile: mostly the same, which is the easiest to mix up."""

    @rule(user=SESSIONS, key=KEYS, encounters=st.lists(ENCOUNTERS, min_size=1, max_size=4))
    def neighbour(self, user: int, key: int, encounters: list[Encounter]) -> None:
        """A round each, of users in turn."""
        for at, encounter in enumerate(encounters):
            self.encounter(user + at, key, encounter)

    def encounter(self, user: int, key: int, encounter: Encounter) -> None:
        """Requests of different users, the first one's and some that meet it.

        All have the same key: one that is new to each of them, or that of a row of the first.
        """
        kind, kinds = self.neighbouring[encounter.first % len(self.neighbouring)]
        users = max(self.user_count, 1 + len(encounter.others))
        first, *others = [f"u{(user + at) % users}/1" for at in range(1 + len(encounter.others))]
        if kind == "insert":
            chosen = max(self.model(session).next for session in (first, *others))
        else:
            if not self.model(first).live:
                self.new_round()
                self.insert_fresh(first, 1)
            live = self.model(first).live
            chosen = live[key % len(live)]
        self.new_round()
        self.of_a_neighbour(kind, first, chosen)
        release = in_race if kind in READING else at_write
        for number, (session, pick) in enumerate(zip(others, encounter.others, strict=True)):
            self.of_a_neighbour(kinds[pick % len(kinds)], session, chosen)
            self.when(release(swept(encounter.moment, number)))

    def of_a_neighbour(self, kind: str, session: str, key: int) -> None:
        """One request, joined, and what becomes of the key if it is alone with its user's rows."""
        self.meet(kind, session, key)
        model = self.model(session)
        if kind == "insert":
            model.next = key + 1
            model.live.append(key)
        elif kind == "delete":
            model.delete(key)
