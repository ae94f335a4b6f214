"""Armed rounds, and the one place from which their held requests leave."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from time import monotonic_ns
from typing import TYPE_CHECKING, Protocol

from kalam_props.gate.loop import SPIN_NS
from kalam_props.gate.priority import Priority
from kalam_props.gate.schedule import Schedule
from kalam_props.gate.watch import Watch

if TYPE_CHECKING:
    from kalam_props.gate.sessions import Session


_SOON_NS = 5_000_000
"""A release so near is awaited with raised priority: on a busy machine the waking up would be late."""


class Holder(Protocol):
    """Who holds a request: the relay of the connection that it came on."""

    def due(self, at: int, *, forced: bool) -> None:
        """It is about to be called, as it was to be at `at`; `forced`: without its rule being met."""
        ...

    def shot(self) -> tuple[Callable[[bytes], int], bytes]:
        """The system call that lets the request go, and what to give it."""
        ...

    def released(self, stamp: int, sent: int | OSError) -> None:
        """It was called at `stamp` and answered `sent`."""
        ...


class Killing:
    """Holds the end of a process: what leaves is a signal that nothing can refuse."""

    def __init__(self, pid: int) -> None:
        self._pid = pid

    def due(self, at: int, *, forced: bool) -> None:
        """See `Holder`."""

    def shot(self) -> tuple[Callable[[bytes], int], bytes]:
        return self._kill, b""

    def released(self, stamp: int, sent: int | OSError) -> None:
        """See `Holder`. One that had ended already is none of ours to tell: its owner sees that."""

    def _kill(self, _data: bytes) -> int:
        os.kill(self._pid, signal.SIGKILL)
        return 0


class Round:
    """One armed round: its operations, their order, and the connections that hold requests of it."""

    def __init__(self, number: int, schedule: Schedule) -> None:
        self.number = number
        self.schedule = schedule
        self.watches: dict[int, Watch] = {}
        self.sessions: dict[int, Session] = {}
        self.holders: dict[int, Holder] = {}

    def arrived(self, watch: Watch, holder: Holder) -> None:
        """`holder` has the complete first request of an operation and is able to send it."""
        self.holders[watch.op] = holder
        self.schedule.arrived(watch.op, monotonic_ns())

    def finished(self, op: int, ns: int) -> None:
        self.holders.pop(op, None)
        self.schedule.finished(op, ns)

    def left(self, op: int) -> None:
        """The request of `op` went on without waiting for its turn."""
        self.holders.pop(op, None)
        self.schedule.left(op)

    def collect(self, op: int) -> dict[str, object]:
        """What was seen of an operation. The first call ends it: nothing of it is forwarded any more.

        Unless it is settled, that takes the session's port away: bytes of it may still
        be on their way to us.
        """
        if op not in self.watches:
            raise ValueError(f"round {self.number} has no operation {op}")
        watch = self.watches[op]
        session = self.sessions[op]
        if not watch.collected:
            watch.collected = True
            session.watches.remove(watch)
            watch.opaque = session.port.opaque if session.port is not None else 0
            if not watch.settled and session.port is not None:
                session.port.retire()
                session.port = None
                watch.retired = True
            watch.finish(monotonic_ns())
        return watch.report()


class Rounds:
    """All armed rounds, by number."""

    def __init__(self, priority: Priority) -> None:
        self._armed: dict[int, Round] = {}
        self._priority = priority

    def add(self, round_: Round) -> None:
        self._armed[round_.number] = round_

    def get(self, number: int) -> Round:
        if number not in self._armed:
            raise ValueError(f"no round {number} is armed")
        return self._armed[number]

    def remove(self, number: int) -> None:
        del self._armed[number]

    def pump(self) -> int | None:
        """Let go what is due, and say when to be called again if nothing else happens (nanoseconds)."""
        due: list[tuple[int, int, int, bool]] = []
        wake: int | None = None
        now = monotonic_ns()
        for round_ in self._armed.values():
            if round_.schedule.holding:
                due.extend((at, round_.number, op, forced) for at, op, forced in round_.schedule.due(now))
                gather_until = round_.schedule.wake_ns()
                if gather_until is not None and (wake is None or gather_until < wake):
                    wake = gather_until
        due.sort()
        batch = [entry for entry in due if entry[0] <= now + SPIN_NS]
        if batch:
            self._priority.raise_()
            self._release(batch)
        if len(batch) == len(due):
            self._priority.lower()
            return wake
        at = due[len(batch)][0]
        if at <= monotonic_ns() + _SOON_NS:
            self._priority.raise_()
        else:
            self._priority.lower()
            at -= _SOON_NS
        return at if wake is None else min(at, wake)

    def _release(self, batch: list[tuple[int, int, int, bool]]) -> None:
        holders = []
        shots = []
        for at, number, op, forced in batch:
            holder = self._armed[number].holders[op]
            holder.due(at, forced=forced)
            holders.append(holder)
            shots.append((at, *holder.shot()))
        outcomes: list[tuple[int, int | OSError]] = []
        clock = monotonic_ns
        # Nothing but the clock and the system call between two requests of a round.
        for at, send, data in shots:
            while clock() < at:
                pass
            stamp = clock()
            try:
                outcomes.append((stamp, send(data)))
            except OSError as error:
                outcomes.append((stamp, error))
        for (_, number, op, _), holder, (stamp, sent) in zip(batch, holders, outcomes, strict=True):
            self._armed[number].left(op)
            holder.released(stamp, sent)
