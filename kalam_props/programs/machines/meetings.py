"""Operations of a user that are aimed into a flush of its rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from attrs import frozen
from hypothesis import strategies as st
from hypothesis.stateful import rule

from kalam_props.history.operations import Flush
from kalam_props.programs import payloads
from kalam_props.programs.machine import KEYS, PAYLOADS, SESSIONS, ProgramMachine, Size
from kalam_props.programs.model import Release
from kalam_props.programs.moments import MOMENTS, at_flush, in_comb, swept

FEW_MEETINGS = st.lists(st.integers(0, 11), min_size=1, max_size=3)
"""Kinds of those that meet a flush: with more, a server on few cores does each too late."""


@frozen
class Comb:
    """The same operation, `teeth` times, in a flush of some rows; `pick` chooses its kind.

    Drawn as one argument: Hypothesis takes the rule with the fewest for the simplest, and begins with a
    program of nothing else.
    """

    user: int
    rows: int
    key: int
    pick: int
    teeth: int
    moment: int
    by_rows: bool


COMBS = st.builds(
    Comb,
    user=SESSIONS,
    rows=st.integers(1, 3),
    key=KEYS,
    pick=st.integers(0, 11),
    teeth=st.integers(1, 4),
    moment=MOMENTS,
    by_rows=st.booleans(),
)


class FlushMeetings(ProgramMachine):
    """Rules that put rows of a user where a flush will take them, and operations of that user into it."""

    meeting_kinds: ClassVar[tuple[str, ...]] = (
        *("select", "another", "count", "update", "select", "get", "count", "delete"),
    )
    comb_kinds: ClassVar[tuple[str, ...]] = (
        *("select", "count", "select", "count", "get", "another", "update", "delete"),
    )

    @rule(
        user=SESSIONS,
        rows=st.integers(1, 3),
        payload=PAYLOADS,
        key=KEYS,
        meetings=FEW_MEETINGS,
        moment=MOMENTS,
        by_rows=st.booleans(),
    )
    def meet_flush(
        self,
        user: int,
        rows: int,
        payload: str,
        key: int,
        meetings: list[int],
        moment: int,
        by_rows: bool,  # noqa: FBT001
    ) -> None:
        """Different operations, anywhere in the flush."""
        releases = [at_flush(swept(moment, number)) for number in range(len(meetings))]
        kinds = [self.meeting_kinds[pick % len(self.meeting_kinds)] for pick in meetings]
        self.into_flush(user, rows, payload, key, kinds, releases, by_rows=by_rows)

    @rule(comb=COMBS)
    def comb_flush(self, comb: Comb) -> None:
        """The same operation by one or several sessions, one shortly after the other, where it publishes.

        How long a flush takes varies by more than a race lasts: one of them is there when it is over.
        """
        kinds = [self.comb_kinds[comb.pick % len(self.comb_kinds)]] * comb.teeth
        releases = [in_comb(comb.moment, tooth, comb.teeth) for tooth in range(comb.teeth)]
        self.into_flush(comb.user, comb.rows, payloads.PLAIN, comb.key, kinds, releases, by_rows=comb.by_rows)

    def into_flush(
        self,
        user: int,
        rows: int,
        payload: str,
        key: int,
        kinds: Sequence[str],
        releases: Sequence[Release | None],
        *,
        by_rows: bool,
    ) -> None:
        """A flush of nothing meets nobody: first rows, and so few that no flush by row count takes them.

        Then each operation in a session of its own, and one that causes the flush: the command, or an insert
        of as many rows as the boundary.
        """
        index = user % self.user_count
        owner = f"u{index}"
        boundary = self.table.flush_rows
        if boundary is not None:
            rows = min(rows, boundary - 1)
            if self.hot + rows >= boundary:
                self.await_flush(index)
        self.insert(index, Size(0, rows), payload=payload)
        chosen = self.key(f"{owner}/1", key)
        self.new_round()
        cause = f"{owner}/{len(kinds) + 1}"
        if by_rows and boundary is not None:
            # So many that it is certainly this one, however many of the rows before are really there.
            self.insert_fresh(cause, boundary)
        else:
            self.add(Flush(self.on), cause, join=True)
        for number, (chosen_kind, release) in enumerate(zip(kinds, releases, strict=True), 1):
            session = f"{owner}/{number}"
            self.meet(chosen_kind, session, chosen)
            self.when(release)
