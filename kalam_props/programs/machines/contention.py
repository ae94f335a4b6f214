"""Sessions of one user that do something to one row at once."""

from __future__ import annotations

from typing import ClassVar

from attrs import frozen
from hypothesis import strategies as st
from hypothesis.stateful import rule

from kalam_props.programs.machine import KEYS, READING, SESSIONS, ProgramMachine, Size
from kalam_props.programs.moments import MOMENTS, at_write, read_at_write, swept

CONTENDERS = st.lists(st.integers(0, 11), min_size=1, max_size=2)
"""Kinds of operations that meet a write."""


@frozen
class Contest:
    """A write and what meets it, `moment` in it; drawn as one argument. The numbers choose kinds."""

    write: int
    contenders: list[int]
    moment: int


CONTESTS = st.builds(Contest, write=st.integers(0, 3), contenders=CONTENDERS, moment=MOMENTS)


class Contention(ProgramMachine):
    """One rule that draws rounds in which sessions of one user do something to one row at once."""

    contended: ClassVar[tuple[tuple[str, tuple[str, ...]], ...]] = (
        ("increment", ("increment", "update", "increment", "get")),
        ("update", ("increment", "get", "increment", "update")),
        ("insert", ("insert", "another", "insert", "select", "another", "get")),
        ("delete", ("delete", "increment", "delete", "update", "delete", "insert")),
    )
    """What is done to a row, and what meets it: mostly what shows that one of them did not see the other."""

    @rule(user=SESSIONS, key=KEYS, contests=st.lists(CONTESTS, min_size=1, max_size=4))
    def contend(self, user: int, key: int, contests: list[Contest]) -> None:
        """A round each: little beside the rest of a program, and one of few meets what it is aimed at."""
        for at, contest in enumerate(contests):
            self.meet_write(user, key + at, contest)

    def meet_write(self, user: int, key: int, contest: Contest) -> None:
        """A write, and others at it; each in a session of its own, so that all are on the wire together.

        An insert is one of a row that is not there.
        """
        index = user % self.user_count
        owner = f"u{index}"
        written, kinds = self.contended[contest.write]
        model = self.model(owner)
        if written == "insert":
            (chosen,) = self.fresh_keys(owner, 1)
            model.live.append(chosen)
        else:
            if not model.live:
                self.insert(index, Size(0, 1))
            chosen = model.live[key % len(model.live)]
        if written == "delete":  # the next round is about another row
            model.delete(chosen)
        self.new_round()
        self.on_key(written, f"{owner}/1", chosen)
        for number, pick in enumerate(contest.contenders):
            met = kinds[pick % len(kinds)]
            self.meet(met, f"{owner}/{number + 2}", chosen)
            release = read_at_write if met in READING else at_write
            self.when(release(swept(contest.moment, number)))
