"""The live subscriptions of one execution: what they are told goes to the history as it comes.

A notification may be late, and a slow machine makes it later. So an execution does not end before every
subscription was told of as many changes as it can expect. Where some do not come, a *fence* follows: one more
write, told after all that was committed before it, so that what is missing behind it is missing for good.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator

from attrs import define, field

from kalam_props.drivers import sql
from kalam_props.drivers.feed import Feed, Notice
from kalam_props.drivers.protocol import Credential, Driver, Reply
from kalam_props.errors import TargetError
from kalam_props.gate.handle import Gate
from kalam_props.gate.plan import GateSession
from kalam_props.history.events import CONNECTION_LOST, Notify
from kalam_props.history.operations import Delete, Increment, Insert, Operation, Scalar, Txn, Update, parts
from kalam_props.history.writer import HistoryWriter
from kalam_props.programs.model import TableDef

LIVE_S = 20.0
"""How long a subscription may take to become live; a client's start is part of it."""

QUIET_S = 0.5
"""After so long without all that was expected a fence is asked for, or another one."""

GIVE_UP_S = 7.0
"""When waiting ends, whatever came. Longer than the patience of the checks, which then call it missed."""


@define(eq=False)
class Live:
    """One subscription: who watches which table, and how many changes it was told of.

    `since`: when it was live, by the history's clock. `expected`: rows changed by acknowledged writes that
    were invoked after that. `passed`: it was told of a fence. `lost`: its connection ended by itself.
    """

    invoked: int
    user: str
    table: str
    definition: TableDef
    feed: Feed | None = None
    port: GateSession | None = None
    since: int | None = None
    expected: int = 0
    told: int = 0
    fences: set[Scalar] = field(factory=set)
    passed: bool = False
    lost: bool = False

    @property
    def behind(self) -> bool:
        """Something that it must be told has not come, and may still come."""
        done = self.lost or self.passed or self.told >= self.expected
        return self.feed is not None and not done

    def concerns(self, user: str, table: str) -> bool:
        """Whether it sees what a user does to a table."""
        return table == self.table and (self.definition.type == "shared" or user == self.user)


@define
class Subscriptions:
    """Owns the feeds of one execution, each on a port of its own where there is a gate. Thread-safe."""

    writer: HistoryWriter
    driver: Driver
    url: str
    gate: Gate | None
    _all: list[Live] = field(factory=list)
    _news: threading.Condition = field(factory=threading.Condition, repr=False)

    def open(
        self,
        invoked: int,
        user: str,
        table: str,
        definition: TableDef,
        credential: Credential,
        qualified: str,
    ) -> Reply:
        """Subscribe for the invocation `invoked` and wait until it is live; else why it is not.

        Raises:
            TargetError: the client cannot subscribe, or says what nobody understands; or the gate has died.

        """
        live = Live(invoked, user, table, definition)
        live.port = None if self.gate is None else self.gate.open_session()
        url = self.url if live.port is None else live.port.url
        with self._news:
            self._all.append(live)
        live.feed = self.driver.subscribe(
            credential,
            sql.subscription(qualified, definition),
            url=url,
            tell=lambda notice: self._told(live, notice),
        )
        reply = live.feed.await_live(LIVE_S)
        if reply.error is not None:
            self._end(live)
        return reply

    def is_live(self, invoked: int) -> None:
        """Its acknowledgement is in the history: what is written from now on must be told."""
        with self._news:
            for live in self._all:
                if live.invoked == invoked:
                    live.since = self.writer.now()

    def answered(self, user: str, op: Operation, affected: int | None, invoked_ns: int) -> None:
        """An operation was acknowledged: who sees the rows that it changed will be told."""
        if isinstance(op, Txn) and op.rollback:
            return
        with self._news:
            for live in self._all:
                if live.since is not None and live.since < invoked_ns:
                    live.expected += sum(
                        _rows_changed(inner, affected)
                        for inner in parts(op)
                        if live.concerns(user, str(getattr(inner, "table", "")))
                    )

    def fence(self, user: str, op: Insert) -> None:
        """An insert is about to be made for no other reason than that it is told after all others."""
        with self._news:
            for live in self._all:
                if live.concerns(user, op.table):
                    live.fences.update(row[live.definition.key_index] for row in op.rows)

    def close(self, user: str, table: str) -> None:
        """End every subscription of a user to a table."""
        for live in self._open_ones():
            if (live.user, live.table) == (user, table):
                self._end(live)

    def close_all(self) -> None:
        for live in self._open_ones():
            self._end(live)

    def behind(self) -> list[Live]:
        """Those that were not told yet of all that they can expect."""
        with self._news:
            return [live for live in self._all if live.behind]

    def await_told(self, seconds: float) -> bool:
        """Wait until none is behind; whether that came in time.

        Raises:
            TargetError: one was told what nobody understands.

        """
        deadline = time.monotonic() + seconds
        while True:
            self._notice_ends()
            with self._news:
                left = deadline - time.monotonic()
                if not any(live.behind for live in self._all):
                    return True
                if left <= 0:
                    return False
                self._news.wait(min(left, 0.1))

    def _told(self, live: Live, notice: Notice) -> None:
        rows = tuple(sql.row_of(row, live.definition) for row in notice.rows)
        old = tuple(sql.row_of(row, live.definition) for row in notice.old)
        self.writer.notify(Notify(0, 0, live.invoked, notice.change, rows or None, old or None))
        if notice.change != "initial":
            with self._news:
                live.told += max(1, len(rows))
                live.passed |= any(row[live.definition.key_index] in live.fences for row in rows)
                self._news.notify_all()

    def _notice_ends(self) -> None:
        """Of connections that were lost: told in the history, and nothing more is expected of them."""
        for live in self._open_ones():
            assert live.feed is not None  # noqa: S101  # of an open one; for the type checker
            live.feed.check()
            if not live.lost and (words := live.feed.lost) is not None:
                live.lost = True
                self.writer.net(live.invoked, f"{CONNECTION_LOST}: {words}")

    def _open_ones(self) -> Iterator[Live]:
        with self._news:
            everyone = list(self._all)
        return (live for live in everyone if live.feed is not None)

    def _end(self, live: Live) -> None:
        feed, live.feed = live.feed, None
        if feed is not None:
            feed.close()
        if self.gate is not None and live.port is not None:
            with contextlib.suppress(TargetError):  # the gate died: told by whoever waits for a request
                self.gate.close_session(live.port)
            live.port = None


def _rows_changed(op: Operation, affected: int | None) -> int:
    """How many notifications an acknowledged operation is good for, at the least."""
    if isinstance(op, Insert):
        return len(op.rows)
    return int(isinstance(op, (Update, Increment, Delete)) and affected == 1)
