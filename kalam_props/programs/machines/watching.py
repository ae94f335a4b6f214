"""Rows that are read while another session of their user inserts them."""

from __future__ import annotations

from typing import ClassVar

from attrs import frozen
from hypothesis import strategies as st
from hypothesis.stateful import rule

from kalam_props.history.operations import Count, Select
from kalam_props.programs.machine import SESSIONS, ProgramMachine, Size
from kalam_props.programs.moments import AT_ITS_ANSWER, MOMENTS, in_writes, swept


@frozen
class Watch:
    """Inserts of one session, and what other sessions of its user read meanwhile; drawn as one argument.

    Attributes:
        statements, rows: how many statements, of how many rows each; one where another session writes too.
        refused: the last statement has a key that is there already.
        beside: another session inserts a row when the first has its answer: a scan of both may see only the
            second. In one session the second would wait until its client has started.
        readers: sessions that read; `pick` chooses what.

    """

    user: int
    statements: int
    rows: int
    refused: bool
    beside: bool
    readers: int
    pick: int
    moment: int


WATCHES = st.builds(
    Watch,
    user=SESSIONS,
    statements=st.integers(1, 3),
    rows=st.integers(1, 3),
    refused=st.booleans(),
    beside=st.booleans(),
    readers=st.integers(1, 3),
    pick=st.integers(0, 11),
    moment=MOMENTS,
)


class Watching(ProgramMachine):
    """One rule that lets some sessions read the rows that another one of their user is inserting."""

    watching_kinds: ClassVar[tuple[str, ...]] = ("select", "count", "select")

    @rule(watch=WATCHES)
    def write_watched(self, watch: Watch) -> None:
        """A batch, several statements, or a batch that must be refused as a whole."""
        index = watch.user % self.user_count
        owner = f"u{index}"
        if watch.refused and not self.model(owner).live:
            self.insert(index, Size(0, 1))
        self.new_round()
        writer = f"{owner}/1"
        statements = 1 if watch.beside else watch.statements
        for number in range(statements):
            if watch.refused and number == statements - 1:
                self.insert_beside_existing(writer, watch.rows, watch.pick)
            else:
                self.insert_fresh(writer, watch.rows)
        if watch.beside:
            self.insert_fresh(f"{owner}/{2 + watch.readers}", 1)
            self.when(AT_ITS_ANSWER)
        for number in range(watch.readers):
            chosen = self.watching_kinds[(watch.pick + number) % len(self.watching_kinds)]
            read = Select(self.on) if chosen == "select" else Count(self.on)
            self.add(read, f"{owner}/{2 + number}", join=True)
            # Of two writes that follow each other, one read has begun before either is done.
            if number or not watch.beside:
                self.when(in_writes(swept(watch.moment, number), statements))
